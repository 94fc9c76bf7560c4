"""What the tests of the ports share: thirty requests, a platform's own server beside ours, and the documented rows."""

from __future__ import annotations

import json
import random
import re
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import httpx

from dispatch import http
from support.http_events import changed, delivered
from support.local import ServerProcess
from support.process import Child, await_true
from support.runtime import Answer
from support.web import JSON, Ask, Got, got, sent

ROOT = Path(__file__).parents[2]

#: A folder for each platform, with the function as its users write it.
SAMPLES = ROOT / "tests" / "samples_ports"

#: A page for each platform.
PAGES = ROOT / "docs" / "ports"

TEXT = {"content-type": "text/plain"}
BINARY = {"content-type": "application/octet-stream"}


def _asks() -> Iterator[tuple[str, Ask]]:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"):
        yield f"method-{method}", Ask(method, "/echo")
    for name, target in {
        "path-decoded": "/echo/caf%C3%A9/a%20b",
        "path-slash": "/echo/a%2Fb",
        "query-repeated": "/echo?a=1&b=&a=2",
        "query-escaped": "/echo?q=caf%C3%A9+x%26y",
    }.items():
        yield name, Ask("GET", target)
    yield "header-own", Ask("GET", "/echo", (("x-own", "a, b"),))
    yield "header-twice", Ask("GET", "/echo", (("x-own", "1"), ("x-own", "2")))
    yield "cookies", Ask("GET", "/echo", (("cookie", "a=1; b=2"),))
    for name, types, body in (
        ("empty", JSON, b""),
        ("json", JSON, '{"name": "Zoë"}'.encode()),
        ("text", {"content-type": "text/plain; charset=utf-8"}, "Grüße".encode()),
        ("binary", BINARY, bytes(range(256))),
        ("not-utf-8", TEXT, b"\xff\xfe"),
        ("large", TEXT, b"0123456789" * 20_000),
    ):
        yield f"body-{name}", Ask("POST", "/echo", tuple(types.items()), body)
    yield "bad-json", Ask("POST", "/json", tuple(JSON.items()), b"{")
    for name in ("text", "object", "bytes", "empty", "created", "cookies"):
        yield f"answer-{name}", Ask("GET", f"/{name}")
    yield "stream", Ask("GET", "/stream")
    yield "unknown-route", Ask("GET", "/unknown/route")
    yield "exception", Ask("GET", "/fail")


#: The thirty requests, by name. A platform's sample answers, as far as the platform lets it:
#:
#: - `/echo` and below: what it sees: method, path, query, the headers x-own, cookie and content-type, and the body;
#: - `/json`: the body, which it has parsed by the platform's own means;
#: - `/text`, `/object`, `/bytes`, `/empty`: text with `ü`, an object, the 256 bytes, status 204 without a body;
#: - `/created`: status 201, a header `x-own: made` and text; `/cookies`: two cookies;
#: - `/stream`: three parts; `/fail`: raises LookupError("fail").
REQUESTS = dict(_asks())


@contextmanager
def peer(
    command: Sequence[str], environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[str]:
    """Start a platform's own server, with `{port}` in the command or the environment replaced by a free port.

    Yields its host and port once it accepts connections.
    """
    port = _free_port()
    values = {name: value.format(port=port) for name, value in (environment or {}).items()}
    child = Child([part.replace("{port}", str(port)) for part in command], values, cwd, merged=True)
    try:
        await_true(lambda: _accepts(port) or child.process.poll() is not None, "the platform's own server")
        assert child.process.poll() is None, child.log
        yield f"127.0.0.1:{port}"
    finally:
        child.kill()


def _free_port() -> int:
    """A port from below those that the system gives to clients and to servers without one of their own."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def python(*arguments: str) -> list[str]:
    """A command of the Python that runs the tests."""
    return [sys.executable, *arguments]


def _accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def ours(
    folder: Path, platform: str, handler: str, environment: Mapping[str, str] | None = None
) -> Iterator[ServerProcess]:
    """The local platform with two functions of a platform's sample, `buffered` and `streamed`.

    Args:
        folder: an empty one, for the configuration.
        platform: the convention, and the folder in `samples_ports`.
        handler: the handler string.
        environment: more variables for both functions.
    """
    variables = "".join(f', {name} = "{value}"' for name, value in (environment or {}).items())
    tables = [
        f'[functions.{name}]\nhandler = "{handler}"\nconvention = "{platform}"\nroot = "{SAMPLES / platform}"\n'
        f"url = {{ streaming = {streams} }}\nconcurrency = 1\n"
        f'environment = {{ HANDLER_INVOKE_MODE = "{mode}"{variables} }}\n'
        for name, streams, mode in (("buffered", "false", "BUFFERED"), ("streamed", "true", "RESPONSE_STREAM"))
    ]
    (folder / "dispatch.toml").write_text("timeout = 30\n" + "".join(tables))
    with ServerProcess(folder, "--no-reload") as server:
        yield server


def answers(host: str, prefix: str = "", to: str = "", asks: Mapping[str, Ask] = REQUESTS) -> dict[str, Got | str]:
    """What a server answers to the requests; to ours (`to`), the same are sent as if it were `host`."""
    with httpx.Client(timeout=40) as client:
        return {name: got(client, sent(ask, host, prefix, to)) for name, ask in asks.items()}


def differing(
    theirs: Mapping[str, Got | str],
    server: ServerProcess,
    host: str,
    function: str,
    asks: Mapping[str, Ask] = REQUESTS,
) -> dict[str, str]:
    """The requests that a function of ours answers in another way than the platform's server, and both answers."""
    found = answers(host, f"/lambda-url/{function}", server.host, asks)
    return {name: f"{answer}\n  and ours: {found[name]}" for name, answer in theirs.items() if answer != found[name]}


def request(path: str = "/", **fields: Any) -> bytes:
    """The event of a request to a function URL."""
    return json.dumps(changed(http.FUNCTION_URL, rawPath=path, **fields)).encode()


def received(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    """What the client of a function URL gets of an answer."""
    status, headers, body = delivered(http.FUNCTION_URL, json.loads(answer.body))
    return status, dict(headers), body


def rows(platform: str) -> dict[str, set[str]]:
    """The requests of each row of the page's table of differences: `| <a id="row"></a>... | `name`, `other-*` | ...`."""
    found = re.findall(
        r'^\| <a id="([\w-]+)"></a>[^|]*\|([^|]*)\|', (PAGES / f"{platform}.md").read_text(), re.MULTILINE
    )
    return {
        row: {name for name in REQUESTS for pattern in re.findall(r"`([^`]+)`", cell) if fnmatch(name, pattern)}
        for row, cell in found
    }


def documented(platform: str) -> set[str]:
    """All requests that the page says are answered in another way."""
    return set().union(*rows(platform).values())
