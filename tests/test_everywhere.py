"""One function, its file unchanged, wherever it can run: what scaling.md promises."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import boto3
import pytest

pytest.importorskip("nats")
pytest.importorskip("moto")

from support import rie
from support.engines import engine
from support.files import write
from support.local import ServerProcess
from support.nats import NatsServer, nats_server, stream
from support.process import await_true
from support.sqs import CREDENTIALS, Server

APP = """
    import os
    from pathlib import Path

    def handler(event, headers):
        '''Greet each of the names in an event, whether it is one name or a batch of a queue's.'''
        records = event.get("Records", [event])
        names = [record.get("body") or record["name"] for record in records]
        with Path(os.environ["GREETED"]).open("a") as file:
            file.writelines(f"{name}\\n" for name in names)
        return {"greeting": f"Hello, {' and '.join(names)}!"}
"""

CLIENT = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}

CONFIG = """
    [functions.greet]
    handler = "app.handler"
    convention = "json"
    environment = {{ GREETED = "{greeted}" }}

    [[functions.greet.sources]]
    sqs = "{queue}"

    [[functions.greet.sources]]
    nats = "ORDERS"
"""


async def publish(server: NatsServer) -> None:
    """Make the stream, and store a name."""
    async with stream(server) as orders:
        await orders.publish("jetstream")


def test_one_file(tmp_path: Path) -> None:
    """AWS's emulator, the local platform, an ASGI server, a queue of SQS and a stream of JetStream run the same file."""
    try:
        rie.binary()
    except rie.NoEmulator as reason:
        pytest.skip(str(reason))
    greeted = tmp_path / "greeted"
    folder = write(tmp_path / "task", {"app.py": APP})
    variables = {"HANDLER_CONVENTION": "json", "GREETED": str(greeted)}

    def seen() -> list[str]:
        return greeted.read_text().split() if greeted.exists() else []

    with rie.rie("app.handler", folder, variables) as emulator:
        assert {"greeting": "Hello, emulator!"} == json.loads(emulator.invoke(b'{"name": "emulator"}'))
    with engine("uvicorn", folder, "app.handler", **variables) as (_, client, _):
        assert {"greeting": "Hello, uvicorn!"} == client.post("/", json={"name": "uvicorn"}).json()
    moto = Server()
    try:
        queue = moto.queue()
        write(folder, {"dispatch.toml": CONFIG.format(greeted=greeted, queue=queue.name)})
        environment = {**CREDENTIALS, "AWS_ENDPOINT_URL_SQS": queue.endpoint}
        with nats_server(tmp_path / "store") as nats:
            asyncio.run(publish(nats))
            with ServerProcess(folder, "--no-reload", environment={**environment, "NATS_URL": nats.url}) as server:
                invoke = boto3.client("lambda", endpoint_url=server.address, **CLIENT).invoke
                reply = invoke(FunctionName="greet", Payload=b'{"name": "boto3"}')
                assert {"greeting": "Hello, boto3!"} == json.loads(reply["Payload"].read())
                queue.send("sqs")
                await_true(lambda: {"sqs", "jetstream"} <= set(seen()), "what the queues have")
                queue.await_counts(0, 0)
    finally:
        moto.stop()
    assert ["emulator", "uvicorn", "boto3", "jetstream", "sqs"] == [*seen()[:2], *sorted(seen()[2:])]
