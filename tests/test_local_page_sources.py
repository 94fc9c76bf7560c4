"""The event sources on the page, in a real browser, with moto's server for SQS and a nats-server."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from support.files import write
from support.local import ServerProcess, client
from support.nats import NatsServer, nats_server, stream
from support.page import DESKTOP, OUTSIDE, PHONE, SMALL, chromium, needs_chromium, opened, playwright, shows
from support.process import await_true
from support.sqs import CREDENTIALS, Queue, Server

from runtime.local.sources.sqs.poller import REFRESH
from runtime.local.web.source_watch import FRESH, LOOK

pytestmark = needs_chromium
expect = playwright.expect

APP = """
import time
from pathlib import Path

def handle(event, context):
    records = event.get("Records", ())
    while any(record["body"] == "wait" for record in records) and not Path("go").exists():
        time.sleep(0.01)
    return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in records if "bad" in each["body"]]}
"""
CONFIG = """
timeout = 60
[functions.orders]
handler = "app.handle"
convention = "lambda"
[[functions.orders.sources]]
sqs = "{failing}"
report_failures = true
[[functions.orders.sources]]
sqs = "{dying}"
report_failures = true
[[functions.orders.sources]]
nats = "ORDERS"
[[functions.orders.sources]]
schedule = "rate(1 day)"
[functions.slow]
handler = "app.handle"
convention = "lambda"
concurrency = 1
[[functions.slow.sources]]
sqs = "{slow}"
batch = 1
"""
HOSTILE = "<img src=x onerror=alert(1)>" + "x" * 300


@dataclass
class Shop:
    """Two functions with five sources.

    Attributes:
        failing: a queue whose messages come back after a second.
        dying: one whose messages are dead letters after their first delivery.
        slow: one for a function that handles one message at a time.
    """

    moto: Server
    nats: NatsServer
    failing: Queue
    dying: Queue
    slow: Queue
    process: ServerProcess

    def sources(self) -> dict[str, Any]:
        """What a script gets, by the sources' titles."""
        with client(self.process.host) as caller:
            return {each["title"]: each for each in caller.call("GET", "/_dispatch/sources").json["sources"]}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop, served."""
    folder = tmp_path_factory.mktemp("sources")
    with ExitStack() as stack:
        nats = stack.enter_context(nats_server(folder / "store"))
        asyncio.run(publish(nats))
        moto = Server()
        stack.callback(moto.stop)
        redrive = {"deadLetterTargetArn": moto.queue().arn, "maxReceiveCount": 1}
        queues = {
            "failing": moto.queue(VisibilityTimeout="1"),
            "dying": moto.queue(VisibilityTimeout="600", RedrivePolicy=redrive),
            "slow": moto.queue(VisibilityTimeout="600"),
        }
        config = CONFIG.format(**{name: queue.name for name, queue in queues.items()})
        root = write(folder / "shop", {"app.py": APP, "dispatch.toml": config})
        environment = {**CREDENTIALS, "AWS_ENDPOINT_URL_SQS": moto.url, "NATS_URL": nats.url}
        process = stack.enter_context(ServerProcess(root, "--no-reload", environment=environment))
        yield Shop(moto, nats, process=process, **queues)


async def publish(nats: NatsServer) -> None:
    """Make the stream, with a message whose id is markup."""
    async with stream(nats) as orders:
        await orders.publish("bad", Nats_Msg_Id=HOSTILE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser."""
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def page(shop: Shop, browser: Any) -> Iterator[Any]:
    """The page, which stays open from test to test."""
    with opened(shop.process, browser, "light", *DESKTOP) as one:
        yield one


def line(page: Any, title: str) -> Any:
    """The lines of one source: its figures and its details."""
    return page.locator("#sources tbody", has_text=title)


def figure(page: Any, title: str, name: str) -> Any:
    """One figure of a source, which the page can be expected to show."""
    return expect(line(page, title).locator(f"td.s-{name}"))


def test_a_message_that_fails(shop: Shop, page: Any) -> None:
    """It is a failure of a batch, then it is retried; what was opened and has the focus stays while figures change."""
    title = f"sqs {shop.failing.name}"
    figure(page, title, "status").to_have_text("polling")
    toggle = line(page, title).locator(".toggle")
    toggle.click()
    shop.failing.send("good", "bad")
    figure(page, title, "batches").not_to_have_text("0")
    figure(page, title, "failures").not_to_have_text("0")
    figure(page, title, "retrying").to_have_text("1")
    expect(line(page, title).locator(".retrying li")).to_have_text(
        re.compile(r"^[0-9a-f-]{36} ([2-9]|\d\d+) deliveries$")
    )
    expect(toggle).to_be_focused()
    assert "true" == toggle.get_attribute("aria-expanded")
    state = shop.sources()[title]
    assert ("polling", 1, True) == (state["status"], len(state["retrying"]), state["failures"] >= 2)


def test_a_dead_letter(shop: Shop, page: Any) -> None:
    """A message that failed for the last time is counted, and is not among those that are retried."""
    title = f"sqs {shop.dying.name}"
    shop.dying.send("bad")
    figure(page, title, "deadLetters").to_have_text("1")
    figure(page, title, "retrying").to_have_text("0")


