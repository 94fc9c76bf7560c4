"""What an invocation costs, counted and not timed: system calls, imports, memory."""

from __future__ import annotations

import re
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.api import FakeRuntimeApi, event
from support.runtime import Serve
from support.wire import PATIENCE

from dispatch.protocol import NEXT
from runtime.transport import Address, kept_alive

EVENT = b'{"message": "small event", "n": 123456789012}'

#: A request to a function URL.
REQUEST = b"""{"version": "2.0", "rawPath": "/", "rawQueryString": "", "headers": {"host": "a"}, "isBase64Encoded": false,
  "requestContext": {"http": {"method": "GET", "path": "/", "sourceIp": "1.2.3.4"}}}"""

#: A handler of each convention that tells what was imported since it was.
TELLING = {
    "standard": "def handler(event, headers): return ' '.join(sorted(set(sys.modules) - BEFORE))",
    "json": "def handler(event, headers): return ' '.join(sorted(set(sys.modules) - BEFORE))",
    "lambda": "def handler(event, context): return ' '.join(sorted(set(sys.modules) - BEFORE))",
    "stream": "def handler(input, output, headers): output.write(' '.join(set(sys.modules) - BEFORE).encode())",
    "script": "def main(): print(*sorted(set(sys.modules) - BEFORE))",
}


@pytest.fixture(params=TELLING)
def telling(request: pytest.FixtureRequest, serve: Serve) -> Any:
    """A runtime in each convention; behind the first event, whose imports are still the cold start's."""
    source = f"import sys\nBEFORE = set(sys.modules)\n{TELLING[request.param]}\n"
    runtime = serve(source, "app.py" if request.param == "script" else "app.handler", request.param)
    runtime.invoke(EVENT)
    return runtime


def test_nothing_is_imported_for_an_event(telling: Any) -> None:
    """From the second event on no module is loaded, and before it none of ours."""
    second, third = (set(telling.invoke(EVENT).body.decode().strip('" \n').split()) for _ in range(2))
    assert second == third
    assert set() == {name for name in second if name.startswith(("runtime", "dispatch", "conventions"))}


@pytest.mark.parametrize("convention", ["json", "lambda", "coprocess", "records", "openwhisk", "wsgi"])
def test_an_ordinary_event_imports_no_json_library(serve: Serve, tmp_path: Path, convention: str) -> None:
    """Neither the start nor an event with an answer of ordinary values needs more than Python's own C code."""
    run = "import atexit, sys\natexit.register(lambda: print('AT THE END', *sys.modules))\n"
    source = {
        "wsgi": "def main(environ, start_response):\n    start_response('200 OK', [])\n    return [b'[1]']\n",
        "coprocess": "while read -r line; do echo '{\"result\": [1, 1.5]}'; done\n",
    }.get(convention, "def main(*event): return {'list': [1, 1.5, None, True, 'größer', ()]}\n")
    files = {"app.py": source, "app.sh": source, "sitecustomize.py": run}
    handler = "sh app.sh" if convention == "coprocess" else "app.main"
    runtime = serve(files, handler, convention, env={"PYTHONPATH": "."})
    body = b'{"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "\\"x\\u00e4\\ud83d\\udc0d"}]}\n'
    answer = runtime.invoke(REQUEST if convention == "wsgi" else body)
    assert "response" == answer.kind, answer.body
    loaded = next(line for line in runtime.end().splitlines() if line.startswith("AT THE END")).split()
    # httptools imports typing if there are threads, as of a coprocess, because then nothing can take typing's place.
    threads = {"typing", "re", "enum"} if convention == "coprocess" else set()
    unneeded = {"simplejson", "re", "decimal", "json", "typing", "enum", "datetime", "dispatch.scripts"}
    assert set() == unneeded & {*loaded} - threads


