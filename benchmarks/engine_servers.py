"""The HTTP servers of functions that are compared, as processes, and the load on them."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import native, platforms
from benchmarks.rounds import BenchError

HANDLERS = Path(__file__).with_name("handlers")
#: Connections that send requests at once.
CONNECTIONS = 16
REQUEST = b'{"name": "World", "n": 100000}'
ANSWER = {"hello": "World", "n": 100000}
#: It needs an environment of its own, because it does not accept the CloudEvents SDK that others need.
FRAMEWORK = "functions-framework==3.10.2"
CACHE = Path(__file__).parents[1] / ".cache" / f"{FRAMEWORK.replace('==', '-')}-{sys.implementation.cache_tag}"
#: Seconds until a server has to answer.
PATIENCE = 30.0


@dataclass(frozen=True)
class Engine:
    """A server with a function.

    Attributes:
        command: with `{port}`, `{processes}` and `{framework}` (the interpreter that has functions-framework).
        variables: environment variables, in which `{processes}` may stand, too.
        path: where the function is found.
        bare: the route that it is compared with.
    """

    name: str
    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    path: str = "/"
    bare: str = ""


_PYTHON = (sys.executable, "-P", "-m")
_UVICORN = (
    *_PYTHON, "uvicorn", "--port", "{port}", "--workers", "{processes}", "--no-access-log", "--log-level", "warning",
)  # fmt: skip
_GRANIAN = (*_PYTHON, "granian", "--interface", "asgi", "--port", "{port}", "--workers", "{processes}")


def _ours(name: str, command: tuple[str, ...], function: str, workers: int = 1) -> Engine:
    variables = {
        "HANDLER": f"hello.{function}",
        "HANDLER_CONVENTION": "json",
        "LAMBDA_TASK_ROOT": str(HANDLERS),
        "HANDLER_WORKERS": str(workers),
    }
    return Engine(name, (*command, "runtime.asgi:app"), variables, bare=f"starlette-{function}")


def _bare(function: str) -> Engine:
    command = (*_UVICORN, "--app-dir", str(HANDLERS), "bare:app")
    return Engine(f"starlette-{function}", command, path=f"/{function}")


_ENGINES = (
    _ours("dispatch-coroutine", _UVICORN, "coroutine"),
    _ours("dispatch-plain", _UVICORN, "plain"),
    _ours("dispatch-plain-8", _UVICORN, "plain", workers=8),
    _ours("dispatch-granian-coroutine", _GRANIAN, "coroutine"),
    _ours("dispatch-granian-plain", _GRANIAN, "plain"),
    Engine(
        "functions-framework",
        ("{framework}", "-m", "functions_framework", "--target", "functions_framework", "--port", "{port}"),
        {"WORKERS": "{processes}", "HOST": "127.0.0.1", "FUNCTION_SOURCE": str(HANDLERS / "hello.py")},
    ),
    Engine(
        "func-python",
        (sys.executable, "-c", "from func_python.http import serve; from hello import handle; serve(handle)"),
        {"PORT": "{port}", "LISTEN_ADDRESS": "127.0.0.1:{port}", "PYTHONPATH": str(HANDLERS)},
        bare="starlette-coroutine",
    ),
    _bare("coroutine"),
    _bare("plain"),
)
SUBJECTS: Mapping[str, Engine] = {engine.name: engine for engine in _ENGINES}


def framework() -> Path:
    """The interpreter of an environment with functions-framework, which is created once. Raises BenchError."""
    python = CACHE / "bin" / "python"
    if not python.exists():
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE.parent) as folder:
            venv.create(folder, with_pip=False, symlinks=True)
            site = next(Path(folder, "lib").glob("python3.*")) / "site-packages"
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site), FRAMEWORK]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                raise BenchError(f"{FRAMEWORK} cannot be installed: {done.stderr.strip()[-300:]}")
            shutil.copytree(folder, CACHE, symlinks=True)
    return python


@dataclass(frozen=True)
class Load:
    """What came of a load on a server: answers, and the processor time of all its processes."""

    answers: int
    seconds: float
    processor_seconds: float


class Server:
    """An engine that runs."""

    def __init__(self, engine: Engine, processors: int, folder: Path) -> None:
        """Start it on the last processors of this process."""
        self.engine = engine
        self.port = platforms.free_port()
        # The load comes from the other processor, if there is one.
        self.processors = set(sorted(os.sched_getaffinity(0))[-processors:])
        values = {"port": str(self.port), "processes": str(processors)}
        if any("{framework}" in word for word in engine.command):
            values["framework"] = str(framework())
        command = [word.format(**values) for word in engine.command]
        variables = {name: value.format(**values) for name, value in engine.variables.items()}
        self._log = folder / f"{engine.name}.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                ["taskset", "--cpu-list", ",".join(map(str, self.processors)), *command],
                # No other variable of the developer's, as in the other benchmarks.
                env={"PATH": os.environ["PATH"], **variables},
                cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.files = folder / f"{engine.name}.request", folder / f"{engine.name}.answer"

    @classmethod
    @contextmanager
    def started(cls, engine: Engine, processors: int, folder: Path) -> Iterator["Server"]:
        """Start it; it ends with the block."""
        server = cls(engine, processors, folder)
        try:
            server.files[1].write_bytes(server.first_answer())
            head = f"POST {engine.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            server.files[0].write_bytes(f"{head}Content-Length: {len(REQUEST)}\r\n\r\n".encode() + REQUEST)
            yield server
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()

    def first_answer(self) -> bytes:
        """The body of its first answer. Raises BenchError if it is wrong, or does not come."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            try:
                connection.request("POST", self.engine.path, REQUEST, {"Content-Type": "application/json"})
                response = connection.getresponse()
                status, body = response.status, response.read()
            except OSError:
                time.sleep(0.05)
                continue
            finally:
                connection.close()
            if status == 200 and json.loads(body) == ANSWER:
                return body
            raise BenchError(f"{self.engine.name}: wrong answer: {status} {body[:400]!r}")
        raise BenchError(f"{self.engine.name} does not answer: {self._log.read_text()[-400:]}")

    def processor_seconds(self) -> float:
        """The processor time of its processes so far, the kernel's part included."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in _tree(self.process.pid)]
        # The fields 14 and 15 of proc_pid_stat(5).
        return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _tree(int(child))


def load(server: Server, seconds: float) -> Load:
    """Put load on a server for so many seconds. Raises BenchError for the first wrong answer."""
    others = os.sched_getaffinity(0) - server.processors or os.sched_getaffinity(0)
    arguments = [str(server.port), str(CONNECTIONS), str(int(seconds * 1000)), *map(str, server.files)]
    before = server.processor_seconds()
    done = subprocess.run(
        ["taskset", "--cpu-list", ",".join(map(str, others)), native.compiled("load"), *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BenchError(f"{server.engine.name}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    return Load(found["answers"], found["elapsed_ns"] / 1e9, server.processor_seconds() - before)
