"""The convention `azure`: apps of Azure Functions, beside the same ones behind Azure's own worker library."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx")
pytest.importorskip("azure.functions")
pytest.importorskip("azure_functions_runtime")
pytest.importorskip("azurefunctions.extensions.http.fastapi")

from support.batches import sqs
from support.http_events import EVENTS, changed, delivered
from support.ports import ROOT, SAMPLES, answers, differing, documented, ours, peer, python
from support.runtime import Answer, Ask, Fail, Serve

from conventions.ports.azure.routes import Route
from dispatch import http

AZURE = "azure"
NO_PREFIX = {"host.json": '{"extensions": {"http": {"routePrefix": ""}}}'}
STREAM = {"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"}
IMPORTS = "import json, logging\nimport azure.functions as func\n"


def app(*lines: str, more: str = "") -> str:
    """The source of an app in `app.py`; the lines are its functions."""
    text = "\n".join(lines)
    return f"{IMPORTS}app = func.FunctionApp()\n{text}\n{more}"


def function(*body: str, decorator: str = "@app.route('x')", parameters: str = "req", name: str = "f") -> str:
    """One function of an app."""
    lines = "".join(f"    {line}\n" for line in body)
    return f"{decorator}\ndef {name}({parameters}):\n{lines}"


def request(path: str = "/api/x", method: str = "GET", query: str = "") -> bytes:
    """The event of a request to a function URL."""
    event = changed(http.FUNCTION_URL, rawPath=path, rawQueryString=query)
    event["requestContext"]["http"]["method"] = method
    return json.dumps(event).encode()


def got(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    """What the client gets of an answer."""
    status, headers, body = delivered(http.FUNCTION_URL, json.loads(answer.body))
    return status, {name.lower(): value for name, value in headers}, body


# ----------------------------------------------------------------------------------------------------------------------
# The proof
# ----------------------------------------------------------------------------------------------------------------------

#: The samples, each a file that the worker loads, and which of our two functions is compared.
PROOFS = {
    "function_app": ("buffered", "streamed"),
    "asgi_app": ("buffered",),
    "wsgi_app": ("streamed",),
    "stream_app": ("buffered", "streamed"),
}


@pytest.mark.parametrize("module", PROOFS)
def test_proof(module: str, tmp_path: Path) -> None:
    """Thirty requests are answered as behind Azure's worker, but for the rows of the page."""
    command = python(str(ROOT / "tests" / "support" / "azure_host.py"), "{port}")
    variables = {"PYTHON_SCRIPT_FILE_NAME": f"{module}.py", "TZ": "UTC"}
    with peer(command, variables, SAMPLES / AZURE) as host, ours(tmp_path, AZURE, f"{module}.app") as server:
        theirs = answers(host)
        for each in PROOFS[module]:
            assert documented(AZURE) == set(differing(theirs, server, host, each))


# ----------------------------------------------------------------------------------------------------------------------
# HTTP
# ----------------------------------------------------------------------------------------------------------------------

