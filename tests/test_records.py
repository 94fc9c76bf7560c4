"""The convention records: which records are handled, which are reported, and what the log says of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.api import event as handed_out
from support.batches import NAME_OF, at, dynamodb, encoded, kafka, kinesis, sqs
from support.files import write
from support.logs import JSON, records
from support.runtime import COMMAND, Answer, Fail, Runtime, Serve

from dispatch import Invocation
from dispatch.load import load

#: Handlers of every kind, which fail for each record whose name begins with "bad".
KINDS = f"""{NAME_OF}
    import asyncio

    def _handle(record):
        name = name_of(record)
        print("HANDLED", name)
        if name.startswith("bad"):
            raise ValueError(name)

    def plain(record, headers):
        _handle(record)
        return "ignored"

    def generator(record, headers):
        yield "ignored"
        _handle(record)

    async def coroutine(record, headers):
        await asyncio.sleep(0)
        _handle(record)

    async def async_generator(record, headers):
        yield "ignored"
        await asyncio.sleep(0)
        _handle(record)

    async def a_generator_inside(record, headers):
        return generator(record, headers)

    class Instance:
        async def __call__(self, record, headers):
            _handle(record)

    instance = Instance()
    decorated = lambda record, headers: coroutine(record=record, headers=headers)
"""
HANDLERS = ["plain", "generator", "coroutine", "async_generator", "a_generator_inside", "instance", "decorated"]


def reported(answer: Answer) -> list[Any]:
    """The identifiers in the answer."""
    assert "application/json" == answer.request.header("Content-Type")
    body = json.loads(answer.body)
    assert [*body] == ["batchItemFailures"]
    assert [] == [each for each in body["batchItemFailures"] if [*each] != ["itemIdentifier"]]
    return [each["itemIdentifier"] for each in body["batchItemFailures"]]


def handled(log: str) -> list[str]:
    """The names of the records that the handler was called with."""
    return [line.removeprefix("HANDLED ") for line in log.splitlines() if line.startswith("HANDLED ")]


#: An event, the names of the records that are handled, and the identifiers that are reported.
BATCHES: dict[str, tuple[dict[str, Any], str, list[Any]]] = {
    "queue": (sqs("a", "bad1", "b", "bad2", "c"), "a bad1 b bad2 c", ["m-bad1", "m-bad2"]),
    "queue-all-good": (sqs("a", "b"), "a b", []),
    "queue-all-bad": (sqs("bad1", "bad2"), "bad1 bad2", ["m-bad1", "m-bad2"]),
    "queue-empty": (sqs(), "", []),
    "queue-with-fair-groups": (sqs("bad1@x", "a@x", "b@x", grouped=True), "bad1 a b", ["m-bad1"]),
    "fifo": (sqs("a@x", "b@y", "bad1@x", "c@y", "d@x", "e@x", fifo=True), "a b bad1 c", ["m-bad1", "m-d", "m-e"]),
    "fifo-all-groups": (sqs("bad1@x", "bad2@y", "a@x", "b@y", fifo=True), "bad1 bad2", ["m-bad1", "m-bad2", "m-a", "m-b"]),
    "kinesis": (kinesis("a", "b", "bad1", "c", "bad2"), "a b bad1", ["102"]),
    "kinesis-all-good": (kinesis("a", "b"), "a b", []),
    "kinesis-first": (kinesis("bad1", "a"), "bad1", ["100"]),
    "dynamodb": (dynamodb("a", "bad1", "b"), "a bad1", ["101"]),
    "kafka": (
        kafka({"t-0": ["a", "bad1", "b"], "t-1": ["c", "d"], "u-0": ["bad2", "e", "bad3"]}),
        "a bad1 c d bad2",
        [at("t-0", 16), at("u-0", 15)],
    ),
    "kafka-of-ones-own": (kafka({"my-topic-12": ["a", "bad1"]}, "SelfManagedKafka"), "a bad1", [at("my-topic-12", 16)]),
    "kafka-empty": (kafka({}), "", []),
}  # fmt: skip


@pytest.mark.parametrize("handler", HANDLERS)
def test_sources(serve: Serve, handler: str) -> None:
    """For each source, whatever the handler's kind: the right records are handled in order, the right ones reported."""
    runtime = serve(KINDS, f"app.{handler}", "records")
    failures = {name: reported(runtime.invoke(encoded(event))) for name, (event, _, _) in BATCHES.items()}
    assert {name: expected for name, (_, _, expected) in BATCHES.items()} == failures
    assert " ".join(names for _, names, _ in BATCHES.values()).split() == handled(runtime.end())


