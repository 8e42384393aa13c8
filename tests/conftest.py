"""Fixtures of the whole project: real servers, started at most once a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.blobs import BlobStoreUnderTest, filesystem_under_test, memory_under_test
from tests.support.postgres import PostgresServer, running_postgres
from tests.support.services import ServiceMissing, skip_or_fail


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL. Skips with a reason where none can run; fails instead where CI=true."""
    running = running_postgres()
    try:
        server = running.__enter__()
    except ServiceMissing as error:
        skip_or_fail(error)
        raise
    yield server
    running.__exit__(None, None, None)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh, empty database, dropped after the test."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=["filesystem", "memory"])
def blob_store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStoreUnderTest:
    """A fresh store of bytes of each implementation, with hooks for tests."""
    match request.param:
        case "filesystem":
            return filesystem_under_test(tmp_path / "store")
        case _:
            return memory_under_test()
