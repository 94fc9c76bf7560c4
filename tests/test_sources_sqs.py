"""Queues of SQS that are polled, on moto's server: batches, failures, order, concurrency, and the end."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import boto3
import pytest
from support.process import await_true
from support.sqs import CREDENTIALS, Gate, Queue, Server, polling

from runtime.local import feed
from runtime.local.feed import Outcome
from runtime.local.function_error import FunctionError
from runtime.local.sources.sqs import poller
from runtime.local.sources.sqs import queue as sqs_queue
from runtime.local.sources.sqs.source import Sqs

LIMIT = 6 * 1024 * 1024
ERROR = Outcome(error=FunctionError("E", b'{"errorType": "E", "errorMessage": "on purpose"}'))


@pytest.fixture(scope="module")
def moto() -> Iterator[Server]:
    """Moto's server."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def server(moto: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The endpoint of boto3's clients."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL_SQS": moto.url}.items():
        monkeypatch.setenv(name, value)
    yield moto
    moto.app.fault = lambda _action, _body: None


def failed(event: Any, *bodies: str) -> dict[str, Any]:
    """The answer that reports the messages with these bodies."""
    ids = [record["messageId"] for record in event["Records"] if record["body"] in bodies]
    return {"batchItemFailures": [{"itemIdentifier": one} for one in ids]}


def but_the_quick(gate: Gate) -> Callable[[Any], Awaitable[None]]:
    """A handler that waits at the gate, except with the message `quick`."""

    async def handle(event: Any) -> None:
        if event["Records"][0]["body"] != "quick":
            await gate.passed()

    return handle


def numbers(count: int) -> list[str]:
    """So many bodies."""
    return [str(number) for number in range(count)]


@pytest.mark.parametrize("named", [lambda queue: queue.name, lambda queue: queue.url, lambda queue: queue.arn])
def test_a_queue_by_name_url_and_arn(server: Server, named: Callable[[Queue], str]) -> None:
    """What was handled is deleted; the event has what Lambda's has."""
    queue = server.queue()
    queue.client.send_message(
        QueueUrl=queue.url,
        MessageBody="é",
        MessageAttributes={"a": {"DataType": "Binary", "BinaryValue": b"\xff"}},
    )
    with polling(Sqs(named(queue))) as source:
        queue.await_counts(0, 0)
        [record] = source.events[0]["Records"]
    assert ("é", "aws:sqs", queue.arn) == (record["body"], record["eventSource"], record["eventSourceARN"])
    assert ("1", "us-east-1") == (record["attributes"]["ApproximateReceiveCount"], record["awsRegion"])
    attribute = {"binaryValue": "/w==", "dataType": "Binary", "stringListValues": [], "binaryListValues": []}
    assert {"a": attribute} == record["messageAttributes"]


def test_a_url_without_an_endpoint(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL says where the queue is."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_SQS")
    queue = server.queue()
    queue.send("a")
    with polling(Sqs(queue.url)) as source:
        await_true(lambda: source.batches == [["a"]])


def test_batches_over_ten(server: Server) -> None:
    """Messages are gathered over the window, which a full batch ends."""
    queue = server.queue()
    queue.send(*numbers(50))
    with polling(Sqs(queue.name, batch=25, window=300)) as source:
        queue.await_counts(0, 0)
    assert [25, 25] == [len(batch) for batch in source.batches]
    assert sorted(numbers(50)) == sorted(source.bodies)


def test_a_window_that_ends(server: Server) -> None:
    """A batch that is not full is handed over at the end of the window."""
    queue = server.queue()
    queue.send("a")
    with polling(Sqs(queue.name, batch=1000, window=1)) as source:
        await_true(lambda: source.batches == [["a"]])
        queue.await_counts(0, 0)


def test_the_end_within_a_window(server: Server) -> None:
    """What was gathered is given back at once."""
    queue = server.queue(VisibilityTimeout="600")
    queue.send("a")
    with polling(Sqs(queue.name, batch=1000, window=300)) as source:
        queue.await_counts(0, 1)
        source.end()
    assert ((1, 0), []) == (queue.counts, source.batches)


@pytest.mark.parametrize("fifo", [False, True])
def test_the_size_of_an_event(server: Server, fifo: bool) -> None:
    """An event has 6 MB at most; what does not fit begins the next one, in order in a group."""
    queue = server.queue(fifo=fifo)
    bodies = [str(number) * 900_000 for number in range(9)]
    for body in bodies:
        queue.send(body, group="g" if fifo else "")
    sizes: list[int] = []

    async def handle(event: Any) -> None:
        sizes.append(len(json.dumps(event)))

    with polling(Sqs(queue.name), handle) as source:
        queue.await_counts(0, 0)
    assert [6, 3] == [len(batch) for batch in source.batches]
    assert max(sizes) <= LIMIT
    assert bodies == (source.bodies if fifo else sorted(source.bodies))


