"""One real server for the tests that only talk to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """A server on SQLite and a folder; files above 1 MiB go in pieces."""
    with running_server(upload_chunk_bytes=1 << 20) as running:
        yield running
