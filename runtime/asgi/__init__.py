"""A function as an ASGI application, for engines that speak HTTP: `uvicorn runtime.asgi:app`.

`HANDLER`, `HANDLER_CONVENTION` and the other variables name the function, as for the runtime.
"""

from __future__ import annotations

import os
import sys

# Servers put "" there, which would soon mean the function's folder. Before our modules remember the path.
sys.path[:] = map(os.path.abspath, sys.path)

from runtime.asgi.application import Application  # noqa: E402

__all__ = ["app"]

app = Application()
"""The ASGI application: loads the function when the server starts, and hands it every request."""
