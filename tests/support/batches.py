"""Events of event source mappings, in the form of AWS's samples; each record has a name that handlers find again."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

#: For handlers: the name of a record of any source.
NAME_OF = """
    import base64

    def name_of(record):
        if "messageId" in record:
            return record["body"]
        if "dynamodb" in record:
            return record["dynamodb"]["Keys"]["Id"]["S"]
        return base64.b64decode(record["kinesis"]["data"] if "kinesis" in record else record["value"]).decode()
"""


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def sqs(*names: str, fifo: bool = False, grouped: bool = False) -> dict[str, Any]:
    """Messages `m-NAME` of a queue; in a FIFO queue, or if they are `grouped`, `NAME@GROUP` has a message group."""
    arn = f"arn:aws:sqs:us-east-1:123456789012:queue{'.fifo' if fifo else ''}"
    records = []
    for name, _, group in (name.partition("@") for name in names):
        attributes = {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        }
        if fifo or grouped:
            attributes["MessageGroupId"] = group
        records.append(
            {
                "messageId": f"m-{name}",
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
                "body": name,
                "attributes": attributes,
                "messageAttributes": {},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": "us-east-1",
            }
        )  # fmt: skip
    return {"Records": records}


def kinesis(*names: str) -> dict[str, Any]:
    """Records of one shard, with the sequence numbers 100, 101, ..."""
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "1",
                    "sequenceNumber": str(number),
                    "data": _base64(name),
                    "approximateArrivalTimestamp": 1545084650.987,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000006:{number}",
                "eventName": "aws:kinesis:record",
                "awsRegion": "us-east-1",
                "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/orders",
            }
            for number, name in enumerate(names, 100)
        ]
    }


def dynamodb(*names: str) -> dict[str, Any]:
    """Changes of a table, with the sequence numbers 100, 101, ..."""
    return {
        "Records": [
            {
                "eventID": str(number),
                "eventName": "INSERT",
                "eventVersion": "1.0",
                "eventSource": "aws:dynamodb",
                "awsRegion": "us-east-1",
                "dynamodb": {
                    "Keys": {"Id": {"S": name}},
                    "SequenceNumber": str(number),
                    "SizeBytes": 26,
                    "StreamViewType": "KEYS_ONLY",
                },
                "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000",
            }
            for number, name in enumerate(names, 100)
        ]
    }


def kafka(partitions: Mapping[str, Sequence[str]], source: str = "aws:kafka") -> dict[str, Any]:
    """Records of partitions, which are written as `topic-0`, with the offsets 15, 16, ... in each."""
    return {
        "eventSource": source,
        "bootstrapServers": "b-1.orders.abc.c2.kafka.us-east-1.amazonaws.com:9092",
        "records": {
            partition: [
                {
                    "topic": partition.rpartition("-")[0],
                    "partition": int(partition.rpartition("-")[2]),
                    "offset": offset,
                    "timestamp": 1545084650987,
                    "timestampType": "CREATE_TIME",
                    "key": None,
                    "value": _base64(name),
                    "headers": [],
                }
                for offset, name in enumerate(names, 15)
            ]
            for partition, names in partitions.items()
        },
    }


def at(partition: str, offset: int) -> dict[str, Any]:
    """The identifier of a record of Kafka."""
    return {"partition": partition, "offset": offset}


def encoded(event: Any) -> bytes:
    """The event as Lambda sends it."""
    return json.dumps(event).encode()
