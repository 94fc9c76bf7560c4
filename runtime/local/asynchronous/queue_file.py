"""The file that keeps the queue; only one process at a time has it open.

SQLite's own lock is held until the file is closed or the process ends, however it ends.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runtime.local.invocation import Event

#: Seconds to wait for a file that another process has: long enough for one that is just ending.
PATIENCE: Final = 1.0

#: How many events are read from the file at once: each may have 1 MB.
AT_ONCE: Final = 50

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
#: What makes a `QueuedEvent`.
COLUMNS: Final = "id, function, request_id, body, fields, created, tries, throttled"


class QueueError(Exception):
    """The queue cannot be kept; the message names the file and the reason."""

    @classmethod
    def of(cls, path: Path, error: OSError | sqlite3.Error) -> QueueError:
        """Make the error from the system's."""
        reason = error.strerror if isinstance(error, OSError) else error
        return cls(f"cannot keep the queue in {path}: {reason}; pass --queue FILE to use another file")


@dataclass(frozen=True, slots=True)
class QueuedEvent:
    """One event in the queue.

    Attributes:
        created: seconds since the epoch.
        tries: how often the function has failed on it.
        throttled: how often in a row it found every environment busy.
    """

    id: int
    function: str
    event: Event
    created: float
    tries: int
    throttled: int

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> QueuedEvent:
        """Read a row of the table."""
        number, function, request_id, body, fields, created, tries, throttled = row
        return cls(number, function, Event(body, request_id, **json.loads(fields)), created, tries, throttled)


class QueueFile:
    """The queue's table; every method raises `QueueError` if the file fails."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path = path
        self._database = database

    @classmethod
    def open(cls, path: Path, notify: Callable[[str], None]) -> QueueFile:
        """Open the file, or make it.

        If another process has it open, the queue is in memory, empty, and ends with this process: two processes that
        hand out the same events would handle them twice. `notify` is then called with the reason.

        Raises:
            QueueError: the file or its folder cannot be made, read or written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return cls(path, _connect(str(path)))
        except (OSError, sqlite3.Error) as error:
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY:
                raise QueueError.of(path, error) from error
        notify(
            f"another process is using the queue in {path}, as a `dispatch serve` of the same folder does; this queue "
            "is in memory, and events that are left in it at the end are lost; pass --queue FILE to use another file"
        )
        return cls(path, _connect(":memory:"))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __len__(self) -> int:
        count: int = self._execute("select count(*) from events")[0][0]
        return count

    def add(self, function: str, event: Event) -> None:
        """Write an event to the disk. Its client context is not kept, as on Lambda."""
        fields = {"arn": event.arn, "trace_id": event.trace_id, "tenant_id": event.tenant_id}
        if event.mapping:
            fields["mapping"] = event.mapping
        self._execute(
            "insert into events (function, request_id, body, fields, created, due) values (?, ?, ?, ?, ?, ?)",
            (function, event.request_id, event.body, json.dumps(fields), time.time(), time.time()),
        )

    def start_due(self) -> list[QueuedEvent]:
        """Mark the events that are due as running, and return them, the oldest first; not all if there are many."""
        rows = self._execute(
            "update events set running = 1 where id in "  # noqa: S608
            f"(select id from events where running = 0 and due <= ? order by id limit ?) returning {COLUMNS}",
            (time.time(), AT_ONCE),
        )
        return sorted(map(QueuedEvent.from_row, rows), key=lambda queued: queued.id)

    def seconds_until_due(self) -> float | None:
        """Return how long it is until an event is due; None if none is waiting."""
        due = self._execute("select min(due) from events where running = 0")[0][0]
        return None if due is None else max(0.0, due - time.time())

    def put_back(self, queued: QueuedEvent, wait: float, *, tries: int, throttled: int) -> None:
        """Make an event due again after `wait` seconds."""
        self._execute(
            "update events set running = 0, due = ?, tries = ?, throttled = ? where id = ?",
            (time.time() + wait, tries, throttled, queued.id),
        )

    def remove(self, queued: QueuedEvent) -> None:
        """Delete an event."""
        self._execute("delete from events where id = ?", (queued.id,))

    def _execute(self, statement: str, values: tuple[object, ...] = ()) -> list[Any]:
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise QueueError.of(self._path, error) from error


def _connect(name: str) -> sqlite3.Connection:
    database = sqlite3.connect(name, timeout=PATIENCE, isolation_level=None)
    try:
        database.execute("pragma locking_mode = exclusive")
        database.execute("pragma journal_mode = wal")
        database.execute("pragma synchronous = normal")
        database.execute(SCHEMA)
        # What was running when the platform ended is handled again: Lambda promises "at least once".
        database.execute("update events set running = 0, due = ?", (time.time(),))
    except sqlite3.Error:
        database.close()
        raise
    return database
