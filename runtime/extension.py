"""An internal extension, which makes Lambda send SIGTERM; without any extension it kills the process at once.

It registers before the first poll, for no events, and then waits for the next event in a thread, as extensions must.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import threading
from http.client import HTTPConnection, HTTPException

from dispatch.errors import RuntimeApiError
from dispatch.protocol import EXTENSION, EXTENSION_ID, EXTENSION_NAME, JSON
from runtime.standard_streams import hold_open

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.transport import Address

NAME = "dispatch-shutdown"


def register(address: Address) -> None:
    """Register the extension and start waiting for its events. Raises RuntimeApiError."""
    connection = HTTPConnection(address.host, address.port, timeout=None)
    try:
        hold_open()
        headers = {EXTENSION_NAME: NAME, "Content-Type": JSON}
        connection.request("POST", f"{address.prefix}{EXTENSION}/register", b'{"events": []}', headers)
        reply = connection.getresponse()
        told = reply.read()
    except (OSError, HTTPException) as error:
        raise RuntimeApiError(f"HANDLER_SHUTDOWN=extension: the extension cannot be registered: {error}") from error
    identifier = reply.getheader(EXTENSION_ID)
    if reply.status != 200 or not identifier:
        raise RuntimeApiError(
            f"HANDLER_SHUTDOWN=extension: the extension cannot be registered: status {reply.status} {told[:200]!r}"
        )
    threading.Thread(target=_wait, args=(connection, address, identifier), daemon=True, name="extension").start()


def _wait(connection: HTTPConnection, address: Address, identifier: str) -> None:
    """Request the next event until the platform closes the connection; none ever comes, so this only waits."""
    try:
        while True:
            headers = {EXTENSION_ID: identifier}
            connection.request("GET", f"{address.prefix}{EXTENSION}/event/next", headers=headers)
            reply = connection.getresponse()
            reply.read()
            if reply.status != 200:
                return
    except (OSError, HTTPException):
        return
