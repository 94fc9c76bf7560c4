"""Streams of NATS JetStream as event sources, with a real server."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError
from nats.js.errors import NotFoundError
from support.nats import Function, NatsServer, Record, Stream, failing, nats_server, polled, stream, until

from runtime.local import feed
from runtime.local.feed import Outcome
from runtime.local.source import BadMapping
from runtime.local.sources.jetstream import connection
from runtime.local.sources.jetstream.connection import options, shown
from runtime.local.sources.jetstream.consumer import covers
from runtime.local.sources.jetstream.deliveries import DELAYS, Deliveries
from runtime.local.sources.jetstream.pull import Pull
from runtime.local.sources.jetstream.source import JetStream


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NatsServer]:
    """A server, which sources find by the variable that users set."""
    with nats_server(tmp_path / "store") as one:
        monkeypatch.setenv("NATS_URL", one.url)
        yield one


def test_handled_messages_are_acknowledged(server: NatsServer) -> None:
    """The event is as the contract has it: text as it is, anything else in base64, with the headers and ids."""

    async def case() -> None:
        function = Function()
        async with stream(server) as orders:
            await orders.publish("é", subject="orders.new", Nats_Msg_Id="first", X_Kind="a")
            await orders.publish(b"\xff\0", subject="orders.old")
            async with polled(JetStream("ORDERS"), function) as one:
                await until(orders.settled)
                assert (1, 2, 0, 0) == (
                    one.feed.state.batches,
                    one.feed.state.records,
                    one.feed.state.failures,
                    one.feed.state.lag,
                )
        assert [
            [
                {
                    "eventSource": "nats:jetstream",
                    "messageId": "first",
                    "stream": "ORDERS",
                    "subject": "orders.new",
                    "sequence": 1,
                    "delivered": 1,
                    "headers": {"Nats-Msg-Id": "first", "X-Kind": "a"},
                    "body": "é",
                    "isBase64Encoded": False,
                },
                {
                    "eventSource": "nats:jetstream",
                    "messageId": "ORDERS:2",
                    "stream": "ORDERS",
                    "subject": "orders.old",
                    "sequence": 2,
                    "delivered": 1,
                    "headers": {},
                    "body": "/wA=",
                    "isBase64Encoded": True,
                },
            ]
        ] == function.events

    asyncio.run(case())


def test_a_message_that_fails(server: NatsServer) -> None:
    """Only this one is delivered again, after a delay, and counts its deliveries."""

    async def case() -> None:
        times: list[float] = []

        def answer(records: list[Record]) -> Any:
            times.append(time.monotonic())
            return failing("b")(records) if len(times) == 1 else None

        function = Function(answer)
        async with stream(server) as orders:
            await orders.publish("a", "b", "c")
            async with polled(JetStream("ORDERS"), function) as one:
                await until(lambda: len(function.events) == 2)
                await until(orders.settled)
                assert (2, 4, 1, {}) == (
                    one.feed.state.batches,
                    one.feed.state.records,
                    one.feed.state.failures,
                    one.feed.state.retrying,
                )
        assert [["a", "b", "c"], ["b"]] == [[record["body"] for record in each] for each in function.events]
        assert 2 == function.events[1][0]["delivered"]
        assert times[1] - times[0] > 0.9 * DELAYS[0]

    asyncio.run(case())


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: {"batchItemFailures": [{"itemIdentifier": "nonsense"}]},
        lambda _: {"batchItemFailures": [{}]},
        lambda _: ValueError("no"),
    ],
)
def test_a_batch_that_fails(server: NatsServer, answer: Callable[[list[Record]], Any]) -> None:
    """A function error and a malformed answer fail the whole batch."""

    async def case() -> None:
        function = Function(lambda records: answer(records) if records[0]["delivered"] == 1 else None)
        async with stream(server) as orders:
            await orders.make_consumer(backoff=[0.2, 0.2], max_deliver=3)
            await orders.publish("a", "b")
            async with polled(JetStream("ORDERS"), function):
                await until(lambda: len(function.bodies) == 4)
                await until(orders.settled)
        assert ["a", "b", "a", "b"] == function.bodies

    asyncio.run(case())


def test_dead_letters(server: NatsServer) -> None:
    """After max_deliver deliveries a message is published to the subject, once, with what is known of it."""

    async def case() -> None:
        function = Function(lambda _: ValueError("no\nluck"))
        async with stream(server) as orders:
            await orders.make_consumer(backoff=[0.1], max_deliver=9)
            await orders.publish(b"\xff", Nats_Msg_Id="first", X_Kind="a", Nats_Expected_Stream="ORDERS")
            async with polled(JetStream("ORDERS", max_deliver=2, dead_letter="dead.orders"), function) as one:
                await until(orders.settled)
                assert 1 == one.feed.state.dead_letters
                assert "gave up the message first after 2 deliveries: ValueError: no luck" in one.notes
            (letter,) = await orders.stored("DEAD")
        assert 2 == len(function.events)
        assert ("dead.orders", b"\xff") == (letter.subject, letter.data)
        headers = dict(letter.headers or {})
        assert re.fullmatch(r"ORDERS:function:1:\d{4}-.*", headers.pop("Nats-Msg-Id"))
        assert {
            "X-Kind": "a",
            "Dispatch-Nats-Msg-Id": "first",
            "Dispatch-Nats-Expected-Stream": "ORDERS",
            "Dispatch-Message-Id": "first",
            "Dispatch-Stream": "ORDERS",
            "Dispatch-Consumer": "function",
            "Dispatch-Subject": "orders.new",
            "Dispatch-Sequence": "1",
            "Dispatch-Deliveries": "2",
            "Dispatch-Error-Type": "ValueError",
            "Dispatch-Error-Message": "no luck",
        } == headers

    asyncio.run(case())


def test_a_last_delivery_that_ends_with_its_server(server: NatsServer) -> None:
    """The message is a dead letter without being handled once more; a second try to publish it stores nothing."""

    async def case() -> None:
        function = Function()
        async with stream(server) as orders:
            await orders.make_consumer(ack_wait=0.3)
            await orders.publish("a")
            lost = await orders.context.pull_subscribe_bind("function", "ORDERS")
            await lost.fetch(1)
            source = JetStream("ORDERS", max_deliver=1, dead_letter="dead.orders")
            async with polled(source, function):
                await until(orders.settled)
            (letter,) = await orders.stored("DEAD")
            assert "DeliveriesExhausted" == (letter.headers or {})["Dispatch-Error-Type"]
            await orders.context.publish("dead.orders", b"again", headers=dict(letter.headers or {}))
            assert 1 == len(await orders.stored("DEAD"))
        assert [] == function.events

    asyncio.run(case())


def test_dead_letters_that_nobody_stores(server: NatsServer) -> None:
    """The message is not given up before a stream has its dead letter; that is reported once."""

    async def case() -> None:
        async with stream(server) as orders:
            await orders.make_consumer(backoff=[0.1], max_deliver=99)
            await orders.publish("a")
            source = JetStream("ORDERS", max_deliver=1, dead_letter="lost.orders")
            async with polled(source, Function(lambda _: ValueError())) as one:
                await until(lambda: one.feed.state.retrying.get("ORDERS:1", 0) > 4)
                assert 1 == len([note for note in one.notes if "cannot publish to lost.orders" in note])
                await orders.context.add_stream(name="LOST", subjects=["lost.>"])
                await until(orders.settled)
            assert 1 == len(await orders.stored("LOST"))

    asyncio.run(case())


def test_a_limit_without_dead_letters(server: NatsServer) -> None:
    """The server stops delivering the message, which stays in the stream; it is counted and reported."""

    async def case() -> None:
        function = Function(failing("a"))
        async with stream(server, retention="workqueue") as orders:
            await orders.publish("a")
            async with polled(JetStream("ORDERS", max_deliver=2), function) as one:
                await until(orders.settled)
                assert 2 == (await orders.consumer()).config.max_deliver
                assert (2, 1) == (one.feed.state.failures, one.feed.state.dead_letters)
            assert ["a", "a"] == function.bodies
            assert 1 == len(await orders.stored("ORDERS"))

    asyncio.run(case())


def test_an_acknowledgement_that_is_lost(server: NatsServer) -> None:
    """The message is acknowledged when it is delivered again, and not handled again."""

    async def case() -> None:
        async with stream(server) as orders:
            await orders.make_consumer(ack_wait=0.3)
            await orders.publish("a")
            dying = Client()
            await dying.connect(server.url)
            deliveries = Deliveries(dying, 30)
            handled = await deliveries.admit(await received(dying))
            await dying.close()
            with pytest.raises(ConnectionClosedError):
                await deliveries.acknowledge(handled)
            again = await received(orders.client)
            assert 2 == again[0].metadata.num_delivered
            assert [] == await deliveries.admit(again)
            await until(orders.settled)

    asyncio.run(case())


def test_a_message_that_comes_again_while_it_is_handled(server: NatsServer) -> None:
    """It is not handled twice, and settled by its latest delivery."""

    async def case() -> None:
        async with stream(server) as orders:
            await orders.make_consumer(ack_wait=0.3)
            await orders.publish("a")
            deliveries = Deliveries(orders.client, 30)
            (first,) = await deliveries.admit(await received(orders.client))
            assert [] == await deliveries.admit(await received(orders.client))
            assert 2 == first.count
            await deliveries.acknowledge([first])
            await until(orders.settled)

    asyncio.run(case())


async def received(client: Client) -> list[Msg]:
    """The next message of the consumer, for a client."""
    pull = Pull(client, "ORDERS", "function")
    await pull.open()
    messages = await pull.request(1, 10)
    await pull.close()
    return messages


def test_two_messages_with_one_id(server: NatsServer) -> None:
    """The stream drops one within its duplicate window; of those that it has stored each has an event of its own."""

    async def case() -> None:
        function = Function(lambda records: failing("b")(records) if records[0]["delivered"] == 1 else None)
        async with stream(server, duplicate_window=0.1) as orders:
            await orders.make_consumer(backoff=[0.1], max_deliver=9)
            await orders.publish("a", "dropped", Nats_Msg_Id="1")
            await until(lambda: stored_again(orders))
            await orders.publish("c")
            async with polled(JetStream("ORDERS"), function):
                await until(lambda: len(function.events) == 3)
                await until(orders.settled)
        assert [["a"], ["b", "c"], ["b"]] == [[record["body"] for record in each] for each in function.events]

    async def stored_again(orders: Stream) -> bool:
        await orders.publish("b", Nats_Msg_Id="1")
        return len(await orders.stored("ORDERS")) == 2

    asyncio.run(case())


def test_an_event_as_large_as_may_be(server: NatsServer) -> None:
    """What does not fit begins the next event."""

    async def case() -> None:
        function = Function()
        async with stream(server) as orders:
            await orders.publish(*("x" * 1_000_000 for _ in range(8)))
            async with polled(JetStream("ORDERS"), function):
                await until(orders.settled)
        assert [6, 2] == [len(each) for each in function.events]

    asyncio.run(case())


def test_a_window(server: NatsServer) -> None:
    """Messages are gathered until there are enough, over several requests."""

    async def case() -> None:
        function = Function()
        async with stream(server) as orders, polled(JetStream("ORDERS", batch=3, window=300), function):
            await orders.publish("a")
            await until(lambda: waiting(orders, 1))
            await orders.publish("b", "c")
            await until(lambda: function.events)
        assert ["a", "b", "c"] == function.bodies

    asyncio.run(case())


async def waiting(orders: Stream, count: int) -> bool:
    """Whether so many messages are under way."""
    try:
        return (await orders.consumer()).num_ack_pending == count
    except NotFoundError:
        return False


def test_the_end(server: NatsServer) -> None:
    """A batch under way finishes and is acknowledged; what was gathered for another one is there for others at once."""

    async def case() -> None:
        function, other = Function(), Function()
        function.gate.clear()
        async with stream(server) as orders:
            await orders.publish("a", "b")
            async with polled(JetStream("ORDERS", batch=2, window=300), function, concurrency=2) as one:
                await until(lambda: function.running)
                await orders.publish("c")
                await until(lambda: waiting(orders, 3))
                one.task.cancel()
                async with polled(JetStream("ORDERS"), other):
                    await until(lambda: other.events)
                assert not one.task.done()
                function.gate.set()
            await until(orders.settled)
        assert (["a", "b"], ["c"]) == (function.bodies, other.bodies)

    asyncio.run(case())


def test_a_function_that_takes_its_time(server: NatsServer) -> None:
    """A message under way is not delivered again, though the consumer waits for less time than it takes."""

    async def case() -> None:
        function = Function()
        function.gate.clear()
        async with stream(server) as orders:
            await orders.make_consumer(ack_wait=1)
            await orders.make_consumer("other", ack_wait=1)
            await orders.publish("a")
            async with polled(JetStream("ORDERS"), function, concurrency=2):
                await until(lambda: function.running)
                await (await orders.context.pull_subscribe_bind("other", "ORDERS")).fetch(1)
                again = await (await orders.context.pull_subscribe_bind("other", "ORDERS")).fetch(1, 20)
                assert 2 == again[0].metadata.num_delivered
                assert 0 == (await orders.consumer()).num_redelivered
                function.gate.set()
                await until(orders.settled)
        assert ["a"] == function.bodies

    asyncio.run(case())


def test_a_function_that_is_busy(server: NatsServer) -> None:
    """A refused batch waits here, without costing it a delivery."""

    async def case() -> None:
        refusals = [Outcome(refused="busy")] * 3
        function = Function(lambda _: refusals.pop() if refusals else None)
        async with stream(server) as orders:
            await orders.publish("a")
            source = JetStream("ORDERS", max_deliver=1, dead_letter="dead.orders")
            async with polled(source, function) as one:
                await until(orders.settled)
                assert (0, 0) == (one.feed.state.failures, one.feed.state.dead_letters)
        assert [1] * 4 == [records[0]["delivered"] for records in function.events]

    asyncio.run(case())


def test_a_server_that_is_killed_during_a_batch(server: NatsServer) -> None:
    """The batch is acknowledged after the restart and not handled twice, and polling goes on; it is reported once."""

    async def case() -> None:
        function = Function()
        function.gate.clear()
        async with stream(server) as orders, polled(JetStream("ORDERS"), function) as one:
            await orders.publish("a")
            await until(lambda: function.running)
            await asyncio.to_thread(server.kill)
            await until(lambda: one.notes)
            assert one.notes == [one.feed.fault]
            function.gate.set()
            await asyncio.to_thread(server.start)
            await until(lambda: orders.client.is_connected)
            await until(orders.settled)
            await orders.publish("b")
            await until(lambda: function.bodies == ["a", "b"])
            await until(orders.settled)
            assert [f"cannot reach NATS at {server.url}: nats: unexpected EOF"] == one.notes
            assert "" == one.feed.fault

    asyncio.run(case())


def test_a_server_that_comes_later(server: NatsServer) -> None:
    """The source waits for it, and can be ended meanwhile."""

    async def case() -> None:
        function = Function()
        await asyncio.to_thread(server.kill)
        async with polled(JetStream("ORDERS"), function) as one:
            await until(lambda: one.notes)
        async with polled(JetStream("ORDERS"), function) as one:
            await until(lambda: one.notes)
            await asyncio.to_thread(server.start)
            async with stream(server) as orders:
                await orders.publish("a")
                await until(orders.settled)
            assert 1 == len([note for note in one.notes if "cannot reach NATS" in note])

    asyncio.run(case())


def test_a_file_of_keys_that_is_missing(server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report names it."""
    monkeypatch.setenv("NATS_CA", "/missing/ca.pem")

    async def case() -> None:
        async with polled(JetStream("ORDERS"), Function()) as one:
            await until(lambda: one.notes)
            assert ["FileNotFoundError: [Errno 2] No such file or directory"] == one.notes

    asyncio.run(case())


