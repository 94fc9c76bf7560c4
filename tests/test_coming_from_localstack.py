"""docs/coming-from/localstack.md: the page's function beside a service of moto's server, which takes LocalStack's place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto")

import boto3
from botocore.exceptions import ClientError
from support.coming import blocks, claim, write_page
from support.local import ServerProcess, client
from support.sqs import CREDENTIALS, Server

KEYS = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
PATH = "/2015-03-31/functions/prices/invocations"


@pytest.fixture(scope="module")
def cloud() -> Iterator[str]:
    """Where moto's server is, with the table of the page."""
    server = Server()
    boto3.client("dynamodb", endpoint_url=server.url, **KEYS).create_table(
        TableName="prices",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
    )
    yield server.url
    server.stop()


@pytest.fixture
def served(tmp_path: Path, cloud: str) -> Iterator[ServerProcess]:
    """The page's function, with the page's variables."""
    root = write_page("localstack", tmp_path / "task")
    arguments = ("app.handler", "--convention", "lambda", "--name", "prices", "--timeout", "30", "--no-reload")
    with ServerProcess(root, *arguments, environment={**CREDENTIALS, "AWS_ENDPOINT_URL": cloud}) as server:
        yield server


@claim("localstack", "Services")
@claim("localstack", "Licences")
@claim("localstack", "Clients inside functions")
def test_a_function_beside_other_services(served: ServerProcess) -> None:
    """The function's own client finds the table by the variable, and the answer is the page's."""
    with client(served.host) as web:
        answer = web.call("POST", PATH, b'{"name": "tea", "price": 3}').body.decode()
    assert blocks("localstack", "text") == [f"{answer}\n"]


@claim("localstack", "Creating functions")
@claim("localstack", "IAM")
def test_what_is_not_offered(served: ServerProcess) -> None:
    """Functions are not created by the API; nobody asks who a caller is."""
    aws: Any = boto3.client("lambda", endpoint_url=served.address, **KEYS)
    role = "arn:aws:iam::000000000000:role/lambda-role"
    with pytest.raises(ClientError, match="does not offer POST /2015-03-31/functions"):
        aws.create_function(
            FunctionName="new", Role=role, Code={"ZipFile": b"x"}, Handler="app.handler", Runtime="python3.13"
        )
    with client(served.host) as web:  # without a signature
        assert 200 == web.call("POST", PATH, b'{"name": "tea", "price": 3}').status
