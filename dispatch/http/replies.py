"""Answers to HTTP events in the format that the sender of the event reads, complete or streamed."""

from __future__ import annotations

from _collections_abc import Mapping

from dispatch.http import bodies
from dispatch.http.kinds import ALB, ALB_MULTI_VALUE, FUNCTION_URL, HTTP_API, REST_API
from dispatch.http.statuses import description
from dispatch.response import HTTPResponse, check_header, check_status, is_iterator, stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from dispatch.http.request import Request

    Headers = Mapping[str, str] | Iterable[tuple[str, str]]
    Values = dict[str, list[str]]

_SET_COOKIE = "set-cookie"
#: Its letters; the hyphen has no upper case.
_LETTERS = ("s", "e", "t-", "c", "o", "o", "k", "i", "e")


def reply(
    request: Request, status: int = 200, headers: Headers = (), body: bytes | str = b"", cookies: Iterable[str] = ()
) -> dict[str, Any]:
    """The answer to a request in its event's own format, to be sent as JSON.

    The body goes as text where its content type is text and it is UTF-8, else as base64; compressed bodies
    (`Content-Encoding`) always go as base64. Answers to HEAD, and those whose status allows no body, are sent without.

    Args:
        request: made by `Request.from_event`.
        status: 100 to 599.
        headers: a mapping, or pairs of which names may be repeated. `Set-Cookie` headers join the cookies.
        body: text is sent as UTF-8.
        cookies: the values of `Set-Cookie` headers, none of which is lost in any format.

    Raises:
        TypeError, ValueError: a status, a header or a cookie is something that HTTP cannot carry: line ends, NUL,
            characters outside Latin-1, a name with spaces; or the request was not made from an event.
    """
    if request.kind is None:
        raise ValueError(f"no format to answer in: {request!r} was not made from an event")
    check_status(status)
    values, all_cookies = _checked(headers, cookies)
    answer: dict[str, Any] = {"statusCode": int(status), **_HEADER_FIELDS[request.kind](values, all_cookies)}
    if request.kind in {ALB, ALB_MULTI_VALUE}:
        answer["statusDescription"] = description(status)
    content = b"" if _is_bodiless(request, status) else body.encode() if isinstance(body, str) else bytes(body)
    answer["body"], answer["isBase64Encoded"] = bodies.encode(content, as_text=not content or _is_text(values))
    return answer


def streamed_reply(
    request: Request, status: int = 200, headers: Headers = (), body: Any = b"", cookies: Iterable[str] = ()
) -> HTTPResponse:
    """The answer to a request as an `HTTPResponse`, whose body is streamed; arguments and errors are those of `reply`.

    Repeated headers are joined with commas: the prelude of a streamed answer has one value for each.
    """
    check_status(status)
    values, all_cookies = _checked(headers, cookies)
    if _is_bodiless(request, status):
        if is_iterator(body):
            stop(body)
        body = b""
    return HTTPResponse(status, {name: ", ".join(each) for name, each in values.items()}, all_cookies, body)


def _checked(headers: Headers, cookies: Iterable[str]) -> tuple[Values, list[str]]:
    """The values by the first spelling of their names, and the cookies."""
    if isinstance(cookies, str):
        raise TypeError(f"cookies must be a list of strings, not the string {cookies!r}")
    values: Values = {}
    spelled: dict[str, str] = {}
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        _check(name, value)
        values.setdefault(spelled.setdefault(name.lower(), name), []).append(value)
    found = [*cookies, *values.pop(spelled.get(_SET_COOKIE, ""), [])]
    for cookie in found:
        _check(_SET_COOKIE, cookie)
    return values, found


def _check(name: Any, value: Any) -> None:
    check_header(name, value)
    if not value.isascii() and max(value) > "\xff":
        raise ValueError(f"HTTP headers and cookies must be Latin-1 text: {value!r}; percent-encode it")


def _payload_1(values: Values, cookies: list[str]) -> dict[str, Any]:
    """What comes once in one field and what is repeated in the other: API Gateway merges them."""
    repeated = {name: each for name, each in values.items() if len(each) > 1}
    if cookies:
        repeated[_SET_COOKIE] = cookies
    single = {name: each[0] for name, each in values.items() if len(each) == 1}
    return {"headers": single, "multiValueHeaders": repeated}


def _payload_2(values: Values, cookies: list[str]) -> dict[str, Any]:
    return {"headers": _joined(values), "cookies": cookies}


def _single_values(values: Values, cookies: list[str]) -> dict[str, Any]:
    """One string for each name. Cookies cannot be joined: each gets a spelling of its own, and all are sent."""
    if len(cookies) > 1 << len(_LETTERS):
        raise ValueError(
            f"too many cookies: {len(cookies)}; a load balancer takes {1 << len(_LETTERS)} "
            "unless multi-value headers are enabled in its target group"
        )
    return {"headers": _joined(values) | {_spelling(number): cookie for number, cookie in enumerate(cookies)}}


def _multiple_values(values: Values, cookies: list[str]) -> dict[str, Any]:
    return {"multiValueHeaders": values | ({_SET_COOKIE: cookies} if cookies else {})}


_HEADER_FIELDS: dict[str, Callable[[Values, list[str]], dict[str, Any]]] = {
    REST_API: _payload_1,
    HTTP_API: _payload_2,
    FUNCTION_URL: _payload_2,
    ALB: _single_values,
    ALB_MULTI_VALUE: _multiple_values,
}


def _joined(values: Values) -> dict[str, str]:
    return {name: ", ".join(each) for name, each in values.items()}


def _spelling(number: int) -> str:
    """The name of cookies with its own mixture of upper and lower case for each number; of 0, all in lower case."""
    return "".join([letter.upper() if number >> place & 1 else letter for place, letter in enumerate(_LETTERS)])


def _is_bodiless(request: Request, status: int) -> bool:
    """RFC 9110, section 6.4.1."""
    return request.method == "HEAD" or status < 200 or status in {204, 304}


def _is_text(values: Values) -> bool:
    lowered = {name.lower(): each[-1].lower() for name, each in values.items()}
    if lowered.get("content-encoding", "identity") != "identity":
        return False
    content_type = lowered.get("content-type", "").partition(";")[0].strip()
    return not content_type or content_type.startswith(bodies.TEXT_TYPES) or content_type.endswith(("+json", "+xml"))
