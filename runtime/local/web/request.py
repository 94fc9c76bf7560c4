"""Reads requests of the Lambda API: the function's name, the body, and the event with what its headers add."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NoReturn

try:
    import orjson
except ImportError:  # it is installed on CPython only
    orjson = None  # type: ignore[assignment]
from starlette.requests import Request

from dispatch import protocol
from runtime.local.environments.platform import Platform, new_trace_id
from runtime.local.function_name import BadFunctionName, FunctionName
from runtime.local.invocation import Event
from runtime.local.values import new_id, one_line, parse_json
from runtime.local.web.errors import ApiError

#: Headers of requests, in lower case, as they are in every mapping of headers.
TRACE_ID, REQUEST_ID, CLIENT_CONTEXT, COGNITO_IDENTITY, TENANT_ID = (
    name.lower()
    for name in (
        protocol.AMZN_TRACE_ID,
        protocol.AMZN_REQUEST_ID,
        protocol.CALLER_CLIENT_CONTEXT,
        protocol.CALLER_COGNITO_IDENTITY,
        protocol.CALLER_TENANT_ID,
    )
)
#: The pattern of TenantId in botocore's service model for Lambda.
TENANT: Final = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}")


def read_function_name(request: Request, platform: Platform) -> FunctionName:
    """Return the function that a request is for. Raises ApiError as `find_function` does."""
    return find_function(platform, request.path_params["name"], request.query_params.get("Qualifier", ""))


def find_function(platform: Platform, text: str, qualifier: str = "") -> FunctionName:
    """Return the function of this name or ARN.

    Raises:
        ApiError: the name is not valid, or there is no such function.
    """
    try:
        parsed = FunctionName.parse(text, qualifier)
    except BadFunctionName as error:
        raise ApiError("InvalidParameterValueException", str(error)) from error
    real_name = platform.real_name(parsed.name)
    name = parsed if real_name == parsed.name else replace(parsed, name=real_name)
    if name.name not in platform.pools:
        raise ApiError.not_found(name.qualify(platform.arn(name.name)))
    return name


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body.

    Raises:
        ApiError: it has more than `limit` bytes; raised as soon as it has.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            message = f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
            raise ApiError("RequestTooLargeException", message)
        parts.append(part)
    return b"".join(parts)


async def read_payload(request: Request, limit: int) -> bytes:
    """Return the payload of an invocation, as `as_payload` does.

    Raises:
        ApiError: the body is too large, or is not JSON in UTF-8.
    """
    return as_payload(await read_body(request, limit))


def as_payload(body: bytes) -> bytes:
    """Return a body as the payload of an invocation: a JSON text, unchanged; an empty one is an empty object.

    Raises:
        ApiError: the body is not JSON in UTF-8.
    """
    try:
        if not _is_plain(body):
            DECODER.decode(body.decode())
    except (ValueError, RecursionError) as error:
        if not body:
            return b"{}"  # as on Lambda
        message = f"Could not parse request body into json: Could not parse payload into json: {error}"
        raise ApiError("InvalidRequestContentException", message) from error
    return body


def _is_plain(body: bytes) -> bool:
    """Whether orjson reads a body, so that Python's decoder, five times as slow, does too."""
    if orjson is None:
        return False
    try:
        orjson.loads(body)
    except ValueError:
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")


#: Integers stay text: Python reads no more than 4,300 digits of them.
DECODER: Final = json.JSONDecoder(parse_int=str, parse_constant=_refuse)


def make_event(headers: Mapping[str, str], body: bytes, arn: str) -> Event:
    """Return the event in a request with these headers and this body, for the function with this ARN.

    Raises:
        ApiError: the body is not JSON, or a header is not valid.
    """
    return Event(
        as_payload(body),
        _request_id(headers),
        arn=arn,
        trace_id=headers.get(TRACE_ID) or new_trace_id(),
        client_context=_client_context(headers),
        cognito_identity=_cognito_identity(headers),
        tenant_id=_tenant_id(headers),
    )


def _cognito_identity(headers: Mapping[str, str]) -> str:
    identity = headers.get(COGNITO_IDENTITY, "")
    try:
        is_object = not identity or isinstance(parse_json(identity), dict)
    except ValueError:
        is_object = False
    if not is_object:
        message = f"{protocol.CALLER_COGNITO_IDENTITY} must be a JSON object, not {identity!r}"
        raise ApiError("InvalidRequestContentException", message)
    return identity


def _tenant_id(headers: Mapping[str, str]) -> str:
    tenant = headers.get(TENANT_ID, "")
    if tenant and not TENANT.fullmatch(tenant):
        message = f"{protocol.CALLER_TENANT_ID} must match {TENANT.pattern}: {tenant!r}"
        raise ApiError("InvalidParameterValueException", message)
    return tenant


def _request_id(headers: Mapping[str, str]) -> str:
    """Return the caller's own request id, which must be a UUID, or a new one."""
    given = headers.get(REQUEST_ID)
    if given is None:
        return new_id()
    try:
        return str(uuid.UUID(given))
    except ValueError as error:
        message = f"{protocol.AMZN_REQUEST_ID} is not a valid UUID: {given!r}"
        raise ApiError("InvalidRequestContentException", message) from error


def _client_context(headers: Mapping[str, str]) -> str:
    """Return the client context as runtimes get it: JSON in one line."""
    header = headers.get(CLIENT_CONTEXT, "")
    if not header:
        return ""
    if len(header) > protocol.CLIENT_CONTEXT_LIMIT:
        message = f"Client context must be no more than {protocol.CLIENT_CONTEXT_LIMIT} bytes when base64-encoded"
        raise ApiError("InvalidRequestContentException", message)
    reason = "Client context must be a valid Base64-encoded JSON object"
    try:
        context = parse_json(base64.b64decode(header, validate=True))
    except ValueError as error:
        raise ApiError("InvalidRequestContentException", f"{reason}: {error}") from error
    if not isinstance(context, dict):
        raise ApiError("InvalidRequestContentException", f"{reason}, not {type(context).__name__}")
    text = json.dumps(context, ensure_ascii=False)
    # What UTF-8 cannot express stays escaped.
    return text if text == one_line(text) else json.dumps(context)