@pytest.fixture
def seen(tmp_path: Path) -> Any:
    """A function in this process, which returns the list of the calls that its handler gets."""
    source = "SEEN = []\ndef handler(record, headers):\n    SEEN.append((record, headers))\n"
    function = load("own.handler", str(write(tmp_path, {"own.py": source})), "records")
    calls = function.user_object.__globals__["SEEN"]

    def invoke(event: Any, **headers: str) -> Any:
        calls.clear()
        assert b'{"batchItemFailures":[]}' == function(Invocation(encoded(event), headers)).body
        return calls

    return invoke


@pytest.mark.parametrize(
    "event", [sqs("a", "b"), kinesis("a"), dynamodb("a", "b"), kafka({"t-0": ["a"], "t-1": ["b"]})]
)
def test_a_record_is_as_in_the_event(seen: Any, event: dict[str, Any]) -> None:
    """The handler gets each record whole and unchanged, and the headers of the invocation."""
    expected = event.get("Records") or [record for records in event["records"].values() for record in records]
    assert [(record, "mine") for record in expected] == [
        (record, headers["X-OWN"]) for record, headers in seen(event, **{"x-own": "mine"})
    ]


class Model:
    """The expected outcome of any batch."""

    def __init__(self, lanes: list[str | None], bad: list[bool], from_checkpoint: bool) -> None:
        self.handled: list[int] = []
        self.reported: list[int] = []
        stopped = set()
        for number, (lane, is_bad) in enumerate(zip(lanes, bad, strict=True)):
            if lane not in stopped:
                self.handled.append(number)
            if (lane in stopped and not from_checkpoint) or (lane not in stopped and is_bad):
                self.reported.append(number)
            if is_bad and lane is not None:
                stopped.add(lane)


CALLS: list[str] = []


@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.booleans()), max_size=12),
    st.sampled_from(["queue", "fifo", "kinesis"]),
)
@settings(max_examples=150, deadline=None)
def test_any_batch(plan: list[tuple[str, bool]], source: str) -> None:
    """Every record is handled or comes back, no order is broken, and none that was handled well comes back."""
    from conventions.records import records as convention

    def handler(record: Any, _headers: Any) -> None:
        name = record["body"] if "body" in record else str(int(record["kinesis"]["sequenceNumber"]) - 100)
        CALLS.append(name)
        if plan[int(name)][1]:
            raise LookupError(name)

    CALLS.clear()
    names = [f"{number}@{group}" for number, (group, _) in enumerate(plan)]
    event = kinesis(*names) if source == "kinesis" else sqs(*names, fifo=source == "fifo")
    lanes: dict[str, Callable[[str], str | None]] = {
        "queue": lambda _: None,
        "fifo": lambda group: group,
        "kinesis": lambda _: "",
    }
    expected = Model([lanes[source](group) for group, _ in plan], [is_bad for _, is_bad in plan], source == "kinesis")
    body = convention(handler)(Invocation(encoded(event))).body
    assert isinstance(body, bytes)
    found = [each["itemIdentifier"] for each in json.loads(body)["batchItemFailures"]]
    assert [str(number) for number in expected.handled] == CALLS
    assert [str(number + 100) if source == "kinesis" else f"m-{number}" for number in expected.reported] == found


MEETING = f"""{NAME_OF}
    import asyncio, dispatch
    arrived, here, now, most = 0, asyncio.Event(), 0, 0

    async def meet(count):
        global arrived
        arrived += 1
        if arrived >= count:
            here.set()
        await here.wait()
"""


def test_records_of_a_queue_run_together(serve: Serve) -> None:
    """All records of a standard queue are under way at once, each in the context of its invocation."""
    source = f"""{MEETING}
    async def handler(record, headers):
        await meet(5)
        if name_of(record) == "c":
            raise LookupError(dispatch.current().request_id == headers["Lambda-Runtime-Aws-Request-Id"])
    """
    runtime = serve(source, convention="records")
    assert ["m-c"] == reported(runtime.invoke(encoded(sqs(*"abcde"))))
    assert "LookupError: True" in runtime.end()


