"""Scripts: what one event does to the streams, and who may write to which event's answer."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path

import pytest
from support.files import archive
from support.runtime import Ask, Serve
from test_contract_scripts import SPOILERS

SPOILERS_OF_STDERR = {
    "close": "sys.stderr.close()",
    "close buffer": "sys.stderr.buffer.close()",
    "close original": "sys.__stderr__.close(); sys.__stdout__.close()",
    "detach": "sys.stderr.detach()",
    "delete": "del sys.stderr",
    "reconfigure": "sys.stderr.reconfigure(encoding='ascii', errors='strict')",
    "rewrap": "sys.stderr = io.TextIOWrapper(sys.stderr.buffer, 'latin-1')",
    "none": "sys.stderr = None",
    "replace": "sys.stderr = open('/dev/full', 'w')",
    "patch": "sys.stderr.write = None",
}


@pytest.mark.parametrize("wrap", ["{}", "def main():\n{}"], ids=["top", "main"])
@pytest.mark.parametrize("spoiler", SPOILERS_OF_STDERR.values(), ids=SPOILERS_OF_STDERR)
def test_stderr_survives(serve: Serve, wrap: str, spoiler: str) -> None:
    """What the next event writes to standard error goes to the log, whatever a script did to it."""
    body = f"""
    event = sys.stdin.read()
    print("wörd", event, file=sys.stderr)
    print(event, end="")
    if event == "spoil":
        {spoiler}
        gc.collect()
    """
    indented = textwrap.indent(textwrap.dedent(body), "    " if "main" in wrap else "")
    runtime = serve({"s.py": "import gc, io, sys\n" + wrap.format(indented)}, "s.py")
    for event in (b"spoil", b"one", b"two"):
        assert event == runtime.invoke(event).body
        runtime.child.wait_log(f"wörd {event.decode()}\n")


def test_stream_that_cannot_be_flushed(serve: Serve) -> None:
    """A stream of the script's own that fails at the event's end fails that event alone, and is gone then."""
    source = """
    import dispatch, sys
    dispatch.after_response(lambda: print("afterwards"))
    print("answer", end="")
    if sys.stdin.read() == "spoil":
        sys.stdout = open("/dev/full", "w")
        print("lost")
    """
    runtime = serve({"s.py": source}, "s.py")
    assert "OSError" == runtime.invoke(b"spoil").report["errorType"]
    runtime.child.wait_log("afterwards\n")
    assert b"answer" == runtime.invoke(b"fine").body


@pytest.mark.parametrize("convention", ["script", "json"])
def test_streams_are_whole_between_events(serve: Serve, tmp_path: Path, convention: str) -> None:
    """What a thread writes to standard output and error between two events goes to the log, spoilt or not."""
    source = """
    import sys, threading
    def later():
        open("go").read()
        print("out"); print("err", file=sys.stderr)
    def main(*_):
        threading.Thread(target=later, daemon=True).start()
        sys.stdout.close(); sys.__stdout__.close(); sys.stderr.close(); sys.__stderr__.close()
    """
    runtime = serve({"s.py": source}, "s.py", convention)
    os.mkfifo(tmp_path / "task" / "go")
    assert "response" == runtime.invoke(b"1").kind
    runtime.api.wait_for("GET", "next", 2)
    (tmp_path / "task" / "go").write_text("now")
    runtime.child.wait_log("out\n")
    runtime.child.wait_log("err\n")


KINDS = {
    "plain": "def main(handler, event):\n    return act(event)",
    "async": "async def main(handler, event):\n    return act(event)",
    "generator": "def main(handler, event):\n    yield act(event)",
    "response": "def main(handler, event):\n    return HTTPResponse(body=(act(item) for item in [event]))",
}


SPOILERS_OF_BOTH = SPOILERS | {f"stderr {name}": spoiler for name, spoiler in SPOILERS_OF_STDERR.items()}


@pytest.mark.parametrize(
    ("kind", "spoiler"),
    [
        *(("plain", name) for name in SPOILERS_OF_BOTH),
        *((kind, name) for kind in KINDS for name in ("none", "stderr close")),
    ],
)
def test_streams_survive_in_json(serve: Serve, kind: str, spoiler: str) -> None:
    """Nor can a script in the json convention spoil the streams of the next event, and what it prints is in the log."""
    source = f"""
    import gc, io, sys
    from dispatch import HTTPResponse
    def act(event):
        if event == "spoil":
            {SPOILERS_OF_BOTH[spoiler]}
            gc.collect()
            return None
        print("prünted", event)
        print("wörd", event, file=sys.stderr)
        return [sys.argv, sys.stdin.read()]
    """
    runtime = serve({"s.py": textwrap.dedent(source) + KINDS[kind]}, "s.py", "json")
    runtime.invoke(b'"spoil"')
    for event in ("one", "two"):
        answer = runtime.invoke(json.dumps(event).encode()).body
        assert [["s.py"], ""] == json.loads(answer.rpartition(b"\0")[2])
        runtime.child.wait_log(f"prünted {event}\n")
        runtime.child.wait_log(f"wörd {event}\n")


@pytest.mark.parametrize(("status", "expected"), [("None", "null"), ("0", "null"), ("3", "Runtime.ExitError")])
def test_exit_in_json(ask: Ask, status: str, expected: str) -> None:
    """A script that ends itself with status 0 has succeeded in the json convention as well, without a value."""
    source = "import sys\ndef main(handler, event):\n    sys.exit(eval(event))\n"
    answer = ask({"s.py": source}, json.dumps(status).encode(), "s.py", "json")
    assert expected == (answer.body.decode() if answer.kind == "response" else answer.report["errorType"])


OWN_THREADS = {
    "to_thread": """
    import asyncio
    async def main():
        await asyncio.to_thread(print, "said")
    """,
    "executor of the loop": """
    import asyncio
    async def main():
        await asyncio.get_running_loop().run_in_executor(None, print, "said")
    """,
    "pool of the module": """
    from concurrent.futures import ThreadPoolExecutor
    pool = ThreadPoolExecutor(1)
    def main():
        pool.submit(print, "said").result()
    """,
    "thread pool": """
    from multiprocessing.pool import ThreadPool
    pool = None
    def main():
        global pool
        pool = pool or ThreadPool(1)
        pool.apply(print, ["said"])
    """,
    "worker of the module": """
    import queue, threading
    orders = queue.Queue()
    def work():
        while True:
            text, done = orders.get()
            print(text)
            done.set()
    threading.Thread(target=work, daemon=True).start()
    def main():
        done = threading.Event()
        orders.put(("said", done))
        done.wait(20)
    """,
    "number of a thread that was left behind": """
    import threading
    go, left = threading.Event(), None
    def main():
        global left
        if left:
            go.set()
            left.join(20)
        own = threading.Thread(target=print, args=["said"])
        own.start()
        own.join(20)
        go.clear()
        left = threading.Thread(target=go.wait, args=[20], daemon=True)
        left.start()
    """,
}


@pytest.mark.parametrize("source", OWN_THREADS.values(), ids=OWN_THREADS)
def test_threads_that_work_for_an_event(serve: Serve, source: str) -> None:
    """What a thread prints by order of an event is part of its answer, whenever the thread was started."""
    runtime = serve({"s.py": source}, "s.py")
    assert [b"said\n"] * 4 == [runtime.invoke().body for _ in range(4)]


@pytest.mark.parametrize(
    "replace", ["sys.stderr = Tee(sys.stderr)", "write = sys.stderr.write\nsys.stderr.write = masked"]
)
def test_stderr_of_the_scripts_own(serve: Serve, replace: str) -> None:
    """What a script puts in place of standard error while it is loaded stays in place for its events."""
    source = """
