"""The native door over each database, once a module; a name for a model; the store of bytes under test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modelyard.blobs.store import BlobStore
from tests.support.blobs import BlobStoreUnderTest
from tests.support.door import Door, open_door
from tests.support.registry import Registry, unique


@pytest.fixture(scope="module")
def door(registry: Registry) -> Iterator[Door]:
    with open_door(registry) as opened:
        yield opened


@pytest.fixture
def model() -> str:
    """The name of a model that is not there yet, in a namespace of its own."""
    return f"{unique('space')}/scorer"


@pytest.fixture
def store(blob_store: BlobStoreUnderTest) -> Iterator[BlobStore]:
    yield blob_store.store
    assert blob_store.leftovers() == [], "a test or the store left temporary bytes behind"
