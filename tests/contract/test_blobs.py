"""What every store of bytes promises, asked of each implementation through the border alone."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    BlobCorrupt,
    BlobNotFound,
    DigestMismatch,
    SizeMismatch,
)
from tests.support.blobs import (
    EMPTY,
    SIZES,
    ConnectionLost,
    broken_after,
    content,
    cut,
    in_threads,
    some_bytes,
)

# --- put and read -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_put_gives_back_the_same_bytes(store, blob_store, size):
    data = some_bytes(size)
    digest = Digest.of(data)
    before = datetime.now(UTC) - timedelta(seconds=5)
    assert store.put(cut(data), digest) == size
    assert content(blob_store, digest) == data
    stored = store.stat(digest)
    assert (stored.digest, stored.size_bytes) == (digest, size)
    assert before < stored.modified_at <= datetime.now(UTC) + timedelta(seconds=5)
    assert stored.modified_at.tzinfo is not None
    store.verify(digest)


def test_put_takes_one_chunk_larger_than_any_batch(store, blob_store):
    data = some_bytes(9 << 20)
    store.put([data], Digest.of(data), len(data))
    assert content(blob_store, Digest.of(data)) == data


def test_put_may_be_given_a_buffer_that_is_used_again(store, blob_store):
    data = some_bytes(10 << 20)
    buffer = bytearray(5 << 20)

    def chunks():
        for half in (data[: 5 << 20], data[5 << 20 :]):
            buffer[:] = half
            yield buffer

    store.put(chunks(), Digest.of(data))
    assert content(blob_store, Digest.of(data)) == data


def test_bytes_may_come_as_views_that_cannot_be_written_through(store, blob_store):
    data = some_bytes(19 << 20)
    view = memoryview(bytearray(data)).toreadonly()
    pieces = [view[start : start + (1 << 20)] for start in range(0, len(view), 1 << 20)]
    store.put(iter(pieces), Digest.of(data), len(data))
    assert content(blob_store, Digest.of(data)) == data
    staged = store.stage("views")
    assert staged.append(iter(pieces[:1])) == 1 << 20
    assert staged.append(iter(pieces[1:])) == len(data)
    staged.commit(Digest.of(data), len(data))
    staged.discard()
    assert content(blob_store, Digest.of(data)) == data


def test_ranges(store):
    data = some_bytes(3_000_000)
    digest = Digest.of(data)
    store.put([data], digest)
    with store.open(digest) as reader:
        assert reader.size_bytes == len(data)
        assert reader.read(0, 10) == data[:10]
        assert reader.read(1_234_567, 1000) == data[1_234_567:1_235_567]
        assert reader.read(len(data) - 5, 100) == data[-5:]
        assert reader.read(len(data), 5) == b""
        assert reader.read(len(data) + 7, 5) == b""
        assert reader.read(10, 0) == b""
        pieces = list(reader.chunks(100, 2_500_000, chunk_bytes=700_001))
        assert b"".join(pieces) == data[100:2_500_100]
        assert all(0 < len(piece) <= 700_001 for piece in pieces)
        assert b"".join(reader.chunks(2_999_990)) == data[2_999_990:]
        assert b"".join(reader.chunks(2_999_990, 500)) == data[2_999_990:]
        assert list(reader.chunks(len(data))) == []
        assert list(reader.chunks(5, 0)) == []


def test_reading_an_empty_blob(store):
    store.put([], EMPTY)
    with store.open(EMPTY) as reader:
        assert reader.size_bytes == 0
        assert reader.read(0, 10) == b""
        assert list(reader.chunks()) == []


@pytest.mark.parametrize("size", [10, 13 << 20])
def test_put_of_wrong_digest_shows_nothing(store, size):
    data = some_bytes(size)
    wrong = Digest.of(b"something else")
    with pytest.raises(DigestMismatch) as caught:
        store.put(cut(data), wrong)
    assert caught.value.fields == {"actual": Digest.of(data), "expected": wrong}
    assert store.stat(wrong) is None
    assert store.stat(Digest.of(data)) is None
    assert list(store.list()) == []


@pytest.mark.parametrize("announced", [9, 11])
def test_put_of_wrong_size_shows_nothing(store, announced):
    data = some_bytes(10)
    with pytest.raises(SizeMismatch):
        store.put([data], Digest.of(data), announced)
    assert list(store.list()) == []


def test_put_stops_reading_what_is_longer_than_announced(store):
    taken = 0

    def endless():
        nonlocal taken
        while taken < 200:
            taken += 1
            yield bytes(1 << 20)

    with pytest.raises(SizeMismatch):
        store.put(endless(), EMPTY, 1 << 20)
    assert taken < 100


@pytest.mark.parametrize("size", [10, 13 << 20])
def test_put_from_a_broken_source_shows_nothing_and_passes_its_error_on(store, size):
    with pytest.raises(ConnectionLost):
        store.put(broken_after(some_bytes(size)), Digest.of(some_bytes(size)))
    assert list(store.list()) == []


def test_putting_again_is_harmless_and_renews_the_time(store, blob_store):
    data = some_bytes(1000)
    digest = Digest.of(data)
    store.put([data], digest)
    limit = blob_store.age()
    assert store.stat(digest).modified_at < limit
    store.put([data], digest)
    assert store.stat(digest).modified_at > limit
    assert content(blob_store, digest) == data
    assert len(list(store.list())) == 1


def test_putting_again_heals(store, blob_store):
    data = some_bytes(1000)
    digest = Digest.of(data)
    store.put([data], digest)
    blob_store.corrupt(digest)
    store.put([data], digest)
    store.verify(digest)


def test_wrong_bytes_do_not_replace_right_ones(store):
    data = some_bytes(1000)
    digest = Digest.of(data)
    store.put([data], digest)
    with pytest.raises(DigestMismatch):
        store.put([some_bytes(1000, seed=2)], digest)
    store.verify(digest)


def test_two_writers_of_one_digest(store, blob_store):
    data = some_bytes(6 << 20)
    digest = Digest.of(data)
    other = blob_store.reopen()
    assert (
        in_threads(
            lambda: store.put(cut(data), digest),
            lambda: other.put(cut(data), digest),
            lambda: store.put(cut(data), digest),
        )
        == [len(data)] * 3
    )
    assert content(blob_store, digest) == data
    assert [blob.digest for blob in store.list()] == [digest]


def test_readers_in_threads_share_one_reader(store):
    data = some_bytes(2 << 20)
    store.put([data], Digest.of(data))
    with store.open(Digest.of(data)) as reader:
        read = in_threads(*(lambda at=at: reader.read(at, 300_000) for at in range(0, 1 << 20, 1 << 18)))
    assert read == [data[at : at + 300_000] for at in range(0, 1 << 20, 1 << 18)]


def test_a_blob_can_be_copied_from_one_store_to_another(store, blob_store):
    data = some_bytes(20 << 20)
    digest = Digest.of(data)
    store.put([data], digest)
    other = blob_store.reopen()
    with store.open(digest) as reader:
        assert other.put(reader.chunks(), digest, len(data)) == len(data)
        pieces = (reader.read(at, 3 << 20) for at in range(0, len(data), 3 << 20))
        assert other.put(pieces, digest, len(data)) == len(data)
    other.verify(digest)


# --- what is not there ------------------------------------------------------------------------------


def test_missing_blobs(store):
    missing = Digest.of(b"missing")
    assert store.stat(missing) is None
    assert store.delete(missing) is False
    assert store.local_path(missing) is None
    with pytest.raises(BlobNotFound):
        store.open(missing)
    with pytest.raises(BlobNotFound):
        store.verify(missing)


def test_delete(store):
    data = some_bytes(100)
    store.put([data], Digest.of(data))
    store.put([], EMPTY)
    assert store.delete(Digest.of(data)) is True
    assert store.stat(Digest.of(data)) is None
    assert store.delete(Digest.of(data)) is False
    assert [blob.digest for blob in store.list()] == [EMPTY]


def test_list_names_every_blob_once_and_no_staged_bytes(store):
    blobs = {Digest.of(data): len(data) for data in (some_bytes(n) for n in range(15))}
    for n in range(15):
        store.put([some_bytes(n)], Digest.of(some_bytes(n)))
    staged = store.stage("not-a-blob")
    staged.append([b"half"])
    listed = list(store.list())
    assert {blob.digest: blob.size_bytes for blob in listed} == blobs
    assert len(listed) == len(blobs)
    staged.discard()


@pytest.mark.parametrize("size", [1, 3_000_000])
def test_verify_finds_one_flipped_bit(store, blob_store, size):
    data = some_bytes(size)
    digest = Digest.of(data)
    store.put([data], digest)
    blob_store.corrupt(digest)
    with pytest.raises(BlobCorrupt) as caught:
        store.verify(digest)
    assert caught.value.fields["digest"] == digest


def test_local_path_is_the_file_itself_or_nothing(store):
    data = some_bytes(5000)
    store.put([data], Digest.of(data))
    path = store.local_path(Digest.of(data))
    assert path is None or path.read_bytes() == data


# --- the store itself -------------------------------------------------------------------------------


def test_check_passes_and_leaves_nothing(store):
    store.check()
    assert list(store.list()) == []


def test_a_store_opened_again_has_its_blobs(store, blob_store):
    store.put([b"abc"], Digest.of(b"abc"))
    again = blob_store.reopen()
    again.check()
    assert again.stat(Digest.of(b"abc")).size_bytes == 3
    again.close()


# --- links ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("filename", [None, "model.safetensors", 'Modell für "Prüfung".bin'])
def test_a_presigned_url_gives_the_bytes_without_credentials(store, filename):
    data = some_bytes(100_000)
    store.put([data], Digest.of(data))
    url = store.presigned_url(Digest.of(data), 60, filename)
    if url is None:
        assert not hasattr(store, "bucket"), "a bucket can give links"
        return
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == data
        disposition = answer.headers["Content-Disposition"] or ""
    assert filename is None or urllib.parse.quote(filename) in disposition
    ranged = urllib.request.Request(url, headers={"Range": "bytes=10-19"})
    with urllib.request.urlopen(ranged, timeout=30) as answer:
        assert (answer.status, answer.read()) == (206, data[10:20])
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.replace("X-Amz-Signature=", "X-Amz-Signature=0"), timeout=30)
    caught.value.close()
    assert caught.value.code == 403
