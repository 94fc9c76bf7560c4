"""Responses in JSON."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from dispatch import protocol


class JSONResponse(Response):
    """A value as JSON in ASCII: what callers and systems give as text may be more than UTF-8 can express."""

    media_type = protocol.JSON

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content, separators=(",", ":")).encode()
