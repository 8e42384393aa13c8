"""Runs: chosen columns, curves, the log backwards, files that are hostile, nested runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html import unescape

import pytest
import urllib3

from tests.support.browser import Browser
from tests.support.pages import HOSTILE, Pages, signed_in
from tests.support.server import RunningServer

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc0000003010100"
    "18dd8db00000000049454e44ae426082"
)
SCRIPT = f"""
import modelyard as my
my.log_params({{"depth": 3, "<b>&": {HOSTILE!r}}})
for n in range(30):
    for k in range(30):
        my.log_metric(f"m{{k:02}}", n / (k + 1), n)
    my.log_metric("test:loss", 1 / (n + 1), n)
my.log_table([{{"a": "<i>x</i>", "b": {HOSTILE!r}}}], "table.csv")
for n in range(3000):
    print(f"line {{n}} <b>ü</b>")
print("WARNING: odd")
print("Traceback (most recent call last)")
"""


@pytest.fixture(scope="module")
def server(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("runs")
    files = {
        "page.html": HOSTILE.encode(),
        "fake.png": b"<script>alert(1)</script>",
        "vector.svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'></svg>",
        "real.txt": PNG,
        "blob.bin": b"\0\1\2" * 50,
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    kept = "\n".join(f"my.log_artifact({str(folder / name)!r})" for name in files)
    with pages.running(folder) as running:
        done = running.run("run", "--experiment", "fraud/deep", "--", sys.executable, "-c", SCRIPT + kept)
        assert done.returncode == 0, done.stderr
        yield running


@pytest.fixture(scope="module")
def root(server: RunningServer) -> Browser:
    return signed_in(server, server.client().whoami().name)


@pytest.fixture(scope="module")
def page(server: RunningServer) -> str:
    return f"/runs/{next(iter(server.client().runs.list(experiment='fraud/deep'))).id}"


def test_columns_and_filters_are_chosen(root: Browser, page: str) -> None:
    html = root.see("/runs?column=m07&column=m01&experiment=deep&namespace=fraud")
    assert re.findall(r'<th class="num">(m\d\d)</th>', html) == ["m07", "m01"]
    assert page in root.see("/runs?where=test%3Aloss%3C0.1")
    assert "No runs match" in root.see("/runs?where=test%3Aloss%3C0.001")
    assert page in root.see("/runs?param=depth%3D3")
    assert "No runs match" in root.see("/runs?param=depth%3D99")
    root.see("/runs?where=nonsense", 400)


def test_every_curve_is_reachable(root: Browser, page: str) -> None:
    first = root.see(page)
    more = re.search(r'href="(\?curves=24)"', first)
    assert more is not None
    second = root.see(page + more[1])
    names = re.findall(r'data-metric="([^"]+)"', first + second)
    assert len(names) == len(set(names)) == 31
    assert first.count("<polyline") == 24


def test_the_log_is_read_from_its_end(root: Browser, page: str) -> None:
    html = root.see(page)
    shown = re.findall(r"line (\d+) &lt;b&gt;ü&lt;/b&gt;", html)
    assert shown[-1] == "2999"
    assert len(shown) < 1000
    assert 'class="warning"' in html
    assert 'class="error"' in html
    seen, address = list(shown), page
    while (link := re.search(r'href="(\?log=\d+)#log"', html)) is not None:
        address = page + link[1]
        html = root.see(address)
        seen = re.findall(r"line (\d+) &lt;b&gt;ü&lt;/b&gt;", html) + seen
    assert seen == [str(n) for n in range(3000)]
    position = re.search(r'<li id="b(\d+)"[^>]*><a href="\?log=\d+#b\1"', html)
    assert position is not None


def test_files_are_shown_without_harm(root: Browser, page: str) -> None:
    html = root.see(page)
    for name in ("page.html", "fake.png", "vector.svg", "real.txt", "blob.bin", "table.csv"):
        assert f"{page}/files/{name}" in html
    for name in ("page.html", "fake.png", "vector.svg"):
        shown = root.see(f"{page}/files/{name}").partition("<main")[2]
        assert "<script>" not in shown
        assert "onload='" not in shown
        assert "<pre" in shown
        assert root.send("GET", f"{page}/images/{name}").status == 404
    assert "neither text nor an image" in root.see(f"{page}/files/blob.bin")
    table = root.see(f"{page}/files/table.csv")
    assert "&lt;i&gt;x" in table
    assert "<th>a</th>" in table
    # Its bytes are an image, whatever its name says.
    assert f'src="{page}/images/real.txt"' in root.see(f"{page}/files/real.txt")
    image = root.send("GET", f"{page}/images/real.txt")
    assert image.data == PNG
    assert image.headers["content-type"] == "image/png"
    assert "sandbox" in image.headers["content-security-policy"]
    assert image.headers["x-content-type-options"] == "nosniff"
    saved = root.send("GET", f"/api/v1{page}/artifacts/page.html")
    assert saved.headers["content-type"] == "application/octet-stream"
    assert saved.headers["content-disposition"].startswith("attachment")


def test_a_run_names_its_parent_and_children(server: RunningServer, root: Browser, page: str) -> None:
    script = (
        "import modelyard as my\n"
        "for n in range(2):\n"
        "    with my.run(f'try {n}', experiment='fraud/sweep'):\n"
        "        with my.run(f'inner {n}'):\n"
        "            my.log_params({'n': n}); my.log_metric('f1', n)\n"
    )
    done = server.run("run", "--experiment", "fraud/sweep", "--", sys.executable, "-c", script)
    listed = list(server.client().runs.list(experiment="fraud/sweep"))
    children = [run for run in listed if run.parent]
    assert done.returncode == 0, done.stderr
    assert children, listed
    parent = f"/runs/{children[0].parent}"
    html = root.see(parent)
    assert "Nested runs" in html
    assert f"/runs/{children[0].id}" in html
    assert parent in root.see(f"/runs/{children[0].id}")
    assert children[0].id in root.see(f"/runs?parent={children[0].parent}")


def test_resources_and_code(root: Browser, page: str) -> None:
    html = unescape(root.see(page))
    assert "CPU time" in html
    assert "at most" in html


def test_people_without_rights_see_no_file(server: RunningServer, page: str) -> None:
    ann = signed_in(server, "ann")
    for path in (page, f"{page}/files/page.html", f"{page}/images/real.txt"):
        assert ann.send("GET", path).status == 404


def test_a_run_that_goes_on_is_followed(server: RunningServer, root: Browser) -> None:
    client = server.client()
    uid = "ab" * 16

    def send(method: str, path: str, body: object) -> None:
        answer = urllib3.request(
            method,
            f"{server.url}/api/v1/runs/{uid}{path}",
            json=body,
            headers={"authorization": f"Bearer {client.tokens.create('t').token}"},
        )
        assert answer.status in (200, 201), answer.data

    send("PUT", "", {"experiment": "fraud/live", "name": "going"})
    send("POST", "/records", {"writer": "w", "first": 1, "frames": [{"log": "first line\n"}]})
    html = root.see(f"/runs/{uid}")
    assert "data-live" in html
    assert "first line" in html
    assert re.search(r'<script src="/static/[0-9a-f]+/run.js"', html)
    end = {"end": {"status": "finished", "exit_code": 0, "at": 1_800_000_000_000_000}}
    send("POST", "/records", {"writer": "w", "first": 2, "frames": [{"log": "last line\n", **end}]})
    html = root.see(f"/runs/{uid}")
    assert "data-live" not in html
    assert "last line" in html
