"""The pages of a version beside its first one, and lineage: each with what people can do there, hostile text, strangers."""

from __future__ import annotations

import json
import pickle
import re
import struct
from collections.abc import Iterator
from html import unescape
from urllib.parse import urlencode

import pytest

from tests.support.browser import Browser
from tests.support.pages import HOSTILE, Pages, signed_in
from tests.support.server import RunningServer

BAD = "<b>&'\"{{7*7}}"
SCORER = "/models/fraud/scorer/versions/1"


def safetensors(count: int) -> bytes:
    header = {
        f"layer.{n:03}.{BAD}": {"dtype": "F32", "shape": [2, 3], "data_offsets": [24 * n, 24 * n + 24]}
        for n in range(count)
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * 24 * count


class Loads:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import webbrowser

        return webbrowser.open, ("x",)


@pytest.fixture(scope="module")
def server(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("versions")
    with pages.running(folder) as running:
        client = running.client()
        files = folder / "tensors"
        files.mkdir()
        (files / "model.safetensors").write_bytes(safetensors(260))
        (files / "bad &amp; {{7}}.txt").write_text("x")
        code = {
            "commit": "ab12" * 10,
            "repository": f"git@example.org:{BAD}",
            "dirty": True,
            "diff": {"text": f"@@ -1 +1 @@\n-old {HOSTILE}\n+new\n"},
            "files": {f"own {BAD[:3]}.py": "sha256:" + "a" * 64},
        }
        signature = {"inputs": [{"name": BAD, "dtype": "float64", "shape": [None, 3]}], "outputs": []}
        client.push(
            files,
            "fraud/tensors",
            capture=False,
            facts={"code": code, "signature": signature},
            metrics={"f1": 0.9},
        )
        client.push(
            files,
            "fraud/child",
            capture=False,
            facts={"parents": [{"ref": "fraud/tensors:1", "relation": "finetune"}]},
        )
        for number in range(6):
            parents = [{"ref": "fraud/child:1", "relation": "quantized"}]
            client.push(files, "fraud/small", capture=False, facts={"parents": parents}, params={"n": number})
        bad = folder / "bad"
        bad.mkdir()
        (bad / "model.pkl").write_bytes(pickle.dumps(Loads()))
        bob = running.client(client.tokens.create("bob2", owner="bob").token)
        bob.push(bad, "fraud/risky", capture=False)
        yield running


@pytest.fixture(scope="module")
def root(server: RunningServer) -> Browser:
    return signed_in(server, server.client().whoami().name)


def test_every_page_of_a_version_is_linked_and_has_one_current_tab(root: Browser) -> None:
    html = root.see("/models/fraud/tensors/versions/1")
    tabs = re.search(r'<nav class="tabs".*?</nav>', html, re.S)
    assert tabs is not None
    paths = re.findall(r'href="([^"]+)"', tabs[0])
    assert len(paths) == 8
    for path in paths:
        shown = re.search(r'<nav class="tabs".*?</nav>', root.see(path), re.S)
        assert shown is not None
        assert re.findall(r'href="([^"]+)" aria-current="page"', shown[0]) == [path]


def test_files_show_their_format_and_tensors_without_a_read(root: Browser) -> None:
    path = "/models/fraud/tensors/versions/1/files"
    html = root.see(path)
    assert "safetensors" in html
    assert "bad &amp;amp; {{7}}.txt" in html
    assert len(re.findall(r"layer\.\d{3}", html)) == 200
    more = re.search(r'href="(\?[^"]*skip=200[^"]*)"', html)
    assert more is not None
    rest = root.see(path + unescape(more[1]).partition("#")[0])
    assert len(re.findall(r"layer\.\d{3}", rest)) == 60
    assert "&lt;b&gt;&amp;&#39;&#34;{{7*7}}" in rest
    link = re.search(r'href="(/api/v1/[^"]+txt)"', html)
    assert link is not None
    sent = root.send("GET", unescape(link[1]))
    assert sent.data == b"x"
    assert sent.headers["content-disposition"].startswith("attachment")
    assert "layer" not in root.see(f"{path}?q=txt")


def test_code_shows_commit_differences_and_kept_files(root: Browser) -> None:
    html = root.see("/models/fraud/tensors/versions/1/code")
    for words in ("ab12ab12", "uncommitted changes", "own &lt;b&gt;", 'class="minus"', 'class="plus"'):
        assert words in html, words
    assert "<img src=x" not in html
    assert "No code is known" in root.see(f"{SCORER}/code")


def test_the_signature_names_inputs(root: Browser) -> None:
    html = root.see("/models/fraud/tensors/versions/1/signature")
    assert "float64" in html
    assert "any × 3" in html
    assert "No signature" in root.see(f"{SCORER}/signature")


def test_a_card_is_written_compared_and_never_overwritten_unseen(server: RunningServer) -> None:
    bob = signed_in(server, "bob")
    page, form = f"{SCORER}/card", f"{SCORER}/card/edit"
    assert "No card" in bob.see(page)
    assert "# " in bob.see(form)
    proof = re.search(r'name="csrf" value="([^"]+)"', bob.see(form))
    assert proof is not None
    assert bob.act(form, page, text="# One\n\nfirst line\n").status == 303
    assert bob.act(form, page, text=f"# One\n\nsecond line {HOSTILE}\n").status == 303
    html = bob.see(page)
    assert "second line" in html
    assert "<img" not in html.partition("<main")[2]
    assert "-first line" in bob.see(f"{page}?since=1")
    assert "first line" in bob.see(f"{page}?number=1")
    stale = urlencode({"csrf": proof[1], "seen": "0", "text": "long and careful"})
    late = bob.send("POST", f"{page}?{stale}", **{"sec-fetch-site": "same-origin"})
    assert late.status == 412
    assert "long and careful" in late.data.decode()
    assert "was changed in the meantime" in late.data.decode()


def test_a_quarantined_version_is_explained_and_released_with_a_reason(server: RunningServer) -> None:
    ann, root = signed_in(server, "ann"), signed_in(server, server.client().whoami().name)
    page = "/models/fraud/risky/versions/1/scan"
    listed = root.see("/quarantine")
    assert "fraud/risky v1" in listed
    assert "webbrowser" in listed
    assert "fraud/risky" not in ann.see("/quarantine")
    html = root.see(page)
    assert "webbrowser.open" in html
    assert "In quarantine" in html
    refused = root.act(page, page.replace("scan", "release"), reason="")
    assert refused.status == 400
    done = root.act(page, page.replace("scan", "release"), reason=f"read it {BAD}")
    assert done.status == 303
    html = root.see(page)
    assert "Released from quarantine" in html
    assert "read it &lt;b&gt;" in html
    assert "fraud/risky" not in root.see("/quarantine")


def test_comments_and_events_of_one_version(server: RunningServer, root: Browser) -> None:
    page = f"{SCORER}/activity"
    other = "/models/fraud/scorer/versions/2/activity"
    assert root.act(page, f"{SCORER}/comment", comment=f"look {HOSTILE}").status == 303
    html = root.see(page)
    assert "look &lt;script&gt;" in html
    assert "version registered" in html
    assert "look &lt;script&gt;" not in root.see(other)
    assert root.act(page, f"{SCORER}/comment", comment=" ").status == 400


def test_evidence_lists_evaluations_by_split(server: RunningServer, root: Browser) -> None:
    done = server.run("evaluation", "report", "fraud/scorer:1", "f1=0.875", "--split", "holdout")
    assert done.returncode == 0, done.stderr
    html = root.see(f"{SCORER}/evidence")
    assert "Evaluated on holdout" in html
    assert "0.8750" in html
    assert root.send("GET", f"/api/v1{SCORER}/bom").status == 200


def test_lineage_is_a_picture_with_links_and_folds(root: Browser) -> None:
    html = root.see("/lineage?node=fraud/tensors:1&direction=down")
    picture = re.search(r'<svg class="graph".*?</svg>', html, re.S)
    assert picture is not None
    assert "6 versions" in picture[0]
    assert "fraud/child:1" in picture[0]
    assert "node start hot" in picture[0]
    links = re.findall(r'<a href="([^"]+)"', picture[0])
    unfold = next(unescape(link) for link in links if "all=1" in link)
    assert root.see(unfold).count("fraud/small:") >= 12
    follow = next(unescape(link) for link in links if "child" in link)
    assert "<svg class=" in root.see(follow)
    up = root.see("/lineage?node=fraud/small:1&direction=up&depth=1")
    assert "fraud/tensors" not in up.partition("<main")[2]
    assert "fraud/child:1" in up


def test_a_recall_shows_its_reach_first_and_is_lifted(server: RunningServer, root: Browser) -> None:
    base = "/models/fraud/tensors/versions/1"
    server.client().aliases.set("fraud/child:1", "live")
    html = root.see(f"{base}/recall")
    assert "7" in re.findall(r"<b>(\d+)</b> versions descend", html)
    assert "fraud/child:1</a> is live now" in html
    assert root.act(f"{base}/recall", f"{base}/recall", mode="refuse", reason="").status == 400
    kept = root.act(f"{base}/recall", f"{base}/recall", mode="warn", reason="")
    assert 'value="warn" checked' in kept.data.decode()
    assert root.act(f"{base}/recall", f"{base}/recall", mode="warn", reason=f"leak {BAD}").status == 303
    assert "leak &lt;b&gt;" in root.see(base)
    assert root.act(f"{base}/recall", f"{base}/recall/lift", reason="wrong alarm").status == 303
    assert "leak" not in root.see(base)


def test_a_deprecation_names_its_replacement(root: Browser) -> None:
    base = "/models/fraud/small/versions/1"
    form = f"{base}/deprecate"
    assert root.act(form, form, replacement="2", ends_at="2001-01-01", reason="old").status == 400
    assert root.act(form, form, replacement="2", ends_at="2091-01-01", reason=f"old {BAD}").status == 303
    html = root.see(base)
    assert "Deprecated" in html
    assert "old &lt;b&gt;" in html
    assert root.act(form, f"{form}/undo").status == 303
    assert "old &lt;b&gt;" not in root.see(base)


def test_strangers_see_less_of_a_public_version(server: RunningServer) -> None:
    server.client().models.edit("fraud/tensors", visibility="public")
    stranger = Browser(server)
    base = "/models/fraud/tensors/versions/1"
    html = stranger.see(base)
    for end in ("code", "scan", "evidence", "activity", "recall", "deprecate"):
        assert f"{base}/{end}" not in html
        assert stranger.send("GET", f"{base}/{end}").headers["location"].startswith("/login"), end
    for end in ("files", "signature", "card"):
        stranger.see(f"{base}/{end}")
    assert "layer.000" in stranger.see(f"{base}/files")


def test_readers_are_offered_nothing_that_would_be_refused(server: RunningServer) -> None:
    server.client().namespaces.grant("fraud", "ann", "reader")
    ann = signed_in(server, "ann")
    html = ann.see(SCORER)
    assert f"{SCORER}/recall" not in html
    assert f"{SCORER}/deprecate" not in html
    assert ann.send("GET", f"{SCORER}/recall").status == 403
    assert "card/edit" not in ann.see(f"{SCORER}/card")
    assert "can release" not in ann.see("/models/fraud/risky/versions/1/scan")
