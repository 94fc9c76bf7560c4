"""Sources in `dispatch.toml`, in templates and by Lambda's API: what is read, refused, changed and listed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from support.files import write
from support.local import ServerProcess, save
from support.process import await_true
from support.sqs import CREDENTIALS, Queue, Server

from runtime.local.config import dispatch_toml, sam_template
from runtime.local.function import FunctionConfig, FunctionSettingError
from runtime.local.sources.schedule import Schedule
from runtime.local.sources.sqs.source import Sqs

TABLE = "[functions.one]\nhandler = 'event'\n"
ARN = "arn:aws:sqs:eu-west-1:123456789012:orders"
KEEP = """
import json, os

def keep(event, context):
    with open(context.function_name, "a") as file:
        file.write("".join(record["body"] + chr(10) for record in event["Records"]))
"""


def read(root: Path, text: str) -> list[Any]:
    """The sources of one function."""
    [function] = dispatch_toml.functions(tomllib.loads(TABLE + text), root, FunctionConfig())
    return [*function.sources]


def test_dispatch_toml(tmp_path: Path) -> None:
    """Every key, and a table for each source."""
    found = read(
        tmp_path,
        """
        [[functions.one.sources]]
        sqs = "orders"
        [[functions.one.sources]]
        sqs = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
        batch = 100
        window = 1.5
        report_failures = true
        filter = { body = { kind = ["order"] } }
        maximum_concurrency = 2
        """,
    )
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
    assert [Sqs("orders"), Sqs(url, 100, 1.5, True, ('{"body": {"kind": ["order"]}}',), 2)] == found
    assert ("sqs orders", ARN, None) == (found[1].title, found[1].arn, found[1].endpoint)


@pytest.mark.parametrize(
    ("queue", "region", "account", "endpoint"),
    [
        ("orders", "us-east-1", "", None),
        ("arn:aws:sqs:eu-west-1:123456789012:orders", "eu-west-1", "123456789012", None),
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/orders", "eu-west-1", "123456789012", None),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/orders", "cn-north-1", "123456789012", None),
        (
            "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/123456789012/orders",
            "eu-west-1",
            "123456789012",
            "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com",
        ),
        ("http://localhost:9324/queue/orders", "us-east-1", "", "http://localhost:9324"),
        ("http://localhost:9324/orders/", "us-east-1", "", "http://localhost:9324"),
    ],
)
def test_where_a_queue_is(queue: str, region: str, account: str, endpoint: str | None) -> None:
    """The parts of its name, ARN or URL."""
    source = Sqs(queue)
    assert ("orders", region, account, endpoint) == (source.name, source.region, source.account, source.endpoint)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sources = 5", "must be tables, [[functions.NAME.sources]], not 5"),
        ("sources = ['orders']", "must be a table, not 'orders'"),
        ("sources = [{}]", "a source must have one of the keys sqs, nats, schedule; it has none of them"),
        ("sources = [{sqss = 'a'}]", "unknown key 'sqss'; did you mean 'sqs'? known keys: sqs, nats, schedule"),
        ("sources = [{sqs = 'a', nats = 'b'}]", "one of the keys sqs, nats, schedule; it has sqs and nats"),
        ("sources = [{sqs = 'a', bach = 5}]", "unknown key 'bach'; did you mean 'batch'? known keys: sqs, batch, "),
        ("sources = [{sqs = 'a'}, {sqs = 5}]", "number 2: sqs must be text, not 5"),
        ("sources = [{sqs = 'a', batch = '5'}]", "batch must be a whole number, not '5'"),
        ("sources = [{sqs = 'a', window = true}]", "window must be a number, not true"),
        ("sources = [{sqs = 'a', report_failures = 1}]", "report_failures must be true or false, not 1"),
        ("sources = [{sqs = 'a', filter = 5}]", "filter must be a table, or a list of tables, not 5"),
        ("sources = [{sqs = 'a', filter = {body = [2024-01-02]}}]", "filter must have values of JSON: "),
        ("sources = [{sqs = 'a', filter = {boby = ['x']}}]", "filtered by its 'body' only, not by 'boby'"),
        ("sources = [{sqs = 'a b'}]", "not the name, URL or ARN of a queue: 'a b'"),
        ("sources = [{sqs = 'a', batch = 10001}]", "the batch size must be 1 to 10000, not 10001"),
        ("sources = [{sqs = 'a', batch = 11}]", "Maximum batch window in seconds must be greater than 0 if "),
        ("sources = [{sqs = 'a.fifo', batch = 11}]", "the batch size of a FIFO queue must be 1 to 10, not 11"),
        ("sources = [{sqs = 'a.fifo', window = 1}]", "Batching window is not supported for FIFO queues"),
        ("sources = [{sqs = 'a', window = 301}]", "the window must be 0 to 300 seconds, not 301"),
        ("sources = [{sqs = 'a', maximum_concurrency = 1}]", "the maximum concurrency must be 2 to 1000, not 1"),
    ],
)
def test_settings_that_are_refused(tmp_path: Path, text: str, words: str) -> None:
    """An error names the function, the key and what there is."""
    with pytest.raises(FunctionSettingError) as refusal:
        read(tmp_path, text)
    message = str(refusal.value)
    assert message.startswith("[functions.one] sources: ")
    assert words in message


TEMPLATE = """
Parameters:
  Size: {Type: Number, Default: 5}
  Elsewhere: {Type: String}
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.keep
      Environment: {Variables: {QUEUE: !Ref Orders}}
      Events:
        ByArn:
          Type: SQS
          Properties:
            Queue: !GetAtt Orders.Arn
            BatchSize: !Ref Size
            MaximumBatchingWindowInSeconds: 3
            FunctionResponseTypes: [ReportBatchItemFailures]
            FilterCriteria: {Filters: [{Pattern: '{"body": {"a": [1]}}'}]}
            ScalingConfig: {MaximumConcurrency: 2}
        Fixed: {Type: SQS, Properties: {Queue: "arn:aws:sqs:eu-west-1:123456789012:orders"}}
        Disabled: {Type: SQS, Properties: {Queue: !GetAtt Orders.Arn, Enabled: false}}
        Unknown: {Type: SQS, Properties: {Queue: !Ref Elsewhere}}
        Wrong: {Type: SQS, Properties: {Queue: !GetAtt Orders.Arn, BatchSize: 11}}
        Misspelled: {Type: SQS, Properties: {Queue: !GetAtt Orders.Arn, FunctionResponseTypes: [ReportFailures]}}
        Hourly: {Type: Schedule, Properties: {Schedule: rate(1 hour), Input: '{"a": 1}'}}
        Noon:
          Type: ScheduleV2
          Properties: {ScheduleExpression: "cron(0 12 * * ? *)", ScheduleExpressionTimezone: Europe/Berlin}
        Paused: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour), State: DISABLED}}
        Once: {Type: ScheduleV2, Properties: {ScheduleExpression: "at(2030-01-01T00:00:00)"}}
  Plain:
    Type: AWS::Lambda::Function
    Properties: {Runtime: python3.13, Handler: app.keep, FunctionName: plain}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Plain, EventSourceArn: !GetAtt Named.Arn, BatchSize: 1}
  Stream:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Plain, EventSourceArn: "arn:aws:kinesis:eu-west-1:123456789012:stream/s"}
  Foreign:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: elsewhere, EventSourceArn: !GetAtt Orders.Arn}
  Orders: {Type: AWS::SQS::Queue}
  Named: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${AWS::StackName}-q.fifo", FifoQueue: true}}
