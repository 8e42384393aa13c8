"""The real servers that the tests start: each fixture gives what its name says."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.postgres import PostgresServer, driver_url
from tests.support.services import ServiceMissing, skip_or_fail


def tables(url: str) -> list[str]:
    with psycopg.connect(driver_url(url)) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return [name for (name,) in rows]


def make_table(url: str) -> None:
    with psycopg.connect(driver_url(url)) as connection:
        connection.execute("CREATE TABLE made (x integer)")


def test_postgres_url_is_fresh(postgres_url: str, postgres_server: PostgresServer):
    assert postgres_url.startswith("postgresql+psycopg://")
    make_table(postgres_url)
    assert tables(postgres_server.create_database()) == []


def test_a_database_can_be_a_copy_of_a_prepared_one(postgres_server: PostgresServer):
    calls = []

    def prepare(url: str) -> None:
        calls.append(url)
        make_table(url)

    for _ in range(2):
        copy = postgres_server.create_database(postgres_server.template("with-a-table", prepare))
        assert tables(copy) == ["made"]
        postgres_server.drop_database(copy)
    assert len(calls) == 1


def test_a_missing_service_fails_in_ci_and_skips_elsewhere(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="not here"):
        skip_or_fail(ServiceMissing("not here"))
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="not here"):
        skip_or_fail(ServiceMissing("not here"))
