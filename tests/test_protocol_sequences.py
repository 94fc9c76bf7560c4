"""Sequences of faults at the Runtime API, from a seed: nothing is lost, doubled, misdirected or hung."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from support.api import OK, FakeRuntimeApi, refusal
from support.loop import Loop
from support.wire import Reply

from runtime import client
from runtime.transport import by_requests, kept_alive

TRANSPORTS = {"socket": kept_alive, "requests": by_requests}

#: Enough for every pair of rules; `--hypothesis-seed` and more examples find what these do not.
BOUNDS = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[*HealthCheck],
)

KINDS = st.sampled_from(["echo", "error", "stream"])
HOW = st.sampled_from(["end", "reset", "pause"])
PART = st.floats(0, 1, exclude_max=True)
INTERIM = st.sampled_from([b"", *(b"HTTP/1.1 %d Interim\r\nX: y\r\n\r\n" % status for status in (100, 102, 103))])
FRAMING = st.sampled_from([{}, {"framing": "chunked"}, {"bytewise": True}, {"close": True}, {"version": "1.0"}])
POLL_FAILURES = st.sampled_from(
    [Reply(204), refusal(403), refusal(503), Reply(200), Reply(202), Reply(drop="unanswered")]
)
REFUSALS = st.sampled_from([refusal(status) for status in (400, 403, 410, 413, 429, 503)])


class Sequences(RuleBasedStateMachine):
    """One loop and its Runtime API; each step is a fault, and then an ordinary event."""

    module: Any

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        #: How many complete answers there may be to the events that met a fault.
        self._allowed: dict[str, set[int]] = {}

    @initialize()
    def start(self) -> None:
        """A loop over the transport."""
        root = self._stack.enter_context(tempfile.TemporaryDirectory())
        self._stack.callback(sys.path.__setitem__, slice(None), [*sys.path])
        self._stack.callback(setattr, client, "PAUSE", client.PAUSE)
        client.PAUSE = 0.0
        self.loop = self._stack.enter_context(
            Loop(self._stack.enter_context(FakeRuntimeApi()), self.module, Path(root))
        )

    @rule(kind=KINDS, framing=FRAMING, before=INTERIM)
    def an_event(self, kind: str, framing: dict[str, Any], before: bytes) -> None:
        """In any framing, behind interim replies."""
        self._meets({1}, kind, **framing, before=before)

    @rule(kind=KINDS, part=PART, how=HOW)
    def a_cut_event(self, kind: str, part: float, how: Any) -> None:
        """A part of an event is none."""
        size = len(self.loop.event(kind).encode())
        self.loop.sent.popitem()
        self._meets({int(how == "pause")}, kind, cut=int(part * size), how=how)

    @rule(kind=KINDS, part=PART)
    def an_unasked_reply(self, kind: str, part: float) -> None:
        """Behind an event comes another reply, or a part of one."""
        unasked = refusal(413).encode()
        self._meets({1}, kind, after=unasked[: 1 + int(part * len(unasked))])

    @rule(failures=st.lists(POLL_FAILURES, max_size=client.TRIES - 1))
    def failing_polls(self, failures: list[Reply]) -> None:
        """So many in a row are survived."""
        self.loop.api.hand_out(*failures)
        self.loop.works()

    @rule(kind=KINDS, refused=REFUSALS, before=INTERIM)
    def a_refused_answer(self, kind: str, refused: Reply, before: bytes) -> None:
        """It is not sent again."""
        self.loop.api.answer_posts(Reply(**{**vars(refused), "before": before}))
        self._meets({1}, kind)

    @rule(kind=KINDS, part=PART, how=HOW)
    def a_cut_reply_to_an_answer(self, kind: str, part: float, how: Any) -> None:
        """Neither."""
        self.loop.api.answer_posts(Reply(**{**vars(OK), "cut": int(part * len(OK.encode())), "how": how}))
        self._meets({1}, kind)

    @rule(kind=st.sampled_from(["echo", "error", "stream", "large"]), drop=st.sampled_from(["at once", "unanswered"]))
    def a_dropped_answer(self, kind: str, drop: Any) -> None:
        """It is sent again only if it was not handed over whole."""
        self.loop.api.answer_posts(Reply(drop=drop))
        self._meets({1} if kind == "large" or drop == "unanswered" else {0, 1}, kind)

    def _meets(self, allowed: set[int], kind: str, **options: Any) -> None:
        self._allowed[self.loop.handle(kind, **options)] = allowed
        self.loop.works()

    def teardown(self) -> None:
        """Count the answers."""
        try:
            if hasattr(self, "loop"):
                wrong = [
                    (request_id, self.loop.sent[request_id], count)
                    for request_id, count in self.loop.all_answers()
                    if count not in self._allowed.get(request_id, {1})
                ]
                assert [] == wrong, self.loop.log
        finally:
            self._stack.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_sequences(transport: str) -> None:
    """Each event that has come whole has one answer, its own; the loop goes on after each fault."""
    machine = type("Sequences", (Sequences,), {"module": TRANSPORTS[transport]})
    run_state_machine_as_test(machine, settings=BOUNDS)
