"""Bodies in JSON: text as it is, anything else as base64."""

from __future__ import annotations

import binascii

#: The content types of which AWS hands a request's body over as text; of any other it makes base64.
TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")


def encode(body: bytes, *, as_text: bool) -> tuple[str, bool]:
    """The body for an event or an answer, and whether it is base64: also where it should be text and is not UTF-8."""
    if as_text:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return binascii.b2a_base64(body, newline=False).decode(), True


def decode(body: str, *, is_base64: bool) -> bytes:
    """The bytes of such a body. Raises ValueError for what is not base64."""
    return binascii.a2b_base64(body, strict_mode=True) if is_base64 else body.encode("utf-8", "surrogatepass")
