"""Handlers of the `stream` convention."""

from collections.abc import Mapping
from typing import BinaryIO


def upper(input: BinaryIO, output: BinaryIO, headers: Mapping[str, str]) -> None:
    for line in input:
        output.write(line.upper())


def flushed(input: BinaryIO, output: BinaryIO, headers: Mapping[str, str]) -> None:
    while piece := input.read(2):
        output.write(piece + b".")
        output.flush()


def silent(input: BinaryIO, output: BinaryIO, headers: Mapping[str, str]) -> None:
    return None


def context_header(input: BinaryIO, output: BinaryIO, headers: Mapping[str, str]) -> None:
    output.write(headers["lambda-runtime-CLIENT-context"].encode())


async def waits(input: BinaryIO, output: BinaryIO, headers: Mapping[str, str]) -> None:
    output.write(input.read()[::-1])


def fails(input: BinaryIO, output: BinaryIO, headers: Mapping[str, str]) -> None:
    output.write(b"not sent yet")
    raise OSError("on purpose")
