"""Hands requests over, as they are, to a function that is an ASGI application itself."""

from __future__ import annotations

import contextlib
from functools import partial

from dispatch.invocation import handled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dispatch.error_reports import ErrorReport
    from dispatch.invocation import Invocation
    from runtime.asgi.bridge import Bridge
    from runtime.asgi.environment import RequestEnvironment
    from runtime.asgi.responder import Responder

#: What a WebSocket is closed with if the application fails (RFC 6455, section 7.4.1).
_INTERNAL_ERROR = 1011


class Passed:
    """An ASGI application, called with the server's own scope, `receive` and `send`; the plugins observe it."""

    def __init__(self, handler: Any, base_path: str, bridge: Bridge) -> None:
        """Create it.

        Args:
            handler: what `conventions.asgi.served` returned.
            base_path: taken off the front of the path, if it is there.
            bridge: where deferred calls run.
        """
        self._app = handler.app
        self._state = handler.state
        self._failed = handler.failed
        self._base_path = base_path.rstrip("/")
        self._bridge = bridge

    async def answer(self, environment: RequestEnvironment, invocation: Invocation, scope: dict[str, Any]) -> None:
        """Answer one request, or serve one WebSocket; what the application raises is logged."""
        function, responder = environment.function, environment.responder
        token = handled.set(invocation)
        error: BaseException | None = None
        try:
            await self._tell(function.before_invoke, invocation=invocation)
            try:
                await self._app(self._scope(scope), responder.receive, responder.send)
            except (Exception, SystemExit, KeyboardInterrupt) as failure:  # noqa: BLE001 - user code's is an answer
                error = failure
                report = environment.report(failure, invocation.request_id)
                await self._fail(responder, failure, report)
            if invocation.afterwards:
                await self._bridge.in_thread(environment.run_afterwards, invocation)
            await self._tell(function.after_invoke, invocation=invocation, response=None, error=error)
            if responder.refusal is not None and responder.refusal is error:
                raise responder.refusal
        finally:
            handled.reset(token)

    async def _tell(self, hook: Callable[..., None] | None, **arguments: Any) -> None:
        if hook is not None:
            await self._bridge.on_loop(partial(hook, **arguments))

    def _scope(self, scope: dict[str, Any]) -> dict[str, Any]:
        scope = {**scope, "state": {**scope.get("state", {}), **self._state}}
        base, path = self._base_path, scope["path"]
        if base and path.startswith(base) and path[len(base) : len(base) + 1] in {"", "/"}:
            scope["path"] = path[len(base) :] or "/"
            scope["raw_path"] = scope.get("raw_path", path.encode()).removeprefix(base.encode()) or b"/"
        return scope

    async def _fail(
        self, responder: Responder, error: Exception | SystemExit | KeyboardInterrupt, report: ErrorReport
    ) -> None:
        """Answer a request that the application has failed at, unless it has begun to; then the server breaks off."""
        if responder.scope["type"] == "websocket":
            with contextlib.suppress(Exception):  # it may be closed
                await responder.send({"type": "websocket.close", "code": _INTERNAL_ERROR})
        elif not responder.has_begun:
            if self._failed is None:
                responder.keep_report(report)
            else:
                responder.keep(*self._failed(error))
            await responder.finish()
