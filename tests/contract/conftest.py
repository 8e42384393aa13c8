"""The native door over each database, once a module; a name for a model; the store of bytes under test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from tests.support.blobs import BlobStoreUnderTest
from tests.support.databases import copied_database
from tests.support.door import Door, open_door
from tests.support.registry import Registry, unique


@pytest.fixture(scope="module")
def door(registry: Registry) -> Iterator[Door]:
    with open_door(registry) as opened:
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def small_door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """The native door over a database of this module alone, so that reading every row of it takes little."""
    with copied_database(request, tmp_path_factory.mktemp("small")) as url:
        db = Database(url)
        with open_door(Registry(db)) as opened:
            yield opened
        db.close()


@pytest.fixture
def model() -> str:
    """The name of a model that is not there yet, in a namespace of its own."""
    return f"{unique('space')}/scorer"


@pytest.fixture
def store(blob_store: BlobStoreUnderTest) -> Iterator[BlobStore]:
    yield blob_store.store
    assert blob_store.leftovers() == [], "a test or the store left temporary bytes behind"