"""


def test_a_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queues of the template and others, at the endpoint that is set; the rest is reported."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1/")
    found = sam_template.read(write(tmp_path, {"template.yaml": TEMPLATE}) / "template.yaml", FunctionConfig())
    function, plain = found.functions
    [by_arn, fixed, hourly, noon], [mapping] = function.sources, plain.sources
    own = "arn:aws:sqs:us-east-1:012345678912:"
    assert Sqs(f"{own}Orders", 5, 3, True, ('{"body": {"a": [1]}}',), 2) == by_arn
    assert (Sqs(ARN), Sqs(f"{own}local-q.fifo", 1)) == (fixed, mapping)
    assert Schedule("rate(1 hour)", '{"a": 1}') == hourly
    assert Schedule("cron(0 12 * * ? *)", timezone="Europe/Berlin") == noon
    assert "http://127.0.0.1:1/012345678912/Orders" == function.environment["QUEUE"]
    for note in (
        "Fn.Disabled is not polled: it is disabled",
        "Fn.Paused is not polled: it is disabled",
        "Fn.Once is not polled: not a schedule: 'at(2030-01-01T00:00:00)'",
        "Fn.Unknown is not polled: its Queue is not known here",
        "Fn.Wrong is not polled: Maximum batch window",
        "Fn.Misspelled is not polled: FunctionResponseTypes must be ['ReportBatchItemFailures'] or empty, not",
        "Foreign is not polled: its function elsewhere is not served here",
        "Stream is not polled: only SQS queues are polled here, not arn:aws:kinesis",
    ):
        assert any(line.startswith(note) for line in found.notes), (note, found.notes)


def test_a_template_without_an_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions are served; no queue of AWS is polled because a template was."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"):
        monkeypatch.delenv(name, raising=False)
    found = sam_template.read(write(tmp_path, {"template.yaml": TEMPLATE}) / "template.yaml", FunctionConfig())
    assert ["schedule", "schedule"] == [one.kind for function in found.functions for one in function.sources]
    assert any("Fn.Fixed is not polled: a template's queues are polled only if AWS_E" in line for line in found.notes)


@pytest.fixture(scope="module")
def moto() -> Iterator[Server]:
    """Moto's server."""
    server = Server()
    yield server
    server.stop()


