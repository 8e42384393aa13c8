"""The settings pages at a running server, without scripts: what their forms do, for whom, and with bad input."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest

from modelyard.web.frame import SETTINGS
from tests.support.browser import Browser
from tests.support.pages import HOSTILE, POLICY, Pages, signed_in
from tests.support.receiver import running_receiver
from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def server(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with pages.running(tmp_path_factory.mktemp("settings"), webhook_allowed_hosts="127.0.0.1") as running:
        yield running


@pytest.fixture(scope="module")
def root(server: RunningServer) -> Browser:
    return signed_in(server, server.client().whoami().name)


@pytest.fixture(scope="module")
def bob(server: RunningServer) -> Browser:
    """Maintains fraud, and is no admin."""
    return signed_in(server, "bob")


def test_every_page_of_the_side_navigation_is_there_for_everybody(root: Browser, server: RunningServer) -> None:
    reader = signed_in(server, "ann")
    for path, words in SETTINGS:
        for browser in (root, reader):
            html = browser.see(path)
            assert html.count('aria-current="page"') >= 2, path
            assert words in unescape(html)
    assert "Only admins see the storage" in reader.see("/settings/storage")
    assert "Admins create, change and disable" in reader.see("/settings/accounts")


def test_roles_are_granted_changed_and_revoked(server: RunningServer, root: Browser, bob: Browser) -> None:
    page, members = "/settings/members?of=fraud", server.client().namespaces.members
    assert root.act(page, "/settings/members/grant", account="ann", role="reader").status == 303
    assert ("ann", "reader") in [(m.name, m.role) for m in members("fraud")]
    assert root.act(page, "/settings/members/grant", account="ann", role="contributor").status == 303
    assert ("ann", "contributor") in [(m.name, m.role) for m in members("fraud")]
    refused = root.act(page, "/settings/members/grant", account="nobody-at-all", role="reader")
    assert refused.status == 404
    on_model = "/settings/members?of=fraud/scorer"
    assert root.act(on_model, "/settings/members/grant-on-model", account="ann", role="none").status == 303
    assert [(m.name, m.role) for m in server.client().models.members("fraud/scorer")] == [("ann", "none")]
    assert root.act(on_model, "/settings/members/revoke-on-model", account="ann").status == 303
    assert not [*server.client().models.members("fraud/scorer")]
    form = _form(root.see(page), "/settings/members/revoke", "ann")
    assert 'name="account" value="ann"' in form
    assert _send(root, page, "/settings/members/revoke", of="fraud", account="ann").status == 303
    assert "ann" not in [m.name for m in members("fraud")]
    # A maintainer sees the members and has no form.
    assert "/settings/members/grant" not in bob.see(page).partition("One model")[0]
    assert _send(bob, page, "/settings/members/grant", of="fraud", account="ann", role="owner").status == 403
    assert "ann" not in [m.name for m in members("fraud")]


def test_the_last_owner_stays(server: RunningServer, root: Browser) -> None:
    name = server.client().whoami().name
    sent = _send(root, "/settings/members?of=fraud", "/settings/members/revoke", of="fraud", account=name)
    assert sent.status == 409
    assert "no owner left" in sent.data.decode()


def test_an_account_is_created_changed_and_disabled(server: RunningServer, root: Browser, bob: Browser) -> None:
    made = root.act("/settings/accounts", "/settings/accounts", name="carl", display_name=HOSTILE[:90])
    assert made.headers["location"].startswith("/settings/accounts/carl?")
    assert server.client().accounts.get("carl").display_name == HOSTILE[:90]
    assert "<script>alert" not in root.see("/settings/accounts") + root.see("/settings/accounts/carl")
    page = "/settings/accounts/carl"
    linked = root.act(page, f"{page}/link").data.decode()
    link = re.search(r"<pre>([^<]+/login\?link=[^<]+)</pre>", linked)
    assert link is not None
    carl = Browser(server)
    carl.sign_in(unescape(link[1]))
    assert carl.see("/settings")
    assert root.act(page, f"{page}/disable", disabled="1").status == 303
    assert carl.send("GET", "/settings").headers["location"].startswith("/login")
    assert root.act(page, f"{page}/disable", disabled="0").status == 303
    assert "Admins change accounts" in bob.see(page)
    assert _send(bob, page, f"{page}/disable", disabled="1").status == 403
    again = root.act("/settings/accounts", "/settings/accounts", name="carl", display_name="Other words")
    assert again.status == 409
    assert "Other words" in again.data.decode()


def test_a_group_and_a_service_account(server: RunningServer, root: Browser) -> None:
    assert root.act("/settings/groups", "/settings/groups", name="risk").status == 303
    page = "/settings/accounts/risk"
    assert root.act(page, f"{page}/members/add", member="bob").status == 303
    assert [*server.client().groups.members("risk")] == ["bob"]
    assert root.act(page, f"{page}/members/remove").status == 303
    assert not [*server.client().groups.members("risk")]
    assert root.act("/settings/services", "/settings/services", name="trainer").status == 303
    page = "/settings/accounts/trainer"
    shown = root.act(page, f"{page}/token", name="nightly", days="30").data.decode()
    token = re.search(r"<pre>(md[a-z]*_[A-Za-z0-9_-]+)</pre>", shown)
    assert token is not None, shown
    assert server.client(token[1]).whoami().name == "trainer"
    assert token[1] not in root.see(page)
    bad = root.act(page, f"{page}/token", name="nightly", days="soon")
    assert bad.status == 400


def test_a_person_changes_the_password_and_stays_signed_in(server: RunningServer) -> None:
    server.client().accounts.create("dora")
    here, elsewhere = signed_in(server, "dora"), signed_in(server, "dora")
    differing = here.act("/settings", "/settings/password", password="a long password", again="another one")
    assert differing.status == 400
    assert "differ" in differing.data.decode()
    new = "correct horse battery staple"
    assert here.act("/settings", "/settings/password", password=new, again=new).status == 303
    assert here.see("/settings")
    assert elsewhere.send("GET", "/settings").headers["location"].startswith("/login")
    fresh = Browser(server)
    assert fresh.act("/login", "/login", name="dora", password=new).status == 303
    assert (
        here.act("/settings", "/settings/profile", display_name="Dora D.", email="dora@example.org").status
        == 303
    )
    assert server.client().accounts.get("dora").display_name == "Dora D."


def test_a_namespace_is_created_and_changed_and_a_stale_form_keeps_what_was_typed(
    server: RunningServer, root: Browser
) -> None:
    made = root.act("/settings/namespaces", "/settings/namespaces", name="risky", visibility="signed-in")
    assert made.headers["location"].startswith("/settings/namespaces/risky")
    page = "/settings/namespaces/risky"
    csrf, seen = _hidden(root.see(page), f"{page}/edit")
    server.client().namespaces.edit("risky", description="changed by somebody else")
    fields = {"description": "typed with care", "visibility": "private", "naming_mode": "refuse"}
    stale = root.send("POST", f"{page}/edit?{_query(csrf=csrf, seen=seen, **fields)}", **SAME)
    assert stale.status == 412
    assert "typed with care" in stale.data.decode()
    assert server.client().namespaces.get("risky").description == "changed by somebody else"
    done = root.act(page, f"{page}/edit", **fields, naming_pattern="r-[a-z]+", reserved_names="main, test")
    assert done.status == 303, done.data.decode()
    found = server.client().namespaces.get("risky")
    assert (found.visibility, found.naming_pattern, found.reserved_names) == (
        "private",
        "r-[a-z]+",
        ["main", "test"],
    )
    wrong = root.act(page, f"{page}/edit", **fields, naming_pattern="(")
    assert wrong.status == 400
    assert root.act(page, f"{page}/delete").status == 303
    root.see(page, 404)


def test_terms_are_set_and_accepted(server: RunningServer, root: Browser, bob: Browser) -> None:
    page = "/models/fraud/scorer/terms"
    assert root.act(page, page, text="For research only.\nNo resale.").status == 303
    assert "Accept the terms" in bob.see(page)
    assert bob.act(page, f"{page}/accept").status == 303
    assert "You accepted the terms" in bob.see(page)
    assert [a.account for a in server.client().terms.acceptances("fraud/scorer")] == ["bob"]
    assert root.act(page, page, text="").status == 303


def test_a_publisher_is_trusted_and_removed(server: RunningServer, root: Browser, bob: Browser) -> None:
    page = "/settings/publishers?of=fraud"
    vague = root.act(
        page, "/settings/publishers/trust", kind="github", repository="acme/models", role="contributor"
    )
    assert vague.status == 400
    assert "acme/models" in vague.data.decode()
    fields = {"repository": "acme/models", "owner_id": "77", "workflow": "train.yml", "claims": "actor=ci"}
    made = root.act(page, "/settings/publishers/trust", kind="github", role="contributor", **fields)
    assert made.status == 303, made.data.decode()
    publisher = next(iter(server.client().publishers.list("fraud")))
    assert publisher.claims["actor"] == "ci"
    assert "acme/models" in bob.see(page)
    assert _send(bob, page, f"/settings/publishers/{publisher.id}/remove", of="fraud").status == 403
    assert root.act(page, f"/settings/publishers/{publisher.id}/remove").status == 303
    assert not [*server.client().publishers.list("fraud")]


def test_a_global_is_trusted_and_no_longer_trusted(server: RunningServer, root: Browser) -> None:
    page = "/settings/globals?of=fraud"
    refused = root.act(page, "/settings/globals/trust", name="os.system", reason="ours")
    assert refused.status == 400
    assert "cannot be trusted" in refused.data.decode()
    assert root.act(page, "/settings/globals/trust", name="my_corp.Helper", reason="ours").status == 303
    assert "my_corp.Helper" in root.see(page)
    assert root.act(page, "/settings/globals/untrust").status == 303
    assert "Nothing is trusted" in root.see(page)
    assert root.act(page, "/settings/globals/serve-unknown", serve="1", reason="a sandbox").status == 303
    assert "fraud serves versions that name unknown code" in root.see(page)
    assert root.act(page, "/settings/globals/serve-unknown", serve="0", reason="no longer").status == 303


def test_a_subscription_is_created_tested_replayed_and_removed(server: RunningServer, root: Browser) -> None:
    page = "/settings/subscriptions?of=fraud"
    with running_receiver() as receiver:
        made = root.act(
            page, "/settings/subscriptions/create", kind="webhook", target=receiver.url, event_kinds="alias.*"
        )
        html = made.data.decode()
        secret = re.search(r"whsec_[A-Za-z0-9+/=]+", unescape(html))
        assert secret is not None, html[:2000]
        number = max(s.id for s in server.client().subscriptions.list(namespace="fraud"))
        one = f"/settings/subscriptions/{number}"
        assert secret[0] not in unescape(root.see(one))
        assert "accepted the test message" in root.act(one, f"{one}/test").data.decode()
        receiver.answer = lambda count, value: 500
        assert "did not accept the test message" in root.act(one, f"{one}/test").data.decode()
        rotated = re.search(r"whsec_[A-Za-z0-9+/=]+", unescape(root.act(one, f"{one}/rotate").data.decode()))
        assert rotated is not None
        assert rotated[0] != secret[0]
        receiver.answer = lambda count, value: 204
        server.client().aliases.set("fraud/scorer:1", "champion")
        deliveries = server.client().subscriptions.deliveries
        _wait(lambda: [d.state for d in deliveries(number)] == ["done"])
        assert "Delivered" in root.see(one)
        assert "alias.moved" in root.see(one)
        assert "No delivery is dead" in root.see(f"{one}?state=dead")
        before = len(receiver.accepted)
        replayed = root.act(one, f"{one}/replay")
        assert "1+message+is+sent+again" in replayed.headers["location"]
        _wait(lambda: len(receiver.accepted) == before + 1)
    assert root.act(one, f"{one}/state", active="0").status == 303
    assert server.client().subscriptions.show(number).state == "disabled"
    assert root.act(one, f"{one}/edit", event_kinds="no.such", target="http://127.0.0.1:9/x").status == 400
    assert root.act(one, f"{one}/edit", event_kinds="version.*", target="http://127.0.0.1:9/x").status == 303
    assert server.client().subscriptions.show(number).event_kinds == ["version.*"]
    assert root.act(one, f"{one}/remove").status == 303
    root.see(one, 404)


def test_a_subscription_of_others_is_not_there(server: RunningServer) -> None:
    ann = signed_in(server, "ann")
    ann.see("/settings/subscriptions/1", 404)
    assert "hooks.example.org" not in ann.see("/settings/subscriptions")
    ann.see("/settings/subscriptions?of=fraud", 404)


def test_the_collection_counts_before_it_deletes(server: RunningServer, root: Browser, bob: Browser) -> None:
    page, form = "/settings/storage", "/settings/storage/collect"
    html = root.see(page)
    assert "are stored" in html
    assert 'name="really"' not in html
    counted = root.act(page, form).data.decode()
    assert "would be deleted" in counted
    assert "was deleted" not in counted
    assert server.client().admin.storage().blobs > 0
    assert _send(bob, page, form, really="1").status == 403


# --- policies ----------------------------------------------------------------------------------------


def test_a_schema_error_is_shown_under_its_line(root: Browser) -> None:
    page = "/settings/policies/fraud"
    draft = POLICY.replace("min: 0.9", "min: high")
    line = next(n for n, text in enumerate(draft.splitlines(), 1) if "high" in text)
    for action in ("try", "save"):
        sent = root.act(page, f"{page}/{action}", text=draft, days="90")
        assert sent.status == 400
        html = sent.data.decode()
        assert f"1 error, line {line}" in html
        at = html.index(f'<div class="wrong"><span class="no">{line}</span>')
        assert '<p class="wrong"' in html[at : at + 300]
        assert "min: high" in html.partition("<textarea")[2]
    assert "this is text, and a number is needed" in html
    misspelled = POLICY.replace("approvals:", "aprovals:")
    html = root.act(page, f"{page}/try", text=misspelled, days="90").data.decode()
    write = re.search(r'form="draft" name="write" value="([^"]+)">Write approvals<', html)
    assert write is not None, html
    # A click writes the proposed word, and tries the draft again.
    corrected = root.act(page, f"{page}/try", text=misspelled, days="90", write=write[1])
    assert corrected.status == 200
    assert unescape(_draft(corrected.data.decode())) == POLICY
    for odd in ("9", "0:a:b", "99999:a:b", "x:a:b", "9::"):
        assert root.act(page, f"{page}/try", text=POLICY, days="90", write=odd).status == 200


def test_a_draft_is_tried_on_past_promotions_and_weaker_gates_are_named(
    server: RunningServer, root: Browser, bob: Browser
) -> None:
    shown = "/models/fraud/scorer/versions/3"
    assert bob.act(shown, f"{shown}/promote", action="promote", stage="staging").status == 303
    bob.act(shown, f"{shown}/promote", action="request", stage="production")
    page = "/settings/policies/fraud"
    weaker = POLICY.replace("min: 0.9", "min: 0.4").replace("      - approvals: {count: 1, group: leads}\n", "")
    before = server.client().policies.show("fraud").revision
    tried = root.act(page, f"{page}/try", text=weaker, days="90").data.decode()
    assert "would have gone another way" in tried
    assert "would be allowed" in tried
    assert "Weaker than before" in tried
    assert "approvals" in tried.partition("Weaker than before")[2][:600]
    first = root.act(page, f"{page}/save", text=weaker, reason="an experiment")
    assert first.status == 200
    html = first.data.decode()
    assert "Nothing was saved yet" in html
    assert server.client().policies.show("fraud").revision == before
    confirmed = re.search(r'name="confirmed" value="([^"]+)"', html)
    assert confirmed is not None
    # The confirmation is for this text alone.
    other = root.act(page, f"{page}/save", text=weaker + "# more\n", confirmed=confirmed[1])
    assert "Nothing was saved yet" in other.data.decode()
    saved = root.act(
        page, f"{page}/save", text=unescape(_draft(html)), confirmed=confirmed[1], reason="an experiment"
    )
    assert saved.status == 303, saved.data.decode()
    assert server.client().policies.show("fraud").revision > before
    assert "an experiment" in root.see(page)
    back = root.act(page, f"{page}/save", text=POLICY, reason="and back")
    assert back.status == 303, back.data.decode()


def test_a_policy_that_changed_meanwhile_is_not_overwritten(server: RunningServer, root: Browser) -> None:
    page = "/settings/policies/fraud/scorer"
    csrf, seen = _hidden(root.see(page), f"{page}/try")
    own = "version: 1\npromote:\n  - to: production\n    rules:\n      - metric: {name: f1, min: 0.92}\n"
    server.client().policies.set("fraud/scorer", own)
    mine = own.replace("0.92", "0.95")
    late = root.send("POST", f"{page}/save?{_query(csrf=csrf, seen=seen, text=mine)}", **SAME)
    assert late.status == 412, late.data.decode()
    assert "0.95" in late.data.decode().partition("<textarea")[2]
    assert server.client().policies.show("fraud/scorer").own.text == own
    assert root.act(page, f"{page}/remove", reason="the namespace has one").status == 303
    assert server.client().policies.show("fraud/scorer").own is None


def test_who_may_not_edit_a_policy_reads_it(server: RunningServer) -> None:
    server.client().namespaces.grant("fraud", "dora" if _has(server, "dora") else "ann", "reader")
    reader = signed_in(server, "dora" if _has(server, "dora") else "ann")
    html = reader.see("/settings/policies/fraud")
    assert "read-only" in html
    assert "<textarea" not in html
    assert "min: 0.9" in html
    assert _send(reader, "/settings", "/settings/policies/fraud/save", text=POLICY + "# x\n").status == 403


def test_hostile_text_in_a_draft_stays_text(root: Browser) -> None:
    page = "/settings/policies/fraud"
    html = root.act(page, f"{page}/try", text=f"version: 1\n{HOSTILE}\n", days="90").data.decode()
    assert "<script>alert" not in html
    assert "</textarea><" not in html.replace("</textarea></p>", "")


# --- help --------------------------------------------------------------------------------------------

SAME = {"sec-fetch-site": "same-origin"}


def _query(**fields: str) -> str:
    return urlencode(fields)


def _form(html: str, action: str, words: str) -> str:
    forms = re.findall(r"<form.*?</form>", html, re.S)
    return next(text for text in forms if f'action="{action}"' in text and words in text)


def _hidden(html: str, action: str) -> tuple[str, str]:
    """The proof of a form, and the state that it saw."""
    found = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', _form(html, action, "")))
    return found["csrf"], found["seen"]


def _send(browser: Browser, page: str, action: str, **fields: str) -> Any:
    """Send a form that the page need not have, with the visitor's own proof."""
    csrf = re.search(r'name="csrf" value="([^"]+)"', browser.see(page))
    assert csrf is not None
    return browser.send("POST", f"{action}?{_query(csrf=csrf[1], **fields)}", **SAME)


def _draft(html: str) -> str:
    return html.partition("<textarea")[2].partition(">\n")[2].partition("</textarea>")[0]


def _has(server: RunningServer, name: str) -> bool:
    return name in [account.name for account in server.client().accounts.list()]


def _wait(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds() and time.monotonic() < end:
        time.sleep(0.1)
    assert holds()
