"""`HANDLER_PRELOAD=1`: the function is loaded once and forked into the workers."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.api import Scripted, event
from support.logs import JSON, records
from support.process import children
from support.runtime import Fail, Serve
from support.workers import LogServer, end_at_start, gone, ready

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are found by /proc")

PRELOAD = {"HANDLER_PRELOAD": "1"}
TWO = {**PRELOAD, "HANDLER_WORKERS": "2"}
FOUR = {**PRELOAD, "HANDLER_WORKERS": "4"}
LOADED = "import os\nwith open('../loaded', 'a') as file:\n    print(os.getpid(), file=file)\n"
PID = LOADED + "def handler(event, headers):\n    return str(os.getpid())\n"
HOOKS = """
import os

def dispatch_before_fork():
    print(f'BEFORE FORK {os.getpid()}\\n', end='')

def dispatch_startup():
    print(f'STARTUP {os.getpid()}\\n', end='')

def dispatch_shutdown(reason):
    print(f'SHUTDOWN {reason} {os.getpid()}\\n', end='')

def dispatch_init_error(error):
    print(f'INIT ERROR {os.getpid()}\\n', end='')
"""


def loads(root: Path) -> list[int]:
    """The processes that have loaded the function."""
    return [int(line) for line in (root / "loaded").read_text().split()]


def test_loaded_once(serve: Serve, tmp_path: Path) -> None:
    """The supervisor loads the function, once; each of its workers handles events."""
    os.mkfifo(tmp_path / "gate")
    source = LOADED + "def handler(event, headers):\n    print('BUSY\\n', end='')\n    open('../gate').close()\n"
    runtime = serve(source + "    return str(os.getpid())\n", env=FOUR)
    workers = ready(runtime, 4)
    runtime.api.hand_out(*[event(b"", f"event-{number}") for number in range(4)])
    runtime.child.wait_log("BUSY\n" * 4)
    with (tmp_path / "gate").open("wb"):
        answers = [runtime.answer(f"event-{number}").body.decode() for number in range(4)]
    assert sorted(map(str, workers)) == sorted(answers)
    assert [runtime.child.process.pid] == loads(tmp_path)


def test_worker_that_dies(serve: Serve, tmp_path: Path) -> None:
    """A worker that was killed is replaced without another load."""
    runtime = serve(PID, env=TWO)
    first, second = ready(runtime)
    os.kill(first, signal.SIGKILL)
    (new,) = set(ready(runtime, 3)) - {second}
    os.kill(second, signal.SIGKILL)
    ready(runtime, 4)
    runtime.api.hand_out(*[event(b"", f"event-{number}") for number in range(2)])
    answers = {runtime.answer(f"event-{number}").body.decode() for number in range(2)}
    assert answers <= {str(worker) for worker in children(runtime.child.process.pid)}
    assert new != first
    assert [runtime.child.process.pid] == loads(tmp_path)


def test_hooks(serve: Serve) -> None:
    """Before the fork there is a hook in the supervisor; the start and the end are hooks of each worker."""
    source = """
    import atexit, os
    atexit.register(lambda: print(f"ATEXIT {os.getpid()}\\n", end=""))
    os.register_at_fork(after_in_child=lambda: print(f"FORKED {os.getpid()}\\n", end=""))
    def handler(event, headers):
        pass
    """
    runtime = serve({"app.py": source, "own.py": HOOKS}, env={**TWO, "HANDLER_PLUGINS": "own"})
    workers = sorted(ready(runtime))
    log = runtime.end()

    def processes(words: str) -> list[int]:
        return sorted(map(int, re.findall(rf"^{words} (\d+)$", log, re.MULTILINE)))

    assert [runtime.child.process.pid] == processes("BEFORE FORK")
    for words in ("STARTUP", "SHUTDOWN SIGTERM", "ATEXIT", "FORKED"):
        assert (words, workers) == (words, processes(words))


def test_startup_of_the_handler(serve: Serve) -> None:
    """A handler's own startup and shutdown run in each worker."""
    source = """
    import os
    async def app(scope, receive, send):
        assert scope["type"] == "lifespan"
        while True:
            message = await receive()
            print(f"{message['type']} {os.getpid()}\\n", end="")
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    """
    runtime = serve(source, "app:app", "asgi", env=TWO)
    workers = sorted(ready(runtime))
    log = runtime.end()
    for words in ("startup", "shutdown"):
        assert workers == sorted(map(int, re.findall(rf"lifespan\.{words} (\d+)", log)))


def test_init_error(serve: Serve) -> None:
    """An init error is reported once, plugins hear of it once, and the process ends with status 1."""
    files = {"app.py": "raise RuntimeError('broken')\n", "own.py": HOOKS}
    runtime = serve(files, env={**FOUR, "HANDLER_PLUGINS": "own"})
    failed = runtime.failed()
    assert ("RuntimeError", 1) == (failed.type, failed.status)
    assert f"INIT ERROR {runtime.child.process.pid}\n" == "".join(re.findall("INIT ERROR .*\n", failed.log))


