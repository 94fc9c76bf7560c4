"""What happened: the last invocations with their events, answers and logs, and a feed of what happens now."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from runtime.local.answer import KEPT, Answer
from runtime.local.environments.log_lines import LogLine
from runtime.local.function_error import FunctionError
from runtime.local.invocation import InvocationReport, RunningInvocation

#: How many invocations are remembered; how many lines of each one's log, and characters of them.
REMEMBERED: Final = 200
LINES: Final = 2000
LOG_LIMIT: Final = 4 * KEPT
#: How many characters a listener may be behind; one that is further behind has to ask again.
BEHIND: Final = 4 * 1024 * 1024


@dataclass(slots=True)
class HistoryEntry:
    """One invocation as the page shows it; `report` is None until it is over.

    Of the event, the answer and an error, no more is kept than is shown. `mapping` is the id of the event source
    mapping that it came through; it is empty for other invocations.
    """

    id: str
    function: str
    source: str
    mapping: str
    event: bytes
    answer: Answer | None
    started: float = field(default_factory=time.time)
    lines: list[str] = field(default_factory=list)
    log_size: int = 0
    report: InvocationReport | None = None
    outcome: dict[str, Any] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return what a list of invocations shows. Times are in milliseconds."""
        report, outcome = self.report, self._outcome()
        return {
            "id": self.id,
            "function": self.function,
            "source": self.source,
            "mapping": self.mapping,
            "started": self.started * 1000,
            "status": report.status if report else "running",
            "duration": report and round(report.duration, 2),
            "init": report and report.init and round(report.init, 2),
            "memory": report and report.memory_used,
            "environment": report and report.environment,
            **{name: outcome[name] for name in ("errorType", "size", "streamed")},
        }

    def details(self) -> dict[str, Any]:
        """Return everything that is kept."""
        return {
            **self.summary(),
            "event": self.event.decode(errors="replace"),
            **self._outcome(),
            "log": self.lines,
        }

    def _outcome(self) -> dict[str, Any]:
        """Return what there is of the answer: of one that is over, what was kept."""
        answer = self.answer
        if answer is None:
            return self.outcome
        error = answer.error.body[:KEPT].decode(errors="replace") if answer.error else None
        return {
            "errorType": answer.error and answer.error.type,
            "size": answer.size,
            "streamed": answer.streaming,
            "answer": bytes(answer.kept).decode(errors="replace") if answer.kept or error is None else error,
            "cut": answer.size > KEPT,
            "error": error,
        }

    def end(self, report: InvocationReport) -> None:
        """Note how the invocation went, and let go of what is not shown."""
        self.outcome = self._outcome()
        self.answer = None
        error = report.error and FunctionError.of(report.error.type, report.error.message[:KEPT])
        self.report = InvocationReport(
            report.request_id,
            report.environment,
            report.started,
            report.duration,
            report.memory_size,
            report.memory_used,
            init=report.init,
            error=error,
        )

    def add_line(self, text: str) -> None:
        """Note a line of the log, if there is room."""
        if len(self.lines) < LINES and self.log_size < LOG_LIMIT:
            text = text[: LOG_LIMIT - self.log_size]
            self.lines.append(text)
            self.log_size += len(text)


class _Listener:
    """One reader of the feed, and what waits for it."""

    def __init__(self) -> None:
        self._messages: deque[str] = deque()
        self._size = 0
        self._ended = False
        self._changed = asyncio.Event()

    def put(self, message: str) -> None:
        """Add a message, or end the feed of a reader that is too far behind."""
        self._size += len(message)
        if self._size > BEHIND:
            self._messages.clear()
            self.end()
        elif not self._ended:
            self._messages.append(message)
            self._changed.set()

    def end(self) -> None:
        """End the feed once what waits is read."""
        self._ended = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            while self._messages:
                message = self._messages.popleft()
                self._size -= len(message)
                yield message
            if self._ended:
                return
            self._changed.clear()
            await self._changed.wait()


class History:
    """Collects what the platform does, and publishes it to every listener."""

    def __init__(self) -> None:
        self.entries: deque[HistoryEntry] = deque(maxlen=REMEMBERED)
        self._by_id: dict[str, HistoryEntry] = {}
        self._listeners: set[_Listener] = set()

    def add(self, invocation: RunningInvocation, source: str) -> None:
        """Note that an invocation started."""
        if len(self.entries) == REMEMBERED:
            self._by_id.pop(self.entries[0].id, None)
        event = invocation.event
        body, answer = event.body[:KEPT], invocation.answer
        entry = HistoryEntry(event.request_id, invocation.function, source, event.mapping, body, answer)
        self.entries.append(entry)
        self._by_id[entry.id] = entry
        self._publish_summary("start", entry)

        def end(report: InvocationReport) -> None:
            entry.end(report)
            self._publish_summary("end", entry)

        invocation.when_over = end

    def _publish_summary(self, kind: str, entry: HistoryEntry) -> None:
        if self._listeners:
            self.publish(kind, entry.summary())

    def add_line(self, line: LogLine) -> None:
        """Note a line of a function's log."""
        entry = self._by_id.get(line.request_id)
        if entry is not None:
            entry.add_line(line.text)
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
                listener.put(message)

    def close(self) -> None:
        """End every feed."""
        for listener in self._listeners:
            listener.end()

    async def feed(self) -> AsyncGenerator[str, None]:
        """Iterate over what happens from now on, as server-sent events."""
        listener = _Listener()
        self._listeners.add(listener)
        try:
            yield ": listening\n\n"
            async for message in listener:
                yield message
        finally:
            self._listeners.discard(listener)