COUNTING = f"""{MEETING}
    async def handler(record, headers):
        global now, most
        now += 1
        most = max(most, now)
        for _ in range(20):
            await asyncio.sleep(0)
        now -= 1
        if name_of(record) == "last":
            print("AT MOST", most)
"""


@pytest.mark.parametrize(
    ("event", "env", "most"),
    [
        (sqs(*"abcdefg", "last"), "", 8),
        (sqs(*"abcdefg", "last"), "3", 3),
        (sqs(*"abcdefg", "last"), "1", 1),
        (sqs(*"abcdefg", "last"), "9999", 8),
        (sqs("a@x", "b@y", "c@z", "last@x", fifo=True), "", 1),
        (kinesis("a", "b", "last"), "", 1),
        (kafka({"t-0": ["a", "b"], "t-1": ["c", "last"]}), "9", 1),
    ],
)
def test_how_many_run_together(serve: Serve, event: dict[str, Any], env: str, most: int) -> None:
    """As many as HANDLER_CONCURRENCY allows, all without it; where order matters, one."""
    runtime = serve(COUNTING, convention="records", env={"HANDLER_CONCURRENCY": env})
    assert [] == reported(runtime.invoke(encoded(event)))
    assert f"AT MOST {most}\n" in runtime.end()


def test_several_invocations_on_one_loop(serve: Serve) -> None:
    """With HANDLER_CONCURRENCY=async the records of several events run together, and each event gets its own report."""
    source = f"""{MEETING}
    async def handler(record, headers):
        await meet(4)
        if name_of(record) == dispatch.current().request_id:
            raise ValueError
    """
    runtime = serve(source, convention="records", env={"HANDLER_CONCURRENCY": "async", "HANDLER_WORKERS": "2"})
    both = encoded(sqs("one", "two"))
    runtime.api.hand_out(handed_out(both, "one"), handed_out(both, "two"))
    assert [["m-one"], ["m-two"]] == [reported(runtime.answer(each)) for each in ("one", "two")]


def within(seconds: float) -> dict[str, str]:
    """The header of a deadline."""
    return {"Lambda-Runtime-Deadline-Ms": str(int((time.time() + seconds) * 1000))}


LATE = f"""{KINDS}
    import dispatch, threading

    def uses_time(record, headers):
        print("HANDLED", name_of(record))
        while name_of(record) == "slow" and dispatch.current().remaining_time > 0.02:
            pass

    async def waits(record, headers):
        print("HANDLED", name_of(record))
        if name_of(record) == "slow":
            await asyncio.Event().wait()

    async def refuses_to_end(record, headers):
        print("HANDLED", name_of(record))
        while name_of(record) == "slow":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                print("CANCELLED")
"""


@pytest.mark.parametrize(
    ("handler", "event", "names", "failures"),
    [
        ("uses_time", sqs("a", "slow", "b", "c"), "a slow", ["m-b", "m-c"]),
        ("uses_time", sqs("a@x", "slow@x", "b@x", "c@y", fifo=True), "a slow", ["m-b", "m-c"]),
        ("uses_time", kinesis("a", "slow", "b", "c"), "a slow", ["102"]),
        ("uses_time", kafka({"t-0": ["a", "slow", "b"], "t-1": ["c", "d"]}), "a slow", [at("t-0", 17), at("t-1", 15)]),
        ("waits", sqs("a", "slow", "b", "c"), "a slow b c", ["m-slow"]),
        ("waits", sqs("slow@x", "b@x", "c@y", fifo=True), "slow", ["m-slow", "m-b", "m-c"]),
        ("waits", kinesis("a", "slow", "b"), "a slow", ["101"]),
        ("refuses_to_end", sqs("a", "slow", "b"), "a slow b", ["m-slow"]),
    ],
)
def test_the_end_of_the_time(
    serve: Serve, handler: str, event: dict[str, Any], names: str, failures: list[Any]
) -> None:
    """Records that are not handled in time are reported and logged, before the deadline if the handler allows it."""
    runtime = serve(LATE, f"app.{handler}", "records")
    can_be_stopped = handler != "uses_time"
    assert [] == reported(runtime.invoke(encoded(sqs())))  # it has started, which takes its time
    deadline = within(1.5 if can_be_stopped else 0.6)
    assert failures == reported(runtime.invoke(encoded(event), deadline))
    assert not can_be_stopped or time.time() * 1000 < int(deadline["Lambda-Runtime-Deadline-Ms"])
    assert [] == reported(runtime.invoke(encoded(sqs())))
    log = runtime.end()
    assert names.split() == handled(log)
    assert ("cancelled before they were finished" in log) == can_be_stopped
    assert ("not started, because the time is nearly up" in log) == (not can_be_stopped or "m-c" in failures)


