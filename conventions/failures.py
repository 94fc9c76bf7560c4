"""Logs failures that reach no one else, because the answer reports them in another way or not at all."""

from __future__ import annotations

import os

from dispatch.error_reports import text, user_traceback


def log(logger: str, message: str, error: BaseException | None = None) -> None:
    """Log an error with its traceback from the user's first frame on, or, without one, a warning."""
    exception = None if error is None else (type(error), error, user_traceback(error))
    try:
        from logging import ERROR, WARNING, getLogger

        getLogger(logger).log(WARNING if error is None else ERROR, message, exc_info=exception)
    except Exception:  # noqa: BLE001 - the task root has its own logging.py, or a filter of the user's fails
        os.write(2, f"dispatch: {message}{'' if error is None else f': {text(error)}'}\n".encode("utf-8", "replace"))
