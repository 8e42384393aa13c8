"""Measures: months, lead times, first tries, reuse, and who sees which models."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.db.engine import Database
from modelyard.db.tables import version_months
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import ANONYMOUS, Actor
from modelyard.domain.errors import Invalid, NamespaceNotFound, Unauthenticated
from modelyard.registry.measures.nouns import Measures
from modelyard.registry.measures.usecases import show_measures
from tests.support.clock import Clock
from tests.support.databases import copied_database
from tests.support.promotion import Team, policy
from tests.support.registry import Registry

HOUR = 3600.0
DAY = 24 * HOUR


def moment(month: int, day: int) -> int:
    return round(datetime(2026, month, day, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def own(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with copied_database(request, tmp_path_factory.mktemp("measures")) as url:
        db = Database(url, clock=Clock(moment(9, 10)))
        yield Registry(db)
        db.close()


def clock_of(registry: Registry) -> Clock:
    found = registry.db.clock
    assert isinstance(found, Clock)
    return found


def look(registry: Registry, actor: Actor, **options: str) -> Measures:
    return registry.db.read(lambda tx: show_measures(tx, actor, **options))


def test_what_happened_is_measured_month_by_month(own: Registry) -> None:
    team, clock = Team(own), clock_of(own)
    team.set_policy(policy("metric: {name: f1, min: 0.9}"))
    first = team.push({"f1": 0.95})
    clock.pass_seconds(4 * DAY)
    assert team.promote(first).done
    clock.now = moment(10, 3)
    poor = team.push({"f1": 0.5})
    clock.pass_seconds(1)
    assert not team.promote(poor).done
    good = team.push({"f1": 0.97}, code={"repository": "r", "commit": "a" * 40})
    clock.pass_seconds(12 * HOUR)
    assert team.promote(good).done
    clock.pass_seconds(HOUR)
    team.rollback()
    clock.now = moment(11, 20)
    found = look(own, team.reader, since="2026-08")

    assert [m.name for m in found.months] == ["2026-08", "2026-09", "2026-10", "2026-11"]
    august, september, october, november = found.months
    assert (august.registered, august.completeness, august.lead_median) == (0, None, None)
    assert (september.registered, september.promoted, september.lead_median) == (1, 1, 4 * DAY)
    assert (october.registered, october.promoted, october.rolled_back) == (2, 1, 1)
    assert october.lead_median == pytest.approx(12 * HOUR)
    assert (october.requested, october.first_try) == (2, 1)
    assert (november.requested, november.pushed_bytes) == (0, 0)
    # The bytes are those of the first version, which arrived in September.
    assert september.reused_bytes == 0 < september.pushed_bytes
    assert october.reused_bytes == october.pushed_bytes == 2 * september.pushed_bytes
    assert october.facts["metrics"] == 1.0
    assert october.facts["code"] == 0.5
    assert october.completeness is not None
    assert september.completeness is not None
    assert october.completeness > september.completeness
    assert found.sentence.startswith("No model has entered production this month.")
    (undone,) = found.rollbacks
    assert (undone.model, undone.seconds) == (team.model, 0.0)


def test_a_month_is_compared_with_the_one_before(own: Registry) -> None:
    team, clock = Team(own), clock_of(own)
    team.set_policy(policy())
    for month, days in ((9, 3), (10, 1)):
        clock.now = moment(month, 1)
        number = team.push()
        clock.pass_seconds(days * DAY)
        assert team.promote(number).done
    sentence = look(own, team.reader).sentence
    assert sentence.startswith(
        "A model reaches production in 1.0 days, 2.0 days faster than in September 2026."
    ), sentence


def test_people_are_counted_and_programs_are_not(own: Registry) -> None:
    team, clock = Team(own), clock_of(own)
    team.push(by=team.owner)
    clock.pass_seconds(100 * DAY)
    team.push(by=team.contributor)
    team.push(by=team.contributor)
    team.push(by=team.maintainer)
    (found,) = look(own, team.reader).contributors
    assert found.people == [team.contributor.name, team.maintainer.name]
    assert (found.model, found.before) == (team.model, 1)
    assert found.most == pytest.approx(2 / 3)


def test_only_models_that_one_may_read_count(own: Registry) -> None:
    team, other = Team(own), Team(own)
    team.push()
    other.push()
    other.push()
    assert look(own, team.reader).months[-1].registered == 1
    assert look(own, own.root).months[-1].registered == 3
    assert look(own, own.root, namespace=other.namespace).months[-1].registered == 2
    assert look(own, team.stranger).months[-1].registered == 0
    with pytest.raises(NamespaceNotFound):
        look(own, team.reader, namespace=other.namespace)
    with pytest.raises(Unauthenticated):
        look(own, ANONYMOUS)


@pytest.mark.parametrize(
    "since", ["", "2026", "2026-13", "2026-1", "２026-01", "2020-01", "2099-01", "x" * 500]
)
def test_a_month_that_is_none_is_refused(registry: Registry, since: str) -> None:
    with pytest.raises(Invalid):
        look(registry, registry.root, since=since)


def rows_of_sums(registry: Registry) -> list[tuple[Any, ...]]:
    table = version_months
    return registry.db.read(lambda tx: sorted(tx.rows(sa.select(table))))


def test_older_versions_are_summed_up_as_new_ones_are(own: Registry) -> None:
    team, other, clock = Team(own), Team(own), clock_of(own)
    for month in (9, 10):
        clock.now = moment(month, 2)
        for each in (team, other):
            each.push({"f1": 0.9}, code={"repository": "r", "commit": "a" * 40})
            each.push(by=each.contributor)
    kept = rows_of_sums(own)
    assert sum(row[4] for row in kept) == 8
    migration = importlib.import_module("modelyard.db.migrations.versions.0011_version_months")
    with own.db.connect_for_migration() as connection:
        connection.execute(version_months.delete())
        migration._fill(connection)
    assert rows_of_sums(own) == kept


def test_no_more_is_read_for_more_versions(own: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    team = Team(own)
    team.set_policy(policy())
    team.promote(team.push())
    read: list[int] = []
    rows = Transaction.rows

    def counted(tx: Transaction, statement: sa.Executable) -> list[tuple[Any, ...]]:
        assert "record" not in str(statement)
        found = rows(tx, statement)
        read.append(len(found))
        return found

    monkeypatch.setattr(Transaction, "rows", counted)
    look(own, team.reader)
    before = list(read)
    for _ in range(20):
        team.push()
    read.clear()
    assert look(own, team.reader).months[-1].registered == 21
    assert read == before
    assert len(read) <= 8