def test_no_time_at_all(serve: Serve) -> None:
    """If the deadline has passed when the event comes, everything comes back."""
    runtime = serve(KINDS, "app.plain", "records")
    assert ["m-a", "m-b"] == reported(runtime.invoke(encoded(sqs("a", "b")), within(-1)))
    assert [] == handled(runtime.end())


def test_one_at_a_time_in_the_last_part_of_the_time(serve: Serve) -> None:
    """With a limit, those that wait for their turn are reported, too."""
    runtime = serve(LATE, "app.waits", "records", env={"HANDLER_CONCURRENCY": "1"})
    assert [] == reported(runtime.invoke(encoded(sqs())))
    assert ["m-slow", "m-b"] == reported(runtime.invoke(encoded(sqs("a", "slow", "b")), within(0.5)))


def test_the_log(serve: Serve) -> None:
    """A failure is logged with the record's identifier and the user's frames alone."""
    runtime = serve(KINDS, "app.coroutine", "records")
    runtime.invoke(encoded(sqs("a", "bad1")))
    runtime.invoke(encoded(kafka({"t-0": ["bad2", "b", "c"]})))
    log = runtime.end()
    assert 1 == log.count("failed: m-bad1\nTraceback (most recent call last):\n")
    assert "in _handle\n    raise ValueError(name)\nValueError: bad1\n" in log
    assert 1 == log.count("failed: t-0 at 15\n")
    assert "not handled, to keep the order after a record that failed or was late: t-0 at 16, t-0 at 17\n" in log
    assert 0 == log.count("conventions/")


def test_the_log_as_json(serve: Serve) -> None:
    """As JSON, the error's facts are fields."""
    runtime = serve(KINDS, "app.plain", "records", env=JSON)
    runtime.invoke(encoded(sqs("bad1")), {"Lambda-Runtime-Aws-Request-Id": "7"})
    found = next(each for each in records(runtime.end()) if each.get("logger") == "dispatch.records")
    facts = ("ERROR", "failed: m-bad1", "ValueError", "bad1", "7")
    assert facts == tuple(found[key] for key in ("level", "message", "errorType", "errorMessage", "requestId"))
    assert ["plain", "_handle"] == [line.partition(" in ")[2].partition("\n")[0] for line in found["stackTrace"]]


def test_a_logging_module_of_ones_own(serve: Serve) -> None:
    """Even without Python's logging the report is sent, and the failure is on standard error."""
    source = "def handler(record, headers):\n    raise ValueError('why')\n"
    runtime = serve({"app.py": source, "logging.py": ""}, convention="records")
    assert ["m-a"] == reported(runtime.invoke(encoded(sqs("a"))))
    assert "dispatch: failed: m-a: ValueError: why\n" in runtime.end()


ODD = f"""{NAME_OF}
    import asyncio, os, sys, traceback

    def exits(record, headers):
        if name_of(record) == "bad":
            sys.exit("enough")

    async def exits_later(record, headers):
        await asyncio.sleep(0)
        exits(record, headers)

    def forks(record, headers):
        print("HANDLED", name_of(record), flush=True)
        if name_of(record) == "bad":
            child = os.fork()
            if child:
                os.waitpid(child, 0)

    async def cancels_all(record, headers):
        if name_of(record) == "bad":
            for task in asyncio.all_tasks():
                task.cancel()
        await asyncio.Event().wait()

    async def stops_the_loop(record, headers):
        if name_of(record) == "bad":
            asyncio.get_running_loop().stop()
        await asyncio.Event().wait()

    def too_few(record):
        pass

    async def stays(record, headers):
        print("STAYS", flush=True)
        await asyncio.Event().wait()
"""


