"""Fn's gateway in front of fdk's own server: `python fn.py FUNC_PY PORT`.

By the rules of fnproject/fn: api/server/runner_httptrigger.go and runner_fninvoke.go, api/agent/agent.go, and
api/server/error_response.go for failures.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import sys
import tempfile
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: Not sent on, in either direction.
HOP_BY_HOP = {"connection", "proxy-connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te",
              "trailer", "transfer-encoding", "upgrade"}  # fmt: skip


class Function(http.client.HTTPConnection):
    """A connection to the function's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        """Wait until fdk listens."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


class Gateway(BaseHTTPRequestHandler):
    """The HTTP trigger."""

    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        """Answer every method in the same way."""
        self.raw_requestline = self.rfile.readline(65537)
        self.close_connection = True
        if self.raw_requestline and self.parse_request():
            self._trigger()

    def _trigger(self) -> None:
        call = uuid.uuid4().hex
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        status, pairs, content = self._called(call, body)
        if status == 200:
            pairs = [*pairs, ("Fn-Call-Id", call)]
            status, pairs = decapsulated(pairs)
        else:
            message = {502: "function failed", 504: "Timed out"}.get(status, "invalid function response")
            status = status if status == 504 else 502
            pairs = [("Content-Type", "application/json; charset=utf-8"), ("Fn-Call-Id", call)]
            content = json.dumps({"message": message}, separators=(",", ":")).encode() + b"\n"
        self.send_response(status)
        for name, value in pairs:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD" and status not in {204, 304}:
            self.wfile.write(content)

    def _called(self, call: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = Function(os.environ["FN_LISTENER"].removeprefix("unix:"))
        connection.putrequest("POST", "/call", skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", "localhost")
        for name, value in self.headers.items():
            key = name.title()
            if key.lower() in HOP_BY_HOP | {"host"}:
                continue
            connection.putheader(key if key == "Content-Type" else f"Fn-Http-H-{key}", value)
        connection.putheader("Fn-Http-Method", self.command)
        connection.putheader("Fn-Http-Request-Url", f"http://{self.headers['host']}{self.path}")
        connection.putheader("Fn-Intent", "httprequest")
        connection.putheader("Fn-Call-Id", call)
        connection.putheader("Fn-Deadline", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 30)))
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        found = [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP]
        try:
            return response.status, found, response.read()
        finally:
            connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


def decapsulated(pairs: list[tuple[str, str]]) -> tuple[int, list[tuple[str, str]]]:
    """What the client gets of a function's headers."""
    status, kept = 200, []
    for name, value in pairs:
        lowered = name.lower()
        if lowered.startswith("fn-http-h-"):
            kept += [(name[len("fn-http-h-") :], value)] if lowered != "fn-http-h-" else []
        elif lowered == "fn-http-status":
            status = int(value)
        elif lowered in {"content-type", "fn-call-id"}:
            kept.append((name, value))
    return status, kept


def main() -> None:
    """Serve a function until the process ends: fdk in this thread, the gateway in another."""
    path, port = sys.argv[1:]
    os.environ["FN_FORMAT"] = "http-stream"
    os.environ["FN_LISTENER"] = f"unix:{tempfile.mkdtemp()}/lsnr.sock"

    import fdk
    from fdk import customer_code

    # fdk expects one, which Python 3.14 no longer makes, and neither does uvloop, which fdk takes if it is installed.
    asyncio.set_event_loop(asyncio.new_event_loop())

    def serve() -> None:
        while not os.path.exists(os.environ["FN_LISTENER"].removeprefix("unix:")):
            time.sleep(0.01)
        ThreadingHTTPServer(("127.0.0.1", int(port)), Gateway).serve_forever()

    threading.Thread(target=serve, daemon=True).start()
    fdk.handle(customer_code.Function(path))


if __name__ == "__main__":
    main()
