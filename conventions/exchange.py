"""One request to an ASGI application: the messages both ways, and the work that follows the answer."""

from __future__ import annotations

import asyncio

from dispatch import after_response
from dispatch.asynchrony import event_loop
from dispatch.errors import MarshalError
from dispatch.response import check_status
from dispatch.turns import Turns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias

    from conventions.web import Answer
    from dispatch.turns import Step

    Message: TypeAlias = dict[str, Any]

#: The lowest status of a response that may report an exception which the application raises right after it. Starlette
#: does this.
_ERROR = 500


class Exchange:
    """One call of an application.

    The application waits in `send` with the last part of its response until the answer has been sent. So whatever comes
    after it, such as background tasks, delays no answer.
    """

    def __init__(self, app: Any, scope: dict[str, Any], body: bytes, *, streams: bool) -> None:
        self._app = app
        self._scope = scope
        self._body: bytes | None = body
        self._streams = streams
        self._status: int | None = None
        self._headers: list[tuple[str, str]] = []
        self._parts: list[bytes] = []
        self._complete = False
        self._failure: BaseException | None = None
        self._task: asyncio.Task[None] | None = None
        self._returned = False
        self._turns = Turns()
        #: Set when the next part is wanted, and when the exchange is over.
        self._wanted, self._over = asyncio.Event(), asyncio.Event()

    def answer(self) -> Answer:
        """Call the application; returns its response, whose body is an iterator if it streams.

        Raises:
            MarshalError: it ended without a response. An exception that it raises is passed on.
        """
        try:
            self._take_turn(self._begin, self._has_news)
        except BaseException:
            if not self._returned:  # another task has ended this turn by SystemExit
                after_response(self._turns.take, self._give_up, self._has_returned)
            raise
        if not self._returned:
            after_response(self._take_turn, self._finish, self._has_returned)
        status = self._status or 0
        if self._streams:
            return status, self._headers, self._streamed()
        return status, self._headers, b"".join(self._parts)

    def _streamed(self) -> Iterator[bytes]:
        while True:
            parts, self._parts = self._parts, []
            yield from parts
            if self._complete:
                return
            self._take_turn(self._go_on, self._has_news)

    def _take_turn(self, step: Step, until: Callable[[], bool]) -> None:
        try:
            self._turns.take(step, until)
        except BaseException:  # the process is ending, for example: no one is listening any more
            loop, _ = event_loop()
            loop.call_soon_threadsafe(self._finish, loop)
            raise
        if self._failure is not None:
            raise self._failure

    # On the event loop: what begins a turn, and whether it is over

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._task = loop.create_task(self._run())

    def _go_on(self, _loop: asyncio.AbstractEventLoop) -> None:
        self._wanted.set()

    def _finish(self, _loop: asyncio.AbstractEventLoop) -> None:
        """The answer has been sent, or no one is listening any more."""
        self._over.set()
        self._wanted.set()

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """The invocation has failed without the application, which must not go on in the next one."""
        assert self._task is not None  # noqa: S101 - the turn had begun
        self._task.cancel()
        self._finish(loop)

    def _has_news(self) -> bool:
        return self._complete or self._returned or bool(self._streams and self._parts)

    def _has_returned(self) -> bool:
        return self._returned

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self.receive, self.send)
            if not (self._complete or self._over.is_set()):
                raise MarshalError("the application ended before its response was complete")  # noqa: TRY301
        except BaseException as error:  # noqa: BLE001 - SystemExit from a task would end the loop
            self._failure = error
        self._returned = True
        self._turns.news()

    # What the application awaits

    async def receive(self) -> Message:
        """The request's body, then, when the exchange is over, that the client has disconnected."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a message of the application.

        Raises:
            RuntimeError: it is not the message that the specification has at this point.
        """
        kind = message["type"]
        expected = "http.response.start" if self._status is None else "http.response.body"
        if kind != expected or self._complete:
            because = "the response is complete" if self._complete else f"{expected!r} is due"
            raise RuntimeError(f"unexpected ASGI message {kind!r}: {because}")
        if kind == "http.response.start":
            check_status(message["status"])
            self._headers = _as_text(message.get("headers", ()))
            self._status = message["status"]
            return
        if self._over.is_set():
            await asyncio.sleep(0)  # whoever waits for the disconnect has to find out
            return
        body = message.get("body", b"")
        self._parts.append(body if isinstance(body, bytes) else memoryview(body).tobytes())
        self._complete = not message.get("more_body", False)
        if self._complete and self._status is not None and self._status >= _ERROR:
            # In the next round of the loop, when the exception has arrived.
            asyncio.get_running_loop().call_soon(self._turns.news)
            return
        self._turns.news()
        if self._complete:
            await self._over.wait()
        elif self._streams:
            self._wanted.clear()
            await self._wanted.wait()


def _as_text(headers: Any) -> list[tuple[str, str]]:
    try:
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    except (AttributeError, TypeError, ValueError) as error:
        raise TypeError(f"the headers of an ASGI response must be pairs of bytes, not {headers!r}") from error
