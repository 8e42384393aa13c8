"""Fixtures of the whole project: real servers, started at most once a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Before a library counts the cores: the models here are tiny, and threads that wait for work cost more than they do.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from modelyard.db.engine import Database
from modelyard.db.schema import ensure_schema
from tests.support.blobs import (
    BlobStoreUnderTest,
    filesystem_under_test,
    memory_under_test,
    s3_under_test,
)
from tests.support.databases import copied_database, make_tables
from tests.support.forking import enable
from tests.support.parts import is_tried
from tests.support.postgres import PostgresServer, running_postgres
from tests.support.registry import Registry
from tests.support.s3 import S3Server, running_s3
from tests.support.services import needed

enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what `product(share)` does not try; of each test at least one case is tried."""
    left_out: dict[str, list[pytest.Item]] = {}
    tried = set()
    for item in items:
        product = item.get_closest_marker("product")
        test = item.nodeid.partition("[")[0]
        if product is None or is_tried(item.nodeid, *product.args):
            tried.add(test)
        else:
            left_out.setdefault(test, []).append(item)
    gone = {item for test, found in left_out.items() for item in found[test not in tried :]}
    if gone:
        config.hook.pytest_deselected(items=list(gone))
        items[:] = [item for item in items if item not in gone]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL."""
    with needed(running_postgres()) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh, empty database, dropped after the test."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A running S3-compatible server."""
    with needed(running_s3()) as server:
        yield server


@pytest.fixture(scope="session")
def s3_shared_bucket(s3_server: S3Server) -> str:
    """A bucket for tests that keep to a prefix of their own."""
    return s3_server.make_bucket()


@pytest.fixture
def s3_bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL, as `open_store` takes it, of a fresh bucket; its credentials are in the environment."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server.url(s3_server.make_bucket())


@pytest.fixture(params=["filesystem", "memory", "s3"])
def blob_store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> BlobStoreUnderTest:
    """A fresh store of bytes of each implementation, with hooks for tests."""
    match request.param:
        case "filesystem":
            return filesystem_under_test(tmp_path / "store")
        case "memory":
            return memory_under_test()
        case _:
            server: S3Server = request.getfixturevalue("s3_server")
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            return s3_under_test(server, request.getfixturevalue("s3_shared_bucket"))


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One database of each kind for the whole run: tests keep to names of their own."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('database') / 'modelyard.db'}"
    else:
        url = request.getfixturevalue("postgres_server").create_database()
    db = Database(url)
    ensure_schema(db)
    yield db
    db.close()


@pytest.fixture(scope="session")
def registry(database: Database) -> Registry:
    return Registry(database)


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of each kind, for this test alone."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'fresh.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def own_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of each kind with all tables, for this test alone."""
    with copied_database(request, tmp_path) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    make_tables(f"sqlite:///{path}")
    return path
