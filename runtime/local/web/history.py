"""What happened: the last invocations with their events, answers and logs, and a feed of what happens now."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from runtime.local.environments.log_lines import LogLine, Report
from runtime.local.environments.platform import Invocation
from runtime.local.invocation import KEPT

#: How many invocations are remembered, and how many lines of each one's log.
REMEMBERED: Final = 200
LINES: Final = 2000


@dataclass(slots=True)
class Record:
    """One invocation as the page shows it."""

    function: str
    source: str
    invocation: Invocation
    started: float = field(default_factory=time.time)
    lines: list[str] = field(default_factory=list)
    report: Report | None = None

    def summary(self) -> dict[str, Any]:
        """What a list of invocations shows. Times are in milliseconds."""
        report, answer = self.report, self.invocation.answer
        return {
            "id": self.invocation.event.request_id,
            "function": self.function,
            "source": self.source,
            "started": self.started * 1000,
            "status": report.status if report else "running",
            "duration": report and round(report.duration, 2),
            "init": report and report.init and round(report.init, 2),
            "memory": report and report.memory_used,
            "environment": report and report.environment,
            "errorType": answer.error and answer.error.type,
            "size": answer.size,
            "streamed": answer.streaming,
        }

    def details(self) -> dict[str, Any]:
        """All that is kept."""
        answer, event = self.invocation.answer, self.invocation.event
        body = answer.error.body if answer.error and not answer.kept else bytes(answer.kept)
        return {
            **self.summary(),
            "event": event.body[:KEPT].decode(errors="replace"),
            "answer": body.decode(errors="replace"),
            "cut": answer.size > KEPT,
            "error": answer.error and answer.error.body.decode(errors="replace"),
            "log": self.lines,
        }


class Hub:
    """Is told by the platform, and tells whoever listens."""

    def __init__(self) -> None:
        self.records: deque[Record] = deque(maxlen=REMEMBERED)
        self._by_id: dict[str, Record] = {}
        self._listeners: set[asyncio.Queue[str | None]] = set()

    def watch(self, invocation: Invocation, source: str) -> None:
        """An invocation started."""
        if len(self.records) == REMEMBERED:
            self._by_id.pop(self.records[0].invocation.event.request_id, None)
        record = Record(invocation.function, source, invocation)
        self.records.append(record)
        self._by_id[invocation.event.request_id] = record
        self.publish("start", record.summary())
        invocation.report.add_done_callback(lambda task: self._end(record, task))

    def _end(self, record: Record, task: asyncio.Task[Report]) -> None:
        if not task.cancelled() and task.exception() is None:
            record.report = task.result()
            self.publish("end", record.summary())

    def log(self, line: LogLine) -> None:
        """A line of a function's log."""
        record = self._by_id.get(line.request_id)
        if record is not None and len(record.lines) < LINES:
            record.lines.append(line.text)
        if self._listeners:
            self.publish("log", {"id": line.request_id, "function": line.function, "text": line.text})

    def find(self, request_id: str) -> Record | None:
        """An invocation that is remembered."""
        return self._by_id.get(request_id)

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        """Tell all listeners."""
        if self._listeners:
            message = f"event: {kind}\ndata: {json.dumps(data)}\n\n"
            for listener in self._listeners:
                listener.put_nowait(message)

    def close(self) -> None:
        """Nothing more happens."""
        for listener in self._listeners:
            listener.put_nowait(None)

    async def listen(self) -> AsyncIterator[str]:
        """What happens from now on, as server-sent events."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield ": listening\n\n"
            while (message := await queue.get()) is not None:
                yield message
        finally:
            self._listeners.discard(queue)