TEXT = "text/plain; charset=utf-8"
OUTPUTS: dict[str, tuple[str, tuple[int, str | None, bytes]]] = {
    "text": ("'ü'", (200, TEXT, "ü".encode())),
    "text that is a number": ("'1.50'", (200, TEXT, b"1.50")),
    "text that is a string of JSON": ("json.dumps('a')", (200, TEXT, b"a")),
    "text that is a list": ("'[1,{}]'", (200, TEXT, b"[\n  1,\n  {}\n]")),
    "text that is not JSON": ("'NaN'", (200, TEXT, b"NaN")),
    "a response in JSON": (
        "json.dumps({'Status': '201', 'Body': {'a': 'ü'}, 'headers': {'Content-Type': 'application/json'}})",
        (201, "application/json; charset=utf-8", '{"a":"ü"}'.encode()),
    ),
    "a response in JSON with a body that is null": ("'{\"body\": null}'", (200, TEXT, b"")),
    "JSON with fields of a response that are none": (
        "json.dumps({'body': [True], 'status': 'active', 'headers': 'none'})",
        (200, TEXT, b"[\n  true\n]"),
    ),
    "a response in JSON without a body": ("'{\"status\": 201}'", (200, TEXT, b'{\n  "status": 201\n}')),
    "a response": ("func.HttpResponse('ü', charset='latin-1')", (200, "text/plain; charset=latin-1", b"\xfc")),
    "a response with a type": ("func.HttpResponse(b'\\xff', mimetype='image/png')", (200, "image/png", b"\xff")),
    "a response with a header": (
        "func.HttpResponse('{}', headers={'content-type': 'application/json'})",
        (200, "application/json", b"{}"),
    ),
    "a status that is not a number": ("func.HttpResponse('a', status_code='teapot')", (200, TEXT, b"a")),
    "a status without a body": ("func.HttpResponse('a', status_code=304)", (304, TEXT, b"")),
    "bytes": ("b'a'", (500, None, b"")),
    "an object": ("{'a': 1}", (500, None, b"")),
    "nothing": ("None", (500, None, b"")),
    "a header with a name that cannot be": ("func.HttpResponse('a', headers={'x y': 'a'})", (500, None, b"")),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs(ask: Ask, name: str) -> None:
    """What a function may return, and what the client gets."""
    output, expected = OUTPUTS[name]
    status, headers, body = got(ask(app(function(f"return {output}")), request(), "app.app", AZURE))
    assert expected == (status, headers.get("content-type") if status != 500 else None, body)


def test_a_parameter_for_the_response(ask: Ask) -> None:
    """An output binding for HTTP; without a value the status is 204."""
    decorator = "@app.route('x', binding_arg_name='res')"
    source = app(
        function("req.params and res.set(req.params['a'])", decorator=decorator, parameters="req, res: func.Out[str]")
    )
    assert (204, b"") == got(ask(source, request(), "app.app", AZURE))[::2]
    assert (200, b"ab") == got(ask(source, request(query="a=ab"), "app.app", AZURE))[::2]


def test_repeated_headers_of_a_response(ask: Ask) -> None:
    """The first counts, but for cookies, which are all sent."""
    lines = [
        "found = func.HttpResponse('', headers={'X-Own': '1', 'x-own': '2'})",
        "found.headers.add('Set-Cookie', 'a=1; Domain=example.com')",
        "found.headers.add('Set-Cookie', 'b=x+y; Path=/; SameSite=None; Secure')",
        "return found",
    ]
    answer = ask(app(function(*lines)), request(), "app.app", AZURE)
    value = json.loads(answer.body)
    expected = ["a=1; domain=example.com; path=", "b=x%2By; domain=; path=/; secure; samesite=none"]
    assert ("1", expected) == (got(answer)[1]["x-own"], value["cookies"])


SEEN = "return json.dumps([req.method, req.url, dict(req.params), dict(req.route_params), req.get_body().decode()])"
REQUESTS: dict[str, tuple[dict[str, str], list[Any]]] = {
    "a query": ({"query": "a=1&a=2&b=&c&a=&d=x+y"}, ["api/a", {"a": "1,2", "d": "x y"}, {"rest": "a"}]),
    "a path with escapes": ({"path": "/API/%C3%A4%2f%2F%25"}, ["API/%C3%A4%2f%2F%25", {}, {"rest": "ä%2f%2F%"}]),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_what_a_function_sees(ask: Ask, name: str) -> None:
    """The URL, the query and the route's parameters, as the host passes them."""
    fields, expected = REQUESTS[name]
    source = app(function(SEEN, decorator="@app.route('{*rest}')"))
    event = request(**{"path": "/api/a", **fields})
    method, url, *rest, body = json.loads(got(ask(source, event, "app.app", AZURE))[2])
    path = url.partition("://")[2].partition("/")[2].partition("?")[0]
    assert ["GET", *expected, ""] == [method, path, *rest, body]


@pytest.mark.parametrize("kind", EVENTS)
def test_every_kind_of_event(ask: Ask, kind: str) -> None:
    """API Gateway, function URLs and load balancers."""
    source = app(function("return req.method", decorator="@app.route('{*rest}')"))
    answer = ask({"app.py": source, **NO_PREFIX}, json.dumps(EVENTS[kind]).encode(), "app.app", AZURE)
    assert b"GET" == delivered(kind, json.loads(answer.body))[2]


def test_context(ask: Ask) -> None:
    """The attributes that the worker's context has."""
    line = (
        "return json.dumps([context.function_name, context.function_directory, context.invocation_id, "
        "context.trace_context.trace_parent, context.retry_context.retry_count, "
        "context.thread_local_storage.invocation_id == context.invocation_id])"
    )
    source = app(function(line, decorator="@app.function_name('own')\n@app.route('x')", parameters="req, context"))
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    answer = ask(source, request(), "app.app", AZURE, headers={"Lambda-Runtime-Trace-Id": trace})
    name, folder, identifier, parent, *rest = json.loads(got(answer)[2])
    expected = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"
    assert ("own", "task", True, expected, [0, True]) == (name, Path(folder).name, bool(identifier), parent, rest)


def test_async(serve: Serve) -> None:
    """The event loop lives as long as the environment."""
    body = "loops.add(asyncio.get_running_loop())\n    return str(len(loops))"
    source = app("import asyncio", "loops = set()", f"@app.route('x')\nasync def f(req):\n    {body}")
    runtime = serve(source, "app.app", AZURE)
    assert [b"1", b"1"] == [got(runtime.invoke(request()))[2] for _ in range(2)]


@pytest.mark.parametrize("line", ["raise LookupError('wrong')", "raise SystemExit(3)", "return 5"])
def test_a_failure_is_a_500(serve: Serve, line: str) -> None:
    """Without a body, as from the host; the log has the traceback, and the next request is answered."""
    runtime = serve(app(function(f"if req.params.get('fail'): {line}", "return 'fine'")), "app.app", AZURE)
    assert (500, b"") == got(runtime.invoke(request(query="fail=1")))[::2]
    assert b"fine" == got(runtime.invoke(request()))[2]
    log = runtime.end()
    assert (True, True) == ("GET /api/x failed" in log, "Traceback" in log or "int 5" in log)


@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
def test_a_failure_of_the_extension(ask: Ask, mode: str) -> None:
    """Functions that take the requests of the FastAPI extension are answered for as by its server."""
    source = (
        f"{IMPORTS}from azurefunctions.extensions.http.fastapi import Request\napp = func.FunctionApp()\n"
        "@app.route('x')\ndef f(req: Request):\n    raise LookupError('wrong')\n"
    )
    answer = ask(source, request(), "app.app", AZURE, env={"HANDLER_INVOKE_MODE": mode})
    assert (True, True) == (
        b"Internal Server Error" in answer.body,
        b'"statusCode":500' in answer.body.replace(b" ", b""),
    )


def test_the_extension_streams(ask: Ask) -> None:
    """Each part of the response of a function, which may be one that is not async; the context is passed, too."""
    source = (
        f"{IMPORTS}from azurefunctions.extensions.http.fastapi import Request, StreamingResponse\n"
        "app = func.FunctionApp()\n"
        "@app.route('x/{id:int}')\ndef f(req: Request, context) -> StreamingResponse:\n"
        "    return StreamingResponse(iter([context.function_name, req.path_params['id']]), media_type='text/plain')\n"
    )
    prelude, _, body = ask(source, request("/api/x/7"), "app.app", AZURE, env=STREAM).body.partition(b"\0" * 8)
    assert (200, b"f7") == (json.loads(prelude)["statusCode"], body)
    assert 404 == got(ask(source, request("/api/x/a"), "app.app", AZURE))[0]


# ----------------------------------------------------------------------------------------------------------------------
# Routes
# ----------------------------------------------------------------------------------------------------------------------

#: Templates, and for paths the parameters, or None if the path does not match.
ROUTES: dict[str, dict[str, dict[str, str] | None]] = {
    "api/orders": {"/api/orders": {}, "/API/Orders/": {}, "/api/orders/1": None, "/api": None, "/api//orders": None},
    "{id:int?}": {"/": {}, "/7": {"id": "7"}, "/-7": {"id": "-7"}, "/a": None, "/2147483648": None, "/7/8": None, f"/{'9' * 5000}": None, "/7/": {"id": "7"}},
    "a/{x?}/{y?}": {"/a": {}, "/a/1": {"x": "1"}, "/a/1/2": {"x": "1", "y": "2"}},
    "{*rest}": {"/": {}, "/a/b/": {"rest": "a/b/"}, "/a//b": {"rest": "a//b"}, "//a": None},
    "a/{**rest}": {"/a": {}, "/a/b%2Fc": {"rest": "b%2Fc"}, "/b": None},
    "{name}.{ext}": {"/a.b.c": {"name": "a.b", "ext": "c"}, "/a": None, "/a.": None, "/a/b.c": None},
    "{a}-{b}": {"/1-2-3": {"a": "1-2", "b": "3"}, "/-": None, "/1-": None},
    "v{n:int}x": {"/V12X": {"n": "12"}, "/vax": None},
    "{x:alpha:minlength(2):maxlength(3)}": {"/ab": {"x": "ab"}, "/a": None, "/abcd": None, "/a1": None},
    "{x:length(2)}/{y:length(1,2)}/{z:range(1,3)?}": {"/ab/a": {"x": "ab", "y": "a"}, "/abc/a": None, "/ab/abc": None, "/ab/a/4": None, "/ab/a/3": {"x": "ab", "y": "a", "z": "3"}},
    "{x:guid}": {"/ca761232-ed42-11ce-bacd-00aa0057b223": {"x": "ca761232-ed42-11ce-bacd-00aa0057b223"}, "/ca76": None},
    "{x:bool}/{y:decimal}": {"/True/1.5": {"x": "True", "y": "1.5"}, "/yes/1": None, "/true/a": None},
    "{x:double}/{y:long}": {"/1e3/9": {"x": "1e3", "y": "9"}, "/1/9223372036854775808": None},
    "{x:min(3)}/{y:max(3)}": {"/3/3": {"x": "3", "y": "3"}, "/2/3": None, "/3/4": None},
    "a(b)/é": {"/A(b)/É": {}},
    "": {"/": {}, "/a": None},
}  # fmt: skip

#: Templates that are refused, and what is said of them.
WRONG_ROUTES = {
    "a//b": "'' cannot be read; a route has {name}",
    "{*a}/b": "{*a} cannot be here",
    "x{*a}": "{*a} cannot be here",
    "{*a?}": "{*a?} cannot be here",
    "{a}-{b?}": "{b?} cannot be here",
    "{a?}/b": "{name?} as its last segments",
    "{a=1}": "'{a=1}' cannot be read",
    "{a}/{a}": "is there twice",
    "{}": "'{}' cannot be read",
    "{a": "'{a' cannot be read",
    "a?": "'a?' cannot be read",
    "{a:even}": "unknown constraint 'even'; known: int, ",
    "{a:datetime}": "unknown constraint 'datetime'",
    "{a:regex(^b$)}": "unknown constraint 'regex'",
    "{a:regex(^[a-z]{{2}}$)}": "cannot be read",
    "{a:range(1)}": "range(1) has the wrong numbers",
    "{a:int(1)}": "int(1) has the wrong numbers",
    "{a:min(x)}": "min(x) has the wrong numbers",
}


@pytest.mark.parametrize("template", ROUTES)
def test_routes(template: str) -> None:
    """A template, and the parameters of paths."""
    route = Route(template)
    assert ROUTES[template] == {path: route.match(path) for path in ROUTES[template]}


@pytest.mark.parametrize("template", WRONG_ROUTES)
def test_wrong_routes(template: str) -> None:
    """The error says what is wrong with a template."""
    with pytest.raises(ValueError, match=re.escape(WRONG_ROUTES[template])):
        Route(template)


def test_which_function(serve: Serve) -> None:
    """By name, not in the file's order; by method, and 404 for a method or a path that no function has."""
    source = app(
        function("return 'z'", decorator="@app.route('x/{a}')", name="z"),
        function("return 'B'", decorator="@app.route('x/{b}', methods=['GET', func.HttpMethod.PUT])", name="B"),
        function("return 'a'", decorator="@app.route('x/{c:int}', methods=['get'])", name="a"),
        function("return 'own'", decorator="@app.route()", name="own"),
        "@app.generic_trigger('req', 'httpTrigger', route='generic', methods=['DELETE'])",
        "@app.generic_output_binding('$return', 'http')",
        "def generic(req): return 'generic'",
    )
    runtime = serve(source, "app.app", AZURE)
    asked = [
        ("GET", "x/1"),
        ("GET", "x/a"),
        ("POST", "x/1"),
        ("HEAD", "OWN"),
        ("DELETE", "generic"),
        ("GET", "generic"),
    ]
    found = [got(runtime.invoke(request(f"/api/{path}", method)))[::2] for method, path in asked]
    assert [(200, b"a"), (200, b"B"), (200, b"z"), (200, b"own"), (200, b"generic"), (404, b"")] == [
        (status, body or b"own" if status == 200 else body) for status, body in found
    ]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (None, "/api/x"),
        ("{}", "/api/x"),
        ('{"extensions": {"http": {"routePrefix": ""}}}', "/x"),
        ('{\n  // "api"\n"extensions": {"http": {"routePrefix": "a/b"}}}', "/a/b/x"),
    ],
)
def test_the_prefix(ask: Ask, text: str | None, path: str) -> None:
    """It is in `host.json`, which may have comments, and `api` otherwise."""
    files = {"app.py": app(function("return 'here'"))} | ({} if text is None else {"host.json": text})
    assert b"here" == got(ask(files, request(path), "app.app", AZURE))[2]


