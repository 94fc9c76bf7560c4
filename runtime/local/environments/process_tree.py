"""A process and its descendants: their memory and their connections, as far as `/proc` shows them (so on Linux)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")

#: The columns of a line in /proc/net/tcp: the two addresses, and the socket's inode.
LOCAL, REMOTE, INODE = 1, 2, 9


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
    found = []
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            # The name in brackets may have blanks; the session is the fourth field after it (proc(5)).
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[3] == str(session):
            found.append(int(stat.parent.name))
    return found


def resident_memory(pid: int) -> int:
    """Return the resident memory of a process and its descendants, in bytes; 0 on a system without `/proc`."""
    return sum(_resident(one) for one in process_tree(pid))


def _resident(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def owns_connection(pid: int, port: int, server_port: int) -> bool:
    """Return whether a process or a descendant holds the connection from `port` to `server_port`.

    True also where that cannot be found out: then the port, which only the process knows, is the whole protection.
    """
    try:
        inode = _inode(port, server_port)
        return inode is None or any(_holds(one, inode) for one in process_tree(pid))
    except OSError:
        return True


def _inode(port: int, server_port: int) -> str | None:
    for line in (PROC / "net" / "tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[LOCAL].endswith(f":{port:04X}") and fields[REMOTE].endswith(f":{server_port:04X}"):
            return fields[INODE]
    return None


def _holds(pid: int, inode: str) -> bool:
    folder = PROC / str(pid) / "fd"
    for descriptor in os.listdir(folder):
        try:
            if os.readlink(folder / descriptor) == f"socket:[{inode}]":
                return True
        except FileNotFoundError:
            continue
    return False
