"""Libraries that people use at AWS, unmodified, with the lambda convention: they work as they do on AWS's client."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from support import rie
from support.differential import LAMBDA, MANAGED, SAMPLES, Case, Outcome, Side
from support.runtime import BOTH

ENV = {**LAMBDA, **MANAGED, "AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1"}
SAME = {"PYTHONHASHSEED": "0"}  # werkzeug writes the methods of an Allow header in a set's order
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
TRACE = {"Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"}

Serve = Callable[..., list[Side]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start both runtimes on a sample: `serve("with_flask.handler", env)`."""
    with ExitStack() as stack:

        def start(handler: str, env: Mapping[str, str] | None = None) -> list[Side]:
            return [stack.enter_context(Side(name, handler, SAMPLES, {**ENV, **SAME, **(env or {})})) for name in BOTH]

        yield start


def http(method: str, path: str, body: str | None = None, query: str = "", **more: Any) -> dict[str, Any]:
    """An event of an HTTP API, payload version 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "api.example.com", "content-type": "application/json"},
        "queryStringParameters": dict(pair.split("=") for pair in query.split("&")) if query else None,
        "requestContext": {
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test",
            },
            "requestId": "id-of-the-api",
            "stage": "$default",
            "domainName": "api.example.com",
        },
        "body": body,
        "isBase64Encoded": False,
        **more,
    }


def case(name: str, event: object, headers: Mapping[str, str] | None = None) -> Case:
    """A case of any event."""
    return Case(name, json.dumps(event).encode(), headers or {})


def answer(outcome: Outcome) -> Any:
    """The one answer's value."""
    assert ["response"] == [post.route.rpartition("/")[2] for post in outcome.posts], outcome.log
    return outcome.posts[0].value


def same(sides: list[Side], event: Case) -> Outcome:
    """What ours did, once it is what AWS's client did."""
    theirs, ours = (side.run(event) for side in sides)
    assert theirs.posts == ours.posts
    return ours


WEB = {
    "a path": http("GET", "/hello/J%C3%BCrgen", query="a=1&b=%C3%BC"),
    "a body": http("POST", "/echo", "größer", headers={"host": "x", "content-type": "text/plain; charset=utf-8"}),
    "bytes": http("GET", "/binary"),
    "a stream": http("GET", "/streamed"),
    "the context": http("GET", "/context"),
    "nothing there": http("GET", "/missing"),
    "another method": http("PUT", "/echo"),
}


@pytest.mark.parametrize("handler", ["with_mangum.handler", "with_apig_wsgi.handler"])
def test_web_applications(serve: Serve, handler: str) -> None:
    """Starlette under Mangum and Flask under apig-wsgi answer API Gateway as they do on AWS's client."""
    sides = serve(handler)
    got = {name: answer(same(sides, case(name, event))) for name, event in WEB.items()}
    statuses = [got[name]["statusCode"] for name in WEB]
    assert [200, 200, 200, 200, 200, 404, 405] == statuses
    hello = json.loads(got["a path"]["body"])
    assert ("Jürgen", {"a": "1", "b": "ü"}) == (hello["hello"], hello["query"])
    assert "größer" == got["a body"]["body"]
    assert "a=b" in str(got["a body"])
    assert ("AP8=", True) == (got["bytes"]["body"], got["bytes"]["isBase64Encoded"])
    assert "one two" == got["a stream"]["body"]
    assert {"id": case("the context", None).request_id} == json.loads(got["the context"]["body"])


def test_powertools(serve: Serve) -> None:
    """Powertools' event handler answers, its logger has the context's fields, its tracer passes everything through."""
    sides = serve("with_powertools.handler", {"POWERTOOLS_TRACE_DISABLED": "1"})
    assert {"order": "7", "query": "x"} == body(same(sides, case("get", http("GET", "/orders/7", query="q=x"))))
    assert 404 == answer(same(sides, case("missing", http("GET", "/orders/0"))))["statusCode"]
    created = answer(same(sides, case("create", http("POST", "/orders", '{"name": "ü"}'))))
    assert (201, "größer ü") == (created["statusCode"], created["body"])
    report = same(sides, case("fail", http("GET", "/fail"))).posts[0].value
    assert ("ValueError", "a bug") == (report["errorType"], report["errorMessage"])
    theirs, ours = (logged(side) for side in sides)
    assert theirs == ours
    expected = ("looked up", "7", "sample", case("get", None).request_id, "id-of-the-api", True)
    keys = ("message", "order", "function_name", "function_request_id", "correlation_id", "cold_start")
    assert expected == tuple(ours[0][key] for key in keys)
    assert [True, False] == [record["cold_start"] for record in ours]


def body(outcome: Outcome) -> Any:
    """The body of an HTTP answer, parsed."""
    return json.loads(answer(outcome)["body"])


