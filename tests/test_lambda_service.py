"""`lambda_service` and `sample`: functions that unmodified boto3 invokes, queues that are polled, events to send."""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto")

import boto3
import requests
from aws_lambda_powertools.utilities.data_classes import (
    APIGatewayProxyEvent,
    CloudWatchLogsEvent,
    KinesisStreamEvent,
    S3Event,
    SNSEvent,
    SQSEvent,
)
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer
from support.files import write
from support.process import await_true

from dispatch import http
from runtime.local import samples
from runtime.testing import Invoker
from runtime.testing.lambda_service import LambdaService
from runtime.testing.lambda_service import lambda_service as serving

Serve = Callable[..., LambdaService]
Sample = Callable[..., dict[str, Any]]

APP = """
import json
from pathlib import Path

def echo(event, context):
    return event

def ticks(event, context):
    yield "tick"
    yield "tock"

def keep(event, context):
    with Path("kept").open("a") as file:
        file.write(json.dumps(event) + chr(10))
    if event.get("fail") and len(Path("kept").read_text().splitlines()) < 3:
        raise ValueError("again")

def batch(event, context):
    bodies = {record["messageId"]: record["body"] for record in event["Records"]}
    with Path("kept").open("a") as file:
        file.write(json.dumps(sorted(bodies.values())) + chr(10))
    return {"batchItemFailures": [{"itemIdentifier": id} for id, body in bodies.items() if body == "bad"]}

def queues(event, context):
    import boto3
    return boto3.client("sqs").list_queues()["QueueUrls"]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with functions."""
    return write(tmp_path / "functions", {"app.py": APP})


def kept(root: Path, lines: int) -> list[Any]:
    """What the functions have kept, once it has so many lines."""
    file = root / "kept"

    def found() -> list[str] | None:
        texts = file.read_text().splitlines() if file.exists() else []
        return texts if len(texts) >= lines else None

    return [json.loads(line) for line in await_true(found, f"line {lines} of what is kept")]


