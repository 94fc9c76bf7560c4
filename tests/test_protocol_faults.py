"""The Runtime API at its worst: nothing is lost, doubled, misdirected or hung, whatever becomes of a connection."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.api import OK, FakeRuntimeApi, event, refusal
from support.loop import Loop
from support.wire import Reply

from runtime import client
from runtime.transport import by_requests, kept_alive

TRANSPORTS = {"socket": kept_alive, "requests": by_requests}
EACH = pytest.mark.parametrize("transport", TRANSPORTS)
HOW = ["end", "reset", "pause"]


@pytest.fixture
def looping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Loop]]:
    """Start a loop over a transport."""
    monkeypatch.setattr(client, "PAUSE", 0.0)
    monkeypatch.syspath_prepend(str(tmp_path))
    with ExitStack() as stack:
        yield lambda transport: stack.enter_context(
            Loop(stack.enter_context(FakeRuntimeApi()), TRANSPORTS[transport], tmp_path)
        )


@EACH
@pytest.mark.parametrize("how", HOW)
def test_events_that_are_cut(looping: Callable[..., Loop], transport: str, how: Any) -> None:
    """At whichever byte the reply to a poll ends, a part of an event is no event, and the next one is answered."""
    loop = looping(transport)
    # Where it ends behind the last byte, the answer may be on its way to a connection that is closed.
    for cut in range(len(event(b"echo", "id-0000").encode())):
        loop.handle(cut=cut, how=how)
        loop.works()
    assert [int(how == "pause"), 1] * (len(loop.sent) // 2) == [count for _, count in loop.all_answers()]


@EACH
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", ["echo", "error"])
def test_replies_to_answers_that_are_cut(looping: Callable[..., Loop], transport: str, how: Any, kind: str) -> None:
    """At whichever byte the reply to an answer ends, the answer has been sent once, and the next event is answered."""
    loop = looping(transport)
    for cut in range(len(OK.encode()) + 1):
        loop.api.answer_posts(Reply(**{**vars(OK), "cut": cut, "how": how}))
        loop.handle(kind)
        loop.works()
    assert {1} == {count for _, count in loop.all_answers()}


INTERIM = b"HTTP/1.1 %d Interim\r\nLink: </style.css>\r\n\r\n"
LONG = [("X-Long", "x" * 200_000), *((f"X-{number}", "x") for number in range(300))]


@EACH
@pytest.mark.parametrize("status", [100, 102, 103])
def test_interim_replies(looping: Callable[..., Loop], transport: str, status: int) -> None:
    """A reply of 102 or 103 is not the event, and loses none."""
    loop = looping(transport)
    loop.api.answer_posts(Reply(**{**vars(OK), "before": INTERIM % status}))
    loop.handle(before=INTERIM % status * 2)
    loop.works()
    assert [1, 1] == [count for _, count in loop.all_answers()]


@EACH
def test_headers_that_are_long_and_many(looping: Callable[..., Loop], transport: str) -> None:
    """Headers of an event may be as long and as many as the platform likes."""
    loop = looping(transport)
    loop.handle(headers=dict(LONG))
    loop.works()
    assert [1, 1] == [count for _, count in loop.all_answers()]


UNASKED = refusal(413).encode()


@EACH
@pytest.mark.parametrize("part", [len(UNASKED), 5, 40, len(UNASKED) - 1])
@pytest.mark.parametrize("kind", ["echo", "error", "stream"])
def test_a_reply_that_was_not_asked_for(looping: Callable[..., Loop], transport: str, part: int, kind: str) -> None:
    """What comes behind an event is not the reply to its answer; not in parts either."""
    loop = looping(transport)
    loop.handle(kind, after=UNASKED[:part])
    loop.works()
    assert [1, 1] == [count for _, count in loop.all_answers()]
    assert [] == [line for line in loop.log if "413" in line]


@EACH
@pytest.mark.parametrize("drops", [1, 2])
def test_an_answer_that_was_not_sent_whole(looping: Callable[..., Loop], transport: str, drops: int) -> None:
    """A large answer, dropped after its headers, is sent again on a new connection."""
    loop = looping(transport)
    loop.works()
    loop.api.answer_posts(*[Reply(drop="at once")] * drops)
    large = loop.handle("large")
    loop.works()
    begun = loop.api.answers(large)
    assert [False] * drops + [True] == [one.complete for one in begun]
    assert 1 == len(loop.answers(large))
    assert drops == sum("trying again" in line for line in loop.log)


@EACH
def test_an_answer_that_cannot_be_sent(looping: Callable[..., Loop], transport: str) -> None:
    """If it is dropped each time, that is logged, and the loop goes on."""
    loop = looping(transport)
    loop.works()
    loop.api.answer_posts(*[Reply(drop="at once")] * client.TRIES)
    large = loop.handle("large")
    loop.works()
    assert [] == loop.answers(large)
    assert 1 == sum(f"the response to {large} could not be sent" in line for line in loop.log)


@EACH
@pytest.mark.parametrize("drop", ["at once", "unanswered", "midway"])
def test_an_answer_that_was_sent_whole(looping: Callable[..., Loop], transport: str, drop: Any) -> None:
    """It is sent once, whatever becomes of the reply; the log says so."""
    loop = looping(transport)
    loop.api.answer_posts(Reply(drop=drop))
    small = loop.handle()
    loop.works()
    assert 1 == len(loop.api.answers(small))
    assert 1 == sum(f"the response to {small} may not have arrived" in line for line in loop.log)


@EACH
def test_a_server_that_restarts(looping: Callable[..., Loop], transport: str) -> None:
    """An answer for which no connection can be opened at first is sent as soon as one can."""
    loop = looping(transport)
    loop.works()
    api, port = loop.api, loop.api.port
    held = threading.Event()
    original = time.sleep

    def restart(_: float) -> None:
        if not held.is_set():
            held.set()
            api.listener = socket.create_server(("127.0.0.1", port))
            thread = threading.Thread(target=api._accept, daemon=True)
            api.threads.append(thread)
            thread.start()
        original(0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", restart)
        api.wait_for("GET", "next", 2)  # on the connection that there is
        api.listener.shutdown(socket.SHUT_RDWR)
        api.listener.close()
        request_id = loop.handle("error", close=True)
        api.wait(api.answers_to(request_id), "the answer")
    loop.works()
    assert 1 == len(loop.answers(request_id))
