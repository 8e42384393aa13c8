"""What people come for, in a real browser on the registry of `modelyard demo`: by keyboard, and in few clicks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Locator, Page, expect

from modelyard.sdk.client import Client
from tests.doors.test_browser import chromium
from tests.support.demo_pages import MODEL, fill
from tests.support.server import RunningServer, running_server

__all__ = ["chromium"]

MOST_CLICKS = 3
MOST_TABS = 120


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server() as running:
        fill(running, tmp_path_factory.mktemp("tasks"), only=MODEL)
        yield running


As = Callable[[str], Page]


@pytest.fixture(scope="module")
def as_(server: RunningServer, chromium: Chromium) -> As:
    """The page of somebody who is signed in, at home."""
    pages: dict[str, Page] = {}

    def at_home(name: str) -> Page:
        if name not in pages:
            page = pages[name] = chromium.new_context(viewport={"width": 1440, "height": 900}).new_page()
            with server.client() as client:
                page.goto(client.accounts.sign_in_link(name))
            page.get_by_role("button", name="Sign in with this link").click()
            page.wait_for_url(f"{server.url}/")
        pages[name].goto(server.url)
        return pages[name]

    return at_home


class Clicks:
    """A newcomer's way through the pages: every click counts."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.count = 0

    def on(self, place: Locator) -> Clicks:
        self.count += 1
        assert self.count <= MOST_CLICKS
        with self.page.expect_navigation():
            place.click()
        return self

    def link(self, words: str, within: str = "main") -> Clicks:
        return self.on(self.page.locator(within).get_by_role("link", name=words, exact=True).first)

    def sees(self, *words: str) -> Clicks:
        for each in words:
            expect(self.page.locator("main")).to_contain_text(each)
        return self


def as_jonas(server: RunningServer) -> Client:
    return server.client(server.client().tokens.create("jonas", owner="jonas").token)


def test_why_a_version_is_refused_and_what_to_do(as_: As) -> None:
    way = Clicks(as_("jonas")).link(f"See the reasons of {MODEL}")
    way.sees(
        "rules are open",
        "accuracy",
        "0.6257",
        "0.9",
        "a better version",
        "a member of group risk: mara",
        "modelyard approve",
    )


def test_which_version_is_in_production_and_who_approved_it(as_: As) -> None:
    way = Clicks(as_("jonas")).link(MODEL).sees("approved by mara")
    expect(as_way(way, "Production").get_by_role("link", name="v3")).to_be_visible()


def test_what_changed_since_the_version_before(as_: As) -> None:
    way = Clicks(as_("jonas")).link(MODEL)
    production = as_way(way, "Production")
    way.on(production.get_by_role("link", name="how it came here"))
    way.sees("What changed against v2", "Code", "Data", "Parameters", "Environment", "Metrics against v2")
    way.sees("RandomForestClassifier", "test: accuracy", "mara approved")


def as_way(way: Clicks, stage: str) -> Locator:
    return way.page.locator(".cards > section").filter(has_text=stage)


def test_what_depends_on_a_dataset(as_: As) -> None:
    page = as_("jonas")
    way = Clicks(page).link("Datasets", "nav")
    way.link("demo/breast_cancer").sees("Models trained on it", f"{MODEL}:5")


def test_a_mentioned_approver_decides_and_the_log_proves_it(server: RunningServer, as_: As) -> None:
    jonas = as_jonas(server)
    jonas.promotions.promote(f"{MODEL}:4", "staging")
    asked = jonas.promotions.request(f"{MODEL}:4", "production", reason="the best on the test split")
    assert asked.promotion is not None
    jonas.comments.write(MODEL, "@mara please decide", promotion=asked.promotion.id)
    page = as_("mara")
    page.get_by_role("link", name=re.compile("jonas mentioned you|jonas commented")).first.click()
    page.wait_for_url(f"**/promotions/{asked.promotion.id}*")
    expect(page.locator("main")).to_contain_text("@mara please decide")
    expect(page.locator("#rules")).to_contain_text("0.9766")
    page.get_by_label(re.compile("^Comment, kept")).fill("The errors are understood.")
    page.get_by_role("button", name="Approve v4").click()
    expect(page.get_by_role("status").filter(has_text="You approved")).to_be_visible()
    page.goto(f"{server.url}/audit?model={MODEL}&kind=promotion.*&actor=mara")
    page.locator("main tbody a, main .rows a").first.click()
    expect(page.locator("main")).to_contain_text(re.compile("This event lies under the root of .* events"))
    expect(page.locator("main")).to_contain_text("mara")


def tab_to(page: Page, place: Locator) -> None:
    """Press Tab until the place has the focus, as somebody without a mouse does."""
    wanted = place.element_handle()
    for _ in range(MOST_TABS):
        if page.evaluate("(element) => document.activeElement === element", wanted):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{place} cannot be reached by Tab")


def press(page: Page, place: Locator) -> None:
    tab_to(page, place)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_from_a_promotion_to_the_way_back_by_keyboard(server: RunningServer, as_: As) -> None:
    before = server.client().versions.get(f"{MODEL}@production").version
    jonas, mara = as_("jonas"), as_("mara")
    jonas.goto(f"{server.url}/models/{MODEL}/versions/5")
    press(jonas, jonas.get_by_role("button", name="Promote to staging"))
    jonas.goto(f"{server.url}/models/{MODEL}/versions/5")
    press(jonas, jonas.get_by_role("button", name="Request it"))
    address = jonas.url.partition("?")[0]
    assert "/promotions/" in address

    press(mara, mara.get_by_role("link", name="Approvals").first)
    press(mara, mara.get_by_role("link", name=f"{address.rpartition('/')[2]}: {MODEL}"))
    press(mara, mara.get_by_role("button", name="Approve v5"))
    expect(mara.get_by_role("status").filter(has_text="You approved")).to_be_visible()

    jonas.goto(address)
    press(jonas, jonas.get_by_role("button", name="Promote to production"))
    assert server.client().versions.get(f"{MODEL}@production").version == 5

    jonas.goto(f"{server.url}/models/{MODEL}")
    press(
        jonas,
        jonas.locator(".cards > section").filter(has_text="Production").get_by_role("link", name="Roll back"),
    )
    tab_to(jonas, jonas.get_by_label(re.compile("^Reason")))
    jonas.keyboard.type("worse in the clinic")
    press(jonas, jonas.get_by_role("button", name="Roll back"))
    assert server.client().versions.get(f"{MODEL}@production").version == before


def test_rolling_back_takes_three_clicks(server: RunningServer, as_: As) -> None:
    before = server.client().versions.get(f"{MODEL}@production").version
    way = Clicks(as_("jonas")).link(MODEL)
    way.on(as_way(way, "Production").get_by_role("link", name="Roll back"))
    way.page.get_by_label(re.compile("^Reason")).fill("worse in the clinic")
    way.on(way.page.get_by_role("button", name="Roll back")).sees("rolled back to v")
    assert server.client().versions.get(f"{MODEL}@production").version != before
