"""SIGTERM: the end comes promptly, after the shutdown hooks, with status 0."""

from __future__ import annotations

import time

import pytest
from support.api import event
from support.runtime import Runtime, Serve
from support.wire import Reply

HOOK = "def dispatch_shutdown(reason):\n    print('SHUTDOWN HOOK', reason, flush=True)\n"
#: Lambda's shortest notice is 500 ms with an internal extension; a loaded test machine gets more, and what a handler waits for takes 60 s.
PROMPTLY = 15.0
HANDLERS = {
    "waits": "print('BUSY', flush=True)\n    threading.Event().wait(60)",
    "computes": "print('BUSY', flush=True)\n    while True: pass",
    "catches everything": "print('BUSY', flush=True)\n    while True:\n        try:\n            threading.Event().wait(60)\n"
    "        except BaseException: print('caught')",
    "catches Exception": "print('BUSY', flush=True)\n    while True:\n        try:\n            threading.Event().wait(60)\n"
    "        except Exception: pass",
    "streams": "yield 'x'\n    print('BUSY', flush=True)\n    threading.Event().wait(60)\n    yield 'y'",
    "streams and catches": "yield 'x'\n    print('BUSY', flush=True)\n    while True:\n        try:\n"
    "            threading.Event().wait(60)\n        except BaseException: yield 'caught'",
    "async": "",
    "thread": "threading.Thread(target=threading.Event().wait, args=(60,)).start()\n    print('BUSY', flush=True)\n    threading.Event().wait(60)",
    "subprocess": "import subprocess\n    subprocess.run('echo BUSY; exec sleep 60 >/dev/null 2>&1', shell=True)",
}


def stop(runtime: Runtime, *, blocked: bool = True) -> str:
    """Send SIGTERM, which ends it promptly and with status 0; all that it wrote."""
    before = time.monotonic()
    log = runtime.end(blocked=blocked)
    assert time.monotonic() - before < PROMPTLY
    return log


@pytest.mark.parametrize("transport", ["socket", "requests"])
@pytest.mark.parametrize("events", [0, 1])
def test_while_polling(serve: Serve, transport: str, events: int) -> None:
    """While it waits for an event."""
    files = {"app.py": "def handler(event, headers):\n    return event\n", "own.py": HOOK}
    runtime = serve(files, env={"HANDLER_TRANSPORT": transport, "HANDLER_PLUGINS": "own"})
    for _ in range(events):
        runtime.invoke(b"x")
    runtime.api.wait(lambda: len(runtime.api.finished("GET", "next")) == events + 1)
    assert 1 == stop(runtime).count("SHUTDOWN HOOK")


@pytest.mark.parametrize("transport", ["socket", "requests"])
@pytest.mark.parametrize("kind", HANDLERS)
def test_while_a_handler_runs(serve: Serve, kind: str, transport: str) -> None:
    """While a handler runs or streams, whatever it catches."""
    body = HANDLERS[kind]
    source = f"import threading\ndef handler(event, headers):\n    {body}\n"
    if kind == "async":
        source = "import asyncio\nasync def handler(event, headers):\n    print('BUSY', flush=True)\n    await asyncio.sleep(60)\n"
    runtime = serve({"app.py": source, "own.py": HOOK}, env={"HANDLER_TRANSPORT": transport, "HANDLER_PLUGINS": "own"})
    runtime.api.hand_out(event(b"", "one"))
    runtime.child.wait_log("BUSY")
    assert 1 == stop(runtime, blocked=kind != "computes").count("SHUTDOWN HOOK")


def test_script_that_catches_everything(serve: Serve) -> None:
    """A script in a loop that catches everything ends as well."""
    source = "import sys, threading\nprint('BUSY', file=sys.stderr, flush=True)\nwhile True:\n    try: threading.Event().wait(60)\n    except BaseException: pass\n"
    runtime = serve({"s.py": source, "own.py": HOOK}, "s.py", env={"HANDLER_PLUGINS": "own"})
    runtime.api.hand_out(event(b"", "one"))
    runtime.child.wait_log("BUSY")
    assert 1 == stop(runtime).count("SHUTDOWN HOOK")


def test_without_plugins(serve: Serve) -> None:
    """Without a plugin the end is as prompt."""
    runtime = serve("def handler(event, headers):\n    return event\n")
    runtime.api.wait_for("GET", "next")
    assert "" == stop(runtime)


