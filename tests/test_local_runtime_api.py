"""The embedded Runtime API on the wire; the refusals are the bytes that AWS's emulator sends."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import select
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import product

import pytest
from hypothesis import given
from hypothesis.strategies import text
from support.local import Client, LocalRuntimeApi, client, runtime_api
from support.wire import PATIENCE

from dispatch import protocol
from dispatch.protocol import RESPONSE_LIMIT
from runtime.local.answer import AHEAD, Answer
from runtime.local.invocation import Event, Exchange
from runtime.local.runtime_api.session import RuntimeSession
from runtime.local.runtime_api.states import (
    FOLLOWING,
    UNCHANGED,
    ExtensionState,
    RuntimeState,
    State,
    StateMachine,
    StateRefused,
)
from runtime.testing import Result


@pytest.fixture
def api() -> Iterator[LocalRuntimeApi]:
    """A Runtime API that no process knows."""
    with runtime_api() as one:
        yield one


@pytest.fixture
def runtime(api: LocalRuntimeApi) -> Iterator[Client]:
    """A connection to it."""
    with client(api.address) as one:
        yield one


def refusal(source: str, target: str) -> bytes:
    """A 403's body, as AWS's emulator writes it."""
    message = f"State transition from {source} to {target} failed for runtime. Error: State transition is not allowed"
    return (
        json.dumps({"errorMessage": message, "errorType": "InvalidStateTransition"}, separators=(",", ":")) + "\n"
    ).encode()


#: What no header may have, neither in its middle nor, as blanks, at its ends.
UNWRITABLE = {*map(chr, range(0x20)), "\x7f"}
INVALID_ID = b'{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}\n'
INVALID_MODE = b'{"errorMessage":"Invalid function response mode","errorType":"InvalidFunctionResponseMode"}\n'
TOO_LARGE = (
    b'{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}\n'
)
OK = b'{"status":"OK"}\n'
MODE = "Lambda-Runtime-Function-Response-Mode"
#: More than a runtime may be ahead and sockets hold, less than a stream may weigh.
MUCH = 96 * 1024 * 1024
SENT = "RuntimeResponseSentState"

#: Conversations had with AWS's emulator: method, path, body, headers, then its status and body (None: an event).
CONVERSATIONS = {
    "strange addresses": [
        ("GET", "ping", None, {}, 200, b"pong"),
        ("GET", "nope", None, {}, 404, b"404 page not found\n"),
        ("POST", "runtime/invocation/next", None, {}, 405, b""),
        ("GET", "runtime/restore/next", None, {}, 404, b"404 page not found\n"),
        ("POST", "runtime/invocation/strange/response", b"x", {}, 400, INVALID_ID),
    ],
    "an answer, once": [
        ("GET", "runtime/invocation/next", None, {}, 200, None),
        ("GET", "runtime/invocation/next", None, {}, 200, None),
        ("POST", "runtime/invocation/strange/response", b"x", {}, 400, INVALID_ID),
        ("POST", "runtime/init/error", b"{}", {}, 403, refusal("Running", "InitError")),
        ("POST", "runtime/invocation/1/response", b"x", {}, 202, OK),
        ("POST", "runtime/invocation/1/response", b"x", {}, 403, refusal(SENT, "InvocationResponse")),
        ("POST", "runtime/invocation/1/error", b"x", {}, 403, refusal(SENT, "InvocationErrorResponse")),
        ("POST", "runtime/init/error", b"{}", {}, 403, refusal(SENT, "InitError")),
    ],
    "an answer that is too large": [
        ("GET", "runtime/invocation/next", None, {}, 200, None),
        ("POST", "runtime/invocation/1/response", b"x" * (RESPONSE_LIMIT + 1), {}, 413, TOO_LARGE),
        ("POST", "runtime/invocation/1/error", b"x", {}, 403, refusal(SENT, "InvocationErrorResponse")),
    ],
    "a response mode that there is not": [
        ("GET", "runtime/invocation/next", None, {}, 200, None),
        ("POST", "runtime/invocation/1/response", b"x", {MODE: "Streaming"}, 400, INVALID_MODE),
        ("GET", "runtime/invocation/next", None, {}, 403, refusal("InvocationResponse", "Ready")),
    ],
}


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_answers_as_aws_does(api: LocalRuntimeApi, runtime: Client, conversation: list[tuple]) -> None:  # type: ignore[type-arg]
    """Every call of a conversation gets the status and the body that AWS's emulator gave."""
    api.offer(b'{"a":1}')

    for method, path, body, headers, status, answer in conversation:
        got = runtime.runtime(method, path, body, headers)

        assert (status, b'{"a":1}' if answer is None else answer) == (got.status, got.body), path