def test_an_event_that_is_full(server: Server) -> None:
    """6 MB end a window early; what did not fit is given back at the end."""
    queue, gate = server.queue(VisibilityTimeout="600"), Gate()
    queue.send(*("x" * 100_000 for _ in range(9)))
    for _ in range(8):
        queue.send("x" * 900_000)
    with polling(Sqs(queue.name, batch=100, window=300), gate.passed) as source:
        await_true(lambda: gate.waiting)
        handed_over = len(source.bodies)
        source.stop()
        queue.await_counts(17 - handed_over, handed_over)
        gate.open()
        source.end()
    assert 17 - handed_over > 0
    assert (17 - handed_over, 0) == queue.counts


def test_filters(server: Server) -> None:
    """Messages that no filter matches are deleted, and the function does not see them."""
    queue = server.queue(VisibilityTimeout="600")
    queue.send('{"kind": "order"}', '{"kind": "offer"}', "order", '{"kind": "order", "size": 5}', '{"kind": "gift"}')
    patterns = ('{"body": {"kind": ["order"], "size": [{"exists": false}]}}', '{"body": {"kind": ["gift"]}}')
    with polling(Sqs(queue.name, filter=patterns)) as source:
        queue.await_counts(0, 0)
    assert ['{"kind": "gift"}', '{"kind": "order"}'] == sorted(source.bodies)


def test_a_partial_failure(server: Server) -> None:
    """What failed comes back after the visibility timeout, and what is over goes to the queue's own dead letters."""
    dead = server.queue()
    queue = server.queue(VisibilityTimeout="1", RedrivePolicy={"deadLetterTargetArn": dead.arn, "maxReceiveCount": 2})
    queue.send("good", "bad")

    async def handle(event: Any) -> Any:
        return failed(event, "bad")

    with polling(Sqs(queue.name, report_failures=True), handle) as source:
        dead.await_counts(1, 0)
        state = source.feed.state
    assert (["bad", "bad"], 1) == ([body for body in source.bodies if body == "bad"], source.bodies.count("good"))
    assert (2, 3, 2, 1) == (state.batches, state.records, state.failures, state.dead_letters)
    assert {} == state.retrying


def test_a_function_that_fails(server: Server) -> None:
    """Nothing is deleted; the message comes back."""
    queue = server.queue(VisibilityTimeout="1")
    queue.send("a")
    outcomes = [ERROR, None]

    async def handle(_event: Any) -> Any:
        return outcomes.pop(0)

    with polling(Sqs(queue.name), handle) as source:
        queue.await_counts(0, 0)
        state = source.feed.state
    assert (["a", "a"], "E: on purpose", {}) == (source.bodies, state.last_error, state.retrying)


def test_a_batch_that_takes_longer_than_the_visibility_timeout(server: Server) -> None:
    """Its messages stay hidden, and go when it is through."""
    queue, gate = server.queue(VisibilityTimeout="3"), Gate()
    queue.send("a")
    with polling(Sqs(queue.name), gate.passed) as source:
        await_true(lambda: gate.waiting)
        # Each is sent after a third of the timeout.
        await_true(lambda: server.app.actions.count("ChangeMessageVisibilityBatch") >= 4, "the fourth heartbeat")
        assert (0, 1) == queue.counts
        gate.open()
        queue.await_counts(0, 0)
    assert ["a"] == source.bodies


def test_the_order_of_a_group(server: Server) -> None:
    """After a failure the rest of the group comes again, after the message that failed; other groups go on."""
    queue = server.queue(fifo=True, VisibilityTimeout="1")
    queue.send("a1", "a2", "a3", "a4", group="a")
    queue.send("b1", "b2", group="b")
    handled: list[str] = []
    failing = ["a2"]

    async def handle(event: Any) -> Any:
        bad = [record["body"] for record in event["Records"] if record["body"] in failing]
        handled.extend(record["body"] for record in event["Records"] if record["body"] not in bad)
        failing.clear()
        return failed(event, *bad)

    with polling(Sqs(queue.name, report_failures=True), handle, concurrency=5) as source:
        queue.await_counts(0, 0)
    assert ["a1", "a2", "a3", "a4", "b1", "b2"] == source.batches[0]
    assert ["a2", "a3", "a4"] == [body for batch in source.batches[1:] for body in batch]
    assert ["a1", "a3", "a4", "b1", "b2", "a2", "a3", "a4"] == handled


