"""The convention `agentcore`: agents of Amazon Bedrock AgentCore, beside the same ones under their own server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("bedrock_agentcore")
pytest.importorskip("httpx")

from support.http_events import changed, delivered
from support.local import ServerProcess
from support.ports import REQUESTS, SAMPLES, answers, documented, ours, peer, python
from support.runtime import Answer, Ask, Fail, Serve
from support.web import JSON
from support.web import Ask as Request

from dispatch import http

AGENTCORE = "agentcore"
STREAM = {"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"}
SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"


def invocation(body: bytes, **headers: str) -> bytes:
    """The event of a request that invokes an agent."""
    return request("POST", "/invocations", body, {"content-type": "application/json", **headers})


def request(method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """The event of a request to a function URL."""
    fields = {"headers": {"host": "example.com", **(headers or {})}, "body": body.decode(), "http": {"method": method}}
    return json.dumps(changed(http.FUNCTION_URL, rawPath=path, **fields)).encode()


def got(answer: Answer) -> tuple[int, bytes]:
    """The status and the body that the client gets of an answer."""
    status, _, body = delivered(http.FUNCTION_URL, json.loads(answer.body))
    return status, body


def agent(*lines: str, kind: str = "def", parameters: str = "payload", more: str = "") -> str:
    """The source of an agent."""
    return (
        "from bedrock_agentcore import BedrockAgentCoreApp\napp = BedrockAgentCoreApp()\n"
        f"{more}\n@app.entrypoint\n{kind} invoke({parameters}):\n" + "".join(f"    {line}\n" for line in lines)
    )


# ----------------------------------------------------------------------------------------------------------------------
# The proof
# ----------------------------------------------------------------------------------------------------------------------


def _invoked(ask: Request) -> Request:
    """The request as the payload of an invocation, in a session."""
    payload = {"method": ask.method, "path": ask.target, "body": ask.body.decode("latin-1")}
    own = [pair for pair in ask.headers if pair[0] == "x-own"]
    return Request("POST", "/invocations", (*JSON.items(), (SESSION, "s-1"), *own), json.dumps(payload).encode())


#: What the thirty requests are for an agent, which is at one path only; and the platform's own paths.
INVOCATIONS = {name: _invoked(ask) for name, ask in REQUESTS.items()}
OTHERS = {
    "bad-json": Request("POST", "/invocations", tuple(JSON.items()), b"{"),
    "body-empty": Request("POST", "/invocations", tuple(JSON.items())),
    "body-not-utf-8": Request("POST", "/invocations", tuple(JSON.items()), b'"\xff"'),
    "method-GET": Request("GET", "/invocations"),
    "method-PUT": Request("PUT", "/invocations"),
    "method-HEAD": Request("HEAD", "/ping"),
    "unknown-route": Request("GET", "/ws"),
}


@pytest.fixture(scope="module")
def platform() -> Iterator[str]:
    """Where the application's own server serves the sample."""
    command = python("-c", "import sys, agent; agent.app.run(int(sys.argv[1]))", "{port}")
    with peer(command, cwd=SAMPLES / AGENTCORE) as host:
        yield host


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The local platform with the sample."""
    with ours(tmp_path_factory.mktemp(AGENTCORE), AGENTCORE, "agent.app") as process:
        yield process


@pytest.mark.parametrize("function", ["buffered", "streamed"])
def test_proof(platform: str, server: ServerProcess, function: str) -> None:
    """Thirty requests, and the same as payloads, are answered as by the application's own server, but for the rows."""
    differences: set[str] = set()
    for asks in (REQUESTS, INVOCATIONS, OTHERS):
        found = answers(platform, f"/lambda-url/{function}", server.host, asks)
        differences |= {name for name, answer in answers(platform, asks=asks).items() if answer != found[name]}
    assert documented(AGENTCORE) == differences