@pytest.mark.parametrize(
    ("state", "wanted"), [pair for states in (RuntimeState, ExtensionState) for pair in product(states, states)]
)
def test_a_state_that_is_refused_changes_nothing(state: State, wanted: State) -> None:
    """The machine goes where the table lets it, and stays where it is when refused."""
    machine = StateMachine("one", state)

    if wanted in FOLLOWING[state]:
        machine.enter(wanted)
        assert machine.state is (state if (state, wanted) in UNCHANGED else wanted)
    else:
        with pytest.raises(StateRefused, match=f"from {state.value} to {wanted.value} failed for one"):
            machine.enter(wanted)
        assert state is machine.state


def test_the_event_comes_with_its_headers(api: LocalRuntimeApi, runtime: Client) -> None:
    """What is known of an event is a header, and what is empty is left out."""
    api.offer(b"{}", "id 1/2", arn="arn:x", trace_id="Root=1", client_context='{"a":\n"ä"}', tenant_id="t")

    headers = runtime.next().headers

    found = {name: value for name, value in headers.items() if name.startswith("lambda-runtime-")}
    assert int(found.pop("lambda-runtime-deadline-ms")) > 0
    assert found.pop("lambda-runtime-invocation-id")
    expected = {
        "lambda-runtime-aws-request-id": "id 1/2",
        "lambda-runtime-invoked-function-arn": "arn:x",
        "lambda-runtime-trace-id": "Root=1",
        "lambda-runtime-client-context": '{"a": "ä"}'.encode().decode("latin-1"),
        "lambda-runtime-aws-tenant-id": "t",
    }
    assert expected == found
    assert 202 == runtime.runtime("POST", "runtime/invocation/id%201%2F2/response", b"").status


def test_an_answer_to_an_earlier_delivery_is_refused(api: LocalRuntimeApi, runtime: Client) -> None:
    """An invocation id that is not the present one's is status 410, and the present one may still be answered."""
    api.offer()
    invocation_id = runtime.next().headers["lambda-runtime-invocation-id"]
    path, name = "runtime/invocation/1/response", "Lambda-Runtime-Invocation-Id"

    assert 410 == runtime.runtime("POST", path, b"x", {name: "another"}).status
    assert 202 == runtime.runtime("POST", path, b"x", {name: invocation_id}).status


@pytest.mark.parametrize(
    ("report", "trailer", "error_type"),
    [
        (b"[" * 100_000, "", "Unhandled"),
        (rb'{"errorType": "\ud800\n A", "stackTrace": 5}', "", "?  A"),
        (b'{"errorType": {"a": [1]}}', "", "{'a': [1]}"),
        (b'{"errorType": "%b"}' % (b"x" * 5000), "", "x" * 256),
        (b"", "\xe9", "Runtime.B"),
    ],
)
def test_a_report_that_cannot_be_read_is_passed_on(
    api: LocalRuntimeApi, runtime: Client, report: bytes, trailer: str, error_type: str
) -> None:
    """Its type fits into a line of the log, and the runtime goes on."""
    pending = api.offer()
    runtime.next()
    if trailer:
        path, headers = "runtime/invocation/1/response", {MODE: "streaming", "Trailer": ", ".join(protocol.TRAILERS)}
        runtime.connection.putrequest("POST", f"/2018-06-01/{path}")
        for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
            runtime.connection.putheader(name, value)
        runtime.connection.endheaders()
        ends = "".join(
            f"{name}: {value}\r\n" for name, value in zip(protocol.TRAILERS, ("Runtime.B", trailer), strict=True)
        )
        runtime.connection.send(f"1\r\nx\r\n0\r\n{ends}\r\n".encode("latin-1"))
        answer = runtime.connection.getresponse()
        assert (202, OK) == (answer.status, answer.read())
    else:
        assert 202 == runtime.runtime("POST", "runtime/invocation/1/error", report).status
    error = finish(api, runtime, pending).error
    assert error is not None
    assert (error_type, "") == (error.type, error.trace)


def test_other_methods_are_answered(runtime: Client) -> None:
    """HEAD, too, which has no body; the connection goes on."""
    assert (404, b"") == (runtime.runtime("HEAD", "nope").status, runtime.runtime("HEAD", "nope").body)
    assert b"pong" == runtime.runtime("GET", "ping").body


@given(text())
def test_any_value_of_a_caller_is_a_header(value: str) -> None:
    """An event has headers that HTTP can express, whatever its caller gave."""
    event = Event(b"", value, value, value, value, value, value, value)
    headers = Exchange(event, 0, "1").headers()

    assert [] == [given for name, given in headers if given != given.strip(" ") or not UNWRITABLE.isdisjoint(given)]
    assert [] == [name for name, given in headers if not given.encode()]


