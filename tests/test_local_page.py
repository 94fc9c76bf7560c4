"""The page in a real browser (Debian's chromium), as somebody uses it.

With DISPATCH_SCREENSHOTS set to a folder the tests leave the documentation's pictures there.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.local import ServerProcess, client, save
from support.page import DESKTOP, OUTSIDE, PHONE, SMALL, chromium, needs_chromium, opened, playwright, shows

pytestmark = needs_chromium

ORDERS = '''
import os
import random
import time

random.seed(7)


def place(event, context):
    """Take an order."""
    print("placing order", event.get("orderId"))
    time.sleep(random.uniform(0.004, 0.03))
    lines = event["lines"]
    return {"orderId": event["orderId"], "total": round(sum(line["price"] * line["count"] for line in lines), 2)}


def report(event, context):
    """Stream a report; its second line waits for a file."""
    print("counting orders")
    yield "orders today: 3\\n"
    while not os.path.exists("go"):
        time.sleep(0.01)
    yield "orders this week: 21\\n"
'''
HELLO = "import json, sys\n\nprint(f\"Hello, {json.load(sys.stdin)['name']}!\")\n"
CONFIG = """
timeout = 20
[functions.orders]
handler = "orders.place"
convention = "lambda"
[functions.report]
handler = "orders.report"
convention = "lambda"
[functions.hello]
handler = "hello.py"
"""
ORDER = """{
  "orderId": 1042,
  "lines": [
    {"item": "tea", "count": 2, "price": 4.5},
    {"item": "cup", "count": 1, "price": 10.9}
  ]
}"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Three functions."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "orders.py").write_text(ORDERS)
    (root / "hello.py").write_text(HELLO)
    (root / "dispatch.toml").write_text(CONFIG)
    (root / ".gitignore").write_text("go\n")
    with ServerProcess(root) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser."""
    with chromium() as one:
        yield one


@pytest.fixture
def page(server: ServerProcess, browser: Any) -> Iterator[Any]:
    """The page, open."""
    with opened(server, browser, "light") as one:
        yield one


def picture(page: Any, name: str) -> None:
    """Leave a picture, if anybody wants one."""
    folder = os.environ.get("DISPATCH_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_invoking_shows_answer_log_and_report(page: Any) -> None:
    """An event that was typed in is answered; the log has its own tab, the invocation its row and its bar."""
    page.fill("#event", ORDER)
    page.keyboard.press("Control+Enter")
    shows(page, "#status", "success")
    shows(page, "#answer", '"total": 19.9')
    page.keyboard.press("Escape")
    page.keyboard.press("l")
    shows(page, "#log", "START RequestId")
    shows(page, "#log", "placing order 1042")
    shows(page, "#log", "Init Duration")
    shows(page, "#history", "orders")
    shows(page, "#environments", "1 event")
    playwright.expect(page.locator("#plot .init")).to_have_count(1)


def test_an_event_that_is_not_json(server: ServerProcess, browser: Any) -> None:
    """The page says so while it is typed, and shows the words with which it is refused; nothing is invoked."""
    window = opened(server, browser, "light")
    page = window.page
    page.fill("#event", "a,b")
    shows(page, "#validity", "not JSON; Lambda refuses it")
    page.click("#invoke")
    shows(page, "#answer", "Could not parse request body into json")
    playwright.expect(page.locator("#history tr")).to_have_count(0)
    (complaint,) = window.complaints
    assert "400" in complaint
    window.context.close()


def test_an_error_shows_type_message_and_frames(page: Any) -> None:
    """A failing invocation reads as people read it."""
    page.fill("#event", '{"orderId": 1}')
    page.click("#invoke")
    shows(page, "#status", "KeyError")
    shows(page, "#answer", "KeyError: 'lines'")
    shows(page, "#answer", "in place")
    shows(page, "#history .error", "KeyError")


def test_a_streamed_answer_is_shown_as_it_comes(server: ServerProcess, page: Any) -> None:
    """The first line, and the log, are there while the function still works."""
    page.click("text=orders.report")
    page.click("#invoke")
    shows(page, "#answer", "orders today: 3")
    page.click("#tab-log")
    shows(page, "#log", "counting orders")
    shows(page, "#status", "running")
    page.click("#tab-answer")
    (server.root / "go").touch()
    shows(page, "#answer", "orders this week: 21")
    shows(page, "#status", "success")


def test_a_saved_change_is_told_and_served(server: ServerProcess, page: Any) -> None:
    """The page says what was reloaded, and the next answer is the new code's."""
    page.click("text=hello.py")
    page.fill("#event", '{"name": "Ada"}')
    page.click("#invoke")
    shows(page, "#answer", "Hello, Ada!")
    save(server.root / "hello.py", HELLO.replace("Hello", "Good morning"))
    shows(page, "#note", "reloaded")
    page.click("#invoke")
    shows(page, "#answer", "Good morning, Ada!")


