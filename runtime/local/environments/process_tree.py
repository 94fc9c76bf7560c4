"""Which process is at the other end of a local connection, where the system tells (/proc, so Linux)."""

from __future__ import annotations

import os
from pathlib import Path

from runtime.local.environments.process import PROC, family

#: Column numbers of a line in /proc/net/tcp: the two addresses, and the socket's inode.
LOCAL, REMOTE, INODE = 1, 2, 9


def belongs_to(pid: int, port: int, server_port: int) -> bool:
    """Whether the connection from `port` to `server_port` is of a process or one of its descendants.

    True also where that can't be found out: then the port, which only the process was told, is all the protection.
    """
    try:
        inode = _inode(port, server_port)
        return inode is None or any(_holds(one, inode) for one in family(pid))
    except OSError:
        return True


def _inode(port: int, server_port: int) -> str | None:
    for line in (PROC / "net" / "tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[LOCAL].endswith(f":{port:04X}") and fields[REMOTE].endswith(f":{server_port:04X}"):
            return fields[INODE]
    return None


def _holds(pid: int, inode: str) -> bool:
    folder: Path = PROC / str(pid) / "fd"
    for descriptor in os.listdir(folder):
        try:
            if os.readlink(folder / descriptor) == f"socket:[{inode}]":
                return True
        except FileNotFoundError:
            continue
    return False
