"""The `process` convention: programs of any language, one for each event, and none of them left behind."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture
from support.api import event
from support.files import write
from support.process import await_true, children
from support.runtime import Ask, Fail, Runtime, Serve
from support.wire import Reply

from conventions import output
from dispatch import protocol
from dispatch.invocation import Invocation
from runtime.testing import Function, serving

#: Waits for ever, in a way that a shell and its children all do.
FOREVER = "#!/bin/sh\nsleep 600 &\necho $$ $! >pids\nmv pids started\nwait\n"


def gone(pids: list[int]) -> bool:
    """Whether none of these processes is alive; a zombie is not."""

    def state(pid: int) -> str:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return "gone"

    return all(state(pid) in {"gone", "Z", "X"} for pid in pids)


def begun(runtime: Runtime, folder: Path, request_id: str, **headers: str) -> list[int]:
    """Hand out an event for FOREVER; the processes that it started."""
    runtime.api.hand_out(event(b"", request_id, headers))
    await_true((folder / "started").exists, "the program")
    return [int(pid) for pid in (folder / "started").read_text().split()]


def test_command_line(ask: Ask) -> None:
    """By name, the handler string is a command line; quotes keep blanks together, and operators as they are."""
    files = {"bin/args.sh": '#!/bin/sh\nprintf "%s|" "$@"\n'}
    words = ask(files, handler=r"""bin/args.sh a 'b c' "d'e" '>' \< "a \" ; b" a&b""", convention="process").body
    assert b"a|b c|d'e|>|<|a \" ; b|a&b|" == words


@pytest.mark.parametrize("handler", ["./tool", "tool", "bin/../tool"])
def test_program_in_the_task_root(ask: Ask, handler: str) -> None:
    """A program in the task root is found before one on PATH, and runs in the task root."""
    files = {"tool": "#!/bin/sh\ncat data; pwd\n", "data": "here "}
    answer = ask(files, handler=handler, convention="process", env={"PATH": os.environ["PATH"]})
    assert answer.body.startswith(b"here ")
    assert answer.body.endswith(b"/task\n")


def test_environment(ask: Ask) -> None:
    """Headers of the Runtime API are variables; any other header is passed as CGI does, so that it cannot set PATH."""
    strange = {
        "Path": "/evil",
        "Ld-Preload": "/evil.so",
        "X-Mine": "ü",
        "Proxy": "http://evil",
        "Content-Type": "text/csv",
        "Content-Length": None,
        "X-Twice": "one",
        "X_Twice": "two",
        "Lambda-Runtime-Dir": "/evil",
    }
    body = ask(
        "", b"body", handler="env", convention="process", headers={**strange, "Lambda-Runtime-Aws-Request-Id": "r1"}
    ).body
    variables = dict(line.partition("=")[::2] for line in body.decode("latin-1").splitlines())
    assert ("r1", "/evil", "text/csv") == tuple(
        variables[name] for name in ("LAMBDA_RUNTIME_AWS_REQUEST_ID", "HTTP_PATH", "CONTENT_TYPE")
    )
    assert ("one", "text/csv", "4") == tuple(
        variables[name] for name in ("HTTP_X_TWICE", "HTTP_CONTENT_TYPE", "CONTENT_LENGTH")
    )
    assert "HTTP_X_MINE" in variables
    assert os.environ["PATH"] == variables["PATH"]
    assert {"LD_PRELOAD", "HTTP_PROXY", "PROXY", "LAMBDA_RUNTIME_DIR"}.isdisjoint(variables)


@pytest.mark.parametrize("size", [0, 1, 70_000, 6_000_000])
def test_bytes(ask: Ask, size: int) -> None:
    """Any bytes go in and come out, whatever their number."""
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert body == ask("", body, handler="cat", convention="process").body


def test_answer_that_is_too_large(serve: Serve) -> None:
    """An answer over the limit is an error that names its size, and the next event is answered."""
    runtime = serve({"big": '#!/bin/sh\nread -r n; head -c "$n" /dev/zero\n'}, "big", "process")
    assert protocol.RESPONSE_LIMIT == len(runtime.invoke(b"%d\n" % protocol.RESPONSE_LIMIT).body)
    report = runtime.invoke(b"%d\n" % (protocol.RESPONSE_LIMIT + 1)).report
    assert "Function.ResponseSizeTooLarge" == report["errorType"]
    assert str(protocol.RESPONSE_LIMIT + 1) in report["errorMessage"]
    assert 3 == len(runtime.invoke(b"3\n").body)


def test_answer_without_end(ask: Ask) -> None:
    """A program that never stops writing is ended, not read until memory is full."""
    assert "Function.ResponseSizeTooLarge" == ask("", handler="yes", convention="process").report["errorType"]


def test_standard_error(serve: Serve) -> None:
    """Megabytes on standard error go to the log and block nothing; the message ends with the last lines."""
    text = "i=0; while [ $i -lt 200 ]; do printf '%10000d\\n' $i; i=$((i+1)); done >&2"
    runtime = serve({"noisy": f"#!/bin/sh\n{text}\necho last words >&2\nexit 7\n"}, "noisy", "process")
    report = runtime.invoke().report
    assert "Runtime.ExitError" == report["errorType"]
    assert report["errorMessage"].startswith("noisy ended with status 7")
    assert report["errorMessage"].endswith("\nlast words")
    assert len(report["errorMessage"]) < 3000
    runtime.child.wait_log("199\nlast words")


def test_signal(ask: Ask) -> None:
    """The error names the signal that has ended the program."""
    report = ask({"dies": "#!/bin/sh\nkill -SEGV $$\n"}, handler="dies", convention="process").report
    assert ("Runtime.ExitError", "dies was ended by SIGSEGV") == (report["errorType"], report["errorMessage"])


@pytest.mark.parametrize("mode", ["", "RESPONSE_STREAM"])
def test_input_that_is_not_read(serve: Serve, mode: str) -> None:
    """A program that closes its input at once, or ends early, answers all the same."""
    runtime = serve({"deaf": "#!/bin/sh\nexec <&-\necho fine\n"}, "deaf", "process", env={"HANDLER_INVOKE_MODE": mode})
    assert [b"fine\n"] * 2 == [runtime.invoke(bytes(6_000_000)).body for _ in range(2)]


@pytest.mark.parametrize("mode", ["", "RESPONSE_STREAM"])
def test_process_that_is_left_behind(serve: Serve, mode: str) -> None:
    """The program's own end is the answer's, though a process that it has left holds its output; that one is ended."""
    source = "#!/bin/sh\nsleep 600 &\necho $!\n"
    runtime = serve({"leaves": source}, "leaves", "process", env={"HANDLER_INVOKE_MODE": mode})
    left = [int(runtime.invoke().body) for _ in range(2)]
    await_true(lambda: gone(left), "the end of what was left behind")


def test_output_of_a_process_that_ends_a_little_later(ask: Ask) -> None:
    """Output that passes through another process, as `exec > >(…)` of bash has it, is complete."""
    files = {"late": "#!/bin/sh\n{ sleep 0.02; echo two; } &\necho one\n"}
    assert b"one\ntwo\n" == ask(files, handler="late", convention="process").body


def test_sigterm(serve: Serve, tmp_path: Path) -> None:
    """SIGTERM ends the whole process group, then the runtime with status 0."""
    runtime = serve({"waits": FOREVER}, "waits", "process")
    pids = begun(runtime, tmp_path / "task", "r1")
    runtime.end()
    await_true(lambda: gone(pids), "the end of the group")


def test_sigterm_that_is_ignored(serve: Serve, tmp_path: Path) -> None:
    """A program that ignores SIGTERM is killed, and does not hold the runtime up."""
    runtime = serve({"waits": FOREVER.replace("sleep", "trap '' TERM\nsleep")}, "waits", "process")
    pids = begun(runtime, tmp_path / "task", "r1")
    runtime.end()
    await_true(lambda: gone(pids), "the end of the group")


def test_deadline(serve: Serve, tmp_path: Path) -> None:
    """At the deadline the whole group is ended, and the invocation fails; the next event gets a new program."""
    runtime = serve({"waits": FOREVER}, "waits", "process")
    soon = str(int(time.time() * 1000) + 1500)
    pids = begun(runtime, tmp_path / "task", "r1", **{"Lambda-Runtime-Deadline-Ms": soon})
    report = runtime.answer("r1").report
    assert ("Runtime.ExitError", True) == (report["errorType"], "deadline" in report["errorMessage"])
    assert gone(pids)
    (tmp_path / "task" / "started").unlink()
    assert pids != begun(runtime, tmp_path / "task", "r2")
    runtime.end()


def test_deadline_under_a_platform_that_keeps_it(tmp_path: Path) -> None:
    """The platform's own words on the timeout reach the caller, and the group has ended."""
    root = write(tmp_path / "task", {"waits": FOREVER})
    with serving(Function(handler="waits", root=root, timeout=1.0)) as platform:
        result = platform.invoke(b"{}")
    assert result.error is not None
    assert "Sandbox.Timedout" == result.error.type
    pids = [int(pid) for pid in (root / "started").read_text().split()]
    await_true(lambda: gone(pids), "the end of the group")


