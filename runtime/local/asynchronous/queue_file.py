"""The file that keeps the queue: one process has it at a time, for as long as it lives."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

#: Seconds to wait for a file that another process has: long enough for one that is just ending.
PATIENCE: Final = 1.0

SCHEMA: Final = """
create table if not exists events (
    id integer primary key,
    function text not null,
    request_id text not null,
    body blob not null,
    fields text not null,
    created real not null,
    due real not null,
    tries integer not null default 0,
    throttled integer not null default 0,
    running integer not null default 0
)
"""


class QueueError(Exception):
    """The queue can't be kept; the message says in which file, and why."""

    @classmethod
    def of(cls, path: Path, error: OSError | sqlite3.Error) -> QueueError:
        """What the system said of the file."""
        reason = error.strerror if isinstance(error, OSError) else error
        return cls(f"can't keep the queue in {path}: {reason}; --queue FILE names another file")


def open_file(path: Path, say: Callable[[str], None]) -> sqlite3.Connection:
    """Open the queue's file, or make it, and have it alone.

    Another process that has it keeps it: two that hand out the same events would handle them twice. The queue is then
    in memory, empty, and ends with this process; `say` is told.

    Raises:
        QueueError: the file or its folder can't be made, read or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _open(str(path))
    except (OSError, sqlite3.Error) as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY:
            raise QueueError.of(path, error) from error
    say(
        f"another process keeps the queue in {path}, as `dispatch serve` does for the same folder; this one's is in "
        "memory, and what is in it at the end is lost; --queue FILE names another file"
    )
    return _open(":memory:")


def _open(name: str) -> sqlite3.Connection:
    database = sqlite3.connect(name, timeout=PATIENCE, isolation_level=None)
    try:
        # SQLite's own lock, which it then holds until the connection is closed or the process ends, in whatever way.
        database.execute("pragma locking_mode = exclusive")
        database.execute("pragma journal_mode = wal")
        database.execute("pragma synchronous = normal")
        database.execute(SCHEMA)
        # What was being handled when the platform ended is handled again, as Lambda's "at least once" has it.
        database.execute("update events set running = 0, due = ?", (time.time(),))
    except sqlite3.Error:
        database.close()
        raise
    return database
