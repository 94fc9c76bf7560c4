"""Streams of NATS JetStream for functions of `dispatch serve`: several machines, the end, a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import boto3
import pytest
from support.files import write
from support.local import ServerProcess
from support.nats import NatsServer, Stream, nats_server, stream, until

#: A function that keeps what it receives, with the process that receives it, and waits for a file if it is told to.
APP: Final = """
import os, time
from pathlib import Path

def handler(event, context):
    with open("../kept", "a") as file:
        file.write("".join(f"{os.getppid()} {record['body']}" + chr(10) for record in event["Records"]))
    while any(record["body"] == "wait" for record in event["Records"]) and not Path("../go").exists():
        time.sleep(0.01)
"""
CONFIG: Final = """
[functions.orders]
handler = "app.handler"
convention = "lambda"
timeout = 60
concurrency = 2

[[functions.orders.sources]]
nats = "ORDERS"
subject = "orders.>"
batch = 5
max_deliver = 2
dead_letter = "dead.orders"
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """A server of NATS."""
    with nats_server(tmp_path / "store") as one:
        yield one


@pytest.fixture
def machine(tmp_path: Path, server: NatsServer) -> Callable[[str], ServerProcess]:
    """Start `dispatch serve` with the same configuration in a folder of its own."""

    def start(name: str) -> ServerProcess:
        root = write(tmp_path / name, {"app.py": APP, "dispatch.toml": CONFIG})
        return ServerProcess(root, "--no-reload", environment={"NATS_URL": server.url})

    return start


def kept(folder: Path) -> list[list[str]]:
    """The process and the body of each record that functions have received."""
    return [line.split() for line in (folder / "kept").read_text().splitlines()] if (folder / "kept").exists() else []


def run(server: NatsServer, case: Callable[[Stream], Awaitable[None]]) -> None:
    """Run a test that sees the stream."""

    async def connected() -> None:
        async with stream(server) as orders:
            await case(orders)

    asyncio.run(connected())


def test_two_machines(server: NatsServer, machine: Callable[[str], ServerProcess], tmp_path: Path) -> None:
    """Each message is handled once, whichever machine receives it, and both receive some."""

    async def case(orders: Stream) -> None:
        with machine("one") as one, machine("two") as two:
            await until(lambda: made(orders))
            for number in range(30):
                await orders.publish(*(f"{number}.{each}" for each in range(10)))
            await until(lambda: orders.settled("orders"))
            assert ["orders"] == [each.name for each in await orders.context.consumers_info("ORDERS")]
            assert [] == [line for each in (one, two) for line in each.lines if "nats ORDERS: " in line]
        received = kept(tmp_path)
        assert sorted(f"{number}.{each}" for number in range(30) for each in range(10)) == sorted(
            body for _, body in received
        )
        assert 2 == len({process for process, _ in received})

    run(server, case)


async def made(orders: Stream) -> bool:
    """Whether both machines are waiting for messages."""
    infos = await orders.context.consumers_info("ORDERS")
    return bool(infos) and infos[0].num_waiting == 2


def test_the_end_of_a_machine(server: NatsServer, machine: Callable[[str], ServerProcess], tmp_path: Path) -> None:
    """At SIGTERM the batch under way finishes and is acknowledged."""

    async def case(orders: Stream) -> None:
        with machine("one") as one:
            await orders.publish("wait")
            await until(lambda: kept(tmp_path))
            one.child.signal()
            await asyncio.to_thread(one.line, "ending once the events under way are through")
            (tmp_path / "go").touch()
            assert 0 == await asyncio.to_thread(one.wait)
            await until(lambda: orders.settled("orders"))
        assert ["wait"] == [body for _, body in kept(tmp_path)]

    run(server, case)


def test_a_machine_that_dies(server: NatsServer, machine: Callable[[str], ServerProcess], tmp_path: Path) -> None:
    """Its batch is delivered to another one; where that dies as well, it is a dead letter in the end."""

    async def case(orders: Stream) -> None:
        await orders.make_consumer("orders", ack_wait=1.5, filter_subject="orders.>")
        await orders.publish("wait")
        for deaths in (1, 2):
            with machine(f"number-{deaths}") as one:
                await until(lambda count=deaths: len(kept(tmp_path)) == count)
                one.child.kill()
        with machine("last"):
            await until(lambda: orders.stored("DEAD"))
        (letter,) = await orders.stored("DEAD")
        assert (b"wait", "DeliveriesExhausted") == (letter.data, (letter.headers or {})["Dispatch-Error-Type"])
        assert 2 == len(kept(tmp_path))
        (tmp_path / "go").touch()  # the functions have outlived their machines

    run(server, case)


def test_the_api(server: NatsServer, machine: Callable[[str], ServerProcess]) -> None:
    """The mapping is listed with its settings, and can be disabled."""
    with machine("one") as one:
        client = boto3.client(
            "lambda",
            endpoint_url=one.address,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        (mapping,) = client.list_event_source_mappings()["EventSourceMappings"]
        assert ("arn:aws:nats:us-east-1:012345678912:ORDERS", 5, "Enabled", ["orders.>"], "dead.orders") == (
            mapping["EventSourceArn"],
            mapping["BatchSize"],
            mapping["State"],
            mapping["Topics"],
            mapping["DestinationConfig"]["OnFailure"]["Destination"],
        )
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        assert "Disabled" == client.get_event_source_mapping(UUID=mapping["UUID"])["State"]
