"""A stand-in for Nuclio's processor with one worker: `python nuclio.py MODULE:FUNCTION PORT`.

The SDK is the real one. The rest follows nuclio/nuclio: pkg/processor/trigger/http/event.go and trigger.go for requests
and responses, runtime/rpc/encoder/encode.go for the event, runtime/rpc/result/result.go for the response's fields, and
runtime/python/py/_nuclio_wrapper.py for the calls.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import inspect
import json
import os
import posixpath
import sys
import time
import traceback
import uuid
import warnings
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import nuclio_sdk
import nuclio_sdk.json_encoder

warnings.simplefilter("ignore")  # the SDK asks for a naive time


class Worker:
    """The Python process of Nuclio: a function, called with one event after another."""

    def __init__(self, handler: str) -> None:
        name, _, attribute = handler.partition(":")
        module = importlib.import_module(name)
        self._function = getattr(module, attribute)
        self._loop = asyncio.new_event_loop()
        self._encode: Callable[[Any], str] = nuclio_sdk.json_encoder.Encoder().encode
        trigger = nuclio_sdk.TriggerInfo("http", "default-http")
        logger = nuclio_sdk.Logger("DEBUG")
        logger.set_handler("default", sys.stdout, nuclio_sdk.logger.JSONFormatter())
        self._context = nuclio_sdk.Context(logger, nuclio_sdk.Platform("local"), "0", trigger)
        if hasattr(module, "init_context"):
            self._awaited(module.init_context(self._context))

    def _awaited(self, value: Any) -> Any:
        return self._loop.run_until_complete(value) if inspect.iscoroutine(value) else value

    async def _encoded(self, output: Any) -> list[Any]:
        return [part async for part in nuclio_sdk.Response.from_entrypoint_output_async(self._encode, output)]

    def handle(self, message: dict[str, Any]) -> dict[str, Any]:
        """The fields of the response, as they arrive in the processor."""
        try:
            event = nuclio_sdk.Event.deserialize(message, kind=nuclio_sdk.event.EventDeserializerKinds.msgpack)
            output = self._awaited(self._function(self._context, event))
            fields, *parts = self._loop.run_until_complete(self._encoded(output))
            found: dict[str, Any] = json.loads(self._encode(fields))
            if parts:  # of a streamed body
                found["body"] += b"".join(map(base64.b64decode, parts)).decode()
        except BaseException as error:
            text = f'Exception caught in handler - "{error}": {traceback.format_exc()}'
            return {"body": text, "body_encoding": "text", "content_type": "text/plain", "status_code": 500}
        return found


class Trigger(BaseHTTPRequestHandler):
    """The HTTP trigger."""

    worker: Worker
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        """Answer every method in the same way."""
        self.raw_requestline = self.rfile.readline(65537)
        self.close_connection = True
        if not self.raw_requestline or not self.parse_request():
            return
        fields = self.worker.handle(self._message())
        content = fields["body"].encode()
        if fields["body_encoding"] == "base64":
            content = base64.b64decode(content)
        self.send_response(fields["status_code"] or 200)
        for name, value in (fields.get("headers") or {}).items():
            if isinstance(value, str) and name.lower() not in {"content-type", "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Type", fields["content_type"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD" and fields["status_code"] not in {204, 304}:
            self.wfile.write(content)

    def _message(self) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        decoded = unquote_to_bytes(path).decode()
        headers = {name.title(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        return {
            "body": body,
            "content_type": headers.get("Content-Type", ""),
            "trigger": {"kind": "http", "name": "default-http"},
            "fields": dict(parse_qsl(query, keep_blank_values=True)),
            "headers": headers,
            "id": str(uuid.uuid4()),
            "method": self.command,
            "path": posixpath.normpath(decoded) + ("/" if decoded.endswith("/") and decoded != "/" else ""),
            "size": len(body),
            "timestamp": int(time.time()),
            "url": "",
            "shard_id": -1,
            "num_shards": 0,
            "type": "",
            "type_version": "",
            "version": "",
            "offset": 0,
            "topic": "",
        }

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


def main() -> None:
    """Serve a function until the process ends."""
    handler, port = sys.argv[1:]
    sys.path.insert(0, os.getcwd())
    Trigger.worker = Worker(handler)
    HTTPServer(("127.0.0.1", int(port)), Trigger).serve_forever()


if __name__ == "__main__":
    main()