# ----------------------------------------------------------------------------------------------------------------------
# Events
# ----------------------------------------------------------------------------------------------------------------------


def test_ping(ask: Ask) -> None:
    """The health check of the platform."""
    status, body = got(ask(agent("pass"), request("GET", "/ping"), "app.app", AGENTCORE))
    assert (200, "Healthy") == (status, json.loads(body)["status"])


def test_the_context(ask: Ask) -> None:
    """A second parameter with that name is the context; the runtime's invocation can be seen as well."""
    more = "from bedrock_agentcore import BedrockAgentCoreContext as Own\nfrom dispatch import current"
    source = agent(
        "seen = [context.session_id, Own.get_request_id(), context.request_headers['x-own'], payload]",
        "return [*seen, current().request_id != '']",
        parameters="payload, context",
        more=more,
    )
    headers = {SESSION: "s-1", "x-amzn-bedrock-agentcore-runtime-request-id": "r-1", "x-own": "a"}
    event = invocation(b'{"a": 1}', **headers)
    assert ["s-1", "r-1", "a", {"a": 1}, True] == json.loads(got(ask(source, event, "app.app", AGENTCORE))[1])


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_yields_are_server_sent_events(ask: Ask, kind: str) -> None:
    """Streamed if the function streams."""
    source = agent("yield {'n': 1}", "yield 'ü'", kind=kind)
    answer = ask(source, invocation(b"{}"), "app.app", AGENTCORE, env=STREAM)
    prelude, _, body = answer.body.partition(b"\0" * 8)
    assert "text/event-stream; charset=utf-8" == json.loads(prelude)["headers"]["content-type"]
    assert 'data: {"n": 1}\n\ndata: "ü"\n\n' == body.decode()


def test_yields_are_sent_one_by_one(serve: Serve, tmp_path: Any) -> None:
    """The second is made when the first has arrived."""
    source = agent("yield 1", f"while not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.01)", "yield 2")
    runtime = serve("import os, time\n" + source, "app.app", AGENTCORE, env=STREAM)
    from support.api import event

    handed = event(invocation(b"{}"))
    runtime.api.hand_out(handed)
    runtime.api.wait(lambda: any(b"data: 1" in each.body for each in runtime.api.requests), "the first part")
    (tmp_path / "go").touch()
    answer = runtime.answer(dict(handed.headers)["Lambda-Runtime-Aws-Request-Id"])
    assert answer.body.endswith(b"data: 1\n\ndata: 2\n\n")


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_other_events_are_the_payload(serve: Serve, kind: str) -> None:
    """And the answer is the agent's."""
    runtime = serve(agent("return payload", kind=kind), "app.app", AGENTCORE)
    for event in (b'{"Records": [{"body": "1"}]}', b"[1, null]", b'"text"'):
        answer = runtime.invoke(event)
        assert (event, "application/json") == (answer.body, answer.request.header("Content-Type"))


def test_an_event_that_is_not_json(ask: Ask) -> None:
    """The application refuses it, which is a function error."""
    report = ask(agent("return payload"), b"\xff{", "app.app", AGENTCORE).report
    expected = ("ApplicationError", "the application answered POST /invocations with status 400: ")
    assert expected == (report["errorType"], report["errorMessage"].partition("{")[0])


# ----------------------------------------------------------------------------------------------------------------------
# Failures
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_failure(serve: Serve, kind: str) -> None:
    """A request gets the application's 500; for any other event it is a function error."""
    runtime = serve(agent("raise LookupError('wrong')", kind=kind), "app.app", AGENTCORE)
    assert (500, b'{"error":"wrong"}') == got(runtime.invoke(invocation(b"{}")))
    report = runtime.invoke(b"{}").report
    assert ("ApplicationError", True) == (report["errorType"], '{"error":"wrong"}' in report["errorMessage"])
    assert "LookupError: wrong" in runtime.child.log


