"""Who may call: nobody but this machine, and no web page but our own.

Without a token, requests must name a host that only this machine answers to, so that a name leading here from elsewhere
(DNS rebinding) gets nothing. With one, they must bring it, by whatever name they come: a service's, a pod's address.
Either way a browser must not be calling for a page of another origin, except where a function URL's CORS setting lets
that origin in.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE: Final = "dispatch-token"
LOCAL_NAMES: Final = ("localhost", ".localhost")
#: What a browser calls requests that no other site caused.
OWN_SITE: Final = frozenset({"same-origin", "none"})

#: Says whether a path may be called by pages of this origin.
Allows: TypeAlias = Callable[[str, str], bool]


def is_loopback(host: str) -> bool:
    """Whether this name or address is always this machine."""
    name = host.strip("[]").lower()
    if name == LOCAL_NAMES[0] or name.endswith(LOCAL_NAMES[1]):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Guard:
    """Lets through what may pass; `token` is empty where none is asked for."""

    def __init__(self, app: ASGIApp, token: str, allows: Allows) -> None:
        self._app = app
        self._token = token
        self._allows = allows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope, Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        if not self._token and not is_loopback(_hostname(headers)):
            return _forbidden(f"the host {headers.get('host', '')!r} is not this machine")
        if self._is_foreign(scope["path"], headers):
            return _forbidden(
                "a web page of another origin may not call this; a function URL's CORS setting may allow it"
            )
        if not self._token or scope["path"] == "/health":
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and self._matches(given):
            response = RedirectResponse("/", 303)
            response.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            return response
        return None if any(map(self._matches, _tokens(headers))) else _forbidden(HOW)

    def _matches(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _is_foreign(self, path: str, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "none") not in OWN_SITE
        return urlsplit(origin).netloc != headers.get("host") and not self._allows(path, origin)


HOW: Final = (
    "this server asks for its token: as AWS_ACCESS_KEY_ID of an AWS client, in the header X-Dispatch-Token or "
    "Authorization: Bearer, or once for a browser as /?token=…"
)


def _hostname(headers: Headers) -> str:
    return urlsplit(f"//{headers.get('host', '')}").hostname or ""


def _tokens(headers: Headers) -> list[str]:
    """Where a token may be: for AWS clients it is the key id that a request is signed with."""
    authorization = headers.get("authorization", "")
    cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    return [
        headers.get("x-dispatch-token", ""),
        authorization.removeprefix("Bearer "),
        authorization.partition("Credential=")[2].partition("/")[0],
        cookie.value if cookie else "",
    ]


def _forbidden(message: str) -> Response:
    body = {"Type": "User", "Message": message, "message": message}
    return JSONResponse(body, 403, {"x-amzn-ErrorType": "AccessDeniedException"})
