"""Queues: moto's own server, whose faults a test can ask for, and a source that polls one for code of the test."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import boto3
from moto.core.utils import unix_time_millis
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sqs import models
from werkzeug.serving import WSGIRequestHandler, make_server

from runtime.local.feed import Feed, Outcome
from runtime.local.sources.sqs.source import Sqs
from runtime.testing.platform import loop_in_thread
from support.process import await_true
from support.wire import PATIENCE

REGION, ACCOUNT = "us-east-1", "123456789012"
#: Credentials for moto's server, which accepts any.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": REGION}


class QuietHandler(WSGIRequestHandler):
    """Logs no requests."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *_: Any) -> None:
        """Log nothing."""


class OneAtATime:
    """Moto's application, one request after another: a queue of moto loses messages when two threads change it.

    A request for messages that waits for them is asked again and again, so that others come between.

    Attributes:
        fault: is asked what a request of this action and body is answered with; None lets moto answer.
        actions: the requests so far: their actions.
    """

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self.fault: Callable[[str, Any], tuple[int, Any] | None] = lambda _action, _body: None
        self.actions: list[str] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        data = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        body = json.loads(data) if action else {}
        self.actions.append(action)
        fault = self.fault(action, body)
        if fault is not None:
            start(f"{fault[0]} Fault", [("Content-Type", "application/x-amz-json-1.0")])
            return [json.dumps(fault[1]).encode()]
        until = time.monotonic() + body.get("WaitTimeSeconds", 0)
        if action == "ReceiveMessage":
            data = json.dumps({**body, "WaitTimeSeconds": 0}).encode()
        while True:
            answer, status, headers = self._ask(environ, data)
            if action != "ReceiveMessage" or b"Messages" in answer or time.monotonic() >= until:
                start(status, headers)
                return [answer]
            threading.Event().wait(0.01)

    def _ask(self, environ: dict[str, Any], data: bytes) -> tuple[bytes, str, Any]:
        got: list[Any] = []
        asked = {**environ, "wsgi.input": BytesIO(data), "CONTENT_LENGTH": str(len(data))}
        with self._lock, _stopped_clock():
            answer = b"".join(self._moto(asked, lambda status, headers, _info=None: got.extend((status, headers))))
        return answer, got[0], got[1]


@contextmanager
def _stopped_clock() -> Iterator[None]:
    """Let one request see one moment, and let messages that can be received again not block their groups.

    Moto looks at the clock for each message, and counts one as under way until it comes across it: when the messages of
    a group come back, it would return the last of them first.
    """
    now = unix_time_millis()
    vars(models)["unix_time_millis"] = lambda: now
    try:
        for backend in models.sqs_backends[ACCOUNT].values():
            for queue in backend.queues.values():
                queue.pending_messages.difference_update([one for one in queue.pending_messages if one.visible])
        yield
    finally:
        vars(models)["unix_time_millis"] = unix_time_millis


class Server:
    """Moto's server; `app` is its application."""

    def __init__(self) -> None:
        self.app = OneAtATime()
        self._server = make_server("127.0.0.1", 0, self.app, threaded=True, request_handler=QuietHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.client = boto3.client(
            "sqs", endpoint_url=self.url, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b"
        )

    def stop(self) -> None:
        """Refuse connections."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def queue(self, *, fifo: bool = False, **attributes: Any) -> Queue:
        """Make a queue with a name of its own."""
        return Queue(self, f"q-{uuid.uuid4()}" + (".fifo" if fifo else ""), fifo, attributes)


class Queue:
    """A queue, as its producers see it."""

    def __init__(
        self, server: Server, name: str, fifo: bool = False, attributes: Mapping[str, Any] | None = None
    ) -> None:
        own = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if fifo else {}
        texts = {
            key: value if isinstance(value, str) else json.dumps(value) for key, value in (attributes or {}).items()
        }
        self.client = server.client
        self.endpoint = server.url
        self.name = name
        self.url = self.client.create_queue(QueueName=name, Attributes={**own, **texts})["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def send(self, *bodies: str, group: str = "") -> None:
        """Send messages, ten at once."""
        more = {"MessageGroupId": group} if group else {}
        for start in range(0, len(bodies), 10):
            some = bodies[start : start + 10]
            entries = [{"Id": str(number), "MessageBody": body, **more} for number, body in enumerate(some)]
            self.client.send_message_batch(QueueUrl=self.url, Entries=entries)

    @property
    def counts(self) -> tuple[int, int]:
        """How many messages can be received, and how many are hidden."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def await_counts(self, visible: int, hidden: int) -> None:
        """Wait until so many messages can be received, and so many are hidden."""
        await_true(lambda: self.counts == (visible, hidden), f"{visible} visible and {hidden} hidden messages")


class Polling:
    """A source that hands its events to code of the test.

    Attributes:
        batches: the bodies of the events so far.
        notes: what the developer was told.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, source: Sqs, handle: Callable[[Any], Awaitable[Any]], concurrency: int
    ) -> None:
        self._loop = loop
        self._handle = handle
        self._stopped = False
        self.batches: list[list[str]] = []
        self.events: list[Any] = []
        self.notes: list[str] = []
        self.feed = Feed(self._invoke, self.notes.append, lambda: concurrency)
        self._task = asyncio.run_coroutine_threadsafe(self._start(source), loop).result()

    async def _start(self, source: Sqs) -> asyncio.Task[None]:
        return asyncio.ensure_future(source.poll(self.feed))

    async def _invoke(self, event: bytes) -> Outcome:
        parsed = json.loads(event)
        self.events.append(parsed)
        self.batches.append([record["body"] for record in parsed["Records"]])
        answer = await self._handle(parsed)
        return answer if isinstance(answer, Outcome) else Outcome(json.dumps(answer).encode())

    @property
    def bodies(self) -> list[str]:
        """The bodies of all messages that were handed over, in order."""
        return [body for batch in self.batches for body in batch]

    def stop(self) -> None:
        """Begin to stop."""
        self._stopped = True
        self._loop.call_soon_threadsafe(self._task.cancel)

    def end(self) -> None:
        """Stop, and wait for the end."""

        async def ended() -> None:
            _, running = await asyncio.wait({self._task}, timeout=PATIENCE)
            assert not running, "it has not ended"

        if not self._stopped:
            self.stop()
        asyncio.run_coroutine_threadsafe(ended(), self._loop).result()


async def nothing(_event: Any) -> None:
    """Handle an event."""


@contextmanager
def polling(source: Sqs, handle: Callable[[Any], Awaitable[Any]] = nothing, concurrency: int = 1) -> Iterator[Polling]:
    """Poll until the block is left."""
    with loop_in_thread() as loop:
        one = Polling(loop, source, handle, concurrency)
        yield one
        one.end()


class Gate:
    """What a handler waits for until the test opens it; `waiting` counts those that do."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.waiting = 0
        self.most = 0

    def open(self) -> None:
        """Let those through that wait."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._opened.set)

    async def passed(self, _event: Any = None) -> None:
        """Wait."""
        self._loop = asyncio.get_running_loop()
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await self._opened.wait()
        self.waiting -= 1
