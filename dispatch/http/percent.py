"""Percent-encoding of paths and query strings, without `urllib.parse`, whose import costs milliseconds.

Decoding works on bytes: a path that is not UTF-8 keeps its bytes for WSGI.
"""

from __future__ import annotations

import binascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))

#: What an encoder keeps. A decoded path: what RFC 3986 (section 3.3) allows in one, which `%` is not part of.
DECODED_PATH = frozenset(_UNRESERVED + "!$&'()*+,;=:@/")
#: A decoded name or value of a query string.
DECODED_QUERY = frozenset(_UNRESERVED)
#: A path, a query string, its names and its values as clients send them: escapes stay, and so does what browsers leave
#: unescaped. Only what would end the part, or cannot be in a request line, is encoded.
SENT_PATH = frozenset(_VISIBLE) - frozenset("?#")
SENT_QUERY = frozenset(_VISIBLE) - frozenset("#")
SENT_VALUE = SENT_QUERY - frozenset("&")
SENT_NAME = SENT_VALUE - frozenset("=")


def encode(text: str, kept: frozenset[str]) -> str:
    """The text with every byte of every character that is not `kept` as `%XX`."""
    if kept.issuperset(text):
        return text
    return "".join(
        [chr(byte) if chr(byte) in kept else f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass")]
    )


def decode(text: str) -> bytes:
    """The bytes that percent-encoded text stands for; a `%` without two hexadecimal digits stands for itself."""
    first, *parts = text.encode("utf-8", "surrogatepass").split(b"%")
    found = [first]
    for part in parts:
        try:
            found += (binascii.unhexlify(part[:2] or b"?"), part[2:])
        except binascii.Error:
            found += (b"%", part)
    return b"".join(found)


def decode_text(text: str) -> str:
    """The same as text; bytes that are not UTF-8 become U+FFFD, as in every web framework."""
    return decode(text).decode("utf-8", "replace")


def decode_query(query: str) -> list[tuple[str, str]]:
    """The decoded names and values of a query string in their order; `+` is a blank, `name` is `name=`."""
    pieces = [piece.partition("=") for piece in query.replace("+", " ").split("&") if piece]
    return [(decode_text(name), decode_text(value)) for name, _, value in pieces]


def encode_query(pairs: Iterable[tuple[str, str]], *, sent: bool) -> str:
    """A query string of these pairs, which are decoded, or as they were `sent`."""
    names, values = (SENT_NAME, SENT_VALUE) if sent else (DECODED_QUERY, DECODED_QUERY)
    return "&".join([f"{encode(name, names)}={encode(value, values)}" for name, value in pairs])
