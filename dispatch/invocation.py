"""One event to be handled, and access to the one that is being handled now."""

from __future__ import annotations

import time

# Not collections.abc: it imports all of collections, 3 ms of a cold start.
from _collections_abc import Mapping
from contextvars import ContextVar

from dispatch import protocol
from dispatch.errors import UnmarshalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

#: Header names in lower case, as in `Headers.lowered`.
REQUEST_ID = protocol.REQUEST_ID.lower()
_DEADLINE_MS = protocol.DEADLINE_MS.lower()
_FUNCTION_ARN = protocol.FUNCTION_ARN.lower()
_TRACE_ID = protocol.TRACE_ID.lower()

INFINITY = float("inf")


class Headers(Mapping[str, str]):
    """The headers of an invocation: a read-only mapping that ignores case in names and iterates over them as sent.

    If a header was sent twice, its values are joined with a comma (RFC 9110, section 5.3).

    Attributes:
        lowered: the values by lower-case name, for lookups in every invocation.
    """

    __slots__ = ("_sent", "lowered")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.lowered: dict[str, str] = {}
        self._sent: dict[str, str] = {}
        for name, value in items:
            self.add(name.lower(), name, value)

    def add(self, key: str, name: str, value: str) -> None:
        """Add a header while the headers are being built: its name in lower case, its name as sent, its value."""
        lowered = self.lowered
        if key in lowered:
            value = f"{lowered[key]}, {value}"
        else:
            self._sent[key] = name
        lowered[key] = value

    def __getitem__(self, name: str) -> str:
        return self.lowered[name.lower()]

    def get(self, name: str, default: Any = None) -> Any:
        """The header's value, or the default."""
        return self.lowered.get(name.lower(), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self.lowered

    def __iter__(self) -> Iterator[str]:
        return iter(self._sent.values())

    def __len__(self) -> int:
        return len(self.lowered)

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"


class Invocation:
    """One event to be handled: a body and the headers that came with it from the Runtime API.

    Attributes:
        body: the event as it was sent.
        headers: a read-only mapping that ignores case in names.
        encoding: the encoding of events and answers in conventions that work with text (`HANDLER_ENCODING`).
        request_id: `Lambda-Runtime-Aws-Request-Id`, or an empty string.
        afterwards: the calls that `after_response()` has deferred, each with its invocation; None if there are none.
        stash: a dictionary for whatever plugins need again after the invocation.
    """

    __slots__ = ("_stash", "afterwards", "body", "encoding", "headers", "request_id")

    def __init__(self, body: bytes, headers: Mapping[str, str] | None = None, encoding: str = "utf-8") -> None:
        self.body = body
        self.headers = headers if isinstance(headers, Headers) else Headers((headers or {}).items())
        self.encoding = encoding
        self.request_id: str = self.headers.lowered.get(REQUEST_ID, "")
        self.afterwards: list[tuple[Invocation, Callable[..., object], Any, dict[str, Any]]] | None = None
        self._stash: dict[str, Any] | None = None

    def having(self, body: bytes, headers: Headers) -> Invocation:
        """The same invocation with another body and other headers, which have to include the Runtime API's.

        The stash and the calls that are deferred until after the answer are shared.
        """
        other = Invocation(body, headers, self.encoding)
        other._stash = self.stash
        if self.afterwards is None:
            self.afterwards = []
        other.afterwards = self.afterwards
        return other

    @property
    def text(self) -> str:
        """The body as text. Raises UnmarshalError if it cannot be decoded with `encoding`."""
        try:
            return self.body.decode(self.encoding)
        except UnicodeError as error:
            raise UnmarshalError(
                f"the event's {len(self.body)} bytes are not {self.encoding} text: {error}; "
                "set HANDLER_ENCODING, or use the stream convention, which reads bytes"
            ) from error

    @property
    def stash(self) -> dict[str, Any]:
        """A dictionary for what plugins need again after the invocation."""
        if self._stash is None:
            self._stash = {}
        return self._stash

    @property
    def deadline(self) -> float:
        """The time when Lambda will end the invocation, in seconds since 1970; infinity if it is unknown."""
        milliseconds = self.headers.lowered.get(_DEADLINE_MS, "")
        return int(milliseconds) / 1000 if milliseconds.isdecimal() and len(milliseconds) < 100 else INFINITY

    @property
    def remaining_time(self) -> float:
        """The seconds until the deadline, never less than 0; infinity if the deadline is unknown."""
        return max(0.0, self.deadline - time.time())

    @property
    def invoked_function_arn(self) -> str | None:
        """The ARN with which the function was invoked."""
        return self.headers.lowered.get(_FUNCTION_ARN) or None

    @property
    def trace_id(self) -> str | None:
        """The X-Ray trace header, which is also in the environment as `_X_AMZN_TRACE_ID`."""
        return self.headers.lowered.get(_TRACE_ID) or None

    def __repr__(self) -> str:
        return f"Invocation({self.request_id!r}, {len(self.body)} bytes)"


#: The invocation being handled. The runtime sets it; all other code calls `current()`.
handled: ContextVar[Invocation | None] = ContextVar("dispatch.handled", default=None)


def current() -> Invocation:
    """The invocation being handled, here or in the code that started this task or this thread's context.

    Raises:
        LookupError: no invocation is being handled: at import time, between two events, or in a thread that was
            started without a context.
    """
    invocation = handled.get()
    if invocation is None:
        raise LookupError(
            "no invocation is being handled here; start a thread with contextvars.copy_context().run to pass it on"
        )
    return invocation


def after_response(function: Callable[..., object], *arguments: Any, **options: Any) -> None:
    """Defer a call until the answer has been sent; it runs before the next poll.

    The call counts against the invocation's deadline, and Lambda bills its time. Calls run in the order in which they
    were deferred; `async def` functions are awaited, and a call that fails is logged.

    Args:
        function: what to call.
        arguments: its positional arguments.
        options: its keyword arguments.

    Raises:
        LookupError: no invocation is being handled.
    """
    invocation = current()
    if invocation.afterwards is None:
        invocation.afterwards = []
    invocation.afterwards.append((invocation, function, arguments, options))
