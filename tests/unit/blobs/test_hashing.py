from __future__ import annotations

import hashlib

import pytest

from modelyard.blobs.hashing import BATCH_BYTES, HashBeside, batches, groups, new_sha256


def test_batches_keep_the_bytes_and_their_order():
    chunks = [b"ab", b"", b"c", b"defgh", b"i"]
    assert list(batches(chunks, 3)) == [b"abc", b"defgh", b"i"]
    assert list(batches([], 3)) == list(batches([b""], 3)) == []


def test_a_large_chunk_is_not_copied():
    chunk = bytes(10)
    (batch,) = batches([chunk], 3)
    assert batch is chunk


def test_groups_have_a_limit_of_chunks():
    assert list(groups([b"a"] * 5, 100, most_chunks=2)) == [[b"a", b"a"], [b"a", b"a"], [b"a"]]


def test_what_came_before_an_error_comes_out_first():
    def broken():
        yield b"ab"
        yield b"c"
        raise OSError("gone")

    given = batches(broken(), 100)
    assert next(given) == b"abc"
    with pytest.raises(OSError, match="gone"):
        next(given)


@pytest.mark.parametrize("sizes", [[], [5], [BATCH_BYTES], [BATCH_BYTES, 3, BATCH_BYTES + 1, 0, 7]])
def test_the_hash_beside_sees_every_byte_in_order(sizes: list[int]):
    pieces = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    sha = new_sha256()
    with HashBeside(sha) as beside:
        for piece in pieces:
            beside.update([piece[: len(piece) // 2], piece[len(piece) // 2 :]])
    assert sha.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()
