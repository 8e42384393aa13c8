"""Questions that pages ask and that no other door does: on both databases."""

from __future__ import annotations

import pytest

from modelyard.domain.actor import ANONYMOUS
from modelyard.domain.errors import Denied, EditConflict, Unauthenticated
from modelyard.domain.names import ModelName
from modelyard.registry.audit.nouns import EventFilter
from modelyard.registry.audit.usecases import list_history
from modelyard.registry.cards import usecases as cards
from modelyard.registry.facts.files import list_files
from modelyard.registry.lineage.recalls import preview_recall
from modelyard.registry.promotion.standing import StoodThen, list_stood
from modelyard.registry.promotion.wording import describe_policy
from modelyard.registry.runs.tails import LogTail, tail_log
from tests.contract.test_quarantine import different
from tests.contract.test_runs import Writer, start
from tests.support.bad_files import trap
from tests.support.door import Door
from tests.support.promotion import Team, policy
from tests.support.registry import Registry, unique


@pytest.fixture
def team(registry: Registry) -> Team:
    return Team(registry)


def stood(team: Team, at: int, stage: str = "production") -> list[StoodThen]:
    return team.registry.db.read(
        lambda tx: list_stood(tx, team.reader, stage, at, namespace=team.namespace, limit=10)
    )


def test_what_stood_in_a_stage_at_a_moment(team: Team) -> None:
    before = team.registry.db.clock()
    one, two = team.push(), team.push()
    times = []
    for number in (one, two):
        team.promote(number)
        times.append(team.registry.db.clock())
    team.demote()
    assert stood(team, before) == []
    (first,) = stood(team, times[0])
    assert (first.version, first.now, first.by) == (one, None, team.maintainer.name)
    (second,) = stood(team, times[1])
    assert second.version == two
    assert first.until == second.since
    assert second.until is not None
    assert stood(team, team.registry.db.clock()) == []
    assert stood(team, times[1], "staging") == []
    hidden = team.registry.db.read(
        lambda tx: list_stood(tx, team.stranger, "production", times[1], namespace=team.namespace, limit=10)
    )
    assert hidden == []


def test_what_stood_names_who_approved(team: Team) -> None:
    team.set_policy(policy(f"approvals: {{count: 1, group: {team.risk}}}"))
    number = team.push()
    asked = team.promote(number, open_only=True)
    assert asked.promotion is not None
    team.vote(team.rita, asked.promotion.id)
    team.promote(number)
    (row,) = stood(team, team.registry.db.clock())
    assert row.approved_by == [team.rita.name]
    assert row.until is None
    assert row.now == number


def test_the_policy_in_words(team: Team) -> None:
    team.set_policy(policy("metric: {name: f1, min: 0.9}", more="who: {promote: ['group:x']}"))
    name = ModelName.parse(team.model)
    number = team.push({"f1": 0.5})

    def words() -> dict[str, list[str]]:
        found = team.registry.db.read(lambda tx: describe_policy(tx, team.reader, name))
        return {stage.name: [rule.needed for rule in stage.rules] for stage in found.stages}

    assert words()["staging"] == []
    (judged,) = words()["production"]
    assert "0.9" in judged
    # A version that is there already has no gate before it; the rules are told all the same.
    team.set_policy(policy("metric: {name: f1, min: 0.1}"))
    team.promote(number)
    (plain,) = words()["production"]
    assert "0.1" in plain


def test_events_of_one_version(team: Team) -> None:
    one, two = team.push(), team.push()
    name = ModelName.parse(team.model)

    def kinds(version: int | None) -> list[tuple[str, int | None]]:
        found = team.registry.db.read(
            lambda tx: list_history(tx, team.reader, name, EventFilter(version=version), None, 50)
        )
        return [(event.body["kind"], event.body.get("version")) for event in found]

    assert kinds(one) == [("version.registered", one)]
    assert kinds(two) == [("version.registered", two)]
    assert len(kinds(None)) > 2


def test_a_card_is_not_overwritten_unseen(team: Team) -> None:
    number = team.push()
    db = team.registry.db

    def save(text: str, seen: int | None) -> int:
        return db.write(lambda tx: cards.set_card(tx, team.contributor, team.ref(number), text, seen)).number

    assert save("one", 0) == 1
    with pytest.raises(EditConflict):
        save("lost", 0)
    assert save("two", 1) == 2
    assert save("three", None) == 3


def test_a_page_of_files_with_their_facts(team: Team) -> None:
    number = team.push()
    read = team.registry.db.read
    page = read(lambda tx: list_files(tx, team.reader, team.ref(number), limit=10))
    assert len(page.files) >= 1
    assert not page.has_more
    first = page.files[0].file.path
    assert read(lambda tx: list_files(tx, team.reader, team.ref(number), after=first, limit=10)).files == []
    assert read(lambda tx: list_files(tx, team.reader, team.ref(number), word="zzz", limit=10)).files == []


def test_the_reach_of_a_recall(team: Team) -> None:
    one = team.push()
    two = team.push(parents=[{"ref": f"{team.model}:{one}", "relation": "finetune"}])
    read = team.registry.db.read
    reach = read(lambda tx: preview_recall(tx, team.maintainer, team.ref(one)))
    assert [node.name for node in reach.versions] == [f"{team.model}:{two}"]
    assert reach.serving == []
    team.promote(two)
    reach = read(lambda tx: preview_recall(tx, team.maintainer, team.ref(one)))
    assert [node.name for node in reach.serving] == [f"{team.model}:{two}"]
    with pytest.raises(Denied):
        read(lambda tx: preview_recall(tx, team.reader, team.ref(one)))


def test_the_quarantine_says_why(door: Door, model: str) -> None:
    made = door.register(model, different(trap()))
    namespace = model.partition("/")[0]
    (row,) = door.get(f"quarantine?namespace={namespace}").json()["items"]
    assert row["version"] == made["version"]
    assert row["why"].startswith("posix.system")


def test_a_log_is_read_backwards_to_its_start(door: Door) -> None:
    run = start(door, f"{unique('space')}/trees")
    writer = Writer(door, run)
    lines = [f"line {n} ü" for n in range(400)]
    for begin in range(0, 400, 100):
        writer.send({"log": "\n".join(lines[begin : begin + 100]) + "\n"})
    writer.send({"log": "an open end"})
    db, actor = door.registry.db, door.registry.root

    def tail(end: int | None = None, most: int = 700) -> LogTail:
        return db.read(lambda tx: tail_log(tx, actor, run, end, most))

    part = tail()
    assert part.lines[-1].text == "an open end"
    assert part.may_grow
    found = [line.text for line in part.lines]
    positions = [line.position for line in part.lines]
    while part.has_earlier:
        part = tail(part.start)
        found = [line.text for line in part.lines] + found
        positions = [line.position for line in part.lines] + positions
    assert found == [*lines, "an open end"]
    whole = ("\n".join(found)).encode()
    assert [whole[at:].decode().partition("\n")[0] for at in positions] == found
    assert tail(0).lines == []


def test_strangers_are_told_nothing_of_stages_past(registry: Registry) -> None:
    with pytest.raises(Unauthenticated):
        registry.db.read(lambda tx: list_stood(tx, ANONYMOUS, "production", 2**60, limit=1))