def table(function: str, queue: Queue, more: str = "") -> str:
    """A function with a source in `dispatch.toml`."""
    return (
        f"[functions.{function}]\nhandler = 'app.keep'\nconvention = 'lambda'\n"
        f"[[functions.{function}.sources]]\nsqs = '{queue.name}'\n{more}\n"
    )


def kept(root: Path, function: str) -> list[str]:
    """The bodies that a function has received."""
    return (root / function).read_text().split() if (root / function).exists() else []


def test_a_configuration_that_changes(moto: Server, tmp_path: Path) -> None:
    """Sources are polled, listed, and ended; one that stays the same goes on."""
    root = write(tmp_path / "functions", {"app.py": KEEP})
    first, second, third = moto.queue(), moto.queue(), moto.queue()
    file = root / "dispatch.toml"
    file.write_text(table("one", first) + table("two", second))
    environment = {**CREDENTIALS, "AWS_ENDPOINT_URL_SQS": moto.url}
    with ServerProcess(root, environment=environment) as server:
        server.line(f"    events from sqs {first.name}")
        client = boto3.client("lambda", endpoint_url=server.address, region_name="us-east-1",
                              aws_access_key_id="a", aws_secret_access_key="b")  # fmt: skip
        before = {one["FunctionArn"].rpartition(":")[2]: one for one in listed(client)}
        assert {"one", "two"} == before.keys()
        with pytest.raises(ClientError, match="from the configuration; change FunctionName there"):
            client.update_event_source_mapping(UUID=before["one"]["UUID"], FunctionName="two")
        for queue in (first, second):
            queue.send("a")
            queue.await_counts(0, 0)

        save(file, table("one", first) + table("two", third, "batch = 1"))
        server.line(f"two: no more events from sqs {second.name}")
        server.line("read ")
        for queue in (first, third):
            queue.send("b")
            queue.await_counts(0, 0)
        after = {one["FunctionArn"].rpartition(":")[2]: one for one in listed(client)}
        assert (before["one"], 1) == (after["one"], after["two"]["BatchSize"])

        server.line(f"two: events from sqs {third.name} from now on")
        save(file, table("one", first, "batch = 2") + table("two", third, "batch = 1"))
        server.line(f"one: events from sqs {first.name} with its new settings")
        first.send("c")
        first.await_counts(0, 0)
    assert (["a", "b", "c"], ["a", "b"]) == (kept(root, "one"), kept(root, "two"))


