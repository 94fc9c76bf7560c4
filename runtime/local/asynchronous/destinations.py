"""Where a queued event goes that is given up: a file, a URL or another function, in the form Lambda gives it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from runtime.local.function import Function
from runtime.local.function_name import parse
from runtime.local.invocation import Event

#: How long a destination URL may take to answer, in seconds.
PATIENCE: Final = 10.0

Put = Callable[[str, Event], Awaitable[None]]


def record(event: Event, function: Function, condition: str, tries: int, answer: bytes | None) -> dict[str, Any]:
    """The record that Lambda sends; `answer` is the last error report, None if the function was not tried."""
    message: dict[str, Any] = {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": f"{function.arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": tries,
        },
        "requestPayload": _value(event.body),
    }
    if answer is not None:
        message["responseContext"] = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
        message["responsePayload"] = _value(answer)
    return message


def _value(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


async def send(destination: str, message: dict[str, Any], root: Path, put: Put) -> None:
    """Send a record: to an http(s) URL, to `function:NAME` or an ARN, else to the end of a file as one line of JSON.

    A file's path is relative to the function's folder. Raise `OSError` or `ValueError` if it was not taken.
    """
    text = json.dumps(message)
    if destination.startswith(("http://", "https://")):
        await asyncio.to_thread(_post, destination, text)
    elif destination.startswith(("function:", "arn:")):
        await put(parse(destination).name, Event(text.encode(), str(uuid.uuid4())))
    else:
        await asyncio.to_thread(_append, root / destination, text)


def _post(url: str, text: str) -> None:
    import requests

    requests.post(url, text, headers={"Content-Type": "application/json"}, timeout=PATIENCE).raise_for_status()


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")
