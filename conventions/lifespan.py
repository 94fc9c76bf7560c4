"""The lifespan of an ASGI application: its startup and its shutdown, once in each execution environment."""

from __future__ import annotations

import asyncio

from dispatch import settle
from dispatch.errors import ApplicationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: How long an application may take to shut down, in seconds. After SIGTERM it has less: Lambda kills the process.
_LONGEST_SHUTDOWN = 2.0

#: How long an application that has reported a failed startup may take to raise the reason, in seconds.
_REASON = 0.5

#: Keys of requests. An application without a lifespan may miss one of them before it looks at the scope's type.
_OF_REQUESTS = frozenset({"body", "more_body", "method", "path", "raw_path", "query_string", "headers", "http_version"})


class Lifespan:
    """One application's lifespan; an application that does not support it works without.

    Attributes:
        state: what the application keeps in `scope["state"]` during its startup, for its requests.
    """

    def __init__(self, app: Any) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self._begun = self._accepted = self._started = False
        self._complaint: str | None = None
        self._failure: BaseException | None = None
        self._news, self._shutdown = asyncio.Event(), asyncio.Event()

    def start(self) -> None:
        """Start the application up, the first time that this is called.

        Raises:
            ApplicationError: the startup has failed. An exception that it raises is passed on.
        """
        if not self._begun:
            self._begun = True
            settle(self._start())

    def stop(self) -> None:
        """Shut the application down, if it has been started. Raises as `start` does."""
        if self._task is not None and not self._task.done():
            settle(self._stop())

    async def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())
        await self._news.wait()
        if self._complaint is not None:
            await asyncio.wait([self._task], timeout=_REASON)
        elif self._started or not self._is_lifespan_s():
            return
        self._raise("startup")

    async def _stop(self) -> None:
        self._news.clear()
        self._shutdown.set()
        assert self._task is not None  # noqa: S101 - `stop` has looked
        waiting = asyncio.ensure_future(self._news.wait())
        await asyncio.wait([waiting], timeout=_LONGEST_SHUTDOWN)
        waiting.cancel()
        self._raise("shutdown")

    def _is_lifespan_s(self) -> bool:
        """Whether the application raised after it had accepted the lifespan, not because it expected a request."""
        error = self._failure
        missing = isinstance(error, KeyError) and error.args and error.args[0] in _OF_REQUESTS
        return self._accepted and error is not None and not missing

    def _raise(self, what: str) -> None:
        if self._failure is not None:
            raise self._failure
        if self._complaint is not None:
            raise ApplicationError(f"the application's {what} failed: {self._complaint or 'it gave no reason'}")

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except BaseException as error:  # noqa: BLE001 - SystemExit from a task would end the loop
            self._failure = error
        self._news.set()

    async def _receive(self) -> dict[str, Any]:
        if not self._accepted:
            self._accepted = True
            return {"type": "lifespan.startup"}
        await self._shutdown.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: dict[str, Any]) -> None:
        phase, _, outcome = message["type"].removeprefix("lifespan.").partition(".")
        if phase not in {"startup", "shutdown"} or outcome not in {"complete", "failed"}:
            self._accepted = False
            raise RuntimeError(f"unexpected ASGI message {message['type']!r} in the lifespan")
        if outcome == "failed":
            self._complaint = message.get("message", "")
        self._started = phase == "startup" and outcome == "complete"
        self._news.set()
