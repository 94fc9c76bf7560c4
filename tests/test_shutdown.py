"""The end: what SIGTERM reaches, and the internal extension that has Lambda send it."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import rie
from support.api import Scripted, event
from support.files import write
from support.runtime import Runtime, Serve
from support.wire import Reply

HANDLER = "def handler(event, headers):\n    return event\n"
AT_EXIT = f"import atexit, threading\natexit.register(print, 'AT EXIT')\n{HANDLER}"
HOOK = "def dispatch_shutdown(reason):\n    print('HOOK', reason)\n"
EXTENSION = {"HANDLER_SHUTDOWN": "extension"}
REGISTERED = Reply(200, [("Lambda-Extension-Identifier", "the-identifier")], b'{"functionName": "f"}')


def ended(runtime: Runtime) -> list[str]:
    """The lines of the log once SIGTERM has ended it."""
    return runtime.end().splitlines()


@pytest.mark.parametrize("events", [0, 1])
def test_order(serve: Serve, events: int) -> None:
    """SIGTERM reaches the plugins' shutdown hooks, then what the handler's modules registered with atexit."""
    runtime = serve({"app.py": AT_EXIT, "own.py": HOOK}, env={"HANDLER_PLUGINS": "own"})
    for _ in range(events):
        runtime.invoke()
    runtime.api.wait_for("GET", "next", 1 + events)
    assert ["HOOK SIGTERM", "AT EXIT"] == ended(runtime)


def test_while_a_handler_is_busy(serve: Serve) -> None:
    """Also in the middle of an event, whatever the handler catches, and with threads left behind."""
    source = AT_EXIT.replace(
        "    return event", "    threading.Thread(target=threading.Event().wait).start()\n    print('BUSY')\n"
    )
    source += "    while True:\n        try:\n            threading.Event().wait()\n        except BaseException:\n            pass\n"
    runtime = serve({"app.py": source, "own.py": HOOK}, env={"HANDLER_PLUGINS": "own"})
    runtime.api.hand_out(event(b"", "one"))
    runtime.child.wait_log("BUSY\n")
    assert ["BUSY", "HOOK SIGTERM", "AT EXIT"] == ended(runtime)
    assert [] == runtime.api.answers("one")


STUBBORN = """
async def {name}({arguments}):
    while True:
        try:
            if not said:
                said.add("BUSY")
                print("BUSY")
            await asyncio.sleep(1000)
        except BaseException:
            pass
"""
BUSY_LOOPS = {
    "a handler that catches all": STUBBORN.format(name="handler", arguments="event, headers"),
    "a task that catches all": STUBBORN.format(name="task", arguments="")
    + "async def handler(event, headers):\n    kept.add(asyncio.create_task(task()))\n    await asyncio.sleep(0)\n",
    "a handler that is slow to end": """
async def handler(event, headers):
    try:
        print("BUSY")
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(1000)
""",
    "a handler that blocks at its end": """
async def handler(event, headers):
    try:
        print("BUSY")
        await asyncio.sleep(1000)
    finally:
        time.sleep(1000)
""",
    "a thread of the loop's pool": """
async def handler(event, headers):
    print("BUSY")
    await asyncio.to_thread(time.sleep, 1000)
""",
}


@pytest.mark.parametrize("kind", BUSY_LOOPS)
def test_while_the_event_loop_is_busy(serve: Serve, kind: str) -> None:
    """Whatever is on the event loop and does not let go, the hooks run and the process ends."""
    source = f"import asyncio, time\nsaid, kept = set(), set()\n{BUSY_LOOPS[kind]}"
    runtime = serve({"app.py": source, "own.py": HOOK}, env={"HANDLER_PLUGINS": "own"})
    runtime.api.hand_out(event(b"", "one"))
    runtime.child.wait_log("BUSY\n")
    assert ["BUSY", "HOOK SIGTERM"] == ended(runtime)


def test_a_task_that_exits_when_it_is_cancelled(serve: Serve) -> None:
    """What a task raises at its end keeps the hooks from nothing, and is not the status."""
    source = """
    import asyncio
    async def task():
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            raise SystemExit(3)
    async def handler(event, headers):
        kept.append(asyncio.create_task(task()))
        await asyncio.sleep(0)
    kept = []
    """
    runtime = serve({"app.py": source, "own.py": HOOK}, env={"HANDLER_PLUGINS": "own"})
    runtime.invoke()
    assert "HOOK SIGTERM" in ended(runtime)


UNHEARD = """
import asyncio, signal, threading, time
# Whatever thread a signal comes to, the main one looks for it; this one is blocked in a system call that goes on.
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
async def waits(event, headers):
    print("BUSY")
    await asyncio.sleep(1000)
