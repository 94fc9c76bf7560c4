"""docs/coming-from/mangum.md: one application behind mangum, under AWS's runtime client, and in the convention `asgi`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mangum")

from support.coming import claim
from support.files import write
from support.http_events import EVENTS, changed
from support.runtime import AWS, OURS, start

from dispatch import http

APP = """
import json, sys
starts = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        assert (await receive())["type"] == "lifespan.startup"
        starts.append(1)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/fail":
        raise ValueError("a reason")
    found = {
        "path": scope["path"], "starts": len(starts), "arn": scope["aws.context"].invoked_function_arn,
        "event": list(scope["aws.event"])[:1], "posted": (await receive())["body"].decode(),
    }
    headers = [(b"content-type", b"application/json"), (b"x-secret", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(found).encode()})
"""
ADAPTED = "from mangum import Mangum\nfrom web import app\nhandler = Mangum(app, exclude_headers=['x-secret'])\n"
GET = {**EVENTS[http.HTTP_API], "routeKey": "$default"}
EDGE = {
    "Records": [
        {
            "cf": {
                "config": {},
                "request": {"method": "GET", "uri": "/edge", "querystring": "", "headers": {}, "clientIp": "::1"},
            }
        }
    ]
}

#: Sends an event to mangum under AWS's client and to the convention `asgi`; the kind and the value of each answer.
Both = Callable[[Any], list[tuple[str, Any]]]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    """One environment of each."""
    root = write(tmp_path, {"web.py": APP, "adapted.py": ADAPTED})
    with ExitStack() as stack:
        theirs = stack.enter_context(start(AWS, "adapted.handler", root, {"AWS_LAMBDA_FUNCTION_NAME": "one"}))
        ours = stack.enter_context(start(OURS, "web.app", root, {"HANDLER_CONVENTION": "asgi"}))

        def send(event: Any) -> list[tuple[str, Any]]:
            answers = [side.invoke(json.dumps(event).encode()) for side in (theirs, ours)]
            return [(answer.kind, json.loads(answer.body)) for answer in answers]

        yield send


def bodies(answers: list[tuple[str, Any]]) -> list[Any]:
    """The parsed bodies of two responses."""
    return [json.loads(answer["body"]) for _, answer in answers]


@claim("mangum", "The handler")
@claim("mangum", "The application")
@claim("mangum", "Event and context")
def test_the_application_itself(both: Both) -> None:
    """Without mangum's line the application gets the same event and context."""
    theirs, ours = bodies(both(GET))
    assert (theirs["path"], theirs["event"]) == (ours["path"], ours["event"]) == ("/", ["version"])
    assert theirs["arn"] == ours["arn"]


@claim("mangum", "The lifespan")
def test_the_lifespan(both: Both) -> None:
    """Three events: mangum starts the application for each of them."""
    assert [[1, 1], [2, 1], [3, 1]] == [[body["starts"] for body in bodies(both(GET))] for _ in range(3)]


@claim("mangum", "Exceptions")
def test_an_exception(both: Both) -> None:
    """Mangum answers with status 500; here the event fails, with the exception's own type."""
    (_, theirs), (kind, ours) = both(
        {**changed(http.HTTP_API, rawPath="/fail", http={"path": "/fail"}), "routeKey": "$default"}
    )
    assert (500, "error", "ValueError") == (theirs["statusCode"], kind, ours["errorType"])


@claim("mangum", "Events that are not HTTP")
def test_other_events(both: Both) -> None:
    """Mangum refuses what it does not know; here the application gets it."""
    (kind, theirs), (_, ours) = both({"Records": [{"eventSource": "aws:sqs"}]})
    assert ("error", "RuntimeError", "/events") == (kind, theirs["errorType"], ours["path"])
    assert {"Records": [{"eventSource": "aws:sqs"}]} == json.loads(ours["posted"])


@claim("mangum", "Lambda@Edge")
def test_edge(both: Both) -> None:
    """Mangum reads the request of CloudFront; here it is an event like any other."""
    (_, theirs), (_, ours) = both(EDGE)
    assert ("200", "/edge") == (str(theirs["status"]), json.loads(theirs["body"])["path"])
    assert ("/events", EDGE) == (ours["path"], json.loads(ours["posted"]))


@claim("mangum", "`exclude_headers`")
def test_headers_of_the_answer(both: Both) -> None:
    """Mangum leaves out what its argument names, but not in payload format 2.0; here every header is sent."""
    kept = [[answer["headers"].get("x-secret") for _, answer in both(event)] for event in (EVENTS[http.REST_API], GET)]
    assert [[None, "1"], ["1", "1"]] == kept
