"""Sends events to a function URL or to the Invoke API, and reads the answers as they come."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import requests
import urllib3

from dispatch import protocol
from runtime.local.web.event_stream import BadEventStream, EventStreamDecoder

#: Seconds to wait for a connection, and for an answer: Lambda's longest timeout.
CONNECTING: Final = 5
PATIENCE: Final = 900


@dataclass(slots=True)
class Got:
    """The result of one invocation; `error` is the function's error report, or the endpoint's message."""

    body: bytes = b""
    error: str = ""
    log: str = ""
    status: int = 0
    request_id: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class InvokeCall:
    """A request of an invocation."""

    url: str
    body: bytes
    headers: dict[str, str]
    stream: bool
    is_url: bool


def send(session: requests.Session, call: InvokeCall, show: Callable[[bytes], None] | None) -> Got:
    """Invoke once; `show` gets the answer's chunks while they arrive."""
    began = time.perf_counter()
    try:
        with session.post(
            call.url, call.body, headers=call.headers, stream=True, timeout=(CONNECTING, PATIENCE)
        ) as answer:
            got = _read(call, answer, show)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        got = Got(error=unanswered(call, error))
    got.seconds = time.perf_counter() - began
    return got


def unanswered(call: InvokeCall, error: Exception) -> str:
    """Why there is no answer, or not all of it, in one sentence."""
    url, parts = call.url, urlsplit(call.url)
    causes = list(_causes(error))
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        address = f"{parts.scheme}://{parts.netloc}"
        other = "" if call.is_url else ", or pass its --endpoint"
        return f"no server is listening at {address}; start one with `dispatch serve`{other}"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return f"the host {parts.hostname!r} is not known; check the endpoint, {url}"
    if isinstance(error, requests.ConnectTimeout):
        return f"{parts.netloc} did not accept the connection within {CONNECTING} seconds"
    if any(isinstance(cause, TimeoutError | urllib3.exceptions.ReadTimeoutError) for cause in causes):
        return f"no answer from {url} within {PATIENCE} seconds"
    reason = next(
        (cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), str(causes[-1])
    )
    return f"no complete answer from {url}: {reason}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, and those that it was raised for; urllib3 also keeps them as an attribute or an argument."""
    seen: list[BaseException] = [error]
    for one in seen:
        yield one
        inner = (getattr(one, "reason", None), one.__cause__, one.__context__, *one.args)
        seen += [each for each in inner if isinstance(each, BaseException) and each not in seen]


def _read(call: InvokeCall, answer: requests.Response, show: Callable[[bytes], None] | None) -> Got:
    got = Got(status=answer.status_code, request_id=answer.headers.get(protocol.AMZN_REQUEST_ID, ""))
    if answer.status_code >= 400:
        got.body = answer.content
        kind = answer.headers.get(protocol.AMZN_ERROR_TYPE, "")
        got.error = " ".join(
            part for part in (f"status {answer.status_code}", kind, _endpoint_message(got.body)) if part
        )
        return got
    failed = protocol.FUNCTION_ERROR in answer.headers
    parts = []
    for chunk in _chunks(call, answer, got):
        parts.append(chunk)
        if show and not failed:
            show(chunk)
    got.body = b"".join(parts)
    got.log = got.log or base64.b64decode(answer.headers.get(protocol.LOG_RESULT, "")).decode(errors="replace")
    if failed:
        got.error = readable(got.body)
    return got


def _endpoint_message(body: bytes) -> str:
    try:
        value = json.loads(body)
        return str(value.get("message") or value.get("Message") or value)
    except (ValueError, AttributeError):
        return body.decode(errors="replace").strip()


def _chunks(call: InvokeCall, answer: requests.Response, got: Got) -> Iterator[bytes]:
    """The answer's chunks while they arrive; the outcome of a stream goes into `got`."""
    raw = answer.raw.stream(65536, decode_content=True) if call.stream or call.is_url else answer.iter_content(65536)
    if not call.stream or call.is_url:
        yield from raw
        return
    decoder = EventStreamDecoder()
    try:
        for data in raw:
            for headers, payload in decoder.feed(data):
                if headers[":event-type"] == "PayloadChunk":
                    yield payload
                else:
                    outcome = json.loads(payload)
                    got.log = base64.b64decode(outcome.get("LogResult", "")).decode(errors="replace")
                    if "ErrorCode" in outcome:
                        got.error = readable(outcome.get("ErrorDetails", "").encode()) or outcome["ErrorCode"]
    except BadEventStream as error:
        got.error = f"the endpoint's answer is not an event stream: {error}"


def readable(report: bytes) -> str:
    """An error report in words: type, message, the function's own frames."""
    try:
        value = json.loads(report)
        first = f"{value.get('errorType', 'Unhandled')}: {value.get('errorMessage', '')}"
    except (ValueError, AttributeError):
        return report.decode(errors="replace")
    return "\n".join([first, *(str(frame).rstrip("\n") for frame in value.get("stackTrace") or [])])
