"""docs/coming-from/chalice.md: the page's application, where Chalice is installed; what it needs of us, everywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support.coming import FOLDER, blocks, claim, write_page
from support.http_events import EVENTS, changed
from support.local import ServerProcess, client
from support.runtime import Ask

from dispatch import http

needs_chalice = pytest.mark.skipif(find_spec("chalice") is None, reason="Chalice is not installed: pip install chalice")

#: Objects as Chalice has them: an application is an instance, a decorated function an object that can be called.
LIKE_CHALICE = """
class Application:
    def __call__(self, event, context):
        if "resourcePath" not in event.get("requestContext", {}):
            return {"statusCode": 500, "body": "Unknown request."}
        return {"statusCode": 200, "body": event["pathParameters"]["name"]}

    def route(self, function):
        return lambda event, context: function(event)

app = Application()

@app.route
def ship(event):
    return [record["body"] for record in event["Records"]]
"""
#: The template's part that `chalice package` writes for routes.
TEMPLATE: Mapping[str, Any] = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Resources": {
        "RestAPI": {
            "Type": "AWS::Serverless::Api",
            "Properties": {
                "StageName": "api",
                "DefinitionBody": {
                    "swagger": "2.0",
                    "paths": {
                        "/prices/{name}": {
                            "get": {
                                "x-amazon-apigateway-integration": {
                                    "type": "aws_proxy",
                                    "httpMethod": "POST",
                                    "uri": {
                                        "Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${APIHandler.Arn}/invocations"
                                    },
                                }
                            }
                        }
                    },
                },
            },
        },
        "APIHandler": {
            "Type": "AWS::Serverless::Function",
            "Properties": {"Runtime": "python3.13", "Handler": "app.app", "CodeUri": "."},
        },
        "Ship": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Runtime": "python3.13",
                "Handler": "app.ship",
                "CodeUri": ".",
                "Events": {"Hourly": {"Type": "Schedule", "Properties": {"Schedule": "rate(1 hour)"}}},
            },
        },
    },
}


@claim("chalice", "The handler")
@claim("chalice", "The runtime")
@claim("chalice", "Function URLs and HTTP APIs")
def test_objects_that_can_be_called(ask: Ask) -> None:
    """An instance and what a decorator has made of a function serve as functions do; events are passed on as they come."""
    asked = {**EVENTS[http.REST_API], "pathParameters": {"name": "tea"}}
    asked["requestContext"] = {**asked["requestContext"], "resourcePath": "/prices/{name}"}
    answers = [
        ask(LIKE_CHALICE, json.dumps(event).encode(), handler, "lambda").body
        for event, handler in (
            (asked, "app.app"),
            (changed(http.FUNCTION_URL), "app.app"),
            ({"Records": [{"body": "tea"}]}, "app.ship"),
        )
    ]
    assert ["tea", "Unknown request."] == [json.loads(answer)["body"] for answer in answers[:2]]
    assert b'["tea"]' == answers[2]


@claim("chalice", "Local runs")
@claim("chalice", "Deployment")
def test_a_packaged_template(tmp_path: Path) -> None:
    """Routes and functions of a template as Chalice packages it are served."""
    root = tmp_path / "task"
    root.mkdir()
    (root / "sam.json").write_text(json.dumps(TEMPLATE))
    (root / "app.py").write_text(LIKE_CHALICE)
    with ServerProcess(root, "--config", "sam.json", "--convention", "lambda", "--no-reload") as server:
        with client(server.host) as web:
            assert b"tea" == web.call("GET", "/prices/tea").body
            shipped = web.call("POST", "/2015-03-31/functions/Ship/invocations", b'{"Records": [{"body": "cup"}]}')
        assert "events from schedule rate(1 hour)" in str(server.lines)
    assert ["cup"] == shipped.json


@claim("chalice", "Streamed answers")
@claim("chalice", "New routes")
def test_what_there_is_instead(ask: Ask) -> None:
    """A generator outside of a route streams; an object with routes is no convention of its own."""
    assert (
        b"onetwo"
        == ask("def app(event, context):\n    yield 'one'\n    yield 'two'\n", b"{}", "app.app", "lambda").body
    )
    assert "Runtime.UnknownConvention" in _explained("chalice")


def _explained(convention: str) -> str:
    command = [sys.executable, "-m", "runtime.cli", "run", "json.dumps", "--convention", convention]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL).stderr


@pytest.fixture
def packaged(tmp_path: Path) -> Path:
    """The page's application and what `chalice package` makes of it, with the page's configuration."""
    root = write_page("chalice", tmp_path / "task")
    (root / ".chalice").mkdir()
    (config,) = blocks("chalice", "json")
    (root / ".chalice" / "config.json").write_text(config)
    (root / "requirements.txt").write_text("")
    command = [str(Path(sys.executable).parent / "chalice"), "package", "packaged"]
    subprocess.run(
        command, cwd=root, env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"}, check=True, capture_output=True
    )
    return root


@needs_chalice
@claim("chalice", "Events and answers")
def test_the_application(packaged: Path) -> None:
    """The page's commands, with Chalice itself: its template is served, its layer and variables are in it."""
    functions = json.loads((packaged / "packaged" / "sam.json").read_text())["Resources"]
    properties = functions["APIHandler"]["Properties"]
    assert ["arn:aws:lambda:eu-central-1:123456789012:layer:dispatch:1"] == properties["Layers"]
    assert {"AWS_LAMBDA_EXEC_WRAPPER", "HANDLER_CONVENTION"} == set(properties["Environment"]["Variables"])
    with ServerProcess(packaged, "--config", "packaged/sam.json", "--no-reload") as server, client(server.host) as web:
        answers = [web.call("GET", "/prices/tea"), web.call("POST", "/2015-03-31/functions/Plain/invocations", b"{}")]
    assert blocks("chalice", "text") == ["".join(f"{answer.body.decode()}\n" for answer in answers)]


@needs_chalice
@claim("chalice", "Tests")
def test_a_test_client(tmp_path: Path) -> None:
    """Chalice's own client, and the application as on Lambda, in one test of pytest."""
    root = write_page("chalice", tmp_path / "task")
    (root / "test_app.py").write_text(
        "from chalice.test import Client\nfrom app import app\n"
        "def test_both(invoke):\n"
        "    with Client(app) as client:\n"
        "        assert client.http.get('/prices/tea').json_body == {'tea': 3}\n"
        "    event = {'Records': [{'body': 'tea', 'receiptHandle': '1'}]}\n"
        "    assert 'shipping tea' in invoke('app.ship', event, convention='lambda').log\n"
    )
    done = subprocess.run([sys.executable, "-m", "pytest", "-q"], cwd=root, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout


def test_the_version() -> None:
    """The page says which version was tried."""
    assert re.search(r"Chalice \d+\.\d+\.\d+ on Python 3\.\d+", (FOLDER / "chalice.md").read_text())
