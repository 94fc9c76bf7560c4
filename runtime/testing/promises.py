"""What every convention should hold, as a table of cases that any convention can be tried with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from dispatch import HTTPResponse, MarshalError, UnmarshalError
from runtime.testing.invoker import Invoker
from runtime.testing.result import Result

#: Events that are not text in UTF-8, UTF-16 or UTF-32.
UNDECODABLE: Final = b"\xff\xfe\x00\xd8\xff"
STATUS: Final = 201

F = TypeVar("F", bound=Callable[..., Any])
#: What is wrong with a result, as a clause, or an empty string.
Problem: TypeAlias = Callable[[Result], str]


class Refused(LookupError):
    """What the functions of the table raise."""


class Case(NamedTuple):
    """One function with one event.

    Attributes:
        name: the name of the promise.
        promise: what the convention promises, as a clause.
        function: the function.
        event: its event.
        problem: what is wrong with its result.
    """

    name: str
    promise: str
    function: Callable[..., Any]
    event: bytes
    problem: Problem


def broken_promises(
    invoke: Invoker,
    convention: str,
    *,
    event: bytes | str,
    answer: Any,
    item: Any = None,
    chunk: bytes | None = None,
    bad: Iterable[bytes | str] = (),
    except_for: Collection[str] = (),
    **options: Any,
) -> list[str]:
    """Try a convention with every case of the table; returns the promises that it breaks, with what happened.

    Args:
        invoke: invokes the functions, in process.
        convention: the convention's name.
        event: an event that it accepts.
        answer: an answer that it can send.
        item: an item of a stream; by default, the answer.
        chunk: what the item is sent as; by default, that is not checked.
        bad: events that it must refuse.
        except_for: the names of promises that it does not make.
        options: more arguments of `invoke`: `env`, `headers`, `root`, `timeout`.

    Raises:
        ValueError: there is no promise of a name in `except_for`.
    """
    sent = event.encode() if isinstance(event, str) else event
    refused = [one.encode() if isinstance(one, str) else one for one in bad]
    kept = len(invoke.results)
    usual = invoke(_plain(answer), sent, convention=convention, real=False, **options)
    if usual.error is not None:
        return [f"answer: the answer of a function is sent; it failed: {usual.error!r}"]
    item = answer if item is None else item
    table = _table(sent, answer, item, refused, same=_is(usual.body), begun=_has_begun(chunk))
    known = {case.name for case in table}
    except_for = [except_for] if isinstance(except_for, str) else except_for
    if not known >= set(except_for):
        raise ValueError(f"unknown promises: {', '.join(set(except_for) - known)}; known: {', '.join(sorted(known))}")
    broken = []
    for case in table:
        if case.name not in except_for:
            problem = case.problem(invoke(case.function, case.event, convention=convention, real=False, **options))
            broken += [f"{case.name}: {case.promise}; {problem}"] if problem else []
    del invoke.results[kept:]
    return broken


def _table(event: bytes, answer: Any, item: Any, bad: list[bytes], *, same: Problem, begun: Problem) -> list[Case]:
    """The cases; `same` compares with the answer of a plain function, `begun` with the first item of a stream."""
    plain = _plain(answer)
    to_bad = _has_failed(UnmarshalError.error_type)
    return [
        Case("answer", "the answer of a function is sent", plain, event, same),
        Case("again", "the same event gets the same answer", plain, event, same),
        Case("async", "an `async def` is awaited", _coroutine(answer), event, same),
        Case("object", "an object that can be called is called", _Callable(answer), event, same),
        Case("error", "what a function raises is its error", _raising, event, _has_failed(Refused.__name__)),
        Case("stream", "the items of a generator are sent one by one", _failing(item), event, begun),
        Case("async stream", "the items of an async generator are sent one by one", _async_failing(item), event, begun),
        Case("no stream", "a generator that fails at once fails", _no_items, event, _has_failed(Refused.__name__)),
        Case("http", "an HTTPResponse is sent with its status", _page(item), event, _has_status),
        Case("none", "None is sent, or refused with MarshalError", _plain(None), event, _answered_or(MarshalError)),
        Case(
            "unsendable", "what cannot be sent is a MarshalError", _plain(object()), event, _answered_or(MarshalError)
        ),
        Case("empty", "an empty event is handled, or an UnmarshalError", plain, b"", _answered_or(UnmarshalError)),
        Case(
            "bytes",
            "an event that is not text is handled, or an UnmarshalError",
            plain,
            UNDECODABLE,
            _answered_or(UnmarshalError),
        ),
        *(Case("bad", f"the event {one!r:.60} is an UnmarshalError", plain, one, to_bad) for one in bad),
    ]


def _unannotated(function: F) -> F:
    """The function without annotations, by which a convention might convert the event."""
    function.__annotations__ = {}
    return function


def _plain(answer: Any) -> Callable[..., Any]:
    return lambda *_arguments, **_options: answer


def _coroutine(answer: Any) -> Callable[..., Any]:
    @_unannotated
    async def coroutine(*_arguments: Any, **_options: Any) -> Any:
        return answer

    return coroutine


class _Callable:
    def __init__(self, answer: Any) -> None:
        self._answer = answer

    @_unannotated
    def __call__(self, *_arguments: Any, **_options: Any) -> Any:
        return self._answer


@_unannotated
def _raising(*_arguments: Any, **_options: Any) -> Any:
    raise Refused("a function has failed")


def _failing(item: Any) -> Callable[..., Any]:
    @_unannotated
    def generator(*_arguments: Any, **_options: Any) -> Iterator[Any]:
        yield item
        raise Refused("a generator has failed")

    return generator


def _async_failing(item: Any) -> Callable[..., Any]:
    @_unannotated
    async def generator(*_arguments: Any, **_options: Any) -> AsyncIterator[Any]:
        yield item
        raise Refused("a generator has failed")

    return generator


@_unannotated
def _no_items(*_arguments: Any, **_options: Any) -> Iterator[Any]:
    yield from _raising()


def _page(item: Any) -> Callable[..., Any]:
    return lambda *_arguments, **_options: HTTPResponse(STATUS, body=iter([item]))


def _is(usual: bytes) -> Problem:
    def problem(result: Result) -> str:
        if result.error is not None:
            return f"it failed: {result.error!r}"
        return "" if result.body == usual else f"a plain function's answer is {usual!r:.60}, not {result.body!r:.60}"

    return problem


def _has_failed(error_type: str) -> Problem:
    def problem(result: Result) -> str:
        if result.error is None:
            return f"it was answered with {result.body!r:.60}"
        return "" if result.error.type == error_type else f"the error was {result.error!r}"

    return problem


def _answered_or(error: type[MarshalError | UnmarshalError]) -> Problem:
    def problem(result: Result) -> str:
        if result.error is None or result.error.type == error.error_type:
            return ""
        return f"the error was {result.error!r}"

    return problem


def _has_begun(chunk: bytes | None) -> Problem:
    def problem(result: Result) -> str:
        failure = _has_failed(Refused.__name__)(result)
        if failure or not result.chunks:
            return failure or "the second one failed, and the first had not been sent"
        return (
            "" if chunk in {None, *result.chunks} else f"the first was sent as {result.body!r:.60}, not {chunk!r:.60}"
        )

    return problem


def _has_status(result: Result) -> str:
    if result.error is not None:
        return f"it failed: {result.error!r}"
    try:
        status = result.http.status
    except ValueError as error:
        return f"the answer is not an HTTP response: {error}"
    return "" if status == STATUS else f"the status was {status}, not {STATUS}"
