"""A function as an ASGI application, while it is loaded: its own event loops, modules named as ours, CancelledError."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.engines import SERVERS, engine, started
from support.files import write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A function's folder."""
    return write(tmp_path / "task", {})


def test_an_init_that_is_cancelled(folder: Path) -> None:
    """CancelledError, which is no Exception, is an init error too."""
    write(folder, {"bad.py": "import asyncio\n\nraise asyncio.CancelledError\n"})
    with started("uvicorn", folder, "bad.f") as (child, _):
        assert 0 != child.wait()
    assert "[ERROR] CancelledError" in child.log


@pytest.mark.parametrize("server", SERVERS)
def test_event_loops_of_its_own(server: str, folder: Path) -> None:
    """As on Lambda, where a function is in the main thread, it may run a loop at import time and in a plain handler."""
    write(folder, {"loops.py": """
        import asyncio
        from dispatch import settle

        async def number(value):
            await asyncio.sleep(0)
            return value

        loop = asyncio.get_event_loop()
        numbers = [asyncio.run(number(1)), settle(number(2)), loop.run_until_complete(number(3)), settle(number(4))]

        def f(event, headers):
            own = asyncio.get_event_loop().run_until_complete(number(5))
            return str([*numbers, own, loop.run_until_complete(number(6))])

        async def g(event, headers):
            async with asyncio.timeout(30):
                return str([*numbers, await number(5)])
    """})  # fmt: skip
    for handler, numbers in (("loops.f", [1, 2, 3, 4, 5, 6]), ("loops.g", [1, 2, 3, 4, 5])):
        with engine(server, folder, handler) as (_, client, _):
            assert str(numbers) == client.post("/").text


@pytest.mark.parametrize("server", SERVERS)
def test_a_module_named_as_one_of_ours(server: str, folder: Path) -> None:
    """The function imports its own, and we import ours, although servers look in the current folder first."""
    write(folder, {"conventions.py": "OWN = 'own'\n", "mine.py": """
        import conventions

        def f(event, headers):
            return conventions.OWN
    """})  # fmt: skip
    with engine(server, folder, "mine.f") as (_, client, _):
        assert "own" == client.post("/").text