import sys
def masked(text):
    return write(text.replace("secret", "***"))
class Tee:
    def __init__(self, stream):
        global write
        write, self.stream = stream.write, stream
    def write(self, text):
        return masked(text)
    def __getattr__(self, name):
        return getattr(self.stream, name)
{}
def main():
    print("the secret", file=sys.stderr)
"""
    runtime = serve({"s.py": source.format(replace)}, "s.py")
    runtime.invoke()
    runtime.child.wait_log("the ***\n")


KEPT = {
    "a log handler": """
import logging, sys
log = logging.getLogger("x")
log.propagate = False
log.setLevel("INFO")
if not log.handlers:
    log.addHandler(logging.StreamHandler(sys.stdout))
log.info(sys.stdin.read())
""",
    "the root log handler": """
import logging, sys
logging.basicConfig(stream=sys.stdout, level="INFO", format="%(message)s", force=True)
logging.info(sys.stdin.read())
""",
    "a module's own": "import lib\nlib.copy()\n",
    "a log handler of import time": """
import logging, sys
logging.basicConfig(stream=sys.stdout, level="INFO", format="%(message)s", force=True)
def main():
    logging.info(sys.stdin.read())
""",
    "names": "from sys import stdin, stdout\ndef main():\n    stdout.write(stdin.read() + '\\n')\n",
    "a method": "import sys\ninput = sys.stdin.readline\ndef main():\n    print(input())\n",
    "defaults": "import sys\ndef main(inp=sys.stdin, out=sys.stdout):\n    print(*inp, file=out)\n",
    "async": "from sys import stdin, stdout\nasync def main():\n    print(stdin.readline(), file=stdout)\n",
}


@pytest.mark.parametrize("source", KEPT.values(), ids=KEPT)
def test_streams_that_are_kept(serve: Serve, source: str) -> None:
    """Who keeps the streams of an earlier event, or of import time, uses those of the event it works for."""
    lib = "from sys import stdin, stdout\ndef copy():\n    stdout.write(stdin.read() + '\\n')\n"
    runtime = serve({"s.py": source, "lib.py": lib}, "s.py")
    answers = [runtime.invoke(body).body for body in (b"one", b"two", "drei größer".encode())]
    assert [b"one\n", b"two\n", "drei größer\n".encode()] == answers


def test_child_process(serve: Serve) -> None:
    """What a forked child prints goes to the log, the parent's output is the answer, now and later."""
    source = "import os\ndef main():\n    child = os.fork()\n    if not child:\n        print('the child')\n        os._exit(0)\n"
    runtime = serve({"s.py": source + "    os.waitpid(child, 0)\n    print('the parent')\n"}, "s.py")
    assert [b"the parent\n"] * 2 == [runtime.invoke().body for _ in range(2)]
    runtime.child.wait_log("the child\n")