def test_the_prefix_from_the_environment(ask: Ask) -> None:
    """As in Azure, it overrides the file."""
    files = {"app.py": app(function("return 'here'")), **NO_PREFIX}
    env = {"AzureFunctionsJobHost__extensions__http__routePrefix": "own"}
    assert b"here" == got(ask(files, request("/own/x"), "app.app", AZURE, env=env))[2]


def test_a_blueprint(ask: Ask) -> None:
    """Its functions are those of the app that registers it."""
    files = {
        "app.py": f"{IMPORTS}from bp import bp\napp = func.FunctionApp()\napp.register_functions(bp)\n",
        "bp.py": f"{IMPORTS}bp = func.Blueprint()\n@bp.route('x')\ndef f(req): return 'here'\n",
    }
    assert b"here" == got(ask(files, request(), "app.app", AZURE))[2]


# ----------------------------------------------------------------------------------------------------------------------
# Events that are not HTTP
# ----------------------------------------------------------------------------------------------------------------------


def queue(name: str = "queue", function_name: str = "f", cardinality: str = "") -> str:
    """The decorators of a function for a queue."""
    return f"@app.queue_trigger('msg', '{name}', 'X'{cardinality})\n"


def test_messages(serve: Serve) -> None:
    """Each is a QueueMessage; those that fail are reported, and a value that is returned is a failure."""
    lines = [
        "logging.warning('%s', [msg.id, msg.dequeue_count, msg.insertion_time.isoformat(), bool(msg.pop_receipt)])",
        "if msg.get_body() == b'value': return msg",
        "if msg.get_body() != b'[1]': msg.get_json()",
    ]
    runtime = serve(app(function(*lines, decorator=queue(), parameters="msg")), "app.app", AZURE)
    event = json.dumps(sqs("[1]", "bad", "value")).encode()
    expected = {"batchItemFailures": [{"itemIdentifier": "m-bad"}, {"itemIdentifier": "m-value"}]}
    assert expected == json.loads(runtime.invoke(event).body)
    log = runtime.end()
    assert "['m-[1]', 1, '2018-12-17T21:37:29.183000+00:00', True]" in log
    assert "the function f returned a value, but it has no $return binding" in log


