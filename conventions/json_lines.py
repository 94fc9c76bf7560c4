"""The lines that a program of the `coprocess` convention reads and writes.

JSON texts are passed on as they came, which keeps the digits of their numbers: 1.10 does not become 1.1.
"""

from __future__ import annotations

from conventions import codec
from dispatch.errors import DispatchError, MarshalError, UnmarshalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dispatch.invocation import Invocation

RESULT, ERROR, CHUNK = KINDS = ("result", "error", "chunk")

#: What JSON allows around a value, and what some programs write at the start of their output.
_BLANKS, _BYTE_ORDER_MARK = b" \t\r\n", b"\xef\xbb\xbf"

#: How a line with a result begins.
_START = b'{"result":'

_WANTED = 'write {"result": …}, {"error": {"errorType": "…", "errorMessage": "…"}} or {"chunk": "…"}'


class ReportedError(DispatchError):
    """The error that a program has answered.

    Attributes:
        fields: the keys of its report that the program has set.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__(fields["errorMessage"])
        self.error_type = fields["errorType"]
        self.fields = fields


def asked(invocation: Invocation) -> bytes:
    """The event and its headers as a line. Raises UnmarshalError."""
    text = invocation.body if invocation.encoding == "utf-8" else invocation.text.encode("utf-8", "surrogatepass")
    text = text.removeprefix(_BYTE_ORDER_MARK)
    try:
        codec.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, UnicodeDecodeError):
            invocation.text  # noqa: B018 - its error names HANDLER_ENCODING
        raise UnmarshalError(f"the event is not JSON: {error}; it starts with {invocation.body[:40]!r}") from None
    # Within strings JSON has no line ends.
    text = text.replace(b"\r", b" ").replace(b"\n", b" ")
    return b'{"event": %b, "headers": %b}\n' % (text, _dumps(dict(invocation.headers)))


def answered(line: bytes, name: str) -> tuple[str, Any]:
    """The kind of a line, and its value: the result as JSON, the error as an exception, or the chunk's text.

    Raises:
        MarshalError: the line is not an answer.
    """
    text = line.removeprefix(_BYTE_ORDER_MARK).strip(_BLANKS)
    if text.startswith(_START) and text.endswith(b"}"):
        result = text[len(_START) : -1].strip(_BLANKS)
        if _is_json(result):
            return RESULT, result
    try:
        answer = codec.loads(text)
        kind = _kind(answer)
        return kind, _READ[kind](answer[kind])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise MarshalError(f"{name} wrote a line that is not an answer: {line[:80]!r}; {_WANTED}") from None


def _is_json(text: bytes) -> bool:
    try:
        codec.loads(text)
    except (ValueError, RecursionError):
        return False
    return not text.startswith(_BYTE_ORDER_MARK)


def _kind(answer: Any) -> str:
    """The only kind that the answer has."""
    (kind,) = [kind for kind in KINDS if kind in answer]
    return kind


def _error(value: Any) -> ReportedError:
    trace = value.get("stackTrace") if isinstance(value, dict) else None
    if not isinstance(trace, list | None):
        raise TypeError
    if not value["errorType"]:
        raise ValueError
    fields = {"errorType": _text(value["errorType"]), "errorMessage": _text(value["errorMessage"])}
    return ReportedError({**fields, "stackTrace": [_text(entry) for entry in trace]} if trace else fields)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


_dumps = codec.encoder(blanks=False, encoding=None, allow_nan=False)

#: What becomes of the value of each kind.
_READ = {RESULT: _dumps, ERROR: _error, CHUNK: _text}
