"""Handlers of the `standard` convention."""

from collections.abc import AsyncIterator, Iterator, Mapping

import dispatch


def echo(event: str, headers: Mapping[str, str]) -> str:
    return event


def as_bytes(event: str, headers: Mapping[str, str]) -> bytes:
    return b"\x00\xff" + event.encode("utf-16-le")


def nothing(event: str, headers: Mapping[str, str]) -> None:
    return None


def number(event: str, headers: Mapping[str, str]) -> int:
    return 42


def context_header(event: str, headers: Mapping[str, str]) -> str:
    return headers["lambda-RUNTIME-client-context"]


def is_current(event: str, headers: Mapping[str, str]) -> str:
    now = dispatch.current()
    return str(now.request_id == headers["Lambda-Runtime-Aws-Request-Id"] and now.headers == headers)


def fails(event: str, headers: Mapping[str, str]) -> str:
    raise LookupError(event)


async def waits(event: str, headers: Mapping[str, str]) -> str:
    import asyncio

    return await asyncio.sleep(0, event[::-1])


def words(event: str, headers: Mapping[str, str]) -> Iterator[str | bytes]:
    for word in event.split():
        yield word
        yield b"\n"


async def awaited_words(event: str, headers: Mapping[str, str]) -> AsyncIterator[str]:
    import asyncio

    for word in event.split():
        yield await asyncio.sleep(0, word)


def fails_at_once(event: str, headers: Mapping[str, str]) -> Iterator[str]:
    if event is not None:
        raise LookupError(event)
    yield "never"


class Callable:
    """Any callable is a handler: here an object, there one of its methods."""

    def __call__(self, event: str, headers: Mapping[str, str]) -> str:
        return f"called with {event}"


instance = Callable()
