"""Templates served by `dispatch serve`: functions, layers, routes as of API Gateway, reload."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.local import Client, Got, ServerProcess, client, save

from runtime.cli.serve_files import queue_file
from runtime.local.config.description import ApiRoute
from runtime.local.environments.platform import Platform
from runtime.local.environments.variables import variables
from runtime.local.function import FunctionConfig
from runtime.local.handler_check import handler_fault
from runtime.local.reload import Reloader
from runtime.local.web.api_paths import find

CASES = Path(__file__).parent / "cases" / "templates"
VARIABLES = (
    "import os\ndef handler(event, context):\n    return {k: v for k, v in os.environ.items() if k.startswith('T_')}\n"
)
ECHO = """
import json

def handler(event, context):
    asked = event.get("queryStringParameters") or {}
    if "raise" in asked:
        raise ValueError("as asked")
    if "stream" in asked:
        return (b"x" * 1024 * 1024 for _ in range(7))
    if "answer" in asked:
        return json.loads(asked["answer"])
    return {"statusCode": 200, "body": json.dumps(event), "headers": {"content-type": "application/json"}}
"""
TEMPLATE = """
Globals:
  Function: {Runtime: python3.13, Handler: echo.handler, CodeUri: src}
  HttpApi: {CorsConfiguration: {AllowOrigins: ["http://shop.example"], AllowMethods: [GET], MaxAge: 60}}
Resources:
  Items:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${AWS::StackName}-items"
      FunctionUrlConfig: {AuthType: NONE}
      Events:
        List: {Type: HttpApi, Properties: {Path: /items, Method: get}}
        One: {Type: HttpApi, Properties: {Path: "/items/{id}", Method: any}}
        Special: {Type: HttpApi, Properties: {Path: /items/special, Method: GET}}
        Old: {Type: HttpApi, Properties: {Path: /old, Method: get, PayloadFormatVersion: "1.0"}}
        Hidden: {Type: HttpApi, Properties: {Path: /, Method: get}}
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        One: {Type: Api, Properties: {Path: "/orders/{id}", Method: get}}
        Rest: {Type: Api, Properties: {Path: "/files/{proxy+}", Method: any}}
        Own: {Type: Api, Properties: {Path: /own, Method: post, RestApiId: !Ref Own}}
        Queue: {Type: SQS, Properties: {Queue: x}}
        Table: {Type: DynamoDB, Properties: {Stream: x}}
  Own: {Type: AWS::Serverless::Api, Properties: {StageName: v1}}
  Staged: {Type: AWS::Serverless::HttpApi, Properties: {StageName: dev}}
  Others:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        All: {Type: HttpApi, Properties: {ApiId: !Ref Staged, Path: /staged, Method: get}}
  Layer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer}}
  Layered: {Type: AWS::Serverless::Function, Properties: {Handler: layered.handler, Layers: [!Ref Layer]}}
  InLayer: {Type: AWS::Serverless::Function, Properties: {Handler: shared.handler, Layers: [!Ref Layer]}}
  Disabled: {Type: AWS::Serverless::Function, Properties: {ReservedConcurrentExecutions: 0}}
  NoModule: {Type: AWS::Serverless::Function, Properties: {Handler: nowhere.handler}}
  NoName: {Type: AWS::Serverless::Function, Properties: {Handler: echo.handle}}
  Unreadable: {Type: AWS::Serverless::Function, Properties: {Handler: unreadable.handler}}
