"""Several invocations at once, under AWS's emulator of managed instances.

It starts `/var/task/bootstrap` as a user of its own, so the test gives it a `/var` with everything in it, in a mount
namespace, which takes root.
"""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import rie
from support.files import write
from support.process import Child
from support.wire import PATIENCE

PROJECT = Path(__file__).resolve().parents[1]

#: Each source is to be seen at its place in the new `/var`.
PLACES = {
    "python": sys.base_prefix,
    "site": sysconfig.get_path("purelib"),
    "project": str(PROJECT),
    "emulator": str(rie.CACHE),
}
BOOTSTRAP = f"""\
#!/bin/sh
export LD_LIBRARY_PATH=/var/python/lib PYTHONHOME=/var/python PYTHONPATH=/var/project:/var/site
exec /var/python/bin/python{sys.version_info.major}.{sys.version_info.minor} -P -m runtime
"""
APP = """
import asyncio
import os

async def meet(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.read()
    writer.close()

async def handler(event, context):
    # The other side hangs up once all are there.
    await meet(event["port"])
    return {"process": os.getpid(), "number": event["number"], "id": context.aws_request_id}
"""
WORKERS = 3


def may_mount() -> bool:
    """Whether a mount namespace can be had here."""
    if os.geteuid() or not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/var"], check=False).returncode == 0


@contextmanager
def emulated(root: Path, env: dict[str, str]) -> Iterator[rie.Emulator]:
    """The emulator of managed instances over a task root."""
    steps = ["mount -t tmpfs none /var", "chmod 755 /var"]
    for name, source in {**PLACES, "task": str(root)}.items():
        steps += [f"mkdir /var/{name}", f"mount --bind '{source}' /var/{name}"]
    emulator = f"/var/emulator/{rie.binary().name}"
    script = " && ".join([*steps, f'exec {emulator} --log-level debug "$@"'])
    settings = {
        "AWS_LAMBDA_MAX_CONCURRENCY": str(WORKERS),
        "AWS_LAMBDA_FUNCTION_HANDLER": "app.handler",
        "_HANDLER": "app.handler",
        **env,
    }
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh"]
    with rie.addresses() as (front, options):
        child = Child([*command, *options], settings, root)
        try:
            rie.await_port(child, front)
            yield rie.Emulator(child, front)
        finally:
            child.kill()


@contextmanager
def meeting_place(count: int) -> Iterator[int]:
    """The port of a server that hangs up on nobody before COUNT are there."""
    barrier = threading.Barrier(count)

    class Meeting(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            barrier.wait(PATIENCE)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Meeting) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            barrier.abort()
            server.shutdown()
            thread.join(PATIENCE)


@pytest.fixture(scope="module", autouse=True)
def _possible() -> None:
    """The emulator and a mount namespace, or the reason why there is none."""
    try:
        rie.binary()
    except rie.NoEmulator as reason:
        pytest.skip(str(reason))
    if not may_mount():
        pytest.skip("the emulator of managed instances needs a mount namespace, which takes root")


@pytest.mark.parametrize(
    ("env", "processes"), [({}, WORKERS), ({"HANDLER_CONCURRENCY": "async"}, 1)], ids=["fork", "async"]
)
def test_invocations_meet(tmp_path: Path, env: dict[str, str], processes: int) -> None:
    """As many invocations as there may be are handled at once, in as many processes or in one, each answered with its own."""
    root = write(tmp_path / "task", {"app.py": APP, "bootstrap": BOOTSTRAP})
    (root / "bootstrap").chmod(0o755)
    with (
        emulated(root, {"HANDLER_CONVENTION": "lambda", **env}) as emulator,
        meeting_place(WORKERS) as port,
        ThreadPoolExecutor(WORKERS) as pool,
    ):
        wait_for_polls(emulator.child, WORKERS)
        for numbers in ([1, 2, 3], [4, 5, 6]):
            events = [json.dumps({"port": port, "number": number}).encode() for number in numbers]
            answers = [json.loads(answer) for answer in pool.map(emulator.invoke, events)]
            assert numbers == [answer.get("number", answer) for answer in answers]
            assert (processes, WORKERS) == tuple(len({answer[key] for answer in answers}) for key in ("process", "id"))


def wait_for_polls(child: Child, count: int) -> None:
    """Wait until that many environments have asked for an event: before, the emulator refuses."""
    with child.heard:
        assert child.heard.wait_for(
            lambda: child.log.count("InvokeRouter: received runtime /next") >= count, PATIENCE
        ), child.log
