"""Run functions as Lambda would, from a test, a script or a notebook.

from runtime.testing import Function, serving

with serving(Function(handler="app.handler", root="src")) as local:
    result = local.invoke('{"name": "Ada"}')
    print(result.json, result.log)
"""

from __future__ import annotations

from runtime.local.function import FunctionConfig as Function
from runtime.local.invocation import FunctionError
from runtime.testing.platform import LocalPlatform, Result, serving

__all__ = ["Function", "FunctionError", "LocalPlatform", "Result", "serving"]
