"""AWS's runtime client and ours, each over a recording Runtime API of its own, given the same events."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from support.api import event
from support.runtime import BOTH, Runtime
from support.wire import Request

SAMPLES = Path(__file__).parents[1] / "samples_lambda"

#: What Lambda sets for every function; and what it sets for a managed runtime besides.
LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "sample",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/sample",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/22/[$LATEST]0",
    "LANG": "en_US.UTF-8",
}
MANAGED = {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}

#: Has the plugin of samples_lambda offer our `lambda` under a name of its own.
RENAMED = {"HANDLER_CONVENTION": "lambda2", "HANDLER_PLUGINS": "lambda2"}

#: The headers of a post that the Runtime API reads. Content-Length and the like are HTTP's business.
READ_BY_THE_PLATFORM = (
    "Content-Type",
    "Lambda-Runtime-Function-Error-Type",
    "Lambda-Runtime-Function-Response-Mode",
    "Lambda-Runtime-Invocation-Id",
)
XRAY_CAUSE = "Lambda-Runtime-Function-XRay-Error-Cause"

DEADLINE = 4_102_444_800_000  # far from now, and the same for both

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


@dataclass(frozen=True)
class Case:
    """An event for both runtimes."""

    name: str
    body: bytes
    headers: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def request_id(self) -> str:
        """The same on both sides, and another for each case."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.name))


def asking(name: str, headers: Mapping[str, str | None] | None = None, /, **event: Any) -> Case:
    """A case whose event asks the sample handler for something."""
    return Case(name, json.dumps(event).encode(), headers or {})


@dataclass(frozen=True)
class Post:
    """What a runtime posted, as far as anybody can see it."""

    route: str
    body: bytes
    headers: Mapping[str, str | None]
    cause: Any

    @classmethod
    def of(cls, request: Request) -> Self:
        """A request's visible part; of the X-Ray cause, which is JSON, the value: its paths come from a set."""
        cause = json.loads(request.header(XRAY_CAUSE) or "null")
        if cause:
            cause["paths"].sort()
        headers = {name: request.header(name) for name in READ_BY_THE_PLATFORM}
        return cls(request.route, _without_addresses(request.body.decode("utf-8", "replace")).encode(), headers, cause)

    @property
    def value(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Outcome:
    """What became of one case, or of a start that failed."""

    posts: Sequence[Post]
    log: str
    status: int | None = None
    """The exit status of a process that ended by itself."""


class Side(Runtime):
    """One of the two runtimes, running; both of its streams are one log."""

    def __init__(self, name: str, handler: str, root: Path, env: Mapping[str, str]) -> None:
        settings = {"_HANDLER": handler, "HANDLER_CONVENTION": "lambda", **env}
        super().__init__((*BOTH[name], handler), root, settings, merged=True)
        self.handed = 0

    def run(self, case: Case) -> Outcome:
        """One event, to its answer or to the end of the process."""
        start = len(self.child.log)
        fixed = {"Lambda-Runtime-Deadline-Ms": str(DEADLINE)}
        self.api.hand_out(event(case.body, case.request_id, {**fixed, **case.headers}))
        self.handed += 1
        answers = self.api.answers_to(case.request_id)
        # Everything that belongs to this event is over when the next one is asked for.
        self.api.wait(lambda: (answers() and self._polls() > self.handed) or self.ended(), f"the end of {case.name}")
        return self._outcome(answers(), start)

    def _polls(self) -> int:
        return len(self.api.finished("GET", "invocation/next"))

    def start(self) -> Outcome:
        """How a start that has to fail ended."""
        self.child.wait()
        return self._outcome(self.api.finished("POST"), 0)

    def _outcome(self, requests: Sequence[Request], start: int) -> Outcome:
        shown = _without_addresses(_TIME.sub("<time>", self.child.log[start:]))
        return Outcome([Post.of(request) for request in requests], shown, self.child.process.poll())


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub("0x...", text)


def in_ascii(post: Post) -> Post:
    """The post with what is not ASCII escaped: the one rule that AWS's client has for container images alone."""
    text = re.sub(r"[^\x00-\x7e]", lambda found: json.dumps(found[0])[1:-1], post.body.decode())
    return replace(post, body=text.replace("\x7f", "\\u007f").encode())