def test_hook_that_raises(serve: Serve) -> None:
    """A shutdown hook that raises is logged; the status stays 0."""
    hook = "def dispatch_shutdown(reason):\n    raise RuntimeError('hook failed')\n"
    runtime = serve(
        {"app.py": "def handler(event, headers):\n    return event\n", "own.py": hook}, env={"HANDLER_PLUGINS": "own"}
    )
    runtime.api.wait_for("GET", "next")
    log = stop(runtime)
    assert "hook failed" in log
    assert "SHUTDOWN HOOK" not in log


def test_while_retrying(serve: Serve) -> None:
    """In the pause between two tries too."""
    runtime = serve(
        {"app.py": "def handler(event, headers):\n    return event\n", "own.py": HOOK}, env={"HANDLER_PLUGINS": "own"}
    )
    runtime.api.hand_out(Reply(503), Reply(503))
    runtime.api.wait_for("GET", "next", 2)
    assert 1 == stop(runtime).count("SHUTDOWN HOOK")


def test_no_stray_answer(serve: Serve) -> None:
    """What was interrupted is not answered with a report of our own stop."""
    source = "import threading\ndef handler(event, headers):\n    print('BUSY', flush=True)\n    threading.Event().wait(60)\n"
    runtime = serve(source)
    runtime.api.hand_out(event(b"", "one"))
    runtime.child.wait_log("BUSY")
    stop(runtime)
    assert [] == runtime.api.answers("one")


FORKED = {
    "returns": ("return 'the child'", "0"),
    "exits": ("sys.exit(3)", "3"),
    "exits with words": ("sys.exit('words')", "1"),
    "raises": ("1 / 0", "1"),
    "is terminated": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", "-15"),
}


@pytest.mark.parametrize("child", FORKED.values(), ids=FORKED)
@pytest.mark.parametrize("convention", ["standard", "lambda"])
def test_process_that_the_handler_forks(serve: Serve, convention: str, child: tuple[str, str]) -> None:
    """It is a process of the user's own: it answers no event, takes no other, and signals end it as they end any."""
    does, status = child
    source = f"""
    import os, signal, sys, time
    def handler(event, more):
        child = os.fork()
        if not child:
            {does}
        return str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    runtime = serve({"app.py": source, "own.py": HOOK}, convention=convention, env={"HANDLER_PLUGINS": "own"})
    assert [status] * 2 == [runtime.invoke(b'"x"').body.decode().strip('"') for _ in range(2)]
    assert (2, []) == (len(runtime.api.finished("POST")), runtime.api.finished("POST", "/error"))
    assert "SHUTDOWN HOOK" not in runtime.child.log
    assert 1 == stop(runtime).count("SHUTDOWN HOOK")


def test_failure_of_a_process_that_user_code_forks(serve: Serve) -> None:
    """Its traceback has the user's frames alone, in a handler and in what is put off."""
    source = """
    import dispatch, os
    def fork():
        child = os.fork()
        if not child:
            raise LookupError("the child")
        os.waitpid(child, 0)
    def handler(event, headers):
        dispatch.after_response(fork)
        fork()
    """
    runtime = serve(source)
    runtime.invoke()
    runtime.api.wait_for("GET", "next", 2)
    frames = [line.rpartition("in ")[2] for line in runtime.child.log.splitlines() if line.startswith("  File")]
    assert ["handler", "fork", "fork"] == frames, runtime.child.log
    assert 2 == runtime.child.log.count("LookupError: the child\n")


@pytest.mark.parametrize("child", ["yield 'the child'", "1 / 0", "return"])
@pytest.mark.parametrize("word", ["def", "async def"])
def test_process_that_a_generator_forks(serve: Serve, word: str, child: str) -> None:
    """In the middle of a streamed answer the same: none of the child's chunks gets into it, nor its failure."""
    source = f"""
    import os
    {word} handler(event, headers):
        yield 'one '
        child = os.fork()
        if not child:
            {child}
            return
        yield str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    runtime = serve(source)
    assert [b"one 1" if "0" in child else b"one 0"] * 2 == [runtime.invoke().body for _ in range(2)]
    assert [{}] * 2 == [dict(post.trailers) for post in runtime.api.finished("POST")]
