"""The context object of AWS's managed Python runtime, as awslambdaric 4.2.2 makes it; tests compare the two."""

from __future__ import annotations

import os
import sys
import time

from dispatch.errors import ContextUnmarshalError
from dispatch.invocation import INFINITY
from dispatch.protocol import CLIENT_CONTEXT, COGNITO_IDENTITY, TENANT_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dispatch.invocation import Invocation

#: Header names in lower case, as in `Headers.lowered`.
_CLIENT_CONTEXT, _COGNITO_IDENTITY, _TENANT_ID = CLIENT_CONTEXT.lower(), COGNITO_IDENTITY.lower(), TENANT_ID.lower()

#: The keys that `context.w3c()` may have.
_W3C = ("traceparent", "tracestate", "baggage")

#: Attributes that are the same in every context of an execution environment, and their variables.
_ENVIRONMENT = {
    "log_group_name": "AWS_LAMBDA_LOG_GROUP_NAME",
    "log_stream_name": "AWS_LAMBDA_LOG_STREAM_NAME",
    "function_name": "AWS_LAMBDA_FUNCTION_NAME",
    "memory_limit_in_mb": "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "function_version": "AWS_LAMBDA_FUNCTION_VERSION",
}


def shared_attributes() -> dict[str, str | None]:
    """The attributes that are the same in every context of this execution environment."""
    return {attribute: os.environ.get(variable) for attribute, variable in _ENVIRONMENT.items()}


class LambdaContext:
    """The second argument of a handler, with the attributes and methods of the managed runtime's context."""

    def __init__(self, invocation: Invocation, shared: dict[str, str | None]) -> None:
        value = invocation.headers.lowered.get
        self.__dict__.update(shared)
        self.aws_request_id = invocation.request_id or None
        self.invoked_function_arn = invocation.invoked_function_arn or ""
        self.tenant_id = value(_TENANT_ID) or None
        header = value(_CLIENT_CONTEXT)
        client = _parsed(header, "Client Context") if header else None
        self._w3c_fields = _taken_w3c(client) if client else {}
        self.client_context = None if client is None else ClientContext(client)
        header = value(_COGNITO_IDENTITY)
        self.identity = CognitoIdentity(_parsed(header, "Cognito Identity") if header else None)
        self._invocation = invocation

    def get_remaining_time_in_millis(self) -> int:
        """The milliseconds until the deadline, never less than 0."""
        deadline = self._invocation.deadline
        if deadline == INFINITY:
            return 0
        return max(0, round(deadline * 1000) - int(time.time() * 1000))

    def w3c(self) -> dict[str, str]:
        """The W3C trace context that came with the client context."""
        return dict(self._w3c_fields)

    def log(self, message: Any) -> None:
        """Write a message to the log as it is, without a line end."""
        sinks = (getattr(handler, "log_sink", None) for handler in _handlers())
        next(filter(None, sinks), sys.stdout).write(str(message))

    def __repr__(self) -> str:
        shown = (
            "aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
            "function_version", "invoked_function_arn", "client_context", "identity", "tenant_id",
        )  # fmt: skip
        return _shown(self, shown)


class CognitoIdentity:
    """The caller's identity, if the caller has signed in with Amazon Cognito."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, fields: dict[str, Any] | None) -> None:
        self.cognito_identity_id = fields.get("cognitoIdentityId") if fields else None
        self.cognito_identity_pool_id = fields.get("cognitoIdentityPoolId") if fields else None

    def __repr__(self) -> str:
        return _shown(self, self.__slots__)


class Client:
    """The mobile application that made the call."""

    __slots__ = ("app_package_name", "app_title", "app_version_code", "app_version_name", "installation_id")

    def __init__(self, fields: dict[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, fields.get(name))

    def __repr__(self) -> str:
        order = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
        return _shown(self, order)


class ClientContext:
    """The client context that the caller has sent."""

    __slots__ = ("client", "custom", "env")

    def __init__(self, fields: dict[str, Any]) -> None:
        self.custom = fields.get("custom")
        self.env = fields.get("env")
        client = fields.get("client")
        self.client = None if client is None else Client(client)

    def __repr__(self) -> str:
        return _shown(self, ("custom", "env", "client"))


def _handlers() -> list[Any]:
    """The root logger's handlers; they include the runtime's, which is added when logging is imported."""
    try:
        from logging import getLogger
    except (ImportError, AttributeError):  # the user's own module shadows logging, or a module that it needs
        return []
    return getLogger().handlers


def _parsed(header: str, name: str) -> Any:
    import json  # as in AWS's client; imported here because most invocations have no such header

    try:
        return json.loads(header)
    except (ValueError, RecursionError) as error:
        raise ContextUnmarshalError(f"Unable to parse {name} JSON: {error}") from None


def _taken_w3c(client: Any) -> dict[str, str]:
    """Remove the trace context from the client context, so that the handler does not see it there, and return it."""
    fields = client.pop("w3c", None) if isinstance(client, dict) else None
    if not isinstance(fields, dict):
        return {}
    return {name: fields[name] for name in _W3C if isinstance(fields.get(name), str)}


def _shown(value: object, names: tuple[str, ...]) -> str:
    fields = ",".join(f"{name}={getattr(value, name)}" for name in names)
    return f"{type(value).__name__}([{fields}])"