def logged(side: Side) -> list[dict[str, Any]]:
    """Powertools' records, without their time."""
    lines = [line for line in side.child.log.splitlines() if line.startswith("{")]
    return [{key: value for key, value in json.loads(line).items() if key != "timestamp"} for line in lines]


class Daemon:
    """What X-Ray's daemon is for the SDK: a port for datagrams."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(20)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"

    def segment(self) -> dict[str, Any]:
        """The next subsegment, without what differs each time."""
        _, _, text = self.socket.recv(65536).partition(b"\n")
        segment: dict[str, Any] = json.loads(text)
        for name in ("id", "start_time", "end_time"):
            del segment[name]
        return segment


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    """One daemon for each runtime."""
    made = [Daemon(), Daemon()]
    yield made
    for one in made:
        one.socket.close()


@pytest.mark.parametrize(
    ("handler", "event", "count"),
    [("with_xray.handler", {"number": 4}, 1), ("with_powertools.handler", http("GET", "/orders/7"), 2)],
)
def test_xray(daemons: list[Daemon], handler: str, event: Any, count: int) -> None:
    """X-Ray's SDK, by itself and under Powertools, sends its subsegments into the trace of the invocation."""
    segments = []
    for name, daemon in zip(BOTH, daemons, strict=True):
        env = {**ENV, "AWS_XRAY_DAEMON_ADDRESS": daemon.address, "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR"}
        with Side(name, handler, SAMPLES, env) as side:
            answer(side.run(case("traced", event, TRACE)))
            segments.append([daemon.segment() for _ in range(count)])
    # The last one out is the outermost; the ids of those inside are made up.
    assert "9a9197af755a6419" == segments[1][-1]["parent_id"]
    assert {"1-5bef4de7-ad49b0e87f6ef6c87fc2e700"} == {segment["trace_id"] for segment in segments[1]}
    theirs, ours = ([{**segment, "parent_id": ""} for segment in sent] for sent in segments)
    assert theirs == ours


def test_xray_of_a_failure(daemons: list[Daemon]) -> None:
    """A failing subsegment tells its exception; the next invocation is in a trace of its own."""
    env = {**ENV, "AWS_XRAY_DAEMON_ADDRESS": daemons[1].address}
    with Side("dispatch", "with_xray.handler", SAMPLES, env) as side:
        report = side.run(case("failing", {"number": -1}, TRACE)).posts[0].value
        assert ("ValueError", "negative") == (report["errorType"], report["errorMessage"])
        failed = daemons[1].segment()
        assert (True, "ValueError") == (failed["fault"], failed["cause"]["exceptions"][0]["type"])
        other = {name: value.replace("Root=1-5", "Root=1-6") for name, value in TRACE.items()}
        assert 6 == answer(side.run(case("again", {"number": 3}, other)))
        sent = daemons[1].segment()
        assert ("1-6bef4de7-ad49b0e87f6ef6c87fc2e700", {"number": 3}) == (sent["trace_id"], sent["annotations"])


@pytest.fixture(scope="module")
def cloud() -> Iterator[str]:
    """S3 and DynamoDB on loopback, with a bucket and a table."""
    import boto3

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    options = {"endpoint_url": url, "region_name": "eu-central-1"}
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    location = {"LocationConstraint": "eu-central-1"}
    boto3.client("s3", **options, **keys).create_bucket(Bucket="bucket", CreateBucketConfiguration=location)
    boto3.client("dynamodb", **options, **keys).create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield url
    server.stop()


def test_boto3(serve: Serve, cloud: str) -> None:
    """Clients made at import serve event after event, and DynamoDB's Decimal goes into the answer."""
    sides = serve("with_boto3.handler", {**CREDENTIALS, "ENDPOINT": cloud})
    for key in ("one", "two"):
        outcome = same(sides, case(key, {"key": key}))
        assert {"object": {"key": key}, "item": {"id": key, "amount": 2}, "missing": "NoSuchKey"} == answer(outcome)


UNDER_THE_EMULATOR = {
    "with_mangum.handler": (WEB["a path"], "Jürgen"),
    "with_apig_wsgi.handler": (WEB["a path"], "Jürgen"),
    "with_powertools.handler": (http("GET", "/orders/7"), "7"),
}


@pytest.mark.parametrize("handler", UNDER_THE_EMULATOR)
def test_under_the_emulator(handler: str) -> None:
    """Under AWS's emulator, which sends no trace id, they work as well."""
    try:
        rie.binary()
    except rie.NoEmulator as reason:
        pytest.skip(str(reason))
    event, expected = UNDER_THE_EMULATOR[handler]
    with rie.rie(handler, SAMPLES, {**ENV, "HANDLER_CONVENTION": "lambda"}) as emulator:
        for _ in range(2):
            response = json.loads(emulator.invoke(json.dumps(event).encode()))
            assert 200 == response["statusCode"]
            assert expected in json.loads(response["body"]).values()
