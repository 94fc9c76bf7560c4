"""The server of the Runtime API of one execution environment: a listener, and the connections of its process.

Each environment has a listener of its own, on a loopback port that only its own process knows.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from runtime.local.gates import Walk
from runtime.local.runtime_api.call import TEXT_TYPE, ApiCall, ApiResponse, CallRefused
from runtime.local.runtime_api.connection import Connection, ConnectionBroken
from runtime.local.runtime_api.routes import answer_call
from runtime.local.runtime_api.session import RuntimeSession
from runtime.local.runtime_api.states import StateRefused

#: Whether a connection from this host and port comes from the environment that the server is for; waits at gates only.
Admit: TypeAlias = Callable[[tuple[str, int]], Awaitable[bool]]


async def admit_all(_peer: tuple[str, int]) -> bool:
    """Admit every connection."""
    return True


class RuntimeApiServer:
    """Serves one session from `listen` to `close`.

    Attributes:
        address: the value for `AWS_LAMBDA_RUNTIME_API`, once it is listening.
        host_and_port: the same in two parts.
    """

    def __init__(self, session: RuntimeSession, admit: Admit = admit_all) -> None:
        self.session = session
        self.address = ""
        self.host_and_port = ("", 0)
        self._admit = admit
        self._is_closed = False
        self._walks: set[Walk] = set()
        self._listener: asyncio.Server | None = None

    async def listen(self, port: int = 0, sock: socket.socket | None = None) -> str:
        """Start to listen, on a port or with a socket that listens already; return the address.

        Raises:
            OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        where: dict[str, Any] = {"host": "127.0.0.1", "port": port} if sock is None else {"sock": sock}
        self._listener = await loop.create_server(lambda: Connection(self._accept), **where)
        self.host_and_port = self._listener.sockets[0].getsockname()[:2]
        self.address = "{}:{}".format(*self.host_and_port)
        return self.address

    async def close(self) -> None:
        """Stop listening and drop the connections."""
        self._is_closed = True
        if self._listener is not None:
            self._listener.close()
        for walk in list(self._walks):
            walk.close()

    def _accept(self, connection: Connection) -> None:
        if self._is_closed:
            connection.close()
            return
        walk = Walk(self._serve(connection))
        self._walks.add(walk)
        walk.ended.when_open(lambda: self._walks.discard(walk))

    async def _serve(self, connection: Connection) -> None:
        try:
            if await self._admit(connection.peer):
                await self._answer_calls(connection)
        except ConnectionBroken as broken:
            await connection.refuse(*_refusal(broken))
        finally:
            connection.close()
            self.session.forget(connection)

    async def _answer_calls(self, connection: Connection) -> None:
        while (head := await connection.request()) is not None:
            call = ApiCall(connection, head)
            response = await self._respond(call)
            await call.drain()
            connection.send(*response)

    async def _respond(self, call: ApiCall) -> ApiResponse:
        if call.headers.get("origin") or call.headers.get("host", self.address) != self.address:
            return ApiResponse(403, TEXT_TYPE, b"the Runtime API is for its own execution environment\n")
        try:
            return await answer_call(self.session, call)
        except StateRefused as error:
            return CallRefused(403, error.error_type, str(error)).response
        except CallRefused as error:
            return error.response


def _refusal(broken: ConnectionBroken) -> ApiResponse:
    """The response to a request that is incomplete, in case the runtime still reads it."""
    if broken.status == 431:
        return CallRefused(431, "RequestHeaderFieldsTooLarge", str(broken)).response
    return CallRefused(400, "TruncatedHTTPRequest", "HTTP request detected as truncated").response
