"""docs/coming-from/serverless-offline.md: the page's template, and the framework's own file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.coming import blocks, claim, write_page
from support.local import ServerProcess, client

CONTEXT = """
import os
def price(event, context):
    return [context.aws_request_id, context.memory_limit_in_mb, os.environ.get("IS_OFFLINE")]
def tidy(event, context): ...
"""
OPTIONS = ("--config", "template.yaml", "--convention", "lambda", "--no-reload")
AUTHORIZED = """
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Own
        Authorizers: {Own: {FunctionArn: !GetAtt price.Arn, AuthorizerPayloadFormatVersion: "2.0"}}
  Old:
    Type: AWS::Serverless::Api
    Properties:
      StageName: dev
      DefinitionBody:
        swagger: "2.0"
        paths:
          /old:
            get:
              x-amazon-apigateway-integration: {type: aws, httpMethod: POST, uri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${price.Arn}/invocations"}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The page's files."""
    return write_page("serverless-offline", tmp_path / "task")


@pytest.fixture
def server(root: Path) -> Iterator[ServerProcess]:
    """The page's template, served."""
    with ServerProcess(root, *OPTIONS) as running:
        yield running


@claim("serverless-offline", "Ports")
@claim("serverless-offline", "The functions")
@claim("serverless-offline", "Names")
@claim("serverless-offline", "Schedules")
def test_the_answers_of_the_page(server: ServerProcess) -> None:
    """A route and an invocation answer as the page shows, at one port; the schedule is listed."""
    with client(server.host) as web:
        route = web.call("GET", "/prices/tea").body.decode()
        named = web.call("POST", "/2015-03-31/functions/shop-dev-tidy/invocations", b"{}").body.decode()
    assert blocks("serverless-offline", "text") == [f"{route}\n{named}\n"]
    assert "events from schedule rate(1 hour)" in str(server.lines)


@claim("serverless-offline", "The context")
@claim("serverless-offline", "`IS_OFFLINE`")
def test_the_context(root: Path) -> None:
    """It is that of the function and of each event; the variable is there if it is set."""
    (root / "app.py").write_text(CONTEXT)
    with ServerProcess(root, *OPTIONS, "--env", "IS_OFFLINE=true") as server, client(server.host) as web:
        first, second = (web.call("GET", "/prices/tea").json for _ in range(2))
    assert first[0] != second[0]
    assert ["128", "true"] == first[1:] == second[1:]


@claim("serverless-offline", "`serverless.yml`")
def test_the_frameworks_file(root: Path) -> None:
    """It is refused in one sentence."""
    command = [sys.executable, "-m", "runtime.cli", "serve", "--config", "serverless.yml", "--port", "0"]
    done = subprocess.run(command, cwd=root, env=os.environ, capture_output=True, text=True, check=False)
    assert 2 == done.returncode
    assert "serverless.yml is not a template: it has no Resources" in done.stderr


@claim("serverless-offline", "Authorizers")
@claim("serverless-offline", "Request templates")
def test_what_is_not_offered(root: Path) -> None:
    """An authorizer is not called, which is reported; a function behind a request template gets a proxy event."""
    (root / "app.py").write_text(
        "def price(event, context):\n    return {'statusCode': 200, 'body': ' '.join(event)}\ndef tidy(event, context): ...\n"
    )
    template = root / "template.yaml"
    route = 'Properties: {Path: "/prices'
    template.write_text(template.read_text().replace(route, route.replace("{", "{ApiId: !Ref Api, ", 1)) + AUTHORIZED)
    with ServerProcess(root, *OPTIONS) as server, client(server.host) as web:
        assert "httpMethod" in web.call("GET", "/old").body.decode()
        assert "authorizers are not called here" in str(server.lines)