def test_an_invocation_is_looked_at_and_repeated(page: Any) -> None:
    """A row brings its event and answer back; repeating it invokes once more with the same event."""
    page.click("text=hello.py")
    for name in ("Ada", "Grace"):
        page.fill("#event", f'{{"name": "{name}"}}')
        page.click("#invoke")
        shows(page, "#answer", f"Hello, {name}!")
    page.keyboard.press("Escape")
    page.locator("#history tr").nth(1).click()
    shows(page, "#answer", "Hello, Ada!")
    assert '"Ada"' in page.input_value("#event")
    page.keyboard.press("r")
    playwright.expect(page.locator("#history tr")).to_have_count(3)
    shows(page, "#answer", "Hello, Ada!")
    shows(page, "#history tr:first-child", "hello")


def test_what_others_invoke_is_seen(server: ServerProcess, page: Any) -> None:
    """An invocation by an AWS client appears by itself."""
    with client(server.host) as other:
        other.call("POST", "/2015-03-31/functions/hello/invocations", '{"name": "Ada"}')
    shows(page, "#history", "invoke")
    page.keyboard.press("j")
    shows(page, "#answer", "Hello, Ada!")


def test_all_can_be_done_by_keyboard(page: Any) -> None:
    """Picking a function, a sample, invoking, moving through the invocations, help."""
    page.keyboard.press("3")
    playwright.expect(page.locator('#functions [aria-current="true"]')).to_contain_text("hello")
    page.keyboard.press("s")
    page.keyboard.type("sqs")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.select_option("#sample", "hello")
    page.keyboard.press("Control+Enter")
    shows(page, "#answer", "Hello, Ada!")
    page.locator("#event").blur()
    page.locator("body").click(position={"x": 5, "y": 700})
    page.keyboard.press("?")
    playwright.expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#help")).not_to_be_visible()


def test_an_answer_is_text_and_never_markup(server: ServerProcess, page: Any) -> None:
    """What a function answers is shown, not run."""
    page.click("text=hello.py")
    page.fill("#event", '{"name": "<img src=x onerror=alert(1)>"}')
    page.click("#invoke")
    shows(page, "#answer", "<img src=x onerror=alert(1)>")
    assert 0 == page.locator("#answer img").count()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_fit_to_be_looked_at(server: ServerProcess, browser: Any, scheme: str) -> None:
    """In either colour scheme nothing is cut off at the sides, and the pictures of the documentation are taken."""
    with opened(server, browser, scheme) as page:
        for number in range(14):
            page.fill("#event", '{"orderId": 7}' if number == 9 else ORDER)
            page.click("#invoke")
            playwright.expect(page.locator("#history tr")).to_have_count(number + 1)
            shows(page, "#status", "KeyError" if number == 9 else "success")
        shows(page, "#environments", "14 events")
        shows(page, "#environments", "idle")
        playwright.expect(page.locator("#sources-card")).to_be_hidden()
        assert scheme == page.evaluate("document.documentElement.dataset.theme")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.evaluate(
            "[...document.querySelectorAll('.scroll')].every((one) => one.scrollWidth <= one.clientWidth)"
        )
        picture(page, f"page-{scheme}")