def test_a_server_of_several_that_is_away(server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported once, however often another one is asked for a stream that is missing."""
    monkeypatch.setattr(feed, "RETRY", 0)
    monkeypatch.setattr(connection, "RETRY", 0)

    async def case() -> None:
        tries: list[None] = []

        async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tries.append(None)
            writer.close()

        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as away:
            away_url = f"nats://127.0.0.1:{away.sockets[0].getsockname()[1]}"
            monkeypatch.setenv("NATS_URL", f"{away_url},{server.url}")
            async with stream(server), polled(JetStream("LATER"), Function()) as one:
                await until(lambda: len(tries) > 4)
        expected = [f"cannot reach NATS at {away_url},{server.url}", "no such stream"]
        assert expected == sorted(re.split(": nats|: '", note)[0] for note in one.notes)

    asyncio.run(case())


def test_a_stream_that_comes_later(server: NatsServer) -> None:
    """The report names the streams that there are."""

    async def case() -> None:
        function = Function()
        async with stream(server) as orders, polled(JetStream("LATER"), function) as one:
            await until(lambda: one.notes)
            assert ["no such stream: 'LATER'; available: DEAD, ORDERS"] == one.notes
            await orders.context.add_stream(name="LATER", subjects=["later"])
            await orders.publish("a", subject="later")
            await until(lambda: function.events)

    asyncio.run(case())


def test_a_stream_that_goes(server: NatsServer) -> None:
    """A stream that is deleted is reported, and one that takes its place is polled from its beginning."""

    async def case() -> None:
        function = Function()
        async with stream(server) as orders, polled(JetStream("ORDERS"), function) as one:
            await orders.publish("a")
            await until(lambda: function.events)
            await orders.context.delete_stream("ORDERS")
            await until(lambda: "no such stream: 'ORDERS'; available: DEAD" in one.notes)
            await orders.context.add_stream(name="ORDERS", subjects=["orders.>"])
            await orders.publish("b")
            await until(lambda: function.bodies == ["a", "b"])

    asyncio.run(case())


@pytest.mark.parametrize(
    ("config", "settings", "note"),
    [
        (
            {"filter_subject": "orders.old"},
            {"subject": "orders.new"},
            (
                "the consumer function of ORDERS delivers the subjects orders.old, not orders.new; set `durable` to another "
                "name, or delete the consumer"
            ),
        ),
        (
            {"filter_subject": "orders.old", "description": "dispatch"},
            {},
            (
                "the consumer function of ORDERS delivers the subjects orders.old, not >; set `durable` to another name, "
                "or delete the consumer"
            ),
        ),
        (
            {"deliver_subject": "there"},
            {},
            (
                "the consumer function of ORDERS is a push consumer; set `durable` to the name of a pull consumer, or of a "
                "new one"
            ),
        ),
        ({"ack_policy": "all"}, {}, "the consumer function of ORDERS has the ack policy all; it must be explicit"),
        (
            {},
            {"max_deliver": 1, "dead_letter": "orders.dead"},
            (
                "dead_letter = 'orders.dead' is among the subjects that the source receives; name a subject of another "
                "stream, or one that `subject` leaves out"
            ),
        ),
    ],
)
def test_a_consumer_that_does_something_else(
    server: NatsServer, config: dict[str, Any], settings: dict[str, Any], note: str
) -> None:
    """It is not polled, and the report says what to do."""

    async def case() -> None:
        function = Function()
        async with stream(server) as orders:
            await orders.make_consumer(**config)
            await orders.publish("a")
            async with polled(JetStream("ORDERS", **settings), function) as one:
                await until(lambda: one.notes)
                assert [note] == one.notes
        assert [] == function.events

    asyncio.run(case())


def test_a_consumer_with_a_limit_of_its_own(server: NatsServer) -> None:
    """It is used, its limit counts, and the report says what that means for dead letters."""

    async def case() -> None:
        async with stream(server) as orders:
            await orders.make_consumer(max_deliver=1)
            await orders.publish("a")
            source = JetStream("ORDERS", max_deliver=3, dead_letter="dead.orders")
            async with polled(source, Function(failing("a"))) as one:
                await until(lambda: orders.stored("DEAD"))
                assert "the consumer function has a max_deliver of its own, 1: " in one.notes[0]

    asyncio.run(case())


def test_a_consumer_that_was_made_here(server: NatsServer) -> None:
    """Many machines make it at once; new settings change it."""

    async def case() -> None:
        function = Function()
        async with stream(server) as orders:
            sources = [JetStream("ORDERS", subject="orders.*", max_deliver=2)] * 5
            async with AsyncExitStack() as stack:
                polls = [await stack.enter_async_context(polled(each, function)) for each in sources]
                await orders.publish(*map(str, range(20)))
                await until(orders.settled)
                assert [[]] * 5 == [one.notes for one in polls]
            assert sorted(map(str, range(20))) == sorted(function.bodies)
            before = (await orders.consumer()).config
            assert ("orders.*", 2) == (before.filter_subject, before.max_deliver)
            async with polled(JetStream("ORDERS", subject="orders.*", max_deliver=3), function):
                await until(lambda: changed(orders))

    async def changed(orders: Stream) -> bool:
        config = (await orders.consumer()).config
        return ("orders.*", 3) == (config.filter_subject, config.max_deliver)

    asyncio.run(case())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"nats": "a.b"}, "not the name of a stream: 'a.b'"),
        ({"durable": "a b"}, "not the name of a durable: 'a b'"),
        ({"subject": "a..b"}, "subject: not a subject: 'a..b'"),
        ({"subject": ">.a"}, "subject: not a subject: '>.a'"),
        ({"dead_letter": "a.*", "max_deliver": 1}, "dead_letter must be one subject"),
        ({"dead_letter": "a"}, "dead_letter needs max_deliver"),
        ({"batch": 0}, "the batch size must be 1 to 10000, not 0"),
        ({"window": 301}, "the window must be 0 to 300 seconds, not 301"),
        ({"max_deliver": -1}, "max_deliver must be at least 1"),
    ],
)
def test_settings_that_are_wrong(settings: dict[str, Any], message: str) -> None:
    """Each is refused with the reason."""
    with pytest.raises(BadMapping, match=re.escape(message)):
        JetStream(**{"nats": "ORDERS", **settings})


def test_no_client_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report names the extra."""
    monkeypatch.setitem(sys.modules, "nats", None)
    with pytest.raises(BadMapping, match=r"run: pip install 'handler-dispatch\[nats\]'"):
        JetStream("ORDERS").check()


def test_subjects() -> None:
    """NATS's wildcards: a star is one part, and the greater-than sign at least one."""
    cases = [("a.b", "a.b"), ("a.*", "a.b"), ("a.>", "a.b.c"), (">", "a"), ("a.*", "a.b.c"), ("a.>", "a"), ("a", "a.b")]
    assert [True, True, True, True, False, False, False] == [covers(*each) for each in cases]


def test_the_variables_of_a_connection() -> None:
    """They are those of NATS's own command line; a password is not shown."""
    given = {"NATS_CREDS": "me.creds", "NATS_USER": "me", "NATS_PASSWORD": "", "NATS_URL": "nats://a"}
    assert {"user_credentials": "me.creds", "user": "me"} == options(given)
    assert "nats://a:4222,b" == shown("nats://me:secret@a:4222,b")