def test_runtime_that_is_killed(tmp_path: Path) -> None:
    """The local platform ends the programs of a runtime that can no longer do so itself."""
    root = write(tmp_path / "task", {"waits": FOREVER.replace("wait\n", "kill -STOP $PPID\nwait\n")})
    with serving(Function(handler="waits", root=root, timeout=1.0)) as platform:
        assert platform.invoke(b"{}").error is not None
        pids = [int(pid) for pid in (root / "started").read_text().split()]
        await_true(lambda: gone(pids), "the end of the group")


def test_signal_while_a_program_is_started(tmp_path: Path) -> None:
    """SIGTERM that comes while a program is being started ends that program, too."""
    source = """
        import os, signal, sys
        from conventions.process import process
        from dispatch.invocation import Invocation
        from runtime.lifecycle import Signals, leave
        from dispatch.errors import Terminated

        real = os.posix_spawn

        def spawn(*arguments, **options):
            pid = real(*arguments, **options)
            print(pid, flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
            return pid

        os.posix_spawn = spawn
        Signals().install()
        try:
            process(["/bin/sleep", "600"])(Invocation(b""))
        except Terminated:
            leave(0)
    """
    script = write(tmp_path, {"main.py": source}) / "main.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True)
    await_true(lambda: gone([int(done.stdout)]), "the end of the program")