def traced(
    serve: Serve, trace: Path, count: int, body: bytes, *, handler: str, convention: str, plugins: int = 0
) -> list[Counter[str]]:
    """The system calls of each of so many invocations, behind the first twenty."""
    names = [f"plugin{number}" for number in range(plugins)]
    files = {f"{name}.py": f"def dispatch_conventions(): return {{'{name}': id}}" for name in names}
    files["app.py"] = "def handler(event, more): return event\n"
    env = {"HANDLER_PLUGINS": ",".join(names)}
    runtime = serve(files, handler, convention, env=env, wrapper=("strace", "-f", "-o", str(trace)))
    runtime.api.hand_out(*(event(body) for _ in range(count)))
    runtime.api.wait_for("POST", "response", count)
    text = re.sub(r"recvfrom\((.*MSG_PEEK.*= -1)", r"look(\1", trace.read_text())
    calls = re.findall(r"^\d+ +(\w+)\(.*= (-?\w+)", text, re.MULTILINE)
    sendings = [place for place, (name, _) in enumerate(calls) if name == "sendto"]
    assert len(sendings) >= count
    # A look that found nothing is no cost of its own: it is time that would be spent waiting.
    return [
        Counter(name for name, result in calls[start:end] if (name, result) != ("recvfrom", "-1"))
        for start, end in pairwise(sendings[20:])
    ]


#: What the interpreter asks for more memory by: once in a while an arena of its allocator is full.
MEMORY = {"brk", "mmap", "munmap"}


def unexpected(took: list[Counter[str]]) -> list[Counter[str]]:
    """The invocations that asked the system for anything else; one of them may have asked for memory."""
    others = [each for each in took if {"recvfrom", "sendto"} != each.keys() - {"look"}]
    is_growth = len(others) == 1 and {"recvfrom", "sendto"} == others[0].keys() - MEMORY - {"look"}
    return [] if is_growth else others


STRACE = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")


@STRACE
@pytest.mark.parametrize(
    ("convention", "plugins"), [("standard", 0), ("json", 0), ("lambda", 0), ("lambda", 20), ("expression", 0)]
)
def test_system_calls(serve: Serve, tmp_path: Path, convention: str, plugins: int) -> None:
    """An invocation is one sending and the receiving of what came, and for a handler that is not quick one look before."""
    handler = "lambda event, headers: event" if convention == "expression" else "app.handler"
    took = traced(serve, tmp_path / "trace", 200, EVENT, handler=handler, convention=convention, plugins=plugins)
    assert [] == unexpected(took)
    # The server may write its reply to the answer and the next event apart.
    assert [] == [each for each in took if each["sendto"] != 1 or each["look"] > 1 or each["recvfrom"] > 2]


@STRACE
def test_system_calls_of_larger_events(serve: Serve, tmp_path: Path) -> None:
    """For the memory of 120 KB the system is not asked each time."""
    took = traced(serve, tmp_path / "trace", 100, b"x" * 120_000, handler="app.handler", convention="standard")
    assert [] == unexpected(took)


def test_an_invocation_leaves_no_memory(serve: Serve) -> None:
    """After a thousand invocations more, the interpreter holds no more blocks than before."""
    source = "import gc, sys\ndef handler(event, context):\n    gc.collect()\n    return sys.getallocatedblocks()\n"
    runtime = serve(source, convention="lambda")
    held: list[int] = []
    for _ in range(3):
        runtime.api.hand_out(*(event(EVENT) for _ in range(500)))
        runtime.api.wait_for("POST", "response", 500 * (len(held) + 1) + len(held))
        held.append(int(runtime.invoke(EVENT).body))
    assert held[2] - held[1] < 250


#: How many times its own size an event of 5 MB takes at most, above an idle runtime.
COPIES = {"standard": 3.5, "json": 5.5, "lambda": 5.5}


#: What a handler needs to tell the peak of its process's memory, in KiB.
PEAK = """
import re
from pathlib import Path

def peak():
    return re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
"""
PROC = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")


