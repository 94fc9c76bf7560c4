"""What a test gets for an event: the answer, the error, the log, and the answer as an HTTP response."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self

from dispatch.invocation import Headers
from runtime.local.function_error import FunctionError
from runtime.local.invocation import InvocationReport
from runtime.local.web.prelude import PreludeSplitter
from runtime.local.web.url_event import HttpAnswer, read_answer, read_head


class Chunk(bytes):
    """A piece of an answer.

    Attributes:
        at: when it was sent, in seconds after the event was handed over.
    """

    at: float

    def __new__(cls, data: bytes, at: float) -> Self:
        """Make the chunk."""
        chunk = super().__new__(cls, data)
        chunk.at = at
        return chunk


class Report(dict[str, Any]):
    """An error report, shown in one line where a test compares it with the answer that it has expected."""

    def __repr__(self) -> str:
        return f"<{': '.join(str(self[key]) for key in ('errorType', 'errorMessage') if self.get(key))}>"


class _Content:
    """A body, as bytes, as text and as JSON."""

    @property
    def body(self) -> bytes:
        """The whole body."""
        raise NotImplementedError

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body parsed as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Http(_Content):
    """An answer as the HTTP response that a function URL or an API makes of it.

    Attributes:
        status: the status code.
        headers: a mapping that ignores case in names; the values of a repeated header are joined with a comma.
        cookies: the values of the `Set-Cookie` headers.
        content: the body; `body`, `text` and `json` read it.
    """

    status: int
    headers: Headers
    cookies: list[str]
    content: bytes

    @property
    def body(self) -> bytes:
        """The whole body."""
        return self.content


@dataclass(frozen=True, slots=True)
class Result(_Content):
    """A finished invocation.

    Attributes:
        chunks: the answer as it came; each chunk has the time `at` which it was sent, in seconds.
        content_type: the answer's content type.
        streaming: whether the function streamed the answer.
        error: why the invocation failed, with `type`, `message` and `trace`; None after a success.
        report: durations and memory, as in the log's REPORT line; in process, the memory is 0.
    """

    chunks: list[Chunk]
    content_type: str
    streaming: bool
    error: FunctionError | None
    report: InvocationReport

    @property
    def log(self) -> str:
        """What the function wrote while it was loaded and while it handled the event."""
        return self.report.log

    @property
    def body(self) -> bytes:
        """The whole answer; the error report if the invocation failed before the first byte."""
        body = b"".join(self.chunks)
        return body if self.error is None or body else self.error.body

    @property
    def json(self) -> Any:
        """The answer parsed as JSON; the error report if the invocation failed before the first byte."""
        value = json.loads(self.body)
        return Report(value) if self.error is not None and isinstance(value, dict) and not self.chunks else value

    @property
    def http(self) -> Http:
        """The answer as an HTTP response; status 502 if the invocation failed.

        Raises:
            ValueError: the answer cannot be an HTTP response; the message says why.
        """
        if self.error is not None:
            answer = HttpAnswer(502, [("content-type", "text/plain")], b"Internal Server Error")
        elif self.streaming:
            answer = self._streamed()
        else:
            answer = _with_lists(read_answer(self.body), self.body)
        cookies = [value for name, value in answer.headers if name.lower() == "set-cookie"]
        headers = Headers((name, value) for name, value in answer.headers if name.lower() != "set-cookie")
        return Http(answer.status, headers, cookies, answer.body)

    def _streamed(self) -> HttpAnswer:
        splitter = PreludeSplitter(self.content_type)
        body = splitter.feed(self.body)
        splitter.finish()
        answer = (
            read_head(splitter.head) if splitter.head else HttpAnswer(headers=[("content-type", self.content_type)])
        )
        answer.body = body
        return answer

    def __repr__(self) -> str:
        outcome = f"{self.body!r:.100}" if self.error is None else f"error={self.error!r}"
        return f"<Result {outcome}>"


def _with_lists(answer: HttpAnswer, body: bytes) -> HttpAnswer:
    """The answer with the headers of `multiValueHeaders`, which REST APIs and load balancers read."""
    value = json.loads(body) if body else None
    lists = value.get("multiValueHeaders") if isinstance(value, dict) and "statusCode" in value else None
    if lists:
        replaced = {name.lower() for name in lists}
        answer.headers = [pair for pair in answer.headers if pair[0].lower() not in replaced]
        answer.headers += [(name, str(each)) for name, values in lists.items() for each in values]
    return answer
