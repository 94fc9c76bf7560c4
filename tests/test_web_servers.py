"""Unmodified applications behind function URLs, beside the same ones under uvicorn, mangum and apig-wsgi."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("apig_wsgi")
pytest.importorskip("django")
pytest.importorskip("fastapi")
pytest.importorskip("flask")
pytest.importorskip("httpx")
pytest.importorskip("mangum")
pytest.importorskip("mcp")

import apig_wsgi
import httpx
import mangum
from support.http_events import delivered
from support.local import ServerProcess
from support.web import FORM, MULTIPART, REQUESTS, SAMPLES, UPLOAD, Ask, Got, event_of, got, sent, under_uvicorn

from dispatch import Invocation, http
from dispatch.load import load

PAGE = Path(__file__).parents[1] / "docs" / "conventions" / "web.md"

#: The applications, as uvicorn names them.
APPS = {
    "star": "star:app=asgi3",
    "flasky": "flasky:app=wsgi",
    "fast": "fast:app=asgi3",
    "django": "djangoed:asgi=asgi3",
}
#: The same as functions, and more of them: handler, convention, whether it streams.
FUNCTIONS = {
    "star": ("star:app", "asgi", "false"),
    "flasky": ("flasky.app", "wsgi", "false"),
    "fast": ("fast:app", "asgi", "false"),
    "django": ("djangoed:asgi", "asgi", "false"),
    "django-wsgi": ("djangoed:wsgi", "wsgi", "false"),
    "star-streams": ("star:app", "asgi", "true"),
    "flasky-streams": ("flasky:app", "wsgi", "true"),
    "django-streams": ("djangoed:asgi", "asgi", "true"),
    "stateless": ("tools:stateless", "asgi", "false"),
    "stateless-streams": ("tools:stateless", "asgi", "true"),
    "stateful": ("tools:stateful", "asgi", "false"),
    "own-mode": ("star:app", "asgi", "true"),
}

Results = Mapping[str, Got | str]
Both = Mapping[str, Results]


@pytest.fixture(scope="module")
def uvicorn() -> Iterator[Mapping[str, str]]:
    """Where uvicorn serves each application."""
    with under_uvicorn(**APPS) as hosts:
        yield hosts


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The local platform with all functions."""
    root = tmp_path_factory.mktemp("web")
    tables = [
        f'[functions.{name}]\nhandler = "{handler}"\nconvention = "{convention}"\nroot = "{SAMPLES}"\n'
        f"url = {{ streaming = {streams} }}\nconcurrency = 1\n"
        for name, (handler, convention, streams) in FUNCTIONS.items()
    ]
    tables.append('environment = { HANDLER_INVOKE_MODE = "BUFFERED" }\n')  # of the last one
    (root / "dispatch.toml").write_text("timeout = 30\n" + "".join(tables))
    with ServerProcess(root, "--no-reload", environment={"PYTHONHASHSEED": "0"}) as one:
        yield one


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A client that keeps its connections."""
    with httpx.Client(timeout=40) as one:
        yield one


@pytest.fixture(scope="module")
def reference(uvicorn: Mapping[str, str], client: httpx.Client) -> Both:
    """What uvicorn answers to the hundred requests, for both applications."""
    return {
        app: {name: got(client, sent(ask, uvicorn[app])) for name, ask in REQUESTS.items()}
        for app in ("star", "flasky")
    }


def differing(reference: Results, results: Results) -> set[str]:
    """The names of the requests that were answered in another way."""
    return {name for name in reference if reference[name] != results[name]}


# ----------------------------------------------------------------------------------------------------------------------
# A hundred requests
# ----------------------------------------------------------------------------------------------------------------------

#: The rows of docs/conventions/web.md: what each adapter answers in another way than uvicorn does.
ROWS: Mapping[str, Mapping[str, str]] = {
    "head": {"mangum": "head-text head-binary"},
    "content-type": {
        "mangum": "head-not-modified answer-no-content answer-reset answer-not-modified answer-found answer-see-other "
        "answer-permanent answer-elsewhere answer-relative answer-post route-to-answer route-slash route-slash?a=b"
    },
    "decoded-twice": {"mangum": "path-a%252Fb"},
    "joined-headers": {"mangum": "answer-vary answer-link", "apig-wsgi": "answer-vary answer-link"},
    "latin-1-header": {"mangum": "answer-latin-header", "apig-wsgi": "answer-latin-header", "wsgi": "answer-latin-header"},
    "latin-1-text": {"apig-wsgi": "answer-latin-1"},
    "no-cookies": {
        "apig-wsgi": "method-* path-* query-* headers-own headers-twice headers-commas headers-empty "
        "headers-authorization headers-case headers-range headers-language "
        "body-empty body-json body-text body-untyped body-binary body-large body-not-utf-8 body-compressed"
    },
    "cookies": {"apig-wsgi": "headers-cookies headers-empty-cookie"},
    "repeated-headers": {"mangum": "headers-twice", "asgi": "headers-twice"},
    "repeated-cookies": dict.fromkeys(("mangum", "apig-wsgi", "asgi", "wsgi"), "headers-two-cookies"),
    "failure": {"asgi": "route-fail"},
    "failure-midway": {"mangum": "route-fail-midway", "asgi": "route-fail-midway"},
}  # fmt: skip


def matching(patterns: str) -> set[str]:
    """The requests that these patterns name."""
    return {name for name in REQUESTS for pattern in patterns.split() if name == pattern or fnmatch(name, pattern)}


def expected(adapter: str) -> set[str]:
    """The requests that an adapter answers in its own way, by the rows."""
    return set().union(*(matching(row.get(adapter, "")) for row in ROWS.values()))


def concerned(row: str) -> set[str]:
    """The requests of a row."""
    return set().union(*map(matching, ROWS[row].values()))


def test_there_are_a_hundred() -> None:
    """Requests, and a row in the page for each kind of difference."""
    assert 100 == len(REQUESTS)
    shown = re.findall(r'^\| <a id="([\w-]+)"></a>[^|]*\| (\d+) \|', PAGE.read_text(), re.MULTILINE)
    assert [(row, str(len(concerned(row)))) for row in ROWS] == shown


@pytest.mark.parametrize("app", ["star", "flasky"])
def test_function_urls_answer_as_uvicorn(
    app: str, server: ServerProcess, client: httpx.Client, uvicorn: Mapping[str, str], reference: Both
) -> None:
    """Status, headers and body are the same, over HTTP on both sides, but for the rows."""
    prefix, results = f"/lambda-url/{app}", {}
    for name, ask in REQUESTS.items():
        answer = got(client, sent(ask, uvicorn[app], prefix, server.host))
        assert isinstance(answer, Got)
        results[name] = moved(answer, prefix)

    assert expected(FUNCTIONS[app][1]) == differing(reference[app], results)


@pytest.fixture
def adapters() -> Iterator[Mapping[str, tuple[str, Callable[[Any], Any]]]]:
    """The adapters in this process, each with the application that it serves."""
    path, modules = list(sys.path), set(sys.modules)
    logging.disable()
    with closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)
        try:
            functions = {
                name: load(handler, str(SAMPLES), name)
                for name, handler in (("asgi", "star:app"), ("wsgi", "flasky:app"))
            }
            under_mangum = mangum.Mangum(functions["asgi"].user_object)
            under_apig = apig_wsgi.make_lambda_handler(functions["wsgi"].user_object, binary_support=True)
            yield {
                "mangum": ("star", lambda event: under_mangum(event, None)),  # type: ignore[arg-type]
                "apig-wsgi": ("flasky", lambda event: under_apig(event, None)),
                "asgi": ("star", lambda event: answered(functions["asgi"], event)),
                "wsgi": ("flasky", lambda event: answered(functions["wsgi"], event)),
            }
            functions["asgi"].stop()
        finally:
            logging.disable(logging.NOTSET)
            asyncio.set_event_loop(None)
            sys.path[:] = path
            for name in {"star", "flasky", "described"} - modules:
                sys.modules.pop(name, None)


def answered(function: Any, event: Any) -> Any:
    """What a function of ours answers, once it has done what it does after the answer."""
    invocation = Invocation(json.dumps(event).encode())
    response = function(invocation)
    while invocation.afterwards:
        _, call, arguments, options = invocation.afterwards.pop(0)
        call(*arguments, **options)
    return json.loads(response.body)


def result(call: Callable[[Any], Any], event: Any, kind: str) -> Got | str:
    """What the client gets of the answer to an event; the name of the exception if there is none."""
    try:
        return Got.of(*delivered(kind, call(event)))
    except Exception as error:
        return type(error).__name__


@pytest.mark.filterwarnings("ignore")
def test_adapters_differ_as_the_page_says(
    adapters: Mapping[str, tuple[str, Callable[[Any], Any]]], uvicorn: Mapping[str, str], reference: Both
) -> None:
    """On the events of a function URL: each adapter answers those requests in its own way, and no other."""
    for adapter, (app, call) in adapters.items():
        results = {
            name: result(call, event_of(ask, uvicorn[app], http.FUNCTION_URL), http.FUNCTION_URL)
            for name, ask in REQUESTS.items()
        }
        # The order of a set, which differs between processes.
        odd = {"route-wrong-method"}
        assert (adapter, expected(adapter) - odd) == (adapter, differing(reference[app], results) - odd)


#: What each kind of event cannot express, besides what no kind can.
LOST = {
    http.REST_API: "query-a query-a=x+y query-a=%E4 query-a=1&b=2&a=3 query-a=b=c query-a[]=1&a[]=2 headers-twice",
    http.HTTP_API: "headers-twice",
    http.FUNCTION_URL: "headers-twice",
    http.ALB: "query-a query-a=1&a=2 query-a=1&b=2&a=3 query-a[]=1&a[]=2 headers-twice",
    http.ALB_MULTI_VALUE: "query-a query-a=1&b=2&a=3 headers-twice",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", http.KINDS)
def test_every_kind_of_event(
    kind: str, adapters: Mapping[str, tuple[str, Callable[[Any], Any]]], uvicorn: Mapping[str, str], reference: Both
) -> None:
    """The same requests as events of every kind are answered alike, as far as the kind can express them."""
    for adapter in ("asgi", "wsgi"):
        app, call = adapters[adapter]
        allowed = expected(adapter) | set(LOST[kind].split()) | {"route-wrong-method"}
        results = {name: result(call, event_of(ask, uvicorn[app], kind), kind) for name, ask in REQUESTS.items()}
        assert set() == differing(reference[app], results) - allowed


# ----------------------------------------------------------------------------------------------------------------------
# FastAPI and Django
# ----------------------------------------------------------------------------------------------------------------------

JSON = ("content-type", "application/json")
FAST = {
    "openapi": Ask("GET", "/openapi.json"),
    "docs": Ask("GET", "/docs"),
    "created": Ask("POST", "/items", (JSON,), b'{"name": "pen", "price": 1.5}'),
    "invalid": Ask("POST", "/items", (JSON,), b'{"name": "pen"}'),
    "not JSON": Ask("POST", "/items", (JSON,), b"{"),
    "read": Ask("GET", "/items/caf%C3%A9?limit=3", (("cookie", "theme=dark"), ("x-own", "1"))),
    "missing": Ask("GET", "/items/missing"),
    "compressed": Ask("GET", "/long", (("accept-encoding", "gzip"),)),
    "upload": Ask("POST", "/files", tuple(MULTIPART.items()), UPLOAD),
    "slash": Ask("GET", "/docs/"),
}  # fmt: skip
DJANGO = {
    "echo": Ask("GET", "/echo?a=1&a=2&b=%C3%A9", (("cookie", "a=1; b=2"),)),
    "path": Ask("GET", "/echo/caf%C3%A9/a%20b"),
    "form": Ask("POST", "/echo", tuple(FORM.items()), b"a=1"),
    "upload": Ask("POST", "/upload", tuple(MULTIPART.items()), UPLOAD),
    "cookies": Ask("GET", "/cookies"),
    "found": Ask("GET", "/found"),
    "slash": Ask("GET", "/slash"),
    "head": Ask("HEAD", "/cookies"),
    "missing": Ask("GET", "/missing"),
    "stream": Ask("GET", "/stream"),
}


@pytest.mark.parametrize("function", ["fast", "django", "django-wsgi", "django-streams"])
def test_frameworks(function: str, server: ServerProcess, client: httpx.Client, uvicorn: Mapping[str, str]) -> None:
    """Unmodified, they answer as under uvicorn."""
    app, prefix = function.partition("-")[0], f"/lambda-url/{function}"
    for name, ask in {"fast": FAST, "django": DJANGO}[app].items():
        theirs = timeless(got(client, sent(ask, uvicorn[app])))
        ours = timeless(got(client, sent(ask, uvicorn[app], prefix, server.host)))
        assert (name, theirs) == (name, moved(ours, prefix))


def timeless(answer: Got | str) -> Got:
    """An answer without the time at which its cookies end."""
    assert isinstance(answer, Got)
    values = {name: re.sub("expires=[^;]*", "", value) for name, value in answer.headers.items()}
    return answer._replace(headers=values)


def moved(answer: Got, prefix: str) -> Got:
    """An answer whose redirect is without the address of the function."""
    values = {
        name: value.replace(prefix, "") if name == "location" else value for name, value in answer.headers.items()
    }
    return answer._replace(headers=values)


def test_fastapi_sees_the_invocation(server: ServerProcess, client: httpx.Client) -> None:
    """In the thread of a synchronous endpoint, too; the platform gives a failing one status 502."""
    assert {"same": True, "path": "/invocation"} == client.get(f"{server.address}/lambda-url/fast/invocation").json()
    assert 502 == client.get(f"{server.address}/lambda-url/fast/fail").status_code


def test_state_is_kept(server: ServerProcess, client: httpx.Client) -> None:
    """The lifespan's state is one for all requests; background tasks run before the next one."""
    url = f"{server.address}/lambda-url/star"
    before = client.get(f"{url}/state").json()
    assert "now" == client.get(f"{url}/later").text
    assert {"started": True, "ended": before["ended"] + 1} == client.get(f"{url}/state").json()


