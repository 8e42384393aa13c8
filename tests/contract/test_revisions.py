"""What a process remembers of PostgreSQL is true whichever process wrote last, and asking for it is shared."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from modelyard.db import revisions as revisions_module
from modelyard.db.engine import Database
from modelyard.db.remembered import Remembered
from modelyard.db.revisions import Revisions
from modelyard.db.tables import event_head, server_facts
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import ANONYMOUS
from modelyard.domain.errors import DatabaseUnavailable, TokenInvalid
from modelyard.domain.events import NamespaceCreated, TermsAccepted
from modelyard.registry.audit import proofs
from tests.support.databases import make_tables
from tests.support.door import Door, Visitor, assert_problem, open_door
from tests.support.pgbouncer import Pooler, running_pgbouncer
from tests.support.postgres import PostgresServer, driver_url
from tests.support.registry import Registry, unique
from tests.support.services import ServiceMissing


@pytest.fixture
def url(postgres_server: PostgresServer) -> Iterator[str]:
    """Of a PostgreSQL with all tables, for one test alone."""
    made = postgres_server.create_database(postgres_server.template("tables", make_tables))
    yield made
    postgres_server.drop_database(made)


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.close()


def stored(db: Database) -> tuple[int, int]:
    query = sa.select(event_head.c.revision, event_head.c.rights_revision)
    return db.read(lambda tx: tuple(tx.rows(query)[0]))  # type: ignore[return-value]


def moved(db: Database, change: Callable[[Transaction], Any]) -> tuple[bool, bool]:
    """Whether a change moved the revision, and that of rights."""
    before = stored(db)
    with suppress(ZeroDivisionError):
        db.write(change)
    after = stored(db)
    assert all(new >= old for new, old in zip(after, before, strict=True))
    return after[0] != before[0], after[1] != before[1]


def backends(db: Database, *, end: bool = False) -> int:
    """Connections to the database besides the one that asks, which may end them."""
    wanted = "pg_terminate_backend(pid)" if end else "pid"
    query = (
        f"SELECT {wanted} FROM pg_stat_activity WHERE pid != pg_backend_pid() AND datname = current_database()"
    )
    with psycopg.connect(driver_url(f"{db._engine.url.render_as_string(hide_password=False)}")) as connection:
        return len(connection.execute(query).fetchall())  # type: ignore[arg-type]


@contextmanager
def held_head(url: str) -> Iterator[Callable[[], None]]:
    """The head of the log is locked, so that checks hang, until the end or until the given function is called."""
    with psycopg.connect(driver_url(url)) as connection:
        connection.execute("LOCK TABLE event_head IN ACCESS EXCLUSIVE MODE")
        yield connection.rollback


# --- what moves them -----------------------------------------------------------------------------------


def test_each_commit_moves_them_also_without_an_event(db: Database) -> None:
    def silent(tx: Transaction) -> None:
        tx.leaves_rights = True
        tx.execute(server_facts.insert().values(key=unique("fact"), value="x"))

    assert moved(db, silent) == (True, False)
    assert moved(db, lambda tx: tx.execute(server_facts.update().values(value="y"))) == (True, True)
    assert moved(db, lambda tx: tx.append(TermsAccepted(namespace="n", digest="d"), ANONYMOUS)) == (True, False)
    assert moved(db, lambda tx: tx.append(NamespaceCreated(namespace="n"), ANONYMOUS)) == (True, True)


def test_a_batch_of_which_nothing_is_kept_moves_nothing(db: Database) -> None:
    assert moved(db, lambda tx: 1 // 0) == (False, False)


def test_on_sqlite_they_cost_no_statement(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path / 'own.db'}"
    make_tables(url)
    db = Database(url)
    assert moved(db, lambda tx: tx.append(NamespaceCreated(namespace="n"), ANONYMOUS)) == (False, False)
    before = asyncio.run(db.revisions())
    db.write(lambda tx: None)
    assert asyncio.run(db.revisions()) > before
    assert db.revision_checks == 0
    db.close()


# --- asking together -----------------------------------------------------------------------------------


async def ask_app(door: Door, path: str) -> int:
    """The status of one GET, without a client's own turns of the loop."""
    status: list[int] = []
    headers = [(b"host", b"127.0.0.1:8470"), (b"authorization", f"Bearer {door.token}".encode())]
    target, _, query = path.partition("?")
    scope = {"type": "http", "method": "GET", "path": target, "raw_path": target.encode(), "headers": headers}
    scope |= {
        "query_string": query.encode(),
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        "scheme": "http",
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    await door.client.app(scope, receive, send)
    return status[0]


def test_requests_of_one_turn_share_a_statement(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[Any] = []
    run = Transaction.run

    def counted(tx: Transaction, statement: Any, **parameters: Any) -> Any:
        statements.append(statement)
        return run(tx, statement, **parameters)

    with open_door(Registry(db)) as door:
        model = f"{unique('turn')}/scorer"
        door.register(model, aliases=["champion"])
        monkeypatch.setattr(Transaction, "run", counted)

        async def many() -> int:
            """Statements of 32 requests."""
            before = db.revision_checks + len(statements)
            asked = [ask_app(door, f"/api/v1/resolve?ref={model}@champion") for _ in range(32)]
            assert await asyncio.gather(*asked) == [200] * 32
            return db.revision_checks + len(statements) - before

        async def work() -> list[int]:
            # The first ones read the token and the reference together, once each.
            return [await many(), await many()]

        assert asyncio.run(work()) == [3, 1]


def test_a_check_answers_only_those_who_came_before_it(db: Database, url: str) -> None:
    async def work() -> None:
        await db.revisions()
        with held_head(url) as free:
            first = asyncio.ensure_future(db.revisions())
            await asyncio.sleep(0.1)
            later = [asyncio.ensure_future(db.revisions()) for _ in range(5)]
            await asyncio.sleep(0.1)
            assert (db.revision_checks, first.done()) == (2, False)
            free()
            await asyncio.gather(first, *later)
        assert db.revision_checks == 3

    asyncio.run(work())


def test_a_caller_that_goes_away_takes_no_one_with_it(db: Database, url: str) -> None:
    async def work() -> None:
        with held_head(url) as free:
            asked = [asyncio.ensure_future(db.revisions()) for _ in range(4)]
            await asyncio.sleep(0.1)
            asked[0].cancel()
            free()
            found = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert {type(each) for each in found[1:]} == {Revisions}

    asyncio.run(work())


# --- connections ---------------------------------------------------------------------------------------


def test_without_prepared_statements_none_is_left_in_the_session(url: str) -> None:
    """As behind a pooler in transaction mode, where the next statement goes to another session."""
    db = Database(url, prepare_statements=False)

    async def work() -> Revisions:
        return [await db.revisions() for _ in range(20)][-1]

    assert asyncio.run(work()) == stored(db)
    check = next(iter(db._revision_checks.values()))
    assert check.sent == 20
    prepared = db.read(lambda tx: tx.rows(sa.text("SELECT name FROM pg_prepared_statements")))  # type: ignore[arg-type]
    assert prepared == []
    db.close()


def test_connections_cut_while_idle_or_in_the_middle_cost_no_request(db: Database, url: str) -> None:
    async def work() -> None:
        for most in (4, 1, 1):
            await asyncio.gather(*(db.apoint(lambda tx: time.sleep(0.1)) for _ in range(most)), db.revisions())
            assert backends(db, end=True) > most
            assert await db.revisions() == stored(db)
            assert await db.apoint(lambda tx: tx.rows(sa.select(sa.literal(1)))) == [(1,)]
        with held_head(url) as free:
            asked = asyncio.ensure_future(db.revisions())
            await asyncio.sleep(0.1)
            with psycopg.connect(driver_url(url), autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE query LIKE '%modelyard_revisions%' AND wait_event_type = 'Lock'"
                )
            await asyncio.sleep(0.1)
            free()
            assert await asked == stored(db)

    asyncio.run(work())


def test_a_check_without_an_answer_ends(db: Database, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions_module, "_LONGEST_SECONDS", 0.05)

    async def work() -> None:
        await db.revisions()
        with held_head(url), pytest.raises(DatabaseUnavailable):
            await db.revisions()
        assert await db.revisions() == stored(db)

    asyncio.run(work())


def test_a_database_that_is_not_there_is_unavailable_again_and_again() -> None:
    db = Database("postgresql://nobody@127.0.0.1:1/none")

    async def work() -> None:
        for _ in range(3):
            found = await asyncio.gather(*(db.revisions() for _ in range(3)), return_exceptions=True)
            assert {type(each) for each in found} == {DatabaseUnavailable}

    asyncio.run(work())
    db.close()
    with pytest.raises(DatabaseUnavailable):
        asyncio.run(db.revisions())


# --- what is remembered --------------------------------------------------------------------------------


def test_values_are_of_one_revision_and_read_once() -> None:
    reads: list[int] = []

    async def work() -> None:
        remembered: Remembered[str, int] = Remembered(2)

        async def read() -> int:
            reads.append(1)
            number = len(reads)
            await asyncio.sleep(0)
            return number

        async def ask(revision: int, key: str = "k") -> int:
            return await remembered.read(revision, key, read)

        assert await asyncio.gather(ask(5), ask(5), ask(5)) == [1, 1, 1]
        assert (remembered.find(5, "k"), remembered.find(4, "k"), remembered.find(6, "k")) == (1, None, None)
        # A read that took long does not take the place of newer values.
        assert await asyncio.gather(ask(7), ask(6)) == [2, 3]
        assert (remembered.find(7, "k"), remembered.find(6, "k")) == (2, None)
        await ask(7, "second")
        await ask(7, "third")
        assert (remembered.find(7, "k"), remembered.find(7, "third")) == (None, 5)

    asyncio.run(work())


def test_who_waits_for_a_read_that_fails_reads_alone() -> None:
    async def work() -> None:
        remembered: Remembered[str, int] = Remembered(2)
        outcomes = iter([TokenInvalid(), 7, TokenInvalid()])

        async def read() -> int:
            await asyncio.sleep(0)
            outcome = next(outcomes)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        found = await asyncio.gather(*(remembered.read(1, "k", read) for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in found] == [TokenInvalid, int, TokenInvalid]
        assert remembered.find(1, "k") is None
        assert not remembered._reading

        begun = asyncio.Event()

        async def read_long() -> int:
            begun.set()
            await asyncio.sleep(0.05)
            return 8

        first = asyncio.ensure_future(remembered.read(2, "k", read_long))
        others = [asyncio.ensure_future(remembered.read(2, "k", read_long)) for _ in range(2)]
        await begun.wait()
        others[0].cancel()
        assert await asyncio.gather(first, others[1]) == [8, 8]

    asyncio.run(work())


class Two:
    """Two processes' worth of the native door on one PostgreSQL; the second one is asked twice before each change."""

    def __init__(self, one: Door, two: Door) -> None:
        self.one, self.two = one, two

    def unchanged(self, ask: Callable[[Door], Any]) -> Any:
        """The second one's answer, which it then gives from what it remembers."""
        ask(self.two)
        ran: list[Any] = []
        run = Transaction.run

        def noted(tx: Transaction, statement: Any, **parameters: Any) -> Any:
            ran.append(statement)
            return run(tx, statement, **parameters)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Transaction, "run", noted)
            answer = ask(self.two)
        assert ran == []
        return answer


@pytest.fixture
def both(db: Database, url: str) -> Iterator[Two]:
    other = Database(url)
    first = Registry(db)
    second = Registry(other)
    second.root_token = first.root_token
    with open_door(first, pages=True) as one, open_door(second, pages=True) as two:
        yield Two(one, two)
    other.close()


def test_the_other_process_sees_a_moved_alias(both: Two) -> None:
    model = f"{unique('moved')}/scorer"
    for n in (1, 2):
        both.one.register(model, facts={"params": {"n": n}}, aliases=["champion"] if n == 1 else [])

    def ask(door: Door) -> int:
        return int(door.get(f"resolve?ref={model}@champion").json()["version"])

    for n in range(20):
        assert both.unchanged(ask) == n % 2 + 1
        wanted = (n + 1) % 2 + 1
        assert both.one.call("PUT", f"models/{model}/aliases/champion", json={"version": wanted}).is_success
        assert ask(both.two) == wanted


def test_the_other_process_sees_a_stage(both: Two) -> None:
    model = f"{unique('staged')}/scorer"
    for n in (1, 2):
        both.one.register(model, facts={"params": {"n": n}})
    gates = ", ".join(f"{{to: {stage}, rules: []}}" for stage in ("development", "staging", "production"))
    policy = {"text": f"version: 1\npromote: [{gates}]\n", "reason": "start"}
    assert both.one.call("PUT", f"namespaces/{model.partition('/')[0]}/policy", json=policy).is_success

    def ask(door: Door) -> int:
        return int(door.get(f"resolve?ref={model}@production").json()["version"])

    for n in (1, 2, 1):
        answer = both.one.call("POST", f"models/{model}/promotions", json={"version": n, "stage": "production"})
        assert answer.is_success, answer.text
        assert ask(both.two) == n
        assert both.unchanged(ask) == n


def test_the_other_process_refuses_what_was_revoked(both: Two) -> None:
    space = unique("revoked")
    both.one.call("POST", "namespaces", json={"name": space})
    both.one.register(f"{space}/scorer")
    person = both.one.registry.user()
    member = f"namespaces/{space}/members/{person.name}"
    assert both.one.call("PUT", member, json={"role": "reader"}).is_success
    token = both.one.token_of(person)

    def ask(door: Door) -> Any:
        return door.as_(token).get(f"resolve?ref={space}/scorer:1")

    assert both.unchanged(ask).status_code == 200
    both.one.call("DELETE", member)
    assert_problem(ask(both.two), 404, "model_not_found")
    both.one.call("PUT", member, json={"role": "reader"})
    assert both.unchanged(ask).status_code == 200
    mine = next(t for t in both.one.as_(token).get("tokens").json()["items"])
    assert both.one.as_(token).call("DELETE", f"tokens/{mine['id']}").status_code == 204
    assert_problem(ask(both.two), 401, "token_invalid")
    token = both.one.token_of(person)
    assert both.unchanged(ask).status_code == 200
    assert both.one.call("PATCH", f"accounts/{person.name}", json={"disabled": True}).is_success
    assert ask(both.two).status_code == 401


def test_the_other_process_sees_that_a_session_ended(both: Two) -> None:
    one = Visitor.of(both.one, both.one.registry.user())
    two = Visitor(both.two, one.session)
    assert two.see("/settings").status_code == 200
    assert one.send("/settings", "/logout").status_code == 303
    assert two.see("/settings").headers["location"].startswith("/login")


def test_no_read_is_older_than_what_was_acknowledged(both: Two) -> None:
    """Four readers of the second door while the first one moves an alias on and on."""
    model = f"{unique('order')}/scorer"
    for n in range(1, 9):
        both.one.register(model, facts={"params": {"n": n}}, aliases=["champion"] if n == 1 else [])
    acknowledged, over = [1], threading.Event()

    def read_on() -> int:
        count = last = 0
        while not over.is_set():
            known = acknowledged[-1]
            seen = both.two.get(f"resolve?ref={model}@champion").json()["version"]
            assert seen >= max(known, last)
            last = seen
            count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        reading = [pool.submit(read_on) for _ in range(4)]
        try:
            for n in range(2, 9):
                time.sleep(0.05)
                both.one.call("PUT", f"models/{model}/aliases/champion", json={"version": n})
                acknowledged.append(n)
        finally:
            over.set()
        assert all(each.result() > 0 for each in reading)


# --- behind a pooler -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pooler(postgres_server: PostgresServer) -> Iterator[Pooler]:
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(running_pgbouncer(postgres_server, sessions=3))
        except ServiceMissing as missing:
            # `.ci/run` says so where it has installed the programs of the system.
            if os.environ.get("MODELYARD_BROWSER") == "required":
                raise
            pytest.skip(str(missing))
        yield opened


def test_behind_a_pooler_every_transaction_may_get_another_session(pooler: Pooler, url: str) -> None:
    """Two processes' worth of doors; what one acknowledged is what the other reads, and rows are vouched for."""
    through = pooler.url_of(url)
    one, two = (Database(through, prepare_statements=False) for _ in range(2))
    first, second = Registry(one), Registry(two)
    second.root_token = first.root_token
    model = f"{unique('pooled')}/scorer"
    with open_door(first) as a, open_door(second) as b, ThreadPoolExecutor(4) as pool:
        doors = (a, b)
        made = pool.map(lambda n: doors[n % 2].register(model, facts={"params": {"n": n}}), range(24))
        assert sorted(each["version"] for each in made) == list(range(1, 25))
        for n in range(1, 25):
            put = doors[n % 2].call("PUT", f"models/{model}/aliases/champion", json={"version": n})
            assert put.status_code == 200, put.text
            for door in doors:
                for _ in range(2):
                    assert door.get(f"resolve?ref={model}@champion").json()["version"] == n
    checked = list(proofs.check_whole_log(one))[-1]
    assert checked.damage == []
    for db in (one, two):
        db.close()