def test_the_invocations_of_a_source(shop: Shop, page: Any) -> None:
    """A source's name shows only its invocations, and all of them the second time."""
    with client(shop.process.host) as caller:
        caller.call("POST", "/2015-03-31/functions/orders/invocations", "{}")
    shop.slow.send("one")
    figure(page, f"sqs {shop.slow.name}", "batches").not_to_have_text("0")
    expect(page.locator("#history tr", has_text="invoke")).not_to_have_count(0)
    name = line(page, f"sqs {shop.slow.name}").locator("th button.plain")
    name.click()
    shows(page, "#filter", f"only sqs {shop.slow.name} for slow")
    expect(page.locator("#history tr", has_text="invoke")).to_have_count(0)
    expect(page.locator("#history tr", has_text="orders")).to_have_count(0)
    expect(page.locator("#history tr", has_text="slow")).not_to_have_count(0)
    assert "true" == name.get_attribute("aria-pressed")
    page.click("#filter")
    expect(page.locator("#history tr", has_text="invoke")).not_to_have_count(0)


def test_lag(shop: Shop, page: Any) -> None:
    """What waits for a busy function is counted on the page and for scripts; many changes make few messages."""
    title = f"sqs {shop.slow.name}"
    page.evaluate(
        "() => { window.count = 0; window.began = performance.now(); new EventSource('/_dispatch/feed')"
        ".addEventListener('sources', () => { window.count += 1; }); }"
    )
    shop.slow.send("wait", *map(str, range(12)))
    figure(page, title, "lag").to_have_text(re.compile(r"^[1-9]\d* at \d\d:\d\d:\d\d$"))
    figure(page, title, "inFlight").not_to_have_text("0")
    assert shop.sources()[title]["lag"] > 0
    (shop.process.root / "go").touch()
    await_true(lambda: shop.sources()[title]["records"] >= 13)
    figure(page, title, "lag").to_have_text(re.compile("^0 at"))
    assert page.evaluate(f"window.count <= (performance.now() - window.began) / {LOOK * 1000} + 3")


def test_an_id_that_is_markup(shop: Shop, page: Any) -> None:
    """The publisher of a message of NATS chooses its id: it is shown, not run, and cut."""
    figure(page, "nats ORDERS", "retrying").to_have_text("1")
    line(page, "nats ORDERS").locator(".toggle").click()
    expect(line(page, "nats ORDERS").locator(".retrying code")).to_have_text(HOSTILE[:199] + "…")
    assert 0 == page.locator("#sources img").count()
    figure(page, "nats ORDERS", "lag").to_contain_text("0 at")
    figure(page, "nats ORDERS", "inFlight").to_have_text("1")


def test_scripts_do_not_flood_a_queue(shop: Shop) -> None:
    """The queues are asked for their lag every few seconds, however often somebody wants to know it."""
    before, began = shop.moto.app.actions.count("GetQueueAttributes"), time.monotonic()
    for _ in range(40):
        shop.sources()
    passed = time.monotonic() - began
    assert shop.moto.app.actions.count("GetQueueAttributes") - before <= 3 * (passed / FRESH + passed / REFRESH + 2)


def test_a_schedule(shop: Shop, page: Any) -> None:
    """It shows when it happens next."""
    figure(page, "schedule rate(1 day)", "lag").to_contain_text("next ")
    assert shop.sources()["schedule rate(1 day)"]["due"] is not None


def test_sources_of_the_api(shop: Shop, page: Any) -> None:
    """One that is created appears; it may be out of reach, or disabled; one that is deleted disappears."""
    names = {key: CREDENTIALS[name] for key, name in CLIENT.items()}
    service = boto3.client("lambda", endpoint_url=shop.process.address, **names)
    arn = f"{shop.slow.arn.rpartition(':')[0]}:nowhere"
    mapping = service.create_event_source_mapping(EventSourceArn=arn, FunctionName="orders")["UUID"]
    figure(page, "sqs nowhere", "status").to_have_text("cannot be reached")
    assert "QueueDoesNotExist" in shop.sources()["sqs nowhere"]["reason"]
    line(page, "sqs nowhere").locator(".toggle").click()
    expect(line(page, "sqs nowhere").locator(".details")).to_contain_text("QueueDoesNotExist")
    service.update_event_source_mapping(UUID=mapping, Enabled=False)
    figure(page, "sqs nowhere", "status").to_have_text("disabled")
    line(page, "sqs nowhere").locator("th button.plain").click()
    expect(page.locator("#history tr")).to_have_count(0)
    service.delete_event_source_mapping(UUID=mapping)
    expect(line(page, "sqs nowhere")).to_have_count(0)
    expect(page.locator("#filter")).to_be_hidden()
    expect(page.locator("#history tr")).not_to_have_count(0)


CLIENT = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "region_name": "AWS_DEFAULT_REGION",
}


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), ((1010, 800), "dark"), (PHONE, "dark")], ids=str)
def test_it_fits_its_window(shop: Shop, browser: Any, size: tuple[int, int], scheme: str) -> None:
    """Nothing leaves its card, every control can be hit, and each figure keeps its name."""
    with opened(shop.process, browser, scheme, *size) as page:
        expect(page.locator("#sources tbody")).to_have_count(5)
        line(page, "nats ORDERS").locator(".toggle").click()
        expect(line(page, "nats ORDERS").locator(".details")).to_be_visible()
        assert [] == page.evaluate(OUTSIDE)
        assert [] == page.evaluate(SMALL)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert 1 == page.get_by_role("table", name="Event sources").count()
        assert 10 == page.locator("#sources [role=columnheader]").count()
        assert 5 == page.get_by_role("rowheader").count()
