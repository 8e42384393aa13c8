"""Fixtures of the whole project: real servers, started at most once a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.blobs import BlobStoreUnderTest, filesystem_under_test, memory_under_test


@pytest.fixture(params=["filesystem", "memory"])
def blob_store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStoreUnderTest:
    """A fresh store of bytes of each implementation, with hooks for tests."""
    match request.param:
        case "filesystem":
            return filesystem_under_test(tmp_path / "store")
        case _:
            return memory_under_test()
