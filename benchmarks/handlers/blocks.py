"""A streamed answer of as many blocks as the event says."""

from collections.abc import Iterator

BLOCK = bytes(64 * 1024)


def handler(event: str, headers: object) -> Iterator[bytes]:
    for _ in range(int(event)):
        yield BLOCK