@pytest.mark.parametrize(
    ("annotation", "extra", "expected"),
    [("str", "", "'ü'"), ("bytes", "", "'ü'"), ("bytes", ", data_type='binary'", repr("ü".encode()))],
)
def test_messages_as_they_are(serve: Serve, annotation: str, extra: str, expected: str) -> None:
    """A parameter that is annotated with `str` or `bytes` gets what the host sends: text, unless it is to be binary."""
    decorator = f"@app.queue_trigger('msg', 'queue', 'X'{extra})"
    source = app(function("logging.warning('seen %r', msg)", decorator=decorator, parameters=f"msg: {annotation}"))
    runtime = serve(source, "app.app", AZURE)
    runtime.invoke(json.dumps(sqs("ü")).encode())
    assert f"seen {expected}" in runtime.end()


def test_messages_of_service_bus(serve: Serve) -> None:
    """They have the session, the properties and the numbers that SQS has for them."""
    decorator = "@app.service_bus_queue_trigger('msg', 'X', 'queue')"
    line = "logging.warning('seen %s', [msg.message_id, msg.get_body(), msg.delivery_count, msg.session_id, msg.user_properties])"
    runtime = serve(
        app(function(line, decorator=decorator, parameters="msg: func.ServiceBusMessage")), "app.app", AZURE
    )
    event = sqs("a@group", fifo=True)
    event["Records"][0]["messageAttributes"] = {"n": {"dataType": "String", "stringValue": "v"}}
    assert {"batchItemFailures": []} == json.loads(runtime.invoke(json.dumps(event).encode()).body)
    assert "seen ['m-a', b'a', 1, 'group', {'n': 'v'}]" in runtime.end()


