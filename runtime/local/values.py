"""Values that others give: JSON that may be too deep to read, and text that may not fit into one line."""

from __future__ import annotations

import json
import os
from typing import Any, Final

#: The control characters of ASCII, which neither a header nor a line of a log may have; each becomes a blank.
CONTROLS: Final = dict.fromkeys([*range(0x20), 0x7F], " ")


#: The hexadecimal digit that a drawn one becomes where a UUID has its variant (RFC 9562, section 4.1).
VARIANTS: Final = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def parse_json(text: str | bytes) -> Any:
    """Parse JSON; an integer of more digits than Python reads is infinite.

    Raises:
        ValueError: it is not JSON, or has more levels than Python can read.
    """
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:
        return float(digits)


def one_line(text: str) -> str:
    """Return text without control characters, surrogates, and blanks around it."""
    if text.isascii() and text.isprintable():
        return text.strip(" ")
    return text.translate(CONTROLS).strip(" ").encode(errors="replace").decode()


def new_id() -> str:
    """Return a new random UUID as text, for less than the price of Python's `uuid4`."""
    drawn = os.urandom(16).hex()
    return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-{VARIANTS[drawn[16]]}{drawn[17:20]}-{drawn[20:]}"
