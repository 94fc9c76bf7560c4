"""The least that a function for functions-framework does: it returns the request's body."""

from typing import Any

import functions_framework


def handler(request: Any) -> bytes:
    return bytes(request.get_data())


handler = functions_framework.http(handler)
