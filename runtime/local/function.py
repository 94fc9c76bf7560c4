"""What a local function is: its handler, its folder, and the settings that Lambda would keep for it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dispatch.protocol import TRACE_VARIABLE
from runtime.local.source import Source

#: Lambda's own defaults and limits (botocore's service model, shapes Timeout and MemorySize; AWS documentation).
TIMEOUT_DEFAULT: Final = 3.0
TIMEOUT_LIMIT: Final = 900.0
MEMORY_DEFAULT: Final = 128
MEMORY_RANGE: Final = (128, 10_240)
#: The account number that AWS's own emulator uses.
ACCOUNT: Final = "012345678912"
#: How many environments of one function may run at once by default.
CONCURRENCY_DEFAULT: Final = 50

NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
VARIABLE: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")

#: The reserved variables that a function's own settings may replace, as AWS documents them.
REPLACEABLE: Final = frozenset({"AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL", "AWS_LAMBDA_EXEC_WRAPPER"})
#: The other reserved variables besides those that begin with AWS_LAMBDA_.
RESERVED: Final = frozenset(
    {"_HANDLER", TRACE_VARIABLE, "_LAMBDA_TELEMETRY_LOG_FD", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"}
)

#: The keys of cross-origin rules (botocore's service model, shape Cors).
CORS_KEYS: Final = ("AllowCredentials", "AllowHeaders", "AllowMethods", "AllowOrigins", "ExposeHeaders", "MaxAge")

#: How an environment is initialized: as AWS_LAMBDA_INITIALIZATION_TYPE has it.
ON_DEMAND: Final = "on-demand"
SNAP_START: Final = "snap-start"
INITIALIZATIONS: Final = (ON_DEMAND, SNAP_START)


class FunctionSettingError(ValueError):
    """A function's setting that cannot be used; the message names it and the reason."""


@dataclass(frozen=True, slots=True)
class AsyncSettings:
    """What happens to events that no caller waits for. Ages are in seconds (60 to 21,600 on Lambda)."""

    retries: int = 2
    maximum_age: float = 21_600
    on_failure: str = ""

    def __post_init__(self) -> None:
        if self.retries not in range(3):
            raise FunctionSettingError(f"retries must be 0, 1 or 2, not {self.retries!r}")
        if not 0 <= self.maximum_age < math.inf:
            raise FunctionSettingError(f"the maximum age must be a number of seconds, not {self.maximum_age!r}")