def test_thread_of_a_failed_event(serve: Serve) -> None:
    """Who keeps the standard output of an event that failed writes to the log."""
    source = """
    import sys, threading
    go = threading.Event()
    def late(out):
        go.wait(20)
        out.write("late\\n")
    def main():
        if sys.stdin.read() == "fail":
            threading.Thread(target=late, args=(sys.stdout,), daemon=True).start()
            raise ValueError
        go.set()
    """
    runtime = serve({"s.py": source}, "s.py")
    assert ["error", "response"] == [runtime.invoke(event).kind for event in (b"fail", b"")]
    runtime.child.wait_log("late\n")


LEFT_BEHIND = {
    "thread": ("import threading", "threading.Thread(target=late, daemon=True).start()"),
    "thread without threading": ("import _thread", "_thread.start_new_thread(late, ())"),
    "job in a pool": (
        "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)",
        "pool.submit(late)",
    ),
    "job in a thread": ("import asyncio", "asyncio.create_task(asyncio.to_thread(late)); await asyncio.sleep(0)"),
    "task": ("import asyncio", "task = asyncio.create_task(late_task()); await asyncio.sleep(0)"),
}


@pytest.mark.parametrize("before", LEFT_BEHIND.values(), ids=LEFT_BEHIND)
def test_what_is_left_behind_goes_to_the_log(serve: Serve, before: tuple[str, str]) -> None:
    """What an earlier event left behind prints to the log, also while another event is handled."""
    imports, leave = before
    source = f"""
    import sys, asyncio, threading
    {{imports}}
    begun, go, done = threading.Event(), threading.Event(), threading.Event()
    def late():
        begun.set()
        go.wait(20)
        print("late")
        done.set()
    async def late_task():
        begun.set()
        while not go.is_set():
            await asyncio.sleep(0)
        print("late")
        done.set()
    async def main():
        if sys.stdin.read() == "leave":
            {leave}
            begun.wait(20)
        else:
            go.set()
            while not done.is_set():
                await asyncio.sleep(0)
        print("answer", end="")
    """
    runtime = serve({"s.py": textwrap.dedent(source).replace("{imports}", imports)}, "s.py")
    assert [b"answer", b"answer"] == [runtime.invoke(event).body for event in (b"leave", b"next")]
    runtime.child.wait_log("late\n")


