from __future__ import annotations

import pytest

from modelyard.blobs import layout
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobFormatUnknown

ABC = Digest.of(b"abc")


def test_keys():
    assert layout.blob_key(ABC) == f"blobs/sha256/ba/{ABC.hex}"
    assert layout.staging_key("one") == "blobs/staging/one"
    assert layout.done_key("one") == "blobs/staging/one.done"
    assert layout.staged_part_key("one", 12) == "blobs/staging/one/00000000000000000012"
    assert layout.temporary_key("x") == "blobs/tmp/x"


def test_offsets_sort_as_their_numbers_do():
    offsets = [0, 9, 10, 2**40, 2**63]
    part_keys = [layout.staged_part_key("one", offset) for offset in offsets]
    assert part_keys == sorted(part_keys)
    assert [layout.offset_of_name(key.rpartition("/")[2]) for key in part_keys] == offsets


@pytest.mark.parametrize("name", ["done", "", "12", "0000000000000000001x", "-0000000000000000001"])
def test_marks_have_no_offset(name: str):
    assert layout.offset_of_name(name) is None


def test_only_digests_are_names_of_blobs():
    assert layout.digest_of_name(ABC.hex) == ABC
    for name in (ABC.hex.upper(), ABC.hex[:-1], ABC.hex + ".tmp", "", ABC):
        assert layout.digest_of_name(name) is None


def test_the_own_format_is_known():
    layout.check_format(layout.format_line())


@pytest.mark.parametrize(
    "content", [b"modelyard blobs 2\n", b"modelyard blobs 0\n", b"modelyard blobs 1", b"", b"\xff"]
)
def test_other_formats_are_refused(content: bytes):
    with pytest.raises(BlobFormatUnknown) as caught:
        layout.check_format(content)
    assert caught.value.fields["known"] == layout.FORMAT
