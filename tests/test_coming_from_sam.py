"""docs/coming-from/sam.md: the page's template, served and invoked as `sam local` would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.coming import blocks, claim, write_page
from support.local import ServerProcess, client

from runtime.testing import Invoker
from runtime.testing.samples import sample

AUTHORIZED = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Own
        Authorizers: {Own: {FunctionArn: !GetAtt Price.Arn, AuthorizerPayloadFormatVersion: "2.0"}}
  Price:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.variables
      Environment: {Variables: {STAGE: template, ZONE: template}}
      Events: {Get: {Type: HttpApi, Properties: {ApiId: !Ref Api, Path: "/prices", Method: get}}}
"""
VARIABLES = """
import os, pathlib
def variables(event, context):
    pathlib.Path("written").write_text("x")
    return {"STAGE": os.environ["STAGE"], "ZONE": os.environ["ZONE"], "OWN": os.environ.get("OWN"), "CONTEXT": list(event["requestContext"])}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The page's template, without a docker on the path."""
    root = write_page("sam", tmp_path_factory.mktemp("sam") / "task")
    environment = {"PATH": "/usr/bin:/bin", "DOCKER_HOST": "tcp://127.0.0.1:1"}
    with ServerProcess(root, "--config", "template.yaml", "--no-reload", environment=environment) as server:
        yield server


def command(server: ServerProcess, *arguments: str) -> str:
    """The standard output of `dispatch`, with the server as its endpoint."""
    environment = {**os.environ, "AWS_ENDPOINT_URL_LAMBDA": server.address}
    words = [sys.executable, "-m", "runtime.cli", *arguments]
    return subprocess.run(words, env=environment, cwd=server.root, capture_output=True, text=True, check=True).stdout


@claim("sam", "Containers")
@claim("sam", "`sam local start-api`")
@claim("sam", "`sam local start-lambda`")
@claim("sam", "`sam local invoke`")
def test_the_answers_of_the_page(served: ServerProcess) -> None:
    """A route and an invocation answer as the page shows, from one server, with nothing of Docker in reach."""
    with client(served.host) as web:
        route = web.call("GET", "/prices/tea").body.decode()
        assert 404 == web.call("GET", "/prices/nothing").status
    (served.root / "event.json").write_text("{}")
    assert "GET http://127.0.0.1:9000/prices/{name} -> Price".replace("127.0.0.1:9000", served.host) in str(
        served.lines
    )
    assert blocks("sam", "text") == [f"{route}\n{command(served, 'invoke', 'Report', '-f', 'event.json')}\n"]


@claim("sam", "Clients")
def test_boto3(served: ServerProcess) -> None:
    """A client finds the functions by the ids of the template, and waiters work."""
    boto3 = pytest.importorskip("boto3")
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    aws = boto3.client("lambda", endpoint_url=served.address, **keys)
    aws.get_waiter("function_active_v2").wait(FunctionName="Report")
    assert {"Price", "Report"} == {one["FunctionName"] for one in aws.list_functions()["Functions"]}
    assert 2 == json.load(aws.invoke(FunctionName="Report")["Payload"])["things"]
    assert [] == aws.list_event_source_mappings()["EventSourceMappings"]


@claim("sam", "Authorizers")
@claim("sam", "Variables")
@claim("sam", "The code's folder")
def test_what_a_function_finds(tmp_path: Path) -> None:
    """No authorizer is called, which is reported; an option wins over the template and it over the shell, whose others are there; it can write."""
    root = tmp_path / "task"
    root.mkdir()
    (root / "template.yaml").write_text(AUTHORIZED)
    (root / "app.py").write_text(VARIABLES)
    environment = {"STAGE": "shell", "OWN": "shell"}
    options = ("--env", "ZONE=option", "--convention", "lambda")
    with ServerProcess(root, "--config", "template.yaml", "--no-reload", *options, environment=environment) as server:
        with client(server.host) as web:
            found = web.call("GET", "/prices").json
        assert "authorizers are not called here" in str(server.lines)
    assert ("option", "template", "shell") == (found["ZONE"], found["STAGE"], found["OWN"])
    assert "authorizer" not in found["CONTEXT"]
    assert "x" == (root / "written").read_text()


@claim("sam", "Authorizers")
def test_an_authorizer_in_tests() -> None:
    """`sample` sets what an authorizer would add."""
    event: Any = sample("http-api", authorizer={"lambda": {"user": "Ada"}})
    with Invoker() as invoke:
        result = invoke(lambda event, _: event["requestContext"]["authorizer"], event, convention="lambda")
    assert {"lambda": {"user": "Ada"}} == result.json