def test_job_behind_one_that_was_left(serve: Serve) -> None:
    """A pool's worker that ends an earlier event's job prints to the log, and then works for this event."""
    source = """
    import sys, threading
    from concurrent.futures import ThreadPoolExecutor
    pool, begun, go = ThreadPoolExecutor(1), threading.Event(), threading.Event()
    def late():
        begun.set()
        go.wait(20)
        print("late")
    def main():
        if sys.stdin.read() == "leave":
            pool.submit(late)
            begun.wait(20)
        else:
            go.set()
            pool.submit(print, "own").result()
    """
    runtime = serve({"s.py": source}, "s.py")
    assert [b"", b"own\n"] == [runtime.invoke(event).body for event in (b"leave", b"next")]
    runtime.child.wait_log("late\n")


def test_archive_named_as_a_package_inside(ask: Ask) -> None:
    """An archive may have the name of the package inside it, from which its main comes."""
    files = {
        "__main__.py": "from hello import main\nif __name__ == '__main__':\n    main()\n",
        "hello/__init__.py": "def main():\n    print(__name__, end='')\n",
    }
    assert b"hello" == ask({"hello.pyz": archive(files)}, handler="hello.pyz").body


def test_pickle_finds_classes_of_an_archive(ask: Ask) -> None:
    """Classes of an archive's __main__.py can be pickled."""
    source = """
    import pickle
    class Thing: pass
    def main():
        print(type(pickle.loads(pickle.dumps(Thing()))) is Thing, end="")
    """
    assert b"True" == ask({"bin/my.app.pyz": archive({"__main__.py": source})}, handler="bin/my.app.pyz").body


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("print(sys.stdin.buffer.peek(1)[:1], sys.stdin.read(), end='')", b"b'b' body"),
        ("print(sys.stdin.name, sys.stdout.name, sys.stderr.name, end='')", b"<stdin> <stdout> <stderr>"),
        ("out = io.TextIOWrapper(sys.stdout.buffer, 'latin-1'); out.write('\\xe9')", b"\xe9"),
        ("out = io.BufferedWriter(sys.stdout.buffer); out.write(b'held back'); sys.exit()", b"held back"),
        ("out = io.TextIOWrapper(sys.stdout.buffer); print('said', file=out); out.detach()", b"said\n"),
    ],
)
def test_streams_are_those_of_a_program(ask: Ask, statement: str, expected: bytes) -> None:
    """Standard streams do what programs expect of them, and files are written to their end."""
    assert expected == ask({"s.py": f"import io, sys\n{statement}\n"}, b"body", "s.py").body


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("'yielded'", b"printed\nyielded"),
        ("None", b"printed\n"),
        ("(print(n) or 'x' for n in 'ab')", b"printed\na\nxb\nx"),
    ],
)
def test_http_response_of_a_script(ask: Ask, body: str, expected: bytes) -> None:
    """An HTTPResponse that main() returns gives what is printed its HTTP prelude; its body comes last."""
    source = f"""
    import dispatch
    def main():
        print("printed")
        return dispatch.HTTPResponse(201, {{"X-A": "1"}}, body={body})
    """
    prelude, _, rest = ask({"s.py": source}, handler="s.py").body.partition(b"\0" * 8)
    assert (201, {"X-A": "1"}, expected) == (*list(json.loads(prelude).values())[:2], rest)
