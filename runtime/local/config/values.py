"""Values of a template or of `dispatch.toml` as text: for variables, and for messages."""

from __future__ import annotations

from typing import Any


def scalar_text(value: Any) -> str:
    """Return a scalar as AWS SAM writes it into a variable: `true`, `1.5`, and an empty text for null."""
    if value is None:
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def shown(value: Any) -> str:
    """Return a value for a message, cut if it is long; null and booleans as the file spells them."""
    written = "null" if value is None else scalar_text(value) if isinstance(value, bool) else repr(value)
    return written if len(written) <= 80 else f"{written[:77]}..."
