"""Reads the runtime's own settings from the environment; `dispatch.variables` has those of the conventions."""

from __future__ import annotations

import codecs
import os

from dispatch import variables
from dispatch.discovery import AUTO
from dispatch.errors import MalformedHandlerName, SettingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from typing import Self

TRANSPORTS = ("socket", "requests")
#: Set once the program of `AWS_LAMBDA_EXEC_WRAPPER` has been started.
WRAPPED = "DISPATCH_WRAPPED"

SHUTDOWN = ("", "extension")
LAZY = ("", "all")


class Settings:
    """The settings of this runtime, from the environment.

    Attributes:
        handler: the handler string.
        root: the task root, an absolute path.
        convention: a convention's name, or `auto`.
        encoding: the encoding of text events and answers.
        plugins: modules to register as plugins, `-name` to block one.
        transport: `socket` or `requests`.
        workers: how many execution environments run side by side.
        preload: whether the function is loaded before the workers are forked.
        concurrency: `async` to run them on one event loop instead of in separate processes.
        lazy: `all` to import user code lazily.
        shutdown: `extension` to register an extension; without one the platform does not send SIGTERM.
        snap_start: whether a snapshot is taken after the function is loaded.
        log_socket: the socket that provides a separate log for each worker, or an empty string.
    """

    __slots__ = (
        "concurrency", "convention", "encoding", "handler", "lazy", "log_socket", "plugins", "preload", "root",
        "shutdown", "snap_start", "transport", "workers",
    )  # fmt: skip

    concurrency: str
    convention: str
    encoding: str
    handler: str
    lazy: str
    log_socket: str
    plugins: str
    preload: bool
    root: str
    shutdown: str
    snap_start: bool
    transport: str
    workers: int

    @classmethod
    def from_environ(cls, environ: MutableMapping[str, str], handler: str | None = None) -> Self:
        """Read the environment and remove the variables that only the runtime may see. Raises DispatchError."""
        self = cls()
        named = _named(environ, handler)
        self.handler = _utf8(named)
        self.convention = environ.get("HANDLER_CONVENTION") or AUTO
        self.plugins = environ.get("HANDLER_PLUGINS", "")
        self.log_socket = environ.get("_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET", "")
        self.snap_start = environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"
        self.transport = variables.one_of("HANDLER_TRANSPORT", TRANSPORTS, environ)
        self.concurrency = variables.ASYNC if environ.get("HANDLER_CONCURRENCY") == variables.ASYNC else ""
        self.preload = variables.one_of("HANDLER_PRELOAD", variables.SWITCH, environ) == "1"
        self.shutdown = variables.one_of("HANDLER_SHUTDOWN", SHUTDOWN, environ)
        self.lazy = variables.one_of("HANDLER_LAZY", LAZY, environ)
        variables.check(environ)
        self.workers = variables.workers(environ)
        self.encoding = _encoding(environ.get("HANDLER_ENCODING") or "utf-8")
        self.root = _root(environ.get("LAMBDA_TASK_ROOT", ""))
        if not self.handler:
            raise MalformedHandlerName(
                "no handler is named; set _HANDLER or HANDLER, or pass it as the command's argument"
            )
        environ["_HANDLER"] = named  # what is served, for code that looks there
        environ.pop("_LAMBDA_TELEMETRY_LOG_FD", None)
        return self


def handler_string(environ: Mapping[str, str], argument: str | None = None) -> str:
    """The handler string: the command's argument, else `HANDLER`, else `_HANDLER`; empty if none is set."""
    return _utf8(_named(environ, argument))


def _named(environ: Mapping[str, str], argument: str | None) -> str:
    return argument or environ.get("HANDLER") or environ.get("_HANDLER") or ""


def wrapped(environ: MutableMapping[str, str], arguments: list[str]) -> list[str] | None:
    """The command that starts the runtime through the program of `AWS_LAMBDA_EXEC_WRAPPER`.

    Args:
        environ: the environment, which records that the wrapper has been started.
        arguments: the runtime's own command, which the wrapper is expected to run in the end.

    Returns:
        The command, or None if there is no wrapper or it has been started already.
    """
    wrapper = environ.get("AWS_LAMBDA_EXEC_WRAPPER")
    # Removed, so that a runtime that the function itself starts is wrapped again.
    if environ.pop(WRAPPED, None) or not wrapper:
        return None
    environ[WRAPPED] = "1"
    return [wrapper, *arguments]


def log_settings(environ: Mapping[str, str]) -> tuple[bool, str, int | None]:
    """The log's settings: whether records are JSON, the level in capitals or empty, the telemetry descriptor or None.

    Separate from the other settings, because the log must exist before those are read and may turn out wrong.
    """
    descriptor = environ.get("_LAMBDA_TELEMETRY_LOG_FD", "")
    return (
        environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON",
        environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper(),
        int(descriptor) if descriptor.isdecimal() else None,
    )


def _utf8(text: str) -> str:
    """Text of the environment, decoded as UTF-8 whatever the locale is."""
    return os.fsencode(text).decode("utf-8", "surrogateescape")


def _encoding(name: str) -> str:
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError) as error:
        raise SettingError(
            f"HANDLER_ENCODING is {name!r}, which is not an encoding that Python knows; known: utf-8, utf-16, latin-1 "
            "and the others in Python's documentation of codecs"
        ) from error
    if not getattr(found, "_is_text_encoding", True):
        raise SettingError(f"HANDLER_ENCODING is {name!r}, which does not encode text; use one like utf-8 or latin-1")
    return name


def _root(path: str) -> str:
    try:
        here = os.getcwd()
    except OSError:
        here = "which has been removed"
    root = os.path.normpath(os.path.join(here, path))
    if not os.path.isdir(root):
        there = "is not a folder" if os.path.exists(root) else "does not exist"
        raise SettingError(
            f"LAMBDA_TASK_ROOT is {path!r}, which {there}; set it to the function's folder; by default it is the "
            f"current folder, {here}"
        )
    return root