def test_async_messages_run_together(ask: Ask) -> None:
    """As in the convention `records`: the second lets the first one end."""
    lines = "import asyncio\nfirst = asyncio.Event()\n" + queue() + (
        "async def f(msg: func.QueueMessage) -> None:\n"
        "    if msg.get_body() == b'1': await first.wait()\n    first.set()\n"
    )  # fmt: skip
    answer = ask(app(lines), json.dumps(sqs("1", "2")).encode(), "app.app", AZURE)
    assert {"batchItemFailures": []} == json.loads(answer.body)


RULE = "arn:aws:events:us-east-1:123456789012:rule/"
SCHEDULED = {
    "id": "1",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "time": "2026-01-02T03:04:05Z",
    "detail": {},
}
EVENT = {
    "version": "0", "id": "1", "detail-type": "Object Created", "source": "aws.s3", "time": "2026-01-02T03:04:05Z",
    "account": "1", "region": "r", "resources": ["arn:aws:s3:::bucket"], "detail": {"object": {"key": "k"}},
}  # fmt: skip
GRID = {
    "id": "2",
    "topic": "/t",
    "subject": "/s",
    "eventType": "t",
    "eventTime": "2026-01-02T03:04:05Z",
    "data": 5,
    "dataVersion": "1",
}
CLOUD = {"specversion": "1.0", "id": "3", "source": "/s", "type": "t", "time": "2026-01-02T03:04:05Z", "data": [1]}

