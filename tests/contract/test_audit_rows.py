"""Every covered column of every table: changed by SQL outside of the server, `audit check` names table and row."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.db.engine import Database
from modelyard.db.row_notes import NOT_COVERED, covered_columns, covered_tables, key_names
from modelyard.db.tables import metadata
from modelyard.db.transaction import Transaction
from modelyard.domain.events import RowsWritten
from modelyard.registry.audit import proofs
from tests.support.door import Door, open_door
from tests.support.parts import EVERYTHING
from tests.support.registry import Registry, unique

POINTED_AT = {
    key.column.table.name
    for table in metadata.tables.values()
    for column in table.columns
    for key in column.foreign_keys
}
_numbers = itertools.count(1_000_000)


@pytest.fixture
def own(own_url: str) -> Iterator[Registry]:
    db = Database(own_url)
    yield Registry(db)
    db.close()


def problems(registry: Registry) -> set[str]:
    *_, last = proofs.check_log(registry.db, registry.root)
    return {damage.problem for damage in last.damage}


def some_value(column: sa.Column[Any], chosen: dict[str, int]) -> Any:
    """A value that no other row has; where it points at another table, one of its rows."""
    for key in column.foreign_keys:
        if key.column.table.name in chosen and key.column.name == "id":
            return chosen[key.column.table.name]
        return None
    number = next(_numbers)
    if isinstance(column.type, sa.LargeBinary):
        return str(number).encode()
    return number if isinstance(column.type, sa.Integer | sa.Float) else f"text {number}"


def fill(registry: Registry) -> dict[str, list[dict[str, Any]]]:
    """Two rows in each table, written as every change is."""
    made: dict[str, list[dict[str, Any]]] = {}

    def work(tx: Transaction) -> None:
        digests = [f"sha256:{n}" for n in range(2)]
        for table in metadata.sorted_tables:
            if table.name in ("events", "event_nodes", "event_head"):
                continue
            for turn in range(2):
                chosen = {
                    name: rows[turn]["id"]
                    for name, rows in made.items()
                    if len(rows) > turn and "id" in rows[turn]
                }
                row = {column.name: some_value(column, chosen) for column in table.columns}
                if table.name == "effective_policies":
                    row["digest"] = digests[turn]
                if table.name == "promotions":
                    row["policy_digest"] = digests[turn]
                tx.execute(table.insert().values(row))
                made.setdefault(table.name, []).append(row)

    registry.db.write(work)
    return made


def beside(registry: Registry, *statements: sa.Executable) -> None:
    """Change one row by each statement, as somebody with the database's own tools does."""
    with registry.db.connect_for_migration() as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount in (1, -1)  # type: ignore[attr-defined]


def where(table: sa.Table, row: dict[str, Any]) -> Any:
    return sa.and_(*(table.c[name] == row[name] for name in key_names(table)))


def key_of(table: sa.Table, row: dict[str, Any]) -> str:
    """As a fault names the row."""
    return "/".join(str(row[name]) for name in key_names(table))


def batches(tables: list[sa.Table]) -> Iterator[list[sa.Table]]:
    """Thirty at once: a check reads the whole log, and lists no more than a hundred faults; a changed key makes two."""
    for start in range(0, len(tables), 30):
        yield tables[start : start + 30]


