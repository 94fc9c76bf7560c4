"""Payloads that are not JSON: the Invoke API and the page refuse them, as Lambda does; function URLs take anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.local import Client, ServerProcess, client

CELLS = "import csv, sys\nfor row in csv.reader(sys.stdin):\n    print(len(row), repr(row[-1]))\n"
CONFIG = """
timeout = 20
[functions.echo]
handler = "event"
[functions.cells]
handler = "cells.py"
environment = { HANDLER_HTTP_BODY = "1" }
[functions.pieces]
handler = "pieces.handler"
convention = "standard"
"""
INVOKE = "/2015-03-31/functions/echo/invocations"
STREAM = "/2021-11-15/functions/echo/response-streaming-invocations"
OLD = "/2014-11-13/functions/echo/invoke-async"
PAGE = "/_dispatch/invoke/echo"
PATHS = [INVOKE, STREAM, OLD, PAGE]

NOT_JSON = {
    "text": b"hello",
    "csv": b"a,b\r\n1,2\r\n",
    "two values": b"1 2",
    "single quotes": b"{'a': 1}",
    "an open object": b'{"a": 1',
    "blanks": b" \n",
    "NaN": b"[NaN]",
    "infinity": b"-Infinity",
    "a byte that is not UTF-8": b'"\xff"',
    "UTF-16": '"a"'.encode("utf-16"),
    "too deep": b"[" * 100_000 + b"]" * 100_000,
    "an image": b"\x89PNG\r\n\x1a\n\0",
}
PAYLOADS = {
    "nothing": (b"", b"{}"),
    "a number of many digits": (b"9" * 5000, b"9" * 5000),
    "blanks around it": (b' {"a" : 1}\n', b' {"a" : 1}\n'),
    "a string": ('"Grüße"'.encode(), '"Grüße"'.encode()),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Functions whose conventions take any event."""
    root = tmp_path_factory.mktemp("payloads")
    (root / "cells.py").write_text(CELLS)
    (root / "pieces.py").write_text(
        "def handler(event, headers):\n    yield event.encode()[:2]\n    yield event.encode()[2:]\n"
    )
    (root / "dispatch.toml").write_text(CONFIG)
    with ServerProcess(root) as one:
        yield one


@pytest.fixture
def caller(server: ServerProcess) -> Iterator[Client]:
    """A connection."""
    with client(server.host) as one:
        yield one


def history(caller: Client) -> list[Any]:
    """All invocations so far."""
    invocations: list[Any] = caller.call("GET", "/_dispatch/state").json["invocations"]
    return invocations


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", NOT_JSON)
def test_refused(caller: Client, path: str, name: str) -> None:
    """Status 400 with Lambda's exception and the start of its message; the function is not invoked."""
    before = len(history(caller))
    refused = caller.call("POST", path, NOT_JSON[name])
    assert (400, "InvalidRequestContentException") == (refused.status, refused.headers["x-amzn-errortype"])
    expected = "Could not parse request body into json: Could not parse payload into json: "
    assert expected == refused.json["Message"][: len(expected)]
    assert before == len(history(caller))


@pytest.mark.parametrize("kind", ["Event", "DryRun"])
def test_refused_for_every_invocation_type(caller: Client, kind: str) -> None:
    """An event to be queued, or a dry run, has to be JSON, too."""
    assert 400 == caller.call("POST", INVOKE, b"hello", {"X-Amz-Invocation-Type": kind}).status


@pytest.mark.parametrize("name", PAYLOADS)
def test_payload(caller: Client, name: str) -> None:
    """JSON reaches the function unchanged, and an empty payload is an empty object; so it is from the page."""
    sent, expected = PAYLOADS[name]
    answer = caller.call("POST", INVOKE, sent)
    assert (200, expected) == (answer.status, answer.body)
    lines = [json.loads(line) for line in caller.call("POST", PAGE, sent).body.splitlines()]
    assert expected.decode() == "".join(line["text"] for line in lines if line["kind"] == "chunk")


def test_a_character_in_two_chunks(caller: Client) -> None:
    """The page shows it."""
    answer = caller.call("POST", "/_dispatch/invoke/pieces", '"ü"'.encode())
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert '"ü"' == "".join(line["text"] for line in lines if line["kind"] == "chunk")


def test_csv_through_a_function_url(caller: Client) -> None:
    """The body of a request may be anything; with HANDLER_HTTP_BODY it is the script's standard input."""
    answer = caller.call("POST", "/lambda-url/cells/", b'a,"b\r\nc"\r\n', {"Content-Type": "text/csv"})
    assert (200, b"2 'b\\r\\nc'\n") == (answer.status, answer.body)
    assert "text/plain; charset=utf-8" == answer.headers["content-type"]