def streams(input, output, headers):
    print("BUSY")
    time.sleep(1000)
"""


@pytest.mark.parametrize(("handler", "events"), [("waits", 0), ("waits", 1), ("streams", 1)])
def test_signal_that_interrupts_no_system_call(serve: Serve, handler: str, events: int) -> None:
    """While the runtime itself waits, for an event, on the event loop or for a chunk, it looks for signals."""
    convention = "stream" if handler == "streams" else "standard"
    runtime = serve({"app.py": UNHEARD, "own.py": HOOK}, f"app.{handler}", convention, env={"HANDLER_PLUGINS": "own"})
    runtime.api.wait_for("GET", "next")
    for _ in range(events):
        runtime.api.hand_out(event(b""))
        runtime.child.wait_log("BUSY\n")
    assert ["BUSY"] * events + ["HOOK SIGTERM"] == ended(runtime)


def test_signal_just_before_a_system_call(serve: Serve) -> None:
    """If the handler catches all, and the timer's first signal comes just before its next call, another one follows."""
    source = """
    import ctypes, operator
    pause = ctypes.CDLL(None).pause
    def handler(event, headers):
        try:
            print("BUSY")
            pause()
        except BaseException:
            # Between the two calls Python does not look for signals.
            list(map(operator.call, [pause, pause]))
    """
    runtime = serve({"app.py": source, "own.py": HOOK}, env={"HANDLER_PLUGINS": "own"})
    runtime.api.hand_out(event(b"", "one"))
    runtime.child.wait_log("BUSY\n")
    assert ["BUSY", "HOOK SIGTERM"] == ended(runtime)


def test_while_it_is_loaded(serve: Serve) -> None:
    """While the function is still being loaded: no init error, and atexit all the same."""
    source = "import atexit, threading\natexit.register(print, 'AT EXIT')\nprint('BUSY')\nthreading.Event().wait()\n"
    runtime = serve(source)
    runtime.child.wait_log("BUSY\n")
    assert (["BUSY", "AT EXIT"], []) == (ended(runtime), runtime.api.finished("POST"))


def test_atexit_that_fails(serve: Serve) -> None:
    """A function registered with atexit that raises or exits changes neither the status nor what the others do."""
    source = f"{AT_EXIT}\natexit.register(lambda: 1 / 0)\nimport sys\natexit.register(sys.exit, 5)\n"
    runtime = serve(source)
    runtime.invoke()
    assert "AT EXIT" in ended(runtime)


def test_open_files_of_the_log(serve: Serve) -> None:
    """Log handlers of the user's own that buffer are flushed."""
    source = "import logging, logging.handlers\nlog = logging.getLogger()\n"
    source += "log.addHandler(logging.handlers.MemoryHandler(100, target=logging.StreamHandler()))\n"
    source += "def handler(event, headers):\n    log.warning('kept')\n"
    runtime = serve(source)
    runtime.invoke()
    assert "kept" in ended(runtime)


def test_handler_of_the_users_own(serve: Serve) -> None:
    """A SIGTERM handler of the user's own is called instead, and its sys.exit() ends all in order."""
    source = f"{AT_EXIT}\nimport signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
    runtime = serve({"app.py": source, "own.py": HOOK}, env={"HANDLER_PLUGINS": "own"})
    runtime.invoke()
    assert ["HOOK exit", "AT EXIT"] == ended(runtime)


def test_handler_of_the_users_own_while_busy(serve: Serve) -> None:
    """While an event is handled, its sys.exit() is not a failure of that event alone: it ends the process."""
    source = """
    import signal, sys, threading
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    def handler(event, headers):
        print("BUSY", flush=True)
        threading.Event().wait(60)
    """
    runtime = serve(source)
    runtime.api.hand_out(event(b"", "one"))
    runtime.child.wait_log("BUSY\n")
    runtime.child.wait_blocked()
    runtime.child.signal()
    assert (3, "BUSY\n", []) == (runtime.child.wait(), runtime.child.log, runtime.api.answers("one"))


# The internal extension