def test_groups_beside_each_other(server: Server) -> None:
    """A group with a batch under way is held back; another one is handled meanwhile."""
    queue, gate = server.queue(fifo=True, VisibilityTimeout="600"), Gate()
    queue.send("a1", group="a")

    async def handle(event: Any) -> None:
        if event["Records"][0]["body"] == "a1":
            await gate.passed()

    with polling(Sqs(queue.name), handle, concurrency=5) as source:
        await_true(lambda: gate.waiting)
        queue.send("a2", group="a")
        queue.send("b1", group="b")
        await_true(lambda: source.bodies == ["a1", "b1"])
        gate.open()
        queue.await_counts(0, 0)
    assert ["a1", "b1", "a2"] == source.bodies


@pytest.mark.parametrize(("setting", "most"), [(None, 4), (2, 2)])
def test_concurrency(server: Server, setting: int | None, most: int) -> None:
    """As many batches at once as the function handles, or as the source may have, and no more."""
    queue, gate = server.queue(VisibilityTimeout="600"), Gate()
    queue.send(*numbers(12))
    with polling(Sqs(queue.name, batch=1, maximum_concurrency=setting), gate.passed, concurrency=4):
        await_true(lambda: gate.waiting == most)
        gate.open()
        queue.await_counts(0, 0)
    assert most == gate.most


def test_a_function_that_is_busy(server: Server) -> None:
    """The same messages are offered again, without being received again; the developer is told once."""
    queue = server.queue(VisibilityTimeout="600")
    queue.send("a")
    outcomes = [Outcome(refused="busy"), Outcome(refused="busy"), None]

    async def handle(_event: Any) -> Any:
        return outcomes.pop(0)

    with polling(Sqs(queue.name), handle) as source:
        queue.await_counts(0, 0)
        counts = [event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in source.events]
    assert (["1", "1", "1"], 1) == (counts, len(source.notes))


def test_the_end_of_a_busy_function(server: Server) -> None:
    """What it has not accepted is given back at once."""
    queue = server.queue(VisibilityTimeout="600")
    queue.send("a")

    async def handle(_event: Any) -> Any:
        return Outcome(refused="busy")

    with polling(Sqs(queue.name), handle) as source:
        await_true(lambda: source.batches)
        source.end()
    assert (1, 0) == queue.counts


