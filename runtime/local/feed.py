"""What a source gets of the platform: a door to its function, a voice, and counters."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from runtime.local.function_error import FunctionError
from runtime.local.values import one_line

#: Seconds between two tries to reach a source.
RETRY: Final = 1.0
#: How many messages that were delivered again are remembered.
REMEMBERED: Final = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event.

    Attributes:
        body: the function's answer.
        error: why the function failed; None if it has not.
        refused: why the event was not handed over, for now; empty if it was. The records are to come back.
    """

    body: bytes = b""
    error: FunctionError | None = None
    refused: str = ""


@dataclass(slots=True)
class FeedState:
    """How a source is doing.

    Attributes:
        batches: events that the function has handled or failed.
        records: the records in them.
        failures: those that failed.
        dead_letters: those that failed for the last time.
        lag: records that are waiting; None if that is not known.
        in_flight: records that were delivered, to any server, and are neither handled nor waiting again; None if that
            is not known.
        redelivered: those of them that were delivered before; None if that is not known.
        measured: when the source reported the lag last, in seconds since the epoch; None if it has not.
        due: when a schedule happens next, in seconds since the epoch; None for other sources.
        retrying: how often a record that failed or came back was delivered, by its id; only the latest ones.
        last_error: the latest problem of the source or error of the function.
    """

    batches: int = 0
    records: int = 0
    failures: int = 0
    dead_letters: int = 0
    lag: int | None = None
    in_flight: int | None = None
    redelivered: int | None = None
    measured: float | None = None
    due: float | None = None
    retrying: dict[str, int] = field(default_factory=dict)
    last_error: str = ""

    def measure(self, lag: int | None, in_flight: int | None = None, redelivered: int | None = None) -> None:
        """Note what the source reports; if it has nothing left, other servers have handled what failed here."""
        self.note_lag(lag)
        self.in_flight, self.redelivered = in_flight, redelivered
        if lag == in_flight == 0:
            self.retrying.clear()

    def note_lag(self, lag: int | None) -> None:
        """Note how many records are waiting, which a delivery may report as well."""
        self.lag, self.measured = lag, time.time()

    def delivered(self, record_id: str, times: int) -> None:
        """Note how often a record was delivered by now."""
        self.retrying.pop(record_id, None)
        if times > 1:
            self.failed(record_id, times)

    def failed(self, record_id: str, times: int) -> None:
        """Note that a record will come back, which was delivered so many times."""
        self.retrying.pop(record_id, None)
        self.retrying[record_id] = times
        while len(self.retrying) > REMEMBERED:
            del self.retrying[next(iter(self.retrying))]

    def done(self, record_id: str) -> None:
        """Note that a record will not come back."""
        self.retrying.pop(record_id, None)


class Feed:
    """One source's connection to its function.

    Attributes:
        function: the function's name.
        state: the counters; `invoke` counts batches, the source everything else.
        measure: asks the source for its lag, and notes it in the state; None while that is not possible.
        reached: whether the source was reached since polling began.
        fault: why the source cannot be polled at the moment; empty if it can.
    """

    def __init__(
        self,
        invoke: Callable[[bytes], Awaitable[Outcome]],
        notify: Callable[[str], None],
        concurrency: Callable[[], int] = lambda: 1,
        *,
        function: str = "function",
        timeout: Callable[[], float] = lambda: 3.0,
        put: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> None:
        """Create it.

        Args:
            invoke: hands an event to the function.
            notify: is called with what the developer should know.
            concurrency: returns how many events the function handles at once.
            function: the function's name.
            timeout: returns the seconds that an event may take.
            put: puts an event into the queue of asynchronous events; None if there is no queue.
        """
        self.function = function
        self._invoke = invoke
        self._notify = notify
        self._concurrency = concurrency
        self._timeout = timeout
        self._put = put
        self._reported: dict[str, str] = {}
        self._refusals: set[str] = set()
        self.state = FeedState()
        self.measure: Callable[[], Awaitable[None]] | None = None
        self.reached = False
        self.fault = self._fault_of = ""

    @property
    def concurrency(self) -> int:
        """How many events the function handles at once, at the moment."""
        return self._concurrency()

    @property
    def timeout(self) -> float:
        """The seconds that an event may take, at the moment."""
        return self._timeout()

    async def put(self, event: bytes) -> None:
        """Let the function have an event that nobody waits for: the queue tries again if it fails.

        Raises:
            QueueError: the queue cannot keep it.
        """
        if self._put is None:
            await self._invoke(event)
        else:
            await self._put(event)

    async def invoke(self, event: bytes) -> Outcome:
        """Hand an event to the function; return its answer, or its error, or why the event was refused."""
        outcome = await self._invoke(event)
        if outcome.refused:
            self._refuse(outcome.refused)
            return outcome
        self.state.batches += 1
        if outcome.error is not None:
            message = outcome.error.report.get("errorMessage")
            self.state.last_error = f"{outcome.error.type}: {message}" if message else outcome.error.type
        return outcome

    def _refuse(self, reason: str) -> None:
        """Report once, for as long as the source is polled, that events are refused for a reason."""
        self.state.last_error = reason
        if reason not in self._refusals:
            self._notify(f"the function takes no event now, so they wait: {reason}")
        self._refusals.add(reason)

    def problem(self, text: str, of: str = "") -> None:
        """Report a problem in one line, unless it is the one that was reported last of the same thing."""
        text = self.state.last_error = one_line(text)
        if text != self._reported.get(of):
            self._notify(text)
        self._reported[of] = text

    def unreachable(self, text: str, of: str = "") -> None:
        """Report a problem for which the source cannot be polled until it, or that thing of it, works again."""
        self.fault, self._fault_of = text, of
        self.problem(text, of)

    def works(self, of: str = "") -> None:
        """Note that the source, or a thing of it, works again, so the same problem is reported if it returns."""
        self._reported.pop(of, None)
        if not of:
            self.reached = True
        if of in {"", self._fault_of}:
            self.fault = ""

    def failure(self, error: Exception, *, doing: str = "", of: str = "") -> None:
        """Report that a request to the source has failed, unless the last one of the same thing has failed alike.

        Two errors are alike if only their digits differ: a message may have the time, or the number of a request.
        """
        text = one_line(f"{doing}{': ' if doing else ''}{type(error).__name__}: {error}")
        self.state.last_error = text
        if not of:
            self.fault, self._fault_of = text, of
        alike = re.sub(r"\d+", "0", text)
        if alike != self._reported.get(of):
            self._notify(text)
        self._reported[of] = alike

    async def keep_trying(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do work that has no end; after a failure, report it, wait, and begin again."""
        import asyncio  # settings of functions import this file, and `dispatch run` imports asyncio in its own way

        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - the network, credentials, a queue that is gone: it may come back
                self.failure(error)
            await asyncio.sleep(RETRY)
