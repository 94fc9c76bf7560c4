"""Queues that the local platform polls: no message is lost, hidden or handled twice when a mapping changes or ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from support.files import write
from support.process import await_true

from runtime.local.function import FunctionConfig
from runtime.testing.lambda_service import LambdaService, lambda_service

APP = """
import json
import time
from pathlib import Path

def keep(event, context):
    with Path("kept").open("a") as file:
        file.write(chr(10).join(record["body"] for record in event["Records"]) + chr(10))

def wait(event, context):
    keep(event, context)
    while not Path("go").exists():
        time.sleep(0.01)
"""


class Queue:
    """A queue whose messages stay hidden for longer than these tests wait."""

    def __init__(self) -> None:
        self.client = boto3.client("sqs", region_name="us-east-1")
        self.url = self.client.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
        self.arn = self.attribute("QueueArn")

    def attribute(self, name: str) -> str:
        """One of its attributes."""
        return str(
            self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])["Attributes"][name],
        )

    def send(self, body: str) -> None:
        """Send a message."""
        self.client.send_message(QueueUrl=self.url, MessageBody=body)

    @property
    def counts(self) -> tuple[str, str]:
        """How many messages can be received, and how many are hidden."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return self.attribute(names[0]), self.attribute(names[1])


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """A queue in this process, which the poller finds, too."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield Queue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with functions."""
    return write(tmp_path / "functions", {"app.py": APP})


@contextmanager
def served(root: Path, handler: str) -> Iterator[LambdaService]:
    """One function, served."""
    with lambda_service() as service:
        service.add(FunctionConfig("function", handler, root, "lambda", timeout=60))
        yield service


def kept(root: Path) -> list[str]:
    """The bodies that functions have received."""
    return (root / "kept").read_text().split() if (root / "kept").exists() else []


def test_changes_of_a_mapping(queue: Queue, root: Path) -> None:
    """A message that is sent after a change is handled by the changed mapping, and by none if that is disabled."""
    with served(root, "app.keep") as service:
        client = service.client()
        mapping = {
            "UUID": client.create_event_source_mapping(EventSourceArn=queue.arn, FunctionName="function")["UUID"]
        }
        client.update_event_source_mapping(**mapping, BatchSize=3)
        queue.send("a")
        await_true(lambda: kept(root) == ["a"])
        client.update_event_source_mapping(**mapping, Enabled=False)
        queue.send("b")
    assert (["a"], ("1", "0")) == (kept(root), queue.counts)


def test_a_mapping_that_is_deleted(queue: Queue, root: Path) -> None:
    """The batch that is under way is finished, and deleted from the queue."""
    with served(root, "app.wait") as service:
        client = service.client()
        mapping = client.create_event_source_mapping(EventSourceArn=queue.arn, FunctionName="function")
        queue.send("a")
        await_true(lambda: kept(root) == ["a"])
        client.delete_event_source_mapping(UUID=mapping["UUID"])
        (root / "go").touch()
        await_true(lambda: queue.counts == ("0", "0"))


def test_the_end(queue: Queue, root: Path) -> None:
    """It does not wait for a function that is under way; what that has not handled comes back."""
    with served(root, "app.wait") as service:
        service.client().create_event_source_mapping(EventSourceArn=queue.arn, FunctionName="function")
        queue.send("a")
        await_true(lambda: kept(root) == ["a"])
        started = time.monotonic()
    assert time.monotonic() - started < 20
    assert ("0", "1") == queue.counts


def test_a_queue_that_comes_later(queue: Queue, root: Path) -> None:
    """The source may be missing at first; the log reports it once."""
    queue.client.delete_queue(QueueUrl=queue.url)
    with served(root, "app.keep") as service:
        service.client().create_event_source_mapping(EventSourceArn=queue.arn, FunctionName="function")
        await_true(lambda: [line.split(": ")[:2] for line in service.log] == [["function", "sqs orders"]])
        Queue().send("a")
        await_true(lambda: kept(root) == ["a"])


def test_mappings_that_cannot_be_made(queue: Queue, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one of the same queue and function, and one that nothing can poll."""
    with served(root, "app.keep") as service:
        client = service.client()
        arguments: dict[str, Any] = {"EventSourceArn": queue.arn, "FunctionName": "function", "Enabled": False}
        first = client.create_event_source_mapping(**arguments)["UUID"]
        with pytest.raises(ClientError, match=f"ResourceConflictException.*update or delete .* UUID {first}"):
            client.create_event_source_mapping(**arguments)
        client.delete_event_source_mapping(UUID=first)
        monkeypatch.setitem(sys.modules, "boto3", None)
        with pytest.raises(
            ClientError, match=r"cannot poll an SQS queue: .*; run: pip install 'handler-dispatch\[aws\]'"
        ):
            client.create_event_source_mapping(**arguments)


def test_no_queue_of_aws(lambda_service: Callable[..., LambdaService], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an endpoint or a mock, a test would poll a queue of AWS: that is refused."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "moto", raising=False)
    with pytest.raises(ClientError, match="set AWS_ENDPOINT_URL_SQS, for example to moto's server"):
        lambda_service("event").client().create_event_source_mapping(
            EventSourceArn="arn:aws:sqs:us-east-1:123456789012:orders", FunctionName="function"
        )
    with pytest.raises(ValueError, match="another function is named 'function'"):
        lambda_service("event + '!'")
