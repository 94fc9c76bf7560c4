"""Logs failures that reach no one else, because the answer reports them in another way or not at all."""

from __future__ import annotations

from dispatch.error_reports import warn
from dispatch.exceptions import titled, user_traceback


def log(logger: str, message: str, error: BaseException | None = None) -> None:
    """Log an error with its and its causes' tracebacks from the user's first frames on, or, without one, a warning."""
    try:
        from logging import ERROR, WARNING, getLogger

        _shorten(error)
        exception = None if error is None else (type(error), error, error.__traceback__)
        getLogger(logger).log(WARNING if error is None else ERROR, message, exc_info=exception)
    except Exception:  # noqa: BLE001 - the task root has its own logging.py, or a filter of the user's fails
        warn(message if error is None else f"{message}: {titled(error)}")


def _shorten(error: BaseException | None) -> None:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = user_traceback(error)
        error = error.__context__ if error.__cause__ is None else error.__cause__
