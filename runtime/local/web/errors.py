"""Errors of the Lambda API, shaped so that every AWS client raises the exception it has for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

#: Shape: its status and whose fault it is (botocore's service model). What is not offered has a shape of ours.
SHAPES: Final[Mapping[str, tuple[int, str]]] = {
    "ResourceNotFoundException": (404, "User"),
    "InvalidParameterValueException": (400, "User"),
    "InvalidRequestContentException": (400, "User"),
    "RequestTooLargeException": (413, "User"),
    "TooManyRequestsException": (429, "User"),
    "NotImplementedException": (501, "User"),
}


class Refusal(Exception):
    """A request that the Lambda API refuses."""

    def __init__(self, shape: str, message: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(message)
        self.shape = shape
        self.headers = headers or {}
        self.more = more

    @classmethod
    def not_found(cls, arn: str) -> Refusal:
        """No function has this ARN."""
        return cls("ResourceNotFoundException", f"Function not found: {arn}")

    @classmethod
    def throttled(cls) -> Refusal:
        """All environments are busy."""
        reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
        return cls("TooManyRequestsException", "Rate Exceeded.", {"Retry-After": "1"}, Reason=reason)

    def response(self) -> Response:
        """The answer that says so."""
        status, fault = SHAPES[self.shape]
        body = {"Type": fault, "Message": str(self), "message": str(self), **self.more}
        return JSONResponse(body, status, {"x-amzn-ErrorType": self.shape, **self.headers})


async def refuse(_request: Request, error: Exception) -> Response:
    """Starlette's handler for `Refusal`."""
    if not isinstance(error, Refusal):
        raise error
    return error.response()