def test_the_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch under way is finished and deleted; the next one, already received, is given back at once."""
    monkeypatch.setattr(poller, "QUICK", 60)
    queue, gate = server.queue(VisibilityTimeout="600"), Gate()

    queue.send("quick")
    with polling(Sqs(queue.name, batch=1), but_the_quick(gate)) as source:
        queue.await_counts(0, 0)
        queue.send("a", "b", "c")
        queue.await_counts(1, 2)
        source.stop()
        queue.await_counts(2, 1)
        gate.open()
        source.end()
    assert ((2, 0), 2) == (queue.counts, len(source.bodies))


def test_a_message_that_comes_at_the_end(server: Server) -> None:
    """What the last request brings is given back."""
    queue = server.queue(VisibilityTimeout="600")
    with polling(Sqs(queue.name)) as source:
        await_true(lambda: "ReceiveMessage" in server.app.actions)
        source.stop()
        queue.send("a")
        source.end()
    assert ((1, 0), []) == (queue.counts, source.bodies)


def test_deletions_that_fail(server: Server) -> None:
    """They are tried again, entry by entry; one that can never succeed is reported."""
    queue = server.queue(VisibilityTimeout="600")
    tries: list[int] = []

    def fault(action: str, body: Any) -> tuple[int, Any] | None:
        if action != "DeleteMessageBatch" or len(tries) == 3:
            return None
        tries.append(len(body["Entries"]))
        if len(tries) == 1:
            return 500, {}
        ids = [entry["Id"] for entry in body["Entries"]]
        reasons = ["ReceiptHandleIsInvalid", *["InternalError"] * (len(ids) - 1)]
        entries = [
            {"Id": one, "Code": code, "SenderFault": code != "InternalError"}
            for one, code in zip(ids, reasons, strict=True)
        ]
        return 200, {"Successful": [], "Failed": entries if len(tries) == 2 else entries[1:]}

    server.app.fault = fault
    queue.send("a", "b", "c")
    with polling(Sqs(queue.name)) as source:
        queue.await_counts(0, 2)
        await_true(lambda: source.notes)
    assert [3, 3, 2] == tries
    assert "ReceiptHandleIsInvalid" in source.notes[0]


@pytest.mark.parametrize(("action", "times"), [("ReceiveMessage", 2), ("GetQueueAttributes", 1000)])
def test_a_queue_that_is_away(server: Server, action: str, times: int) -> None:
    """That is reported once, in one line; afterwards it goes on. Without its attributes, a queue is polled all the same."""
    queue = server.queue(VisibilityTimeout="600")
    asked: list[str] = []

    def fault(asked_for: str, _body: Any) -> tuple[int, Any] | None:
        if asked_for != action or len(asked) == times:
            return None
        asked.append(asked_for)
        return 403, {"__type": "AccessDenied", "message": f"not for you\nat {len(asked)}"}

    server.app.fault = fault
    queue.send("a", "b")
    with polling(Sqs(queue.name, batch=1)) as source:
        await_true(lambda: sorted(source.bodies) == ["a", "b"])
    assert 1 == len(source.notes)
    assert all(words in source.notes[0] for words in (f"calling the {action} operation", ": not for you at 1"))


def test_a_queue_that_is_missing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs no new session at each try; credentials that are refused may be others the next time."""
    made: list[boto3.Session] = []
    session = boto3.Session

    def counted() -> boto3.Session:
        made.append(session())
        return made[-1]

    monkeypatch.setattr(feed, "RETRY", 0)
    monkeypatch.setattr(boto3, "Session", counted)
    queue = server.queue()
    queue.client.delete_queue(QueueUrl=queue.url)
    del server.app.actions[:]
    with polling(Sqs(queue.name)) as source:
        await_true(lambda: server.app.actions.count("GetQueueUrl") > 3)
        assert 1 == len(made)
        server.app.fault = lambda _action, _body: (403, {"__type": "InvalidClientTokenId"})
        await_true(lambda: server.app.actions.count("GetQueueUrl") > 9)
        assert 1 == len(made)
        monkeypatch.setattr(sqs_queue, "RENEWAL", 0)
        await_true(lambda: len(made) > 1)
    assert ["QueueDoesNotExist", "ClientError"] == [note.split(":")[0] for note in source.notes]


def test_a_server_that_goes_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of the last request does not take the place of the end, which would then never come."""
    server = Server()
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL_SQS": server.url}.items():
        monkeypatch.setenv(name, value)
    queue = server.queue()
    with polling(Sqs(queue.name)) as source:
        await_true(lambda: "ReceiveMessage" in server.app.actions)
        source.stop()
        server.app.fault = lambda _action, _body: (500, {})
        server.stop()
        source.end()


def test_the_last_delivery_of_a_group(server: Server) -> None:
    """Messages after one that fails for the last time are handled, instead of becoming dead letters along with it."""
    dead = server.queue(fifo=True)
    policy = {"deadLetterTargetArn": dead.arn, "maxReceiveCount": 2}
    queue = server.queue(fifo=True, VisibilityTimeout="1", RedrivePolicy=policy)
    queue.send("a1", "a2", "a3", "a4", group="a")

    async def handle(event: Any) -> Any:
        return failed(event, "a1", "a3")

    with polling(Sqs(queue.name, report_failures=True), handle) as source:
        dead.await_counts(2, 0)
        state = source.feed.state
    assert [["a1", "a2", "a3", "a4"], ["a1", "a2", "a3", "a4"], ["a2", "a4"]] == source.batches
    assert (0, 0) == queue.counts
    assert 2 == state.dead_letters


@pytest.mark.parametrize(("most", "handled"), [(2, ["quick", "a"]), (1, ["quick", "a", "b"])])
def test_the_last_delivery_at_the_end(server: Server, most: int, handled: list[str]) -> None:
    """A batch received ahead is given back, but not on its last delivery: then it is handled once there is room."""
    policy, gate = {"deadLetterTargetArn": server.queue().arn, "maxReceiveCount": most}, Gate()
    queue = server.queue(VisibilityTimeout="600", RedrivePolicy=policy)

    queue.send("quick")
    with polling(Sqs(queue.name, batch=1), but_the_quick(gate)) as source:
        queue.await_counts(0, 0)
        queue.send("a", "b")
        queue.await_counts(0, 2)
        source.stop()
        if most > 1:
            queue.await_counts(1, 1)
        gate.open()
        source.end()
    assert (handled, (3 - len(handled), 0)) == (source.bodies, queue.counts)
