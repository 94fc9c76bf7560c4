"""SIGTERM that Python or user code drops arrives nevertheless: `finally` runs, and the end is prompt."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.api import event
from support.files import write
from support.runtime import Runtime, Serve
from support.wire import PATIENCE

#: Each goes on for ever in code whose exceptions are dropped; `busy()` takes a while.
DROPPED = {
    "a fork": "child = os.fork()\n        if not child: os._exit(0)\n        os.waitpid(child, 0)",
    "a finalizer": "Dying()",
    "a weak reference": "one = Dying.Other(); reference = weakref.ref(one, busy); del one",
    "the garbage collector": "gc.collect()",
    "a callback of C": "in_c()",
    "a generator's end": "next(generator())",
    "the hook for dropped exceptions": "sys.unraisablehook = busy; Failing()",
    "an except without a class": "try: busy()\n        except: pass",
    "a str() that is tried": "traceback._safe_string(Named(), 'x')",
    "a database": "try: database.execute('select busy()').fetchone()\n        except sqlite3.Error: pass",
    "an error of a database": "database.execute('with r(x) as (select 1 union all select x + 1 from r) select busy() from r').fetchall()",
    "a sort of C": "libc.qsort(numbers, 20, 4, compared)",
    "a timer of its own": "signal.alarm(9)\n        try: busy()\n        except: pass\n        finally: signal.alarm(0)",
}
SOURCE = """
import ctypes, gc, os, signal, sqlite3, sys, traceback, weakref
def busy(*_):
    for _ in range(5000): pass
    return 1
class Dying:
    class Other: pass
    def __del__(self): busy()
class Failing:
    def __del__(self): 1 / 0
class Named:
    def __str__(self): busy(); return "x"
def generator():
    try: yield
    finally: busy()
in_c = ctypes.CFUNCTYPE(ctypes.c_int)(busy)
libc, numbers = ctypes.CDLL(None), (ctypes.c_int * 20)()
compared = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: busy() - 1)
database = sqlite3.connect(":memory:")
database.create_function("busy", 0, busy)
def handler(event, headers):
    {before}
    try:
      print("BUSY", flush=True)
      while True:
        {what}
    finally:
        print("FINALLY", flush=True)
"""


#: The runtime with more time for user code, because a busy machine may take the usual 150 ms for itself.
PATIENT = (
    *(sys.executable, "-P", "-c"),
    (
        "import sys; from runtime import lifecycle; from runtime.__main__ import main; lifecycle.GRACE = 1.2; "
        "lifecycle.LAST = 30; lifecycle.leave(main(sys.argv))"
    ),
)


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Callable[[str], Runtime]]:
    """Start that runtime on the text of a module, and let it be busy with an event."""
    with ExitStack() as stack:

        def start(source: str) -> Runtime:
            root = write(tmp_path, {"app.py": source})
            runtime = stack.enter_context(Runtime(PATIENT, root, {"HANDLER": "app.handler"}))
            runtime.api.hand_out(event(b"", "one"))
            runtime.child.wait_log("BUSY\n")
            return runtime

        yield start


@pytest.mark.parametrize("what", DROPPED)
def test_it_arrives(patient: Callable[[str], Runtime], what: str) -> None:
    """Wherever it comes, `finally` runs once and whole, and nothing of ours is in the log."""
    before = "gc.callbacks.append(busy)" if "garbage" in what else "pass"
    log = patient(SOURCE.format(what=DROPPED[what], before=before)).end(blocked=False)
    assert 1 == log.count("FINALLY"), log
    if "hook" not in what:  # Python reports what it drops in the hook by itself
        assert "BUSY\nFINALLY\n" == log


def test_a_clean_up_is_not_interrupted(patient: Callable[[str], Runtime]) -> None:
    """While user code deals with it, it is not raised again: not in half the time that it has, either."""
    source = """
    import time
    def handler(event, headers):
        try:
            print("BUSY", flush=True)
            while True: pass
        finally:
            end = time.monotonic() + 0.8
            while time.monotonic() < end: pass
            print("CLEAN", flush=True)
    """
    assert "BUSY\nCLEAN\n" == patient(source).end(blocked=False)


ENDLESS = {
    "a function of atexit": "import atexit, time\natexit.register(time.sleep, 600)\ndef handler(event, headers): print('BUSY')\n",
    "str() of an error": "class Endless(Exception):\n    def __str__(self):\n        print('BUSY')\n        while True: pass\n"
    "def handler(event, headers): raise Endless\n",
}


@pytest.mark.parametrize("what", ENDLESS)
def test_what_never_ends_ends(serve: Serve, what: str) -> None:
    """Nothing outlasts the signal."""
    runtime = serve(ENDLESS[what])
    runtime.api.hand_out(event(b"", "one"))
    runtime.child.wait_log("BUSY\n")
    runtime.end(blocked=False)


def test_a_function_of_atexit_in_another_end(serve: Serve) -> None:
    """If the environment is ending for another reason, the signal ends the end."""
    source = "import atexit, time\ndef sleep():\n    print('BUSY', flush=True)\n    time.sleep(600)\natexit.register(sleep)\n1 / 0\n"
    runtime = serve(source)
    runtime.child.wait_log("BUSY\n")
    runtime.child.signal()
    assert runtime.child.wait() in {0, 1}


def late(runtime: Runtime, count: int) -> Callable[[], bool]:
    """Whether the log has so many exceptions of the timer's."""
    return lambda: runtime.child.log.count("TimeoutError: late") == count


