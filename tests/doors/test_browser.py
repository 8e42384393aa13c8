"""The pages in a real browser: nothing in the console, no request to another host, no accessibility fault, the keys.

Needs Chromium of the system's packages (`apt-get install chromium`). Skipped without it, unless MODELYARD_BROWSER says
`required`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
import urllib3
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect, sync_playwright

from tests.support.pages import LOOKS, Pages, publish
from tests.support.server import RunningServer

# Debian's command is a script that wants half a dozen other programs.
_DEBIAN = "/usr/lib/chromium/chromium"
PROGRAM = _DEBIAN if Path(_DEBIAN).exists() else shutil.which("chromium") or shutil.which("chromium-browser")
if PROGRAM is None and os.environ.get("MODELYARD_BROWSER") != "required":
    pytest.skip("no Chromium here; get it with: apt-get install chromium", allow_module_level=True)

NO_OTHER_HOST = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
FIND_FAULTS = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map(
  (v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 200)).join(' | ')}`)"""


@pytest.fixture(scope="module")
def server(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("browser")
    with pages.running(folder, show_components=True) as running:
        publish(running, folder)
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=PROGRAM,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", NO_OTHER_HOST],
        )
        yield browser
        browser.close()


Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def visit(server: RunningServer, chromium: Chromium) -> Iterator[Visit]:
    """Open a page as somebody, and hold at the end that it was quiet."""
    contexts = {}
    noise: list[str] = []

    def open_page(name: str | None, theme: str = "light", width: int = 1440, *, scripts: bool = True) -> Page:
        key = (name, theme, width, scripts)
        if key not in contexts:
            context = chromium.new_context(
                viewport={"width": width, "height": 900}, color_scheme="light", java_script_enabled=scripts
            )
            context.add_cookies([{"name": "modelyard_theme", "value": theme, "url": server.url}])
            page = context.new_page()
            page.on("console", lambda m: noise.append(m.text) if m.type in ("error", "warning") else None)
            page.on("pageerror", lambda error: noise.append(str(error)))
            page.on(
                "request",
                lambda r: noise.append(r.url) if urlsplit(r.url).hostname not in (None, "127.0.0.1") else None,
            )
            if name is not None:
                with server.client() as client:
                    page.goto(client.accounts.sign_in_link(name))
                page.get_by_role("button", name="Sign in with this link").click()
            contexts[key] = page
        return contexts[key]

    yield open_page
    assert noise == []


@pytest.mark.product(2)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/login", "/_components", *LOOKS])
def test_a_page_has_no_accessibility_fault(server: RunningServer, visit: Visit, path: str, theme: str) -> None:
    page = visit(None if path == "/login" else "bob", theme)
    page.goto(server.url + path)
    # Hostile texts are on many pages.
    assert page.locator("main script, main img[onerror]").count() == 0
    page.evaluate(AXE)
    assert page.evaluate(FIND_FAULTS) == []


@pytest.mark.product(2)
@pytest.mark.parametrize("path", ["/login", "/_components", *LOOKS])
def test_a_page_fits_a_narrow_screen(server: RunningServer, visit: Visit, path: str) -> None:
    """320 px is also what 200 % zoom leaves of a small window. Source: WCAG 2.2, 1.4.10."""
    page = visit(None if path == "/login" else "bob", width=320)
    page.goto(server.url + path)
    assert page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_the_palette_finds_a_model(server: RunningServer, visit: Visit) -> None:
    page = visit("bob")
    page.goto(f"{server.url}/models")
    page.keyboard.press("Control+k")
    page.keyboard.type("scor")
    expect(page.locator("#palette li a.at")).to_contain_text("fraud/scorer")
    page.keyboard.press("Enter")
    page.wait_for_url("**/models/fraud/scorer")


def test_versions_are_chosen_and_compared(server: RunningServer, visit: Visit) -> None:
    page = visit("bob")
    page.goto(f"{server.url}/models/fraud/scorer")
    compare = page.get_by_role("button", name="Compare")
    expect(compare).to_be_disabled()
    page.get_by_label("Select v1").check()
    page.get_by_label("Select v2").check()
    expect(page.locator("[data-count]")).to_have_text("2 selected")
    compare.click()
    expect(page.locator("h1")).to_contain_text("is best in")


def test_pages_work_without_scripts(server: RunningServer, visit: Visit) -> None:
    page = visit("bob", scripts=False)
    page.goto(f"{server.url}/models/fraud/scorer")
    page.get_by_label("Select v1").check()
    page.get_by_label("Select v3").check()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("h1")).to_contain_text("is best in")
    expect(page.locator(".copy").first).to_be_hidden()


def test_a_curve_is_zoomed(server: RunningServer, visit: Visit) -> None:
    page = visit("bob")
    uid = next(iter(server.client().runs.list(experiment="fraud/tries"))).id
    page.goto(f"{server.url}/runs/{uid}")
    expect(page.locator(".curve svg.chart")).to_have_count(1)
    page.get_by_role("button", name="Zoom into loss").click()
    canvas = page.locator(".curve.zoomed canvas")
    expect(canvas).to_be_visible()
    box = page.locator(".u-over").bounding_box()
    assert box is not None
    with page.expect_response(lambda answer: "from_step=" in answer.url) as asked:
        page.mouse.move(box["x"] + 20, box["y"] + 50)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
        page.mouse.up()
    assert asked.value.ok


def test_the_log_of_a_run_that_goes_on_is_followed(server: RunningServer, visit: Visit) -> None:
    uid, token = "cd" * 16, server.client().tokens.create("follow").token

    def send(method: str, path: str, body: object) -> None:
        headers = {"authorization": f"Bearer {token}"}
        answer = urllib3.request(method, f"{server.url}/api/v1/runs/{uid}{path}", json=body, headers=headers)
        assert answer.status in (200, 201), answer.data

    send("PUT", "", {"experiment": "fraud/live", "name": "going"})
    send("POST", "/records", {"writer": "w", "first": 1, "frames": [{"log": "first line\n"}]})
    page = visit("bob")
    page.goto(f"{server.url}/runs/{uid}")
    expect(page.locator("#run-log")).to_contain_text("first line")
    send("POST", "/records", {"writer": "w", "first": 2, "frames": [{"log": "second line\n"}]})
    expect(page.locator("#run-log")).to_contain_text("second line", timeout=15_000)
    expect(page.locator("#run-log li")).to_have_count(2)
    end = {"status": "finished", "exit_code": 0, "at": 1_800_000_000_000_000}
    send("POST", "/records", {"writer": "w", "first": 3, "frames": [{"end": end}]})
    expect(page.locator("#run-head")).to_contain_text("Finished", timeout=15_000)