def test_an_error_report_is_passed_on_as_it_came(api: LocalRuntimeApi, runtime: Client) -> None:
    """The caller gets the report's own bytes, whatever they are; the type is looked for in it, then in the header."""
    for report, error_type in ((b'{"errorType":"A","errorMessage":"b"}', "A"), (b"\xffnot json", "Runtime.B")):
        pending = api.offer()
        runtime.next()
        headers = {"Lambda-Runtime-Function-Error-Type": "Runtime.B"}
        assert 202 == runtime.runtime("POST", "runtime/invocation/1/error", report, headers).status
        result = finish(api, runtime, pending)
        assert result.error is not None
        assert (error_type, report) == (result.error.type, result.body)


def finish(api: LocalRuntimeApi, runtime: Client, pending: Future[Result]) -> Result:
    """Poll once more, for an event that is answered at once, so that the invocation before it is over."""
    api.offer(request_id="last")
    runtime.next()
    result = pending.result(PATIENCE)
    runtime.runtime("POST", "runtime/invocation/last/response", b"")
    return result


def exchange(api: LocalRuntimeApi, request: bytes, *parts: bytes) -> bytes:
    """Send raw bytes on a connection of their own, one piece after another; all that comes back."""
    host, port = api.address.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as raw:
        for part in (request, *parts):
            raw.sendall(part)
        raw.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: raw.recv(65536), b""))


def post(api: LocalRuntimeApi, headers: str, path: str = "response") -> bytes:
    """The head of a post."""
    return f"POST /2018-06-01/runtime/invocation/1/{path} HTTP/1.1\r\nHost: {api.address}\r\n{headers}\r\n".encode()


STREAM = "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"
REPORT = base64.b64encode(json.dumps({"errorType": "Late", "errorMessage": "m" * 40_000}).encode()).decode()
TRAILERS = f"0\r\nLambda-Runtime-Function-Error-Type: Late\r\nLambda-Runtime-Function-Error-Body: {REPORT}\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_a_stream_is_read_with_its_trailers(api: LocalRuntimeApi, runtime: Client, size: int) -> None:
    """Chunks and trailers are the same however the bytes are cut, and trailers may be longer than 16 KB."""
    pending = api.offer()
    runtime.next()
    body = b"3\r\none\r\n3\r\ntwo\r\n" + (TRAILERS if size > 1 else TRAILERS.replace("m" * 40_000, "")).encode()

    answered = exchange(api, post(api, STREAM), *(body[at : at + size] for at in range(0, len(body), size)))
    result = finish(api, runtime, pending)

    assert answered.startswith(b"HTTP/1.1 202 ")
    assert result.error is not None
    assert (b"onetwo", True, "application/octet-stream", "Late") == (
        result.body,
        result.streaming,
        result.content_type,
        result.error.type,
    )
    assert "m" * 40_000 == result.error.message


async def deliver(session: RuntimeSession, answer: Answer) -> None:
    """Hand out an event whose answer nobody reads yet."""
    await asyncio.shield(session.idle)
    session.deliver(Event(b"{}", "1"), 0, answer)


async def read(answer: Answer, enough: int) -> int:
    """Read so much of an answer, or all; how much it was."""
    size = 0
    async with contextlib.aclosing(answer.__aiter__()) as chunks:
        async for chunk in chunks:
            size += len(chunk)
            if size >= enough:
                break
    return size