def test_caller_that_has_gone(serve: Serve, tmp_path: Path) -> None:
    """A streaming program whose caller has gone is ended; the next event is answered."""
    source = "#!/bin/sh\necho $$ >pid\nmv pid started\nexec yes\n"
    runtime = serve({"endless": source}, "endless", env={"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"})
    runtime.api.answer_posts(Reply(drop="at once"))
    pids = begun(runtime, tmp_path / "task", "r1")
    await_true(lambda: gone(pids), "the end of the program")


def test_stream_at_the_deadline(serve: Serve, tmp_path: Path) -> None:
    """A stream that has begun ends at the deadline, with the error in the trailers."""
    runtime = serve(
        {"waits": FOREVER.replace("wait\n", "echo one\nwait\n")},
        "waits",
        env={"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"},
    )
    soon = str(int(time.time() * 1000) + 1000)
    pids = begun(runtime, tmp_path / "task", "r1", **{"Lambda-Runtime-Deadline-Ms": soon})
    answer = runtime.answer("r1")
    assert (b"one\n", "Runtime.ExitError") == (
        answer.body,
        answer.request.trailers["lambda-runtime-function-error-type"],
    )
    assert gone(pids)


def test_slow_reader(tmp_path: Path, mocker: MockerFixture) -> None:
    """All that a program has written when it ends is read to the last byte, however long each chunk takes to send."""
    pid = tmp_path / "pid"
    code = "import fcntl, os; fcntl.fcntl(1, 1031, 2**20); os.write(1, b'a'); os.write(1, bytes(2**20 - 1))"  # F_SETPIPE_SZ
    left = f"os.spawnlp(os.P_NOWAIT, 'sleep', 'sleep', '600'); open({str(pid)!r}, 'w').write(str(os.getpid()))"
    chunks = output.run([sys.executable, "-c", f"{code}; {left}"], Invocation(b""))
    first = next(chunks)
    await_true(lambda: pid.exists() and pid.read_text() and gone([int(pid.read_text())]), "the program's end")
    mocker.patch("conventions.output.time.monotonic", side_effect=itertools.count().__next__)
    assert 2**20 == len(first) + sum(map(len, chunks))


