"""Comparison of versions and runs, and of two contents of a dataset: charts, drift, hostile text."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html import unescape

import pytest

from tests.support.browser import Browser
from tests.support.pages import HOSTILE, Pages, signed_in
from tests.support.server import RunningServer

BAD = "<b>&'\"{{7*7}}"
TRAIN = """
import sys, modelyard as my
my.log_params({"depth": int(sys.argv[1]), "rate": 0.1})
for n in range(300):
    my.log_metric("test:loss", 1 / (1 + n / int(sys.argv[1])), n)
"""


@pytest.fixture(scope="module")
def server(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("comparison")
    with pages.running(folder) as running:
        for depth in ("2", "5"):
            done = running.run("run", "--experiment", "fraud/depths", "--", sys.executable, "-c", TRAIN, depth)
            assert done.returncode == 0, done.stderr
        for month, shift in (("one", 0), ("two", 40)):
            rows = folder / f"{month}.csv"
            rows.write_text(
                f"amount,kind,{BAD.replace(chr(34), '')},steady\n"
                + "".join(f"{n % 50 + shift},{'a' if n % 3 else 'b'},{n % 7},{n % 5}\n" for n in range(900))
                + "".join(f"1,<i>new</i>,2,{n % 5}\n" for n in range(200 if shift else 0))
            )
            done = running.run("dataset", "push", str(rows), "fraud/months")
            assert done.returncode == 0, done.stderr
        client = running.client()
        contents = list(client.datasets.versions("fraud/months"))
        files = folder / "f"
        files.mkdir()
        (files / "w.bin").write_bytes(b"1")
        for number, content in enumerate(reversed(contents)):
            client.push(
                files,
                "fraud/months-model",
                capture=False,
                metrics={"f1": 0.9 + number / 100, "fold-1/f1": 0.5},
                params={"depth": number, BAD: HOSTILE},
                facts={
                    "data": [{"name": "months", "digest": content.digest}],
                    "code": {"commit": f"{number}" * 40, "diff": {"text": f"+line {number} {HOSTILE}\n"}},
                    "environment": {
                        "python": "3.12",
                        "packages": {"numpy": f"2.{number}.0", BAD: f"1.0.{number}", "same": "1"},
                    },
                },
            )
        yield running


@pytest.fixture(scope="module")
def root(server: RunningServer) -> Browser:
    return signed_in(server, server.client().whoami().name)


def test_versions_are_compared_in_every_respect(root: Browser) -> None:
    html = root.see("/compare?ref=fraud/months-model:1&ref=fraud/months-model:2")
    main = html.partition("<main")[2]
    assert "v2 is best in" in html
    for words in ("minor release", "patch", 'class="plus"', "months-model", "Data of v2: months", "drift, PSI"):
        assert words in main, words
    assert main.count('class="pair"') >= 2
    assert "same</td>" not in main
    assert "<img src=x" not in main
    assert "<b>&" not in main
    assert "49" not in re.findall(r"\{\{7\*7\}\}|>49<", main)


def test_only_differences_hides_what_is_the_same(root: Browser) -> None:
    refs = "ref=fraud/months-model:1&ref=fraud/months-model:2"
    every, only = root.see(f"/compare?{refs}"), root.see(f"/compare?{refs}&only=1")
    assert "fold-1/f1" in every
    assert "fold-1/f1" not in only.partition("Parameters")[0].partition("Metrics")[2]
    assert "&amp;only=1" in every
    assert "Show all" in only


def test_any_side_can_be_the_baseline(root: Browser) -> None:
    html = root.see("/models/fraud/scorer/compare?v=1&v=2&v=3")
    link = next(unescape(m) for m in re.findall(r'href="([^"]+)">make it the baseline', html))
    other = root.see(link)
    assert "shown against v2" in other


def test_runs_are_compared_with_curves_and_coordinates(server: RunningServer, root: Browser) -> None:
    uids = [run.id for run in server.client().runs.list(experiment="fraud/depths")]
    html = root.see("/compare?" + "&".join(f"ref=run:{uid}" for uid in uids))
    assert html.count("<polyline") == 2
    for name in ("s0", "s1"):
        assert f'<polyline class="{name}"' in html
    assert "test:loss" in html
    assert "Parallel coordinates of 2" in html
    scatter = root.see("/compare?" + "&".join(f"ref=run:{uid}" for uid in uids) + "&x=depth&y=test%3A+loss")
    assert "test: loss against depth" in scatter


def test_the_other_versions_are_drawn_in_grey(root: Browser) -> None:
    html = root.see("/compare?ref=fraud/scorer:1&ref=fraud/scorer:2")
    assert "grey: the newest other<" in html
    assert 'class="sg thin"' in html


def test_too_few_or_unknown_ones(server: RunningServer, root: Browser) -> None:
    assert "Name two to eight" in root.see("/compare?ref=fraud/scorer:1")
    assert "Not found" in root.see("/compare?ref=fraud/scorer:1&ref=fraud/none:1", 404)
    nine = "&".join(f"ref=fraud/scorer:{n}" for n in range(1, 10))
    assert "2 to 8" in root.see(f"/compare?{nine}", 400)
    assert Browser(server).send("GET", "/compare").headers["location"].startswith("/login")


def test_a_dataset_shows_histograms_and_its_readers(root: Browser) -> None:
    html = root.see("/datasets/fraud/months")
    assert html.count('class="pair"') == 4
    assert "Read by" in html
    assert re.search(r'href="/models/fraud/months-model/versions/\d"', html)
    assert "trained on" in html


def test_two_contents_are_compared_most_moved_first(server: RunningServer, root: Browser) -> None:
    new, old = [c.digest for c in server.client().datasets.versions("fraud/months")]
    html = root.see(f"/datasets/fraud/months?version={new}&against={old}")
    assert "columns moved" in html
    rows = re.findall(r'<td><span class="strong">([^<]*)</span>', html)
    assert rows[0] == "amount"
    assert "&lt;i&gt;new" in html
    assert "<i>new" not in html
    assert "1\u2009100" in html
    moved = root.see(f"/datasets/fraud/months?version={new}&against={old}&moved=1")
    assert len(re.findall(r'<td><span class="strong">', moved)) < len(rows)
    assert root.send("GET", f"/datasets/fraud/months?version={new}&against=00000000").status == 404
