"""What the changes of a batch share is never seen as anything but what each of them did, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from modelyard.db.engine import Database
from modelyard.db.needs import Results
from modelyard.db.statement import Statement
from modelyard.db.tables import server_facts
from modelyard.db.transaction import Transaction

_p = sa.bindparam
_number = sa.cast(server_facts.c.value, sa.Integer)
_more = sa.cast(_number + _p("number", type_=sa.Integer), sa.Text)
READ = Statement(sa.select(server_facts.c.value).where(server_facts.c.key == _p("key")))
ADD = Statement(server_facts.update().where(server_facts.c.key == _p("the_key")).values(value=_more))
SET = Statement(server_facts.update().where(server_facts.c.key == _p("the_key")).values(value=_p("number")))
INSERT = Statement(server_facts.insert().values(key=_p("key"), value=_p("value")))
NAMES = ("a", "b")

Change = Callable[[Transaction], Any]


@pytest.fixture
def fresh(own_url: str) -> Iterator[Database]:
    db = Database(own_url)
    db.write(lambda tx: tx.run_many(INSERT, [{"key": name, "value": "0"} for name in NAMES]))
    yield db
    db.close()


def run_batch(db: Database, changes: list[Change]) -> list[Any]:
    """Run changes as one batch; return what each returned or raised."""
    with db._write_lock:
        batch = db._open_batch()
        found = [batch.run(change, Results(may_wait=True)) for change in changes]
        batch.seal()
        batch.commit()
    return [result if error is None else error for result, error in found]


def stored(db: Database) -> dict[str, str]:
    rows = db.read(lambda tx: tx.rows(sa.select(server_facts.c.key, server_facts.c.value)))
    return {key: value for key, value in rows if key in NAMES or key.startswith("row ")}


def recall(tx: Transaction, name: str) -> int:
    """The number of a row, by what is remembered and what waits."""
    row = tx.once(READ, key=name)
    assert row is not None
    return int(row[0]) + int(tx.waiting(ADD, name).get("number", 0))


class Failed(Exception):
    pass


Step = tuple[str, str, int]
STEPS = st.tuples(
    st.sampled_from(["add", "recall", "read", "set", "write", "search", "insert", "fail"]),
    st.sampled_from(NAMES),
    st.integers(1, 9),
)


def change_of(steps: list[Step], seen: list[int], rows: list[str]) -> Change:
    def change(tx: Transaction) -> None:
        for verb, name, number in steps:
            if verb == "add":
                tx.add_at_end(ADD, {"the_key": name}, {"number": number})
            elif verb == "insert":
                rows.append(f"row {len(rows)}")
                tx.insert_at_end(INSERT, [{"key": rows[-1], "value": "x"}])
            elif verb == "recall":
                seen.append(recall(tx, name))
            elif verb == "read":
                row = tx.one(READ, key=name)
                assert row is not None
                seen.append(int(row[0]))
            elif verb == "search":
                found = tx.rows(sa.select(server_facts.c.value).where(server_facts.c.key == name))
                seen.append(int(found[0][0]))
            elif verb == "set":
                tx.run(SET, the_key=name, number=str(number))
            elif verb == "write":
                tx.execute(server_facts.update().where(server_facts.c.key == name).values(value=str(number)))
            else:
                raise Failed

    return change


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([[("set", "a", 3), ("recall", "a", 1), ("fail", "a", 1)], [("recall", "a", 1)]])
@example([[("recall", "a", 1), ("write", "a", 3), ("recall", "a", 1)]])
@example([[("add", "a", 3)], [("read", "a", 1), ("add", "a", 4), ("read", "a", 1), ("fail", "a", 1)]])
@given(st.lists(st.lists(STEPS, max_size=6), min_size=1, max_size=8))
def test_each_change_sees_what_those_before_it_did(fresh: Database, changes: list[list[Step]]) -> None:
    """Random changes in one batch, against a dictionary."""
    fresh.write(lambda tx: [tx.run(SET, the_key=name, number="0") for name in NAMES])
    fresh.write(lambda tx: tx.execute(server_facts.delete().where(server_facts.c.key.like("row %"))))
    numbers = dict.fromkeys(NAMES, 0)
    expected_seen: list[int] = []
    expected_rows = 0
    for steps in changes:
        before = dict(numbers), expected_rows
        for verb, name, number in steps:
            if verb == "add":
                numbers[name] += number
            elif verb in ("set", "write"):
                numbers[name] = number
            elif verb == "insert":
                expected_rows += 1
            elif verb == "fail":
                numbers, expected_rows = before
                break
            else:
                expected_seen.append(numbers[name])
    seen: list[int] = []
    given_rows: list[str] = []
    outcomes = run_batch(fresh, [change_of(steps, seen, given_rows) for steps in changes])
    assert [isinstance(found, Failed) for found in outcomes] == [
        any(verb == "fail" for verb, _, _ in steps) for steps in changes
    ]
    assert seen == expected_seen
    found = stored(fresh)
    assert {name: int(found[name]) for name in NAMES} == numbers
    assert sum(name.startswith("row ") for name in found) == expected_rows


def test_a_batch_reads_once_and_writes_once(fresh: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Statement] = []
    prepare = Statement.prepare

    def noting(self: Statement, *given: Any) -> Any:
        ran.append(self)
        return prepare(self, *given)

    monkeypatch.setattr(Statement, "prepare", noting)

    def change(tx: Transaction) -> int:
        number = recall(tx, "a")
        tx.add_at_end(ADD, {"the_key": "a"}, {"number": 1})
        tx.insert_at_end(INSERT, [{"key": f"row {number}", "value": "x"}])
        return number

    assert run_batch(fresh, [change] * 10) == list(range(10))
    # The rows go to the driver in one call.
    assert [ran.count(each) for each in (READ, ADD)] == [1, 1]
    assert ran.index(ADD) < ran.index(INSERT)
    assert stored(fresh) == {"a": "10", "b": "0", **{f"row {n}": "x" for n in range(10)}}


def test_only_a_change_of_a_batch_leaves_something_for_its_end(fresh: Database) -> None:
    with pytest.raises(RuntimeError, match="only a change of a batch"):
        fresh.read(lambda tx: tx.add_at_end(ADD, {"the_key": "a"}, {"number": 1}))
    assert fresh.read(lambda tx: recall(tx, "a")) == 0