def test_streams(serve: Serve, tmp_path: Path) -> None:
    """Under RESPONSE_STREAM what is written is sent at once; a bad status is reported in the trailers."""
    files = {"slow": "#!/bin/sh\necho one\nread -r line <go\necho two\necho why >&2\nexit 3\n"}
    runtime = serve(files, "slow", "process", env={"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"})
    os.mkfifo(tmp_path / "task" / "go")
    runtime.api.hand_out(event(b"", "r1"))
    runtime.api.wait(lambda: [r for r in runtime.api.answers("r1") if r.body == b"one\n"], "the first chunk")
    (tmp_path / "task" / "go").write_text("on\n")
    answer = runtime.answer("r1")
    trailers = answer.request.trailers
    report = json.loads(base64.b64decode(trailers["lambda-runtime-function-error-body"]))
    assert (b"one\ntwo\n", "Runtime.ExitError") == (answer.body, trailers["lambda-runtime-function-error-type"])
    assert "slow ended with status 3, after it had written:\nwhy" == report["errorMessage"]


def test_stream_that_fails_at_once(ask: Ask) -> None:
    """A program that fails before it writes anything is an ordinary error under RESPONSE_STREAM, too."""
    answer = ask("", handler="false", convention="process", env={"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"})
    assert "false ended with status 1" == answer.report["errorMessage"]


def test_signals_are_as_usual(ask: Ask) -> None:
    """A program starts with the usual effect of every signal, also of SIGPIPE, which Python ignores; none is blocked."""
    status = ask("", handler="cat /proc/self/status", convention="process").body.decode()
    masks = dict(line.split(":\t") for line in status.splitlines() if line.startswith(("SigIgn", "SigBlk")))
    usual = 2**31 - 1  # glibc has two more of its own
    assert {"SigIgn": 0, "SigBlk": 0} == {name: int(mask, 16) & usual for name, mask in masks.items()}


def test_ignored_children(serve: Serve) -> None:
    """Statuses are known where the runtime was started with SIGCHLD ignored, so that the kernel would keep none."""
    wrapper = [
        sys.executable,
        "-c",
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])",
    ]
    runtime = serve({"status": '#!/bin/sh\nexit "$(cat)"\n'}, "status", wrapper=wrapper)
    assert b"" == runtime.invoke(b"0").body
    assert "status ended with status 3" == runtime.invoke(b"3").report["errorMessage"]


def test_orphans_of_the_first_process(serve: Serve) -> None:
    """A runtime that inherits all orphans, as process 1 of a container does, leaves no zombies."""
    wrapper = [
        sys.executable,
        "-c",
        "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1); os.execvp(sys.argv[1], sys.argv[1:])",
    ]
    source = "#!/bin/sh\nfor n in $(seq 40); do sleep 600 & done\n"
    runtime = serve({"leaves": source}, "leaves", wrapper=wrapper)
    assert b"" == runtime.invoke().body
    assert [] == children(runtime.child.process.pid)


ELF = b"\x7fELF\x02\x01" + bytes(12)

