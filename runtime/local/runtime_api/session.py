"""The state of one execution environment on the Runtime API's side: events, polls, answers, extensions; no sockets."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from runtime.local.answer import Answer
from runtime.local.function import FunctionConfig
from runtime.local.function_error import FunctionError
from runtime.local.gates import Gate
from runtime.local.invocation import Event, Exchange
from runtime.local.runtime_api.connection import Connection
from runtime.local.runtime_api.extension_registry import ExtensionRegistry
from runtime.local.runtime_api.states import RuntimeState, StateMachine
from runtime.local.values import new_id

#: States in which an answer has broken off.
BROKEN_OFF: Final = frozenset({RuntimeState.RESPONDING, RuntimeState.FAILING})
#: States that a runtime does not leave by itself.
OVER: Final = BROKEN_OFF | {RuntimeState.INIT_ERROR, RuntimeState.RESTORE_ERROR}


def _do_nothing() -> None:
    """Stand for the listener that there is not."""


class RuntimeSession:
    """What one runtime has been given, and what it may do next.

    Attributes:
        restartable: whether a new process may take over from one that failed.
        machine: the runtime's state.
        exchange: the event that was handed out last, and its answer.
        started: resolves at the first poll to None, or to the error that the runtime reported instead.
        idle: resolves when the runtime asks for the next event.
        when_idle: is called at that moment.
    """

    def __init__(self, function: FunctionConfig, *, restartable: bool = False) -> None:
        self.function = function
        self.restartable = restartable
        self.extensions = ExtensionRegistry()
        self.machine = StateMachine("runtime", RuntimeState.STARTED)
        self.exchange: Exchange | None = None
        self.started: asyncio.Future[FunctionError | None] = asyncio.get_running_loop().create_future()
        self.idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.when_idle: Callable[[], None] = _do_nothing
        #: The connection that was given the event last: the one of a worker, if the runtime has several.
        self._handling: Connection | None = None
        self._polls: deque[Gate[Exchange]] = deque()

    @property
    def broken_off(self) -> bool:
        """Whether an answer has broken off, so that only a new process helps."""
        over = self.exchange is not None and self.exchange.answer.finished
        return over and self.machine.state in BROKEN_OFF

    def deliver(self, event: Event, deadline_ms: int, answer: Answer | None = None) -> Exchange:
        """Hand an event to the runtime.

        Raises:
            StateRefused: the runtime has not asked for an event.
        """
        self.machine.enter(RuntimeState.RUNNING)
        self.idle = asyncio.get_running_loop().create_future()
        self.exchange = Exchange(event, deadline_ms, new_id(), answer or Answer())
        self.extensions.announce(self.exchange)
        self._hand_out(self.exchange)
        return self.exchange

    def _hand_out(self, exchange: Exchange) -> None:
        while self._polls:
            poll = self._polls.popleft()
            if not poll.is_open:
                poll.open(exchange)
                break

    def finish_start(self, error: FunctionError | None) -> None:
        """Note that the runtime polled for the first time, or reported why it cannot."""
        if not self.started.done():
            self.started.set_result(error)

    async def poll(self, connection: Connection) -> Exchange:
        """Wait for an event. An unanswered one is given again at once, unless another connection is handling it."""
        if self.restartable and self.machine.state in OVER:
            self._start_again()
        self.machine.enter(RuntimeState.READY)
        self.finish_start(None)
        if self.machine.state is not RuntimeState.RUNNING or self.exchange is None:
            if self.exchange is not None:
                self.exchange.body = b""  # An idle environment keeps no event in memory.
            if not self.idle.done():
                self.idle.set_result(None)
                self.when_idle()
        elif self._handling in {None, connection}:
            self._handling = connection
            return self.exchange
        poll: Gate[Exchange] = Gate()
        self._polls.append(poll)
        exchange = await connection.until_closed(poll)
        self._handling = connection
        return exchange

    def _start_again(self) -> None:
        """Begin with a new process, whose first event is the one that the process before it left unanswered."""
        unanswered = self.exchange is not None and not self.exchange.answer.finished
        self.machine = StateMachine("runtime", RuntimeState.RUNNING if unanswered else RuntimeState.STARTED)

    def forget(self, connection: Connection) -> None:
        """Hand the event that a closed connection left unanswered to the next poll, or to one that is waiting."""
        if self._handling is connection:
            self._handling = None
            if self.machine.state is RuntimeState.RUNNING and self.exchange is not None:
                self._hand_out(self.exchange)
