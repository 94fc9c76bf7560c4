"""Answers that the Runtime API refuses or loses, and answers that are too large."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from support.api import event, refusal
from support.runtime import Serve
from support.wire import Reply

#: Each with what it answers to x.
SOURCES = {
    "response": ("def handler(event, headers):\n    return event\n", b"x"),
    "error": ("def handler(event, headers):\n    if event == 'x': return event\n    raise KeyError(event)\n", b"x"),
    "stream": ("def handler(event, headers):\n    yield event\n    yield event\n", b"xx"),
}
TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "requests"])
#: What Lambda takes: 6 MiB and a hundred bytes, by the refusal of AWS's emulator.
LIMIT = 6_291_556


@TRANSPORTS
@pytest.mark.parametrize("status", [400, 403, 410, 413])
@pytest.mark.parametrize("kind", SOURCES)
def test_refused_answers(serve: Serve, kind: str, status: int, transport: str) -> None:
    """An answer that is refused is logged, not sent again, and the loop goes on."""
    source, due = SOURCES[kind]
    runtime = serve(source, env={"HANDLER_TRANSPORT": transport})
    runtime.api.answer_posts(refusal(status, "Scripted"))
    runtime.api.hand_out(event(b"refused", "one"))
    runtime.answer("one")
    assert due == runtime.invoke(b"x").body
    assert 1 == len(runtime.api.answers("one"))
    runtime.child.wait_log(str(status))


@TRANSPORTS
@pytest.mark.parametrize("kind", SOURCES)
def test_answer_500_ends_it(serve: Serve, kind: str, transport: str) -> None:
    """500 on an answer is the container's end as well."""
    runtime = serve(SOURCES[kind][0], env={"HANDLER_TRANSPORT": transport})
    runtime.api.answer_posts(refusal(500, "ContainerError"))
    runtime.api.hand_out(event(b"refused", "one"))
    assert (1, 1) == (runtime.child.wait(), len(runtime.api.answers("one")))


@TRANSPORTS
@pytest.mark.parametrize("drop", ["unanswered", "at once", "midway"])
@pytest.mark.parametrize("kind", SOURCES)
def test_lost_answers_are_never_sent_twice(serve: Serve, kind: str, drop: Any, transport: str) -> None:
    """A connection that goes while the answer is under way: nobody knows whether it came, so it is not sent again."""
    source, due = SOURCES[kind]
    runtime = serve(source, env={"HANDLER_TRANSPORT": transport})
    runtime.api.answer_posts(Reply(202, drop=drop))
    runtime.api.hand_out(event(b"lost", "one"))
    runtime.api.wait(lambda: runtime.api.answers("one"))
    assert due == runtime.invoke(b"x").body
    assert 1 == len(runtime.api.answers("one"))


@TRANSPORTS
@pytest.mark.parametrize("kind", SOURCES)
def test_reply_to_an_answer_in_any_framing(serve: Serve, kind: str, transport: str) -> None:
    """The server may close behind its 202, answer byte by byte, in chunks or in HTTP/1.0."""
    source, due = SOURCES[kind]
    runtime = serve(source, env={"HANDLER_TRANSPORT": transport})
    body = b'{"status":"OK"}\n'
    runtime.api.answer_posts(
        Reply(202, body=body, close=True),
        Reply(202, body=body, bytewise=True),
        Reply(202, body=body, framing="chunked"),
        Reply(202, body=body, version="1.0"),
        Reply(202, framing="close"),
        Reply(200),
    )
    for _ in range(7):
        assert due == runtime.invoke(b"x").body
    posts = [request.route for request in runtime.api.requests if request.method == "POST"]
    assert len(posts) == len(set(posts))


