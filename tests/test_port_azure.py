"""The convention `azure`: apps of Azure Functions, beside the same ones behind Azure's own worker library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

pytest.importorskip("httpx")
pytest.importorskip("azure.functions")
pytest.importorskip("azure_functions_runtime")

from support.ports import ROOT, SAMPLES, answers, differing, documented, ours, peer, python

AZURE = "azure"


@pytest.mark.parametrize(("module", "functions"), [
    ("function_app", ("buffered", "streamed")), ("asgi_app", ("buffered",)), ("wsgi_app", ("streamed",)), ("stream_app", ("buffered", "streamed")),
])  # fmt: skip
def test_proof(module: str, functions: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Thirty requests are answered as behind Azure's worker, but for the rows of the page."""
    command = python(str(ROOT / "tests" / "support" / "azure_host.py"), "{port}")
    folder = tmp_path_factory.mktemp(AZURE)
    with (
        peer(command, {"PYTHON_SCRIPT_FILE_NAME": f"{module}.py", "TZ": "UTC"}, SAMPLES / AZURE) as host,
        ours(folder, AZURE, f"{module}.app") as server,
    ):
        theirs = answers(host)
        for function in functions:
            found = differing(theirs, server, host, function)
            for n, v in found.items():
                print("DIFF", n, v[:700])
            assert set() == set(found)
