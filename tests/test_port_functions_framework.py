"""The convention `functions-framework`: functions of Google Cloud, beside the same ones under the package's servers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

pytest.importorskip("functions_framework")
pytest.importorskip("httpx")

from support.local import ServerProcess
from support.ports import SAMPLES, answers, differing, documented, ours, peer, python

NAME = "functions-framework"

#: The sample's files, each with the function `serve`.
FILES = ("main", "asynchronous")


@pytest.fixture(scope="module")
def platform() -> Iterator[Mapping[str, str]]:
    """Where the platform's own command serves each file."""
    with ExitStack() as stack:
        yield {
            file: stack.enter_context(peer(python("-m", "functions_framework", *OPTIONS, "--source", f"{file}.py"), cwd=SAMPLES / NAME))
            for file in FILES
        }


OPTIONS = ("--target", "serve", "--host", "127.0.0.1", "--port", "{port}")


@pytest.mark.parametrize("file", FILES)
def test_proof(file: str, platform: Mapping[str, str], tmp_path) -> None:
    """Thirty requests are answered as by the platform, but for the rows of the page."""
    theirs = answers(platform[file])
    with ours(tmp_path, NAME, f"{file}.serve") as server:
      for function in ("buffered", "streamed"):
        found = differing(theirs, server, platform[file], function)
        for n, t in found.items(): print(function, n, t)
        assert documented(NAME) == set(found)
