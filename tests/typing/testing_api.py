"""`runtime.testing` as a user would use it, for the type checker alone."""

from __future__ import annotations

from pathlib import Path

from runtime.testing import Function, Result, serving


def answers() -> tuple[bytes, str, str]:
    """Two functions, their roots named as text and as a path."""
    one, two = Function(handler="app.one", root="functions"), Function(name="two", root=Path("functions"), timeout=5)
    with serving(one, two) as local:
        result: Result = local.invoke('{"a": 1}')
        error = local.invoke(b"{}", "two", trace_id="Root=1").error
    return result.body, result.text + result.log, "" if error is None else f"{error.type}: {error.message}"
