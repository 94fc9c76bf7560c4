"""Reads requests of the Lambda API: the function's name, the body, and the event with what its headers add."""

from __future__ import annotations

import base64
import json
import re
import uuid
from dataclasses import replace
from typing import Final, NoReturn

from starlette.requests import Request

from dispatch import protocol
from runtime.local.environments.platform import Platform
from runtime.local.function_name import BadFunctionName, FunctionName
from runtime.local.invocation import Event
from runtime.local.values import one_line, parse_json
from runtime.local.web.errors import ApiError

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
    name = replace(parsed, name=platform.real_name(parsed.name))
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
    """Return the payload of an invocation: a JSON text, unchanged; an empty body is an empty object, as on Lambda.

    Raises:
        ApiError: the body is too large, or is not JSON in UTF-8.
    """
    body = await read_body(request, limit) or b"{}"
    try:
        json.loads(body.decode(), parse_int=str, parse_constant=_refuse)  # an int has a limit of digits
    except (ValueError, RecursionError) as error:
        message = f"Could not parse request body into json: Could not parse payload into json: {error}"
        raise ApiError("InvalidRequestContentException", message) from error
    return body


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")


async def read_event(request: Request, arn: str, limit: int) -> Event:
    """Return the event in a request, for the function with this ARN.

    Raises:
        ApiError: the body is too large or not JSON, or a header is not valid.
    """
    return Event(
        await read_payload(request, limit),
        _request_id(request),
        arn=arn,
        trace_id=request.headers.get(protocol.AMZN_TRACE_ID, ""),
        client_context=_client_context(request),
        cognito_identity=_cognito_identity(request),
        tenant_id=_tenant_id(request),
    )


def _cognito_identity(request: Request) -> str:
    identity = request.headers.get(protocol.CALLER_COGNITO_IDENTITY, "")
    try:
        is_object = not identity or isinstance(parse_json(identity), dict)
    except ValueError:
        is_object = False
    if not is_object:
        message = f"{protocol.CALLER_COGNITO_IDENTITY} must be a JSON object, not {identity!r}"
        raise ApiError("InvalidRequestContentException", message)
    return identity


def _tenant_id(request: Request) -> str:
    tenant = request.headers.get(protocol.CALLER_TENANT_ID, "")
    if tenant and not TENANT.fullmatch(tenant):
        message = f"{protocol.CALLER_TENANT_ID} must match {TENANT.pattern}: {tenant!r}"
        raise ApiError("InvalidParameterValueException", message)
    return tenant


def _request_id(request: Request) -> str:
    """Return the caller's own request id, which must be a UUID, or a new one."""
    given = request.headers.get(protocol.AMZN_REQUEST_ID)
    if given is None:
        return str(uuid.uuid4())
    try:
        return str(uuid.UUID(given))
    except ValueError as error:
        message = f"{protocol.AMZN_REQUEST_ID} is not a valid UUID: {given!r}"
        raise ApiError("InvalidRequestContentException", message) from error


def _client_context(request: Request) -> str:
    """Return the client context as runtimes get it: JSON in one line."""
    header = request.headers.get(protocol.CALLER_CLIENT_CONTEXT, "")
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
