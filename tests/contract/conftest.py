"""The native door over each database, once a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.door import Door, open_door
from tests.support.registry import Registry, unique


@pytest.fixture(scope="module")
def door(registry: Registry) -> Iterator[Door]:
    with open_door(registry) as opened:
        yield opened


@pytest.fixture
def model(door: Door) -> str:
    """The name of a model that is not there yet, in a namespace of its own."""
    return f"{unique('space')}/scorer"
