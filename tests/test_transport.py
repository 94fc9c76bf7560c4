"""The transports against a server that says exactly what the test says, in the pieces that the test says."""

from __future__ import annotations

import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from support.api import FakeRuntimeApi
from support.wire import PATIENCE

from dispatch import Invocation
from dispatch.errors import Terminated
from dispatch.load import load
from dispatch.protocol import NEXT, REQUEST_ID
from runtime.client import RuntimeClient
from runtime.environment import Environment
from runtime.lifecycle import Signals
from runtime.logs import Log
from runtime.transport import Address, Disconnected, by_requests, kept_alive

ANSWER = "/2018-06-01/runtime/invocation/one/response"
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


#: Instead of a text: the connection is closed, whatever has come on it.
HANG_UP = b"(hang up)"


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A reply with a length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Server:
    """Answers what arrives at once with the next of its texts; each list of texts is a connection."""

    def __init__(self, *connections: list[bytes]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.heard: list[list[bytes]] = []
        self._connections = connections
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address.parse(f"127.0.0.1:{self.listener.getsockname()[1]}")

    def _run(self) -> None:
        for texts in self._connections:
            connection, _ = self.listener.accept()
            connection.settimeout(PATIENCE)
            self.heard.append([])
            with connection:
                for text in texts:
                    if text is HANG_UP:
                        break
                    self.heard[-1].append(connection.recv(65536))
                    connection.sendall(text)
                else:
                    while data := connection.recv(65536):
                        self.heard[-1].append(data)

    def close(self) -> None:
        """Wait until every connection was served and ended by the other side."""
        self._thread.join(PATIENCE)
        self.listener.close()


@pytest.fixture
def serving() -> Iterator[Callable[..., Any]]:
    """A transport and its server: `serving(texts, …)`."""
    opened: list[Any] = []

    def start(*connections: list[bytes], module: Any = kept_alive) -> Any:
        server = Server(*connections)
        transport = module.TRANSPORT(server.address, "test")
        opened.extend((transport, server))
        return transport, server

    yield start
    for one in opened:
        one.close()


def test_the_last_of_two_replies_ends_the_connection(serving: Callable[..., Any]) -> None:
    """An event that came together with the reply to the answer, and closes the connection, is no event lost."""
    both = ACCEPTED + reply(b"second", "Connection: close")
    transport, server = serving([reply(b"first"), both], [ACCEPTED])
    assert b"first" == transport.get(NEXT).body
    assert 202 == transport.post(ANSWER, {}, b"", NEXT).status
    assert b"second" == transport.get(NEXT).body
    assert 202 == transport.post(ANSWER, {}, b"").status
    transport.close()
    server.close()
    assert [2, 1] == [len(requests) for requests in server.heard]


def test_nonsense_behind_a_reply(serving: Callable[..., Any]) -> None:
    """A reply counts whatever stands behind it, and the connection is used no more."""
    transport, server = serving([reply(b"no", status="403 Forbidden") + b"nonsense"], [reply(b"event")])
    assert [403, 200] == [transport.get(NEXT).status for _ in range(2)]
    assert [1, 1] == [len(requests) for requests in server.heard]


def test_a_server_that_speaks_first(serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server says unasked on a quiet connection (408, say) means that it is about to go; the answer goes elsewhere."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(kept_alive, "monotonic", lambda: clock.now)
    late = reply(b"", "Connection: close", status="408 Request Timeout")
    transport, server = serving([reply(b"event")], [ACCEPTED])
    transport.get(NEXT)
    before = transport._socket
    # As if it had been sent: the server's own words would be a race.
    transport._socket, other = socket.socketpair()
    before.close()
    other.sendall(late)
    clock.now += 2
    assert 202 == transport.post(ANSWER, {}, b"answer").status
    other.close()
    assert server.heard[1][0].endswith(b"answer")


def test_a_server_that_closes_behind_an_event(serving: Callable[..., Any]) -> None:
    """A connection that was closed while the handler worked takes no answer; a new one does."""
    transport, server = serving([reply(b"event"), HANG_UP], [ACCEPTED])
    transport.get(NEXT)
    assert select.select([transport._socket], [], [], PATIENCE)[0]
    transport._last_used -= 1
    assert 202 == transport.post(ANSWER, {}, b"answer").status
    assert server.heard[1][0].endswith(b"answer")


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_that_is_refused_before_it_is_whole(serving: Callable[..., Any], streamed: bool) -> None:
    """The server's reply counts, though it took no more than the beginning."""
    transport, server = serving([reply(b"too large", status="413 Payload Too Large"), HANG_UP])
    if streamed:
        chunks = (b"x" * 1_000_000 for _ in range(100))
        refused = transport.stream(ANSWER, {}, chunks, dict)
        assert next(chunks)
    else:
        refused = transport.post(ANSWER, {}, b"x" * 5_000_000)
    assert (413, b"too large") == (refused.status, refused.body)
    assert 1 == len(server.heard)


@pytest.mark.parametrize(
    "text", [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", b"?"]
)
def test_replies_that_are_none(serving: Callable[..., Any], text: bytes) -> None:
    """What is no reply to the request is a lost connection."""
    transport, _ = serving([text])
    with pytest.raises(Disconnected):
        transport.get(NEXT)


#: Headers after which the end of the reply is not certain.
MALFORMED = [
    *("Content-Length: -3", "Content-Length: +3", "Content-Length: 0x3", "Content-Length: 3, 4", "Content-Length:"),
    *("Content-Length : 3", "X: a\r\n b", "X", ": x"),
]


@pytest.mark.parametrize("module", [kept_alive, by_requests])
@pytest.mark.parametrize("header", MALFORMED)
def test_malformed_headers(serving: Callable[..., Any], header: str, module: Any) -> None:
    """Such a reply is a lost connection; reading until the server closes it might never end."""
    transport, _ = serving([f"HTTP/1.1 200 OK\r\n{REQUEST_ID}: one\r\n{header}\r\n\r\nabc".encode()], module=module)
    with pytest.raises(Disconnected):
        transport.get(NEXT)


def test_trailers_are_no_headers(serving: Callable[..., Any]) -> None:
    """A trailer changes no header of the event."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nLambda-Runtime-Aws-Request-Id: one\r\n\r\n"
    transport, _ = serving([head + b"1\r\nx\r\n0\r\nLambda-Runtime-Aws-Request-Id: two\r\n\r\n"])
    event = transport.get(NEXT)
    assert ("one", b"x") == (event.headers["lambda-runtime-aws-request-id"], event.body)


@pytest.mark.parametrize("module", [kept_alive, by_requests])
@pytest.mark.parametrize("value", ["an id", "日本", "é"])
def test_a_header_goes_back_as_it_came(serving: Callable[..., Any], value: str, module: Any) -> None:
    """A header is text, and on the way back its bytes are the same."""
    transport, server = serving([reply(b"", f"X: {value}"), ACCEPTED], module=module)
    event = transport.get(NEXT)
    assert value == event.headers["x"]
    transport.post(ANSWER, {"X": event.headers["x"]}, b"")
    assert f"X: {value}\r\n".encode() in server.heard[0][1]


@pytest.mark.parametrize("module", [kept_alive, by_requests])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br, gzip"])
def test_an_event_is_not_decoded(serving: Callable[..., Any], coding: str, module: Any) -> None:
    """An event is the bytes that came, whatever its Content-Encoding says: decoding could leave nothing of them."""
    transport, _ = serving([reply(b"x", f"Content-Encoding: {coding}")], module=module)
    assert b"x" == transport.get(NEXT).body


@pytest.mark.parametrize("module", [kept_alive, by_requests])
def test_an_answer_is_not_redirected(serving: Callable[..., Any], module: Any) -> None:
    """A redirection sends no answer a second time."""
    moved = reply(b"", "Location: /elsewhere", status="307 Temporary Redirect")
    transport, server = serving([moved], module=module)
    assert 307 == transport.post(ANSWER, {}, b"answer").status
    assert 1 == b"".join(server.heard[0]).count(b"POST ")


def test_a_signal_in_the_reply_to_an_error(
    api: FakeRuntimeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends the environment, and is not taken for a lost connection, although an exception has just been reported."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    log = Log()
    client = RuntimeClient(kept_alive.TRANSPORT(Address.parse(api.address), "test"), log)
    environment = Environment(client, load("1 / int(event)", str(tmp_path)), log, Signals())
    before = sys.gettrace()

    def interrupt(frame: FrameType, _event: str, _argument: object) -> None:
        if frame.f_code.co_name == "on_header":
            sys.settrace(before)
            raise Terminated("SIGTERM", 0)

    sys.settrace(interrupt)
    try:
        with pytest.raises(Terminated):
            environment.handle(Invocation(b"0", {REQUEST_ID: "1"}))
    finally:
        sys.settrace(before)
    assert ["error"] == [request.path.rpartition("/")[2] for request in api.requests]
    client.close()