CHILDREN
"""
LAYERED = (
    "import os, shared\ndef handler(event, context):\n    return [shared.WHERE, os.environ['PATH'].split(':')[0]]\n"
)
#: The cases that are nested in it: the names of their functions, and what these answer, if it is remarkable.
NESTED: dict[str, tuple[str, dict[str, str] | None]] = {
    "booleans": ("Fn", None),
    "conditions": ("Nconditions-Fn", {"T_MODE": "development"}),
    "parameters-without-value": ("Nparameterswithoutvalue-Fn", {"T_TABLE": "TableName"}),
    "select-in-policies": ("Nselectinpolicies-Fn", {"T_SUFFIX": "1234567db123"}),
    "foreach": ("Nforeach-Fn", {}),
    "null-parameter": ("Nnullparameter-Fn", {}),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of the template above, in which the cases that answer with variables are nested."""
    root = tmp_path_factory.mktemp("served")
    shutil.copytree(CASES, root, dirs_exist_ok=True)
    for folder in ("src", "layer/python", *(f"{case}/src" for case in NESTED)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "app.py").write_text(VARIABLES)
    (root / "null-parameter" / "app.py").write_text(VARIABLES)
    (root / "src" / "echo.py").write_text(ECHO)
    (root / "src" / "layered.py").write_text(LAYERED)
    (root / "src" / "unreadable.py").write_text("def handler(:\n")
    (root / "layer" / "python" / "shared.py").write_text(
        "WHERE = 'layer'\ndef handler(event, context): return 'from the layer'\n"
    )
    kind = "AWS::Serverless::Application"
    children = [
        f"  N{case.replace('-', '')}: {{Type: {kind}, Properties: {{Location: {case}/template.yaml}}}}"
        for case in NESTED
    ]
    (root / "template.yaml").write_text(TEMPLATE.replace("CHILDREN", "\n".join(children)))
    with ServerProcess(root, "--config", "template.yaml", "--no-reload") as running:
        yield running


@pytest.fixture
def web(server: ServerProcess) -> Iterator[Client]:
    """A connection."""
    with client(server.host) as one:
        yield one


def invoke(web: Client, name: str, event: str = "{}") -> Got:
    """Invoke a function by boto3's path."""
    return web.call("POST", f"/2015-03-31/functions/{name}/invocations", event)


def test_variables_of_the_cases(web: Client) -> None:
    """What the function sees, in a process of its own."""
    found = {name: invoke(web, name).json for name, _ in NESTED.values()}
    assert ("true", "false", "", "x-true") == tuple(found["Fn"][name] for name in ("T_A", "T_B", "T_K", "T_L"))
    expected = {name: answer for name, answer in NESTED.values() if answer is not None}
    assert expected == {name: found[name] for name in expected}


def test_a_function_has_two_names(web: Client) -> None:
    """Its own one, and the logical id; the answer names its own."""
    for name in ("local-items", "Items"):
        answer = invoke(web, name, '{"a": 1}')
        assert {"a": 1} == json.loads(answer.json["body"])
    assert "local-items" == web.call("GET", "/2015-03-31/functions/Items/configuration").json["FunctionName"]
    for name in ("local-items", "Items", "items"):
        assert "/x" == web.call("GET", f"/lambda-url/{name}/x").json["rawPath"]


def test_layers_are_mounted(web: Client, server: ServerProcess) -> None:
    """Their modules can be imported, also as the handler's own, and their programs are found."""
    layer = server.root / "layer"
    assert ["layer", str(layer / "bin")] == invoke(web, "Layered").json
    assert "from the layer" == invoke(web, "InLayer").json


def test_a_function_that_is_switched_off(web: Client, server: ServerProcess) -> None:
    """A reserved concurrency of 0 refuses every event, as on Lambda."""
    assert (429, "Rate Exceeded.") == ((answer := invoke(web, "Disabled")).status, answer.json["message"])
    assert {"ReservedConcurrentExecutions": 0} == web.call("GET", "/2019-09-30/functions/Disabled/concurrency").json
    server.line("Disabled: its ReservedConcurrentExecutions is 0")


def test_handlers_are_looked_at(server: ServerProcess) -> None:
    """What cannot be found is said at the start, with what there is instead; the rest is not mentioned."""
    there = "it has: app.py, echo.py, layered.py, unreadable.py"
    assert server.line("dispatch: NoModule: ").endswith(f"no module nowhere in {server.root / 'src'}; {there}")
    assert server.line("dispatch: NoName: ").endswith(
        "the handler cannot be found: no 'handle' in echo.py; it has: handler"
    )
    assert "unreadable.py:1: SyntaxError: " in server.line("dispatch: Unreadable: ")
    told = {line.split(": ")[1] for line in server.lines if "the handler cannot be found" in line}
    assert {"NoModule", "NoName", "Unreadable"} == told


