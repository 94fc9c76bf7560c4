"""Run functions as Lambda would, from a test, a script or a notebook.

    from runtime.testing import Function, serving

    with serving(Function(handler="app.handler", root="src")) as local:
        result = local.invoke('{"name": "Ada"}')
        print(result.json, result.log)

`Invoker` does the same in the caller's own process; it is what pytest's fixture `invoke` gives a test.
"""

from __future__ import annotations

from runtime.local.function import FunctionConfig as Function
from runtime.local.function_error import FunctionError
from runtime.testing.invoker import Invoker
from runtime.testing.platform import LocalPlatform, serving
from runtime.testing.result import Chunk, Http, Result

__all__ = ["Chunk", "Function", "FunctionError", "Http", "Invoker", "LocalPlatform", "Result", "serving"]