@pytest.mark.parametrize("enough", [1, 1 << 30], ids=["one that leaves", "one that stays"])
def test_a_slow_reader_makes_the_runtime_wait(api: LocalRuntimeApi, runtime: Client, enough: int) -> None:
    """A stream is taken in about as far as Lambda takes it at full speed, and goes on once its reader does, or leaves."""
    loop, answer = api.loop, Answer()
    handed = asyncio.run_coroutine_threadsafe(deliver(api.session, answer), loop)
    runtime.next()
    handed.result(PATIENCE)
    head = f"POST /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\nHost: {api.address}\r\n{MODE}: streaming\r\n"
    body = b"10000\r\n%s\r\n" % (b"x" * 0x10000) * (MUCH // 0x10000) + b"0\r\n\r\n"
    left = memoryview(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + body)
    host, port = api.address.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as sock:
        while left and select.select([], [sock], [], 1 if answer.size > AHEAD else PATIENCE)[1]:
            left = left[sock.send(left[:0x10000]) :]
        assert AHEAD < answer.size < MUCH // 2
        assert MUCH // 2 < len(left)
        reading = asyncio.run_coroutine_threadsafe(read(answer, enough), loop)
        sock.sendall(left)
        assert sock.recv(100).startswith(b"HTTP/1.1 202")
        assert MUCH == answer.size
        size = reading.result(PATIENCE)
        assert MUCH == size if enough > 1 else enough <= size < MUCH


def test_the_answer_and_the_next_poll_may_travel_together(api: LocalRuntimeApi, runtime: Client) -> None:
    """A poll right behind the answer, in one write, gets the next event."""
    pending, _ = api.offer(), runtime.next()
    get = f"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {api.address}\r\n\r\n".encode()
    host, port = api.address.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as raw:
        raw.sendall(post(api, "Content-Length: 2\r\n") + b"ok" + get)
        assert b"ok" == pending.result(PATIENCE).body
        api.offer(b"second", "2")
        received = b""
        while not received.endswith(b"second"):
            received += raw.recv(65536)

    assert 1 == received.count(b"HTTP/1.1 202 ")
    assert 1 == received.count(b"HTTP/1.1 200 ")


def test_an_answer_that_breaks_off_leaves_the_runtime_stuck(api: LocalRuntimeApi, runtime: Client) -> None:
    """The caller is told at once; the same post and a poll are refused, as AWS does."""
    pending, _ = api.offer(), runtime.next()

    told = exchange(api, post(api, "Content-Length: 10\r\n"), b"short")

    assert b"TruncatedHTTPRequest" in told
    again = runtime.runtime("POST", "runtime/invocation/1/response", b"x")
    assert (403, refusal("InvocationResponse", "InvocationResponse")) == (again.status, again.body)
    assert 403 == runtime.next().status
    assert api.session.broken_off
    assert not pending.done()


def test_a_poll_whose_connection_is_lost_loses_no_event(api: LocalRuntimeApi, runtime: Client) -> None:
    """An event that comes after a polling connection closed goes to the next poll."""
    exchange(api, f"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {api.address}\r\n\r\n".encode())
    api.offer(b"kept")

    assert b"kept" == runtime.next().body


def test_waiting_for_a_hundred_continue_is_answered(api: LocalRuntimeApi, runtime: Client) -> None:
    """A runtime that announces its body with Expect is told to go on."""
    api.offer()
    runtime.next()
    host, port = api.address.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as raw:
        raw.sendall(post(api, "Content-Length: 2\r\nExpect: 100-continue\r\n"))
        assert raw.recv(1000).startswith(b"HTTP/1.1 100 ")
        raw.sendall(b"ok")
        assert raw.recv(1000).startswith(b"HTTP/1.1 202 ")


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_a_browser_is_refused(runtime: Client, headers: dict[str, str]) -> None:
    """A page can't reach it: neither by a name that leads here, nor from another origin."""
    assert 403 == runtime.runtime("GET", "ping", None, headers).status


def test_headers_beyond_the_limit_are_refused(api: LocalRuntimeApi) -> None:
    """More than a megabyte of headers is status 431."""
    assert b" 431 " in exchange(api, f"GET / HTTP/1.1\r\nX: {'x' * (1024 * 1024 + 1)}".encode())[:20]


def test_snap_start_is_restored_at_once() -> None:
    """With SnapStart a runtime may ask for the restore, then for events; without it the address is not there."""
    with runtime_api(snap_start=True) as api, client(api.address) as one:
        assert 200 == one.runtime("GET", "runtime/restore/next").status
        api.offer(b"event")
        assert b"event" == one.next().body
        assert 403 == one.runtime("GET", "runtime/restore/next").status


def test_a_failing_restore_is_reported() -> None:
    """After a restore a runtime can say that it failed, and then nothing more."""
    with runtime_api(snap_start=True) as api, client(api.address) as one:
        one.runtime("GET", "runtime/restore/next")
        report = b'{"errorType":"Runtime.AfterRestoreError","errorMessage":"no"}'
        assert 202 == one.runtime("POST", "runtime/restore/error", report).status
        assert 403 == one.next().status
        error = api.session.started.result()
        assert error is not None
        assert "Runtime.AfterRestoreError" == error.type


def test_an_event_is_for_one_of_several_polls(api: LocalRuntimeApi, runtime: Client) -> None:
    """While one worker is at it, another one's poll waits for the next event; if the first goes, it is given again."""
    with client(api.address) as other:
        api.offer(b"{}", "1")
        assert "1" == runtime.next().headers["lambda-runtime-aws-request-id"]
        assert "1" == runtime.next().headers["lambda-runtime-aws-request-id"]
        assert b"pong" == other.runtime("GET", "ping").body
        other.connection.request("GET", "/2018-06-01/runtime/invocation/next")
        assert 202 == runtime.runtime("POST", "runtime/invocation/1/response", b"x").status
        assert ([], [], []) == select.select([other.connection.sock], [], [], 0)
        runtime.connection.request("GET", "/2018-06-01/runtime/invocation/next")
        api.offer(b"{}", "2")
        answer = other.connection.getresponse()
        assert ("2", b"{}") == (answer.getheader("Lambda-Runtime-Aws-Request-Id"), answer.read())
    again = runtime.connection.getresponse()
    assert ("2", b"{}") == (again.getheader("Lambda-Runtime-Aws-Request-Id"), again.read())