@pytest.fixture
def platform() -> Iterator[Scripted]:
    """A Runtime API that knows extensions; their events never come."""
    with Scripted() as api:
        api.script["/extension/register"] = REGISTERED
        api.script["/extension/event/next"] = Reply(gate=threading.Event())
        yield api


def test_extension(serve: Serve, platform: Scripted) -> None:
    """It registers for no events before the first poll, then waits for its next event; the function is served."""
    runtime = serve({"app.py": AT_EXIT, "own.py": HOOK}, env={**EXTENSION, "HANDLER_PLUGINS": "own"}, api=platform)
    assert [b"one", b"two"] == [runtime.invoke(body).body for body in (b"one", b"two")]
    (waiting,) = platform.wait(lambda: platform.ending("/extension/event/next"), "the extension's poll")
    register = platform.requests[0]
    assert ("POST", "/2020-01-01/extension/register") == (register.method, register.path)
    assert {"events": []} == json.loads(register.body)
    assert "dispatch-shutdown" == register.header("Lambda-Extension-Name")
    assert "the-identifier" == waiting.header("Lambda-Extension-Identifier")
    assert ["HOOK SIGTERM", "AT EXIT"] == ended(runtime)


def test_events_that_come_all_the_same(serve: Serve, platform: Scripted) -> None:
    """Whatever event comes, it asks for the next; when the platform ends the conversation, the function goes on."""
    platform.script["/extension/event/next"] = Reply(200, body=b'{"eventType": "SHUTDOWN"}')
    runtime = serve(HANDLER, env=EXTENSION, api=platform)
    platform.wait(lambda: len(platform.ending("/extension/event/next")) >= 3, "three polls")
    platform.script["/extension/event/next"] = Reply(403)
    assert b"one" == runtime.invoke(b"one").body
    assert [] == ended(runtime)


@pytest.mark.parametrize("answer", [Reply(403, body=b"no more"), Reply(404), Reply(200, body=b"without identifier")])
def test_refused_extension(serve: Serve, platform: Scripted, answer: Reply) -> None:
    """Where it cannot be registered, that is an init error that says so."""
    platform.script["/extension/register"] = answer
    failed = serve(HANDLER, env=EXTENSION, api=platform).failed()
    assert 1 == failed.status
    assert "HANDLER_SHUTDOWN=extension: the extension cannot be registered: status" in failed.log


def test_only_where_it_is_asked_for(serve: Serve, platform: Scripted) -> None:
    """Without the setting there is no extension; another value is an init error."""
    runtime = serve(HANDLER, api=platform)
    runtime.invoke()
    assert not [path for path in platform.paths() if "extension" in path]
    assert (
        "HANDLER_SHUTDOWN is 'yes'; allowed: extension" in serve(HANDLER, env={"HANDLER_SHUTDOWN": "yes"}).failed().log
    )


@pytest.mark.parametrize("concurrency", ["", "async"])
def test_extension_of_several(serve: Serve, platform: Scripted, concurrency: str) -> None:
    """One process registers once; workers, which would all have the same name, do not."""
    source = HANDLER.replace("def", "async def")
    env = {**EXTENSION, "HANDLER_WORKERS": "2", "HANDLER_CONCURRENCY": concurrency}
    runtime = serve(source, env=env, api=platform)
    platform.wait_for("GET", "invocation/next", 2)
    assert (1 if concurrency else 0) == len(platform.ending("/extension/register"))
    assert [] == ended(runtime)


@pytest.mark.parametrize("setting", [{}, EXTENSION], ids=["without", "extension"])
def test_extension_under_the_emulator(tmp_path: Path, setting: dict[str, str]) -> None:
    """AWS's emulator hands out events as ever; at its own end it sends SIGTERM where there is the extension, else kills."""
    try:
        rie.binary()
    except rie.NoEmulator as reason:
        pytest.skip(str(reason))
    write(tmp_path, {"app.py": AT_EXIT, "own.py": HOOK})
    with rie.rie("app.handler", tmp_path, {**setting, "HANDLER_PLUGINS": "own"}) as emulator:
        assert [b"one", b"two"] == [emulator.invoke(body) for body in (b"one", b"two")]
        emulator.child.signal(signal.SIGTERM)
        emulator.child.wait()
        said = [word for word in ("HOOK SIGTERM", "AT EXIT") if word in emulator.child.log]
        assert (["HOOK SIGTERM", "AT EXIT"] if setting else []) == said
