"""The audit pages: proof of one event, what was in a stage at a moment, the check of the chain."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import Browser
from tests.support.pages import Pages, signed_in
from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def server(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with pages.running(tmp_path_factory.mktemp("audit")) as running:
        client = running.client()
        bob = running.client(client.tokens.create("bob3", owner="bob").token)
        ann = running.client(client.tokens.create("ann3", owner="ann").token)
        for number in (1, 2):
            bob.promotions.promote(f"fraud/scorer:{number}", "staging")
            asked = bob.promotions.request(f"fraud/scorer:{number}", "production")
            assert asked.promotion is not None
            ann.promotions.approve(asked.promotion.id)
            bob.promotions.promote(f"fraud/scorer:{number}", "production")
        yield running


@pytest.fixture(scope="module")
def root(server: RunningServer) -> Browser:
    return signed_in(server, server.client().whoami().name)


def test_an_event_is_shown_with_its_proof(server: RunningServer, root: Browser, tmp_path: Path) -> None:
    html = root.see("/audit?kind=version.registered&model=fraud/scorer")
    link = re.search(r'href="(/audit/events/\d+)"', html)
    assert link is not None
    page = root.see(link[1])
    assert "holds" in page
    assert "version.registered" in page
    assert len(re.findall(r"^\d+ [0-9a-f]{16}…", page, re.M)) >= 2
    download = re.search(r'href="(/api/v1/audit/events/\d+/proof)" download', page)
    assert download is not None
    kept = tmp_path / "event.jsonl"
    kept.write_bytes(root.send("GET", download[1]).data)
    done = server.run("audit", "verify", str(kept))
    assert done.returncode == 0, done.stderr
    kept.write_bytes(kept.read_bytes().replace(b"fraud/scorer", b"fraud/sc0rer"))
    assert server.run("audit", "verify", str(kept)).returncode != 0
    assert "Not found" in root.see("/audit/events/99999999", 404)


def test_strangers_to_a_model_see_no_event_of_it(server: RunningServer, root: Browser) -> None:
    link = re.search(r'href="(/audit/events/\d+)"', root.see("/audit?model=fraud/hostile"))
    assert link is not None
    ann = signed_in(server, "ann")
    assert ann.send("GET", link[1]).status == 404
    assert ann.send("GET", "/audit").status == 200
    assert "fraud/hostile" not in ann.see("/audit")


def test_what_was_in_a_stage_at_a_moment(server: RunningServer, root: Browser) -> None:
    moves = list(server.client().promotions.list("fraud/scorer"))
    first = next(m for m in moves if m.version == 1 and m.stage == "production")
    assert first.closed_at is not None
    html = root.see(f"/audit?stage=production&at={first.closed_at}")
    row = re.search(r"<tr><td><a class=\"strong\" href=\"/models/fraud/scorer\">.*?</tr>", html, re.S)
    assert row is not None
    assert ">v1</a>" in row[0]
    assert ">v2</span>" in row[0]
    assert "ann" in row[0]
    assert "still" not in row[0]
    later = root.see("/audit?stage=production&at=2091-01-01")
    assert "still" in later
    assert ">v2</a>" in later
    assert "had a version in production then" in root.see("/audit?stage=production&at=2001-01-01")
    assert "had a version in production then" in signed_in(server, "ann").see(
        "/audit?stage=production&at=2091-01-01"
    )
    root.see("/audit?stage=production&at=yesterday")


def test_the_chain_is_checked_on_request(server: RunningServer, root: Browser) -> None:
    checked = root.act("/audit", "/audit/check")
    assert checked.status == 303
    client = server.client()
    for _ in range(600):
        last = client.audit.last_check()
        if last is not None and last.state == "done":
            break
        time.sleep(0.1)
    assert "The chain is whole" in root.see("/audit")
    shown = server.run("audit", "check", "--last")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("done\t")
    bob = signed_in(server, "bob")
    assert 'action="/audit/check"' not in bob.see("/audit")
    proof = re.search(r'name="csrf" value="([^"]+)"', bob.see("/audit"))
    assert proof is not None
    sent = bob.send("POST", f"/audit/check?csrf={proof[1]}", **{"sec-fetch-site": "same-origin"})
    assert sent.status == 403


def test_the_filter_goes_into_the_export(root: Browser) -> None:
    html = root.see("/audit?kind=version.*&model=fraud/scorer")
    link = re.search(r'href="(/api/v1/audit/export\?[^"]*)"', html)
    assert link is not None
    sent = root.send("GET", link[1].replace("&amp;", "&")).data.decode()
    kinds = {line.get("kind") for line in map(json.loads, sent.splitlines()) if "kind" in line}
    assert kinds >= {"version.registered"}
    assert all(kind.startswith("version.") for kind in kinds)
