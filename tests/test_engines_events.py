"""CloudEvents to a function under an ASGI server, and from it: the CNCF's SDK is the client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cloudevents.core")

from cloudevents.core.bindings.http import (
    HTTPMessage,
    from_http_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent
from support.engines import Engine, engine
from support.files import write

APP = """
    from cloudevents.core.v1.event import CloudEvent
    from dispatch import HTTPResponse

    def answer(event):
        data = event.get_data()
        match event.get_type():
            case "none":
                return None
            case "value":
                return {"data": data}
            case "fail":
                raise ValueError(data)
            case "http":
                return HTTPResponse(202, {"x-own": "1"}, ["a=1"], "taken")
            case "stream":
                return iter([1, 2])
        attributes = {**event.get_attributes(), "type": "answer", "count": 3}
        return CloudEvent(attributes, data)

    def text(event, headers):
        if event == "reply":
            return HTTPResponse(200, {"ce-type": "answer"}, body="data")
        return f"{headers.get('ce-type')} {event}"
"""

ATTRIBUTES = {
    "specversion": "1.0", "id": "1", "source": "/tests/ü", "type": "order", "subject": "100 % €",
    "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "datacontenttype": "application/json",
}  # fmt: skip


def event(**attributes: Any) -> CloudEvent:
    """A CloudEvent."""
    return CloudEvent({**ATTRIBUTES, **attributes}, {"n": [1, "ü"]})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A function of CloudEvents under uvicorn."""
    folder = write(tmp_path_factory.mktemp("events") / "task", {"app.py": APP})
    with engine("uvicorn", folder, "app.answer", HANDLER_CONVENTION="cloudevent") as running:
        yield running


@pytest.mark.parametrize("write_event", [to_binary_event, to_structured_event])
def test_modes(server: Engine, write_event: Any) -> None:
    """The SDK's event arrives in either mode, and the SDK reads the answer, which is in binary mode."""
    message = write_event(event())
    response = server.client.post("/", headers=message.headers, content=message.body)
    answer = from_http_event(HTTPMessage(dict(response.headers), response.content))
    expected = {**ATTRIBUTES, "type": "answer"}
    assert 200 == response.status_code
    assert expected == {name: value for name, value in answer.get_attributes().items() if name in expected}
    assert ("3", {"n": [1, "ü"]}) == (answer.get_attributes()["count"], answer.get_data())


def batch(*events: CloudEvent) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a batch."""
    bodies = [json.loads(to_structured_event(each).body) for each in events]
    return {"content-type": "application/cloudevents-batch+json"}, json.dumps(bodies).encode()


def test_batches(server: Engine) -> None:
    """The function is called for each event of a batch; the events that it returns are a batch."""
    headers, body = batch(event(id="1"), event(id="2", type="none"), event(id="3"))
    response = server.client.post("/", headers=headers, content=body)
    assert (200, headers["content-type"]) == (response.status_code, response.headers["content-type"])
    assert [("1", "answer"), ("3", "answer")] == [(each["id"], each["type"]) for each in response.json()]
    for events in ((), (event(type="none"),)):
        headers, body = batch(*events)
        response = server.client.post("/", headers=headers, content=body)
        assert (204, b"") == (response.status_code, response.content)
    headers, body = batch(event(), event(type="fail"))
    assert 500 == server.client.post("/", headers=headers, content=body).status_code


def test_answers(server: Engine) -> None:
    """Whatever a function may return; a failure is a 500, which a broker delivers again, a wrong event a 400."""
    got = {}
    for kind in ("none", "value", "fail", "http", "stream"):
        message = to_binary_event(event(type=kind))
        got[kind] = server.client.post("/", headers=message.headers, content=message.body)
    assert {"none": 204, "value": 200, "fail": 500, "http": 202, "stream": 200} == {
        kind: each.status_code for kind, each in got.items()
    }
    assert {"data": {"n": [1, "ü"]}} == got["value"].json()
    assert ("1", "a=1", '"taken"\n') == (
        *(got["http"].headers["x-own"], got["http"].headers["set-cookie"]),
        got["http"].text,
    )
    assert "1\n2\n" == got["stream"].text
    for headers, body in (
        ({"ce-id": "1"}, b"{}"),
        ({}, b"{"),
        ({"content-type": "application/cloudevents+json"}, b"[{}]"),
    ):
        response = server.client.post("/", headers=headers, content=body)
        assert (400, "Runtime.UnmarshalError") == (response.status_code, response.json()["errorType"])


@pytest.mark.parametrize("kind", ["value", "none", "order"])
def test_knative_s_replies(server: Engine, kind: str) -> None:
    """Where a broker asks for a reply, it gets a CloudEvent or nothing: it takes any other body for a failure."""
    message = to_binary_event(event(type=kind))
    response = server.client.post("/", headers={**message.headers, "Prefer": "reply"}, content=message.body)
    assert {"value": (202, False), "none": (204, False), "order": (200, True)}[kind] == (
        *(response.status_code, "ce-type" in response.headers),
    )
    assert bool(response.content) is (kind == "order")


def test_other_conventions(tmp_path: Path) -> None:
    """A function that knows nothing of CloudEvents gets the attributes as headers; a broker gets no reply."""
    folder = write(tmp_path / "task", {"app.py": APP})
    with engine("uvicorn", folder, "app.text") as (_, client, _):
        message = to_binary_event(event())
        assert 'order {"n": [1, "\\u00fc"]}' == client.post("/", headers=message.headers, content=message.body).text
        response = client.post("/", headers={**message.headers, "Prefer": "reply"}, content=message.body)
        assert (202, b"") == (response.status_code, response.content)
        response = client.post("/", headers={**message.headers, "Prefer": "reply"}, content="reply")
        assert (200, "answer", "data") == (response.status_code, response.headers["ce-type"], response.text)
        response = client.post("/", headers={"Prefer": "reply"}, content="x")  # not an event
        assert "None x" == response.text
