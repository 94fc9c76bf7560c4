"""What `dispatch serve` prints once it can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import click

from runtime.cli import terminal
from runtime.local import addresses
from runtime.local.config.description import ANY, DEFAULT, ApiRoute, Description
from runtime.local.function import FunctionConfig
from runtime.local.web.guard import is_loopback

#: Characters of one part of a host's name (RFC 1035).
LABEL_LIMIT = 63


def banner(
    address: str, token: str, functions: Sequence[FunctionConfig], described: Description, *, given: bool
) -> None:
    """Print all addresses; that of the server on standard output, for programs that pass port 0.

    A token of the user's own is not printed: it is a secret, and others may read the log.
    """
    click.echo(f"Serving on {address}")
    for function in functions:
        terminal.tell(f"  {function.name}: {function.handler or ' '.join(function.command)}")
        if function.url:
            urls = [f"{address}{addresses.FUNCTION_URL}/{function.name}/"]
            urls += by_host_name(address, function.name, addresses.FUNCTION_URL_DOMAIN)
            terminal.tell(f"    {'  '.join(urls)}")
        for source in function.sources:
            terminal.tell(f"    events from {source.title}")
        if function.debug_port is not None:
            terminal.tell(f"    waiting for a debugger on 127.0.0.1:{function.debug_port}")
    _routes(address, described.routes)
    if given:
        terminal.tell("  callers need the token that you passed")
    elif token:
        terminal.tell(f"  page: {address}/?token={token}")
        terminal.tell(f"  AWS clients: AWS_ACCESS_KEY_ID={token}")
    terminal.tell(f"  export AWS_ENDPOINT_URL_LAMBDA={address}")


def _routes(address: str, routes: Sequence[ApiRoute]) -> None:
    for api in dict.fromkeys(route.api for route in routes):
        own = [route for route in routes if route.api == api]
        stage = "" if own[0].stage == DEFAULT else f"{own[0].stage}/"
        [base] = by_host_name(address, api, addresses.API_DOMAIN) or [f"{address}{addresses.API}/{api}/"]
        terminal.tell(f"  {api}: {base}{stage}")
        for route in own:
            url = f"{address}{route.path}" if route.path != DEFAULT else "every other path"
            is_hidden = route.path in {"/", addresses.HEALTH} and route.method in {"GET", ANY}
            hidden = "; GET is the server's own there" if is_hidden else ""
            terminal.tell(f"    {route.method} {url} -> {route.function}{hidden}")


def by_host_name(address: str, name: str, domain: str) -> list[str]:
    """Return the address with a host name of its own, if there is one: it leads to this machine only."""
    parts = urlsplit(address)
    if not is_loopback(parts.hostname or "") or len(name) > LABEL_LIMIT:
        return []
    return [f"{parts.scheme}://{name.lower()}{domain}:{parts.port}/"]
