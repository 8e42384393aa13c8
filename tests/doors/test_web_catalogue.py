"""The public catalogue shows public models, and nothing of any other: no name, no count, no person."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.browser import Browser
from tests.support.pages import HOSTILE, Pages, signed_in
from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def server(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("catalogue")
    with pages.running(folder) as running:
        client = running.client()
        client.namespaces.create("open")
        client.accounts.create("secretive")
        files = folder / "open"
        files.mkdir()
        (files / "w & w.bin").write_bytes(b"12345")
        (files / "README.md").write_text(f"---\nlicense: mit\n---\n# Open\n\nFor all. {HOSTILE}\n")
        author = client.tokens.create("s", owner="secretive").token
        client.namespaces.grant("open", "secretive", "maintainer")
        mine = running.client(author)
        mine.push(files, "open/model", capture=False, description="first <b>one</b>")
        (files / "more.bin").write_bytes(b"6")
        mine.push(files, "open/model", capture=False)
        mine.push(files, "open/hidden", capture=False, description="unspeakable")
        client.models.edit("open/model", visibility="public", task="text-classification")
        client.models.edit("open/hidden", task="secret-task")
        yield running


def test_strangers_see_public_models_alone(server: RunningServer) -> None:
    stranger = Browser(server)
    html = stranger.see("/catalogue")
    assert "/catalogue/open/model" in html
    assert re.search(r'<span class="muted num">1</span>', html)
    assert "text-classification (1)" in html
    for words in ("open/hidden", "unspeakable", "secret-task", "fraud", "scorer", "secretive"):
        assert words not in html, words
    assert "No public model matches" in stranger.see("/catalogue?q=unspeakable")
    assert "No public model matches" in stranger.see("/catalogue?q=scorer")
    assert "open/model" in stranger.see("/catalogue?licence=mit")


@pytest.mark.parametrize("name", ["open/hidden", "fraud/scorer", "open/none", "none/none"])
def test_a_private_model_is_like_one_that_does_not_exist(server: RunningServer, name: str) -> None:
    stranger = Browser(server)
    missing = stranger.send("GET", "/catalogue/none/none2")
    found = stranger.send("GET", f"/catalogue/{name}")
    assert found.status == missing.status == 404
    owner = signed_in(server, server.client().whoami().name)
    # Whoever looks, the catalogue shows the same.
    assert owner.send("GET", f"/catalogue/{name}").status == 404


def test_a_model_shows_card_licence_citation_versions_and_files(server: RunningServer) -> None:
    stranger = Browser(server)
    html = stranger.see("/catalogue/open/model")
    main = html.partition("<main")[2]
    for words in ("For all.", "MIT", "Citation", "Published versions", "newest", "w &amp; w.bin", "more.bin"):
        assert words in main, words
    assert "first &lt;b&gt;one" in main
    assert "<img src=x" not in main
    assert "<script>" not in main
    assert "secretive" not in html
    older = stranger.see("/catalogue/open/model?version=1")
    assert "more.bin" not in older
    link = re.search(r'href="(/api/v1/models/open/model/versions/1/files/w[^"]+)"', older)
    assert link is not None
    assert stranger.send("GET", link[1]).data == b"12345"
    assert stranger.send("GET", "/catalogue/open/model?version=99").status == 404
