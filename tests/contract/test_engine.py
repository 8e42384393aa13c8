"""What the database promises, on both."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db import writer
from modelyard.db.engine import Database
from modelyard.db.row_notes import KEY_FACT
from modelyard.db.schema import ensure_schema
from modelyard.db.statement import Statement
from modelyard.db.tables import event_head, events, server_facts
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import ANONYMOUS
from modelyard.domain.errors import DatabaseUnavailable, QueueFull
from modelyard.domain.events import NamespaceCreated


@pytest.fixture
def fresh(own_url: str) -> Iterator[Database]:
    db = Database(own_url)
    yield db
    db.close()


def note(tx: Transaction, key: str, *, fail: bool = False) -> str:
    tx.execute(server_facts.insert().values(key=key, value="x"))
    tx.append(NamespaceCreated(namespace=key), ANONYMOUS)
    if fail:
        raise ValueError(key)
    return key


def keys(db: Database) -> set[str]:
    """What the tests noted, besides the key with which the server vouches for rows."""
    return {row[0] for row in db.read(lambda tx: tx.rows(sa.select(server_facts.c.key)))} - {KEY_FACT}


def logged(db: Database) -> list[tuple[int, str]]:
    query = sa.select(events.c.seq, events.c.namespace).order_by(events.c.seq)
    return [(row[0], row[1]) for row in db.read(lambda tx: tx.rows(query))]


def test_a_failing_change_undoes_only_itself(fresh: Database) -> None:
    """Beyond the size of one batch, with every third change failing."""
    futures = [fresh.submit(lambda tx, n=n: note(tx, f"k{n}", fail=n % 3 == 0)) for n in range(400)]
    for n, future in enumerate(futures):
        if n % 3 == 0:
            with pytest.raises(ValueError, match=f"k{n}$"):
                future.result(timeout=30)
        else:
            assert future.result(timeout=30) == f"k{n}"
    expected = {f"k{n}" for n in range(400) if n % 3}
    assert keys(fresh) == expected
    found = logged(fresh)
    assert [seq for seq, _ in found] == list(range(len(expected)))
    assert {name for _, name in found} == expected
    assert fresh.read(lambda tx: tx.execute(sa.select(event_head.c.size)).scalar_one()) == len(expected)


def test_sums_are_added_at_the_end_once_for_all_changes_that_are_kept(fresh: Database) -> None:
    value = sa.cast(sa.bindparam("value", type_=sa.Integer), sa.Text)
    insert = postgresql.insert(server_facts).values(key=sa.bindparam("key"), value=value)
    present, more = (sa.cast(found, sa.Integer) for found in (server_facts.c.value, insert.excluded.value))
    add = Statement(
        insert.on_conflict_do_update(index_elements=["key"], set_={"value": sa.cast(present + more, sa.Text)})
    )

    def change(number: int, *, fails: bool) -> None:
        def work(tx: Transaction) -> None:
            tx.add_at_end(add, {"key": f"at the end {number % 4}"}, {"value": number})
            if fails:
                raise ValueError(number)

        fresh.write(work)

    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(change, n, fails=n % 3 == 0) for n in range(24)]
    assert [each.exception() is not None for each in done] == [n % 3 == 0 for n in range(24)]
    query = sa.select(server_facts.c.key, server_facts.c.value).where(server_facts.c.key.like("at the end %"))
    kept = dict(fresh.read(lambda tx: tx.rows(query)))  # type: ignore[arg-type]
    expected = {k: sum(n for n in range(24) if n % 4 == k and n % 3) for k in range(4)}
    assert kept == {f"at the end {k}": str(total) for k, total in expected.items()}


def test_only_a_change_that_says_so_or_events_that_say_so_leave_rights_alone(fresh: Database) -> None:
    def change(key: str, *, leaves_rights: bool, event: bool) -> bool:
        """Whether what is remembered of rights would be asked again."""

        def work(tx: Transaction) -> None:
            tx.leaves_rights = leaves_rights
            tx.execute(server_facts.insert().values(key=key, value="x"))
            if event:
                tx.append(NamespaceCreated(namespace=key), ANONYMOUS)

        before = fresh.figures.rights_generation
        fresh.write(work)
        return fresh.figures.rights_generation > before

    assert NamespaceCreated.may_change_rights
    assert change("a", leaves_rights=False, event=False)
    assert not change("b", leaves_rights=True, event=False)
    assert change("c", leaves_rights=True, event=True)
    assert {"a", "b", "c"} <= keys(fresh)


def test_callers_that_go_away_leave_the_writer_alive(fresh: Database) -> None:
    async def main() -> None:
        tasks = [asyncio.ensure_future(fresh.awrite(lambda tx, n=n: note(tx, f"c{n}"))) for n in range(300)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    fresh.write(lambda tx: note(tx, "after"))
    found = keys(fresh)
    assert "after" in found
    assert {f"c{n}" for n in range(300) if n % 3} <= found
    assert [seq for seq, _ in logged(fresh)] == list(range(len(found)))


def test_a_long_batch_lets_the_loop_run_and_is_committed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite, whose changes run on the event loop: here each of them is longer than a batch may hold it."""
    monkeypatch.setattr(writer, "_LONGEST_TURN_SECONDS", 0.0)
    monkeypatch.setattr(writer, "_LONGEST_BATCH_SECONDS", 60.0)
    db = Database(f"sqlite:///{tmp_path / 'long.db'}")
    ensure_schema(db)
    between: list[int] = []
    done = 0

    def change(tx: Transaction, n: int) -> None:
        nonlocal done
        done += 1
        note(tx, f"l{n}", fail=n == 7)

    async def watch() -> None:
        while done < 20:
            between.append(done)
            await asyncio.sleep(0)

    async def main() -> list[BaseException | None]:
        changes = [db.awrite(lambda tx, n=n: change(tx, n)) for n in range(20)]
        before = db.figures.batches
        *errors, _ = await asyncio.gather(*changes, watch(), return_exceptions=True)
        assert db.figures.batches == before + 1
        return errors  # type: ignore[return-value]

    assert [n for n, error in enumerate(asyncio.run(main())) if error is not None] == [7]
    assert set(between) >= set(range(2, 20))
    assert keys(db) == {f"l{n}" for n in range(20) if n != 7}
    db.close()


