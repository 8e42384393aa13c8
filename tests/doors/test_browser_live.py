"""Live updates, the palette and the keys in a real browser; forms and rules are tested without one."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Route, expect

from tests.doors.test_browser import Visit, chromium, server, visit
from tests.support.server import RunningServer

__all__ = ["chromium", "server", "visit"]


def sign_in(server: RunningServer, page: Page, name: str) -> None:
    with server.client() as client:
        page.goto(client.accounts.sign_in_link(name))
    page.get_by_role("button", name="Sign in with this link").click()
    page.wait_for_url(f"{server.url}/")


def test_home_shows_what_changed_and_keeps_the_focus(server: RunningServer, visit: Visit) -> None:
    page = visit("bob")
    page.goto(server.url)
    link = page.locator("#changed li a").first
    link.focus()
    at = link.get_attribute("href")
    server.client().aliases.set("fraud/scorer:1", "canary")
    expect(page.locator("#changed li").first).to_contain_text("moved @canary to fraud/scorer v1")
    assert page.evaluate("() => document.activeElement.getAttribute('href')") == at
    expect(page.locator("#paused")).to_be_hidden()


def test_a_promotion_changes_below_what_is_being_typed(server: RunningServer, visit: Visit) -> None:
    server.client().promotions.promote("fraud/scorer:2", "staging")
    asked = server.client().promotions.request("fraud/scorer:2", "production", reason="to watch")
    assert asked.promotion is not None
    page = visit("bob")
    page.goto(f"{server.url}/promotions/{asked.promotion.id}")
    text = page.locator("#words")
    text.focus()
    page.keyboard.type("a careful thought")
    server.client().comments.write("fraud/scorer", "the evaluation is done", promotion=asked.promotion.id)
    server.client().promotions.withdraw(asked.promotion.id, reason="too early")
    expect(page.locator("#closed")).to_contain_text("too early")
    page.keyboard.type(", and more")
    expect(text).to_have_value("a careful thought, and more")


def test_a_hidden_tab_gives_its_connection_back_and_catches_up(
    server: RunningServer, chromium: Chromium
) -> None:
    page = chromium.new_context().new_page()
    ended: list[str] = []
    page.on("requestfailed", lambda request: ended.append(request.url))
    sign_in(server, page, "bob")
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with page.expect_request("**/api/v1/events"):
        page.goto(server.url)
    expect(page.locator("#changed li").first).to_be_visible()
    page.wait_for_timeout(500)
    ended.clear()
    page.evaluate(hide, True)
    page.wait_for_timeout(500)
    assert [url.rpartition("/")[2] for url in ended] == ["events"]
    server.client().aliases.set("fraud/scorer:3", "hidden")
    expect(page.locator("#changed")).not_to_contain_text("@hidden")
    page.evaluate(hide, False)
    expect(page.locator("#changed")).to_contain_text("moved @hidden to fraud/scorer v3")
    expect(page.locator("#paused")).to_be_hidden()
    page.context.close()


def test_who_may_only_vote_sees_changes_with_the_next_heartbeat(
    server: RunningServer, chromium: Chromium
) -> None:
    """ann may read no event of fraud, but the promotions that she votes on."""
    page = chromium.new_context().new_page()
    sign_in(server, page, "ann")
    beats = ": still here\n\n"
    page.route("**/api/v1/events*", lambda route: route.fulfill(body=beats, content_type="text/event-stream"))
    page.goto(f"{server.url}/approvals")
    expect(page.locator("#waiting")).to_contain_text("Nothing to decide")
    server.client().promotions.promote("fraud/scorer:1", "staging")
    asked = server.client().promotions.request("fraud/scorer:1", "production")
    assert asked.promotion is not None
    expect(page.locator("#waiting")).to_contain_text(f"{asked.promotion.id}: fraud/scorer")
    page.context.close()


def test_a_broken_stream_says_so_and_ends_when_it_is_back(server: RunningServer, chromium: Chromium) -> None:
    page = chromium.new_context().new_page()
    sign_in(server, page, "bob")
    page.route("**/api/v1/events*", lambda route: route.abort())
    page.goto(f"{server.url}/approvals")
    expect(page.locator("#paused")).to_contain_text("Live updates paused since")
    page.unroute("**/api/v1/events*")
    expect(page.locator("#paused")).to_be_hidden(timeout=15_000)
    page.context.close()


@pytest.mark.parametrize(
    ("typed", "first"),
    [("scorer:2", "fraud/scorer v2"), ("@an", "ann"), ("> audit", "Open Audit log"), ("train", "fraud/train")],
)
def test_the_palette_jumps(server: RunningServer, visit: Visit, typed: str, first: str) -> None:
    page = visit("bob")
    page.goto(f"{server.url}/models")
    page.keyboard.press("Control+k")
    page.keyboard.type(typed)
    expect(page.locator("#palette li a.at")).to_contain_text(first)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: not url.endswith("/models"))


def test_a_late_answer_to_fewer_letters_is_not_shown(server: RunningServer, visit: Visit) -> None:
    page = visit("bob")
    page.goto(f"{server.url}/models")
    held: list[Route] = []
    page.route("**/search?q=", lambda route: held.append(route))
    page.keyboard.press("Control+k")
    page.keyboard.type("@an")
    expect(page.locator("#palette li a.at")).to_contain_text("ann")
    (late,) = held
    with page.expect_response("**/search?q="):
        late.continue_()
    page.wait_for_timeout(200)
    expect(page.locator("#palette li a.at")).to_contain_text("ann")
    page.unroute("**/search?q=")


def test_the_palette_opens_one_group_and_single_keys_can_be_off(
    server: RunningServer, chromium: Chromium
) -> None:
    page = chromium.new_context().new_page()
    sign_in(server, page, "bob")
    page.goto(f"{server.url}/settings")
    page.keyboard.press("Control+k")
    page.keyboard.type("settings")
    entries = page.locator("#palette li a")
    expect(entries).to_have_count(3)
    page.keyboard.press("Tab")
    expect(page.locator("#palette li a").nth(8)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    assert page.url == f"{server.url}/settings"
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).not_to_be_visible()
    page.get_by_role("button", name="Switch single keys off").click()
    page.wait_for_url("**/settings?done=*")
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_visible()
    assert page.url.startswith(f"{server.url}/settings")
    page.context.close()


def test_the_page_of_the_log_follows_its_check(server: RunningServer, chromium: Chromium) -> None:
    page = chromium.new_context().new_page()
    sign_in(server, page, server.client().whoami().name)
    page.goto(f"{server.url}/audit")
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("#chain h2")).to_contain_text("The chain is whole", timeout=60_000)
    page.context.close()