@PROC
@pytest.mark.parametrize("convention", COPIES)
def test_large_events_are_not_copied_needlessly(serve: Serve, convention: str) -> None:
    """The peak of memory that an echoed event of 5 MB causes is a small multiple of its size."""
    large = b'"%s"' % (b"x" * 5_000_000)
    handler = "def handler(event, more): return event if len(event) > 10 else peak()\n"
    runtime = serve(PEAK + handler, convention=convention)
    idle, answer, peak = (runtime.invoke(body).body for body in (b'""', large, b'""'))
    assert large == answer
    assert (int(peak.strip(b'"')) - int(idle.strip(b'"'))) * 1024 < COPIES[convention] * len(large)


@PROC
def test_streams_take_no_memory(serve: Serve) -> None:
    """However long a stream is, the peak of memory stays where its first chunks brought it."""
    handler = "def handler(event, headers): return (bytes(65536) for _ in range(int(event))) if event else peak()\n"
    runtime = serve(PEAK + handler, convention="standard")
    _, before, streamed, after = (runtime.invoke(body).body for body in (b"10", b"", b"500", b""))
    assert bytes(500 * 65536) == streamed
    assert int(after) - int(before) < 1024


class Clock:
    """Time that passes only while it is looked at, and only if it is told to."""

    def __init__(self) -> None:
        self.now, self.asked, self.step = 100.0, 0, 0.0
        self.changed = threading.Condition()

    def monotonic(self) -> float:
        """The time in seconds."""
        with self.changed:
            self.asked += 1
            self.now += self.step
            self.changed.notify_all()
            return self.now

    def asked_for(self, count: int, timeout: float) -> bool:
        """Whether it is asked for so often."""
        with self.changed:
            return self.changed.wait_for(lambda: self.asked >= count, timeout)


#: How often the clock is asked in a turn that ends asleep, and at least in one that is awaited awake.
ASLEEP, AWAKE = 3, 5


@pytest.fixture
def turns(api: FakeRuntimeApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool, bool], int]]:
    """A function that answers, takes the next event, and returns how often the clock was asked for that."""
    clock = Clock()
    monkeypatch.setattr(kept_alive, "monotonic", clock.monotonic)
    transport = kept_alive.KeptAlive(Address.parse(api.address), "test")
    api.hand_out(event(b""))
    transport.get(NEXT)

    def turn(soon: bool, awake: bool) -> int:
        """One turn, in which the event is there already, or comes only after a fruitless look for it."""
        clock.asked, clock.step = 0, 0 if soon else 0.00003
        if soon:
            api.hand_out(event(b""))
        rest = threading.Thread(target=answer)
        rest.start()
        if not soon:
            assert clock.asked_for(6 if awake else 2, PATIENCE)
            api.hand_out(event(b""))
        rest.join(PATIENCE)
        return clock.asked

    def answer() -> None:
        transport.post("/2018-06-01/runtime/invocation/1/response", {}, b"", NEXT)
        transport.get(NEXT)

    yield turn
    transport.close()


def test_awake_while_events_are_waiting(turns: Callable[[bool, bool], int]) -> None:
    """Where the events are there, each is looked for before the thread would sleep."""
    assert [] == [count for count in (turns(True, True) for _ in range(50)) if count < AWAKE]


def test_asleep_while_events_are_rare(turns: Callable[[bool, bool], int]) -> None:
    """Each fruitless look doubles the number of answers until the next one, up to 64; one that finds its event starts over."""
    looks = [0, 2, 6, 14, 30, 62, 126, 190]
    asked = [turns(False, number in looks) for number in range(254)]
    assert looks == [number for number, count in enumerate(asked) if count != ASLEEP]
    assert turns(True, True) >= AWAKE
    assert turns(False, True) >= AWAKE
    assert [ASLEEP] == [turns(False, False)]
    assert turns(False, True) >= AWAKE