def test_addresses_are_printed(server: ServerProcess) -> None:
    """A function's URL in both forms, the routes with their functions, and what is not delivered."""
    port = server.host.partition(":")[2]
    assert (
        f"    {server.address}/lambda-url/local-items/  http://local-items.lambda-url.localhost:{port}/"
        == server.line("/lambda-url/")
    )
    assert f"  ServerlessHttpApi: http://serverlesshttpapi.execute-api.localhost:{port}/" in server.lines
    assert f"  ServerlessRestApi: http://serverlessrestapi.execute-api.localhost:{port}/Prod/" in server.lines
    assert f"    GET {server.address}/items -> local-items" in server.lines
    assert f"    GET {server.address}/ -> local-items; GET is the server's own there" in server.lines
    server.line("events that are not delivered here: Orders.Table (DynamoDB)")
    server.line("Orders.Queue is not polled: a template's queues are polled only if AWS_ENDPOINT_URL_SQS names the")


def test_routes_of_an_http_api(web: Client) -> None:
    """Payload 2.0, with the route that is most specific."""
    event = web.call("GET", "/items/a%20b?x=1&x=2", headers={"Cookie": "a=b"}).json
    assert ("2.0", "ANY /items/{id}", {"id": "a b"}) == (event["version"], event["routeKey"], event["pathParameters"])
    assert ("/items/a b", "x=1&x=2", ["a=b"]) == (event["rawPath"], event["rawQueryString"], event["cookies"])
    context = event["requestContext"]
    assert ("$default", "ServerlessHttpApi", "GET") == (context["stage"], context["apiId"], context["http"]["method"])
    assert "GET /items/special" == web.call("GET", "/items/special").json["routeKey"]
    assert "ANY /items/{id}" == web.call("POST", "/items/special", "text").json["routeKey"]
    assert "GET /items" == web.call("GET", "/items").json["routeKey"]
    assert (404, {"message": "Not Found"}) == ((answer := web.call("POST", "/items", "")).status, answer.json)
    old = web.call("GET", "/old").json
    assert ("1.0", "/old", "/old") == (old["version"], old["path"], old["resource"])


def test_routes_of_a_rest_api(web: Client) -> None:
    """Payload 1.0."""
    event = web.call("GET", "/orders/7?x=1&x=2").json
    assert ("/orders/{id}", "/orders/7", {"id": "7"}) == (event["resource"], event["path"], event["pathParameters"])
    assert {"x": ["1", "2"]} == event["multiValueQueryStringParameters"]
    context = event["requestContext"]
    assert ("Prod", "/orders/7", "/orders/{id}") == (context["stage"], context["path"], context["resourcePath"])
    assert {"proxy": "a/b%20c"} == web.call("PUT", "/files/a/b%20c", "x").json["pathParameters"]
    assert (403, "Missing Authentication Token") == (
        (answer := web.call("DELETE", "/orders/7")).status,
        answer.json["message"],
    )


def test_addresses_of_apis(web: Client) -> None:
    """By path and by host name; the stage is in the path as on AWS."""
    rest = web.call("GET", "/execute-api/ServerlessRestApi/Prod/orders/7").json
    assert ("/orders/7", "/Prod/orders/7") == (rest["path"], rest["requestContext"]["path"])
    own = web.call("POST", "/v1/own", "", {"Host": "own.execute-api.localhost"}).json
    assert ("v1", "Own") == (own["requestContext"]["stage"], own["requestContext"]["apiId"])
    assert "/dev/staged" == web.call("GET", "/execute-api/Staged/dev/staged").json["rawPath"]
    assert "GET /" == web.call("GET", "/", headers={"Host": "serverlesshttpapi.execute-api.localhost"}).json["routeKey"]
    assert 403 == web.call("GET", "/execute-api/ServerlessRestApi/Other/orders/7").status
    assert 404 == web.call("GET", "/execute-api/ServerlessHttpApi/nowhere").status
    assert 404 == web.call("GET", "/execute-api/nowhere/x").status
    assert 501 == web.call("POST", "/2015-03-31/nowhere", "").status
    assert b"<!doctype html>" in web.call("GET", "/").body.lower()


