"""A subprocess: started clean, watched by its own words, ended for certain."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from support.wire import PATIENCE

#: What a child keeps of the tests' own environment: neither a handler nor a proxy nor a plugin may slip through.
INHERITED = ("COVERAGE_PROCESS_CONFIG", "PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR", "SYSTEMROOT")


class Child:
    """A process in a group of its own, whose output is collected as it comes; `merged` puts both streams into one."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], cwd: Path | str | None = None, *, merged: bool = False
    ) -> None:
        kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self.process = subprocess.Popen(
            command,
            env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **env},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            start_new_session=True,
        )
        self.heard = threading.Condition()
        self._output = {"stdout": b""} if merged else {"stdout": b"", "stderr": b""}
        self.pumps = [threading.Thread(target=self._pump, args=(name,), daemon=True) for name in self._output]
        for pump in self.pumps:
            pump.start()

    def _pump(self, name: str) -> None:
        pipe: IO[bytes] = getattr(self.process, name)
        while self._collect(name):
            select.select([pipe], [], [])

    def _collect(self, name: str) -> bool:
        """Take what the pipe holds; whether more can come."""
        pipe: IO[bytes] = getattr(self.process, name)
        with self.heard:
            while not pipe.closed and select.select([pipe], [], [], 0)[0]:
                data = os.read(pipe.fileno(), 65536)
                if not data:
                    return False
                self._output[name] += data
                self.heard.notify_all()
        return not pipe.closed

    @property
    def output(self) -> Mapping[str, bytes]:
        """What it has written so far on each stream, to the last byte."""
        for name in self._output:
            self._collect(name)
        return self._output

    @property
    def log(self) -> str:
        """Both streams, standard output first: where the log goes is the format's business, not every test's."""
        return b"".join(self.output.values()).decode(errors="replace")

    def wait_log(self, text: str) -> None:
        """Wait until the child has said this."""
        with self.heard:
            assert self.heard.wait_for(lambda: text in self.log, PATIENCE), f"no {text!r} in:\n{self.log}"

    def wait_blocked(self) -> None:
        """Wait until the main thread is blocked in a system call, as far as Linux is there to say so.

        Python does not notice a signal that comes just before a blocking call of the handler's own until that returns.
        """
        stat = Path(f"/proc/{self.process.pid}/stat")
        if stat.exists():
            await_true(lambda: stat.read_text().rpartition(")")[2].split()[0] == "S", "a blocked main thread")

    def wait(self) -> int:
        """The exit status, once the process and its output have ended."""
        status = self.process.wait(PATIENCE)
        for pump in self.pumps:
            pump.join(PATIENCE)
        return status

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to this process alone."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End the whole group, whatever it is doing."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()
        for name in self._output:
            getattr(self.process, name).close()


def children(process: int) -> list[int]:
    """The processes that this one started, by Linux's list of them for each of its threads."""
    lists = Path(f"/proc/{process}/task").glob("*/children")
    return [int(pid) for path in lists for pid in path.read_text().split()]


def await_true(condition: Callable[[], Any], what: str = "it") -> Any:
    """Wait for something that says nothing when it happens, by looking; its value."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if value := condition():
            return value
        pause.wait(0.01)
    raise AssertionError(f"{what} has not come within {PATIENCE} s")
