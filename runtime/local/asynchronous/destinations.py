"""The destinations of events that have failed for good: a file, a URL or a function, which get Lambda's own record."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from dispatch import protocol
from runtime.local.environments.log_lines import timestamp
from runtime.local.function import FunctionConfig
from runtime.local.function_error import UNHANDLED
from runtime.local.function_name import FunctionName
from runtime.local.invocation import Event
from runtime.local.values import parse_json

#: Seconds that a destination URL may take to answer.
PATIENCE: Final = 10.0

#: Queues an event for a function.
Put: TypeAlias = Callable[[str, Event], Awaitable[None]]


def record(event: Event, function: FunctionConfig, condition: str, tries: int, answer: bytes | None) -> dict[str, Any]:
    """Return the record that Lambda sends.

    Args:
        event: what has failed.
        function: the function that failed on it.
        condition: why the event has failed for good: `RetriesExhausted` or `EventAgeExceeded`.
        tries: how often the function was invoked.
        answer: the last error report; None if the function was not invoked.
    """
    message: dict[str, Any] = {
        "version": "1.0",
        "timestamp": timestamp(),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": f"{function.arn}:{protocol.LATEST}",
            "condition": condition,
            "approximateInvokeCount": tries,
        },
        "requestPayload": _value(event.body),
    }
    if answer is not None:
        message["responseContext"] = {
            "statusCode": 200,
            "executedVersion": protocol.LATEST,
            "functionError": UNHANDLED,
        }
        message["responsePayload"] = _value(answer)
    return message


def _value(body: bytes) -> Any:
    """Return a body as a value; as text if it is not JSON, or cannot be written again inside of a record."""
    try:
        value = parse_json(body)
        json.dumps([[value]], allow_nan=False)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")
    return value


async def send(destination: str, message: dict[str, Any], folder: Path, put: Put) -> None:
    """Send a record to an http(s) URL, to `function:NAME` or an ARN, else to the end of a file as one line of JSON.

    A file's path is relative to the folder.

    Raises:
        OSError, ValueError: the destination did not accept it.
    """
    text = json.dumps(message)
    if destination.startswith(("http://", "https://")):
        await asyncio.to_thread(_post, destination, text)
    elif destination.startswith(("function:", "arn:")):
        await put(FunctionName.parse(destination).name, Event(text.encode(), str(uuid.uuid4())))
    else:
        await asyncio.to_thread(_append, folder / destination, text)


def _post(url: str, text: str) -> None:
    import requests

    requests.post(url, text, headers={"Content-Type": protocol.JSON}, timeout=PATIENCE).raise_for_status()


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")
