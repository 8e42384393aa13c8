"""Real servers for the tests that talk to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.disks import SmallDisk, mounted_disk
from tests.support.pages import Pages, made_once
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


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """A registry with something on every page, of which each module runs a copy."""
    base = tmp_path_factory.getbasetemp()
    # The folder of the whole run, which has one for each of its processes.
    return made_once((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "pages")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A file system of 24 MiB."""
    with mounted_disk(tmp_path) as disk:
        yield disk