@pytest.mark.parametrize(
    ("path", "answer", "status", "body"),
    [
        ("/items", {"statusCode": 201, "body": "made"}, 201, b"made"),
        ("/items", [1], 200, b"[1]"),
        ("/items", {"statusCode": "x"}, 500, b'{"message":"Internal Server Error"}'),
        ("/orders/1", {"statusCode": 404, "body": "none"}, 404, b"none"),
        ("/orders/1", [1], 502, b'{"message":"Internal server error"}'),
        ("/orders/1", {"body": "no status"}, 502, b'{"message":"Internal server error"}'),
        ("/orders/1", {"statusCode": 200, "multiValueHeaders": [1]}, 502, b'{"message":"Internal server error"}'),
        ("/orders/1", {"statusCode": 200, "body": "aGk=", "isBase64Encoded": True}, 200, b"hi"),
    ],
)
def test_answers_of_routes(web: Client, path: str, answer: Any, status: int, body: bytes) -> None:
    """As API Gateway takes them in each format."""
    got = web.call("GET", f"{path}?answer={json.dumps(answer).replace(' ', '%20')}")
    assert (status, body) == (got.status, got.body)


@pytest.mark.parametrize(("path", "status"), [("/items", 500), ("/orders/1", 502)])
def test_an_answer_that_is_too_large_for_a_route(web: Client, path: str, status: int) -> None:
    """It is refused whole, never sent in part."""
    assert status == web.call("GET", f"{path}?stream=1").status


def test_a_function_that_fails_for_a_route(web: Client) -> None:
    """Each kind of API has an answer of its own for it."""
    assert (500, "Internal Server Error") == (
        (answer := web.call("GET", "/items?raise=1")).status,
        answer.json["message"],
    )
    assert (502, "Internal server error") == (
        (answer := web.call("GET", "/orders/1?raise=1")).status,
        answer.json["message"],
    )


def test_repeated_headers_of_a_rest_api(web: Client) -> None:
    """`multiValueHeaders` replaces `headers` of the same names."""
    answer = {"statusCode": 200, "headers": {"x-a": "1", "X-B": "2"}, "multiValueHeaders": {"x-b": ["3", "4"]}}
    got = web.call("GET", f"/orders/1?answer={json.dumps(answer).replace(' ', '%20')}")
    assert ("1", "4") == (got.headers["x-a"], got.headers["x-b"])


def test_cross_origin_rules_of_an_api(web: Client) -> None:
    """The API answers a browser's question itself; other origins are refused."""
    origin = {"Origin": "http://shop.example"}
    asked = web.call("OPTIONS", "/items", headers={**origin, "Access-Control-Request-Method": "GET"})
    assert (204, "GET", "60") == (
        asked.status,
        asked.headers["access-control-allow-methods"],
        asked.headers["access-control-max-age"],
    )
    assert "http://shop.example" == web.call("GET", "/items", headers=origin).headers["access-control-allow-origin"]
    assert 403 == web.call("GET", "/items", headers={"Origin": "http://other.example"}).status
    assert 403 == web.call("GET", "/orders/1", headers=origin).status


