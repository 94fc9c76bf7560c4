"""The page of the local platform in a real browser (Debian's chromium)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support.local import ServerProcess
from support.wire import PATIENCE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no chromium on the path: apt-get install chromium"
)

DESKTOP, PHONE = (1400, 900), (390, 844)

#: The elements that leave their card, and the controls that are too small to be hit.
OUTSIDE = """
() => [...document.querySelectorAll("header *, nav button, main *")].filter((one) => {
  if (one.closest("svg, option, #functions, #environments, .hidden") || !one.checkVisibility()) return false;
  const box = one.getBoundingClientRect();
  const card = (one.closest(".card") ?? document.body).getBoundingClientRect();
  return box.right > card.right + 1 || box.left < card.left - 1;
}).map((one) => one.outerHTML.slice(0, 120))
"""
SMALL = """
() => [...document.querySelectorAll("button, a, select")].filter((one) => {
  const box = one.getBoundingClientRect();
  return one.checkVisibility() && (box.width < 24 || box.height < 24);
}).map((one) => one.outerHTML)
"""


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; each window has a profile of its own."""
    playwright.expect.set_options(timeout=PATIENCE * 1000)
    with playwright.sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield one
        one.close()


class opened:  # noqa: N801 - used as a function
    """The page in a window of its own; whatever it complains of fails the test."""

    def __init__(self, server: ServerProcess, browser: Any, scheme: str, width: int = 1360, height: int = 860) -> None:
        self.context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on(
            "console", lambda message: self.complaints.append(message.text) if message.type == "error" else None
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(server.address)
        self.page.wait_for_selector(".live.on")

    def __enter__(self) -> Any:
        return self.page

    def __exit__(self, *_: object) -> None:
        self.context.close()
        assert [] == self.complaints


def shows(page: Any, selector: str, text: str) -> None:
    """Wait until an element shows a text."""
    playwright.expect(page.locator(selector)).to_contain_text(text)