@TRANSPORTS
def test_pipelined_event_is_not_lost(serve: Serve, transport: str) -> None:
    """If the server closes behind its 202 although a poll came along, that poll is sent again."""
    runtime = serve(SOURCES["response"][0], env={"HANDLER_TRANSPORT": transport})
    for _ in range(3):
        runtime.api.answer_posts(Reply(202, close=True))
        assert b"x" == runtime.invoke(b"x").body


@TRANSPORTS
@pytest.mark.parametrize(("size", "taken"), [(LIMIT, True), (LIMIT + 1, False), (8_000_000, False)])
def test_oversize_answers(serve: Serve, size: int, taken: bool, transport: str) -> None:
    """An answer larger than Lambda takes is reported with its size, as Function.ResponseSizeTooLarge."""
    runtime = serve("def handler(event, headers):\n    return 'x' * int(event)\n", env={"HANDLER_TRANSPORT": transport})
    answer = runtime.invoke(str(size).encode())
    if taken:
        assert ("response", size) == (answer.kind, len(answer.body))
    else:
        assert "Function.ResponseSizeTooLarge" == answer.report["errorType"]
        assert "Function.ResponseSizeTooLarge" == answer.request.header("Lambda-Runtime-Function-Error-Type")
        assert str(size) in answer.report["errorMessage"].replace(",", "").replace("_", "")
    assert b"xx" == runtime.invoke(b"2").body


def test_streams_may_be_larger(serve: Serve) -> None:
    """The limit is for buffered answers: a stream may go on to 200 MB."""
    runtime = serve("def handler(event, headers):\n    for _ in range(8):\n        yield 'x' * 1_000_000\n")
    assert 8_000_000 == len(runtime.invoke().body)


@TRANSPORTS
def test_large_answer_travels_alone(serve: Serve, transport: str) -> None:
    """The next poll does not travel with a large answer, nor with an error."""
    runtime = serve("def handler(event, headers):\n    return 'x' * int(event)\n", env={"HANDLER_TRANSPORT": transport})
    large, failed = runtime.invoke(b"6000000"), runtime.invoke(b"nonsense")
    runtime.invoke(b"1")
    for answer in (large, failed):
        after = next(r for r in runtime.api.requests if r.number > answer.request.number)
        assert ("GET", False) == (after.method, after.pipelined)


def test_error_type_header(serve: Serve) -> None:
    """Types of the platform's own form go into the header too, where the platform looks for them."""
    runtime = serve("def handler(event, headers):\n    return 5\n")
    answer = runtime.invoke(b"")
    assert answer.request.header("Lambda-Runtime-Function-Error-Type") == answer.report["errorType"]


@TRANSPORTS
def test_trailers_are_one_line_of_ascii(serve: Serve, transport: str) -> None:
    """Whatever the message holds, the trailers are lines of ASCII."""
    source = "def handler(event, headers):\n    yield 'x'\n    raise KeyError('é\\r\\nX: y' * 1000)\n"
    runtime = serve(source, env={"HANDLER_TRANSPORT": transport})
    trailers = runtime.invoke(b"").request.trailers
    assert {"lambda-runtime-function-error-type", "lambda-runtime-function-error-body"} == set(trailers)
    assert "é".encode() in base64.b64decode(
        trailers["lambda-runtime-function-error-body"]
    ) or b"\\u00e9" in base64.b64decode(trailers["lambda-runtime-function-error-body"])
    assert "x" == runtime.invoke(b"").body.decode()


@pytest.mark.parametrize("transport", ["socket", "requests"])
def test_connection_that_goes_while_the_handler_runs(serve: Serve, transport: str) -> None:
    """A connection that is closed behind the event is noticed: the answer goes once, over a new one."""
    runtime = serve(SOURCES["response"][0], env={"HANDLER_TRANSPORT": transport})
    assert [b"a", b"b"] == [runtime.invoke(body, framing="length", close=True).body for body in (b"a", b"b")]
    ids = [request.route for request in runtime.api.requests if request.method == "POST"]
    assert 2 == len(ids) == len(set(ids))
