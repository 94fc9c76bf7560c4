"""A process and its descendants: their memory and their connections, as far as `/proc` shows them (so on Linux)."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import Final, TypeAlias

PROC: Final = Path("/proc")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")

#: The columns of a line in /proc/net/tcp: the two addresses, and the socket's inode.
LOCAL, REMOTE, INODE = 1, 2, 9

#: A host and a port.
Address: TypeAlias = tuple[str, int]


def process_tree(pid: int) -> list[int]:
    """Return the ids of a process and its descendants; each thread has children of its own."""
    found = [pid]
    for parent in found:
        for children in (PROC / str(parent) / "task").glob("*/children"):
            try:
                found.extend(map(int, children.read_text().split()))
            except OSError:
                continue
    return found


def session_members(session: int) -> list[int]:
    """Return the ids of the processes in a session, orphans too; none on a system without `/proc`."""
    # Not through pathlib, which would take two thirds of the time: a machine may run many processes.
    wanted, found = str(session).encode(), []
    for name in os.listdir(PROC) if os.path.isdir(PROC) else ():
        if not name.isdecimal():
            continue
        try:
            with open(f"{PROC}/{name}/stat", "rb", buffering=0) as stat:
                # The name in brackets may have blanks; the session is the fourth field after it (proc(5)).
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[3] == wanted:
            found.append(int(name))
    return found


def resident_memory(pid: int) -> int:
    """Return the resident memory of a process and its descendants, in bytes; 0 on a system without `/proc`."""
    return sum(_resident(one) for one in process_tree(pid))


def _resident(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def owns_connection(pid: int, client: Address, server: Address) -> bool:
    """Return whether a process or a descendant holds the client's end of a connection, both ends IPv4 addresses.

    True also where `/proc/net/tcp` cannot be read: then the port, which only the process knows, is the whole
    protection. A process whose descriptors cannot be read, such as a zombie or one of another user, holds nothing.
    """
    try:
        # Twice: a line can be missing where connections end while the file is read.
        inode = _inode(client, server) or _inode(client, server)
    except OSError:
        return True
    return inode is not None and any(_holds(one, inode) for one in process_tree(pid))


def _inode(client: Address, server: Address) -> str | None:
    """Return the inode of the client's socket, which may be one of IPv6 with a mapped address."""
    for name, prefix in (("tcp", ""), ("tcp6", "::ffff:")):
        file = PROC / "net" / name
        if prefix and not file.exists():
            continue
        ends = [_shown(prefix + host, port) for host, port in (client, server)]
        for line in file.read_text().splitlines():
            fields = line.split()
            if fields[LOCAL : REMOTE + 1] == ends:
                return fields[INODE]
    return None


def _shown(host: str, port: int) -> str:
    """Return an address as these files have it: numbers of 32 bits in the machine's own order, in hexadecimal."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    return "".join(f"{number:08X}" for (number,) in struct.iter_unpack("=I", packed)) + f":{port:04X}"


def _holds(pid: int, inode: str) -> bool:
    folder = PROC / str(pid) / "fd"
    try:
        descriptors = os.listdir(folder)
    except OSError:
        return False
    for descriptor in descriptors:
        try:
            if os.readlink(folder / descriptor) == f"socket:[{inode}]":
                return True
        except OSError:
            continue
    return False