@pytest.mark.parametrize("value", ["true", "2"])
def test_setting_that_is_wrong(fail: Fail, value: str) -> None:
    """A value that is not a switch is an init error."""
    failed = fail(PID, env={"HANDLER_WORKERS": "2", "HANDLER_PRELOAD": value})
    assert "Runtime.InvalidSetting" == failed.type
    assert f"HANDLER_PRELOAD is '{value}'; allowed: 0, 1" in failed.log


def test_off(serve: Serve, tmp_path: Path) -> None:
    """With 0, each worker loads the function."""
    runtime = serve(PID, env={**TWO, "HANDLER_PRELOAD": "0"})
    assert sorted(ready(runtime)) == sorted(loads(tmp_path))


@pytest.mark.parametrize("env", [PRELOAD, {**TWO, "HANDLER_CONCURRENCY": "async"}], ids=["one worker", "one loop"])
def test_one_process(serve: Serve, env: dict[str, str]) -> None:
    """With one process there is nothing to fork: threads may be there."""
    source = """
    import os, threading
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    async def handler(event, headers):
        return str(os.getpid())
    """
    runtime = serve(source, env=env)
    assert str(runtime.child.process.pid).encode() == runtime.invoke().body


THREAD = "import threading\nthread = threading.Thread(target=threading.Event().wait, name='poller', daemon=True)\n"
RESTS = "import time, _thread\n_thread.start_new_thread(time.sleep, (60,))\n"
HANDLER = "def handler(event, headers):\n    return 'fine'\n"
LOOP = "import asyncio\nloop = asyncio.new_event_loop()\n"
SETTLED = "import asyncio, dispatch\ndispatch.settle(asyncio.sleep(0))\n"
REFUSED = {
    "thread": (THREAD + "thread.start()\n", "threads, which workers would not have: 'poller'; start them in"),
    "thread, warnings are errors": (
        "import warnings\nwarnings.simplefilter('error')\n" + THREAD + "thread.start()\n",
        "threads, which workers would not have: 'poller'; start them in",
    ),
    "without a name": (RESTS, "(not of threading); start them in"),
    "loop": (LOOP, "an open event loop, which workers would share"),
    "loop of ours": (SETTLED, "an open event loop, which workers would share"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(fail: Fail, case: str) -> None:
    """What does not survive a fork is an init error, which names it and says what to do."""
    source, words = REFUSED[case]
    failed = fail(source + HANDLER, env=TWO)
    assert ("Runtime.InvalidSetting", 1) == (failed.type, failed.status)
    assert "HANDLER_PRELOAD is '1', but handler in the module app cannot be forked: it has" in failed.log
    assert words in failed.log
    assert "unset HANDLER_PRELOAD" in failed.log


STOPPING = """
import os, threading
end = threading.Event()
thread = threading.Thread(target=end.wait)
thread.start()
def stop():
    end.set()
    thread.join()
os.register_at_fork(before=stop)
"""
ALLOWED = {
    "thread that has ended": THREAD.replace("threading.Event().wait", "print") + "thread.start()\nthread.join()\n",
    "thread that stops at the fork": STOPPING,
    "thread that stops at the fork, and starts again": """
import os, threading
def start():
    global end, thread
    end = threading.Event()
    thread = threading.Thread(target=end.wait, daemon=True)
    thread.start()
def stop():
    end.set()
    thread.join()
os.register_at_fork(before=stop, after_in_parent=start, after_in_child=start)
start()
""",
    "thread that stops at the fork, with SIGCHLD ignored": f"""
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
{STOPPING}""",
    "no standard output": "import sys\nsys.stdout = None\nsys.stderr = object()\n",
    "loop that was closed": LOOP + "loop.close()\n",
    "loop of a call": "import asyncio\nasyncio.run(asyncio.to_thread(print, 'hello'))\n",
}


@pytest.mark.parametrize("case", ALLOWED)
def test_allowed(serve: Serve, case: str) -> None:
    """What has ended before the fork does no harm."""
    runtime = serve(ALLOWED[case] + HANDLER, env=TWO)
    ready(runtime)
    assert b"fine" == runtime.invoke().body


def test_thread_that_a_plugin_stops(serve: Serve) -> None:
    """The hook is called before threads are looked for."""
    plugin = "import app\ndef dispatch_before_fork():\n    app.end.set()\n    app.thread.join()\n"
    source = "import threading\nend = threading.Event()\nthread = threading.Thread(target=end.wait)\nthread.start()\n"
    runtime = serve({"app.py": source + HANDLER, "own.py": plugin}, env={**TWO, "HANDLER_PLUGINS": "own"})
    ready(runtime)
    assert b"fine" == runtime.invoke().body


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_native_thread(fail: Fail, tmp_path: Path) -> None:
    """A thread that a library in C has started is refused, by the name that the system has for it."""
    code = """
    #define _GNU_SOURCE
    #include <pthread.h>
    #include <unistd.h>
    static void *rest(void *nothing) { for (;;) pause(); return nothing; }
    void begin(void) {
        pthread_t thread;
        pthread_create(&thread, NULL, rest, NULL);
        pthread_setname_np(thread, "resting");
    }
    """
    library = tmp_path / "rest.so"
    build = ["cc", "-shared", "-fPIC", "-pthread", "-x", "c", "-", "-o", str(library)]
    subprocess.run(build, input=code, text=True, check=True)
    failed = fail(f"import ctypes\nctypes.CDLL({str(library)!r}).begin()\n{HANDLER}", env=TWO)
    assert "Runtime.InvalidSetting" == failed.type
    assert "threads, which workers would not have: 'resting' (not of threading);" in failed.log


def test_random_numbers(serve: Serve) -> None:
    """Workers draw different numbers, even if a seed was set before the fork."""
    source = """
    import os, random, uuid
    random.seed(1)
    def draw():
        print(f"DRAWN {random.random()} {uuid.uuid4()}\\n", end="")
    def dispatch_startup():
        draw()
    def handler(event, headers):
        pass
    """
    runtime = serve(source, env={**FOUR, "HANDLER_PLUGINS": "app"})
    ready(runtime, 4)
    drawn = re.findall(r"DRAWN (\S+) (\S+)", runtime.child.log)
    assert [4, 4] == [len(set(column)) for column in zip(*drawn, strict=True)]


@pytest.mark.skipif(find_spec("numpy") is None, reason="needs numpy")
def test_random_numbers_of_numpy(serve: Serve) -> None:
    """The same for numpy's global generator; its library's threads, which stop at a fork, are not refused."""
    source = """
    import numpy
    numpy.ones((500, 500)) @ numpy.ones((500, 500))
    numpy.random.seed(1)
    def dispatch_startup():
        print(f"DRAWN {numpy.random.random()}\\n", end="")
    def handler(event, headers):
        return str((numpy.ones((500, 500)) @ numpy.ones((500, 500)))[0, 0])
    """
    runtime = serve(source, env={**FOUR, "HANDLER_PLUGINS": "app", "OPENBLAS_NUM_THREADS": "4"})
    ready(runtime, 4)
    assert 4 == len(set(re.findall(r"DRAWN (\S+)", runtime.child.log)))
    assert b"500.0" == runtime.invoke().body


def test_async_handler(serve: Serve) -> None:
    """Each worker has an event loop of its own."""
    source = "import asyncio\nasync def handler(event, headers):\n    await asyncio.sleep(0)\n    return 'awaited'\n"
    runtime = serve(source, env=TWO)
    ready(runtime)
    assert [b"awaited"] * 4 == [runtime.invoke().body for _ in range(4)]


def test_what_was_printed_before(serve: Serve) -> None:
    """A buffer that user code has put in the place of standard output is written once, and logging is set up once."""
    source = """
    import logging, sys
    sys.stdout = open(1, "w", closefd=False)
    print("PRINTED")
    logging.warning("LOGGED before")
    def handler(event, headers):
        logging.warning("LOGGED after")
        print("ANSWERED", flush=True)
    """
    runtime = serve(source, env=TWO)
    ready(runtime)
    runtime.invoke()
    log = runtime.end()
    assert [1, 1, 1, 1] == [log.count(text) for text in ("PRINTED", "LOGGED before", "LOGGED after", "ANSWERED")]


def test_log_socket(serve: Serve, tmp_path: Path) -> None:
    """The load is logged where the supervisor's log goes, and each worker has its own log."""
    source = """
    import logging, os
    logging.error("loaded")
    def handler(event, headers):
        print("printed", os.getpid())
        logging.error("logged %d", os.getpid())
        return str(os.getpid())
    """
    env = {**TWO, "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET": str(tmp_path / "log"), **JSON}
    with LogServer(tmp_path / "log") as log_server:
        runtime = serve(source, env=env)
        ready(runtime)
        process = runtime.invoke().body.decode()
        assert ["loaded"] == [record["message"] for record in records(runtime.end())]
        logs = log_server.wait_ended(4)
    assert ["", "", f"printed {process}\n"] == logs[:3]
    assert [f"logged {process}"] == [record["message"] for record in records(logs[3])]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_during_the_load(serve: Serve, number: signal.Signals) -> None:
    """A signal ends the load as it ends one environment's."""
    source = "import time\ntry:\n    print('LOADING\\n', end='')\n    time.sleep(60)\nfinally:\n    print('LEFT\\n', end='')\n"
    runtime = serve(source, env=TWO)
    runtime.child.wait_log("LOADING\n")
    runtime.child.wait_blocked()
    runtime.child.signal(number)
    assert {signal.SIGTERM: 0, signal.SIGINT: 130}[number] == runtime.child.wait()
    assert "LEFT\n" in runtime.child.log
    assert [] == runtime.api.finished()


def test_termination_at_any_moment(serve: Serve) -> None:
    """SIGTERM that comes while workers are being started reaches them as well."""
    for _ in range(5):
        end_at_start(serve(HANDLER, env=FOUR))


def test_signal_handlers_of_user_code(serve: Serve) -> None:
    """Handlers that the module has set are those of the workers; the supervisor's signals remain its own."""
    source = """
    import os, signal, sys
    def leave(number, frame):
        print(f"LEFT {os.getpid()}\\n", end="")
        sys.exit(0)
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGUSR1, lambda *_: print(f"USR1 {os.getpid()}\\n", end=""))
    def handler(event, headers):
        os.kill(os.getpid(), signal.SIGUSR1)
        return f"{os.getpid()} {signal.getsignal(signal.SIGTERM) is leave}"
    """
    runtime = serve(source, env=TWO)
    workers = sorted(ready(runtime))
    process, same = runtime.invoke().body.decode().split()
    assert "True" == same
    assert [process] == re.findall(r"USR1 (\d+)", runtime.child.log)
    assert workers == sorted(map(int, re.findall(r"LEFT (\d+)", runtime.end())))


def test_child_that_the_module_forks(serve: Serve) -> None:
    """A process that user code forks ends after that code, before the workers are forked and in them."""
    source = """
    import os
    def fork():
        process = os.fork()
        if process == 0:
            return "child"
        return str(os.waitpid(process, 0)[1])
    forked = fork()
    def handler(event, headers):
        return forked + fork()
    """
    runtime = serve(source, env=TWO)
    ready(runtime)
    assert [b"00"] * 4 == [runtime.invoke().body for _ in range(4)]


def test_garbage_collection(serve: Serve) -> None:
    """The collector is on in the workers, unless the module has turned it off, and leaves what was loaded alone."""
    source = """
    import gc
    gc.disable()
    def handler(event, headers):
        return f"{gc.isenabled()} {gc.get_freeze_count() > 1000}"
    """
    for code, words in ((source, b"False True"), (source.replace("gc.disable()", ""), b"True True")):
        runtime = serve(code, env=TWO)
        ready(runtime)
        assert words == runtime.invoke().body


def test_snap_start(serve: Serve) -> None:
    """Under SnapStart each worker has its snapshot, as without preloading."""
    hooks = "import os\ndef dispatch_before_snapshot():\n    print(f'BEFORE {os.getpid()}\\n', end='')\n"
    env = {**TWO, "HANDLER_PLUGINS": "own", "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    runtime = serve({"app.py": HANDLER, "own.py": hooks}, env=env, api=Scripted())
    workers = sorted(ready(runtime))
    assert workers == sorted(map(int, re.findall(r"BEFORE (\d+)", runtime.child.log)))
    assert b"fine" == runtime.invoke().body


#: A function for each of some conventions; it answers "abc" with ABC somewhere.
CONVENTIONS = {
    "script": ({"tool.py": "import sys\nprint(sys.stdin.read().upper())\n"}, "tool.py"),
    "expression": ({}, "event.upper()"),
    "json": ({"app.py": "def handler(event, headers):\n    return event.upper()\n"}, "app.handler"),
    "lambda": ({"app.py": "def handler(event, context):\n    return event.upper()\n"}, "app.handler"),
    "stream": (
        {"app.py": "def handler(event, stream, headers):\n    stream.write(event.read().upper())\n"},
        "app.handler",
    ),
    "process": ({}, "tr a-z A-Z"),
    "shell": ({"app.sh": "handler() { echo $1 | tr a-z A-Z; }\n"}, "app.handler"),
    "coprocess": ({"upper": '#!/bin/sh\nwhile read -r line; do echo \'{"result": "ABC"}\'; done\n'}, "upper"),
    "wsgi": (
        {
            "app.py": "def app(environ, start):\n    start('200 OK', [])\n    return [environ['wsgi.input'].read().upper()]\n"
        },
        "app:app",
    ),
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_conventions(serve: Serve, convention: str) -> None:
    """What a convention has set up before the fork serves in each worker, several events each."""
    files, handler = CONVENTIONS[convention]
    runtime = serve(files, handler, convention, env=TWO)
    workers = ready(runtime)
    for _ in range(6):
        assert b"ABC" in runtime.invoke(b'"abc"').body
    runtime.end()
    assert all(gone(worker) for worker in workers)
