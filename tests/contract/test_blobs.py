"""What every store of bytes promises, asked of each implementation through the border alone."""

from __future__ import annotations

import random
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    BlobCorrupt,
    BlobNotFound,
    Busy,
    DigestMismatch,
    ModelyardError,
    SizeMismatch,
)
from tests.support.blobs import BlobStoreUnderTest

EMPTY = Digest.of(b"")
SIZES = (0, 1, 4095, (1 << 20) + 3, (4 << 20), (12 << 20) + 17)


def some_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(f"{seed}/{size}").randbytes(size)


def cut(data: bytes, chunk_bytes: int = 65536) -> Iterator[bytes]:
    for start in range(0, len(data), chunk_bytes):
        yield data[start : start + chunk_bytes]


def an_id() -> str:
    return str(uuid.uuid4())


def content(under_test: BlobStoreUnderTest, digest: Digest) -> bytes:
    with under_test.store.open(digest) as reader:
        return b"".join(reader.chunks())


@pytest.fixture
def store(blob_store: BlobStoreUnderTest):
    yield blob_store.store
    assert blob_store.leftovers() == [], "a test or the store left temporary bytes behind"


class ConnectionLost(OSError):
    """What a source of chunks raises; an OSError, since sockets raise those."""


def broken_after(*chunks: bytes) -> Iterator[bytes]:
    yield from chunks
    raise ConnectionLost("gone")


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


def in_threads(*tasks: Callable[[], object]) -> list[object]:
    """Each task's result, or the exception it raised."""
    results: list[object] = [None] * len(tasks)
    barrier = threading.Barrier(len(tasks))

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = tasks[index]()
        except (ModelyardError, OSError) as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


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


# --- staged uploads ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_stage_append_commit(store, blob_store, size):
    data = some_bytes(size)
    staged = store.stage(an_id())
    assert staged.size() == 0
    middle = size // 3
    assert staged.append(cut(data[:middle])) == middle
    assert staged.append(cut(data[middle:])) == size
    assert staged.size() == size
    assert store.stat(Digest.of(data)) is None
    staged.commit(Digest.of(data), size)
    assert content(blob_store, Digest.of(data)) == data
    staged.discard()


def test_an_upload_goes_on_in_another_process(store, blob_store):
    data = some_bytes(9 << 20)
    upload = an_id()
    for number, start in enumerate(range(0, len(data), 2 << 20)):
        staged = blob_store.reopen().stage(upload)
        assert staged.size() == start
        assert staged.append(cut(data[start : start + (2 << 20)], 1 << (14 + number))) == min(
            start + (2 << 20), len(data)
        )
    blob_store.reopen().stage(upload).commit(Digest.of(data), len(data))
    assert content(blob_store, Digest.of(data)) == data
    store.stage(upload).discard()


def test_processes_taking_turns_do_not_confuse_what_was_hashed(store, blob_store):
    data = some_bytes(600)
    other = blob_store.reopen()
    upload = an_id()
    for turn in range(6):
        (store, other)[turn % 2].stage(upload).append([data[turn * 100 : turn * 100 + 100]])
    store.stage(upload).commit(Digest.of(data), 600)
    assert content(blob_store, Digest.of(data)) == data
    store.stage(upload).discard()


def test_bytes_replaced_by_another_process_are_not_vouched_for(store, blob_store):
    right, wrong = some_bytes(500), some_bytes(500, seed=2)
    upload = an_id()
    store.stage(upload).append([right])
    other = blob_store.reopen()
    other.stage(upload).discard()
    other.stage(upload).append([wrong])
    with pytest.raises(DigestMismatch):
        store.stage(upload).commit(Digest.of(right), 500)
    assert store.stat(Digest.of(right)) is None
    store.stage(upload).discard()


def test_a_wrong_digest_keeps_the_staged_bytes(store, blob_store):
    data = some_bytes(70_000)
    staged = store.stage(an_id())
    staged.append([data[:60_000]])
    half = Digest.of(data[:60_000])
    with pytest.raises(SizeMismatch) as caught:
        staged.commit(Digest.of(data), len(data))
    assert caught.value.fields == {"actual": 60_000, "expected": 70_000}
    with pytest.raises(DigestMismatch) as caught:
        staged.commit(Digest.of(data), 60_000)
    assert caught.value.fields == {"actual": half, "expected": Digest.of(data)}
    assert list(store.list()) == []
    assert staged.size() == 60_000
    staged.append([data[60_000:]])
    staged.commit(Digest.of(data), len(data))
    assert content(blob_store, Digest.of(data)) == data
    staged.discard()