@pytest.mark.parametrize("transport", ["socket", "requests"])
def test_a_timer_that_a_handler_leaves(serve: Serve, transport: str) -> None:
    """Its signal handler's exception, while the runtime waits, is in the log, without our frames; the loop goes on."""
    source = """
    import signal
    def late(number, frame): raise TimeoutError("late")
    def handler(event, headers):
        if event == "timer":
            previous = signal.signal(signal.SIGALRM, late)
            assert signal.getsignal(signal.SIGALRM) is late and previous in (signal.SIG_DFL, late)
            signal.setitimer(signal.ITIMER_REAL, 0.01)
        return event
    """
    runtime = serve(source, env={"HANDLER_TRANSPORT": transport})
    for count in (1, 2):
        assert b"timer" == runtime.invoke(b"timer").body
        with runtime.child.heard:
            assert runtime.child.heard.wait_for(late(runtime, count), PATIENCE)
    assert b"after" == runtime.invoke(b"after").body
    assert "runtime/" not in runtime.child.log


def test_a_signal_while_the_variables_change(serve: Serve) -> None:
    """Between two events the runtime also sets variables."""
    source = """
    import signal, sys
    def late(number, frame): raise TimeoutError("late")
    def hook(event, arguments):
        if event == "os.unsetenv" and arguments == (b"_X_AMZN_TRACE_ID",):
            signal.raise_signal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, late)
    sys.addaudithook(hook)
    def handler(event, headers): return event
    """
    runtime = serve(source)
    runtime.invoke(headers={"Lambda-Runtime-Trace-Id": "Root=1"})
    assert b"after" == runtime.invoke(b"after").body
    assert late(runtime, 1)()


def test_a_timer_in_a_handler(serve: Serve) -> None:
    """In the handler it raises as ever."""
    source = """
    import signal, time
    def late(number, frame): raise TimeoutError("in time")
    def handler(event, headers):
        signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        time.sleep(60)
    """
    report = serve(source).invoke().report
    assert ("TimeoutError", "in time") == (report["errorType"], report["errorMessage"])


def test_interrupt_handler_that_is_pythons_own(serve: Serve) -> None:
    """A handler may put Python's own handler of Ctrl-C back; the status is then that of a program."""
    source = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\ndef handler(event, headers): return ''\n"
    runtime = serve(source)
    runtime.invoke()
    runtime.child.wait_blocked()
    runtime.child.signal(signal.SIGINT)
    assert (130, "") == (runtime.child.wait(), runtime.child.log)
