"""Pages at a running server, without scripts: every page, for everybody, with hostile text, and what its forms do."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

from modelyard.domain.errors import Unauthenticated
from modelyard.web.frame import WEB
from modelyard.web.tables import TABLES
from tests.support.browser import Browser
from tests.support.pages import LOOKS, Pages, publish, signed_in
from tests.support.server import RunningServer

PAGES = [page for table in TABLES for page in table.pages]


@pytest.fixture(scope="module")
def server(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("web")
    with pages.running(folder) as running:
        publish(running, folder)
        yield running


@pytest.fixture(scope="module")
def root(server: RunningServer) -> Browser:
    return signed_in(server, server.client().whoami().name)


class Checked(HTMLParser):
    """Reads a page and notes what no page may have."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.headings = 0
        self.ids: set[str] = set()
        self.labelled: set[str] = set()
        self.inputs: list[dict[str, str | None]] = []
        self.open: list[str] = []
        self.feed(html)
        for field in self.inputs:
            if field.get("id") not in self.labelled and not field.get("aria-label"):
                self.faults.append(f"no label: {field}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.headings += tag == "h1"
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.faults.append(f"{tag} has {name}={value}")
            if name in ("src", "href", "action") and re.match(r"(https?:)?//", value or ""):
                self.faults.append(f"another host: {value}")
        if tag == "script" and "src" not in found:
            self.faults.append("a script in the page")
        if tag in ("iframe", "object", "embed", "style", "base"):
            self.faults.append(tag)
        if found.get("id"):
            if found["id"] in self.ids:
                self.faults.append(f"twice the id {found['id']}")
            self.ids.add(str(found["id"]))
        if tag == "label":
            self.labelled.add(str(found.get("for")))
        if tag in ("input", "select", "textarea") and found.get("type") != "hidden":
            self.inputs.append(found)
        if tag == "form" and found.get("method") == "post":
            self.open.append("form")
        if tag == "input" and found.get("name") == "csrf" and self.open:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self.open:
            self.faults.append("a form without its proof")
            self.open.pop()


@pytest.mark.parametrize("path", LOOKS)
def test_a_page_is_well_made(root: Browser, path: str) -> None:
    found = root.send("GET", path)
    html = found.data.decode()
    assert found.status == 200, html[:3000]
    policy = found.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    checked = Checked(html)
    assert checked.faults == []
    assert checked.headings == 1
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "49" not in re.findall(r"&lt;img src=x onerror=alert\(2\)&gt;(.{0,8})", html)


@pytest.mark.parametrize("path", ["/login", "/login?link=abc&next=/models", "/login?next=//evil.example"])
def test_the_sign_in_page_is_well_made(server: RunningServer, path: str) -> None:
    html = Browser(server).see(path)
    checked = Checked(html)
    assert [fault for fault in checked.faults if "proof" not in fault and "twice" not in fault] == []
    assert "evil.example" not in html


@pytest.mark.parametrize("path", [page.path for page in PAGES if page.method == "GET" and "{" not in page.path])
def test_a_page_has_its_twin(root: Browser, path: str) -> None:
    """The JSON that a page names is there, for the same session."""
    twin = re.search(r'rel="alternate" type="application/json" href="([^"]+)"', root.see(path))
    if twin is not None:
        assert root.send("GET", twin[1].replace("&amp;", "&")).status == 200


@pytest.mark.parametrize("place", PAGES, ids=lambda place: f"{place.method} {place.path}")
def test_a_page_tells_strangers_nothing(server: RunningServer, place: Any) -> None:
    """Without an account a private model is as one that there is not; forms do nothing at all."""
    path = re.sub(r"\{[^}]*\}", "1", place.path.replace("{namespace}/{name}", "fraud/scorer"))
    path = path.replace("/stages/1/", "/stages/production/")
    found = Browser(server).send(place.method, path, **{"sec-fetch-site": "same-origin"})
    assert found.status in (200, 303, 403, 404), found.data[:500]
    if found.status == 303:
        assert found.headers["location"].startswith("/login")
    if found.status == 200:
        assert path in ("/models", "/catalogue")
    assert (
        b"scorer" not in found.data.replace(path.encode(), b"") or found.status == 303 or "fraud/scorer" in path
    )


def test_what_there_is_not_is_a_page_without_leaks(root: Browser, server: RunningServer) -> None:
    assert "Not found" in root.see("/models/fraud/none", 404)
    assert "Not found" in root.see("/promotions/999999", 404)
    for path in ("/models/fraud/scorer", "/models/fraud/none", "/models/none/none/versions/1"):
        assert Browser(server).send("GET", path).headers["location"].startswith("/login?next="), path


def test_a_public_model_tells_strangers_no_verdict(server: RunningServer, root: Browser) -> None:
    server.client().models.edit("fraud/hostile", visibility="public")
    html = Browser(server).see("/models/fraud/hostile/versions/1")
    assert "Use it" in html
    assert "rule" not in html.partition("<main")[2].lower()
    assert "staging?" in root.see("/models/fraud/hostile/versions/1").lower()


def test_a_form_without_its_proof_changes_nothing(server: RunningServer, root: Browser) -> None:
    bob = signed_in(server, "bob")
    foreign = re.search(r'name="csrf" value="([^"]+)"', bob.see("/settings"))
    assert foreign is not None
    before = len(server.client().tokens.list())
    for proof in ("", "0" * 48, foreign[1]):
        body = urlencode({"csrf": proof, "name": "stolen", "days": "3"})
        sent = root.send("POST", f"/settings/tokens?{body}", **{"sec-fetch-site": "same-origin"})
        assert sent.status == 403
    good = re.search(r'name="csrf" value="([^"]+)"', root.see("/settings"))
    assert good is not None
    body = urlencode({"csrf": good[1], "name": "stolen", "days": "3"})
    assert root.send("POST", f"/settings/tokens?{body}", **{"sec-fetch-site": "cross-site"}).status == 403
    assert len(server.client().tokens.list()) == before


def test_from_the_request_to_the_way_back(server: RunningServer) -> None:
    """A maintainer asks, an approver votes, the version enters, the maintainer rolls back: by forms alone."""
    bob, ann = signed_in(server, "bob"), signed_in(server, "ann")
    for version in ("1", "2"):
        shown = f"/models/fraud/scorer/versions/{version}"
        assert bob.act(shown, f"{shown}/promote", action="promote", reason="to try").status == 303
        assert "production?" in bob.see(shown).lower()
        done = bob.act(shown, f"{shown}/promote", action="promote", reason="go")
        page = done.headers["location"].partition("?")[0]
        assert page.startswith("/promotions/")
        assert "1 rule is open" in bob.see(page)
        assert page in ann.see("/approvals")
        voted = ann.act(page, f"{page}/vote", vote="approve", comment="fine by me")
        assert voted.status == 303, voted.data[:2000]
        assert "fine by me" in bob.see(page)
        assert page not in ann.see("/approvals")
        entered = bob.act(page, f"{shown}/promote", action="promote")
        assert entered.status == 303, entered.data[:2000]
        assert page not in entered.headers["location"]
    assert server.client().versions.get("fraud/scorer@production").version == 2
    way_back = "/models/fraud/scorer/stages/production/rollback"
    assert bob.act(way_back, way_back, reason="").status == 400
    assert server.client().versions.get("fraud/scorer@production").version == 2
    assert bob.act(way_back, way_back, reason="errors doubled").status == 303
    assert server.client().versions.get("fraud/scorer@production").version == 1
    assert "errors doubled" in bob.see(way_back)
    assert "stage.rolled_back" in bob.see("/audit?model=fraud/scorer")


def test_a_recalled_version_says_so_wherever_it_appears(server: RunningServer, root: Browser) -> None:
    done = server.run("recall", "fraud/hostile:1", "--reason", "labels leaked")
    assert done.returncode == 0, done.stderr
    for path in ("/models/fraud/hostile", "/models/fraud/hostile/versions/1"):
        html = root.see(path)
        assert "Recalled" in html
        assert "labels leaked" in html


def test_a_version_shows_its_names_its_licence_and_how_to_cite_it(server: RunningServer, root: Browser) -> None:
    with server.client() as client:
        pull_request = "https://git.example.org/pulls/17?a=<b>"
        client.versions.edit("fraud/hostile:1", semver="2.1.0", pull_request=pull_request)
        card = "---\nlicense: mit\n---\n# M\n\n## Citation\n\nDoe & Roe <script>alert(1)</script>\n@misc{doe}\n"
        client.set_card("fraud/hostile:1", card)
        client.terms.set("fraud/hostile", "For research only")
    html = root.see("/models/fraud/hostile/versions/1")
    for words in (
        "2.1.0",
        "pulls/17?a=&lt;b&gt;",
        "MIT",
        "Cite it",
        "Doe &amp; Roe &lt;script&gt;",
        "@misc{doe}",
    ):
        assert words in html, words
    assert Checked(html).faults == []
    model = root.see("/models/fraud/hostile")
    assert "modelyard terms show fraud/hostile" in model
    assert Checked(model).faults == []


def test_a_vote_that_comes_too_late_keeps_what_was_typed(server: RunningServer) -> None:
    ann = signed_in(server, "ann")
    owner = signed_in(server, "bob")
    shown = "/models/fraud/scorer/versions/3"
    done = owner.act(shown, f"{shown}/promote", stage="production", action="promote")
    page = done.headers["location"].partition("?")[0]
    proof = re.search(r'name="csrf" value="([^"]+)"', ann.see(page))
    assert proof is not None
    assert owner.act(page, f"{page}/withdraw", reason="too weak").status == 303
    body = urlencode({"csrf": proof[1], "vote": "approve", "comment": "a long and careful text"})
    late = ann.send("POST", f"{page}/vote?{body}", **{"sec-fetch-site": "same-origin"})
    assert late.status == 409
    assert "withdrawn" in late.data.decode()


def test_a_run_shows_its_curves_and_its_log(root: Browser) -> None:
    path = re.search(r'href="(/runs/[0-9a-f]+)"', root.see("/runs"))
    assert path is not None
    html = root.see(path[1])
    assert Checked(html).faults == []
    assert "loss: 0.1111 at step 8" in html
    assert "<polyline" in html
    assert "&lt;b&gt;done&lt;/b&gt;" in html
    assert path[1] in root.see("/runs?experiment=tries&namespace=fraud")


def test_tokens_are_made_and_revoked(server: RunningServer, root: Browser) -> None:
    made = root.act("/settings", "/settings/tokens", name="laptop", days="30")
    token = re.search(r"mdy_[A-Za-z0-9_-]+", made.data.decode())
    assert token is not None
    assert server.client(token[0]).whoami().name == server.client().whoami().name
    assert token[0] not in root.see("/settings")
    number = next(t.id for t in server.client().tokens.list() if t.name == "laptop")
    assert root.act("/settings", f"/settings/tokens/{number}/revoke").status == 303
    assert "laptop" not in root.see("/settings").partition("<form class")[0]
    with pytest.raises(Unauthenticated):
        server.client(token[0]).whoami()


def test_signing_out_and_the_theme(server: RunningServer) -> None:
    browser = signed_in(server, server.client().whoami().name)
    assert "data-theme" not in browser.see("/models").partition("<body")[0]
    assert browser.act("/models", "/theme", theme="dark").status == 303
    assert 'data-theme="dark"' in browser.see("/models")
    session = browser.cookies["modelyard_session"]
    assert browser.act("/models", "/logout").headers["location"].startswith("/login")
    browser.cookies["modelyard_session"] = session
    assert browser.send("GET", "/settings").headers["location"].startswith("/login")


def test_the_way_goes_on_after_signing_in(server: RunningServer) -> None:
    browser = Browser(server)
    sent = browser.send("GET", "/models/fraud/scorer/versions/1/none?x=1")
    assert sent.status == 404
    place = browser.send("GET", "/approvals").headers["location"]
    assert place == "/login?next=%2Fapprovals"


def test_static_files_never_change(server: RunningServer, root: Browser) -> None:
    paths = set(re.findall(r'"(/static/[^"#]+)', root.see("/models")))
    assert len(paths) >= 4
    for path in paths:
        found = urllib3.request(
            "GET", server.url + path, headers={"accept-encoding": "gzip"}, decode_content=False
        )
        assert found.status == 200
        assert "immutable" in found.headers["cache-control"]
        if "woff2" not in path:
            assert gzip.decompress(found.data)
    assert urllib3.request("GET", f"{server.url}/static/000000000000/app.css").status == 404


def test_pages_are_small(server: RunningServer, root: Browser) -> None:
    """Compressed, as they go over the wire."""
    css = gzip.compress((WEB / "static" / "app.css").read_bytes(), 9)
    assert len(css) <= 12_000
    scripts = gzip.compress((WEB / "static" / "app.js").read_bytes(), 9)
    assert len(scripts) <= 60_000
    found = urllib3.request(
        "GET",
        f"{server.url}/models",
        headers={"accept-encoding": "gzip", "cookie": f"modelyard_session={root.cookies['modelyard_session']}"},
        decode_content=False,
    )
    assert len(found.data) <= 15_000


VENDOR = WEB / "static" / "vendor"


def test_what_others_wrote_is_as_it_came() -> None:
    listed = json.loads((VENDOR / "vendor.json").read_text())
    locked = json.loads((WEB / "package-lock.json").read_text())["packages"]
    for entry in listed:
        data = (VENDOR / entry["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"], entry["file"]
        assert locked[f"node_modules/{entry['package']}"]["version"] == entry["version"]
    there = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()}
    assert there == {entry["file"] for entry in listed} | {"vendor.json"}
    folders = {path.parts[0] for path in map(Path, there) if len(path.parts) > 1}
    assert all(f"{folder}/LICENSE" in there for folder in folders)


def test_templates_hand_nothing_through_unescaped() -> None:
    for path in (WEB / "templates").rglob("*.html"):
        text = path.read_text()
        assert re.findall(r"\|\s*safe", text) == ["| safe"] * text.count("card | safe"), path
        assert not re.search(
            r"hx-on|\bjs:|\bstyle=|\bon(click|load|error|submit|input|change)|https?://", text
        ), path
