"""Stand-ins for what OpenFaaS puts around a Python function, which no package has; run in the folder of a function.

- `python openfaas.py http PORT`: the template python3-http(-debian), a Flask application behind waitress.
- `python openfaas.py classic PORT`: the classic watchdog, with the template python3 as the process of each request.

Written from the documented behaviour of the two, and compared with their sources.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

#: The template python3: all of standard input is the argument, what is returned is printed.
PROCESS = """
import sys
from classic import handler
answer = handler.handle(sys.stdin.read())
if answer is not None:
    print(answer)
"""


def serve_http(port: int) -> None:
    """A Flask application that calls `handle(event, context)` of `function/handler.py` for every path."""
    import waitress
    from flask import Flask, jsonify, request

    handle = importlib.import_module("function.handler").handle
    app = Flask("index")

    def body_of(answer: dict[str, Any]) -> Any:
        body = answer.get("body", "")
        headers = answer.get("headers")
        if isinstance(headers, dict) and headers.get("Content-type") == "application/octet-stream":
            return body
        return jsonify(body) if type(body) is dict else str(body)

    def view(path: str) -> Any:
        args, headers = request.args, request.headers
        event = SimpleNamespace(
            body=request.get_data(), headers=headers, method=request.method, query=args, path=request.path
        )
        answer = handle(event, SimpleNamespace(hostname=os.environ.get("HOSTNAME", "localhost")))
        if answer is None:
            return "", 200
        if type(answer) is not dict:
            return answer
        headers = answer.get("headers", [])
        pairs = [*headers.items()] if type(headers) is dict else headers
        return body_of(answer), answer.get("statusCode", 200), pairs

    methods = ["GET", "PUT", "POST", "PATCH", "DELETE"]
    app.add_url_rule("/", view_func=view, defaults={"path": ""}, methods=methods)
    app.add_url_rule("/<path:path>", view_func=view, methods=methods)
    waitress.serve(app, host="127.0.0.1", port=port, _quiet=True)


class Watchdog(BaseHTTPRequestHandler):
    """A process for each request; standard output and standard error are the body."""

    protocol_version = "HTTP/1.1"

    def _reply(self, status: int, body: bytes = b"", content_type: str = "") -> None:
        self.send_response(status)
        if content_type:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """Run the process."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, query = self.path.partition("?")
        variables: dict[str, str] = {}
        for name in self.headers:
            key = "-".join(part.capitalize() for part in name.split("-")).replace("-", "_")
            variables.setdefault(f"Http_{key}", self.headers.get_all(name, [""])[0])
        variables |= {"Http_Method": self.command, "Http_Path": unquote(path), "Http_Host": self.headers["Host"]}
        variables |= {"Http_Content_Length": str(len(body)), **({"Http_Query": query} if query else {})}
        done = subprocess.run(
            [sys.executable, "-c", PROCESS],
            env={**os.environ, "LC_ALL": "C.UTF-8", **variables},
            input=body, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        if done.returncode:
            self._reply(500, f"exit status {done.returncode}\n".encode() + done.stdout, "text/plain; charset=utf-8")
        else:
            self._reply(200, done.stdout, self.headers.get("Content-Type") or detected(done.stdout))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def do_HEAD(self) -> None:
        """Refuse."""
        self._reply(405)

    do_OPTIONS = do_HEAD  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


def detected(body: bytes) -> str:
    """What Go makes of a body without a type: bytes that no text has make it binary."""
    if not body:
        return ""
    is_binary = any(byte <= 8 or byte == 11 or 14 <= byte <= 26 or 28 <= byte <= 31 for byte in body[:512])
    return "application/octet-stream" if is_binary else "text/plain; charset=utf-8"


if __name__ == "__main__":
    sys.path[0] = os.getcwd()
    if sys.argv[1] == "http":
        serve_http(int(sys.argv[2]))
    else:
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Watchdog).serve_forever()