def test_what_arrived_before_a_broken_connection_stays(store, blob_store):
    data = some_bytes(9 << 20)
    staged = store.stage(an_id())
    with pytest.raises(ConnectionLost):
        staged.append(broken_after(*cut(data[: 6 << 20], 100_000)))
    assert staged.size() == 6 << 20
    with pytest.raises(ConnectionLost):
        staged.append(broken_after())
    assert staged.append([data[6 << 20 :]]) == len(data)
    staged.commit(Digest.of(data), len(data))
    assert content(blob_store, Digest.of(data)) == data
    staged.discard()


def test_commit_again_also_from_another_process(store, blob_store):
    data = some_bytes(1000)
    upload = an_id()
    store.stage(upload).append([data])
    store.stage(upload).commit(Digest.of(data), 1000)
    store.stage(upload).commit(Digest.of(data), 1000)
    limit = blob_store.age()
    assert store.stat(Digest.of(data)).modified_at < limit
    blob_store.reopen().stage(upload).commit(Digest.of(data), 1000)
    assert store.stat(Digest.of(data)).modified_at > limit
    with pytest.raises(SizeMismatch):
        store.stage(upload).commit(Digest.of(data), 999)
    assert store.stage(upload).size() == 0
    store.stage(upload).discard()
    store.verify(Digest.of(data))


def test_a_digest_alone_buys_no_bytes(store):
    data = some_bytes(1000)
    digest = Digest.of(data)
    store.put([data], digest)
    upload = an_id()
    with pytest.raises(SizeMismatch):
        store.stage(upload).commit(digest, 1000)
    with pytest.raises(DigestMismatch):
        store.stage(upload).commit(digest, 0)
    store.stage(upload).append([bytes(1000)])
    with pytest.raises(DigestMismatch):
        store.stage(upload).commit(digest, 1000)
    store.stage(upload).discard()


def test_commit_without_any_append_is_the_empty_blob(store, blob_store):
    upload = an_id()
    store.stage(upload).commit(EMPTY, 0)
    store.stage(upload).commit(EMPTY, 0)
    assert content(blob_store, EMPTY) == b""
    store.stage(upload).discard()


def test_a_new_upload_under_the_id_of_a_committed_one(store, blob_store):
    first, second = some_bytes(1000), some_bytes(1000, seed=2)
    upload = an_id()
    staged = store.stage(upload)
    staged.append([first])
    staged.commit(Digest.of(first), 1000)
    assert staged.append([second[:400]]) == 400
    with pytest.raises(SizeMismatch):
        staged.commit(Digest.of(first), 1000)
    staged.append([second[400:]])
    staged.commit(Digest.of(second), 1000)
    assert content(blob_store, Digest.of(first)) == first
    assert content(blob_store, Digest.of(second)) == second
    staged.discard()


def test_commit_of_bytes_that_are_here_renews_the_time(store, blob_store):
    data = some_bytes(1000)
    store.put([data], Digest.of(data))
    limit = blob_store.age()
    assert store.stat(Digest.of(data)).modified_at < limit
    staged = store.stage(an_id())
    staged.append([data])
    staged.commit(Digest.of(data), 1000)
    assert store.stat(Digest.of(data)).modified_at > limit
    staged.discard()


def test_commit_of_old_staged_bytes_is_new(store, blob_store):
    data = some_bytes(1000)
    staged = store.stage(an_id())
    staged.append([data])
    limit = blob_store.age()
    staged.commit(Digest.of(data), 1000)
    assert store.stat(Digest.of(data)).modified_at > limit
    staged.discard()


def test_two_commits_at_once(store, blob_store):
    data = some_bytes(5 << 20)
    upload = an_id()
    store.stage(upload).append([data])
    other = blob_store.reopen()
    results = in_threads(
        lambda: store.stage(upload).commit(Digest.of(data), len(data)),
        lambda: other.stage(upload).commit(Digest.of(data), len(data)),
    )
    assert None in results
    assert all(result is None or isinstance(result, Busy) for result in results)
    assert content(blob_store, Digest.of(data)) == data
    store.stage(upload).discard()


