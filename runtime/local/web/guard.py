"""The guard of the web application: by default it admits only this machine, and no web page but our own.

Without a token, a request must name a host that is always this machine, so that a name of elsewhere that leads here
(DNS rebinding) is refused. With a token, a request must carry it, whatever host it names: a service's, a pod's address.
Either way a browser may not call for a page of another origin, unless the CORS setting of a function URL allows that
origin.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias
from urllib.parse import SplitResult, parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatch import protocol
from runtime.local import addresses
from runtime.local.web.json_response import JSONResponse

COOKIE: Final = "dispatch-token"
LOCAL_NAMES: Final = ("localhost", ".localhost")
#: The values of Sec-Fetch-Site for requests that no other site caused.
OWN_SITE: Final = frozenset({"same-origin", "none"})

FOREIGN_HOST: Final = "the host {!r} is not this machine"
FOREIGN_ORIGIN: Final = (
    "a web page of another origin may not call this; the CORS setting of a function URL can allow it"
)
NO_TOKEN: Final = (
    "this server requires its token: as AWS_ACCESS_KEY_ID of an AWS client, in the header "
    f"{addresses.TOKEN} or Authorization: Bearer, or once for a browser as /?token=…"
)

#: Returns whether pages of an origin may call a path.
Allows: TypeAlias = Callable[[str, str], bool]


def is_loopback(host: str) -> bool:
    """Return whether a name or an address is always this machine."""
    name = host.strip("[]").lower()
    if name == LOCAL_NAMES[0] or name.endswith(LOCAL_NAMES[1]):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses requests that may not pass."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        refusal = self._rules.refusal(scope, Headers(scope=scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)


class Rules:
    """Which requests may pass; `token` is empty where none is required."""

    def __init__(self, token: str, allows: Allows) -> None:
        self._token = token
        self._allows = allows

    def refusal(self, scope: Scope, headers: Mapping[str, str]) -> Response | None:
        """Return the response to a request with these headers that may not pass; None for the others."""
        if not self._token and not _is_this_machine(headers.get("host", "")):
            return _forbidden(FOREIGN_HOST.format(headers.get("host", "")))
        if self._is_foreign(scope["path"], headers):
            return _forbidden(FOREIGN_ORIGIN)
        if not self._token or scope["path"] == addresses.HEALTH:
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and self._matches(given):
            response = RedirectResponse("/", 303)
            response.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            return response
        return None if any(map(self._matches, _tokens(headers))) else _forbidden(NO_TOKEN)

    def _matches(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _is_foreign(self, path: str, headers: Mapping[str, str]) -> bool:
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "none") not in OWN_SITE
        address = _address(origin)
        own = address is not None and address.netloc == headers.get("host")
        return not own and not self._allows(path, origin)


def _address(url: str) -> SplitResult | None:
    """Take a URL apart; None if it is malformed."""
    try:
        return urlsplit(url)
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _is_this_machine(host: str) -> bool:
    """Whether the value of a Host header names this machine."""
    address = _address(f"//{host}")
    return is_loopback((address and address.hostname) or "")


def _tokens(headers: Mapping[str, str]) -> list[str]:
    """Return what may be the token; AWS clients send it as the id of the key that signs a request."""
    authorization = headers.get("authorization", "")
    return [
        headers.get(addresses.TOKEN.lower(), ""),
        authorization.removeprefix("Bearer "),
        authorization.partition("Credential=")[2].partition("/")[0],
        cookie_parser(headers.get("cookie", "")).get(COOKIE, ""),
    ]


def _forbidden(message: str) -> Response:
    body = {"Type": "User", "Message": message, "message": message}
    return JSONResponse(body, 403, {protocol.AMZN_ERROR_TYPE: "AccessDeniedException"})
