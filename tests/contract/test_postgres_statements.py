"""Fixed statements on libpq: values, errors and what waits, next to the driver's own cursor."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from modelyard.db.engine import Database
from modelyard.db.parameters import named
from modelyard.db.postgres import PostgresStatements
from modelyard.db.schema import ensure_schema
from modelyard.db.statement import Statement
from modelyard.db.tables import events, server_facts
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import ANONYMOUS
from modelyard.domain.errors import DatabaseUnavailable
from modelyard.domain.events import NamespaceCreated
from tests.support.postgres import PostgresServer

INSERT = Statement(server_facts.insert().values(**named("key", "value")))
FIND = Statement(sa.select(server_facts.c.value).where(server_facts.c.key == sa.bindparam("key")))


@pytest.fixture(params=[5, None], ids=["prepared", "never prepared"])
def connection(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    url = postgres_url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True, prepare_threshold=request.param) as connection:
        yield connection


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    db = Database(postgres_url)
    ensure_schema(db)
    yield db
    db.close()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint", [0, -1, 2**63 - 1, -(2**63), None]),
        ("float8", [0.1, -0.0, 1e308, 5e-324, math.inf, -math.inf, math.nan]),
        ("text", ["", "a'b\\c\n\t%s $1 {}", "日本語 🚀", "x" * 100_000, None]),
        ("bytea", [b"", bytes(range(256)), b"\0" * 70_000, None]),
        ("jsonb", ['{"a": [1, 2.5, null, "ü"]}']),
        ("numeric", [12345678901234567890]),
        ("boolean", ["true", "f", None]),
    ],
)
def test_values_come_back_as_the_driver_reads_them(
    connection: psycopg.Connection[Any], kind: str, values: list[Any]
) -> None:
    ours = PostgresStatements(connection)
    sql = f"SELECT $1::{kind}"
    for value in values * 3:
        expected = connection.execute(f"SELECT %s::{kind}", (value,)).fetchone()
        found = ours.execute(sql, (value,)).fetchone()
        assert repr(found) == repr(expected)
    assert ours.execute("SELECT 1 WHERE false").fetchone() is None


def test_rows_are_given_one_by_one_or_together(connection: psycopg.Connection[Any]) -> None:
    ours = PostgresStatements(connection)
    sql = "SELECT n, $1::text FROM generate_series(1, 3) AS n"
    rows = ours.execute(sql, ("x",))
    assert rows.fetchone() == (1, "x")
    assert rows.fetchall() == [(2, "x"), (3, "x")]
    assert (rows.fetchone(), rows.fetchall()) == (None, [])
    assert list(ours.execute(sql, ("y",))) == [(1, "y"), (2, "y"), (3, "y")]


def test_what_is_no_value_is_refused_before_it_is_sent(connection: psycopg.Connection[Any]) -> None:
    ours = PostgresStatements(connection)
    for value, error in (
        ("a\0b", psycopg.DataError),
        ([1], psycopg.ProgrammingError),
        (True, psycopg.ProgrammingError),
    ):
        with pytest.raises(error):
            ours.execute("SELECT $1::text", (value,))
    assert ours.execute("SELECT $1::text", ("ab",)).fetchone() == ("ab",)


def test_errors_have_the_class_of_their_state(connection: psycopg.Connection[Any]) -> None:
    ours = PostgresStatements(connection)
    ours.execute("CREATE TABLE t (n int PRIMARY KEY)")
    ours.execute("INSERT INTO t VALUES ($1)", (1,))
    for _ in range(3):
        with pytest.raises(psycopg.errors.UniqueViolation):
            ours.execute("INSERT INTO t VALUES ($1)", (1,))
    with pytest.raises(psycopg.errors.UndefinedTable):
        ours.execute("SELECT * FROM absent")
    assert ours.execute("UPDATE t SET n = n + 1").rowcount == 1


def test_what_waits_runs_in_order_before_the_next_answer(connection: psycopg.Connection[Any]) -> None:
    ours = PostgresStatements(connection)
    ours.execute("CREATE TABLE t (n int PRIMARY KEY)")
    ours.later("BEGIN")
    # More than are sent at once.
    ours.later("INSERT INTO t VALUES ($1)", [(n,) for n in range(1000)])
    assert ours.execute("SELECT count(*), max(n) FROM t").fetchone() == (1000, 999)
    ours.execute("COMMIT")
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (1000,)


def test_the_first_error_of_what_waits_is_raised_and_nothing_after_it_runs(
    connection: psycopg.Connection[Any],
) -> None:
    ours = PostgresStatements(connection)
    ours.execute("CREATE TABLE t (n int PRIMARY KEY)")
    ours.later("BEGIN")
    ours.later("INSERT INTO t VALUES ($1)", [(1,), (1,), (2,)])
    with pytest.raises(psycopg.errors.UniqueViolation):
        ours.execute("SELECT count(*) FROM t")
    ours.execute("ROLLBACK")
    assert ours.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_what_belongs_to_a_change_is_dropped_or_run_with_it(connection: psycopg.Connection[Any]) -> None:
    ours = PostgresStatements(connection)
    ours.execute("CREATE TABLE t (n int PRIMARY KEY)")
    ours.later("BEGIN")
    ours.later("SAVEPOINT unit")
    ours.begin_change()
    ours.later("INSERT INTO t VALUES ($1)", [(1,)])
    ours.forget_change()
    ours.begin_change()
    # Nothing belongs to this change, so nothing is sent for it.
    ours.flush_change()
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    ours.later("INSERT INTO t VALUES ($1)", [(2,)])
    ours.flush_change()
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    assert ours.execute("SELECT n FROM t").fetchall() == [(2,)]


@pytest.mark.parametrize("way", ["answered", "answered again", "waits"])
def test_other_threads_go_on_while_an_answer_is_waited_for(
    connection: psycopg.Connection[Any], way: str
) -> None:
    """One that holds the interpreter's lock would stop the process while another one holds the lock of the log's head."""
    ours = PostgresStatements(connection)
    sql, counted, is_done = "SELECT pg_sleep($1)", 0, threading.Event()
    if way == "answered again":
        ours.execute(sql, (0.0,))

    def ask() -> None:
        if way == "waits":
            ours.later(sql, [(0.4,)])
            ours.flush()
        else:
            ours.execute(sql, (0.4,))
        is_done.set()

    thread = threading.Thread(target=ask)
    thread.start()
    while not is_done.wait(0.01):
        counted += 1
    thread.join()
    assert counted >= 5


def test_much_goes_both_ways_at_once(connection: psycopg.Connection[Any]) -> None:
    """More than the buffers of a socket hold."""
    ours = PostgresStatements(connection)
    ours.later("SELECT repeat($1, 10)", [("x" * 100_000,)] * 50)
    assert ours.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("waits", [False, True])
def test_a_lost_connection_is_told_as_such(
    postgres_server: PostgresServer, connection: psycopg.Connection[Any], waits: bool
) -> None:
    ours = PostgresStatements(connection)
    if waits:
        ours.later("SELECT 1")
    postgres_server.cut(connection.info.backend_pid)
    with pytest.raises(psycopg.OperationalError):
        ours.execute("SELECT 1")
    assert ours.broken or ours.closed


def test_a_change_has_the_error_of_its_own_rows(database: Database) -> None:
    """Rows wait for the next answer; that of another change must not be the one that fails."""

    def change(tx: Transaction, key: str) -> str:
        tx.run_many(INSERT, [{"key": key, "value": "x"}])
        tx.append(NamespaceCreated(namespace=key), ANONYMOUS)
        return key

    names = ["a", "b", "a", "c", "b", "d"]
    with database._write_lock:
        futures = [database.submit(lambda tx, name=name: change(tx, name)) for name in names]
    found = [future.exception(timeout=30) is None for future in futures]
    assert found == [True, True, False, True, False, True]
    logged = database.read(lambda tx: tx.rows(sa.select(events.c.namespace).order_by(events.c.seq)))
    assert [row[0] for row in logged] == ["a", "b", "c", "d"]
    assert database.read(lambda tx: tx.one(FIND, key="d")) == ("x",)


def test_the_first_change_of_a_connection_fails_alone(database: Database) -> None:
    """Before anything but the beginning of the batch was prepared on it."""

    def fail(tx: Transaction) -> None:
        tx.run(INSERT, key="twice", value="x")
        tx.run(INSERT, key="twice", value="x")

    with database._write_lock:
        futures = [
            database.submit(change) for change in (fail, lambda tx: tx.run(INSERT, key="once", value="x"))
        ]
    assert isinstance(futures[0].exception(timeout=30), sa.exc.IntegrityError)
    assert futures[1].exception(timeout=30) is None
    assert database.read(lambda tx: tx.one(FIND, key="once")) == ("x",)
    assert database.read(lambda tx: tx.one(FIND, key="twice")) is None


def test_a_cut_connection_fails_a_batch_and_the_next_one_works(
    postgres_server: PostgresServer, database: Database
) -> None:
    def cut(tx: Transaction) -> None:
        pid = tx.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        tx.run_many(INSERT, [{"key": "lost", "value": "x"}])
        postgres_server.cut(pid)

    with pytest.raises(DatabaseUnavailable):
        database.write(cut)
    database.write(lambda tx: tx.run_many(INSERT, [{"key": "kept", "value": "x"}]))
    assert database.read(lambda tx: tx.one(FIND, key="lost")) is None
    assert database.read(lambda tx: tx.one(FIND, key="kept")) == ("x",)


def test_statements_stay_prepared_when_a_snapshot_ends(postgres_url: str) -> None:
    """The driver gives up all prepared statements of a connection when its cursor rolls back, if it has not met that
    statement among its last hundred."""
    db = Database(postgres_url, threads=1)
    ensure_schema(db)
    try:
        for _ in range(3):
            for n in range(120):
                db.read(lambda tx, n=n: tx.execute(sa.text(f"SELECT {n}")).scalar_one())
            for _ in range(8):
                db.read(lambda tx: tx.execute(sa.text("SELECT count(*) FROM server_facts")).scalar_one())
                assert db.read(lambda tx: tx.one(FIND, key="x")) is None
            assert db.snapshot(lambda tx: tx.one(FIND, key="x")) is None
    finally:
        db.close()