def test_two_writers_of_one_upload_never_mix(store, blob_store):
    upload = an_id()
    first, second = some_bytes(1000), some_bytes(700, seed=2)
    other = blob_store.reopen()
    outcome: list[object] = []

    def with_a_rival():
        yield first[:500]
        try:
            outcome.append(other.stage(upload).append([second]))
        except Busy as error:
            outcome.append(error)
        yield first[500:]

    try:
        outcome.append(store.stage(upload).append(with_a_rival()))
    except Busy as error:
        outcome.append(error)
    assert sum(isinstance(each, Busy) for each in outcome) == 1
    kept = first if outcome[1] == 1000 else second
    assert store.stage(upload).size() == len(kept)
    store.stage(upload).commit(Digest.of(kept), len(kept))
    assert content(blob_store, Digest.of(kept)) == kept
    store.stage(upload).discard()


def test_discard(store):
    staged = store.stage(an_id())
    staged.discard()
    staged.append([b"abc"])
    staged.discard()
    assert staged.size() == 0
    staged.discard()
    assert staged.append([b"xy"]) == 2
    staged.commit(Digest.of(b"xy"), 2)
    staged.discard()
    assert store.stat(Digest.of(b"xy")) is not None


@pytest.mark.parametrize("bad", ["", "../x", "a/b", "a.b", "ü", "a" * 129, "a\n", "a b"])
def test_upload_ids_that_could_leave_their_place_are_refused(store, bad):
    with pytest.raises(ValueError, match="upload id"):
        store.stage(bad)


def test_sweep_takes_what_is_old_and_nothing_else(store, blob_store):
    data = some_bytes(100)
    store.put([data], Digest.of(data))
    done = store.stage(an_id())
    done.append([b"done"])
    done.commit(Digest.of(b"done"), 4)
    for _ in range(3):
        old = store.stage(an_id())
        old.append([b"old"])
        old.append([b"er"])
    limit = blob_store.age()
    young = store.stage(an_id())
    young.append([b"young"])
    assert store.sweep_staging(limit) == 3
    assert store.sweep_staging(limit) == 0
    assert young.size() == 5
    assert {blob.digest for blob in store.list()} == {Digest.of(data), Digest.of(b"done")}
    young.commit(Digest.of(b"young"), 5)
    young.discard()


def test_an_old_upload_that_grows_again_is_not_swept(store, blob_store):
    staged = store.stage(an_id())
    staged.append([b"old"])
    limit = blob_store.age()
    staged.append([b"new"])
    assert store.sweep_staging(limit) == 0
    assert staged.size() == 6
    staged.discard()


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


CHUNKS = st.lists(st.binary(max_size=300), max_size=12)
CUTS = st.lists(st.integers(0, 12), max_size=3)


def keeps_any_chunking(under_test: BlobStoreUnderTest, chunks: list[bytes], cuts: list[int]) -> None:
    store, data = under_test.store, b"".join(chunks)
    digest = Digest.of(data)
    assert store.put(chunks, digest, len(data)) == len(data)
    assert content(under_test, digest) == data
    store.delete(digest)
    upload = an_id()
    for begin, end in pairwise([0, *sorted(min(c, len(chunks)) for c in cuts), len(chunks)]):
        store.stage(upload).append(chunks[begin:end])
    store.stage(upload).commit(digest, len(data))
    store.stage(upload).discard()
    assert content(under_test, digest) == data
    with store.open(digest) as reader:
        assert reader.read(len(data) // 2, 100) == data[len(data) // 2 :][:100]
    assert under_test.leftovers() == []


@pytest.mark.parametrize("blob_store", ["filesystem", "memory"], indirect=True)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=CHUNKS, cuts=CUTS)
def test_any_chunking_gives_the_same_blob(blob_store, chunks, cuts):
    keeps_any_chunking(blob_store, chunks, cuts)


@pytest.mark.parametrize("blob_store", ["s3"], indirect=True)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=CHUNKS, cuts=CUTS)
def test_any_chunking_gives_the_same_blob_in_a_bucket(blob_store, chunks, cuts):
    keeps_any_chunking(blob_store, chunks, cuts)


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
