"""HTTP requests and responses of Azure Functions, as the host passes them to its worker and sends what comes back.

A request is what the host's `GrpcMessageConversionExtensions.cs` makes of it for a worker with the capabilities of
azure-functions-runtime 1.3.0 (`handle_event.py`): query parameters without a value are left out, repeated ones and
repeated headers are joined with a comma, the body is bytes. A response is read by the rules of `datumdef.py` of that
package, then of the host's `HttpBinding.cs` and `RawScriptResult.cs`, and cookies are written as ASP.NET Core writes
them (`ResponseCookies.cs`).
"""

from __future__ import annotations

import json
import re
from time import strftime, strptime

from dispatch.http import percent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from conventions.web import Answer
    from dispatch.http import Request

    Headers = list[tuple[str, str]]

#: An escaped slash, which Kestrel does not decode.
_ESCAPED_SLASH = re.compile("(%2[fF])")

#: A percent sign that escapes nothing, and what `PathString` leaves as it is.
_BARE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_IN_PATH = percent.DECODED_PATH | {"%"}

#: Bytes that are not UTF-8, after decoding with `surrogateescape`: Kestrel leaves them escaped.
_NOT_UTF_8 = {0xDC00 + byte: f"%{byte:02X}" for byte in range(0x80, 0x100)}

#: What Kestrel accepts in headers that it sends.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")

#: Statuses whose responses have no body.
_WITHOUT_BODY = frozenset({204, 205, 304})

_TEXT = "text/plain; charset=utf-8"
_EXPIRES = "%a, %d %b %Y %H:%M:%S GMT"


def path_of(raw_path: str) -> str:
    """The path as Kestrel passes it on: decoded, but for slashes and bytes that are not UTF-8, and without dots."""
    parts = _ESCAPED_SLASH.split(raw_path)
    path = "".join([part if _ESCAPED_SLASH.fullmatch(part) else _decoded(part) for part in parts])
    return _without_dots(path.split("/")) if "/." in path else path


def _decoded(text: str) -> str:
    return percent.decode(text).decode("utf-8", "surrogateescape").translate(_NOT_UTF_8)


def _without_dots(segments: list[str]) -> str:
    """A path without its segments `.` and `..` (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    for segment in segments:
        if segment not in {".", ".."}:
            kept.append(segment)
        elif segment == ".." and len(kept) > 1:
            kept.pop()
    return "/".join([*kept, ""] if segments[-1] in {".", ".."} else kept)


def datum_of(request: Request, path: str, parameters: dict[str, str], datum: Any) -> Any:
    """The request as the data of a trigger; `datum` is azure.functions' class for data."""
    kept = percent.encode(_BARE_PERCENT.sub("%25", path), _IN_PATH)
    host = request.headers.get("host") or request.host or "localhost"
    query = f"?{request.raw_query}" if request.raw_query else ""

    def texts(values: dict[str, str]) -> dict[str, Any]:
        return {name: datum(value, "string") for name, value in values.items()}

    value = {
        "method": datum(request.method, "string"),
        "url": datum(f"{request.scheme}://{host}{kept}{query}", "string"),
        "headers": texts(_joined((name.lower(), value) for name, value in request.header_pairs)),
        "query": texts({name: value for name, value in _joined(request.query).items() if value}),
        "params": texts(parameters),
        "body": datum(request.body, "bytes"),
    }
    return datum(value, "http")


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Values by name, the first spelling of which counts; of several values those that are empty are left out."""
    values: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for name, value in pairs:
        values.setdefault(names.setdefault(name.lower(), name), []).append(value)
    return {name: ",".join(filter(None, found)) for name, found in values.items()}


def answer_of(datum: Any) -> Answer:
    """The answer that a function's result is sent as; None is the result of a function that has set no response."""
    if datum is None:
        return 204, [], b""
    if datum.type != "http":
        return _of_value(datum.value)
    value = datum.value
    status = _status(value["status_code"].value)
    headers = _sent((name, each.value) for name, each in value["headers"].items())
    headers += [("set-cookie", text) for cookie in value["cookies"] or () for text in map(_cookie, cookie.values())]
    return status, headers, b"" if status in _WITHOUT_BODY else value["body"].value


