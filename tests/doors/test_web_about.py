"""A model's rules and people, its discussion, and the chosen columns of its versions."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.browser import Browser
from tests.support.pages import HOSTILE, Pages, signed_in
from tests.support.server import RunningServer

PAGE = "/models/fraud/scorer/about"


@pytest.fixture(scope="module")
def server(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with pages.running(tmp_path_factory.mktemp("about")) as running:
        yield running


@pytest.fixture(scope="module")
def root(server: RunningServer) -> Browser:
    return signed_in(server, server.client().whoami().name)


def test_the_policy_is_told_in_words(root: Browser) -> None:
    html = root.see(PAGE)
    assert "Before production" in html
    assert "The gate has no rules" in html
    rules = re.findall(r'<td class="strong">([^<]+)</td><td>([^<]+)</td>', html)
    assert len(rules) == 2, rules
    assert "0.9" in rules[0][1], rules
    assert "approval" in html
    assert "namespace 1" in html
    with_words = root.see("/models/fraud/hostile/about")
    assert "Before production" in with_words


def test_roles_are_given_and_taken(server: RunningServer, root: Browser) -> None:
    ann = signed_in(server, "ann")
    assert ann.send("GET", PAGE).status == 404
    assert root.act(PAGE, "/models/fraud/scorer/members", account="ann", role="reader").status == 303
    html = ann.see(PAGE)
    assert "ann" in html
    assert "/members" not in html
    refused = root.act(PAGE, "/models/fraud/scorer/members", account="no-one", role="reader")
    assert refused.status == 404
    assert 'value="no-one"' in refused.data.decode()
    assert root.act(PAGE, "/models/fraud/scorer/members", account="ann", role="king").status == 400
    assert root.act(PAGE, "/models/fraud/scorer/members/remove", account="ann").status == 303
    assert ann.send("GET", PAGE).status == 404


def test_aliases_are_set_and_removed(server: RunningServer, root: Browser) -> None:
    assert root.act(PAGE, "/models/fraud/scorer/aliases", alias="champion", version="2").status == 303
    assert server.client().versions.get("fraud/scorer@champion").version == 2
    assert "@champion" in root.see(PAGE)
    kept = root.act(PAGE, "/models/fraud/scorer/aliases", alias="production", version="2")
    assert kept.status in (403, 409), kept.status
    assert root.act(PAGE, "/models/fraud/scorer/aliases", alias="x", version="99").status == 404
    assert root.act(PAGE, "/models/fraud/scorer/aliases", alias="<b>", version="1").status == 400
    assert root.act(PAGE, "/models/fraud/scorer/aliases/remove").status == 303
    assert "@champion" not in root.see(PAGE)


def test_a_model_is_discussed(root: Browser) -> None:
    page = "/models/fraud/hostile/activity"
    assert "&lt;script&gt;alert" in root.see(page)
    assert root.act(page, "/models/fraud/hostile/comment", comment=f"again {HOSTILE}").status == 303
    html = root.see(page)
    assert "again &lt;script&gt;" in html
    assert "comment written" in html
    assert "model created" in html


def test_columns_of_the_versions_are_chosen(root: Browser) -> None:
    html = root.see("/models/fraud/scorer?column=loss")
    table = html.partition('name="v"')[0].rpartition("<thead>")[2]
    assert '<th class="num">loss</th>' in table
    assert '<th class="num">f1</th>' not in table
    assert "f1" in root.see("/models/fraud/scorer").rpartition("<thead>")[2]
