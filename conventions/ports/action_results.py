"""What the result of an OpenWhisk action becomes over HTTP, by the extension of the action's name in the URL.

The rules are those of `WebActions.scala` in Apache OpenWhisk's controller (its transcoders for `.http`, `.json`,
`.html`, `.svg` and `.text`), and of the media types of Akka HTTP, which it runs on.
"""

from __future__ import annotations

import binascii

from conventions import codec
from conventions.web import part
from dispatch import current
from dispatch.asynchrony import settle
from dispatch.errors import MarshalError
from dispatch.protocol import JSON
from dispatch.response import chunks, is_iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from conventions.web import Answer, Headers

_CHARSET = "; charset=UTF-8"
_HTML = "text/html"

#: Types of text that do not begin with `text/`; all others are binary unless they have a charset.
_TEXT = frozenset(
    f"application/{name}" for name in ("json", "javascript", "xml", "xml-dtd", "base64", "x-www-form-urlencoded")
)

_INVALID = "Response is not valid '{}'."
_MISMATCH = "Response type in header did not match generated content type."


class Refused(Exception):
    """What the controller answers by itself: a JSON object with the reason."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status

    def answer(self) -> Answer:
        """The answer to the request."""
        body = encoded({"error": str(self), "code": current().request_id})
        return self.status, [("Content-Type", JSON)], body


def encoded(value: Any) -> bytes:
    """A value as JSON, if Python's own `json` can write it, too. Raises MarshalError."""
    try:
        return _dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise MarshalError(f"the action's result is not JSON: {error}") from None


_dumps = codec.encoder(blanks=False, encoding=None, use_decimal=False, namedtuple_as_object=False)


def media_type(value: str) -> tuple[str, str, bool]:
    """A content type's media type, its parameters except the charset, and whether it is binary."""
    media, *parameters = [part.strip() for part in value.split(";")]
    media = media.lower()
    kept = "".join([f"; {each}" for each in parameters if each and not each.lower().startswith("charset=")])
    is_text = (
        media.startswith("text/")
        or media in _TEXT
        or is_json(media)
        or (media.startswith("application/") and media.endswith("+xml"))
        or any(each.lower().startswith("charset=") for each in parameters)
    )
    return media, kept, not is_text


def is_json(media: str) -> bool:
    """Whether a media type is one of JSON."""
    return media == JSON or media.endswith("+json")


def answered(result: Any, extension: str) -> Answer:
    """The answer that a result becomes. Raises Refused."""
    if isinstance(result, dict) and "error" in result:
        result = result["error"]
    return EXTENSIONS[extension](result)


def _http(result: Any) -> Answer:
    if is_iterator(result):
        result = {"body": result}
    if not isinstance(result, dict):
        raise Refused(_INVALID.format("message/http"))
    headers = _headers(result.get("headers", {}))
    status = _status(result["statusCode"]) if "statusCode" in result else None
    content_type = next((value for name, value in headers if name.lower() == "content-type"), "")
    headers = [pair for pair in headers if pair[0].lower() != "content-type"]
    body = settle(result.get("body"))
    if body is None or body == "":
        return status or 204, headers, b""
    is_text = isinstance(body, str) or is_iterator(body)
    content_type, data = _text(body, content_type or _HTML) if is_text else _json(body, content_type or JSON)
    return status or 200, [("Content-Type", content_type), *headers], data


def _headers(headers: Any) -> Headers:
    if not isinstance(headers, dict):
        raise Refused(_INVALID.format("message/http"))
    return [(str(name), value) for name, values in headers.items() for value in _values(values)]


def _values(value: Any) -> list[str]:
    if isinstance(value, bool):
        return [str(value).lower()]
    if isinstance(value, str | int | float):
        return [str(value)]
    if isinstance(value, list | tuple):
        return [inner for each in value for inner in _values(each)]
    raise Refused(_INVALID.format("message/http"))


def _status(code: Any) -> int:
    if isinstance(code, str) and code.isdecimal():
        code = int(code[:4])
    if isinstance(code, float) and code.is_integer():
        code = int(code)
    if isinstance(code, bool) or not isinstance(code, int) or not 100 <= code <= 599:
        raise Refused(_INVALID.format("message/http"))
    return code


def _text(body: str | Iterator[Any], content_type: str) -> tuple[str, bytes | Iterator[bytes]]:
    """A body of text, which is base64 if its type is binary, or of parts, which are sent as they are."""
    media, parameters, is_binary = media_type(content_type)
    if len(media.split("/")) != 2 or not all(media.split("/")):
        raise Refused("Response did not specify a known content-type.")
    full = f"{media}{parameters}{'' if is_binary or is_json(media) else _CHARSET}"
    if not isinstance(body, str):
        return full, chunks(body, part)
    if is_binary:
        data = _decoded(body if "=" in body else body + "=" * (-len(body) % 4))  # for Java, padding may be missing
        if data is None:
            raise Refused(_MISMATCH)
        return full, data
    return full, (_decoded(body) if is_json(media) else None) or body.encode("utf-8", "replace")


def _decoded(text: str) -> bytes | None:
    """The bytes of base64; None if it is not."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None


def _json(body: Any, content_type: str) -> tuple[str, bytes]:
    media, parameters, _ = media_type(content_type)
    if not is_json(media):
        raise Refused(_MISMATCH)
    return f"{media}{parameters}", encoded(body)


def _whole(result: Any) -> Answer:
    if not isinstance(result, dict | list):
        raise Refused(_INVALID.format(JSON))
    return 200, [("Content-Type", JSON)], encoded(result)


_MISSING = object()


def _projected(result: Any, name: str) -> Any:
    return result.get("body", result.get(name, _MISSING)) if isinstance(result, dict) else result


def _page(media: str, name: str, charset: str) -> Callable[[Any], Answer]:
    def page(result: Any) -> Answer:
        text = _projected(result, name)
        if not isinstance(text, str):
            raise Refused(_INVALID.format(media))
        return 200, [("Content-Type", media + charset)], text.encode("utf-8", "replace")

    return page


def _plain(result: Any) -> Answer:
    text = _projected(result, "text")
    if text is _MISSING:
        raise Refused("Response does not include requested property.", 404)
    data = text.encode("utf-8", "replace") if isinstance(text, str) else encoded(text)
    return 200, [("Content-Type", f"text/plain{_CHARSET}")], data


#: What turns a result into an answer, by extension.
EXTENSIONS: dict[str, Callable[[Any], Answer]] = {
    ".http": _http,
    ".json": _whole,
    ".html": _page(_HTML, "html", _CHARSET),
    ".svg": _page("image/svg+xml", "svg", ""),
    ".text": _plain,
}