# ----------------------------------------------------------------------------------------------------------------------
# The local platform
# ----------------------------------------------------------------------------------------------------------------------


def test_redirects_can_be_followed(server: ServerProcess, client: httpx.Client) -> None:
    """Relative ones, those of a path, those of a whole URL; by the address below the server, and by the host name."""
    by_name = {"host": f"star.lambda-url.localhost:{server.host.rpartition(':')[2]}"}
    for app in ("star", "flasky", "star-streams"):
        for path in ("/answers/found", "/answers/relative", "/to-answer", "/slash", "/answers/see-other"):
            followed = client.get(f"{server.address}/lambda-url/{app}{path}", follow_redirects=True)
            assert (app, path, 200) == (app, path, followed.status_code)
            assert followed.text in {"Grüße", "slash"}
    elsewhere = client.get(f"{server.address}/lambda-url/star/answers/elsewhere")
    assert "https://example.com/answers" == elsewhere.headers["location"]
    assert "/answers/text" == client.get(f"{server.address}/answers/found", headers=by_name).headers["location"]


def test_the_mode_follows_the_url(server: ServerProcess, client: httpx.Client) -> None:
    """A URL that streams makes the conventions stream, unless the function has a variable of its own."""
    with httpx.stream("GET", f"{server.address}/lambda-url/star-streams/stream", timeout=40) as response:
        assert ("chunked", b"0\n1\n2\n") == (response.headers["transfer-encoding"], response.read())
    head = client.head(f"{server.address}/lambda-url/star-streams/answers/text")
    assert (200, "7", b"") == (head.status_code, head.headers["content-length"], head.content)
    for function in ("flasky-streams", "django-streams"):
        assert "0\n1\n2\n" == client.get(f"{server.address}/lambda-url/{function}/stream").text
    own = client.get(f"{server.address}/lambda-url/own-mode/stream")
    assert ("6", "0\n1\n2\n") == (own.headers["content-length"], own.text)


