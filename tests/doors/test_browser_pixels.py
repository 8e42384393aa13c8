"""Pages that look the same each time, and curves that stay small on the wire: a server in this process, time stands still."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import uvicorn
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Route, expect

from modelyard.db.engine import Database
from modelyard.doors.browser import SESSION_COOKIE
from modelyard.registry.access import usecases as access
from tests.doors.test_browser import chromium
from tests.support.clock import Clock
from tests.support.databases import make_tables
from tests.support.door import open_door
from tests.support.promotion import Team, policy
from tests.support.registry import Registry

__all__ = ["chromium"]

NOON = round(datetime(2026, 11, 17, 12, tzinfo=UTC).timestamp()) * 1_000_000
RUN = "ab" * 16
POINTS = 100_000
MOST_SENT = 40_000


@dataclass(frozen=True)
class Place:
    url: str
    session: str
    team: Team
    promotion: int


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    url = f"sqlite:///{tmp_path_factory.mktemp('pixels') / 'own.db'}"
    make_tables(url)
    db = Database(url, clock=Clock(NOON))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        own = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with open_door(Registry(db), own, pages=True) as door:
            app = door.client.app
            config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None)
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, args=([listener],))
            thread.start()
            try:
                team = Team(door.registry)
                for n in range(4):
                    team.push({"f1": 0.9 + n / 100, "loss": 0.5 - n / 10})
                team.set_policy(
                    policy(f"approvals: {{count: 1, group: {team.risk}}}", "metric: {name: f1, min: 0.95}")
                )
                asked = team.promote(3, open_only=True, reason="better").promotion
                assert asked is not None
                send_run(own, door.token_of(team.contributor), team.namespace)
                reader = team.maintainer.id
                session = door.registry.db.write(lambda tx: access.open_session(tx, reader))
                yield Place(own, session, team, asked.id)
            finally:
                server.should_exit = True
                thread.join(30)
    db.close()


def send_run(url: str, token: str, namespace: str) -> None:
    """A run with one long curve, sent as a training sends it."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)

    def ask(method: str, path: str, body: object) -> None:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request(method, f"/api/v1/runs/{RUN}{path}", json.dumps(body), headers)
        answer = connection.getresponse()
        assert answer.status < 300, answer.read()
        answer.read()

    ask("PUT", "", {"experiment": f"{namespace}/long", "name": "long"})
    for number, start in enumerate(range(0, POINTS, 10_000), 1):
        steps = list(range(start, start + 10_000))
        values = [1 / (1 + step / 5000) + (step * 7919 % 1000) / 10_000 for step in steps]
        column = {"name": "loss", "steps": steps, "times": [NOON + step for step in steps], "values": values}
        ask("POST", "/records", {"writer": "w", "first": number, "frames": [{"points": [column]}]})
    connection.close()


def open_page(chromium: Chromium, place: Place) -> Page:
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.add_cookies([{"name": SESSION_COOKIE, "value": place.session, "url": place.url}])
    page = context.new_page()

    def with_fonts(route: Route) -> None:
        """Wait for the fonts, which otherwise are left out when they come late."""
        answer = route.fetch()
        route.fulfill(
            response=answer, body=answer.text().replace("font-display: optional", "font-display: block")
        )

    page.route("**/app.css", with_fonts)
    return page


def test_key_pages_have_the_same_pixels_twice(chromium: Chromium, place: Place) -> None:
    model = f"/models/{place.team.model}"
    paths = [
        "/",
        "/models",
        model,
        f"{model}/versions/3",
        f"{model}/compare?v=1&v=3",
        f"/promotions/{place.promotion}",
        "/settings/measures",
        f"/runs/{RUN}",
    ]
    rounds: list[dict[str, bytes]] = []
    for _ in range(2):
        page = open_page(chromium, place)
        pictures = {}
        for path in paths:
            page.goto(place.url + path)
            page.evaluate("() => document.fonts.ready")
            pictures[path] = page.screenshot(full_page=True, animations="disabled", caret="hide")
        rounds.append(pictures)
        page.context.close()
    first, second = rounds
    assert [path for path in paths if first[path] != second[path]] == []
    assert len(set(first.values())) == len(paths)


def test_a_long_curve_is_drawn_from_little(chromium: Chromium, place: Place) -> None:
    """100 000 points: the page with its drawing, and each answer that the zoom asks for. Sizes as they are sent."""
    page = open_page(chromium, place)
    sent: dict[str, int] = {}

    def count(path: str, size: int) -> None:
        if not path.startswith(f"{place.url}/static/"):
            sent[path] = size

    page.on("requestfinished", lambda r: count(r.url, r.sizes()["responseBodySize"]))
    page.goto(f"{place.url}/runs/{RUN}")
    expect(page.locator(".curve svg.chart")).to_have_count(1)
    whole = sum(sent.values())
    assert 0 < whole <= MOST_SENT, sent
    with page.expect_response(lambda answer: "/series?" in answer.url) as asked:
        page.get_by_role("button", name="Zoom into loss").click()
    asked.value.finished()
    expect(page.locator(".curve.zoomed canvas")).to_be_visible()
    size = asked.value.request.sizes()["responseBodySize"]
    assert 0 < size <= MOST_SENT
    page.context.close()
