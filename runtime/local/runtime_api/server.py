"""The Runtime API of one execution environment: the server that its runtime polls.

Each environment has a listener of its own, on a loopback port that only its own process is told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias
from uuid import uuid4

from runtime.local.function import Function
from runtime.local.invocation import Answer, Event, Exchange, FunctionError
from runtime.local.runtime_api import extensions
from runtime.local.runtime_api.connection import Connection, Gone
from runtime.local.runtime_api.routes import TEXT_TYPE, Call, Refused, Reply, answer_call
from runtime.local.runtime_api.states import Machine, State, Step, StepRefused

#: Says whether a connection from this port comes from the environment that the API is for.
Admit: TypeAlias = Callable[[int], bool]

#: States that a runtime does not leave by itself.
OVER: Final = frozenset({State.INIT_ERROR, State.RESTORE_ERROR, State.RESPONDING, State.FAILING})


def everybody(_port: int) -> bool:
    """Let every connection in."""
    return True


class RuntimeApi:
    """What one runtime talks to.

    `started` resolves at the first poll: to None, or to the error that the runtime reported instead. With `restartable`
    another process may take over from one that failed.
    """

    def __init__(self, function: Function, *, restartable: bool = False) -> None:
        self.function = function
        self.restartable = restartable
        self.snap_start = function.initialization == "snap-start"
        self.extensions = extensions.Extensions()
        self.machine = Machine()
        self.exchange: Exchange | None = None
        self.started: asyncio.Future[FunctionError | None] = asyncio.get_running_loop().create_future()
        self.address = ""
        self.port = 0
        self.user_agent = ""
        #: Set once the environment's process is known.
        self.admit: Admit = everybody
        #: Who was given the event last: one of several workers, say.
        self._at_it: Connection | None = None
        self._polls: deque[asyncio.Future[Exchange]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        #: Resolves when the runtime asks for the next event.
        self.idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; return the address that `AWS_LAMBDA_RUNTIME_API` is to hold."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self._accept), host, port)
        host, self.port = self._server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{self.port}"
        return self.address

    async def close(self) -> None:
        """Stop listening and drop the runtime's connections."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def stuck(self) -> bool:
        """Whether an answer broke off, so that only a new process helps."""
        over = self.exchange is not None and self.exchange.answer.finished
        return over and self.machine.state in {State.RESPONDING, State.FAILING}

    def deliver(self, event: Event, deadline_ms: int, answer: Answer | None = None) -> Exchange:
        """Hand an event to the runtime; raise `StepRefused` while it has not asked for one."""
        self.machine.take(Step.DELIVER)
        self.idle = asyncio.get_running_loop().create_future()
        self.exchange = Exchange(event, deadline_ms, str(uuid4()), answer or Answer())
        self.extensions.tell(self.exchange)
        self._hand_out(self.exchange)
        return self.exchange

    def _hand_out(self, exchange: Exchange) -> None:
        while self._polls:
            poll = self._polls.popleft()
            if not poll.done():
                poll.set_result(exchange)
                break

    def settle_start(self, error: FunctionError | None) -> None:
        """The runtime polled for the first time, or said why it can't."""
        if not self.started.done():
            self.started.set_result(error)

    async def poll(self, connection: Connection) -> Exchange:
        """What `/next` waits for; an unanswered event is given again at once, unless another connection is at it."""
        if self.restartable and self.machine.state in OVER:
            # Another process; the event that the one before it failed to answer is its first.
            unanswered = self.exchange is not None and not self.exchange.answer.finished
            self.machine = Machine(State.RUNNING if unanswered else State.STARTED)
        self.machine.take(Step.NEXT)
        self.settle_start(None)
        if self.machine.state is not State.RUNNING or self.exchange is None:
            if not self.idle.done():
                self.idle.set_result(None)
        elif self._at_it in {None, connection}:
            self._at_it = connection
            return self.exchange
        exchange = await self._event_for(connection)
        self._at_it = connection
        return exchange

    async def _event_for(self, connection: Connection) -> Exchange:
        poll: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
        self._polls.append(poll)

        def close(_closed: asyncio.Future[None]) -> None:
            if not poll.done():
                poll.set_exception(Gone("the runtime closed the connection while it was polling"))

        connection.closed.add_done_callback(close)
        try:
            return await poll
        finally:
            connection.closed.remove_done_callback(close)
            poll.cancel()

    def _accept(self, connection: Connection) -> None:
        task = asyncio.ensure_future(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: Connection) -> None:
        try:
            if self.admit(connection.peer[1]):
                await self._converse(connection)
        except Gone as gone:
            await connection.refuse(*gone_reply(gone))
        finally:
            connection.close()
            self._leave(connection)

    def _leave(self, connection: Connection) -> None:
        """A connection is gone: an event that it left unanswered is for whoever polls next, or does already."""
        if self._at_it is connection:
            self._at_it = None
            if self.machine.state is State.RUNNING and self.exchange is not None:
                self._hand_out(self.exchange)

    async def _converse(self, connection: Connection) -> None:
        while (request := await connection.request()) is not None:
            call = Call(connection, request)
            reply = await self._reply(call)
            await call.drain()
            connection.send(*reply)

    async def _reply(self, call: Call) -> Reply:
        if call.header("origin") or call.headers.get("host", self.address) != self.address:
            return 403, TEXT_TYPE, b"the Runtime API is for its own execution environment\n"
        self.user_agent = self.user_agent or call.header("user-agent")
        try:
            if call.path.startswith(extensions.PREFIX):
                return await extensions.answer_call(self, call)
            return await answer_call(self, call)
        except StepRefused as error:
            return Refused(403, "InvalidStateTransition", str(error)).reply
        except Refused as error:
            return error.reply


def gone_reply(gone: Gone) -> Reply:
    """What a runtime is told whose request is not whole, if it can still hear it."""
    if gone.status == 431:
        return Refused(431, "RequestHeaderFieldsTooLarge", str(gone)).reply
    return Refused(400, "TruncatedHTTPRequest", "HTTP request detected as truncated").reply
