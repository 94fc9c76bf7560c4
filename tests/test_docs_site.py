"""The documentation site as it is published: its versions, its pages in a real browser, its links, its twins in Markdown."""

from __future__ import annotations

import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from axe_playwright_python.sync_playwright import Axe
from support.page import DESKTOP, PHONE, chromium, needs_chromium

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SETTINGS = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]

#: Every page, by the end of its address: `start/`, `ports/` for the README of a folder, nothing for the first one.
PAGES = {
    re.sub(r"(^|(?<=/))(index|README)/$", "", f"{path.relative_to(DOCS).with_suffix('')}/"): path
    for path in sorted(DOCS.rglob("*.md"))
}

#: Pages with code, notes in code, tables, pictures, long names.
OF_EACH_KIND = ("", "start/", "conventions/", "conventions/json/", "plugins/", "ports/", "reference/settings/")
#: Into how many tests the pages are divided.
PARTS = 2

#: What is wrong with the layout: the page scrolls sideways, or a picture did not load.
FAULTS = """
() => [
  ...(document.documentElement.scrollWidth > innerWidth ? [`wider than the window: ${document.documentElement.scrollWidth}`] : []),
  ...[...document.images].filter((one) => one.complete && !one.naturalWidth).map((one) => one.outerHTML),
]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a repository with two releases, built by the script that publishes it."""
    root = tmp_path_factory.mktemp("repository")
    shutil.copytree(DOCS, root / "docs")
    shutil.copy(ROOT / "zensical.toml", root)
    (root / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "website.py", root / "scripts")
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "Begin"], ["tag", "v0.9.0"], ["tag", "v0.10.0"]):
        subprocess.run(["git", *identity, *words], cwd=root, check=True)
    done = subprocess.run(
        [sys.executable, root / "scripts" / "website.py"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return root / "site"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The site, served."""
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that keeps connections, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Reader(HTMLParser):
    """The addresses that a page links to or loads, and the places in it that can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        named = {name: value or "" for name, value in attrs}
        self.places |= {named[name] for name in ("id", "name") if name in named}
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        if tag in {"script", "img", "source"} or (
            tag == "link" and named.get("rel") in {"stylesheet", "preconnect", "icon"}
        ):
            self.loaded += [named[name] for name in ("src", "href", "srcset") if name in named]


def entries(nav: list[Any]) -> list[str]:
    """The pages of a navigation."""
    return [
        page
        for entry in nav
        for page in (
            [entry]
            if isinstance(entry, str)
            else [one for part in entry.values() for one in entries(part if isinstance(part, list) else [part])]
        )
    ]


def test_versions(site: Path) -> None:
    """The newest release is the latest, the checkout is `dev`, and the root leads to the latest."""
    listed = json.loads((site / "versions.json").read_text())

    assert ["0.10.0", "0.9.0", "dev"] == [one["version"] for one in listed]
    assert [["latest"], [], []] == [one["aliases"] for one in listed]
    assert all((site / one["version"] / "start" / "index.html").exists() for one in listed)
    assert "url=latest/" in (site / "index.html").read_text()


def test_navigation() -> None:
    """Every page is in the navigation, once."""
    assert sorted(str(path.relative_to(DOCS)) for path in PAGES.values()) == sorted(entries(SETTINGS["nav"]))


def test_lengths() -> None:
    """No page is much longer than 250 lines."""
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in PAGES.values()}

    assert {} == {name: length for name, length in lengths.items() if length > 260}


def test_twins(site: Path) -> None:
    """Each page has a twin in Markdown, which the page and llms.txt link to."""
    listed = re.findall(r"\(<(.*)>\)", (site / "latest" / "llms.txt").read_text())

    assert sorted(f"{SETTINGS['site_url']}{page}index.md" for page in PAGES) == sorted(listed)
    for page in PAGES:
        text = (site / "latest" / page / "index.html").read_text()
        assert '<link rel="alternate" type="text/markdown" href="./index.md">' in text
        assert (site / "latest" / page / "index.md").read_text().startswith("# ")


def test_links(site: Path) -> None:
    """Each link leads to a page and to a place in it, and no page loads anything from another site."""
    root = site / "latest"
    base = "https://site.invalid/"
    pages = {f"{base}{page}": Reader((root / page / "index.html").read_text()) for page in PAGES}
    dead, foreign = [], []
    for page, reader in pages.items():
        foreign += [(page, one) for one in reader.loaded if re.match(r"(https?:)?//", one)]
        for link in reader.links:
            target, place = urldefrag(urljoin(page, link))
            if not target.startswith(base):
                continue
            found = pages.get(target)
            if found is None:
                if not (root / unquote(target.removeprefix(base))).is_file():
                    dead.append((page, link))
            elif unquote(place) not in found.places:
                dead.append((page, link))

    assert [] == dead
    assert [] == foreign


@needs_chromium
@pytest.mark.parametrize("part", range(PARTS))
def test_pages(address: str, part: int) -> None:
    """Every page fits a desktop and a phone, shows its pictures, and is accessible, as far as axe can tell.

    Except for colours, which are the style sheet's: they take most of the time, and are tested on a page of each kind.
    """
    found: list[str] = []
    with chromium() as browser:
        window = opened(browser, DESKTOP, "dark", found)
        for page in [*PAGES][part::PARTS]:
            window.set_viewport_size(size(DESKTOP))
            window.goto(f"{address}latest/{page}")
            found += [f"{page}: {fault}" for fault in [*window.evaluate(FAULTS), *violations(window, colours=False)]]
            window.set_viewport_size(size(PHONE))
            found += [f"{page}: {fault}" for fault in window.evaluate(FAULTS)]

    assert [] == found


@needs_chromium
@pytest.mark.parametrize(
    ("window_size", "scheme"),
    [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light")],
    ids=["desktop", "desktop-dark", "phone-light"],
)
def test_accessibility_of_each_kind(address: str, window_size: tuple[int, int], scheme: str) -> None:
    """The same for one page of each kind, in other windows and schemes."""
    found: list[str] = []
    with chromium() as browser:
        window = opened(browser, window_size, scheme, [])
        for page in OF_EACH_KIND:
            window.goto(f"{address}latest/{page}")
            found += [f"{page}: {fault}" for fault in violations(window)]

    assert [] == found


@needs_chromium
def test_search(address: str) -> None:
    """The name of an error type leads to its page."""
    with visited(f"{address}latest/") as window:
        window.locator(".md-search__button").click()
        window.keyboard.type("UnmarshalError")
        window.get_by_role("option", name="Runtime.UnmarshalError").first.click()
        window.wait_for_url("**/latest/errors/Runtime.UnmarshalError/**")


@needs_chromium
def test_menu_by_keyboard(address: str) -> None:
    """On a phone's width, the keyboard reaches the menu, opens and closes it, and finds no pages in it while it is closed."""
    with visited(f"{address}latest/guides/handlers/", PHONE) as window:
        pages = window.locator(".md-sidebar--primary")
        pages.wait_for(state="hidden")
        menu = window.get_by_role("button", name="Menu")
        for key in ("Enter", "Space"):
            menu.focus()
            window.keyboard.press(key)
            pages.wait_for(state="visible")
            window.keyboard.press("Escape")
            pages.wait_for(state="hidden")


@needs_chromium
def test_version_menu(address: str) -> None:
    """The menu has each version, and leads to it."""
    with visited(f"{address}0.9.0/start/") as window:
        menu = window.locator(".md-version")
        menu.get_by_role("button").focus()
        assert ["0.10.0", "0.9.0", "dev"] == menu.get_by_role("link").all_inner_texts()
        menu.get_by_role("link", name="dev").click()
        window.wait_for_url("**/dev/**")


@needs_chromium
def test_copying(address: str) -> None:
    """The button of a console block copies its commands, without prompts and output."""
    with chromium() as browser:
        window = opened(browser, DESKTOP, "light", [])
        window.context.grant_permissions(["clipboard-read", "clipboard-write"])
        window.goto(f"{address}latest/start/")
        block = window.locator(".language-console", has_text="dispatch explain words.py")
        block.locator("button").first.click()
        window.locator(".md-dialog--active").wait_for()
        copied = window.evaluate("navigator.clipboard.readText()")

    assert ["dispatch explain words.py | grep convention", "dispatch explain clock.countdown | grep convention"] == [
        line for line in copied.splitlines() if line.strip()
    ]


@needs_chromium
def test_schemes(address: str) -> None:
    """The switch changes the scheme of the page and of its pictures, whatever the system's is."""
    with visited(f"{address}latest/start/") as window:
        picture = window.locator("picture img")
        shown = "(one) => one.currentSrc.replace(/.*\\/|\\.\\w+$/g, '')"
        assert "page-light" == picture.evaluate(shown)
        window.locator("label[title='Switch to light mode']").click()
        window.locator("label[title='Switch to dark mode']").click()
        window.wait_for_function(f"({shown})(document.querySelector('picture img')) === 'page-dark'")


def size(numbers: tuple[int, int]) -> dict[str, int]:
    """A window's size in the browser's words."""
    return dict(zip(("width", "height"), numbers, strict=True))


def opened(browser: Any, window_size: tuple[int, int], scheme: str, complaints: list[str]) -> Any:
    """A window of that size; what its pages complain of is added to the list."""
    window = browser.new_page(color_scheme=scheme, viewport=size(window_size))
    # The theme asks GitHub how many stars the repository has.
    window.route("https://api.github.com/**", lambda route: route.fulfill(json={}))
    window.on("console", lambda one: complaints.append(f"{window.url}: {one.text}") if one.type == "error" else None)
    window.on("pageerror", lambda error: complaints.append(f"{window.url}: {error}"))
    return window


@contextmanager
def visited(page: str, window_size: tuple[int, int] = DESKTOP) -> Iterator[Any]:
    """A page in a window of its own, in the light scheme."""
    with chromium() as browser:
        window = opened(browser, window_size, "light", [])
        window.goto(page)
        yield window


def violations(window: Any, *, colours: bool = True) -> list[str]:
    """What axe finds wrong with the page, each with the first element."""
    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": colours}}}
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {one['nodes'][0]['html'][:200]}"
        for one in Axe().run(window, options=options).response["violations"]
    ]
