"""Real servers for the tests that talk to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.disks import SmallDisk, mounted_disk
from tests.support.server import RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """A server on SQLite and a folder; files above 1 MiB go in pieces."""
    with running_server(upload_chunk_bytes=1 << 20) as running:
        yield running


@pytest.fixture(scope="module", params=["sqlite-folder", "postgresql-s3"])
def each_server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """A server on the smallest and on the largest set of stores."""
    if request.param == "sqlite-folder":
        with running_server() as running:
            yield running
        return
    postgres = request.getfixturevalue("postgres_server")
    s3 = request.getfixturevalue("s3_server")
    url = postgres.create_database()
    with running_server(url, s3.url(s3.make_bucket()), environment=s3.environment) as running:
        yield running
    postgres.drop_database(url)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A file system of 24 MiB."""
    with mounted_disk(tmp_path) as disk:
        yield disk
