"""Connections to NATS, by the variables that its own command line has."""

from __future__ import annotations

import contextlib
import os
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from runtime.local.feed import Feed

if TYPE_CHECKING:
    from nats.aio.client import Client

DEFAULT_URL: Final = "nats://127.0.0.1:4222"
#: The options of nats-py that a variable sets.
OPTIONS: Final[Mapping[str, str]] = {
    "NATS_CREDS": "user_credentials",
    "NATS_NKEY": "nkeys_seed",
    "NATS_USER": "user",
    "NATS_PASSWORD": "password",
    "NATS_TOKEN": "token",
}
#: Seconds between two tries to reach a server.
RETRY: Final = 1
#: What is reported apart: one server of several may be away each time, while the stream has a problem of its own.
CONNECTION: Final = "connection"


@contextlib.asynccontextmanager
async def connected(name: str, feed: Feed) -> AsyncIterator[Client]:
    """Connect, and stay connected until the block is left; connections that are lost come back without end.

    Args:
        name: the connection's name, for those who look at the server.
        feed: gets a report when the servers cannot be reached, once until they can.
    """
    from nats.aio.client import Client
    from nats.errors import StaleConnectionError

    servers = os.environ.get("NATS_URL") or DEFAULT_URL
    client, reported = Client(), False

    async def fail(error: Exception) -> None:
        nonlocal reported
        if client.is_connected and not isinstance(error, OSError | StaleConnectionError):
            feed.problem(f"NATS reports: {error}")
        elif not reported:
            reported = True
            feed.unreachable(f"cannot reach NATS at {shown(servers)}: {str(error) or type(error).__name__}", CONNECTION)

    async def come_back() -> None:
        nonlocal reported
        reported = False
        feed.works(CONNECTION)

    try:
        await client.connect(
            [each.strip() for each in servers.split(",")],
            name=name,
            error_cb=fail,
            reconnected_cb=come_back,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RETRY,
            **options(os.environ),
        )
        reported = False
        yield client
    finally:
        # A client that has not come as far as to connect, as a file of keys is missing, cannot be closed.
        with contextlib.suppress(AssertionError):
            await client.close()


def options(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what nats-py needs to be told of the variables: who connects, and whom to trust."""
    found: dict[str, Any] = {option: environ[name] for name, option in OPTIONS.items() if environ.get(name)}
    if environ.get("NATS_CA") or environ.get("NATS_CERT"):
        context = ssl.create_default_context(cafile=environ.get("NATS_CA") or None)
        if environ.get("NATS_CERT"):
            context.load_cert_chain(environ["NATS_CERT"], environ.get("NATS_KEY") or None)
        found["tls"] = context
    return found


def shown(servers: str) -> str:
    """Return the servers without the names and passwords that their URLs may have."""
    return re.sub(r"//[^/@]*@", "//", servers)
