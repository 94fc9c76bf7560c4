"""Errors of the Lambda API, shaped so that every AWS client raises the exception it has for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from dispatch import protocol
from runtime.local.web.json_response import JSONResponse

#: The status of each shape, and whose fault it is (botocore's service model). NotImplementedException is our own.
SHAPES: Final[Mapping[str, tuple[int, str]]] = {
    "ResourceConflictException": (409, "User"),
    "ResourceNotFoundException": (404, "User"),
    "InvalidParameterValueException": (400, "User"),
    "InvalidRequestContentException": (400, "User"),
    "RequestTooLargeException": (413, "User"),
    "TooManyRequestsException": (429, "User"),
    "ServiceException": (500, "Service"),
    "NotImplementedException": (501, "User"),
}


class ApiError(Exception):
    """A request that the Lambda API refuses, with the name of the service model's shape for it."""

    def __init__(self, shape: str, message: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(message)
        self.shape = shape
        self.headers = headers or {}
        self.more = more

    @classmethod
    def not_found(cls, arn: str) -> ApiError:
        """Make the error for an ARN that no function has."""
        return cls("ResourceNotFoundException", f"Function not found: {arn}")

    @classmethod
    def throttled(cls) -> ApiError:
        """Make the error for a function whose environments are all busy."""
        reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
        return cls("TooManyRequestsException", "Rate Exceeded.", {"Retry-After": "1"}, Reason=reason)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return SHAPES[self.shape][0]

    def response(self) -> Response:
        """Return the error as an HTTP response."""
        body = {"Type": SHAPES[self.shape][1], "Message": str(self), "message": str(self), **self.more}
        return JSONResponse(body, self.status, {protocol.AMZN_ERROR_TYPE: self.shape, **self.headers})


async def answer_error(_request: Request, error: Exception) -> Response:
    """Handle an `ApiError`, as Starlette calls its handlers."""
    if not isinstance(error, ApiError):
        raise error
    return error.response()


async def answer_queue_error(_request: Request, error: Exception) -> Response:
    """Answer that the queue cannot be kept, as Starlette calls its handlers."""
    return ApiError("ServiceException", str(error)).response()


async def answer_nobody(_request: Request, _error: Exception) -> Response:
    """Give up a request whose client left before its body was complete, as Starlette calls its handlers."""
    return Response(status_code=400)
