"""JSON of answers."""

from __future__ import annotations

import pytest

from modelyard.wire.base import encode, encode_long
from modelyard.wire.versions import FileEntry, FileList


@pytest.mark.parametrize("count", [0, 1, 1999, 2000, 2001, 4000, 4001])
def test_a_long_list_is_encoded_as_a_short_one(count: int) -> None:
    entries = [FileEntry(path=f"a{n}", digest="d", size_bytes=n, media_type='"items":[]') for n in range(count)]
    value = FileList(reference='"items":[]', digest="d", items=entries)
    assert encode_long(value, "items") == encode(value)