#: A function's trigger and what it logs; an event; what is logged.
DELIVERIES: dict[str, tuple[str, str, str, dict[str, Any], list[Any]]] = {
    "a schedule": (
        "@app.timer_trigger(schedule='0 * * * * *', arg_name='timer')", "timer: func.TimerRequest", "timer.past_due, timer.schedule",
        SCHEDULED, [False, {"AdjustForDST": True}],
    ),
    "EventBridge": (
        "@app.event_grid_trigger('event')", "event: func.EventGridEvent",
        "event.id, event.topic, event.subject, event.event_type, event.event_time.isoformat(), event.get_json(), event.data_version",
        EVENT, ["1", "aws.s3", "arn:aws:s3:::bucket", "Object Created", "2026-01-02T03:04:05+00:00", {"object": {"key": "k"}}, "0"],
    ),
    "Event Grid's own schema": (
        "@app.event_grid_trigger('event')", "event: func.EventGridEvent", "event.id, event.topic, event.get_json()",
        GRID, ["2", "/t", 5],
    ),
    "a CloudEvent": (
        "@app.event_grid_trigger('event')", "event: func.CloudEvent", "event.id, event.source, event.type, event.get_json()",
        CLOUD, ["3", "/s", "t", [1]],
    ),
    "EventBridge as a CloudEvent": (
        "@app.event_grid_trigger('event')", "event: func.CloudEvent", "event.id, event.source, event.type, event.get_json()",
        EVENT, ["1", "aws.s3", "Object Created", {"object": {"key": "k"}}],
    ),
    "EventBridge as text": (
        "@app.event_grid_trigger('event')", "event: str", "json.loads(event)['eventType']",
        EVENT, ["Object Created"],
    ),
    "a schedule without a timer": (
        "@app.event_grid_trigger('event')", "event", "event.event_type", SCHEDULED, ["Scheduled Event"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DELIVERIES)
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_deliveries(serve: Serve, name: str, kind: str) -> None:
    """What an event becomes for a function that is not called by HTTP."""
    decorator, parameter, shown, event, expected = DELIVERIES[name]
    source = app(f"{decorator}\n{kind} f({parameter}):\n    logging.warning('seen %s', json.dumps([{shown}]))\n")
    runtime = serve(source, "app.app", AZURE)
    assert b"null" == runtime.invoke(json.dumps(event).encode()).body
    line = next(line for line in runtime.end().splitlines() if "seen " in line)
    assert expected == json.loads(line.partition("seen ")[2])


def test_a_failure_with_another_event(serve: Serve) -> None:
    """It is a function error, and so is a value that is returned; the next event is handled."""
    body = ["if event.id == '1': raise LookupError('wrong')", "return 5 if event.id == '2' else None"]
    runtime = serve(
        app(function(*body, decorator="@app.event_grid_trigger('event')", parameters="event")), "app.app", AZURE
    )
    reports = [runtime.invoke(json.dumps({**EVENT, "id": identifier}).encode()).report for identifier in "12"]
    assert [
        ("LookupError", "wrong"),
        ("RuntimeError", "the function f returned a value, but it has no $return binding: 5"),
    ] == [(report["errorType"], report["errorMessage"]) for report in reports]
    assert b"null" == runtime.invoke(json.dumps({**EVENT, "id": "3"}).encode()).body


def test_an_event_that_the_sdk_cannot_read(ask: Ask) -> None:
    """The error says why, without the SDK's traceback, which says nothing about the function."""
    source = app(function("pass", decorator="@app.event_grid_trigger('event')", parameters="event"))
    report = ask(source, json.dumps({**EVENT, "time": "soon"}).encode(), "app.app", AZURE).report
    message = "the event cannot be passed to the function f: time data 'soon' does not match"
    assert ("Runtime.UnmarshalError", True) == (report["errorType"], report["errorMessage"].startswith(message))
    assert [] == report["stackTrace"]


def _named(name: str) -> dict[str, Any]:
    event = sqs("a@group", grouped=True)
    event["Records"][0]["eventSourceARN"] = f"arn:aws:sqs:us-east-1:123456789012:{name}"
    return event


SEVERAL = app(
    *[function(f"logging.warning('called {name}')", decorator=queue(of), parameters="msg", name=name) for name, of in
      (("orders", "Orders"), ("bills", "%BILLS%"))],
    *[function(f"logging.warning('called {name}')", decorator="@app.timer_trigger(schedule='* * * * * *', arg_name='timer')", parameters="timer", name=name)
      for name in ("tidy", "count")],
    *[function("pass", decorator="@app.event_grid_trigger('event')", parameters="event", name=name) for name in ("g1", "g2")],
)  # fmt: skip
CHOICES: dict[str, tuple[Any, str]] = {
    "a queue": (_named("orders"), "called orders"),
    "a FIFO queue": (_named("orders.fifo"), "called orders"),
    "a queue that a setting names": (_named("paid"), "called bills"),
    "another queue": (_named("x"), "cannot tell which function the message of the queue 'x' is for: bills (paid), orders (Orders)"),
    "a rule": ({**SCHEDULED, "resources": [f"{RULE}tidy"]}, "called tidy"),
    "a schedule of EventBridge Scheduler": (
        {**SCHEDULED, "resources": ["arn:aws:scheduler:us-east-1:123456789012:schedule/default/Count"]}, "called count",
    ),
    "another rule": ({**SCHEDULED, "resources": [f"{RULE}x"]}, "cannot tell which function the schedule 'x' is for: count (count), tidy (tidy)"),
    "resources that are no list": ({**SCHEDULED, "resources": 5}, "cannot tell which function the schedule is for"),
    "no rule": (SCHEDULED, "cannot tell which function the schedule is for"),
    "EventBridge": (EVENT, "cannot tell which function the Event Grid event is for: g1, g2"),
    "S3": ({"Records": [{"eventSource": "aws:s3"}]}, "no function of the app is for records of 'aws:s3'; send events of S3 through EventBridge"),
    "anything else": ({"a": 1}, "no function of the app is for the event: {'a': 1}; it has: bills (queueTrigger)"),
    "a list": ([1], "no function of the app is for the event: [1]"),
    "a number in the place of records": ({"Records": 5}, "no function of the app is for the event"),
    "a record that is none": ({"Records": [5]}, "no function of the app is for records of None"),
    "no records": ({"Records": []}, "no function of the app is for records of None"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHOICES)
def test_which_of_several(serve: Serve, name: str) -> None:
    """By the queue's name or the rule's, otherwise the only one; if that does not say it, the error names them."""
    event, expected = CHOICES[name]
    runtime = serve(SEVERAL, "app.app", AZURE, env={"BILLS": "paid"})
    answer = runtime.invoke(json.dumps(event).encode())
    if expected.startswith("called"):
        assert (True, "response") == (expected in runtime.end(), answer.kind)
    else:
        assert (True, "Runtime.UnmarshalError") == (
            expected in answer.report["errorMessage"],
            answer.report["errorType"],
        )


def test_the_only_one(serve: Serve) -> None:
    """Whatever the queue is called."""
    runtime = serve(app(function("pass", decorator=queue("other"), parameters="msg")), "app.app", AZURE)
    assert {"batchItemFailures": []} == json.loads(runtime.invoke(json.dumps(sqs("a")).encode()).body)


# ----------------------------------------------------------------------------------------------------------------------
# The environment
# ----------------------------------------------------------------------------------------------------------------------

BLOB = "@app.blob_trigger('blob', 'p', 'X')\ndef blobs(blob): ...\n"
INIT_ERRORS: dict[str, tuple[str | dict[str, str], str, str]] = {
    "not an app": (f"{IMPORTS}app = 5", "Runtime.HandlerNotFound", "not an app of Azure Functions: int 5; name the FunctionApp"),
    "not an app, without the SDK": ("def app(): ...", "Runtime.HandlerNotFound", "not an app of Azure Functions: function"),
    "a blueprint": (f"{IMPORTS}app = func.Blueprint()", "Runtime.HandlerNotFound", "not an app of Azure Functions: Blueprint"),
    "no functions": (app(), "Runtime.HandlerNotFound", "the app has no functions; known triggers: httpTrigger, "),
    "a trigger that is not known": (
        app(BLOB), "Runtime.HandlerNotFound", "the function blobs cannot be served here: it has the trigger 'blob' of type blobTrigger",
    ),
    "many messages": (
        app("@app.service_bus_queue_trigger('m', 'X', 'q', cardinality='many')\ndef f(m): ..."),
        "Runtime.HandlerNotFound", "its trigger takes many messages at once",
    ),
    "a topic": (
        app("@app.service_bus_topic_trigger('m', 'X', 't', 's')\ndef f(m): ..."), "Runtime.HandlerNotFound", "only queues can be read",
    ),
    "no trigger": (
        app("@app.function_name('f')\ndef f(req): ..."), "Runtime.HandlerNotFound", "the app's functions cannot be listed: Function f does not have a trigger",
    ),
    "one name twice": (
        app(function("pass"), function("pass")), "Runtime.HandlerNotFound", "the app's functions cannot be listed: Function f does not have a unique",
    ),
    "a parameter that is not bound": (
        app(function("pass", parameters="req, other")), "Runtime.HandlerNotFound", "the function f has the parameters other, req, but its decorators bind req;",
    ),
    "an annotation that names nothing": (
        app(function("pass", parameters="req: 'Nothing'")), "Runtime.HandlerNotFound", "the parameters of the function f cannot be read: name 'Nothing'",
    ),
    "a route that is wrong": (
        app(function("pass", decorator="@app.route('{a')")), "Runtime.HandlerNotFound", "the route of the function f is wrong: 'api/{a': '{a' cannot be read; a route has",
    ),
    "an ASGI app below a prefix": (
        f"{IMPORTS}async def web(*args): ...\napp = func.AsgiFunctionApp(web)", "Runtime.HandlerNotFound",
        "'api//{*route}': no name between slashes; set extensions.http.routePrefix to \"\" in host.json",
    ),
    "settings that are not JSON": (
        {"app.py": app(function("pass")), "host.json": "{"}, "Runtime.InvalidSetting", "host.json cannot be read: ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INIT_ERRORS)
def test_init_errors(fail: Fail, name: str) -> None:
    """They say what was looked for, and what there is."""
    files, expected, message = INIT_ERRORS[name]
    failed = fail(files, "app.app", AZURE)
    assert (expected, True) == (failed.type, message in failed.report["errorMessage"]), failed.report["errorMessage"]


def test_what_cannot_be_served_does_not_break_the_rest(serve: Serve) -> None:
    """It is logged once at the start; a request or an event for it fails, and says why."""
    out = "@app.queue_output('out', 'q', 'X')\n@app.route('out')\ndef out_(req, out: func.Out[str]): ...\n"
    table = "@app.table_input('row', 'X', 't', '1')\n" + queue("queue") + "def rows(msg, row): ...\n"
    runtime = serve(app(function("return 'here'"), BLOB, out, table), "app.app", AZURE)
    assert (200, b"here") == got(runtime.invoke(request()))[::2]
    assert (500, b"") == got(runtime.invoke(request("/api/out")))[::2]
    report = runtime.invoke(json.dumps(sqs("a")).encode()).report
    assert ("Runtime.HandlerNotFound", "the function rows cannot be served here: it has the binding 'row' of type table") == (
        report["errorType"], report["errorMessage"],
    )  # fmt: skip
    log = runtime.end()
    assert (
        "the function blobs cannot be served here: it has the trigger 'blob' of type blobTrigger; known triggers:"
        in log
    )
    assert "the function out_ cannot be served here: it has the binding 'out' of type queue" in log


LIFESPAN = """
import azure.functions as func

async def web(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            print("seen", message["type"])
            await send({"type": f"{message['type']}.REPLY"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here"})

app = func.AsgiFunctionApp(web)
"""


def test_the_lifespan_of_an_asgi_app(serve: Serve) -> None:
    """It starts with the first request, as in Azure, and ends with the environment."""
    runtime = serve({"app.py": LIFESPAN.replace("REPLY", "complete"), **NO_PREFIX}, "app.app", AZURE)
    assert [b"here", b"here"] == [got(runtime.invoke(request("/")))[2] for _ in range(2)]
    log = runtime.end()
    assert (1, 1, False) == (
        log.count("seen lifespan.startup"),
        log.count("seen lifespan.shutdown"),
        "Exception" in log,
    )


def test_a_lifespan_that_fails(ask: Ask) -> None:
    """Every request is a 500, as in Azure."""
    files = {"app.py": LIFESPAN.replace("REPLY", "failed"), **NO_PREFIX}
    assert 500 == got(ask(files, request("/"), "app.app", AZURE))[0]


@pytest.mark.parametrize("handler", ["function_app.app", "package.function_app.app"])
def test_handler_strings(ask: Ask, handler: str) -> None:
    """The app in its module, which may be in a package."""
    path = handler.rpartition(".")[0].replace(".", "/")
    files = {f"{path}.py": app(function("return 'here'")), "package/__init__.py": ""}
    assert b"here" == got(ask(files, request(), handler, AZURE))[2]