@dataclass(frozen=True, slots=True)
class UrlSettings:
    """A function URL: whether answers are streamed (None: as the function answers), and its CORS rules.

    `cors` has the keys of Lambda's own setting: AllowOrigins, AllowMethods, AllowHeaders, ExposeHeaders,
    AllowCredentials, MaxAge.
    """

    streaming: bool | None = None
    cors: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_cors(self.cors)


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """One function and its settings.

    Attributes:
        name: 1 to 64 letters, digits, `-` and `_`.
        handler: the handler string.
        root: the function's folder; one that is relative to the current folder is made absolute.
        convention: a convention's name; empty to leave it to `HANDLER_CONVENTION`.
        environment: the function's own variables.
        timeout: seconds that an event may take.
        memory: MB that the function may use.
        concurrency: how many environments may run at once.
        command: what starts the runtime; empty for this project's own.
        python: the Python that runs this project's own runtime; empty for the one that runs this.
        initialization: `on-demand` or `snap-start`.
        region: the region in the ARN; empty for that of the environment.
        url: the function URL's settings; None if it has no URL.
        layers: the folders that are mounted at `/opt` on Lambda, the last one over the others.
        throttled: whether every event is refused, as with a reserved concurrency of 0 on Lambda.
        logical_id: another name by which it can be invoked: that of its resource in a template.
        debug_port: where the runtime waits for a debugger; None if it does not.
        sources: what is polled for events.
    """

    name: str = "function"
    handler: str = ""
    root: str | os.PathLike[str] = "."
    convention: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: float = TIMEOUT_DEFAULT
    memory: int = MEMORY_DEFAULT
    concurrency: int = CONCURRENCY_DEFAULT
    command: Sequence[str] = ()
    python: str = ""
    initialization: str = ON_DEMAND
    description: str = ""
    region: str = ""
    url: UrlSettings | None = field(default_factory=UrlSettings)
    asynchronous: AsyncSettings = field(default_factory=AsyncSettings)
    layers: Sequence[Path] = ()
    throttled: bool = False
    logical_id: str = ""
    debug_port: int | None = None
    sources: Sequence[Source] = ()

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise FunctionSettingError(f"a function's name is 1 to 64 letters, digits, '-' and '_', not {self.name!r}")
        if not 0 < self.timeout <= TIMEOUT_LIMIT:
            raise FunctionSettingError(
                f"the timeout must be more than 0 and at most {TIMEOUT_LIMIT:g} seconds, not {self.timeout:g}"
            )
        low, high = MEMORY_RANGE
        if not low <= self.memory <= high:
            raise FunctionSettingError(f"the memory must be {low} to {high} MB, not {self.memory}")
        if self.concurrency < 1:
            raise FunctionSettingError(f"the concurrency must be at least 1, not {self.concurrency}")
        if self.initialization not in INITIALIZATIONS:
            raise FunctionSettingError(
                f"the initialization must be {' or '.join(INITIALIZATIONS)}, not {self.initialization!r}"
            )
        if not _is_folder(self.folder):
            raise FunctionSettingError(f"the function's folder is not a folder: {self.root}")
        for what, text in (("handler", self.handler), ("description", self.description)):
            if "\0" in text or not _is_unicode(text):
                raise FunctionSettingError(f"the {what} must be text without null characters, not {text!r:.80}")
        check_environment(self.environment)
        # Not resolve(): a function sees the path by which its folder was named, links and all.
        object.__setattr__(self, "root", Path(os.path.abspath(self.root)))

    @property
    def folder(self) -> Path:
        """The function's folder, as an absolute path."""
        return Path(self.root)

    @property
    def arn(self) -> str:
        """The function's ARN, without a qualifier."""
        return function_arn(self.name, self.region)

    @property
    def log_group(self) -> str:
        """The name of the function's log group."""
        return f"/aws/lambda/{self.name}"

    @property
    def snap_start(self) -> bool:
        """Whether the function is restored from a snapshot."""
        return self.initialization == SNAP_START


def function_arn(name: str, region: str = "") -> str:
    """Return the ARN that a function of this name has, or would have."""
    return f"arn:aws:lambda:{region or default_region()}:{ACCOUNT}:function:{name}"


def default_region() -> str:
    """Return the region that the developer's environment names, else Lambda's oldest."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def is_reserved(name: str) -> bool:
    """Whether Lambda sets this variable itself."""
    return name in RESERVED or (name.startswith("AWS_LAMBDA_") and name not in REPLACEABLE)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that is too long, or has a null character
        return False


def _is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _is_passable(text: str) -> bool:
    """Whether the system can pass a text to a process."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def check_cors(rules: Mapping[str, object]) -> None:
    """Check cross-origin rules.

    Raises:
        FunctionSettingError: they are not a mapping with Lambda's keys and their values.
    """
    if not isinstance(rules, Mapping):
        raise FunctionSettingError(f"cors must have keys and values, not {rules!r:.60}")
    for key, value in rules.items():
        if key not in CORS_KEYS:
            raise FunctionSettingError(f"cors: unknown key {key!r}; known keys: {', '.join(CORS_KEYS)}")
        is_list = isinstance(value, list | tuple) and all(isinstance(item, str) and item.isascii() for item in value)
        kind, fits = {
            "AllowCredentials": ("true or false", isinstance(value, bool)),
            "MaxAge": ("a number of seconds", isinstance(value, int) and not isinstance(value, bool)),
        }.get(key, ("a list of texts", is_list))
        if not fits:
            raise FunctionSettingError(f"cors: {key} must be {kind}, not {value!r:.60}")


def check_environment(environment: Mapping[str, str]) -> None:
    """Check a function's variables.

    Raises:
        FunctionSettingError: Lambda would refuse one of them.
    """
    for name, value in environment.items():
        if not isinstance(name, str) or not isinstance(value, str) or not _is_passable(value):
            raise FunctionSettingError(f"a variable is text without null characters, not {value!r} (of {name!r})")
        if is_reserved(name):
            raise FunctionSettingError(f"the variable {name} is reserved: Lambda sets it itself")
        if not VARIABLE.fullmatch(name):
            raise FunctionSettingError(
                f"a variable's name starts with a letter and goes on with letters, digits and '_', not {name!r}"
            )
