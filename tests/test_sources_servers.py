"""`dispatch serve` on a queue: two servers beside each other, and an end in the middle of a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.files import write
from support.local import ServerProcess
from support.process import await_true
from support.sqs import CREDENTIALS, Queue, Server

APP = """
import os, time
from pathlib import Path

def keep(event, context):
    with open(os.environ["KEPT"], "a") as file:
        file.write("".join(record["body"] + chr(10) for record in event["Records"]))

def wait(event, context):
    keep(event, context)
    while not Path("go").exists():
        time.sleep(0.01)
"""


@pytest.fixture
def moto() -> Iterator[Server]:
    """Moto's server."""
    server = Server()
    yield server
    server.stop()


def start(queue: Queue, root: Path, handler: str, kept: str) -> ServerProcess:
    """A server that polls the queue for a function, of which two run at once."""
    (root / "dispatch.toml").write_text(
        f"[functions.fn]\nhandler = '{handler}'\nconvention = 'lambda'\ntimeout = 60\nconcurrency = 2\n"
        f"[[functions.fn.sources]]\nsqs = '{queue.url}'\nbatch = 1\n"
    )
    return ServerProcess(
        root, "--no-reload", "--grace", "60",
        environment={**CREDENTIALS, "AWS_ENDPOINT_URL_SQS": queue.endpoint, "KEPT": kept},
    )  # fmt: skip


def test_two_servers(moto: Server, tmp_path: Path) -> None:
    """Every message is handled once, and each server handles some."""
    root = write(tmp_path / "functions", {"app.py": APP})
    queue = moto.queue(VisibilityTimeout="600")
    bodies = [str(number) for number in range(200)]
    with ExitStack() as stack:
        for name in ("first", "second"):
            stack.enter_context(start(queue, root, "app.keep", name))
        queue.send(*bodies)
        queue.await_counts(0, 0)
    kept = {name: (root / name).read_text().split() for name in ("first", "second")}
    assert dict.fromkeys(bodies, 1) == Counter(kept["first"] + kept["second"])
    assert all(kept.values())


def test_the_end_of_a_server(moto: Server, tmp_path: Path) -> None:
    """SIGTERM lets the batch under way finish, which is then deleted; all else can be received at once."""
    root = write(tmp_path / "functions", {"app.py": APP})
    queue = moto.queue(VisibilityTimeout="600")
    bodies = [str(number) for number in range(10)]
    with start(queue, root, "app.wait", "kept") as server:
        queue.send(*bodies)
        await_true(lambda: (root / "kept").exists() and len((root / "kept").read_text().split()) == 2)
        server.child.signal()
        server.line("ending once the events under way are through")
        queue.await_counts(8, 2)
        (root / "go").touch()
        assert 0 == server.wait()
    assert (8, 0) == queue.counts
