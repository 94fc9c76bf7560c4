"""Scripts: standard streams, exits, state between events."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.runtime import Ask, Serve

PRINTS_ALL = "import sys; print(sys.stdin.read(), end='|')"


def test_runs_for_each_event(serve: Serve) -> None:
    """Without main() the whole file runs for each event, with nothing left of the run before."""
    runtime = serve({"s.py": "import sys\nprint('n' in globals(), sys.stdin.read(), end='')\nn = 1\n"}, "s.py")
    assert [b"False a", b"False b"] == [runtime.invoke(event).body for event in (b"a", b"b")]


def test_is_compiled_once(serve: Serve) -> None:
    """The file is read before the first event: what happens to it afterwards changes nothing."""
    runtime = serve({"s.py": "import os\nprint('first', end='')\nos.unlink(__file__)\n"}, "s.py")
    first = runtime.invoke()
    assert (b"first", "error") == (first.body, runtime.invoke().kind)


def test_runs_as_main(ask: Ask) -> None:
    """A script without main() is __main__, also for those who look it up."""
    answer = ask(
        {"s.py": "import sys\nx = 5\nprint(__name__, sys.modules['__main__'].x, __file__, end='')"}, handler="s.py"
    )
    name, value, file = answer.body.decode().split()
    assert ("__main__", "5") == (name, value)
    assert Path(file).is_absolute()
    assert "s.py" == Path(file).name


def test_pickle_finds_classes_of_a_script(ask: Ask) -> None:
    """Classes of the script can be pickled and are dataclasses like any."""
    source = """
    import dataclasses, pickle
    @dataclasses.dataclass
    class Point:
        x: "int"
    print(pickle.loads(pickle.dumps(Point(3))) == Point(3), end="")
    """
    assert b"True" == ask({"s.py": source}, handler="s.py").body


def test_main_is_loaded_once(serve: Serve) -> None:
    """With main() the module runs once, and is a real module that pickle finds."""
    source = """
    import pickle, sys
    calls = []
    class Thing: pass
    def main():
        calls.append(sys.stdin.read())
        print(len(calls), type(pickle.loads(pickle.dumps(Thing()))) is Thing, __name__ in sys.modules, end="")
    """
    runtime = serve({"s.py": source}, "s.py")
    assert [b"1 True True", b"2 True True"] == [runtime.invoke(event).body for event in (b"a", b"b")]


@pytest.mark.parametrize("main", ["main = 'x'", "main = 5", "main = None", "import main"])
def test_a_main_that_is_no_function(serve: Serve, main: str) -> None:
    """A script whose main is a constant or a module has none: it runs from top to bottom for each event."""
    files = {"main.py": "NAME = 'main'\n", "s.py": f"{main}\nimport sys\nprint(sys.stdin.read(), end='')\n"}
    runtime = serve(files, "s.py")
    assert [b"one", b"two"] == [runtime.invoke(body).body for body in (b"one", b"two")]


def test_guarded_call_is_not_run_twice(ask: Ask) -> None:
    """The usual last lines, a call of main() under __main__, do not run main() a second time."""
    source = "def main():\n    print('once', end='')\nif __name__ == '__main__':\n    main()\n"
    assert b"once" == ask({"s.py": source}, handler="s.py").body


def test_async_main(ask: Ask) -> None:
    """main() may be a coroutine function."""
    source = "import asyncio\nasync def main():\n    await asyncio.sleep(0)\n    print(input(), end='')\n"
    assert b"hello" == ask({"s.py": source}, b"hello", "s.py").body


@pytest.mark.parametrize(
    ("statement", "event", "expected"),
    [
        ("sys.stdout.buffer.write(sys.stdin.buffer.read())", b"\xff\x00\r\n", b"\xff\x00\r\n"),
        ("print(input(), input(), end='')", b"a\nb\nc", b"a b"),
        ("print(input('Who? '), end='')", b"me\n", b"Who? me"),
        ("print('x', end='')", b"", b"x"),
        ("print('a'); sys.stdout.buffer.write(b'b\\xff'); print('c', end='')", b"", b"a\nb\xffc"),
        ("print([line for line in sys.stdin], end='')", b"a\nb", b"['a\\n', 'b']"),
        ("print(sys.stdin.readline(), sys.stdin.read(2), end='')", b"a\nbcd", b"a\n bc"),
        ("print(sys.stdin.buffer.readline(), sys.stdin.buffer.read(), end='')", b"a\nb", b"b'a\\n' b'b'"),
        ("sys.__stdout__ and print('kept', end='')", b"", b"kept"),
        ("print('x', file=sys.stdout, flush=True, end='')", b"", b"x"),
        ("sys.stdout.writelines(['a', 'b'])", b"", b"ab"),
        ("print(sys.stdin.encoding.lower(), sys.stdout.encoding.lower(), end='')", b"", b"utf-8 utf-8"),
        ("print(sys.argv, end='')", b"", b"['s.py']"),
        ("print('log', file=sys.stderr)", b"", b""),
    ],
)
def test_streams(ask: Ask, statement: str, event: bytes, expected: bytes) -> None:
    """Standard input is the body, standard output the answer, in every usual way of using them."""
    assert expected == ask({"s.py": f"import sys\n{statement}\n"}, event, "s.py").body


@pytest.mark.parametrize("wrap", ["{}", "def main():\n    {}"], ids=["top", "main"])
@pytest.mark.parametrize(
    ("call", "succeeds"),
    [
        ("sys.exit()", True),
        ("sys.exit(None)", True),
        ("sys.exit(0)", True),
        ("raise SystemExit", True),
        ("exit()", True),
        ("quit(0)", True),
        ("sys.exit(1)", False),
        ("sys.exit(-1)", False),
        ("sys.exit(256)", False),
        ("sys.exit('words')", False),
        ("sys.exit('')", False),
        ("sys.exit([])", False),
        ("raise SystemExit(2)", False),
        ("raise KeyboardInterrupt", False),
        ("raise BaseException('base')", False),
        ("raise GeneratorExit", False),
    ],
)
def test_exits(serve: Serve, wrap: str, call: str, succeeds: bool) -> None:
    """sys.exit() and sys.exit(0) are success, anything else fails the invocation, and neither ends the runtime."""
    runtime = serve({"s.py": "import sys\n" + wrap.format(f"sys.stdout.write('said'); {call}") + "\n"}, "s.py")
    for _ in range(2):
        answer = runtime.invoke()
        assert ("response", b"said") == answer[:2] if succeeds else answer.kind == "error"


def test_stream_of_a_script(ask: Ask) -> None:
    """In the stream convention a script's main() gets what a function gets."""
    source = "def main(input, output, headers):\n    output.write(input.read() * 2 + headers['x'].encode())\n"
    assert b"aab" == ask({"tool.py": source}, b"a", "tool.py", "stream", headers={"X": "b"}).body


