"""Compares the local platform with AWS's emulator: `python -m benchmarks.platforms --rie FILE`.

Both serve the same runtime and the same handler. One client invokes them in turn, each over one kept-alive connection,
so that any other load on the machine affects both. The figure is the time from request to answer.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

EVENT = b'{"key1": "value1", "key2": "value2", "n": 100}'
PATH = "/2015-03-31/functions/function/invocations"
HANDLER = "def handler(event, context):\n    return event\n"
RUNTIME = (sys.executable, "-P", "-m", "runtime", "app.handler")


def free_port() -> int:
    """A free port."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@contextmanager
def serving(command: list[str], root: Path, port: int) -> Iterator[http.client.HTTPConnection]:
    """Start a platform as a process, and connect to it once it listens."""
    variables = {
        "PATH": os.environ["PATH"],  # and no other variable of the developer's, as in the other benchmarks
        "HANDLER_CONVENTION": "lambda",
        "LAMBDA_TASK_ROOT": str(root),
        "XDG_STATE_HOME": str(root),
    }
    devnull = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=root, env=variables, stdout=devnull, stderr=devnull) as process:
        try:
            yield connect(port)
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


def once(connection: http.client.HTTPConnection) -> float:
    """Invoke the function once; returns the time in microseconds."""
    began = time.perf_counter()
    connection.request("POST", PATH, EVENT)
    answer = connection.getresponse().read()
    took = time.perf_counter() - began
    if json.loads(answer) != json.loads(EVENT):
        sys.exit(f"wrong answer: {answer[:200]!r}")
    return took * 1e6


def measure(rie: Path, rounds: int, invocations: int) -> dict[str, list[float]]:
    """The median of each round, for each platform."""
    ports = {"dispatch serve": free_port(), "RIE": free_port()}
    emulator = [str(rie), "--runtime-interface-emulator-address", f"127.0.0.1:{ports['RIE']}"]
    commands = {
        "dispatch serve": [*RUNTIME[:3], "runtime.cli", "serve", "app.handler", "--port", str(ports["dispatch serve"])],
        "RIE": [*emulator, "--runtime-api-address", f"127.0.0.1:{free_port()}", *RUNTIME],
    }
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        root = Path(folder)
        (root / "app.py").write_text(HANDLER)
        opened = {name: stack.enter_context(serving(command, root, ports[name])) for name, command in commands.items()}
        for connection in opened.values():
            for _ in range(200):
                once(connection)
        found: dict[str, list[float]] = {name: [] for name in opened}
        for _ in range(rounds):
            for name, connection in opened.items():
                found[name].append(statistics.median(once(connection) for _ in range(invocations)))
    return found


def main() -> None:
    """Measure both platforms and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rie", type=Path, required=True, help="AWS's Runtime Interface Emulator")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--invocations", type=int, default=300, help="in each round")
    options = parser.parse_args()
    found = measure(options.rie.resolve(), options.rounds, options.invocations)
    for name, medians in found.items():
        print(f"{name:15} {statistics.median(medians):7.0f} µs per invocation (best round {min(medians):.0f} µs)")
    ratios = [ours / theirs for ours, theirs in zip(*found.values(), strict=True)]
    print(f"{'ratio':15} {statistics.median(ratios):7.2f}")


if __name__ == "__main__":
    main()
