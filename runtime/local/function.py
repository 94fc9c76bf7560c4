"""What a local function is: its handler, its folder, and the settings that Lambda would keep for it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: Lambda's own limits and defaults (botocore's service model, shapes Timeout and MemorySize; AWS documentation).
TIMEOUT_DEFAULT: Final = 3.0
TIMEOUT_LIMIT: Final = 900.0
MEMORY_DEFAULT: Final = 128
MEMORY_RANGE: Final = (128, 10_240)
#: The account number that AWS's own emulator uses.
ACCOUNT: Final = "012345678912"
#: How many environments of one function may run at once, unless told otherwise.
CONCURRENCY_DEFAULT: Final = 50

NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")

#: The reserved names that a function's own settings may replace, as AWS documents them.
REPLACEABLE: Final = frozenset({"AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL", "AWS_LAMBDA_EXEC_WRAPPER"})
#: Taken out of the developer's own environment: they would speak for another function, or tell it the server's secret.
FOREIGN: Final = frozenset(
    {
        "_HANDLER",
        "HANDLER",
        "_X_AMZN_TRACE_ID",
        "_LAMBDA_TELEMETRY_LOG_FD",
        "LAMBDA_TASK_ROOT",
        "DISPATCH_SERVE_TOKEN",
    }
)


INITIALIZATIONS: Final = ("on-demand", "snap-start")


class FunctionSettingError(ValueError):
    """A function's setting that can't be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class AsyncSettings:
    """What happens to events that nobody waits for. Ages are in seconds (60 to 21,600 on Lambda)."""

    retries: int = 2
    maximum_age: float = 21_600
    on_failure: str = ""

    def __post_init__(self) -> None:
        if self.retries not in range(3):
            raise FunctionSettingError(f"retries are 0, 1 or 2, not {self.retries!r}")
        if not 0 <= self.maximum_age < math.inf:
            raise FunctionSettingError(f"the maximum age is a number of seconds, not {self.maximum_age!r}")


@dataclass(frozen=True, slots=True)
class UrlSettings:
    """A function URL: whether answers are streamed (None: as the function answers), and what other origins may do.

    `cors` has the keys of Lambda's own setting: AllowOrigins, AllowMethods, AllowHeaders, ExposeHeaders,
    AllowCredentials, MaxAge.
    """

    streaming: bool | None = None
    cors: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Function:
    """One function. `command` starts its runtime; empty means this project's own."""

    name: str = "function"
    handler: str = ""
    root: Path = field(default_factory=Path.cwd)
    convention: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: float = TIMEOUT_DEFAULT
    memory: int = MEMORY_DEFAULT
    concurrency: int = CONCURRENCY_DEFAULT
    command: Sequence[str] = ()
    initialization: str = "on-demand"
    description: str = ""
    region: str = ""
    url: UrlSettings | None = field(default_factory=UrlSettings)
    asynchronous: AsyncSettings = field(default_factory=AsyncSettings)
    debug_port: int | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise FunctionSettingError(f"a function's name is 1 to 64 letters, digits, '-' and '_', not {self.name!r}")
        if not 0 < self.timeout <= TIMEOUT_LIMIT:
            raise FunctionSettingError(
                f"the timeout is more than 0 and at most {TIMEOUT_LIMIT:g} seconds, not {self.timeout:g}"
            )
        low, high = MEMORY_RANGE
        if not low <= self.memory <= high:
            raise FunctionSettingError(f"the memory is {low} to {high} MB, not {self.memory}")
        if self.concurrency < 1:
            raise FunctionSettingError(f"the concurrency is at least 1, not {self.concurrency}")
        if self.initialization not in INITIALIZATIONS:
            raise FunctionSettingError(
                f"the initialization is {' or '.join(INITIALIZATIONS)}, not {self.initialization!r}"
            )
        if not self.root.is_dir():
            raise FunctionSettingError(f"the function's folder is not a folder: {self.root}")
        check_environment(self.environment)

    @property
    def arn(self) -> str:
        """The function's ARN, without a qualifier."""
        return f"arn:aws:lambda:{self.region or region()}:{ACCOUNT}:function:{self.name}"


def region() -> str:
    """The region that the developer's environment names, else Lambda's oldest."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def is_reserved(name: str) -> bool:
    """Whether Lambda sets this variable itself."""
    lambda_own = name.startswith("AWS_LAMBDA_") and name not in REPLACEABLE
    return lambda_own or name in FOREIGN - {"HANDLER", "DISPATCH_SERVE_TOKEN"} or name == "LAMBDA_RUNTIME_DIR"


def check_environment(environment: Mapping[str, str]) -> None:
    """Raise `FunctionSettingError` for a variable that Lambda would not take."""
    for name in environment:
        if is_reserved(name):
            raise FunctionSettingError(f"the variable {name} is reserved: Lambda sets it itself")
        if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]*", name):
            raise FunctionSettingError(
                f"a variable's name starts with a letter and goes on with letters, digits and '_', not {name!r}"
            )
