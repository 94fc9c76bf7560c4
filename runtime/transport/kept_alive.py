"""The default transport: one kept-alive socket, on which an answer and the next poll may travel together."""

from __future__ import annotations

# Not socket: it costs several milliseconds of a cold start, and nothing else in it is used here.
import _socket as socket
import sys

# A reference from before user code runs, which may replace time.monotonic.
from time import monotonic

from dispatch.asynchrony import LONGEST_WAIT
from dispatch.invocation import Headers
from dispatch.late import Late
from dispatch.protocol import TRAILERS
from runtime.standard_streams import hold_open
from runtime.transport import Address, Disconnected, Reply, Transport, as_text, chunk, last_chunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from httptools import HttpResponseParser

#: Imported when the first poll is under way, which then has left earlier.
_httptools = Late("httptools", "typing")

#: How long to wait for a connection, in seconds. The server is on this machine; AWS's client allows one second.
CONNECT_TIMEOUT = 1.0

#: From this size an answer is sent alone, in bytes: sending it takes longer than the round trip that would be saved.
PIPELINED = 1024 * 1024

#: How long after the last reply it is worth a system call to check whether the connection was closed, in seconds.
_QUIET = 0.00005

#: How long to poll for the next event after an answer before the thread sleeps, in seconds. An idle processor takes
#: longer to wake than an event takes here, and waking it also costs processor time, about half of this.
_AWAKE = 0.0001

#: How many answers pass between two looks; starts at 1 and doubles after each fruitless one, up to this. So if events
#: do not follow at once, looking costs an invocation about a microsecond.
_MOST_UNWATCHED = 64

#: How long one receiving call waits, as the C library's timeval.
_WAIT = b"".join(part.to_bytes(8, sys.byteorder) for part in (0, int(LONGEST_WAIT * 1_000_000)))

#: How much to receive at once, in bytes.
_RECEIVE = 256 * 1024


