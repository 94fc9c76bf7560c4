"""A runtime over a scripted Runtime API: started, given events, asked for what it answered, ended."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from support.api import FakeRuntimeApi, event
from support.process import Child
from support.wire import Request

#: Our runtime, and the client of AWS's managed runtimes.
COMMAND = (sys.executable, "-P", "-m", "runtime")
AWS_COMMAND = (sys.executable, "-m", "awslambdaric")

#: The runtimes that are compared, by name.
OURS = "dispatch"
AWS = "awslambdaric"
BOTH = {AWS: AWS_COMMAND, OURS: COMMAND}


class Answer(NamedTuple):
    """What the runtime posted for one invocation."""

    kind: str
    body: bytes
    request: Request

    @property
    def report(self) -> dict[str, Any]:
        """The error report; a failure if the invocation did not fail."""
        assert self.kind == "error", f"an error was due, but the answer is {self.body[:200]!r}"
        report: dict[str, Any] = json.loads(self.body)
        return report


class Failed(NamedTuple):
    """How an environment that could not start ended."""

    type: str | None
    report: dict[str, Any]
    status: int
    log: str


class Runtime:
    """Any command as the runtime: `invoke` gives it an event and waits for what it posts."""

    def __init__(
        self,
        command: Sequence[str],
        root: Path,
        env: Mapping[str, str],
        *,
        api: FakeRuntimeApi | None = None,
        cwd: Path | None = None,
        merged: bool = False,
    ) -> None:
        self.api = api or FakeRuntimeApi()
        settings = {"AWS_LAMBDA_RUNTIME_API": self.api.address, "LAMBDA_TASK_ROOT": str(root), **env}
        self.child = Child(command, settings, cwd or root, merged=merged)
        _tell_of_the_end(self.child.process, self.api)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.kill()
        self.api.stop()

    def answer(self, request_id: str) -> Answer:
        """What was posted for this invocation, once it came in full."""
        complete = self.api.answers_to(request_id)
        self.api.wait(lambda: complete() or self.ended(), f"an answer to {request_id}")
        assert complete(), f"no answer to {request_id}; the runtime ended with {self.child.wait()}:\n{self.child.log}"
        request = complete()[0]
        return Answer(request.route.rpartition("/")[2], request.body, request)

    def invoke(self, body: bytes = b"", headers: Mapping[str, str | None] | None = None, **reply: Any) -> Answer:
        """One event, and the answer to it."""
        handed = event(body, headers=headers, **reply)
        self.api.hand_out(handed)
        return self.answer(dict(handed.headers)["Lambda-Runtime-Aws-Request-Id"])

    def failed(self) -> Failed:
        """How the start failed: posted to `/init/error`, then ended."""
        status = self.child.wait()
        posts = self.api.finished("POST", "init/error")
        assert len(posts) == 1, f"{len(posts)} posts to /init/error; status {status}; log:\n{self.child.log}"
        kind = posts[0].header("Lambda-Runtime-Function-Error-Type")
        return Failed(kind, json.loads(posts[0].body), status, self.child.log)

    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.child.process.poll() is not None

    def end(self, *, blocked: bool = True) -> str:
        """Send SIGTERM, once the main thread is blocked if it ever is; it ends with status 0. All that it wrote."""
        if blocked:
            self.child.wait_blocked()
        self.child.signal()
        assert self.child.wait() == 0, self.child.log
        return self.child.log


def _tell_of_the_end(process: subprocess.Popen[bytes], api: FakeRuntimeApi) -> None:
    """Let whoever waits for a request hear it when the process ends and none will come any more."""

    def tell() -> None:
        process.wait()
        with api.changed:
            api.changed.notify_all()

    threading.Thread(target=tell, daemon=True).start()


def start(which: str, handler: str, root: Path, env: Mapping[str, str], **options: Any) -> Runtime:
    """One of BOTH; ours in the `lambda` convention."""
    settings = {"_HANDLER": handler, "HANDLER_CONVENTION": "lambda", **env}
    return Runtime((*BOTH[which], handler), root, settings, **options)


#: What the fixtures of conftest.py are.
Serve = Callable[..., Runtime]
Ask = Callable[..., Answer]
Fail = Callable[..., Failed]
