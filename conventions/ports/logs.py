"""Logging that a platform's package has set up for its own server: here each record reaches the log once."""

from __future__ import annotations

import logging
import os

#: Lambda's own name for a level that Python's logging does not have.
_TRACE = {"TRACE": "DEBUG"}


def only_ours(logger: logging.Logger, package: str) -> None:
    """Remove the handlers that a package has given a logger, if its records also reach another one, as the runtime's.

    Args:
        logger: the one that the package has set up.
        package: the top-level package of the handlers' formatters.
    """
    own = [item for item in logger.handlers if type(item.formatter).__module__.partition(".")[0] == package]
    if {*logger.handlers, *logging.getLogger().handlers} - {*own}:
        for handler in own:
            logger.removeHandler(handler)


def level(default: int = logging.DEBUG) -> int:
    """The level of `AWS_LAMBDA_LOG_LEVEL`; the default if it is not set, or not known to logging."""
    name = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    return logging.getLevelNamesMapping().get(_TRACE.get(name, name), default)
