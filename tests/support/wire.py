"""HTTP/1.1 as the scripted server sees and says it: requests recorded exactly, replies framed as told."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

#: How long anything may take on a busy machine, in seconds; what needs so long is broken.
PATIENCE = 40.0

Headers = Sequence[tuple[str, str]]


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that nobody else is given; nobody listens on it but who is told of it, which Linux lets reuse the address."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@dataclass
class Request:
    """One request as it came: `chunks` keeps the chunk boundaries, `pipelined` says it came before the last answer."""

    number: int
    connection: int
    method: str
    path: str
    headers: Headers
    pipelined: bool
    chunks: list[bytes] = field(default_factory=list)
    trailers: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False

    @property
    def body(self) -> bytes:
        """All of the body that has come so far."""
        return b"".join(self.chunks)

    @property
    def route(self) -> str:
        """The path behind the version of the API, whatever prefix it has."""
        return self.path.partition("/2018-06-01/runtime/")[2]

    def header(self, name: str) -> str | None:
        """The header's value, the name in any case; an error if it came twice."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None


@dataclass
class Reply:
    """What the server answers; `drop` hangs up instead: before the body is read, after it, or in mid-reply.

    `cut` is a number of bytes after which the connection ends or is reset, or after which the rest is late. `before` and
    `after` are bytes that come with the reply: interim replies, and what nobody has asked for.
    """

    status: int = 200
    headers: Headers = ()
    body: bytes = b""
    framing: Literal["length", "chunked", "close"] = "length"
    version: str = "1.1"
    bytewise: bool = False
    close: bool = False
    drop: Literal["", "at once", "unanswered", "midway"] = ""
    gate: threading.Event | None = None
    cut: int | None = None
    how: Literal["end", "reset", "pause"] = "end"
    before: bytes = b""
    after: bytes = b""

    def encode(self) -> bytes:
        """The reply's bytes."""
        lines = [f"HTTP/{self.version} {self.status} Scripted"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        body = self.body
        if self.framing == "length" and self.status != 204:
            lines.append(f"Content-Length: {len(body)}")
        if self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
            middle = (len(body) + 1) // 2
            parts = [part for part in (body[:middle], body[middle:]) if part]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        if self.close:
            lines.append("Connection: close")
        return self.before + "\r\n".join([*lines, "", ""]).encode("latin-1") + body + self.after

    @property
    def ends_connection(self) -> bool:
        """Whether the server hangs up behind this reply."""
        is_cut = self.cut is not None and self.how != "pause"
        return self.close or self.framing == "close" or self.version == "1.0" or bool(self.drop) or is_cut


class Wire:
    """One connection's bytes, read by lines and counts."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def more(self) -> None:
        """Wait for bytes; EOFError at the end."""
        data = self.sock.recv(1 << 20)
        if not data:
            raise EOFError
        self.buffer += data

    def line(self) -> str:
        """One line, without its end."""
        while b"\r\n" not in self.buffer:
            self.more()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line.decode("latin-1")

    def exactly(self, size: int) -> bytes:
        """That many bytes."""
        while len(self.buffer) < size:
            self.more()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def fields(self) -> list[tuple[str, str]]:
        """Header or trailer lines up to the blank one."""
        fields = []
        while line := self.line():
            name, _, value = line.partition(":")
            fields.append((name, value.strip()))
        return fields

    def send(self, reply: Reply) -> None:
        """The reply, whole, byte by byte, or half of it."""
        data = reply.encode()
        if reply.drop == "midway":
            data = data[: len(data) // 2]
        if reply.cut is not None:
            return self._send_cut(data[: reply.cut], data[reply.cut :], reply.how)
        if not reply.bytewise:
            return self.sock.sendall(data)
        for index in range(len(data)):
            self.sock.sendall(data[index : index + 1])
        return None

    def _send_cut(self, begun: bytes, rest: bytes, how: str) -> None:
        self.sock.sendall(begun)
        if how == "pause":
            threading.Event().wait(0.0005)  # the pause is the fault
            self.sock.sendall(rest)
        elif how == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()

    def peer_left(self) -> bool:
        """Whether the other side has hung up (unread bytes count as being there)."""
        if self.buffer:
            return False
        try:
            return self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
