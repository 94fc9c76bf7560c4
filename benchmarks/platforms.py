"""Compares the local platform with AWS's emulator: `python -m benchmarks.platforms`; `--profile` counts its work.

Both serve the same runtime and the same handler. One client invokes them in turn over kept-alive connections, so that
any other load on the machine affects both.
"""

import argparse
import http.client
import json
import os
import pstats
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from benchmarks import rie

EVENT = b'{"key1": "value1", "key2": "value2", "n": 100}'
EVENT_END = b"100}"
FUNCTION = "/2015-03-31/functions/function"
INVOKE = f"{FUNCTION}/invocations"
STREAM = "/2021-11-15/functions/function/response-streaming-invocations"
#: Blocks of 64 KiB of one stream.
BLOCKS = 1600
HANDLER = f"""
import sys
def handler(event, context):
    return event if event != "stream" else (bytes(65536) for _ in range({BLOCKS}))
"""
RUNTIME = (sys.executable, "-P", "-m", "runtime", "app.handler")
#: Answers that come before the measured ones.
WARMUP = 200

EVENTS = {
    "small event": EVENT,
    "64 KB event": json.dumps(["x" * 100] * 625).encode(),
    "5 MB event": json.dumps(["x" * 1000] * 5000).encode(),
}


def free_port() -> int:
    """A free port."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@contextmanager
def serving(
    command: Sequence[str], root: Path, port: int, variables: Mapping[str, str]
) -> Iterator[http.client.HTTPConnection]:
    """Start a platform as a process, and connect to it once it listens."""
    # No other variable of the developer's, as in the other benchmarks.
    own = {"PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": str(root), "XDG_STATE_HOME": str(root), **variables}
    devnull = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=root, env=own, stdout=devnull, stderr=devnull) as process:
        try:
            with closing(connect(port)) as connection:
                yield connection
        finally:
            process.terminate()


def connect(port: int, patience: float = 30.0) -> http.client.HTTPConnection:
    """Connect as soon as a server listens on the port."""
    end = time.monotonic() + patience
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
            connection.connect()
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return connection


def once(connection: http.client.HTTPConnection, event: bytes = EVENT) -> int:
    """Invoke the function, which returns its event, once; returns the nanoseconds from request to answer."""
    began = time.perf_counter_ns()
    connection.request("POST", INVOKE, event)
    answer = connection.getresponse().read()
    took = time.perf_counter_ns() - began
    if answer != event and json.loads(answer) != json.loads(event):
        sys.exit(f"wrong answer: {answer[:200]!r}")
    return took


def run(command: Sequence[str], root: Path, port: int, variables: Mapping[str, str], count: int) -> dict[str, float]:
    """One run of a platform: the median time of so many invocations by one caller, as the other benchmarks have it."""
    with serving(command, root, port, variables) as connection:
        for _ in range(WARMUP):
            once(connection)
        return {"invocations": count, "cycle_ns.p50": statistics.median(once(connection) for _ in range(count))}


def throughput(port: int, callers: int, seconds: float) -> float:
    """Invocations per second of so many callers at once, each of which sends its next event when it has its answer."""
    request = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % (INVOKE.encode(), len(EVENT))
    done, measured, until = 0, 0.0, 0.0
    with selectors.DefaultSelector() as selector, ExitStack() as stack:
        for _ in range(callers):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            selector.register(sock, selectors.EVENT_READ)
            sock.sendall(request + EVENT)
        # The first answers come once every environment has started.
        warm = callers * 5
        while not until or time.perf_counter() < until:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                answer = key.fileobj.recv(65536)
                while not answer.endswith(EVENT_END):
                    part = key.fileobj.recv(65536)
                    if not part:
                        sys.exit(f"wrong answer: {answer!r}")
                    answer += part
                done += 1
                if done == warm:
                    measured = time.perf_counter()
                    until = measured + seconds
                key.fileobj.sendall(request + EVENT)
        return (done - warm) / (time.perf_counter() - measured)


def streamed(connection: http.client.HTTPConnection) -> float:
    """Megabytes per second of one streamed answer."""
    began = time.perf_counter()
    connection.request("POST", STREAM, b'"stream"')
    answer, size, part = connection.getresponse(), 0, b""
    while more := answer.read(1 << 20):
        part = more
        size += len(part)
    if size < BLOCKS * 65536:
        sys.exit(f"the stream ended after {size} bytes: {part[-200:]!r}")
    return size / 1e6 / (time.perf_counter() - began)


def commands(emulator: Path) -> dict[str, Callable[[int], list[str]]]:
    """The platforms: each is a command for a port."""
    without = "import sys; sys.modules['uvloop'] = None; from runtime.cli import main; main()"
    serve = ["serve", "app.handler", "--no-reload", "--port"]
    return {
        "dispatch serve": lambda port: [sys.executable, "-P", "-c", without, *serve, str(port)],
        "dispatch serve, uvloop": lambda port: [*RUNTIME[:3], "runtime.cli", *serve, str(port)],
        "RIE": lambda port: [
            str(emulator), "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
            "--runtime-api-address", f"127.0.0.1:{free_port()}", *RUNTIME,
        ],
    }  # fmt: skip


def measure(emulator: Path, rounds: int, invocations: int) -> dict[str, dict[str, list[float]]]:
    """The value of each round, by figure and platform."""
    found: dict[str, dict[str, list[float]]] = {}
    variables = {"HANDLER_CONVENTION": "lambda"}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        root, opened = Path(folder), {}
        (root / "app.py").write_text(HANDLER)
        for name, command in commands(emulator).items():
            port = free_port()
            opened[name] = stack.enter_context(serving(command(port), root, port, variables)), port
            for _ in range(WARMUP):
                once(opened[name][0])
        for _ in range(rounds):
            for name, (connection, port) in opened.items():
                connection.close()  # a server closes one that is idle; the next request opens another
                for figure, event in EVENTS.items():
                    took = [once(connection, event) for _ in range(invocations if event is EVENT else 20)]
                    found.setdefault(f"{figure}, µs", {}).setdefault(name, []).append(statistics.median(took) / 1e3)
                # The emulator collects a stream, up to 6 MB, and serves one event at a time.
                for callers in (1,) if name == "RIE" else (1, 8, 50):
                    rates = found.setdefault(f"callers {callers}, per s", {}).setdefault(name, [])
                    rates.append(throughput(port, callers, 1.0))
                if name != "RIE":
                    connection.close()
                    found.setdefault("stream, MB/s", {}).setdefault(name, []).append(streamed(connection))
    return found


def profile(invocations: int) -> None:
    """Print what one invocation takes of the server: turns of the loop, system calls, tasks, calls of Python."""
    with tempfile.TemporaryDirectory() as folder:
        root, port = Path(folder), free_port()
        (root / "app.py").write_text(HANDLER)
        command = [sys.executable, "-P", "-m", "cProfile", "-o", str(root / "profile"), "-m", "runtime.cli", "serve"]
        variables = {"HANDLER_CONVENTION": "lambda", "PYTHONPATH": str(root)}
        # asyncio's loop, because the profile shows all its calls; not the awake one, whose looks would hide them.
        (root / "uvloop.py").write_text("from asyncio import new_event_loop\n")
        with serving([*command, "app.handler", "--port", str(port)], root, port, variables) as connection:
            for _ in range(invocations):
                once(connection)
        stats: Mapping[tuple[str, int, str], tuple[int, int, float, float, object]]
        stats = pstats.Stats(str(root / "profile")).stats  # type: ignore[attr-defined]
    counted = {
        "turns of the loop": "<method 'poll' of 'select.epoll' objects>",
        "recv": "<method 'recv' of '_socket.socket' objects>",
        "send": "<method 'send' of '_socket.socket' objects>",
        "tasks": "create_task",
    }
    for name, function in counted.items():
        calls = max((one[1] for key, one in stats.items() if key[2] == function), default=0)
        print(f"{name:20} {calls / invocations:8.2f}")
    print(f"{'calls of functions':20} {sum(one[1] for one in stats.values()) / invocations:8.0f}")


def main() -> None:
    """Measure the platforms and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--invocations", type=int, default=300, help="in each round")
    parser.add_argument("--profile", action="store_true", help="count what an invocation takes of our server")
    options = parser.parse_args()
    if options.profile:
        profile(options.invocations)
        return
    try:
        emulator = rie.binary()
    except rie.NoEmulator as reason:
        sys.exit(str(reason))
    for figure, values in measure(emulator, options.rounds, options.invocations).items():
        theirs = values.get("RIE")
        for name, rounds in values.items():
            ratio = theirs and statistics.median(ours / other for ours, other in zip(rounds, theirs, strict=True))
            print(f"{figure:20} {name:24} {statistics.median(rounds):10.1f}" + (f"  ×{ratio:.2f}" if ratio else ""))


if __name__ == "__main__":
    main()
