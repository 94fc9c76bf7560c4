"""Bare client loops, as a developer would write them: `python -m benchmarks.queue_clients sqs|nats NAME DURABLE`.

Each receives a batch, hands it to the function of the current folder, acknowledges it, and begins again.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

#: How many messages a batch has.
BATCH = 10


def sqs(handler: Callable[[Any, Any], Any], queue: str) -> None:
    """Poll a queue with boto3."""
    import boto3

    client = boto3.client("sqs")
    url = client.get_queue_url(QueueName=queue)["QueueUrl"]
    while True:
        reply = client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        if messages := reply.get("Messages"):
            handler({"Records": messages}, None)
            entries = [{"Id": one["MessageId"], "ReceiptHandle": one["ReceiptHandle"]} for one in messages]
            client.delete_message_batch(QueueUrl=url, Entries=entries)


async def nats(handler: Callable[[Any, Any], Any], stream: str, durable: str) -> None:
    """Poll a stream with nats-py."""
    from nats.aio.client import Client

    client = Client()
    await client.connect(os.environ["NATS_URL"])
    subscription = await client.jetstream().pull_subscribe_bind(durable, stream)
    while True:
        with contextlib.suppress(TimeoutError):
            messages = await subscription.fetch(BATCH, timeout=1)
            records = [{"body": one.data.decode(), "sequence": one.metadata.sequence.stream} for one in messages]
            handler({"Records": records}, None)
            for message in messages:
                await message.ack()


def main(kind: str, name: str, durable: str) -> None:
    """Run a loop until the process is ended."""
    sys.path.insert(0, str(Path.cwd()))
    handler = import_module("app").handler
    if kind == "sqs":
        sqs(handler, name)
    else:
        asyncio.run(nats(handler, name, durable))


if __name__ == "__main__":
    main(*sys.argv[1:])
