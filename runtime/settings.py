"""Reads the environment, in this one place; everything else is handed what it needs."""

from __future__ import annotations

import codecs
import os

from dispatch.errors import MalformedHandlerName, SettingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

TRANSPORTS = ("socket", "requests")
#: Set once the program of AWS_LAMBDA_EXEC_WRAPPER had its turn.
WRAPPED = "DISPATCH_WRAPPED"

CONCURRENCY = ("", "async")
SHUTDOWN = ("", "extension")


class Settings:
    """What the environment says of this runtime.

    Attributes:
        handler: the handler string.
        root: the task root, an absolute path.
        convention: a convention's name, or ``auto``.
        encoding: of text events and answers.
        plugins: modules to register as plugins, ``-name`` to block one.
        transport: ``socket`` or ``requests``.
        workers: how many execution environments run side by side.
        concurrency: ``async`` to run them on one event loop instead of in processes of their own.
        shutdown: ``extension`` to have the platform send SIGTERM, which it does only where there is an extension.
        snap_start: whether a snapshot is taken once the function is loaded.
        log_as_json: whether log records are JSON objects.
        log_level: a level's name in capitals, or an empty string.
        log_descriptor: the file descriptor of the platform's telemetry log, or None.
        log_socket: where each worker gets a log of its own, or an empty string.
    """

    __slots__ = (
        "concurrency", "convention", "encoding", "handler", "log_as_json", "log_descriptor", "log_level", "log_socket",
        "plugins", "root", "shutdown", "snap_start", "transport", "workers",
    )  # fmt: skip

    def __init__(self, environ: MutableMapping[str, str], handler: str | None = None) -> None:
        """Read the environment; take out of it what is meant for the runtime alone. Raises DispatchError."""
        self.handler = _utf8(handler_string(environ, handler))
        self.convention = environ.get("HANDLER_CONVENTION") or "auto"
        self.plugins = environ.get("HANDLER_PLUGINS", "")
        self.log_as_json, self.log_level, self.log_descriptor = log_settings(environ)
        self.log_socket = environ.get("_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET", "")
        self.snap_start = environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"
        self.transport = _one_of("HANDLER_TRANSPORT", environ.get("HANDLER_TRANSPORT") or "socket", TRANSPORTS)
        self.concurrency = _one_of("HANDLER_CONCURRENCY", environ.get("HANDLER_CONCURRENCY", ""), CONCURRENCY)
        self.shutdown = _one_of("HANDLER_SHUTDOWN", environ.get("HANDLER_SHUTDOWN", ""), SHUTDOWN)
        self.workers = _workers(environ)
        self.encoding = _encoding(environ.get("HANDLER_ENCODING") or "utf-8")
        self.root = _root(environ.get("LAMBDA_TASK_ROOT", ""))
        if not self.handler:
            raise MalformedHandlerName(
                "no handler is named: set _HANDLER or HANDLER, or give it as the command's argument"
            )
        environ.pop("_LAMBDA_TELEMETRY_LOG_FD", None)


def handler_string(environ: Mapping[str, str], argument: str | None = None) -> str:
    """The handler string in effect: the command's argument wins over `HANDLER`, and that over `_HANDLER`."""
    return argument or environ.get("HANDLER") or environ.get("_HANDLER") or ""


def wrapped(environ: MutableMapping[str, str], arguments: list[str]) -> list[str] | None:
    """The command by which the program of ``AWS_LAMBDA_EXEC_WRAPPER`` starts the runtime.

    Args:
        environ: the environment, in which the wrapper's turn is noted.
        arguments: the command that the wrapper is expected to end in.

    Returns None if there is no wrapper, or if it has had its turn.
    """
    wrapper = environ.get("AWS_LAMBDA_EXEC_WRAPPER")
    # Taken out, so that a runtime which the function starts has a wrapper's turn of its own.
    if environ.pop(WRAPPED, None) or not wrapper:
        return None
    environ[WRAPPED] = "1"
    return [wrapper, *arguments]


def log_settings(environ: Mapping[str, str]) -> tuple[bool, str, int | None]:
    """What Settings tells as ``log_as_json``, ``log_level`` and ``log_descriptor``, even where the rest is wrong."""
    descriptor = environ.get("_LAMBDA_TELEMETRY_LOG_FD", "")
    return (
        environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON",
        environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper(),
        int(descriptor) if descriptor.isdecimal() else None,
    )


def _utf8(text: str) -> str:
    """Text of the environment as the UTF-8 that it is, whatever the locale says."""
    return os.fsencode(text).decode("utf-8", "surrogateescape")


def _one_of(variable: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise SettingError(f"{variable} is {value!r}; it can be: {', '.join(filter(None, allowed))}")
    return value


def _workers(environ: Mapping[str, str]) -> int:
    for variable in ("HANDLER_WORKERS", "AWS_LAMBDA_MAX_CONCURRENCY"):
        value = environ.get(variable)
        if value:
            if not value.isdecimal() or len(value) > 4 or not int(value):
                raise SettingError(f"{variable} is {value!r}; it is a whole number from 1 to 9999")
            return int(value)
    return 1


def _encoding(name: str) -> str:
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError) as error:
        raise SettingError(
            f"HANDLER_ENCODING is {name!r}, an encoding that Python does not have; it has utf-8, utf-16, latin-1 and "
            "those in its documentation of codecs"
        ) from error
    if not getattr(found, "_is_text_encoding", True):
        raise SettingError(f"HANDLER_ENCODING is {name!r}, which does not encode text; utf-8 and latin-1 do")
    return name


def _root(path: str) -> str:
    try:
        here = os.getcwd()
    except OSError:
        here = "which has been removed"
    root = os.path.normpath(os.path.join(here, path))
    if not os.path.isdir(root):
        there = "a file" if os.path.exists(root) else "not there"
        raise SettingError(
            f"LAMBDA_TASK_ROOT is {path!r}, which is {there}; it is the function's folder, by default the current one, "
            f"{here}"
        )
    return root
