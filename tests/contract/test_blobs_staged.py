"""What every store promises of bytes that arrive piece by piece, asked of each implementation."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    Busy,
    DigestMismatch,
    SizeMismatch,
)
from tests.support.blobs import (
    EMPTY,
    SIZES,
    BlobStoreUnderTest,
    ConnectionLost,
    an_id,
    broken_after,
    content,
    cut,
    in_threads,
    some_bytes,
)


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
    assert all(result is None or isinstance(result, Busy) for result in results), results
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
