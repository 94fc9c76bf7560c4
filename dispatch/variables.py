"""Reads the environment variables that set how conventions work, and whether the calls of plugins are logged.

A convention reads its variables once, when it is applied to the user's object, so that a wrong value is an init error.
Every function takes the environment to read, by default the process's own, and raises SettingError.
"""

from __future__ import annotations

import os

from dispatch.errors import SettingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

BUFFERED, RESPONSE_STREAM = INVOKE_MODES = ("BUFFERED", "RESPONSE_STREAM")
SWITCH = ("", "0", "1")

#: What `HANDLER_WEB` may have: the annotations of OpenWhisk's web actions that change how they get requests.
WEB_ANNOTATIONS = ("raw", "custom-options")

#: The value of `HANDLER_CONCURRENCY` with which one process handles several invocations.
ASYNC = "async"


def one_of(variable: str, allowed: tuple[str, ...], environ: Mapping[str, str] = os.environ) -> str:
    """The variable's value; the first of the allowed ones if it is not set or empty."""
    value = environ.get(variable) or allowed[0]
    if value not in allowed:
        raise SettingError(f"{variable} is {value!r}; allowed: {', '.join(filter(None, allowed))}")
    return value


def streams(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether conventions that can answer either way stream (`HANDLER_INVOKE_MODE`)."""
    return one_of("HANDLER_INVOKE_MODE", INVOKE_MODES, environ) == RESPONSE_STREAM


def takes_http_body(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether conventions of text and bytes get the body of an HTTP event as their event (`HANDLER_HTTP_BODY`)."""
    return one_of("HANDLER_HTTP_BODY", SWITCH, environ) == "1"


def traces_plugins(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether each call of a plugin's hook is logged with its time (`HANDLER_TRACE_PLUGINS`)."""
    return one_of("HANDLER_TRACE_PLUGINS", SWITCH, environ) == "1"


def base_path(environ: Mapping[str, str] = os.environ) -> str:
    """What is removed from the front of the path before a web application sees it (`HANDLER_BASE_PATH`)."""
    return _path("HANDLER_BASE_PATH", "", environ)


def events_path(environ: Mapping[str, str] = os.environ) -> str:
    """The path of a web application to which events that are not HTTP are posted (`HANDLER_EVENTS_PATH`)."""
    return _path("HANDLER_EVENTS_PATH", "/events", environ)


def records_at_once(environ: Mapping[str, str] = os.environ) -> int | None:
    """How many records of one event are handled together (`HANDLER_CONCURRENCY`); None if any number is allowed."""
    value = environ.get("HANDLER_CONCURRENCY", "")
    if value in {"", ASYNC}:
        return None
    if not value.isdecimal() or len(value) > 4 or not int(value):
        raise SettingError(f"HANDLER_CONCURRENCY is {value!r}; allowed: {ASYNC}, or a whole number from 1 to 9999")
    return int(value)


def workers(environ: Mapping[str, str] = os.environ) -> int:
    """How many events are handled side by side, in processes or threads (`HANDLER_WORKERS`)."""
    for variable in ("HANDLER_WORKERS", "AWS_LAMBDA_MAX_CONCURRENCY"):
        value = environ.get(variable)
        if value:
            if not value.isdecimal() or len(value) > 4 or not int(value):
                raise SettingError(f"{variable} is {value!r}; it must be a whole number from 1 to 9999")
            return int(value)
    return 1


def web_annotations(environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """How a web action of OpenWhisk or DigitalOcean gets requests (`HANDLER_WEB`)."""
    value = environ.get("HANDLER_WEB", "")
    words = frozenset(value.replace(",", " ").split())
    if not words <= {*WEB_ANNOTATIONS, "true"}:
        raise SettingError(f"HANDLER_WEB is {value!r}; allowed: true, or one or more of {', '.join(WEB_ANNOTATIONS)}")
    return words


def check(environ: Mapping[str, str]) -> None:
    """Check all of them, whether or not the convention in use reads them."""
    for read in (streams, takes_http_body, traces_plugins, base_path, events_path, records_at_once, web_annotations):
        read(environ)


def _path(variable: str, default: str, environ: Mapping[str, str]) -> str:
    value = environ.get(variable) or default
    if value and not value.startswith("/"):
        raise SettingError(f"{variable} is {value!r}; it must start with a slash, like /{value}")
    return value
