"""What people do by pages and see on home, in one process: collection, quarantine, this month, running runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.registry.comparison.peers import MOST_PEERS
from tests.support.bad_files import trap
from tests.support.clock import Clock
from tests.support.databases import copied_database
from tests.support.door import Door, Visitor, open_door
from tests.support.page_roles import Form, read_page, submit
from tests.support.promotion import Team
from tests.support.registry import Registry

NOON = round(datetime(2026, 11, 3, 12, tzinfo=UTC).timestamp()) * 1_000_000
DAY = 86_400.0


@pytest.fixture(params=["sqlite", "postgresql"])
def door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with copied_database(request, tmp_path_factory.mktemp("actions")) as url:
        db = Database(url, clock=Clock(NOON))
        with open_door(Registry(db), pages=True) as opened:
            yield opened
        db.close()


def clock_of(door: Door) -> Clock:
    assert isinstance(door.registry.db.clock, Clock)
    return door.registry.db.clock


def look(door: Door, actor: Actor, path: str) -> str:
    """The words of a page, without its marks."""
    answer = Visitor.of(door, actor).see(path)
    assert answer.status_code == 200, answer.text
    return words_of(answer.text)


def words_of(html: str) -> str:
    text = re.sub(r"<[^>]+>", " ", html.partition("<main")[2].partition("</main>")[0])
    return re.sub(r"\s+", " ", text)


def find_form(html: str, action: str, button: str) -> Form | None:
    forms, _ = read_page(html)
    return next((form for form in forms if form.action == action and form.button == button), None)


def test_unused_bytes_are_collected_from_the_page(door: Door) -> None:
    page, action = "/settings/storage", "/settings/storage/collect"
    door.register("kept/scorer", b"needed bytes")
    door.send(b"bytes that no version names")
    clock_of(door).pass_seconds(30 * DAY)
    admin = Visitor.of(door, door.registry.root)
    assert len(list(door.registry.blobs.list())) == 2
    shown = admin.see(page).text
    count = find_form(shown, action, "")
    assert count is not None
    assert find_form(shown, action, "1") is None, "nothing is deleted before it was counted"

    counted = submit(admin, count, {}).text
    assert "27 B would be deleted" in words_of(counted)
    assert re.search(r"Files 1 ", words_of(counted))
    assert len(list(door.registry.blobs.list())) == 2
    delete = find_form(counted, action, "1")
    assert delete is not None

    done = submit(admin, delete, {}).text
    assert "27 B were deleted" in words_of(done)
    assert len(list(door.registry.blobs.list())) == 1
    assert find_form(done, action, "1") is None
    again = find_form(done, action, "")
    assert again is not None
    assert "Nothing would be deleted" in words_of(submit(admin, again, {}).text)


def test_home_lists_a_quarantined_version_for_those_who_can_release_it(door: Door) -> None:
    team = Team(door.registry)
    told = f"{team.model} v1 is in quarantine"
    door.as_(door.token_of(team.owner)).register(team.model, trap())
    assert told in look(door, team.maintainer, "/")
    assert told not in look(door, team.owner, "/"), "the owner pushed it, and the maintainer is there"
    assert told not in look(door, team.contributor, "/")
    assert told not in look(door, team.stranger, "/")

    path = f"/models/{team.model}/versions/1"
    assert f"another person has to release it: {team.maintainer.name}" in look(door, team.owner, f"{path}/scan")
    visitor = Visitor.of(door, team.maintainer)
    release = find_form(visitor.see(f"{path}/scan").text, f"{path}/release", "")
    assert release is not None
    assert submit(visitor, release, {"reason": "it was read"}).status_code == 303
    assert told not in look(door, team.maintainer, "/")


def test_who_is_alone_is_told_of_the_own_push(door: Door) -> None:
    owner = door.registry.user()
    own = door.as_(door.token_of(owner))
    own.register(f"{owner.name}/scorer", trap())
    assert f"{owner.name}/scorer v1 is in quarantine" in look(door, owner, "/")


def test_home_shows_this_month_against_the_one_before(door: Door) -> None:
    team, other, clock = Team(door.registry), Team(door.registry), clock_of(door)
    for each in (team, other):
        each.promote(each.push())
    clock.now = round(datetime(2026, 12, 2, tzinfo=UTC).timestamp()) * 1_000_000
    for _ in range(2):
        team.promote(team.push())
    team.rollback()
    home = look(door, team.reader, "/")
    assert "Promotions 2 was 1 Rollbacks 1 was 0 New versions 2 was 1" in home
    assert "Promotions 2 was 2 Rollbacks 1 was 0 New versions 2 was 2" in look(door, door.registry.root, "/")


def test_home_shows_the_runs_that_go_on(door: Door) -> None:
    team = Team(door.registry)
    team.push()
    own = door.as_(door.token_of(team.contributor))
    for uid, name in (("ab" * 16, "going"), ("cd" * 16, "ended")):
        made = own.call("PUT", f"runs/{uid}", json={"experiment": f"{team.namespace}/tries", "name": name})
        assert made.status_code < 300, made.text
    end = {"status": "finished", "exit_code": 0, "at": NOON}
    body = {"writer": "w", "first": 1, "frames": [{"end": end}]}
    assert own.call("POST", f"runs/{'cd' * 16}/records", json=body).status_code < 300
    running = look(door, team.reader, "/").partition("Running now")[2].partition("This month")[0]
    assert f"going {team.namespace}/tries" in running
    assert "ended" not in running
    assert "going" not in look(door, team.stranger, "/")
    # A run that is not heard of any more does not go on.
    clock_of(door).pass_seconds(DAY)
    assert "No run is going on" in look(door, team.reader, "/")


def test_a_comparison_says_which_others_it_shows_and_offers_the_best(door: Door) -> None:
    team = Team(door.registry)
    for n in range(MOST_PEERS + 10):
        team.push({"f1": 1 - n / 100, "loss": n / 100}, params={"depth": n})
    query = "&".join(f"ref={team.model}:{n}" for n in (1, 2))
    newest = Visitor.of(door, team.reader).see(f"/compare?{query}").text
    words = f"the {MOST_PEERS} newest others, of {MOST_PEERS + 10} versions; at most {MOST_PEERS} are drawn"
    assert words in words_of(newest)
    assert "v60" in newest
    assert ">v5<" not in newest
    chosen = next(form for form in read_page(newest)[0] if form.action == "/compare#all")
    assert chosen.fields["peers"] == ""
    best = Visitor.of(door, team.reader).see(f"/compare?{query}&peers=f1").text
    assert f"the {MOST_PEERS - 2} best others by f1, of" in words_of(best)
    assert "v60" not in best
    # What cannot be ranked leaves the newest ones.
    assert words in words_of(Visitor.of(door, team.reader).see(f"/compare?{query}&peers=nothing").text)


def test_home_finds_what_is_in_quarantine_by_an_index(door: Door) -> None:
    """Otherwise SQLite reads every version that is stored."""
    if not door.registry.db.is_sqlite:
        pytest.skip("the planner of PostgreSQL goes by the numbers of rows")
    asked: list[str] = []

    def note(_c: object, _cursor: object, sql: str, *_: object) -> None:
        asked.append(sql)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        look(door, door.registry.root, "/")
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    (held,) = [sql for sql in asked if "AS held" in sql]

    def explain(tx: Transaction) -> str:
        values = [0] * held.count("?")
        return str(tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {held}", tuple(values)).all())

    plan = door.registry.db.read(explain)
    assert "ix_versions_quarantined" in plan
    assert "SCAN versions" not in plan
