"""A function as an ASGI application, for engines that speak HTTP: `uvicorn runtime.asgi:app`.

`HANDLER`, `HANDLER_CONVENTION` and the other variables name the function, as for the runtime.
"""

from __future__ import annotations

from runtime.asgi.application import Application

__all__ = ["app"]

app = Application()
