"""What pages do, in this process and on both databases: actions, and questions with their twins at the API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import Conflict, Invalid
from modelyard.registry.audit.checking import run_check
from modelyard.registry.jobs.heartbeat import Heartbeat
from modelyard.registry.promotion import policies
from modelyard.registry.promotion.source import PolicySource, check_source
from modelyard.registry.search.jumping import Landing, jump
from modelyard.worker.works import check_works
from tests.contract.test_runs import Writer, start
from tests.support.door import Door, Visitor, assert_problem, open_door
from tests.support.jobs import work_off
from tests.support.promotion import Team, policy
from tests.support.registry import Registry, unique

COMMIT = "9fceb02d0ae598e95dc970b74767f19372d61af8"
FILE = f"https://git.example.com/ml/gates/blob/{COMMIT}/policy.yaml"


@pytest.fixture
def door(registry: Registry) -> Iterator[Door]:
    with open_door(registry, pages=True) as opened:
        yield opened


@pytest.fixture
def team(registry: Registry) -> Team:
    return Team(registry)


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text[:800]
    return answer.json()


# --- policies that a repository keeps --------------------------------------------------------------------


def test_a_policy_from_a_repository_is_read_only_on_its_page(door: Door, team: Team) -> None:
    owner = door.as_(door.token_of(team.owner))
    at, page = f"namespaces/{team.namespace}/policy", f"/settings/policies/{team.namespace}"
    text, other = policy("check: {name: a}"), policy("check: {name: b}")
    sent = {"text": text, "source": {"url": FILE, "commit": COMMIT}}
    assert ok(owner.call("PUT", at, json=sent))["own"]["source"] == sent["source"]
    assert ok(owner.get(at))["own"]["source"] == sent["source"]
    event = ok(owner.get(f"audit/events?namespace={team.namespace}&kind=policy.changed"))["items"][0]["data"]
    assert (event["source_url"], event["source_commit"]) == (FILE, COMMIT)
    visitor = Visitor.of(door, team.owner)
    html = visitor.html(page)
    assert f'href="{FILE}"' in html
    assert COMMIT[:12] in html
    assert "<textarea" not in html
    assert f"{page}/remove" not in html
    for action in ("try", "save", "remove"):
        refused = visitor.send(page, f"{page}/{action}", text=other, seen="1", reason="by hand")
        assert refused.status_code == 409
        assert "in the repository" in refused.text
        assert f"modelyard policy set {team.namespace} FILE --no-source" in refused.text
    assert ok(owner.get(at))["own"]["text"] == text
    # Without a source it is under hand again.
    assert ok(owner.call("PUT", at, json={"text": text}))["own"]["source"] is None
    assert "<textarea" in visitor.html(page)
    assert visitor.send(page, f"{page}/save", text=other, seen="2", reason="by hand").status_code in (200, 303)


def test_the_same_text_at_another_commit_changes_nothing(team: Team, registry: Registry) -> None:
    def put(source: PolicySource | None) -> int:
        view = registry.db.write(
            lambda tx: policies.set_policy(tx, team.owner, team.namespace, None, policy(), source=source)
        )
        assert view.own is not None
        return view.own.number

    later = PolicySource(FILE.replace(COMMIT, "a" * 40), "a" * 40)
    numbers = [put(each) for each in (None, PolicySource(FILE, COMMIT), later, PolicySource(FILE + "x"), None)]
    assert numbers == [1, 2, 2, 3, 4]


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "ftp://x/y",
        "https://me:secret@x/y",
        "https://",
        "http://x y",
        f"https://x/{'y' * 2000}",
    ],
)
def test_a_source_is_an_address_of_the_web(url: str) -> None:
    with pytest.raises(Invalid):
        check_source(PolicySource(url))


@pytest.mark.parametrize("commit", ["abc", "g" * 40, "a" * 65, "main"])
def test_a_source_names_a_commit(commit: str) -> None:
    with pytest.raises(Invalid):
        check_source(PolicySource(FILE, commit))


def test_an_edit_by_hand_is_refused_by_the_feature(team: Team, registry: Registry) -> None:
    source = PolicySource(FILE)
    registry.db.write(
        lambda tx: policies.set_policy(tx, team.owner, team.namespace, None, policy(), source=source)
    )
    with pytest.raises(Conflict):
        registry.db.write(
            lambda tx: policies.set_policy(
                tx, team.owner, team.namespace, None, policy("owner: {}"), by_hand=True
            )
        )


# --- keys ------------------------------------------------------------------------------------------------


def test_every_page_has_the_list_of_its_keys(door: Door, team: Team) -> None:
    html = Visitor.of(door, team.reader).html("/models")
    places = dict(re.findall(r'<a href="([^"]+)" data-key="(.)"', html))
    listed = html.partition('<dialog id="keys"')[2].partition("</dialog>")[0]
    assert len(places) == 9
    for key in places.values():
        assert f"<kbd>g</kbd> <kbd>{key}</kbd>" in listed
    assert "<kbd>?</kbd>" in listed
    # The public frame has the same head and the keys, but no navigation.
    public = door.get("/catalogue", token=None).text
    assert '<dialog id="keys"' in public
    assert public.count("<head>") == 1
    assert 'class="rail"' not in public
    assert 'class="public"' in public


# --- comments, owners, kept files --------------------------------------------------------------------------


def test_a_comment_is_edited_and_deleted_on_its_page(door: Door, team: Team) -> None:
    author, other = Visitor.of(door, team.contributor), Visitor.of(door, team.reader)
    moderator = Visitor.of(door, team.maintainer)
    number = team.push()
    writer = door.as_(door.token_of(team.contributor))
    body = {"body": "first words", "version": number}
    made = ok(writer.call("POST", f"models/{team.model}/comments", json=body), 201)
    activity = f"/models/{team.model}/versions/{number}/activity"
    page = f"/models/{team.model}/comments/{made['id']}"
    assert f'href="{page}"' in author.html(activity)
    assert f'href="{page}"' in author.html(f"/models/{team.model}/activity")
    assert f'href="{page}"' not in other.html(activity)
    changed = author.send(page, f"{page}/edit", comment="second words", seen="1")
    assert (changed.status_code, changed.headers["location"].partition("?")[0]) == (303, activity)
    assert changed.headers["location"].endswith("#discussion")
    assert "second words" in other.html(activity)
    assert "first words" in other.html(page)
    stale = author.send(page, f"{page}/edit", comment="third words", seen="1")
    assert stale.status_code == 412
    assert "third words" in stale.text
    assert "<textarea" not in moderator.html(page)
    assert author.send(page, f"{page}/edit", comment=" ", seen="2").status_code == 400
    assert other.send(page, f"{page}/delete").status_code == 403
    assert other.send(page, f"{page}/edit", comment="mine").status_code == 403
    assert moderator.send(page, f"{page}/delete").status_code == 303
    assert "This comment was deleted" in other.html(activity)
    assert "words" not in other.html(page).partition("<h1>")[2].partition("The same as")[0]


def test_a_comment_on_a_promotion_leads_back_to_it(door: Door, team: Team) -> None:
    team.set_policy(policy("approvals: {count: 1}"))
    attempt = team.promote(team.push(), open_only=True)
    assert attempt.promotion is not None
    place = f"/promotions/{attempt.promotion.id}"
    author = Visitor.of(door, team.contributor)
    assert author.send(place, f"{place}/comment", comment="see the plot").status_code == 303
    link = re.search(rf'href="(/models/{team.model}/comments/\d+)"', author.html(place))
    assert link is not None
    done = author.send(link[1], f"{link[1]}/delete")
    assert done.headers["location"].partition("?")[0] == place
    assert "see the plot" not in author.html(place)


def test_owners_are_changed_on_the_page_of_people(door: Door, team: Team) -> None:
    team.push()
    page = f"/models/{team.model}/about"
    form, editor = f"/models/{team.model}/owners", Visitor.of(door, team.contributor)
    seen = re.search(r'name="seen" value="(\d+)"', editor.html(page).partition('id="owners"')[2])
    assert seen is not None
    changed = {"owners": "Team Fraud, ann", "seen": seen[1]}
    assert editor.send(page, form, **changed).status_code == 303
    assert ok(door.get(f"models/{team.model}"))["owners"] == ["Team Fraud", "ann"]
    late = editor.send(page, form, owners="bob", seen=seen[1])
    assert late.status_code == 412
    assert 'value="bob"' in late.text
    reader = Visitor.of(door, team.reader)
    assert form not in reader.html(page)
    assert reader.send(page, form, owners="me").status_code == 403


def test_kept_sources_are_downloaded_from_the_page_of_a_version(door: Door, team: Team) -> None:
    writer = door.as_(door.token_of(team.contributor))
    run = start(writer, f"{team.namespace}/trial")
    entry = writer.send(b"print('trained')")
    path = "code/my train.py"
    artifact = {"path": path, "digest": entry["digest"], "size_bytes": entry["size_bytes"]}
    Writer(writer, run).send({"artifacts": [artifact]})
    number = team.push(code={"files": {"my train.py": entry["digest"]}}, run={"id": run})
    page = f"/models/{team.model}/versions/{number}/code"
    reader = Visitor.of(door, team.reader)
    link = re.search(r'href="(/api/v1/runs/[^"]+)" download', reader.html(page))
    assert link is not None
    saved = reader.see(link[1])
    assert saved.content == b"print('trained')"
    assert "attachment" in saved.headers["content-disposition"]
    assert link[1] in reader.html(f"/runs/{run}")
    # A person who reads the model but not the run sees the names alone.
    grant = {"role": "reader"}
    ok_or_empty = door.call("PUT", f"models/{team.model}/members/{team.stranger.name}", json=grant)
    assert ok_or_empty.status_code in (200, 204)
    html = Visitor.of(door, team.stranger).html(page)
    assert "my train.py" in html
    assert "/api/v1/runs/" not in html.partition("<main")[2].partition("This page as JSON")[0]


# --- what stood, and the events of a version ----------------------------------------------------------


def test_what_stood_over_all_models(door: Door, team: Team) -> None:
    reader = door.as_(door.token_of(team.reader))
    number = team.push()
    team.promote(number)
    then = ok(reader.get("stages?stage=@production"))["at"]
    team.demote()
    at = f"stages?namespace={team.namespace}&at={then}"
    (row,) = ok(reader.get(at))["items"]
    assert (row["model"], row["version"], row["now"]) == (team.model, number, None)
    assert row["by"] == team.maintainer.name
    assert ok(reader.get(f"stages?namespace={team.namespace}"))["items"] == []
    assert ok(door.as_(door.token_of(team.stranger)).get(at))["items"] == []
    page = Visitor.of(door, team.reader).html(f"/audit?stage=production&at={then}&namespace={team.namespace}")
    assert "modelyard stages --stage production" in page


def test_events_of_one_version(door: Door, team: Team) -> None:
    reader = door.as_(door.token_of(team.reader))
    one, two = team.push(), team.push()
    for path in (f"models/{team.model}/history?version=", f"audit/events?model={team.model}&version="):
        for number in (one, two):
            found = ok(reader.get(f"{path}{number}"))["items"]
            assert {event["version"] for event in found} == {number}
    page = Visitor.of(door, team.reader).html(f"/audit?model={team.model}&version={two}")
    assert f"v{two}" in page
    assert f"{team.model}</a> v{one}" not in page
    alone = assert_problem(door.get("audit/events?version=1"), 400, "invalid")
    assert "--model" in alone["fix"]


def test_a_card_is_not_set_over_another_edit(door: Door, team: Team) -> None:
    writer = door.as_(door.token_of(team.contributor))
    at = f"models/{team.model}/versions/{team.push()}/card"
    none = {"if-none-match": "*"}
    first = writer.call("PUT", at, json={"text": "# One"}, headers=none)
    assert ok(first)["number"] == 1
    assert first.headers["etag"] == '"1"'
    assert_problem(writer.call("PUT", at, json={"text": "# Two"}, headers=none), 412, "edit_conflict")
    seen = writer.get(at).headers["etag"]
    assert ok(writer.call("PUT", at, json={"text": "# Two"}, headers={"if-match": seen}))["number"] == 2
    assert_problem(
        writer.call("PUT", at, json={"text": "# Three"}, headers={"if-match": seen}), 412, "edit_conflict"
    )
    assert ok(writer.call("PUT", at, json={"text": "# Three"}))["number"] == 3


# --- the check of the log ----------------------------------------------------------------------------


def test_the_check_of_the_log_says_how_far_it_is(door: Door, registry: Registry) -> None:
    work_off(registry.db, check_works(registry.db))
    root, stranger = Visitor.of(door, registry.root), registry.user()
    reader = Visitor.of(door, stranger)
    started = root.send("/audit", "/audit/check")
    assert (started.status_code, started.headers["location"]) == (303, "/audit#chain")
    html = root.html("/audit")
    assert "The chain is being checked" in html
    assert re.search(r'<progress id="checked" value="0" max="\d+">', html)
    assert 'action="/audit/check"' not in html
    last = ok(door.get("audit/checks/last"))["check"]
    assert (last["state"], last["checked"], last["by"]) == ("waiting", 0, registry.root.name)
    # Asking again while it is open starts no second one.
    assert ok(door.call("POST", "audit/checks"), 202)["job"] == last["job"]
    heartbeat = Heartbeat()
    run_check(registry.db, heartbeat)
    assert re.fullmatch(r"\d+ of \d+ events", heartbeat.note)
    assert work_off(registry.db, check_works(registry.db)) == 1
    done = ok(door.get("audit/checks/last"))["check"]
    assert (done["state"], done["checked"], done["damage"]) == ("done", done["size"], [])
    html = root.html("/audit")
    assert "The chain is whole" in html
    assert "data-poll" not in html
    assert "The chain" not in reader.html("/audit").partition("<h1>")[2]
    assert reader.send("/audit", "/audit/check").status_code == 403
    denied = door.as_(door.token_of(stranger))
    assert_problem(denied.get("audit/checks/last"), 403, "denied")
    assert_problem(denied.call("POST", "audit/checks"), 403, "denied")


# --- Git commits -------------------------------------------------------------------------------------------


def test_a_git_commit_finds_versions_and_runs(door: Door, team: Team) -> None:
    writer = door.as_(door.token_of(team.contributor))
    commit = unique("").encode().hex().rjust(40, "0")[-40:]
    code = {"code": {"commit": commit.upper(), "repository": "https://git.example.com/ml/scorer"}}
    number = team.push(**code)
    run = start(writer, f"{team.namespace}/trial")
    Writer(writer, run).send({"facts": code})

    def found(text: str, actor: Door) -> set[tuple[str, str, int | None]]:
        items = ok(actor.get("search", params={"q": text}))["items"]
        return {
            (row["kind"], row["name"], row["version"]) for row in items if row["kind"] in ("version", "run")
        }

    both = {("version", team.model, number), ("run", run, None)}
    for text in (commit, commit[:39], f"#{commit}", commit.upper()):
        assert found(text, writer) == both, text
    assert found(f"sha256:{commit}", writer) == set()
    assert found(commit, door.as_(door.token_of(team.stranger))) == set()
    palette = Visitor.of(door, team.reader).see(f"/search?q={commit}").json()["groups"]
    assert {item["href"] for group in palette for item in group["items"]} >= {
        f"/models/{team.model}/versions/{number}",
        f"/runs/{run}",
    }


def test_commits_are_looked_up_by_an_index(
    team: Team, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any]] = []
    rows = Transaction.rows

    def noted(tx: Transaction, query: Any) -> Any:
        compiled = query.compile(tx.connection, compile_kwargs={"render_postcompile": True})
        if "code_commit" in str(compiled):
            asked.append((str(query.compile(tx.connection, compile_kwargs={"literal_binds": True})), None))
        return rows(tx, query)

    def work(tx: Transaction) -> tuple[list[Landing], list[str]]:
        with monkeypatch.context() as patch:
            patch.setattr(Transaction, "rows", noted)
            found = jump(tx, team.reader, "#1234567", 20)
        explain = "EXPLAIN QUERY PLAN" if tx.is_sqlite else "EXPLAIN"
        if not tx.is_sqlite:
            # A small table is read whole unless that is forbidden; the question is whether an index could serve.
            tx.connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return found, [
            " ".join(
                str(part) for row in tx.connection.exec_driver_sql(f"{explain} {sql}").all() for part in row
            )
            for sql, _ in asked
        ]

    found, plans = registry.db.read(work)
    assert found == []
    assert len(plans) == 2
    assert "ix_versions_code_commit" in plans[0]
    assert "ix_runs_code_commit" in plans[1]
