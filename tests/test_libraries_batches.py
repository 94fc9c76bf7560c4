"""The convention records beside Powertools' batch processor, on the same events; docs/conventions/records.md says why."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    SqsFifoPartialProcessor,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError, UnexpectedBatchTypeError
from support.batches import NAME_OF, at, dynamodb, encoded, kafka, kinesis, sqs

from conventions.records import records
from dispatch import Invocation, UnmarshalError

SPACE: dict[str, Any] = {}
exec(textwrap.dedent(NAME_OF), SPACE)
name_of: Callable[[Any], str] = SPACE["name_of"]

#: The end of a batch: the names of the records that the function was called with, and the report.
Outcome = tuple[str, Any]


def ours(event: dict[str, Any]) -> Outcome:
    """The outcome here."""
    names: list[str] = []

    def handler(record: Any, _headers: Any) -> None:
        names.append(name_of(record))
        if name_of(record).startswith("bad"):
            raise ValueError

    try:
        body = records(handler)(Invocation(encoded(event))).body
    except UnmarshalError as error:
        return " ".join(names), type(error)
    assert isinstance(body, bytes)
    return " ".join(names), [each["itemIdentifier"] for each in json.loads(body)["batchItemFailures"]]


def powertools(processor: BatchProcessor, event: dict[str, Any]) -> Outcome:
    """The outcome with this processor of Powertools."""
    names: list[str] = []

    def handler(record: Any) -> None:
        names.append(name_of(record.raw_event))
        if names[-1].startswith("bad"):
            raise ValueError

    try:
        response: Any = process_partial_response(event, handler, processor)
    except (BatchProcessingError, UnexpectedBatchTypeError) as error:
        return " ".join(names), type(error)
    return " ".join(names), [each["itemIdentifier"] for each in response["batchItemFailures"]]


QUEUE = lambda: BatchProcessor(EventType.SQS)  # noqa: E731 - a name in a table
FIFO = SqsFifoPartialProcessor
FIFO_BY_GROUP = lambda: SqsFifoPartialProcessor(skip_group_on_error=True)  # noqa: E731
KINESIS = lambda: BatchProcessor(EventType.KinesisDataStreams)  # noqa: E731
DYNAMODB = lambda: BatchProcessor(EventType.DynamoDBStreams)  # noqa: E731
KAFKA = lambda: BatchProcessor(EventType.Kafka)  # noqa: E731

#: Batches with the same outcome.
ALIKE: dict[str, tuple[Callable[[], BatchProcessor], dict[str, Any], Outcome]] = {
    "queue": (QUEUE, sqs("a", "bad1", "b", "bad2"), ("a bad1 b bad2", ["m-bad1", "m-bad2"])),
    "queue-all-good": (QUEUE, sqs("a", "b"), ("a b", [])),
    "queue-with-fair-groups": (QUEUE, sqs("bad1@x", "a@x", grouped=True), ("bad1 a", ["m-bad1"])),
    "fifo-one-group": (FIFO, sqs("a@x", "bad1@x", "b@x", fifo=True), ("a bad1", ["m-bad1", "m-b"])),
    "fifo-by-group": (
        FIFO_BY_GROUP,
        sqs("a@x", "b@y", "bad1@x", "c@y", "d@x", fifo=True),
        ("a b bad1 c", ["m-bad1", "m-d"]),
    ),
    "kinesis-last": (KINESIS, kinesis("a", "b", "bad1"), ("a b bad1", ["102"])),
    "dynamodb-last": (DYNAMODB, dynamodb("a", "bad1"), ("a bad1", ["101"])),
    "kafka-last": (KAFKA, kafka({"t-0": ["a", "bad1"], "t-1": ["b"]}), ("a bad1 b", [at("t-0", 16)])),
}

#: Batches with different outcomes: the one here, and that of Powertools.
DIFFERENT: dict[str, tuple[Callable[[], BatchProcessor], dict[str, Any], Outcome, Outcome]] = {
    "all-bad": (QUEUE, sqs("bad1", "bad2"), ("bad1 bad2", ["m-bad1", "m-bad2"]), ("bad1 bad2", BatchProcessingError)),
    "empty": (QUEUE, sqs(), ("", []), ("", UnexpectedBatchTypeError)),
    "fifo-other-groups": (
        FIFO,
        sqs("bad1@x", "a@y", "b@x", fifo=True),
        ("bad1 a", ["m-bad1", "m-b"]),
        ("bad1", BatchProcessingError),
    ),
    "kinesis": (
        KINESIS,
        kinesis("a", "bad1", "b", "bad2"),
        ("a bad1", ["101"]),
        ("a bad1 b bad2", ["101", "103"]),
    ),
    "dynamodb": (DYNAMODB, dynamodb("a", "bad1", "b"), ("a bad1", ["101"]), ("a bad1 b", ["101"])),
    "kafka": (
        KAFKA,
        kafka({"t-0": ["bad1", "a", "bad2"], "t-1": ["b"]}),
        ("bad1 b", [at("t-0", 15)]),
        ("bad1 a bad2 b", [at("t-0", 15), at("t-0", 17)]),
    ),
}


@pytest.mark.parametrize(("processor", "event", "expected"), ALIKE.values(), ids=ALIKE)
def test_alike(processor: Callable[[], BatchProcessor], event: dict[str, Any], expected: Outcome) -> None:
    """Both call the function with the same records and report the same ones, in AWS's form."""
    assert (expected, expected) == (ours(event), powertools(processor(), event))


@pytest.mark.parametrize(("processor", "event", "here", "there"), DIFFERENT.values(), ids=DIFFERENT)
def test_different(
    processor: Callable[[], BatchProcessor], event: dict[str, Any], here: Outcome, there: Outcome
) -> None:
    """They differ where the page says so; if Powertools changes, this fails and the page has to change."""
    assert (here, there) == (ours(event), powertools(processor(), event))
