"""Error reports in the words of AWS's managed Python runtime, for the `lambda` convention.

The sentences are those of awslambdaric 4.2.2, and tests compare the two.
"""

from __future__ import annotations

from dispatch import error_reports, exceptions
from dispatch.errors import (
    BuiltInModuleConflict,
    DispatchError,
    HandlerNotFound,
    ImportModuleError,
    MalformedHandlerName,
    UserCodeSyntaxError,
)
from dispatch.protocol import XRAY_CAUSE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dispatch.error_reports import ErrorReport

#: AWS's sentence for each class of our errors, to be filled in from the error's facts.
_SENTENCES: dict[type[DispatchError], str] = {
    BuiltInModuleConflict: "Cannot use built-in module {module} as a handler module",
    HandlerNotFound: "Handler '{attribute}' missing on module '{module}'",
    ImportModuleError: "Unable to import module '{module}': {reason}",
    MalformedHandlerName: "Bad handler '{handler}': not enough values to unpack (expected 2, got 1)",
    UserCodeSyntaxError: "Syntax error in module '{module}': {reason}",
}

#: The X-Ray type of an error that the runtime raised itself.
_VALIDATION_ERROR = "LambdaValidationError"


def report(error: BaseException, request_id: str) -> ErrorReport:
    """The report as AWS's runtime builds it: without causes, and with its type only in the body."""
    message, kind, frames = exceptions.message(error), exceptions.error_type(error), []
    # Not isinstance, which would ask an exception of the user's for its `__class__`.
    if issubclass(type(error), DispatchError):
        message, trace = _sentence(error), _syntax_error(error.__cause__)
        cause = error_reports.xray_cause(message, _VALIDATION_ERROR, [])
    else:
        frames = exceptions.user_frames(error, (exceptions.EVENT_LOOP,))
        trace = exceptions.formatted(frames, columns=False)
        cause = error_reports.xray_cause(message, kind, frames)
    fields = {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}
    return error_reports.ErrorReport(fields, {XRAY_CAUSE: cause}, always_headed=True)


def _sentence(error: Any) -> str:
    """AWS's words for one of our errors; our own if AWS has no such case."""
    sentence = _SENTENCES.get(type(error))
    try:
        return sentence.format(**error.facts) if sentence else exceptions.text(error)
    except KeyError:  # the error is not about a module
        return exceptions.text(error)


def _syntax_error(cause: BaseException | None) -> list[str]:
    if not isinstance(cause, SyntaxError):
        return []
    return [f'  File "{cause.filename}" Line {cause.lineno}\n    {cause.text}']