def listed(client: Any) -> list[Any]:
    """The mappings that the API lists."""
    return [*client.list_event_source_mappings()["EventSourceMappings"]]


def test_the_api(moto: Server, lambda_service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings are understood, returned as AWS returns them, changed, and cleared."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", moto.url)
    root, queue = write(tmp_path / "functions", {"app.py": KEEP}), moto.queue()
    client = lambda_service("app.keep", convention="lambda", root=root, name="fn").client()
    settings: dict[str, Any] = {
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "FilterCriteria": {"Filters": [{"Pattern": '{"body": {"a": [1]}}'}]},
        "ScalingConfig": {"MaximumConcurrency": 2},
    }
    made = client.create_event_source_mapping(EventSourceArn=queue.arn, FunctionName="fn", **settings)
    found = client.get_event_source_mapping(UUID=made["UUID"])
    assert settings == {name: made[name] for name in settings} == {name: found[name] for name in settings}
    queue.send('{"a": 1}', '{"a": 2}'.replace(" ", ""))
    await_true(lambda: kept(root, "fn") == ['{"a":', "1}"])
    queue.await_counts(0, 0)
    changed = client.update_event_source_mapping(
        UUID=made["UUID"], FilterCriteria={}, ScalingConfig={}, FunctionResponseTypes=[]
    )
    assert ([], 100) == (changed["FunctionResponseTypes"], changed["BatchSize"])
    assert not {"FilterCriteria", "ScalingConfig"} & changed.keys()
    with pytest.raises(ClientError, match=r"InvalidParameterValueException.*Maximum batch window in seconds must be"):
        client.update_event_source_mapping(UUID=made["UUID"], MaximumBatchingWindowInSeconds=0)
    with pytest.raises(ClientError, match=r"InvalidParameterValueException.*a filter's pattern must be JSON"):
        client.update_event_source_mapping(UUID=made["UUID"], FilterCriteria={"Filters": [{"Pattern": "{"}]})


def test_a_library_that_is_missing(tmp_path: Path) -> None:
    """`dispatch serve` does not start without what it needs to poll, and says what to install."""
    hidden = write(tmp_path / "hidden", {"boto3.py": "raise ImportError('No module named boto3')\n"})
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "dispatch.toml").write_text(TABLE + "sources = [{sqs = 'orders'}]\n")
    server = ServerProcess(tmp_path / "functions", environment={"PYTHONPATH": str(hidden)})
    try:
        assert 2 == server.wait()
        line = server.line("[functions.one] sqs orders: cannot poll an SQS queue: ")
        assert line.endswith("; run: pip install 'handler-dispatch[aws]'")
    finally:
        server.child.kill()


DOCS = Path(__file__).resolve().parents[1] / "docs" / "guides"
PAGES = [(DOCS / name).read_text() for name in ("sources.md", "sources-sqs.md", "sources-nats.md")]
BLOCKS = [block for page in PAGES for block in re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]


@pytest.mark.parametrize("text", BLOCKS)
def test_the_configurations_in_the_docs(tmp_path: Path, text: str) -> None:
    """Each can be copied."""
    [function] = dispatch_toml.functions(tomllib.loads(text), tmp_path, FunctionConfig())
    assert function.sources


def test_the_first_example_in_the_docs(moto: Server, tmp_path: Path) -> None:
    """The function and its configuration, served."""
    [app] = re.findall(r"^```python\n# orders.py\n(.*?)^```$", PAGES[0], re.MULTILINE | re.DOTALL)
    root = write(tmp_path / "functions", {"orders.py": app, "dispatch.toml": BLOCKS[0]})
    queue = Queue(moto, "orders")
    with ServerProcess(root, environment={**CREDENTIALS, "AWS_ENDPOINT_URL_SQS": moto.url}) as server:
        server.line("    events from sqs orders")
        queue.send("a book")
        server.line("shipping a book")
        queue.await_counts(0, 0)
