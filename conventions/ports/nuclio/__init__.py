"""The `nuclio` convention: `def handler(context, event)`, with `init_context(context)` in the same module.

nuclio-sdk 0.6.3 makes the context, the event and the response; its logger ignores levels (nuclio_sdk/logger.py). When
`init_context` and the termination callback are called, and what an exception answers, is in nuclio/nuclio,
pkg/processor/runtime/python/py/_nuclio_wrapper.py. `wire` converts between Nuclio's processor and Python.
"""

from __future__ import annotations

import os
import sys

from conventions import applications
from conventions.ports import logs
from conventions.ports.nuclio import wire
from conventions.web import event_answer, serving
from dispatch import settle, variables
from dispatch.errors import ImportModuleError
from dispatch.exceptions import text, user_traceback
from dispatch.protocol import JSON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from conventions.web import Answer
    from dispatch.http import Request
    from dispatch.invocation import Invocation
    from dispatch.response import Response
    from dispatch.types import Conventions, Handler, UserFunction


def nuclio(function: UserFunction) -> Handler:
    """handler(context, event) -> str, bytes, a dict or list, (status, body), context.Response."""
    sdk = _sdk()
    platform, streams = sdk.Platform("local"), variables.streams()
    context = sdk.Context(_logger(sdk), platform, "0", sdk.TriggerInfo("http", "default-http"))
    read_event = wire.reader(sdk)
    begun = False

    def startup() -> None:
        nonlocal begun
        if not begun:
            begun = True
            init_context = getattr(sys.modules.get(function.__module__), "init_context", None)
            if init_context is not None:
                settle(init_context(context))

    def called(**fields: Any) -> Answer:
        startup()
        return wire.answer(sdk, function(context, read_event(**fields)))

    def respond_to(request: Request) -> Answer:
        return called(**wire.of_request(request))

    def otherwise(invocation: Invocation, event: Any) -> Response:
        content_type = b"" if isinstance(event, bytes) else JSON.encode()
        return event_answer(called(body=invocation.body, kind=b"lambda", content_type=content_type), streams)

    handle: Any = serving(respond_to, otherwise=otherwise, failed=_failed)
    handle.startup = startup
    handle.shutdown = lambda: settle(platform._on_signal("termination"))  # noqa: SLF001 - as Nuclio's wrapper does
    return handle  # type: ignore[no-any-return]


nuclio.locate = applications.module_and_attribute  # type: ignore[attr-defined]


def _sdk() -> Any:
    try:
        import nuclio_sdk.event
        import nuclio_sdk.json_encoder
    except ImportError as error:
        raise ImportModuleError(
            f"the nuclio convention needs Nuclio's SDK, which cannot be imported: {error}; install nuclio-sdk",
            module="nuclio_sdk",
        ) from None
    return nuclio_sdk


def _logger(sdk: Any) -> Any:
    """The context's logger, whose records reach our log through the root logger."""
    logger = sdk.Logger(logs.level())
    logger._logger.addFilter(_shown)  # noqa: SLF001 - there is no other way to the records
    return logger


def _shown(record: Any) -> bool:
    """Whether a record is logged. Its fields, which a JSON record has anyway, become part of its text."""
    fields = getattr(record, "with", None)
    if fields and os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() != "JSON":
        plain = record.getMessage
        record.getMessage = lambda: f"{plain()}: {fields}"
    return bool(record.levelno >= logs.level())


def _failed(error: Exception | SystemExit) -> Answer:
    from traceback import format_exception

    trace = "".join(format_exception(type(error), error, user_traceback(error)))
    body = f'Exception caught in handler - "{text(error)}": {trace}'
    return 500, [("content-type", "text/plain")], body.encode(errors="replace")


def dispatch_conventions() -> Conventions:
    """The convention for a function of Nuclio."""
    return {"nuclio": nuclio}