@pytest.mark.parametrize(("call", "words"), [("sys.exit('no such file')", "no such file"), ("sys.exit(3)", "3")])
def test_exit_is_reported(ask: Ask, call: str, words: str) -> None:
    """A failing exit is a Runtime.ExitError that says with what the script ended."""
    report = ask({"s.py": f"import sys\n{call}\n"}, handler="s.py").report
    assert "Runtime.ExitError" == report["errorType"]
    assert words in report["errorMessage"]


SPOILERS = {
    "close": "sys.stdin.close(); sys.stdout.close()",
    "close buffers": "sys.stdin.buffer.close(); sys.stdout.buffer.close()",
    "detach": "sys.stdin.detach(); sys.stdout.detach()",
    "detach and drop": "sys.stdout = sys.stdout.detach(); sys.stdin = None",
    "replace": "sys.stdin = io.StringIO('other'); sys.stdout = io.StringIO()",
    "rewrap": "sys.stdout = io.TextIOWrapper(sys.stdout.buffer, 'latin-1'); sys.stdin = io.TextIOWrapper(sys.stdin.buffer)",
    "reconfigure": "sys.stdin.reconfigure(encoding='utf-16'); sys.stdout.reconfigure(encoding='utf-16', newline='\\r\\n')",
    "delete": "del sys.stdin, sys.stdout",
    "none": "sys.stdout = None",
    "argv": "sys.argv[:] = ['spoilt']; sys.argv = 5",
    "argv deleted": "del sys.argv",
    "with block": "with sys.stdout: pass",
    "open 0 and 1": "open(0, closefd=False).close(); open(1, 'w', closefd=False).close()",
    "stderr": "sys.stderr = None",
}


@pytest.mark.parametrize("spoiler", SPOILERS.values(), ids=SPOILERS)
def test_streams_survive(serve: Serve, spoiler: str) -> None:
    """A script can't spoil the streams of the next event."""
    source = f"""
    import gc, io, sys
    if sys.stdin.read() == "spoil":
        {spoiler}
        gc.collect()
    else:
        print(sys.argv, "Grüße", end="")
    """
    runtime = serve({"s.py": source}, "s.py")
    runtime.invoke(b"spoil")
    answers = [runtime.invoke(b"fine").body.decode() for _ in range(2)]
    assert ["['s.py'] Grüße"] * 2 == answers


def test_rewrapped_output_is_the_answer(ask: Ask) -> None:
    """What a wrapper of the script's own around sys.stdout.buffer holds is part of the answer."""
    source = """
    import io, sys
    print("first")
    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, "latin-1")
    print("é", end="")
    """
    assert b"first\n\xe9" == ask({"s.py": source}, handler="s.py").body