UNUSABLE: dict[str, tuple[bytes, int, list[str]]] = {
    "without run bit": (b"#!/bin/sh\n", 0o644, ["permission", "chmod +x"]),
    "without #!": (b"echo hi\n", 0o755, ["neither a binary for Linux nor a script", "#!/bin/sh"]),
    "byte-order mark": (b"\xef\xbb\xbf#!/bin/sh\n", 0o755, ["byte-order mark", "UTF-8 without one"]),
    "empty": (b"", 0o755, ["neither a binary"]),
    "carriage return": (b"#!/bin/sh\r\necho\r\n", 0o755, ["carriage return", "\\n"]),
    "option and carriage return": (b"#!/bin/sh -e\r\n", 0o755, ["carriage return"]),
    "no interpreter": (b"#!/no/such/shell -e\n", 0o755, ["interpreter", "/no/such/shell"]),
    "no interpreter named": (b"#!\n", 0o755, ["names no interpreter"]),
    "env without its program": (b"#!/usr/bin/env no-such-language\n", 0o755, ["env finds no no-such-language"]),
    "env -S without its program": (
        b"#!/usr/bin/env -S no-such-language -x\n",
        0o755,
        ["env finds no no-such-language"],
    ),
    "interpreter that is data": (b"#!/etc/passwd\n", 0o755, ["not executable", "/etc/passwd"]),
    "of Windows": (b"MZ\x90\x00", 0o755, ["built for Windows"]),
    "of macOS": (b"\xcf\xfa\xed\xfe", 0o755, ["built for macOS"]),
    "another machine": (ELF + (21).to_bytes(2, "little"), 0o755, ["built for the machine 21"]),
    "arm": (ELF + (183).to_bytes(2, "little"), 0o755, ["built for aarch64"]),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_program_that_cannot_be_started(fail: Fail, tmp_path: Path, kind: str) -> None:
    """A program that cannot be started is an init error that says what to do."""
    content, mode, words = UNUSABLE[kind]
    if content.startswith(ELF) and (os.uname().machine == "aarch64" or _runs_other_machines()):
        pytest.skip("this machine runs programs for others")
    root = write(tmp_path / "own", {"tool": content})
    (root / "tool").chmod(mode)
    if mode == 0o644 and os.access(root / "tool", os.X_OK):
        pytest.skip("this user may execute anything")
    failed = fail("", "tool", "process", root=root)
    assert ("Runtime.HandlerNotFound", 1) == (failed.type, failed.status)
    assert [] == [word for word in [str(root / "tool"), *words] if word not in failed.report["errorMessage"]]


def _runs_other_machines() -> bool:
    folder = Path("/proc/sys/fs/binfmt_misc")
    return folder.is_dir() and bool({path.name for path in folder.iterdir()} - {"register", "status"})


@pytest.mark.parametrize(
    ("handler", "type_", "words"),
    [
        ("bin", "Runtime.HandlerNotFound", ["bin in ", "is a folder", "tool"]),
        ("cat app.py | wc", "Runtime.MalformedHandlerName", ["operator |", "sh -c 'cat app.py | wc'"]),
        ("cat 'app.py' | wc", "Runtime.MalformedHandlerName", ["operator |", "sh -c '…'"]),
        ('cat it\\\'s "a\\"|" > b', "Runtime.MalformedHandlerName", ["operator >"]),
        ("no-such-program -x", "Runtime.HandlerNotFound", ["no-such-program", "PATH", "app.py"]),
        ("bin/none", "Runtime.HandlerNotFound", ["bin/none", "bin/ has: tool"]),
        ("'unclosed", "Runtime.MalformedHandlerName", ["unclosed", "quotation"]),
        ("../outside", "Runtime.MalformedHandlerName", ["leave the task root"]),
        ("/bin/sh -c id", "Runtime.MalformedHandlerName", ["leave the task root"]),
    ],
)
def test_command_line_that_names_nothing(fail: Fail, handler: str, type_: str, words: list[str]) -> None:
    """A command line that names no program is an init error that says where it was looked for and what there is."""
    failed = fail({"app.py": "", "bin/tool": ""}, handler, "process")
    assert type_ == failed.type
    assert [] == [word for word in words if word not in failed.report["errorMessage"]]


def test_program_that_goes_away(serve: Serve, tmp_path: Path) -> None:
    """A program that can no longer be started fails the invocation, and the environment lives on."""
    runtime = serve({"tool": "#!/bin/sh\necho fine\n"}, "tool")
    tool = tmp_path / "task" / "tool"
    content = tool.read_text()
    assert b"fine\n" == runtime.invoke().body
    tool.unlink()
    assert "Runtime.ExitError" == runtime.invoke().report["errorType"]
    write(tmp_path / "task", {"tool": content})
    assert b"fine\n" == runtime.invoke().body


def test_program_on_path_before_data(ask: Ask) -> None:
    """A file in the task root that is not executable hides no program on PATH."""
    assert b"x" == ask({"cat": "data"}, b"x", handler="cat", convention="process").body


def test_loader_that_is_missing(fail: Fail, tmp_path: Path) -> None:
    """A program whose loader does not exist, such as one that was built for musl, is an init error that names it."""
    content = Path(os.path.realpath("/bin/true")).read_bytes()
    found = re.search(rb"/lib[\w/.-]*/ld-[\w.-]+\0", content)
    if found is None:
        pytest.skip("/bin/true has no loader of a known name")
    root = write(tmp_path / "own", {"tool": content.replace(found[0], found[0][:-2] + b"?\0", 1)})
    (root / "tool").chmod(0o755)
    failed = fail("", "tool", "process", root=root)
    assert ("Runtime.HandlerNotFound", True) == (
        failed.type,
        "its loader does not exist" in failed.report["errorMessage"],
    )


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_compiled_program(serve: Serve, tmp_path: Path) -> None:
    """A compiled program is found by `auto`."""
    source = (
        '#include <stdio.h>\nint main(void) { int c, n = 0; while ((c = getchar()) != EOF) n++; printf("%d", n); }\n'
    )
    root = write(tmp_path / "own", {"count.c": source})
    os.system(f"cc -o {root}/count {root}/count.c")
    assert b"4" == serve("", "count", root=root).invoke(b"1\x00\xff4").body


def test_several_environments(serve: Serve) -> None:
    """Several workers run their programs at once, and each gets its own output."""
    runtime = serve({"tool": "#!/bin/sh\ncat\n"}, "tool", env={"HANDLER_WORKERS": "3"})
    ids = [f"r{number}" for number in range(12)]
    runtime.api.hand_out(*(event(name.encode(), name) for name in ids))
    assert [name.encode() for name in ids] == [runtime.answer(name).body for name in ids]


def test_several_at_once_in_one_process(serve: Serve) -> None:
    """With HANDLER_CONCURRENCY=async programs run at the same time: none of these ends before the third has come."""
    source = "#!/bin/sh\necho >>here\nwhile [ $(wc -l <here) -lt 3 ]; do sleep 0.01; done\ncat\n"
    runtime = serve({"meets": source}, "meets", env={"HANDLER_WORKERS": "3", "HANDLER_CONCURRENCY": "async"})
    ids = ["r1", "r2", "r3"]
    runtime.api.hand_out(*(event(name.encode(), name) for name in ids))
    assert [name.encode() for name in ids] == [runtime.answer(name).body for name in ids]


def test_sigterm_with_several_at_once(serve: Serve, tmp_path: Path) -> None:
    """SIGTERM ends the programs of all threads."""
    runtime = serve({"waits": FOREVER}, "waits", env={"HANDLER_WORKERS": "2", "HANDLER_CONCURRENCY": "async"})
    pids = begun(runtime, tmp_path / "task", "r1")
    runtime.end(blocked=False)
    await_true(lambda: gone(pids), "the end of the group")


def test_many_events_leave_nothing(serve: Serve) -> None:
    """No descriptor and no process is left after many events, failed ones among them."""
    runtime = serve({"tool": '#!/bin/sh\nread -r n; exit "$n"\n'}, "tool")
    count: Any = lambda: len(os.listdir(f"/proc/{runtime.child.process.pid}/fd"))  # noqa: E731
    runtime.invoke(b"0\n")
    before = count()
    for number in range(20):
        runtime.invoke(b"%d\n" % (number % 2))
    assert before == count()
