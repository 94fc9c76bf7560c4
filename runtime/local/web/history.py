"""What happened: the last invocations with their events, answers and logs, and a feed of what happens now."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from runtime.local.environments.log_lines import LogLine
from runtime.local.invocation import KEPT, InvocationReport, RunningInvocation

#: How many invocations are remembered, and how many lines of each one's log.
REMEMBERED: Final = 200
LINES: Final = 2000


@dataclass(slots=True)
class HistoryEntry:
    """One invocation as the page shows it; `report` is None until it is over."""

    function: str
    source: str
    invocation: RunningInvocation
    started: float = field(default_factory=time.time)
    lines: list[str] = field(default_factory=list)
    report: InvocationReport | None = None

    def summary(self) -> dict[str, Any]:
        """Return what a list of invocations shows. Times are in milliseconds."""
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
        """Return everything that is kept."""
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


class History:
    """Collects what the platform does, and publishes it to every listener."""

    def __init__(self) -> None:
        self.entries: deque[HistoryEntry] = deque(maxlen=REMEMBERED)
        self._by_id: dict[str, HistoryEntry] = {}
        self._listeners: set[asyncio.Queue[str | None]] = set()

    def add(self, invocation: RunningInvocation, source: str) -> None:
        """Note that an invocation started."""
        if len(self.entries) == REMEMBERED:
            self._by_id.pop(self.entries[0].invocation.event.request_id, None)
        entry = HistoryEntry(invocation.function, source, invocation)
        self.entries.append(entry)
        self._by_id[invocation.event.request_id] = entry
        self.publish("start", entry.summary())
        invocation.report.add_done_callback(lambda task: self._end(entry, task))

    def _end(self, entry: HistoryEntry, task: asyncio.Task[InvocationReport]) -> None:
        if not task.cancelled() and task.exception() is None:
            entry.report = task.result()
            self.publish("end", entry.summary())

    def add_line(self, line: LogLine) -> None:
        """Note a line of a function's log."""
        entry = self._by_id.get(line.request_id)
        if entry is not None and len(entry.lines) < LINES:
            entry.lines.append(line.text)
        if self._listeners:
            self.publish("log", {"id": line.request_id, "function": line.function, "text": line.text})

    def find(self, request_id: str) -> HistoryEntry | None:
        """Return an invocation that is remembered."""
        return self._by_id.get(request_id)

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        """Send a message to every listener."""
        if self._listeners:
            message = f"event: {kind}\ndata: {json.dumps(data)}\n\n"
            for listener in self._listeners:
                listener.put_nowait(message)

    def close(self) -> None:
        """End every feed."""
        for listener in self._listeners:
            listener.put_nowait(None)

    async def feed(self) -> AsyncIterator[str]:
        """Iterate over what happens from now on, as server-sent events."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield ": listening\n\n"
            while (message := await queue.get()) is not None:
                yield message
        finally:
            self._listeners.discard(queue)