def test_a_stream_that_breaks_off(server: ServerProcess, client: httpx.Client, uvicorn: Mapping[str, str]) -> None:
    """The client notices, as it does under uvicorn."""
    url = f"{server.address}/lambda-url/star-streams"
    ask = Ask("GET", "/fail-midway")
    assert got(client, sent(ask, uvicorn["star"])) == got(client, httpx.Request("GET", f"{url}/fail-midway"))
    assert 502 == client.get(f"{url}/fail").status_code
    assert 200 == client.get(f"{url}/slash/").status_code


# ----------------------------------------------------------------------------------------------------------------------
# MCP
# ----------------------------------------------------------------------------------------------------------------------

INITIALIZE = {
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
CALL = {"method": "tools/call", "params": {"name": "add", "arguments": {"a": 1, "b": 2}}}


def mcp_headers(session: str | None) -> Mapping[str, str]:
    """The headers that MCP clients send."""
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
    return {**headers, "mcp-session-id": session} if session else headers


def post(
    client: httpx.Client, url: str, message: Mapping[str, Any], session: str | None, number: int
) -> httpx.Response:
    """One JSON-RPC request."""
    return client.post(url, json={"jsonrpc": "2.0", "id": number, **message}, headers=mcp_headers(session))


def told(response: httpx.Response) -> Any:
    """The result of a JSON-RPC answer, in JSON or as a server-sent event."""
    text = response.text
    if response.headers["content-type"].startswith("text/event-stream"):
        text = next(line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {"))
    return json.loads(text)["result"]


@pytest.mark.parametrize("function", ["stateless", "stateful", "stateless-streams"])
def test_mcp(server: ServerProcess, client: httpx.Client, function: str) -> None:
    """A server of MCP's package answers the second call, and the tenth; with sessions, in its session."""
    url = f"{server.address}/lambda-url/{function}/mcp"
    begun = post(client, url, INITIALIZE, None, 0)
    assert "tools" == told(begun)["serverInfo"]["name"]
    session = begun.headers.get("mcp-session-id")
    assert (session is None) == (function != "stateful")
    message = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert 202 == client.post(url, json=message, headers=mcp_headers(session)).status_code
    for number in range(1, 11):
        answer = told(post(client, url, CALL, session, number))
        assert "3" == answer["content"][0]["text"]


@pytest.mark.filterwarnings("ignore")
def test_mcp_under_mangum() -> None:
    """It fails at the second call, because each call begins and ends the lifespan."""
    sys.path.insert(0, str(SAMPLES))
    logging.disable()
    try:
        import tools  # type: ignore[import-not-found]

        with closing(asyncio.new_event_loop()) as loop:
            asyncio.set_event_loop(loop)
            handler = mangum.Mangum(tools.stateless)
            body = json.dumps({"jsonrpc": "2.0", "id": 1, **INITIALIZE}).encode()
            headers = (JSON, ("accept", "application/json, text/event-stream"))
            event = event_of(Ask("POST", "/mcp", headers, body), "127.0.0.1:80", http.FUNCTION_URL)
            assert 200 == handler(event, None)["statusCode"]  # type: ignore[arg-type]
            with pytest.raises(mangum.exceptions.LifespanFailure):
                handler(event, None)  # type: ignore[arg-type]
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    finally:
        logging.disable(logging.NOTSET)
        asyncio.set_event_loop(None)
        sys.path.remove(str(SAMPLES))


def test_nothing_was_left_behind(server: ServerProcess) -> None:
    """Nothing in the servers' logs was left pending or went unnoticed."""
    words = ("was never awaited", "Task was destroyed", "did not end cleanly", "never retrieved")
    assert [] == [line for line in server.lines if any(word in line for word in words)]
