"""Home, notifications and starred models at a running server, without scripts."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest

from tests.support.browser import Browser
from tests.support.pages import HOSTILE, Pages, signed_in
from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def server(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with pages.running(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def bob(server: RunningServer) -> Browser:
    return signed_in(server, "bob")


def wait(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds() and time.monotonic() < end:
        time.sleep(0.1)
    assert holds()


def test_home_lists_what_needs_each_visitor(server: RunningServer, bob: Browser) -> None:
    html = bob.see("/")
    assert "fraud/scorer has no owner and no card" in html
    assert "registered fraud/scorer v3" in html
    ann = signed_in(server, "ann")
    assert "fraud/scorer has" not in ann.see("/")
    shown = "/models/fraud/scorer/versions/1"
    assert bob.act(shown, f"{shown}/promote", action="promote", stage="staging").status == 303
    assert bob.act(shown, f"{shown}/promote", action="request", stage="production").status == 303
    wait(lambda: "fraud/scorer v1 to production waits for you" in ann.see("/"))
    # It waits for another one's vote, so its author reads which rule is open.
    assert "fraud/scorer v1 does not pass the gate to production" in bob.see("/")
    path = re.search(r'href="(/promotions/\d+)"', ann.see("/"))
    assert path is not None
    assert ann.act(path[1], f"{path[1]}/vote", vote="approve").status == 303
    assert "waits for you" not in ann.see("/")


def test_a_model_is_starred_and_unstarred(server: RunningServer, bob: Browser) -> None:
    page = "/models/fraud/scorer"
    assert "Starred</h2>" not in bob.see("/models").partition("<main")[0]
    assert bob.act(page, f"{page}/star").status == 303
    for path in ("/", "/models", "/settings"):
        assert 'href="/models/fraud/scorer"' in bob.see(path).partition("<main")[0]
    assert server.run("star", "--json").returncode == 0
    assert server.client().stars.list() == []
    assert bob.act(page, f"{page}/unstar").status == 303
    assert 'href="/models/fraud/scorer"' not in bob.see("/models").partition("<main")[0]
    done = server.run("star", "fraud/scorer")
    assert done.returncode == 0, done.stderr
    assert server.run("star").stdout.split() == ["fraud/scorer"]
    assert server.run("star", "fraud/scorer", "--undo").returncode == 0
    assert server.client().stars.list() == []
    assert "fraud/" in server.run("needs").stdout


def test_notifications_are_counted_read_and_marked(server: RunningServer, bob: Browser) -> None:
    server.client().comments.write("fraud/scorer", f"@bob please look {HOSTILE}", version=2)
    wait(
        lambda: (
            "unread notification" in bob.see("/notifications").partition("<h1")[2][:80]
            and "No unread" not in bob.see("/notifications").partition("<h1")[2][:80]
        )
    )
    html = bob.see("/notifications")
    assert "mentions you" in html
    assert 'href="/models/fraud/scorer/versions/2"' in html
    assert "<script>alert" not in html
    assert re.search(r'class="bell".*?class="count">\d', bob.see("/models"), re.S)
    shown = re.search(r'name="up_to" value="(\d+)"', html)
    assert shown is not None
    assert bob.act("/notifications", "/notifications/read").status == 303
    assert "Nothing unread" in bob.see("/notifications?unread=1")
    assert not re.search(r'class="bell".*?class="count">\d', bob.see("/models"), re.S)
    # Those of others stay as they are.
    assert signed_in(server, "ann").see("/notifications").count("mentions you") == 0


def test_the_rail_of_a_stranger_has_neither_bell_nor_stars(server: RunningServer) -> None:
    html = Browser(server).see("/models")
    assert "bell" not in html
    assert "Starred" not in html


# --- the palette -------------------------------------------------------------------------------------


def ask(browser: Browser, words: str) -> dict[str, list[str]]:
    found = browser.send("GET", f"/search?{urlencode({'q': words})}")
    assert found.status == 200, found.data
    groups = json.loads(found.data)["groups"]
    return {group["name"]: [item["words"] for item in group["items"]] for group in groups}


def test_the_palette_finds_by_name_number_digest_and_commit(server: RunningServer, bob: Browser) -> None:
    version = server.client().versions.get("fraud/scorer:2")
    both = "Models and versions"
    assert "fraud/scorer" in ask(bob, "scor")[both]
    for words in ("scorer:2", "fraud/scorer:v2", version.commit, version.digest, f"#{version.digest[7:20]}"):
        assert ask(bob, words)[both][0] == "fraud/scorer v2", words
    assert list(ask(bob, f"# {version.commit[:10]}")) == [both]
    assert ask(bob, "#fff") == {}
    assert ask(bob, "train")["Runs and datasets"] == ["fraud/train"]
    assert ask(bob, "@an") == {"People": ["ann"]}
    assert ask(bob, "> audit") == {"Do": ["Open Audit log"]}
    assert ask(bob, "scorer:999").get(both) is None
    for words in (
        "",
        ">",
        "@",
        "#",
        "%",
        "_",
        "'\"<",
        "a" * 300,
        ":",
        "x:",
        "/:1",
        "a/b/c:1",
        "fraud/scorer@\x01",
    ):
        ask(bob, words)


def test_the_palette_tells_nobody_of_what_they_may_not_read(server: RunningServer) -> None:
    ann = signed_in(server, "ann")
    digest = server.client().versions.get("fraud/scorer:2").digest
    for words in ("scorer", "fraud", "scorer:2", digest, "train"):
        found = ask(ann, words)
        assert "Models and versions" not in found, words
        assert "Runs and datasets" not in found, words
    stranger = Browser(server).send("GET", "/search?q=scorer")
    assert stranger.status == 303


def test_a_page_is_opened_by_its_reference(server: RunningServer) -> None:
    address = f"{server.url}/models/fraud/scorer"
    assert server.run("open", "fraud/scorer", "--print").stdout.strip() == address
    assert server.run("open", "fraud/scorer:2").stdout.strip() == f"{address}/versions/2"
    missing = server.run("open", "fraud/none")
    assert missing.returncode == 4
    # Nothing is added where nobody can click.
    done = server.run("promote", "fraud/scorer:3", "staging")
    assert "Open in a browser" not in done.stdout + done.stderr
