"""Work that a use case asks for is carried out outside of the transaction, on both databases."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from modelyard.db.engine import Database
from modelyard.db.needs import MOST_ROUNDS, MOST_ROWS_ON_LOOP
from modelyard.db.row_notes import KEY_FACT
from modelyard.db.tables import events, server_facts
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import ANONYMOUS
from modelyard.domain.errors import ChangedMeanwhile
from modelyard.domain.events import NamespaceCreated


@pytest.fixture
def fresh(own_url: str) -> Iterator[Database]:
    db = Database(own_url)
    yield db
    db.close()


def keys(db: Database) -> set[str]:
    return {row[0] for row in db.read(lambda tx: tx.rows(sa.select(server_facts.c.key)))} - {KEY_FACT}


def write(db: Database, fn: Callable[[Transaction], object], how: str) -> object:
    return db.write(fn) if how == "thread" else asyncio.run(db.awrite(fn))


def noted(tx: Transaction, work: Callable[[], str]) -> str:
    """Writes before and after it asks for its work."""
    tx.execute(server_facts.insert().values(key="before", value="x"))
    tx.append(NamespaceCreated(namespace="before"), ANONYMOUS)
    result = tx.outside("work", work)
    tx.execute(server_facts.insert().values(key="after", value=result))
    return result


@pytest.mark.parametrize("how", ["thread", "loop"])
def test_the_change_is_begun_again_with_the_result_and_written_once(fresh: Database, how: str) -> None:
    seen: list[set[str]] = []

    def work() -> str:
        # The writer is free: another change commits while this one's work runs.
        fresh.write(lambda tx: tx.execute(server_facts.insert().values(key=f"other{len(seen)}", value="x")))
        seen.append(keys(fresh))
        return "result"

    assert write(fresh, lambda tx: noted(tx, work), how) == "result"
    assert seen == [{"other0"}]
    assert keys(fresh) == {"before", "after", "other0"}
    kinds = [row[0] for row in fresh.read(lambda tx: tx.rows(sa.select(events.c.kind)))]
    assert kinds.count(NamespaceCreated.kind) == 1


@pytest.mark.parametrize("how", ["thread", "loop"])
def test_work_that_fails_leaves_nothing_behind(fresh: Database, how: str) -> None:
    def work() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        write(fresh, lambda tx: noted(tx, work), how)
    assert keys(fresh) == set()


@pytest.mark.parametrize("how", ["thread", "loop"])
def test_a_change_whose_needs_never_rest_is_refused(fresh: Database, how: str) -> None:
    asked: list[int] = []

    def restless(tx: Transaction) -> object:
        return tx.outside(len(asked), lambda: asked.append(1))

    with pytest.raises(ChangedMeanwhile):
        write(fresh, restless, how)
    assert len(asked) == MOST_ROUNDS


def test_a_read_does_its_work_off_the_loop_or_where_it_asks(fresh: Database) -> None:
    def read(tx: Transaction) -> str:
        return tx.outside("thread", lambda: threading.current_thread().name)

    async def both() -> tuple[str, str]:
        return await fresh.aread(read), await fresh.apoint(read)

    assert fresh.read(read) == threading.current_thread().name
    loop_thread = threading.current_thread().name
    assert all(name != loop_thread and not name.startswith("db-read") for name in asyncio.run(both()))


def test_many_rows_leave_the_loop(fresh: Database) -> None:
    ran_in: list[str] = []

    def change(tx: Transaction, rows: int) -> None:
        tx.expect_rows(rows)
        ran_in.append(threading.current_thread().name)

    async def both() -> None:
        await fresh.awrite(lambda tx: change(tx, MOST_ROWS_ON_LOOP))
        await fresh.awrite(lambda tx: change(tx, MOST_ROWS_ON_LOOP + 1))
        await fresh.apoint(lambda tx: change(tx, MOST_ROWS_ON_LOOP + 1))

    asyncio.run(both())
    here = threading.current_thread().name
    few, many, read = ran_in
    assert (few == here) is fresh.is_sqlite
    assert many == "db-write"
    assert read.startswith("db-read")
    assert fresh.figures.longest_unit_seconds >= fresh.figures.longest_loop_unit_seconds
    assert (fresh.figures.longest_loop_unit_seconds > 0) is fresh.is_sqlite
