"""The environment of one request to an ASGI server: the runtime's, with the response in place of the Runtime API."""

from __future__ import annotations

import math

from dispatch import settle
from dispatch.errors import MarshalError, UnmarshalError
from runtime.asgi.responder import BadHead
from runtime.environment import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dispatch.error_reports import ErrorReport
    from dispatch.invocation import Invocation
    from dispatch.response import Response
    from runtime.asgi.bridge import Bridge
    from runtime.asgi.responder import Responder


class RequestEnvironment(Environment):
    """The environment of one request.

    Attributes:
        responder: sends the answer.
        bridge: if the handler runs on the server's loop, where to run what it defers, which may block.
    """

    response_limit = math.inf
    bridge: Bridge | None = None

    def __init__(self, responder: Responder, *others: Any) -> None:
        client: Any = responder  # it has the operations that `handle` calls
        super().__init__(client, *others)
        self.responder = responder

    def handle(self, invocation: Invocation) -> None:
        """Handle the request. Raises what the server raises if it refuses the answer, and then logs."""
        super().handle(invocation)
        refusal = self.responder.refusal
        if refusal is not None and not self.responder.interrupted:
            raise refusal

    def _send(self, invocation: Invocation, response: Response) -> BaseException | None:
        """Send the answer; one that cannot be sent is a failure like any other, which the plugins are told of."""
        try:
            return super()._send(invocation, response)
        except BadHead as error:
            failure = MarshalError(str(error))
            self.responder.fail(invocation, self.report(failure, invocation.request_id))
            return failure
        except Exception as error:
            if error is not self.responder.refusal:
                raise
            return error

    def report(self, error: BaseException, request_id: str = "") -> ErrorReport:
        """Log an exception; an event that cannot be decoded is the client's mistake."""
        if isinstance(error, UnmarshalError):
            self.responder.failure_status = 400
        return super().report(error, request_id)

    def run_afterwards(self, invocation: Invocation) -> None:
        """Run the calls that were deferred until after the answer."""
        run = super().run_afterwards
        if self.bridge is None:
            run(invocation)
        else:
            settle(self.bridge.in_thread(run, invocation))