def test_a_bad_edit_does_not_end_reloading(tmp_path: Path) -> None:
    """Whatever is saved, one line says what is wrong, what was served goes on, and the next change counts."""
    (tmp_path / "app.py").write_text("import os, one\ndef handler(event, context): return [os.environ['V'], one.X]\n")
    (tmp_path / "layer" / "python").mkdir(parents=True)
    (tmp_path / "layer" / "python" / "one.py").write_text("X = 1\n")
    (tmp_path / "child").mkdir()
    head = "Resources:\n  Layer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer}}\n"
    good = (
        head
        + "  Fn: {Type: AWS::Serverless::Function, Properties: {Handler: app.handler, Runtime: python3.13, Layers: [!Ref Layer], Environment: {Variables: {V: 'VALUE'}}}}\n"
    )
    nested = "  Child: {Type: AWS::Serverless::Application, Properties: {Location: child/template.yaml}}\n"
    config = tmp_path / "template.yaml"
    config.write_text(good)
    with ServerProcess(tmp_path, "--config", "template.yaml") as server, client(server.host) as web:
        assert ["VALUE", 1] == invoke(web, "Fn").json
        bad = ["a: [", "Resources: {Fn: 5}", "x: !!bool y", "- " * 2000]
        for number, text in enumerate(bad, start=1):
            save(config, text)
            server.line("; the functions are as before", number)
            assert ["VALUE", 1] == invoke(web, "Fn").json
        save(config, good.replace("VALUE", "second") + nested)
        server.line("no such file or folder")
        server.line("template.yaml again")
        assert ["second", 1] == invoke(web, "Fn").json
        save(tmp_path / "layer" / "python" / "one.py", "X = 22\n")
        server.line("one.py")
        assert ["second", 22] == invoke(web, "Fn").json
        save(config, good.replace("VALUE", "third"))
        server.line("template.yaml again", 2)
        assert ["third", 22] == invoke(web, "Fn").json
    assert not [line for line in server.lines if "Traceback" in line or "reloading has stopped" in line]


def test_parameters_on_the_command_line(tmp_path: Path) -> None:
    """`--parameter` gives values; parameters without one are named."""
    (tmp_path / "app.py").write_text(VARIABLES)
    (tmp_path / "template.yaml").write_text(
        "Parameters: {A: {Type: String}, B: {Type: String, Default: b}, C: {Type: String}}\n"
        "Resources: {Fn: {Type: AWS::Serverless::Function, Properties: {Handler: app.handler, Runtime: python3.13, "
        "Environment: {Variables: {T_A: !Ref A, T_B: !Ref B, T_C: !Ref C}}}}}\n"
    )
    given = ("--parameter", "A=1=2", "--parameter", "B=")
    with (
        ServerProcess(tmp_path, "--config", "template.yaml", "--no-reload", *given) as server,
        client(server.host) as web,
    ):
        assert {"T_A": "1=2", "T_B": "", "T_C": "C"} == invoke(web, "Fn").json
        assert "dispatch: template.yaml: parameters without a value: C; pass --parameter NAME=VALUE" in server.lines


def test_a_machine_without_a_home(tmp_path: Path) -> None:
    """The queue is in memory, which is said; an asynchronous event is handled all the same."""
    (tmp_path / "app.py").write_text("def handler(event, context):\n    print('handled')\n")
    blocked = tmp_path / "file"
    blocked.touch()
    environment = {"HOME": str(blocked), "XDG_STATE_HOME": "", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    served = ("app.handler", "--convention", "lambda", "--no-reload")
    with ServerProcess(tmp_path, *served, environment=environment) as server, client(server.host) as web:
        assert "it is in memory" in server.line("cannot keep the queue in")
        asynchronous = {"X-Amz-Invocation-Type": "Event"}
        assert 202 == web.call("POST", "/2015-03-31/functions/function/invocations", "{}", asynchronous).status
        server.line("handled")


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        ("app.handler", ""),
        ("pkg/mod.handler", ""),
        ("app.py", ""),
        ("tool.f", ""),
        ("event.upper()", ""),
        ("import app; app.handler", ""),
        ("import json; json.loads(event)['id'] + 1", ""),
        ("json.dumps", ""),
        ("star.anything", ""),
        ("lazy.anything", ""),
        ("len", ""),
        ("app.handle", "no 'handle' in app.py; it has: handler"),
        ("nope.handler", "no module nope in ROOT; it has: app.py, lazy.py, pkg/, star.py, tool.sh"),
        ("pkg.nope.handler", "no module pkg.nope in ROOT; pkg/ has: mod.py"),
        ("nope.py", "no file nope.py in ROOT; it has: app.py, lazy.py, pkg/, star.py, tool.sh"),
        ("app:handler", "'app:handler' does not name a handler: the colon is how web servers"),
        ("app.handler ", "'app.handler ' does not name a handler: there are spaces or line ends around it"),
        ("app", "'app' does not name a handler: no file app in ROOT"),
        ("x = 1", "'x = 1' does not name a handler: no file x = 1 in ROOT"),
        ("a b", "'a b' does not name a handler: no file a b in ROOT"),
        ("../app.handler", "the handler ../app.handler would leave the task root ROOT"),
    ],
)
def test_what_can_be_seen_of_a_handler(tmp_path: Path, handler: str, told: str) -> None:
    """Without running any code; what only running it shows is not mentioned."""
    (tmp_path / "pkg").mkdir()
    files = {
        "app.py": "def handler(): ...\nraise SystemExit('is never run')\n",
        "pkg/mod.py": "from app import handler\n",
        "star.py": "from os import *\n",
        "lazy.py": "def __getattr__(name): ...\n",
        "tool.sh": "f() { :; }\n",
    }
    for name, source in files.items():
        (tmp_path / name).write_text(source)
    fault = handler_fault(FunctionConfig(handler=handler, root=tmp_path))
    assert fault.startswith(told.replace("ROOT", str(tmp_path))) if told else not fault