@pytest.mark.parametrize("handler", ["exits", "exits_later"])
def test_sys_exit(serve: Serve, handler: str) -> None:
    """sys.exit() is a failure of one record, and the others are handled."""
    runtime = serve(ODD, f"app.{handler}", "records")
    assert ["m-bad"] == reported(runtime.invoke(encoded(sqs("a", "bad", "c"))))
    assert "SystemExit: enough" in runtime.end()


def test_fork(serve: Serve) -> None:
    """A child that comes back from the handler handles no further records."""
    runtime = serve(ODD, "app.forks", "records")
    assert [] == reported(runtime.invoke(encoded(sqs("a", "bad", "c"))))
    assert ["a", "bad", "c"] == handled(runtime.end())


def test_cancelling_everything(serve: Serve) -> None:
    """If a record cancels every task of the loop, none of the records is lost."""
    runtime = serve(ODD, "app.cancels_all", "records")
    assert [] == reported(runtime.invoke(encoded(sqs())))
    assert ["m-a", "m-bad", "m-c"] == reported(runtime.invoke(encoded(sqs("a", "bad", "c")), within(0.5)))


def test_stopping_the_loop(serve: Serve) -> None:
    """If a record stops the event loop, those that were under way are reported, too."""
    runtime = serve(ODD, "app.stops_the_loop", "records")
    assert ["m-a", "m-bad", "m-c"] == reported(runtime.invoke(encoded(sqs("a", "bad", "c"))))
    assert "cancelled before they were finished: m-bad, m-c" in runtime.end()


def test_a_wrong_signature(serve: Serve) -> None:
    """A handler with too few arguments fails for each record, and the log says why."""
    runtime = serve(ODD, "app.too_few", "records")
    assert ["m-a"] == reported(runtime.invoke(encoded(sqs("a"))))
    assert "failed: m-a\nTypeError: too_few() takes 1 positional argument but 2 were given" in runtime.end()


def test_sigterm(serve: Serve) -> None:
    """SIGTERM ends the runtime while records are under way; it is not taken for a failure of theirs."""
    runtime = serve(ODD, "app.stays", "records")
    runtime.api.hand_out(handed_out(encoded(sqs("a", "b")), "one"))
    runtime.child.wait_log("STAYS")
    assert "failed" not in runtime.end(blocked=False)
    assert [] == runtime.api.answers("one")


def test_a_script(serve: Serve) -> None:
    """The `main()` of a script is called in the same way."""
    runtime = serve({"tool.py": f"{NAME_OF}\n    def main(record, headers):\n        assert name_of(record) != 'bad'\n"}, "tool.py", "records")  # fmt: skip
    assert ["m-bad"] == reported(runtime.invoke(encoded(sqs("a", "bad"))))


def test_an_expression(serve: Serve) -> None:
    """So is a value that can be called."""
    runtime = serve("", "lambda record, headers: 1 / len(record['body'])", "records")
    assert ["m-"] == reported(runtime.invoke(encoded(sqs("a", ""))))


@pytest.mark.parametrize(
    ("env", "handler", "words"),
    [
        ({}, "app.ODD", "not callable"),
        ({"HANDLER_CONCURRENCY": "0"}, "app.f", "HANDLER_CONCURRENCY is '0'; allowed: async, or a whole number from 1 to 9999"),
        ({"HANDLER_CONCURRENCY": "-1"}, "app.f", "HANDLER_CONCURRENCY is '-1'"),
        ({"HANDLER_CONCURRENCY": "10000"}, "app.f", "HANDLER_CONCURRENCY is '10000'"),
        ({"HANDLER_CONCURRENCY": "async"}, "app.f", "async def"),
    ],
)  # fmt: skip
def test_init_errors(fail: Fail, env: dict[str, str], handler: str, words: str) -> None:
    """A handler or setting that cannot be used is an init error that says why."""
    failed = fail("ODD = 1\ndef f(record, headers): pass\n", handler, "records", env=env)
    assert (1, True) == (failed.status, words in failed.report["errorMessage"]), failed.report


def changed(event: dict[str, Any], path: list[Any], value: Any) -> dict[str, Any]:
    """The event with another value at this path; `...` takes it away."""
    event = json.loads(json.dumps(event))
    inner: Any = event
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return event


