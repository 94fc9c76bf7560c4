"""A Runtime API that does what the test says: events are queued, answers scripted, every request recorded."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Self

from support.wire import PATIENCE, Reply, Request, Wire

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:sample"
#: How many bytes the kernel keeps for a server that does not read; by itself it may keep a large answer whole.
RECEIVED = 64 * 1024

OK = Reply(202, [("Content-Type", "application/json")], b'{"status":"OK"}\n')


def refusal(status: int, kind: str = "InvalidStateTransition") -> Reply:
    """An error of the Runtime API, shaped as AWS shapes it."""
    body = json.dumps({"errorMessage": "scripted", "errorType": kind}).encode()
    return Reply(status, [("Content-Type", "application/json")], body)


def event(body: bytes, request_id: str = "", headers: Mapping[str, str | None] | None = None, **reply: Any) -> Reply:
    """An event as `/next` hands it out; a header of None is left out."""
    fields: dict[str, str | None] = {
        "Lambda-Runtime-Aws-Request-Id": request_id or str(uuid.uuid4()),
        "Lambda-Runtime-Deadline-Ms": str(int((time.time() + 60) * 1000)),
        "Lambda-Runtime-Invoked-Function-Arn": ARN,
        "Content-Type": "application/json",
        **(headers or {}),
    }
    return Reply(200, [(name, value) for name, value in fields.items() if value is not None], body, **reply)


class FakeRuntimeApi:
    """Serves `/2018-06-01/runtime/...` on a free loopback port, one thread a connection."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, 0), family=family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)
        self.port: int = self.listener.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.requests: list[Request] = []
        self.polls: deque[Reply] = deque()
        self.posts: deque[Reply] = deque()
        self.changed = threading.Condition()
        self.stopping = False
        self.connections = 0
        self.sockets: list[socket.socket] = []
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Refuse and cut every connection; all threads end."""
        with self.changed:
            self.stopping = True
            self.changed.notify_all()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        # Whoever was let in while the door closed is in the list by now.
        self.threads[0].join(PATIENCE)
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(PATIENCE)
        for sock in [self.listener, *self.sockets]:
            sock.close()

    # What tests say and ask

    def hand_out(self, *replies: Reply) -> None:
        """Queue answers to `/next`."""
        with self.changed:
            self.polls.extend(replies)
            self.changed.notify_all()

    def answer_posts(self, *replies: Reply) -> None:
        """Queue answers to the coming POSTs; behind them each gets 202."""
        self.posts.extend(replies)

    def wait(self, condition: Callable[[], Any], what: str = "the condition") -> Any:
        """Wait until a request or a chunk makes `condition()` true; its value."""
        with self.changed:
            value = self.changed.wait_for(condition, PATIENCE)
            seen = "; ".join(f"{request.method} {request.route}" for request in self.requests)
            assert value, f"{what} has not come within {PATIENCE} s; seen: {seen or 'no request'}"
            return value

    def finished(self, method: str = "", route: str = "") -> list[Request]:
        """The requests that came in full, in order, of this method and with this text in the route."""
        return [r for r in self.requests if r.complete and r.method == (method or r.method) and route in r.route]

    def wait_for(self, method: str, route: str, count: int = 1) -> list[Request]:
        """The first `count` such requests, once they came in full."""
        return self.wait(  # type: ignore[no-any-return]
            lambda: len(found := self.finished(method, route)) >= count and found[:count],
            f"{method} ...{route} ({count})",
        )

    def answers(self, request_id: str) -> list[Request]:
        """Every answer, whole or begun, that came for one invocation."""
        return [r for r in self.requests if r.method == "POST" and f"invocation/{request_id}/" in r.route]

    def answers_to(self, request_id: str) -> Callable[[], list[Request]]:
        """A look at the answers to one invocation that came in full."""
        return lambda: [r for r in self.answers(request_id) if r.complete]

    # The server's side

    def _accept(self) -> None:
        while not self.stopping:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.changed:
                self.sockets.append(sock)
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(Wire(sock), self.connections), daemon=True)
                self.threads.append(thread)
            thread.start()

    def _serve(self, wire: Wire, connection: int) -> None:
        pipelined = False
        try:
            while True:
                request = self._head(wire, connection, pipelined)
                reply = self.posts.popleft() if request.method == "POST" and self.posts else OK
                if reply.drop == "at once":
                    break
                self._body(wire, request)
                pipelined = bool(wire.buffer)
                if request.method == "GET":
                    reply = Reply() if request.route == "restore/next" else self._next_event(wire)
                if reply.drop == "unanswered" or not self._passes(reply):
                    break
                wire.send(reply)
                if reply.ends_connection:
                    break
        except (EOFError, OSError):
            pass
        finally:
            self._hang_up(wire.sock)

    @staticmethod
    def _hang_up(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    def _head(self, wire: Wire, connection: int, pipelined: bool) -> Request:
        method, path, _ = wire.line().split(" ")
        headers = wire.fields()
        with self.changed:
            request = Request(len(self.requests), connection, method, path, headers, pipelined)
            self.requests.append(request)
            self.changed.notify_all()
        return request

    def _body(self, wire: Wire, request: Request) -> None:
        if (request.header("Transfer-Encoding") or "").lower() == "chunked":
            while size := int(wire.line(), 16):
                self._take(request, wire.exactly(size))
                wire.exactly(2)
            request.trailers = {name.lower(): value for name, value in wire.fields()}
        elif length := int(request.header("Content-Length") or 0):
            self._take(request, wire.exactly(length))
        with self.changed:
            request.complete = True
            self.changed.notify_all()

    def _take(self, request: Request, chunk: bytes) -> None:
        with self.changed:
            request.chunks.append(chunk)
            self.changed.notify_all()

    def _next_event(self, wire: Wire) -> Reply:
        with self.changed:
            while True:
                self.changed.wait_for(lambda: self.polls or self.stopping)
                # A poller that has gone must not swallow the event of the one that came after it.
                if self.stopping or wire.peer_left():
                    self.changed.notify()
                    raise EOFError
                if self.polls:
                    return self.polls.popleft()

    def _passes(self, reply: Reply) -> bool:
        return reply.gate is None or reply.gate.wait(PATIENCE)


class Scripted(FakeRuntimeApi):
    """A Runtime API that also plays the rest of the platform: `script[path's end]` is answered as told, at once."""

    def __init__(self) -> None:
        self.script: dict[str, Reply] = {}
        self._current = threading.local()
        super().__init__()

    def _head(self, wire: Wire, connection: int, pipelined: bool) -> Request:
        request = super()._head(wire, connection, pipelined)
        self._current.request = request
        scripted = self._scripted()
        if scripted is not None and request.method == "POST":
            self.posts.appendleft(scripted)
        return request

    def _scripted(self) -> Reply | None:
        path = self._current.request.path
        return next((reply for end, reply in self.script.items() if path.endswith(end)), None)

    def _next_event(self, wire: Wire) -> Reply:
        return self._scripted() or super()._next_event(wire)

    def _passes(self, reply: Reply) -> bool:
        scripted = self._scripted()
        if scripted is not None and self._current.request.route == "restore/next":
            vars(reply).update(vars(scripted))  # a reply made for this request alone
        return super()._passes(reply)

    def stop(self) -> None:
        """Let go of what is held back, then stop."""
        for reply in self.script.values():
            if reply.gate is not None:
                reply.gate.set()
        super().stop()

    def paths(self) -> list[str]:
        """The paths of all requests, in the order in which they began."""
        return [request.path for request in self.requests]

    def ending(self, end: str) -> list[Request]:
        """The requests whose path ends so."""
        return [request for request in self.requests if request.complete and request.path.endswith(end)]