def test_a_user_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs with a number of its own: neither HOME nor an entry among the users."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert Path("/.local/state/dispatch") == queue_file(tmp_path).parent
    assert "app.handler" == variables(FunctionConfig(handler="app.handler", root=tmp_path), "", "")["_HANDLER"]


def test_whatever_reading_raises_is_reported(tmp_path: Path) -> None:
    """In one line, and the next change is tried."""
    config, told, raised = tmp_path / "template.yaml", [], [IndexError("list index\nout of range"), RecursionError()]
    config.touch()

    async def read_again() -> None:
        if raised:
            raise raised.pop(0)

    async def reload() -> None:
        async with Platform([FunctionConfig(root=tmp_path)]) as platform:
            changed = asyncio.Event()

            def notify(text: str) -> None:
                told.append(text)
                changed.set()

            reloading = asyncio.ensure_future(Reloader(platform, notify, config).run(read_again))
            for number in range(1, 4):
                while len(told) < number:
                    changed.clear()
                    save(config, f"# {number} {time.monotonic()}")
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), 1)
            reloading.cancel()

    asyncio.run(asyncio.wait_for(reload(), 60))
    assert f"cannot read {config} again: IndexError: list index out of range" == told[0]
    assert f"cannot read {config} again: RecursionError: " == told[1]
    assert told[2].startswith(f"read {config} again in ")


ROUTES = [
    ApiRoute("A", "any", "ANY", "/x/{id}"),
    ApiRoute("A", "get", "GET", "/x/{id}"),
    ApiRoute("A", "fixed", "ANY", "/x/y"),
    ApiRoute("A", "greedy", "GET", "/x/{rest+}"),
    ApiRoute("A", "deep", "GET", "/x/{id}/z"),
    ApiRoute("A", "default"),
    ApiRoute("B", "staged", "GET", "/", "dev", rest=True, payload="1.0"),
]


@pytest.mark.parametrize(
    ("method", "path", "function", "values"),
    [
        ("GET", "/x/1", "get", {"id": "1"}),
        ("PUT", "/x/1", "any", {"id": "1"}),
        ("GET", "/x/y", "fixed", {}),
        ("GET", "/x/%79", "fixed", {}),
        ("GET", "/x/1/z", "deep", {"id": "1"}),
        ("GET", "/x/1/2/3", "greedy", {"rest": "1/2/3"}),
        ("GET", "/x/1/", "greedy", {"rest": "1/"}),
        ("PUT", "/x/1/2", "default", {}),
        ("GET", "/x/", "default", {}),
        ("GET", "/execute-api/a/x/y", "fixed", {}),
        ("GET", "/execute-api/B/dev", "staged", {}),
        ("GET", "/execute-api/B/dev/", "staged", {}),
        ("GET", "/execute-api/B/", None, {}),
        ("GET", "/execute-api/B/dev/x", None, {}),
    ],
)
def test_the_most_specific_route_is_taken(method: str, path: str, function: str | None, values: dict[str, str]) -> None:
    """Fixed parts before variables before the rest of the path; then the method's own route."""
    place = find(ROUTES, method, path)
    assert (function, values) == (place.route and place.route.function, place.values)