SUPPORTED = "supported sources: SQS, Kinesis, DynamoDB streams, Amazon MSK and self-managed Kafka"
R1 = ["Records", 1]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({}, f"it has no keys; {SUPPORTED}"),
        ({"a": 1, "b": 2}, f"its keys are 'a', 'b'; {SUPPORTED}"),
        ([1], "one by one: '[1]'"),
        (None, "one by one: null"),
        ({"Records": {}}, "its keys are 'Records'"),
        ({"k" * 1000: 1}, f"its keys are '{'k' * 199}…; {SUPPORTED}"),
        ({"Records": [{"eventSource": "s" * 1000}]}, f"comes from '{'s' * 199}…; {SUPPORTED}"),
        (changed(sqs("a", "b"), [*R1, "messageId"], ["m" * 1000]), f"not ['{'m' * 198}…"),
        ({"Records": [{"eventSource": "aws:s3"}]}, f"Records[0] comes from 'aws:s3'; {SUPPORTED}"),
        ({"Records": [{"EventSource": "aws:sns"}]}, "Records[0] comes from 'aws:sns'"),
        ({"Records": [{}]}, "Records[0] comes from None"),
        ({"Records": ["text"]}, "Records[0] must be an object, not 'text'"),
        ({"eventSource": "aws:mq", "messages": []}, "its keys are 'eventSource', 'messages'"),
        (changed(sqs("a", "b"), [*R1, "eventSource"], 5), "Records[1].eventSource must be a text that is not empty, not 5"),
        (changed(sqs("a", "b"), [*R1, "eventSource"], "aws:kinesis"), "but the records before it come from 'aws:sqs'"),
        (changed(sqs("a", "b"), [*R1, "messageId"], ...), "Records[1].messageId must be a text that is not empty, not None"),
        (changed(sqs("a", "b"), [*R1, "messageId"], ""), "Records[1].messageId must be a text that is not empty, not ''"),
        (changed(sqs("a@x", "b@x", fifo=True), [*R1, "attributes"], ...), "Records[1].attributes must be an object, not null"),
        (changed(sqs("a@x", "b@x", fifo=True), [*R1, "attributes", "MessageGroupId"], ...), "Records[1].attributes.MessageGroupId must"),
        (changed(kinesis("a", "b"), [*R1, "kinesis"], 1), "Records[1].kinesis must be an object, not '1'"),
        (changed(kinesis("a", "b"), [*R1, "kinesis", "sequenceNumber"], 1), "Records[1].kinesis.sequenceNumber must be a text"),
        (changed(dynamodb("a", "b"), [*R1, "dynamodb", "SequenceNumber"], ...), "Records[1].dynamodb.SequenceNumber must be a text"),
        (changed(kafka({"t-0": ["a"]}), ["records"], []), "records must be an object, not '[]'"),
        (changed(kafka({"t-0": ["a"]}), ["records"], ...), "records must be an object, not null"),
        (changed(kafka({"t-0": ["a"]}), ["records", "t-0"], "x"), "records['t-0'] must be a list of records, not 'x'"),
        (changed(kafka({"t-0": ["a"]}), ["records", "t-0", 0], None), "records['t-0'][0] must be an object, not null"),
        (changed(kafka({"t-0": ["a"]}), ["records", "t-0", 0, "offset"], "15"), "records['t-0'][0].offset must be a whole number, not '15'"),
        (changed(kafka({"t-0": ["a"]}), ["records", "t-0", 0, "offset"], True), "records['t-0'][0].offset must be a whole number, not True"),
    ],
)  # fmt: skip
def test_malformed_events(refusing: Runtime, event: Any, words: str) -> None:
    """An event of another source, and a malformed record, is an error before any record is handled."""
    report = refusing.invoke(encoded(event)).report
    assert ("Runtime.UnmarshalError", True) == (report["errorType"], words in report["errorMessage"]), report


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A runtime whose handler must not be called."""
    root = write(
        tmp_path_factory.mktemp("refusing"), {"app.py": "def handler(record, headers):\n    print('HANDLED')\n"}
    )
    with Runtime(COMMAND, root, {"HANDLER": "app.handler", "HANDLER_CONVENTION": "records"}) as runtime:
        yield runtime
        assert "HANDLED" not in runtime.end()
