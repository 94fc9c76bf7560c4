"""A relay between clients and a server, whose connections can be cut."""

import asyncio
import contextlib
import socket
import struct

#: Lets a connection end at once, with a reset, and what it has not sent yet be lost.
AT_ONCE = struct.pack("ii", 1, 0)


class Relay:
    """Passes bytes on to a local port.

    Attributes:
        port: where it listens.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, target: int) -> None:
        self._loop = loop
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), loop).result()

    def cut(self) -> int:
        """Cut all connections; return how many there were."""

        async def cut() -> int:
            count = len(self._open) // 2
            for writer in self._open:
                writer.transport.abort()
            return count

        return asyncio.run_coroutine_threadsafe(cut(), self._loop).result()

    def close(self) -> None:
        """Cut all connections, and accept no more."""
        self._loop.call_soon_threadsafe(self._server.close)
        self.cut()

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        with contextlib.suppress(OSError):
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._target)
            both = {writer, ours}
            self._open |= both
            try:
                await asyncio.gather(_pass_on(reader, ours), _pass_on(theirs, writer))
            finally:
                self._open -= both
                ours.close()
        writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