def test_detached_output_is_the_answer(ask: Ask) -> None:
    """What was printed before and after detaching is the answer."""
    source = "import sys\nprint('a')\nout = sys.stdout.detach()\nout.write(b'b')\n"
    assert b"a\nb" == ask({"s.py": source}, handler="s.py").body


def test_closed_output_is_the_answer(ask: Ask) -> None:
    """A script that closes its output, as programs do at their end, has answered."""
    assert b"all" == ask({"s.py": "import sys\nsys.stdout.write('all')\nsys.stdout.close()\n"}, handler="s.py").body


def test_thread_left_behind_goes_to_the_log(serve: Serve) -> None:
    """What a thread prints after its event goes to the log, not into another answer."""
    source = """
    import sys, threading
    go = getattr(threading, "go", None) or threading.Event()
    threading.go = go
    def later():
        go.wait(20)
        print("from the thread")
        done.set()
    if sys.stdin.read() == "leave":
        done = threading.done = threading.Event()
        threading.Thread(target=later, daemon=True).start()
        print("left", end="")
    else:
        go.set()
        threading.done.wait(20)
        print("clean", end="")
    """
    runtime = serve({"s.py": source}, "s.py")
    assert b"left" == runtime.invoke(b"leave").body
    assert b"clean" == runtime.invoke(b"next").body
    runtime.child.wait_log("from the thread")


def test_thread_between_events_goes_to_the_log(serve: Serve, tmp_path: Path) -> None:
    """What a thread prints between two events goes to the log at once."""
    source = """
    import threading
    def main():
        threading.Thread(target=lambda: print("between events", open("go").read()), daemon=True).start()
        print("answer", end="")
    """
    runtime = serve({"s.py": source}, "s.py")
    os.mkfifo(tmp_path / "task" / "go")
    assert b"answer" == runtime.invoke().body
    runtime.api.wait_for("GET", "next", 2)
    (tmp_path / "task" / "go").write_text("came later")
    runtime.child.wait_log("between events came later")


def test_import_time_output_goes_to_the_log(serve: Serve) -> None:
    """What a script with main() prints while it is loaded goes to the log at once."""
    runtime = serve({"s.py": "print('loading')\ndef main():\n    print('answer', end='')\n"}, "s.py")
    runtime.child.wait_log("loading")
    assert b"answer" == runtime.invoke().body


def test_print_in_other_conventions_goes_to_the_log(serve: Serve) -> None:
    """In the other conventions what is printed goes to the log, while the handler still runs."""
    source = """
    import threading
    def handler(event, headers):
        print("said", event)
        print("no end", end="")
        threading.Event().wait(20 if event == "hang" else 0)
        return "answer"
    """
    runtime = serve(source)
    assert b"answer" == runtime.invoke(b"this").body
    runtime.child.wait_log("said this")
    runtime.child.wait_log("no end")


def test_source_encoding_line(ask: Ask) -> None:
    """The source's own encoding line is honoured."""
    source = "# -*- coding: latin-1 -*-\nprint('\xe9', end='')\n".encode("latin-1")
    assert "é".encode() == ask({"s.py": source}, handler="s.py").body


def test_failing_script_keeps_its_output_to_itself(serve: Serve) -> None:
    """What a failing script has printed is not part of the next answer."""
    runtime = serve({"s.py": "import sys\nprint('x', end='')\n1 / int(sys.stdin.read())\n"}, "s.py")
    assert ["error", "response"] == [runtime.invoke(event).kind for event in (b"0", b"1")]
    assert b"x" == runtime.invoke(b"1").body


def test_unencodable_output_is_an_invocation_error(serve: Serve) -> None:
    """Text that the encoding can't express fails the invocation, and the next one is served."""
    source = "import sys\nprint(chr(0x4e16) if sys.stdin.read() else 'ok', end='')\n"
    runtime = serve({"s.py": source}, "s.py", env={"HANDLER_ENCODING": "latin-1"})
    assert ["error", "response"] == [runtime.invoke(event).kind for event in (b"x", b"")]


def test_child_processes_do_not_read_the_event(ask: Ask) -> None:
    """A subprocess of the script inherits the process's own streams, and the answer stays whole."""
    source = "import subprocess\nsubprocess.run(['echo', 'child'])\nprint('parent', end='')\n"
    assert b"parent" == ask({"s.py": source}, b"x", "s.py").body


def test_empty_argument_of_stdin_mode(ask: Ask) -> None:
    """Fileinput and argparse see a program without arguments."""
    source = "import argparse, fileinput\nargparse.ArgumentParser().parse_args()\nprint(*fileinput.input(), end='')\n"
    assert b"a\n b" == ask({"s.py": source}, b"a\nb", "s.py").body