def _status(text: Any) -> int:
    return int(text) if re.fullmatch(r"\s*[+-]?\d+\s*", str(text), re.ASCII) else 200


def _sent(pairs: Iterable[tuple[str, str]]) -> Headers:
    """The headers that are sent: of those with one name the first, but the last content type."""
    found: dict[str, tuple[str, str]] = {}
    for name, value in pairs:
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise ValueError(f"the header {name!r} cannot be sent: {value!r}; only visible ASCII characters can")
        if name.lower() not in found or name.lower() == "content-type":
            found[name.lower()] = (name, value)
    return list(found.values())


def _of_value(value: Any) -> Answer:
    """The response for a value that is not an HttpResponse: the host parses text as JSON and sends the result."""
    status = 200
    headers: Headers = []
    if isinstance(value, bytes):
        return status, headers, value
    if isinstance(value, str):
        try:
            value = json.loads(value, parse_constant=_as_text)
        except (ValueError, RecursionError):
            return status, [("content-type", _TEXT)], value.encode("utf-8", "replace")
    if isinstance(value, dict):
        fields = {name.lower(): each for name, each in value.items()}
        if "body" in fields:
            value = fields["body"]
            given = fields.get("headers")
            headers = _sent((name, _text(each)) for name, each in given.items()) if isinstance(given, dict) else []
            status = _status(fields.get("statuscode", fields.get("status", status)))
            value = json.dumps(value, ensure_ascii=False, separators=(",", ":")) if isinstance(value, dict) else value
    return status, _with_charset(headers), b"" if status in _WITHOUT_BODY else _text(value).encode("utf-8", "replace")


def _as_text(constant: str) -> Any:
    """NaN and the infinities stay as they are."""
    raise ValueError(constant)


def _with_charset(headers: Headers) -> Headers:
    kind = next((value for name, value in headers if name.lower() == "content-type"), "text/plain")
    rest = [(name, value) for name, value in headers if name.lower() != "content-type"]
    return [*rest, ("content-type", kind if "charset=" in kind.lower() else f"{kind}; charset=utf-8")]


def _text(value: Any) -> str:
    """A JSON value as .NET's ToString() writes it."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float):
        return repr(value).removesuffix(".0").replace("e", "E")
    return str(value) if isinstance(value, bool | int) else json.dumps(value, ensure_ascii=False, indent=2)


def _cookie(morsel: Any) -> str:
    """One cookie, which the SDK has parsed; raises ValueError where the worker or the host fails."""
    try:
        lifetime = _lifetime(morsel)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"the cookie {morsel.key!r} cannot be sent: {error}") from None
    parts = [f"{morsel.key}={percent.encode(morsel.value, percent.DECODED_QUERY)}"]
    parts += [*lifetime, f"domain={morsel['domain']}", f"path={morsel['path']}"]
    parts += ["secure"] if morsel["secure"] else []
    same_site = str(morsel["samesite"]).lower()
    parts += [f"samesite={same_site}"] if same_site in {"lax", "strict", "none"} else []
    parts += ["httponly"] if morsel["httponly"] else []
    return "; ".join(parts)


def _lifetime(morsel: Any) -> list[str]:
    found = []
    if morsel["expires"]:
        found.append(f"expires={strftime(_EXPIRES, strptime(morsel['expires'], _EXPIRES))}")
    if morsel["max-age"]:
        seconds = int(float(morsel["max-age"]))
        if seconds < 0:
            raise ValueError(f"its Max-Age is negative: {seconds}")
        found.append(f"max-age={seconds}")
    return found