LONG_NAME = "a-name-of-the-sixty-four-characters-that-aws-allows-for-function"
WIDE = """
class ThisFrameworksOwnErrorForAnEventThatIsNotWhatItsSchemaSaysBecauseOfOneField(Exception):
    pass


def handler(event, context):
    raise ThisFrameworksOwnErrorForAnEventThatIsNotWhatItsSchemaSaysBecauseOfOneField("x" * 300)
"""
MANY = "".join(
    f'[functions.{name}]\nhandler = "{handler}"\nconvention = "lambda"\n'
    for name, handler in {
        "orders": "orders.place",
        "report": "orders.report",
        "broken": "broken.handler",
        LONG_NAME: "wide.handler",
        **{f"worker-{number}": "orders.place" for number in range(9)},
    }.items()
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Many functions: some have run, one does not load, one streams, one has a long name and a long error type."""
    root = tmp_path_factory.mktemp("page") / "shop"
    root.mkdir()
    for name, text in {"orders.py": ORDERS, "broken.py": "import nosuchlibrary\n", "wide.py": WIDE}.items():
        (root / name).write_text(text)
    (root / "dispatch.toml").write_text(f"timeout = 60\n{MANY}url = false\n")
    (root / ".gitignore").write_text("go\n")
    with ServerProcess(root) as server, client(server.host) as caller:
        events = [("orders", ORDER), ("orders", ORDER), ("orders", "{}"), ("broken", "{}"), (LONG_NAME, "{}")]
        for name, event in events:
            caller.call("POST", f"/2015-03-31/functions/{name}/invocations", event)
        with caller_of_report(server):
            yield server


@contextmanager
def caller_of_report(server: ServerProcess) -> Iterator[None]:
    """Somebody who waits for the rest of a streamed answer."""
    with urllib.request.urlopen(f"{server.address}/lambda-url/report/", timeout=60) as answer:
        assert b"orders today: 3\n" == answer.readline()
        yield
        (server.root / "go").touch()


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(DESKTOP, "light"), (DESKTOP, "dark"), ((1010, 800), "light"), (PHONE, "light"), (PHONE, "dark")],
    ids=str,
)
def test_it_fits_its_window(shop: ServerProcess, browser: Any, size: tuple[int, int], scheme: str) -> None:
    """Long names and error types are cut, nothing leaves its card, every status is seen, every control can be hit."""
    with opened(shop, browser, scheme, *size) as page:
        page.locator("#history tr", has_text="ThisFrameworks").click()
        shows(page, "#status", "ThisFrameworksOwnError")
        assert [] == page.evaluate(OUTSIDE)
        assert [] == page.evaluate(SMALL)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert 6 == page.locator("#history .pill").count()
        assert all(box["width"] > 40 for box in boxes(page, "#history .pill"))
        assert all(box["width"] > 40 for box in boxes(page, "#history td:nth-child(2)"))
        (editor,) = boxes(page, "#event")
        assert editor["y"] + 100 < size[1]


def boxes(page: Any, selector: str) -> list[Any]:
    """Where the elements are."""
    return [one.bounding_box() for one in page.locator(selector).all()]


def test_a_function_that_does_not_load_says_so(shop: ServerProcess, browser: Any) -> None:
    """Its place in the list is marked, and the reason is there instead of environments; it has no durations."""
    with opened(shop, browser, "light", *DESKTOP) as page:
        broken = page.locator("#functions button", has_text="broken")
        playwright.expect(broken.locator(".dot.failed")).to_be_visible()
        playwright.expect(page.locator("#failure")).not_to_be_visible()
        broken.click()
        shows(page, "#failure", "did not load")
        shows(page, "#failure", "No module named 'nosuchlibrary'")
        playwright.expect(page.locator("#no-environments")).not_to_be_visible()
        playwright.expect(page.locator("#plot rect")).to_have_count(0)


def test_an_environment_that_streams_is_busy(shop: ServerProcess, browser: Any) -> None:
    """While an answer is on its way, the environment is no longer starting, and its event counts."""
    with opened(shop, browser, "light", *DESKTOP) as page:
        page.locator("#functions button", has_text="report").click()
        shows(page, "#environments", "busy")
        shows(page, "#environments", "1 event")


def test_durations_are_of_one_function(shop: ServerProcess, browser: Any) -> None:
    """Its runs have a bar each; its only start is in another lane, below them."""
    with opened(shop, browser, "light", *DESKTOP) as page:
        playwright.expect(page.locator("#plot .run, #plot .failed")).to_have_count(3)
        playwright.expect(page.locator("#plot .init")).to_have_count(1)
        (start,) = boxes(page, "#plot .init")
        assert all(box["y"] + box["height"] <= start["y"] for box in boxes(page, "#plot .run, #plot .failed"))
        page.locator("#functions button", has_text="worker-3").click()
        playwright.expect(page.locator("#plot rect")).to_have_count(0)
        playwright.expect(page.locator("#figures")).to_be_empty()


def test_the_url_of_a_function_is_a_link(shop: ServerProcess, browser: Any) -> None:
    """It opens in a window of its own; a function without a URL has no link."""
    with opened(shop, browser, "light", *DESKTOP) as page:
        page.locator("#functions button", has_text="worker-1").click()
        with page.context.expect_page() as opening:
            page.click("#url")
        opening.value.wait_for_load_state()
        assert f"{shop.address}/lambda-url/worker-1/" == opening.value.url
        assert "Internal Server Error" == opening.value.locator("body").inner_text()
        page.locator("#functions button", has_text="worker-8").click()
        playwright.expect(page.locator("#url")).not_to_be_visible()
