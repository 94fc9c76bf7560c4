"""The runtime's loop in this process: the real environment, client and transport over a scripted Runtime API."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from dispatch import current
from dispatch.errors import RuntimeApiError
from dispatch.load import load
from runtime.client import RuntimeClient
from runtime.environment import Environment
from runtime.lifecycle import Signals
from runtime.logs import Log
from runtime.transport import Address
from support.api import FakeRuntimeApi, event
from support.wire import PATIENCE, Reply, Request

#: An answer of this many bytes is more than the kernel takes for a server that does not read.
LARGE = 6 * 1024 * 1024


def body_of(kind: str, request_id: str) -> bytes:
    """What the answer to an event is, byte for byte; of an error, a part of its report."""
    text = f"answer to {request_id}".encode()
    return text.ljust(LARGE, b".") if kind == "large" else text


def answer(event: str, headers: Any) -> Any:
    """The function: it answers an event, whose body is a kind, in that way."""
    body = body_of(event, current().request_id)
    if event == "error":
        raise ValueError(body.decode())
    return iter([body[:3], body[3:]]) if event == "stream" else body


class Loop:
    """A loop in a thread, until the Runtime API has gone; `log` has the warnings."""

    def __init__(self, api: FakeRuntimeApi, module: Any, root: Path) -> None:
        self.api, self.log, self.sent = api, list[str](), dict[str, str]()
        log = Log()
        log.warning = self.log.append  # type: ignore[assignment, method-assign]
        log.error = lambda report: None  # type: ignore[method-assign]
        client = RuntimeClient(module.TRANSPORT(Address.parse(api.address), "test"), log)
        function = load("from support.loop import answer; answer", str(root))
        self._environment = Environment(client, function, log, Signals())
        self._thread = threading.Thread(target=self._run)
        self._failure: BaseException | None = None

    def _run(self) -> None:
        try:
            self._environment.serve()
        except RuntimeApiError:
            return
        except BaseException as error:
            self._failure = error
        finally:
            with self.api.changed:
                self.api.changed.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.api.stop()
        self._thread.join(PATIENCE)
        self._environment.client.close()
        assert not self._thread.is_alive()
        assert self._failure is None, repr(self._failure)

    def event(self, kind: str = "echo", **options: Any) -> Reply:
        """An event of a kind, under a new id, for `api.hand_out`."""
        request_id = f"id-{len(self.sent):04}"
        self.sent[request_id] = kind
        return event(kind.encode(), request_id, **options)

    def handle(self, kind: str = "echo", **options: Any) -> str:
        """Hand out an event and wait until the loop has polled or posted once more; its id."""
        handed = self.event(kind, **options)
        self.api.hand_out(handed)
        return str(dict(handed.headers)["Lambda-Runtime-Aws-Request-Id"])

    def works(self) -> None:
        """Assert that an event is answered now."""
        request_id = self.handle()
        self.api.wait(lambda: self.answers(request_id) or not self._thread.is_alive(), f"an answer to {request_id}")
        assert [request_id] == [one.path.split("/")[-2] for one in self.answers(request_id)]

    def answers(self, request_id: str) -> list[Request]:
        """The complete answers to an event, with the right body each."""
        found = self.api.answers_to(request_id)()
        kind = self.sent[request_id]
        for one in found:
            assert one.route.endswith("/error" if kind == "error" else "/response")
            right = body_of(kind, request_id)
            assert right in one.body if kind == "error" else right == one.body, (request_id, one.body[:100])
        return found

    def all_answers(self) -> Iterator[tuple[str, int]]:
        """Each event's id, and how many complete answers came."""
        for request_id in self.sent:
            yield request_id, len(self.answers(request_id))