def changed_columns(table: sa.Table, first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Column → another value, for each covered column that the database lets change."""
    values = {}
    for name in covered_columns(table):
        column = table.c[name]
        value = second[name] if column.foreign_keys else some_value(column, {})
        if value == first[name] or (name in key_names(table) and column.foreign_keys):
            continue
        if name == "id" and table.name in POINTED_AT:
            # The database itself keeps what others point at.
            continue
        values[name] = value
    return values


def test_a_change_of_any_covered_column_names_its_table_and_row(own: Registry) -> None:
    made = fill(own)
    before = problems(own)
    assert not any(" of " in text and text.startswith("row ") for text in before), before
    missed = []
    changes = {table: changed_columns(table, *made[table.name]) for table in covered_tables()}
    # Fewer on PostgreSQL: its triggers are made from the same list.
    every = 1 if EVERYTHING or own.db.is_sqlite else 4
    for tables in batches([*changes]):
        rounds = itertools.zip_longest(
            *([*changes[table].items()][place % every :: every] for place, table in enumerate(tables))
        )
        for turn in rounds:
            at_once = [
                (table, made[table.name][0], *change)
                for table, change in zip(tables, turn, strict=True)
                if change
            ]
            beside(own, *(t.update().where(where(t, row)).values({name: new}) for t, row, name, new in at_once))
            found = problems(own) - before
            for table, row, name, _ in at_once:
                if not any(text.startswith(f"row {key_of(table, row)} of {table.name} ") for text in found):
                    missed.append(f"{table.name}.{name}: {found}")
            beside(
                own,
                *(
                    t.update().where(where(t, {**row, name: new})).values({name: row[name]})
                    for t, row, name, new in at_once
                ),
            )
    assert missed == []
    assert problems(own) == before


def test_a_row_that_was_deleted_or_inserted_beside_the_server_is_named(own: Registry) -> None:
    made = fill(own)
    before = problems(own)
    for tables in batches([table for table in covered_tables() if table.name not in POINTED_AT]):
        rows = {table: made[table.name][0] for table in tables}
        beside(own, *(table.delete().where(where(table, row)) for table, row in rows.items()))
        assert problems(own) - before >= {
            f"row {key_of(table, row)} of {table.name} is gone, and no event removed it"
            for table, row in rows.items()
        }
        beside(own, *(table.insert().values(row) for table, row in rows.items()))
        assert problems(own) == before
        others = {
            table: {**row, **{c.name: some_value(c, {}) for c in table.columns if not c.foreign_keys}}
            for table, row in rows.items()
            if not (any(c.foreign_keys for c in table.primary_key.columns) and len(key_names(table)) == 1)
        }
        others = {table: other for table, other in others.items() if other != rows[table]}
        beside(own, *(table.insert().values(other) for table, other in others.items()))
        assert problems(own) - before >= {
            f"row {key_of(table, other)} of {table.name} was written by no event"
            for table, other in others.items()
        }
        beside(own, *(table.delete().where(where(table, other)) for table, other in others.items()))
        assert problems(own) == before


# (table, column, value): each was changed in the attack that this test remembers.
ATTACK = [
    ("versions", "quarantined", 1),
    ("versions", "created_by", 2),
    ("checks", "state", "fail"),
    ("grants", "role", 40),
    ("actors", "is_admin", 1),
    ("actors", "is_auditor", 1),
    ("promotions", "verdict", "{}"),
    ("promotions", "reason", "another"),
    ("evaluations", "metrics", "[]"),
    ("tokens", "expires_at", 1 << 60),
    ("comments", "body", "never said"),
    ("model_tags", "value", "other"),
    ("policies", "text", "version: 1"),
]


def test_a_registry_that_was_used_checks_clean_and_each_change_is_named_at_the_door(own: Registry) -> None:
    with open_door(own) as door:
        _use(door)
        assert damage(door) == []
        for name, column, value in ATTACK:
            table = metadata.tables[name]
            row = own.db.read(lambda tx, t=table: dict(tx.execute(sa.select(t)).mappings().first() or {}))  # type: ignore[misc]
            if row[column] == value:
                value = 10 if isinstance(value, int) else "x"
            beside(own, table.update().where(where(table, row)).values({column: value}))
            assert any(f" of {name} " in text for text in damage(door)), (name, column)
            beside(own, table.update().where(where(table, row)).values({column: row[column]}))
        assert damage(door) == []


def damage(door: Door) -> list[str]:
    answer = door.call("POST", "audit/check")
    last = answer.text.strip().split("\n\n")[-1].partition("data: ")[2]
    return [each["problem"] for each in json.loads(last)["damage"]]


def _use(door: Door) -> None:
    space = unique("used")
    user = door.registry.user()

    def ok(answer: Any) -> None:
        assert answer.status_code < 300, answer.text

    ok(door.call("POST", "namespaces", json={"name": space}))
    ok(door.call("PUT", f"namespaces/{space}/members/{user.name}", json={"role": "contributor"}))
    door.register(f"{space}/scorer", facts={"metrics": {"f1": 0.9}})
    at = f"models/{space}/scorer"
    ok(door.call("PATCH", at, json={"tags": {"team": "a"}, "owners": ["ann"], "description": "a model"}))
    ok(door.call("POST", f"{at}/versions/1/checks", json={"name": "unit", "state": "pass"}))
    ok(door.call("POST", f"{at}/versions/1/evaluations", json={"metrics": {"f1": 0.8}, "split": "test"}))
    ok(door.call("POST", f"{at}/comments", json={"body": "looks good"}))
    text = "version: 1\npromote:\n" + "".join(
        f"  - {{to: {stage}, rules: []}}\n" for stage in ("development", "staging", "production")
    )
    ok(door.call("PUT", f"namespaces/{space}/policy", json={"text": text}))
    ok(door.call("POST", f"{at}/promotions", json={"version": 1, "stage": "production", "reason": "go"}))
    ok(door.call("POST", f"{at}/rename", json={"to": f"{space}/other"}))


def test_a_change_that_is_undone_leaves_no_note(own: Registry) -> None:
    def fails(tx: Transaction) -> None:
        tx.execute(sa.text("UPDATE actors SET display_name = 'x' WHERE id = 1"))
        raise LookupError

    with pytest.raises(LookupError):
        own.db.write(fails)
    own.db.write(lambda tx: tx.execute(sa.text("UPDATE models SET name = 'x' WHERE id = 0")))
    assert problems(own) == set()


def test_what_no_event_tells_of_gets_one(own: Registry) -> None:
    own.db.write(lambda tx: tx.execute(sa.text("UPDATE actors SET display_name = 'x' WHERE id = 1")))
    kind = own.db.read(
        lambda tx: tx.execute(sa.text("SELECT kind FROM events ORDER BY seq DESC LIMIT 1")).scalar_one()
    )
    assert kind == RowsWritten.kind
    assert problems(own) == set()


def test_whatever_is_not_covered_exists_and_the_page_names_it_with_its_reason() -> None:
    page = Path("docs/how-to/audit.md").read_text(encoding="utf-8")
    for name, reason in NOT_COVERED.items():
        table, _, column = name.partition(".")
        if table != "alembic_version":
            assert not column or column in metadata.tables[table].columns, name
        assert f"| `{name}` | {reason} |" in page
    listed = page.partition("no event vouches for:")[2].partition("\n\n`modelyard audit log`")[0]
    assert listed.count("\n| `") == len(NOT_COVERED)