def test_a_loop_that_ends_in_the_middle_of_a_batch_leaves_the_writer_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_LONGEST_TURN_SECONDS", 0.0)
    db = Database(f"sqlite:///{tmp_path / 'ended.db'}")
    ensure_schema(db)
    loop = asyncio.new_event_loop()
    begun = loop.create_future()
    changes = [loop.create_task(db.awrite(lambda tx: (note(tx, "first"), begun.set_result(None))))]
    changes += [loop.create_task(db.awrite(lambda tx, n=n: note(tx, f"e{n}"))) for n in range(50)]
    loop.run_until_complete(begun)
    assert not any(change.done() for change in changes)
    loop.close()
    assert db.write(lambda tx: note(tx, "after")) == "after"
    assert keys(db) == {"after"}
    db.close()


def test_two_processes_worth_of_writers_keep_one_order(postgres_url: str) -> None:
    """Two Database objects on one PostgreSQL, as two processes have; events stay without gaps."""
    one, two = Database(postgres_url), Database(postgres_url)
    ensure_schema(one)

    def work(db: Database, start: int) -> None:
        for n in range(start, start + 40):
            db.write(lambda tx, n=n: note(tx, f"p{n}"))

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(work, db, 1000 * i) for i, db in enumerate([one, two] * 4)]
        for job in jobs:
            job.result(timeout=60)
    assert [seq for seq, _ in logged(one)] == list(range(320))
    one.close()
    two.close()


def test_connections_that_died_while_idle_are_nobody_s_trouble(postgres_url: str) -> None:
    """As after a restart of the server, or a firewall that forgets idle connections."""
    db, other = Database(postgres_url), Database(postgres_url)
    ensure_schema(db)
    db.write(lambda tx: note(tx, "before"))
    end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid() AND datname = current_database()"
    ended = other.read(lambda tx: tx.rows(sa.text(end_all)))  # type: ignore[arg-type]
    assert ended
    assert db.write(lambda tx: note(tx, "after")) == "after"
    assert {"before", "after"} <= keys(db)
    assert [seq for seq, _ in logged(db)] == list(range(len(logged(db))))
    db.close()
    other.close()


def test_reads_see_what_was_acknowledged(fresh: Database) -> None:
    seen: list[bool] = []

    def work(n: int) -> None:
        fresh.write(lambda tx: note(tx, f"r{n}"))
        seen.append(f"r{n}" in keys(fresh))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 20


def test_a_snapshot_is_of_one_moment(fresh: Database) -> None:
    def look(tx: Transaction) -> tuple[int, int]:
        count = sa.select(sa.func.count()).select_from(server_facts)
        before = tx.execute(count).scalar_one()
        fresh.write(lambda t: note(t, f"s{random.random()}"))
        return before, tx.execute(count).scalar_one()

    before, after = fresh.snapshot(look)
    assert before == after
    assert len(keys(fresh)) == before


def test_a_full_queue_is_said_at_once(own_url: str) -> None:
    db = Database(own_url, queue_limit=2)
    gate = threading.Event()
    blocked = db.submit(lambda tx: gate.wait(10))
    waiting: list[Future[str]] = []
    try:
        with pytest.raises(QueueFull):
            waiting.extend(db.submit(lambda tx: note(tx, f"q{random.random()}")) for _ in range(200))
    finally:
        gate.set()
    assert blocked.result(timeout=10)
    for future in waiting:
        future.result(timeout=10)
    db.close()


def test_a_database_that_is_not_there_is_unavailable(tmp_path_factory: pytest.TempPathFactory) -> None:
    db = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable):
        db.check()
    with pytest.raises(DatabaseUnavailable):
        db.write(lambda tx: note(tx, "x"))
    db.close()


def test_close_finishes_what_is_queued(own_url: str) -> None:
    db = Database(own_url)
    futures = [db.submit(lambda tx, n=n: note(tx, f"z{n}")) for n in range(200)]
    db.close()
    assert all(future.result(timeout=1) for future in futures)
    with pytest.raises(DatabaseUnavailable):
        db.submit(lambda tx: None)


def test_the_figures_of_the_pool_count_who_waits(own_url: str) -> None:
    db = Database(own_url, threads=1)
    begun, go_on = threading.Event(), threading.Event()

    def wait(tx: Transaction) -> None:
        tx.execute(sa.select(1))
        begun.set()
        assert go_on.wait(60)

    async def work() -> None:
        reads = [asyncio.create_task(db.aread(wait)) for _ in range(3)]
        await asyncio.to_thread(begun.wait, 60)
        during = db.pool_figures()
        assert (during.limit, during.in_use, during.waiting_reads) == (4, 1, 2)
        go_on.set()
        await asyncio.gather(*reads)

    asyncio.run(work())
    after = db.pool_figures()
    assert (after.in_use, after.idle, after.waiting_reads, after.waiting_changes) == (0, 1, 0, 0)
    together = after.plus(after)
    assert (together.limit, together.idle) == (8, 2)
    db.close()