def test_functions_of_modules(lambda_service: Serve, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function itself can be served if a handler string names it."""
    monkeypatch.syspath_prepend(write(root, {"served.py": APP}))
    served: Any = import_module("served")
    reply = lambda_service(served.echo, convention="lambda").client().invoke(FunctionName="function", Payload="[1]")
    assert b"[1]" == reply["Payload"].read()
    with pytest.raises(ValueError, match="no handler string names <function"):
        lambda_service(lambda: None)


def test_boto3(lambda_service: Serve, root: Path) -> None:
    """A client that code under test makes itself finds the functions, answers, errors and streams."""
    lambda_service("app.echo", name="echo", convention="lambda", root=root)
    service = lambda_service("app.ticks", name="ticks", convention="lambda", root=root)
    client = boto3.client("lambda")
    assert b'{"a": 1}' == client.invoke(FunctionName="echo", Payload=b'{"a": 1}')["Payload"].read()
    events = client.invoke_with_response_stream(FunctionName="ticks")["EventStream"]
    assert b"ticktock" == b"".join(each["PayloadChunk"]["Payload"] for each in events if "PayloadChunk" in each)
    with pytest.raises(ClientError, match="Function not found"):
        service.client().invoke(FunctionName="nosuch")
    assert any(line.startswith("REPORT RequestId") for line in service.log)


def test_events(lambda_service: Serve, root: Path) -> None:
    """An asynchronous event is tried again, soon."""
    client = lambda_service("app.keep", convention="lambda", root=root).client()
    assert 202 == client.invoke(FunctionName="function", InvocationType="Event", Payload=b'{"fail": 1}')["StatusCode"]
    assert [{"fail": 1}] * 3 == kept(root, 3)


def test_the_environment_is_put_back(lambda_service: Serve) -> None:
    """The service is found while the test runs."""
    assert lambda_service("event").url == os.environ["AWS_ENDPOINT_URL_LAMBDA"]


def test_after_it() -> None:
    """Nothing is left."""
    assert "AWS_ENDPOINT_URL_LAMBDA" not in os.environ


def test_ignored_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where configured endpoints are ignored, code under test still does not reach AWS."""
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    with serving() as service:
        assert service.url == boto3.client("lambda").meta.endpoint_url
    assert "true" == os.environ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of moto's server."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", f"http://{host}:{port}")
    yield boto3.client("sqs", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    server.stop()


def test_a_queue(lambda_service: Serve, invoke: Invoker, sqs: Any, root: Path) -> None:
    """A queue is polled for a function; what it has handled is deleted, what failed comes back."""
    url = sqs.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    assert url in invoke("app.queues", convention="lambda", root=root, real=True).json
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client = lambda_service("app.batch", convention="lambda", root=root).client()
    for body in ("good", "bad"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    reports = ["ReportBatchItemFailures"]
    mapping = client.create_event_source_mapping(
        EventSourceArn=arn, FunctionName="function", BatchSize=5, FunctionResponseTypes=reports
    )
    batches = kept(root, 3)
    bodies = [body for batch in batches for body in batch]
    assert (1, True) == (bodies.count("good"), bodies.count("bad") >= 2)

    assert [mapping["UUID"]] == [
        each["UUID"] for each in client.list_event_source_mappings(FunctionName="function")["EventSourceMappings"]
    ]
    assert "Disabled" == client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)["State"]
    described = client.get_event_source_mapping(UUID=mapping["UUID"])
    assert ("Disabled", 5, reports) == tuple(described[key] for key in ("State", "BatchSize", "FunctionResponseTypes"))
    assert "Deleting" == client.delete_event_source_mapping(UUID=mapping["UUID"])["State"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.get_event_source_mapping(UUID=mapping["UUID"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/s"}, "unknown kind of event source"),
        ({"FunctionName": "nosuch"}, "Function not found"),
        ({"BatchSize": 11}, "Maximum batch window in seconds must be greater than 0"),
        ({"KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1"}, "does not support KMSKeyArn"),
    ],
)
def test_mappings_that_cannot_be_made(lambda_service: Serve, options: dict[str, Any], words: str) -> None:
    """What is not offered is refused, not ignored."""
    usual = {"EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:q", "FunctionName": "function"}
    with pytest.raises(ClientError, match=words):
        lambda_service("event").client().create_event_source_mapping(**{**usual, **options})


def test_a_mapping_that_is_not_an_object(lambda_service: Serve) -> None:
    """A request that no client of AWS sends is refused in words, too."""
    url = f"{lambda_service('event').url}/2015-03-31/event-source-mappings/"
    refused = requests.post(url, data="[1]", timeout=10)
    assert (400, "the request must be a JSON object, not list") == (refused.status_code, refused.json()["message"])


def test_fields(sample: Sample) -> None:
    """The fields that tests change most, read by Powertools."""
    assert {"id": 7} == next(SQSEvent(sample("sqs", body={"id": 7}, message_id="m")).records).json_body
    assert "m" == sample("sqs", messageId="m")["Records"][0]["messageId"]
    assert "hello" == SNSEvent(sample("sns", message="hello")).sns_message
    s3 = next(S3Event(sample("s3", bucket="mine", key="a.txt")).records).s3
    assert ("mine", "a.txt") == (s3.bucket.name, s3.get_object.key)
    kinesis = next(KinesisStreamEvent(sample("kinesis", data={"n": 1})).records).kinesis
    assert {"n": 1} == kinesis.data_as_json()
    assert {"n": 2} == sample("eventbridge", detail={"n": 2}, detail_type="Order")["detail"]
    assert "Order" == sample("eventbridge", detail_type="Order")["detail-type"]
    assert "mine" == CloudWatchLogsEvent(sample("cloudwatch-logs", log_group="mine")).parse_logs_data().log_group


def test_records(sample: Sample) -> None:
    """Several records come from the first one, each with an id of its own."""
    event = sample("sqs", records=[{"body": "a"}, {"body": {"n": 1}}, {}])
    bodies = [record["body"] for record in event["Records"]]
    assert ["a", '{"n": 1}', sample("sqs")["Records"][0]["body"]] == bodies
    assert 3 == len({record["messageId"] for record in event["Records"]})
    data = [
        base64.b64decode(each["kinesis"]["data"])
        for each in sample("kinesis", records=[{"data": "a"}, {"data": b"\xff"}])["Records"]
    ]
    assert [b"a", b"\xff"] == data


@pytest.mark.parametrize("name", ["api-gateway", "http-api", "function-url", "alb"])
def test_requests(sample: Sample, name: str) -> None:
    """HTTP events are made of the request's parts, whatever their kind."""
    event = sample(
        name,
        method="PUT",
        path="/a/b",
        query={"q": ["1", "2"], "x": "y"},
        headers={"Content-Type": "text/plain", "X-A": "1"},
        cookies={"session": "s"},
        body="hi",
    )
    request = http.Request.from_event(event)
    assert ("PUT", "/a/b", b"hi") == (request.method, request.raw_path, request.body)
    assert ("text/plain", "1", "session=s") == tuple(request.headers[key] for key in ("content-type", "x-a", "cookie"))
    assert request.raw_query in {"q=1&q=2&x=y", "q=2&x=y"}
    assert json.loads(samples.load(name)) == sample(name)


def test_requests_keep_the_rest(sample: Sample) -> None:
    """What is not named stays as in the sample."""
    event = APIGatewayProxyEvent(sample("api-gateway", body={"n": 1}))
    was = APIGatewayProxyEvent(sample("api-gateway"))
    assert (was.http_method, was.path, {"n": 1}) == (event.http_method, event.path, event.json_body)
    assert was.request_context.stage == event.request_context.stage


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("nosuch", {}, "no such sample event: 'nosuch'; available: a"),
        ("sqs", {"bodi": 1}, "the sample sqs has no field 'bodi'; its fields: .*body"),
        ("http-api", {"url": "/"}, "the sample http-api has no field 'url'; its fields: method, path"),
        ("schedule", {"records": [{}]}, "the sample schedule has no records"),
    ],
)
def test_what_is_not_there(sample: Sample, name: str, fields: dict[str, Any], words: str) -> None:
    """A sample or a field that does not exist is an error that lists what does."""
    with pytest.raises((KeyError, TypeError), match=words):
        sample(name, **fields)


def test_logs_are_compressed(sample: Sample) -> None:
    """As CloudWatch sends them."""
    data = base64.b64decode(sample("cloudwatch-logs", message="hi")["awslogs"]["data"])
    assert "hi" == json.loads(gzip.decompress(data))["logEvents"][0]["message"]