MIDDLEWARE = """
class Broken:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            raise LookupError("broken")
        await self.app(scope, receive, send)

app.add_middleware(Broken)
"""


def test_a_failure_of_the_application_itself(serve: Serve) -> None:
    """The client gets what uvicorn answers; for any other event it is a function error."""
    runtime = serve(agent("pass", more=MIDDLEWARE), "app.app", AGENTCORE)
    assert (500, b"Internal Server Error") == got(runtime.invoke(invocation(b"{}")))
    assert "POST /invocations failed" in runtime.child.log
    assert "LookupError" == runtime.invoke(b"{}").report["errorType"]


def test_no_entrypoint(ask: Ask) -> None:
    """The application answers it as under its own server."""
    source = "from bedrock_agentcore import BedrockAgentCoreApp\napp = BedrockAgentCoreApp()\n"
    assert (500, b'{"error":"No entrypoint defined"}') == got(ask(source, invocation(b"{}"), "app.app", AGENTCORE))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("invoke", "not a BedrockAgentCoreApp: function <function invoke"),
        ("BedrockAgentCoreApp", "not a BedrockAgentCoreApp: type <class"),
        ("number", "not a BedrockAgentCoreApp: int 1; name the application itself, like agent.app"),
        ("agent", "no 'agent' in app.py; it has: BedrockAgentCoreApp, app, invoke"),
    ],
)
def test_wrong_objects(fail: Fail, name: str, expected: str) -> None:
    """An init error that says what it is, and what to name."""
    failed = fail(agent("pass", more="number = 1"), f"app.{name}", AGENTCORE)
    assert "Runtime.HandlerNotFound" == failed.type
    assert expected in failed.report["errorMessage"]


# ----------------------------------------------------------------------------------------------------------------------
# The environment
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handler", ["app.app", "app:app"])
def test_handler_strings(ask: Ask, handler: str) -> None:
    """With a dot, as for AgentCore, or a colon."""
    assert (200, b'"here"') == got(ask(agent("return 'here'"), invocation(b"{}"), handler, AGENTCORE))


def test_lifespan(serve: Serve) -> None:
    """It starts once and ends with the environment."""
    source = (
        "from contextlib import asynccontextmanager\nfrom bedrock_agentcore import BedrockAgentCoreApp\n"
        "@asynccontextmanager\nasync def lifespan(app):\n    print('up')\n    yield\n    print('down', flush=True)\n"
        "app = BedrockAgentCoreApp(lifespan=lifespan)\n"
    )
    runtime = serve(source, "app.app", AGENTCORE)
    for _ in range(2):
        runtime.invoke(request("GET", "/ping"))
    log = runtime.end()
    assert (1, 1) == (log.count("up"), log.count("down"))


def test_async_tasks(serve: Serve) -> None:
    """A task that goes on after the answer makes the agent busy."""
    source = agent(
        "asyncio.get_running_loop().create_task(work())",
        "return 'started'",
        kind="async def",
        more="import asyncio\n@app.async_task\nasync def work():\n    await asyncio.sleep(60)\n",
    )
    runtime = serve(source, "app.app", AGENTCORE)
    assert (200, b'"started"') == got(runtime.invoke(invocation(b"{}")))
    assert "HealthyBusy" == json.loads(got(runtime.invoke(request("GET", "/ping")))[1])["status"]


def test_log(serve: Serve) -> None:
    """Records of the application reach the log once, also while the module is loaded, and those of debugging if asked."""
    source = agent("app.logger.debug('seen')", more="app.logger.info('loading')")
    runtime = serve(source.replace("App()", "App(debug=True)"), "app.app", AGENTCORE)
    runtime.invoke(invocation(b"{}"))
    lines = [line.split("\t") for line in runtime.end().splitlines() if "seen" in line or "loading" in line]
    assert [("[INFO]", "loading"), ("[DEBUG]", "seen")] == [(line[0], line[-1]) for line in lines]
