"""A stand-in for OpenWhisk's controller and its action loop, which no package has; run in the folder of an action.

`python openwhisk.py openwhisk PORT`, or `digitalocean`. Its URLs are those of web actions,
`/api/v1/web/NAMESPACE/PACKAGE/ACTION.EXTENSION/REST`. Written from docs/webactions.md, and compared with the sources of
the controller and the launcher. JSON is written without blanks, as the controller does not: nothing depends on it.
"""

from __future__ import annotations

import base64
import json
import os
import runpy
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

#: Media types of text, as far as the tests need them.
TEXT = ("text/", "application/json", "application/xml", "application/javascript")
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH",
    "Access-Control-Allow-Headers": "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent",
}


class Rejected(Exception):
    """The controller answers by itself."""


def compact(value: Any) -> bytes:
    """JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def launched(main: Any, payload: Any) -> Any:
    """The result of one turn of the action loop: through JSON both ways, and an exception is an error in words."""
    payload = json.loads(json.dumps(payload))
    try:
        if PLATFORM == "digitalocean":
            context = SimpleNamespace(get_remaining_time_in_millis=lambda: int(time.time()))
            result = main(*(payload, context)[: main.__code__.co_argcount]) or {}
        else:
            result = main(payload)
    except Exception as error:
        result = {"error": str(error)}
    result = json.loads(json.dumps(result))
    if not isinstance(result, dict | list):
        raise Rejected("There was an error processing your request.")
    return result.get("error", result) if isinstance(result, dict) else result


class Controller(BaseHTTPRequestHandler):
    """One web action, called from any URL of the right form."""

    protocol_version = "HTTP/1.1"

    def _arguments(self, rest: str, query: str) -> dict[str, Any]:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        media = self.headers.get("Content-Type", "").partition(";")[0]
        headers = {name.lower(): value for name, value in self.headers.items()}
        segments = [quote(unquote(part), safe="!$&'()*+,;=:@~") for part in rest.split("/")]
        path = "/".join(segments)
        given: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
        if media == "application/x-www-form-urlencoded":
            given |= dict(parse_qsl(data.decode(), keep_blank_values=True))
        elif media == "application/json" and data:
            try:
                parsed = json.loads(data)
            except ValueError as error:
                raise Rejected(f"The request content was malformed:\n{error}") from None
            given |= parsed if isinstance(parsed, dict) else {"__ow_body": parsed}
        elif media and media != "application/json":
            is_text = media.startswith(TEXT) or not data
            given["__ow_body"] = data.decode("utf-8", "replace") if is_text else base64.b64encode(data).decode()
            if PLATFORM == "digitalocean" and not is_text:
                given["__ow_isBase64Encoded"] = True
        own = {"__ow_method": self.command.lower(), "__ow_headers": headers, "__ow_path": path}
        http = {"http": {"method": self.command, "headers": headers, "path": path}}
        return {**own, **given, **(http if PLATFORM == "digitalocean" else {})}

    def _as_http(self, result: Any) -> None:
        if not isinstance(result, dict):
            raise Rejected("Response is not valid 'message/http'.")
        headers = result.get("headers", {})
        pairs = [
            (name, each) for name, value in headers.items() for each in ([value] if isinstance(value, str) else value)
        ]
        given = next((value for name, value in pairs if name.lower() == "content-type"), "")
        pairs = [pair for pair in pairs if pair[0].lower() != "content-type"]
        body, status = result.get("body"), result.get("statusCode")
        if body in {None, ""} if not isinstance(body, dict | list) else False:
            self._reply(int(status or 204), pairs, b"")
        elif not isinstance(body, str):
            self._reply(int(status or 200), [*pairs, ("Content-Type", given or "application/json")], compact(body))
        elif given and not given.startswith(TEXT):
            self._reply(int(status or 200), [*pairs, ("Content-Type", given)], base64.b64decode(body))
        else:
            content_type = f"{given or 'text/html'}; charset=UTF-8"
            self._reply(int(status or 200), [*pairs, ("Content-Type", content_type)], body.encode())

    def _reply(self, status: int, pairs: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in [*CORS.items(), *pairs]:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    def do_GET(self) -> None:
        """Answer a request."""
        path, _, query = self.path.partition("?")
        rest = "/".join(["", *path.split("/", 7)[7:]])
        if self.command == "OPTIONS":
            self._reply(200, [], b"")
            return
        try:
            self._as_http(launched(MAIN, self._arguments(rest, query)))
        except Rejected as reason:
            content = compact({"error": str(reason), "code": "transaction"})
            self._reply(400, [("Content-Type", "application/json")], content)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


if __name__ == "__main__":
    PLATFORM = sys.argv[1]
    sys.path[0] = os.getcwd()
    MAIN = runpy.run_path("__main__.py")["main"]
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Controller).serve_forever()
