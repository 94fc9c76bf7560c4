"""What the tests of OpenWhisk and DigitalOcean share: the stand-in, and functions called in this process."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dispatch import Invocation, http
from dispatch.discovery import built_in
from dispatch.invocation import handled
from support.http_events import delivered
from support.ports import SAMPLES, peer, python
from support.web import Got

PNG = base64.b64encode(b"\x89PNG").decode()

CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH",
    "access-control-allow-headers": "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent",
}


@contextmanager
def stand_in(platform: str) -> Iterator[str]:
    """Start the stand-in with a platform's sample; yields its host and port."""
    script = Path(__file__).parent / "openwhisk.py"
    with peer(python(str(script), platform, "{port}"), {}, SAMPLES / platform) as host:
        yield host


def called(main: Any, request: http.Request, platform: str = "openwhisk", kind: str = http.ALB_MULTI_VALUE) -> Got:
    """What the caller gets for a request; the headers for other origins are as they should be, and left out."""
    invocation = Invocation(json.dumps(http.event(request, kind)).encode(), {"Lambda-Runtime-Aws-Request-Id": "7"})
    token = handled.set(invocation)
    try:
        answer = json.loads(built_in(platform)(main)(invocation).read())
    finally:
        handled.reset(token)
        for name in [name for name in os.environ if name.startswith("__OW_")]:
            del os.environ[name]
    got = Got.of(*delivered(kind, answer))
    assert CORS.items() <= got.headers.items()
    return got._replace(headers={name: value for name, value in got.headers.items() if name not in CORS})


def post(
    body: bytes = b"", content_type: str = "", path: str = "/", query: str = "", method: str = "POST"
) -> http.Request:
    """A request."""
    headers = [("host", "example.com"), *([("content-type", content_type)] if content_type else [])]
    return http.Request(method, path, query, headers, body, client="127.0.0.1", scheme="http")


def seen(request: http.Request, platform: str = "openwhisk") -> Any:
    """What the action gets of a request."""
    found: list[Any] = []

    def main(args: Any) -> Any:
        found.append(args)
        return {}

    got = called(main, request, platform)
    assert (204, b"") == (got.status, got.body), got.body
    return found[0]