class KeptAlive(Transport):
    """HTTP/1.1 over one socket."""

    def __init__(self, address: Address, user_agent: str) -> None:
        self._address = address
        self._common = f" HTTP/1.1\r\nHost: {address.authority}\r\nUser-Agent: {user_agent}\r\n"
        self._socket: socket.socket | None = None
        self._replies = _Replies()
        self._buffer = memoryview(bytearray(_RECEIVE))
        # The C library requests each block above 128 KiB from the system, and returns as much at the end of the heap,
        # until a larger block has been freed (mallopt(3), M_MMAP_THRESHOLD): 40 page faults for an event of 120 KB.
        bytes(PIPELINED)
        self._last_used = 0.0
        self._asked: str | None = None
        self._questions: dict[str, bytes] = {}
        self._unsent = False  # whether the connection broke before a request had left
        self._awake_until = 0.0  # 0 while not looking
        self._unwatched = 1  # answers between two looks
        self._watch_in = 0  # answers until the next look

    def get(self, path: str) -> Reply:
        if self._asked != path:
            self._send(self._question(path))
        self._asked = None
        reply = self._receive()
        if self._awake_until:
            self._unwatched = 1
        return reply

    def post(
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        then: str | None = None,
        between: Callable[[], None] | None = None,
    ) -> Reply:
        head = self._head(path, headers, f"Content-Length: {len(body)}\r\n\r\n")
        if len(body) >= PIPELINED:
            self._send(head)
            self._write(body)
        # Only after the server has kept a connection open: if it closed this one, the next poll would be lost.
        elif not then or not self._replies.kept_alive:
            self._send(head + body)
        elif between is None:
            question = self._questions.get(then) or self._question(then)
            self._send(b"".join((head, body, question)), len(question))
            self._asked = then
        else:
            self._send(head + body)
            between()
            self._ask(then)
        self._watch_in -= 1
        if self._watch_in <= 0:
            self._awake_until = monotonic() + _AWAKE
        return self._receive()

    def stream(
        self, path: str, headers: Mapping[str, str], chunks: Iterable[bytes], trailers: Callable[[], Mapping[str, str]]
    ) -> Reply:
        framing = f"Transfer-Encoding: chunked\r\nTrailer: {', '.join(TRAILERS)}\r\nConnection: close\r\n\r\n"
        try:
            self._send(self._head(path, headers, framing))
            for data in chunks:
                self._write(chunk(data))
                if self._replies.whole:  # the server has refused the answer
                    break
            else:
                self._write(last_chunk(trailers()))
            return self._receive()
        finally:
            self.close()

    def close(self) -> None:
        connection, self._socket, self._asked = self._socket, None, None
        if connection is not None:
            try:
                connection.close()
            except OSError:
                return  # user code has closed it

    def _ask(self, path: str) -> None:
        """Send the next poll before the reply to the answer has been read, if the connection still accepts it."""
        try:
            assert self._socket is not None  # noqa: S101 - the answer was sent on it
            self._socket.sendall(self._question(path))
        except OSError:  # get() will ask on another connection
            return
        self._asked = path

    def _question(self, path: str) -> bytes:
        question = f"GET {self._address.prefix}{path}{self._common}\r\n".encode("latin-1")
        self._questions[path] = question  # one of the two that a runtime asks
        return question

    def _head(self, path: str, headers: Mapping[str, str], framing: str) -> bytes:
        fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        return f"POST {self._address.prefix}{path}{self._common}{fields}{framing}".encode()

    def _send(self, data: bytes, more: int = 0) -> None:
        """Start a request on a connection that is open and in step, as far as can be checked.

        Args:
            data: the request, or its beginning.
            more: how many bytes at the end of the data are the next request.
        """
        replies, self._unsent = self._replies, False
        if self._socket is not None and (
            replies.whole  # a reply that was not asked for would be taken for the one to this request
            or replies.begun
            or (monotonic() - self._last_used > _QUIET and _hung_up(self._socket))
        ):
            self.close()
        sent = 0
        if self._socket is not None:
            try:
                sent = self._socket.send(data)
            except OSError:  # the connection is broken; nothing was sent
                self.close()
        if self._socket is None:
            self._connect()
        if sent < len(data):
            self._write(data[sent:], more)

    def _connect(self) -> None:
        try:
            hold_open()
            self._socket = _connected(self._address)
        except OSError as error:
            reason = f"cannot connect to the Runtime API at {self._address.authority}: {error}"
            raise Disconnected(reason, unsent=True) from error
        self._replies = _Replies()

    def _write(self, data: bytes, more: int = 0) -> None:
        """Send the rest of a request, and after it the beginning of the next one, which has `more` bytes."""
        assert self._socket is not None  # noqa: S101 - _send has connected
        left = memoryview(data)
        try:
            while left:
                left = left[self._socket.send(left) :]
        except OSError:  # the server may have refused it before it was complete
            self._unsent = len(left) > more
            self._await_reply()

    def _receive(self) -> Reply:
        """The next complete reply."""
        replies = self._replies
        self._await_reply()
        self._last_used = monotonic()
        reply = replies.whole.pop(0)
        # If two replies came together, the first one does not show whether the connection is kept.
        if not replies.whole and not replies.kept_alive:
            self.close()
        return reply

    def _await_reply(self) -> None:
        replies = self._replies
        if not replies.errors:
            replies.open()
        while not replies.whole:
            assert self._socket is not None  # noqa: S101 - a request was sent on it
            try:
                size = (self._awake_until and self._arrived(self._socket)) or self._socket.recv_into(self._buffer)
                if size:
                    replies.feed(self._buffer[:size])
                elif not replies.end():
                    self._lost(EOFError("it was closed before the reply was complete"))
            except BlockingIOError:  # nothing has come for a while
                continue
            except (OSError, *replies.errors) as error:  # type: ignore[misc]
                if isinstance(error.__context__, SystemExit):  # a signal came during a callback of the parser
                    raise error.__context__ from None
                if not replies.whole:
                    self._lost(error)
                replies.kept_alive = False  # a complete reply counts, whatever comes after it

    def _arrived(self, connection: socket.socket) -> int:
        """Receive without sleeping for a short time after an answer; 0 if nothing arrives."""
        while monotonic() < self._awake_until:
            try:
                return connection.recv_into(self._buffer, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
        self._awake_until = 0.0
        self._watch_in = self._unwatched = min(2 * self._unwatched, _MOST_UNWATCHED)
        return 0

    def _lost(self, error: Exception) -> None:
        self.close()
        raise Disconnected(
            f"the connection to the Runtime API was lost: {error}", self._replies.served, self._unsent
        ) from error


def _connected(address: Address) -> socket.socket:
    """A connection to the first of the server's addresses that accepts one."""
    # As bytes: for a string, Python would import the codec for international names.
    host = address.host.encode("ascii")
    problem: OSError | None = None
    for family, kind, protocol, _, where in socket.getaddrinfo(host, address.port, 0, socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(CONNECT_TIMEOUT)
            connection.connect(where)
        except OSError as error:
            connection.close()
            problem = error
        else:
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _WAIT)
            return connection
    raise problem or OSError("the host has no address")


def _hung_up(connection: socket.socket) -> bool:
    """Whether the server has closed the connection, or is about to, because it sends data without a request."""
    try:
        connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


class _Replies:
    """Parses replies from bytes; one object per connection.

    Attributes:
        whole: the complete replies that have not been taken yet.
        begun: whether a part of a reply has come, and not the rest.
        kept_alive: whether the server keeps the connection after the last reply.
        served: whether there has been a reply.
        errors: what the parser raises; empty until there is one.
        feed: parses bytes, once there is a parser.
    """

    _parser: HttpResponseParser
    feed: Callable[[bytes | memoryview], None]

    def __init__(self) -> None:
        self.whole: list[Reply] = []
        self.begun = False
        self.kept_alive = False
        self.served = False
        self.errors: tuple[type[Exception], ...] = ()
        self._names: dict[bytes, tuple[str, str]] = {}
        self._headers = Headers()
        self._body: list[bytes] = []
        self._in_body = False

    def open(self) -> None:
        """Make the parser."""
        httptools = _httptools()
        self._parser = httptools.HttpResponseParser(self)
        self.feed = self._parser.feed_data
        self.errors = (httptools.HttpParserError, httptools.HttpParserUpgrade)

    def end(self) -> bool:
        """Whether the end of the connection completes a reply, because its body has no declared length."""
        if not self._in_body or "content-length" in self._headers or "transfer-encoding" in self._headers:
            return False
        self.on_message_complete()
        self.kept_alive = False
        return True

    def on_message_begin(self) -> None:
        self.begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:  # a trailer, which must not be merged into the headers (RFC 9110, section 6.5.1)
            return
        known = self._names.get(name)
        if known is None:
            text = name.decode("latin-1")
            known = self._names[name] = (text.lower(), text)
        key, sent = known
        try:
            decoded = value.decode()
        except UnicodeDecodeError:
            decoded = as_text(value)
        self._headers.add(key, sent, decoded)

    def on_headers_complete(self) -> None:
        self._in_body = True

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        self.begun = False
        status = self._parser.get_status_code()
        if status >= 200:
            self.whole.append(Reply(status, self._headers, b"".join(self._body)))
            self.kept_alive = self._parser.should_keep_alive()
            self.served = True
        self._headers = Headers()
        self._body = []
        self._in_body = False


TRANSPORT = KeptAlive
