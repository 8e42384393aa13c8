"""What only a bucket can show: its URL, its making, its refusals, uploads of many parts."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from modelyard.blobs import layout, open_store, s3
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobFormatUnknown, BlobStoreUnavailable, Busy, DigestMismatch, SizeMismatch
from tests.support.s3 import S3Server

MIB = 1 << 20


def bucket_of(url: str) -> str:
    return urlsplit(url).netloc


def keys(store: s3.S3Store) -> list[str]:
    return [meta["path"] for page in store.bucket.list() for meta in page]


def test_the_layout_is_as_drawn(s3_bucket: str):
    store = s3.from_url(s3_bucket)
    store.put([b"abc"], Digest.of(b"abc"))
    staged = store.stage("one")
    staged.append([b"x" * 7])
    staged.append([b"y"])
    name = Digest.of(b"abc").hex
    assert sorted(keys(store)) == [
        "blobs/format",
        f"blobs/sha256/ba/{name}",
        "blobs/staging/one/00000000000000000000",
        "blobs/staging/one/00000000000000000007",
    ]
    staged.commit(Digest.of(b"xxxxxxxy"), 8)
    assert [key for key in keys(store) if "staging" in key] == ["blobs/staging/one/done"]


def test_a_listing_between_two_states_hides_no_commit(s3_bucket: str, monkeypatch: pytest.MonkeyPatch):
    """A listing is not a snapshot: it can miss the mark, not yet written, as well as the bytes, already removed."""
    store, other = s3.from_url(s3_bucket), s3.from_url(s3_bucket)
    store.stage("one").append([b"abc"])
    store.stage("one").commit(Digest.of(b"abc"), 3)
    monkeypatch.setattr(other, "_listed", lambda _prefix: iter(()))
    other.stage("one").commit(Digest.of(b"abc"), 3)
    with pytest.raises(SizeMismatch):
        other.stage("one").commit(Digest.of(b"abcd"), 4)


def test_open_store_opens_a_bucket(s3_bucket: str):
    store = open_store(s3_bucket)
    store.check()
    assert isinstance(store, s3.S3Store)


@pytest.mark.parametrize("content", [b"modelyard blobs 2\n", b"anything"])
def test_an_unknown_format_is_refused(s3_bucket: str, content: bytes):
    s3.from_url(s3_bucket).bucket.put(layout.FORMAT_KEY, content)
    with pytest.raises(BlobFormatUnknown):
        s3.from_url(s3_bucket)


def test_a_bucket_is_made_only_when_asked(s3_bucket: str, s3_server: S3Server):
    url = s3_bucket.replace(bucket_of(s3_bucket), bucket_of(s3_bucket) + "-new")
    with pytest.raises(BlobStoreUnavailable, match="Create the bucket"):
        s3.from_url(url)
    store = s3.from_url(url, create_bucket=True)
    store.put([b"abc"], Digest.of(b"abc"))
    again = s3.from_url(url + "&create_bucket=true")
    again.verify(Digest.of(b"abc"))


def test_wrong_credentials_are_named_as_such(s3_bucket: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(BlobStoreUnavailable, match="AWS_ACCESS_KEY_ID"):
        s3.from_url(s3_bucket)


def test_an_endpoint_that_does_not_answer(s3_bucket: str):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"s3://some-bucket/?endpoint=http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(BlobStoreUnavailable) as caught:
            s3.from_url(url)
    assert caught.value.__cause__ is not None


def megabytes(count: int) -> Iterator[bytes]:
    chance = random.Random(5)
    for _ in range(count):
        yield chance.randbytes(MIB)


@pytest.mark.parametrize("announced", [True, False])
def test_a_put_of_many_parts(s3_bucket: str, s3_server: S3Server, announced: bool):
    count = 40 if announced else 70
    digest = Digest.of(b"".join(megabytes(count)))
    store = s3.from_url(s3_bucket)
    size = count * MIB
    assert store.put(megabytes(count), digest, size if announced else None) == size
    store.verify(digest)
    with pytest.raises(DigestMismatch):
        store.put(megabytes(count), Digest.of(b""), size if announced else None)
    assert store.stat(Digest.of(b"")) is None
    assert s3_server.unfinished_uploads(bucket_of(s3_bucket)) == []


def test_one_large_append_is_copied_inside_of_the_server(
    s3_bucket: str, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
):
    digest = Digest.of(b"".join(megabytes(20)))
    store = s3.from_url(s3_bucket)
    staged = store.stage("one")
    staged.append(megabytes(20))
    put, read = store.put, []

    def noted(*args: Any) -> int:
        read.append(args[1])
        return put(*args)

    with monkeypatch.context() as patched:
        patched.setattr(store, "put", noted)
        staged.commit(digest, 20 * MIB)
    # Without an e-tag nothing proves which bytes are staged, so they come back to this process once more.
    assert read == ([] if s3_server.tags_multiparts else [digest])
    store.verify(digest)


def test_an_append_is_cut_into_objects_that_a_server_can_copy(s3_bucket: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(s3, "_STAGED_OBJECT_BYTES", 16 * MIB)
    digest = Digest.of(b"".join(megabytes(42)))
    store = s3.from_url(s3_bucket)
    staged = store.stage("one")
    assert staged.append(megabytes(42)) == 42 * MIB
    assert len([key for key in keys(store) if "staging" in key]) == 3
    staged.commit(digest, 42 * MIB)
    store.verify(digest)


def test_what_a_cut_off_discard_left_is_no_part_of_the_next_upload(s3_bucket: str):
    store = s3.from_url(s3_bucket)
    staged = store.stage("one")
    for piece in (b"aaa", b"bbb", b"ccc"):
        staged.append([piece])
    store.bucket.delete(layout.staged_part_key("one", 0))
    assert staged.size() == 0
    assert staged.append([b"xyz"]) == 3
    assert staged.size() == 3
    staged.commit(Digest.of(b"xyz"), 3)
    assert not [key for key in keys(store) if layout.offset_of_name(key.rpartition("/")[2]) is not None]


def test_a_commit_cut_off_before_its_end_is_repeated(s3_bucket: str, monkeypatch: pytest.MonkeyPatch):
    store = s3.from_url(s3_bucket)
    store.stage("one").append([b"abc"])
    store.stage("one").append([b"def"])

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store, "_delete", killed)
        with pytest.raises(KeyboardInterrupt):
            store.stage("one").commit(Digest.of(b"abcdef"), 6)
    store.stage("one").commit(Digest.of(b"abcdef"), 6)
    store.verify(Digest.of(b"abcdef"))
    assert store.stage("one").size() == 0


def test_the_second_writer_of_an_offset_is_refused(s3_bucket: str):
    store = s3.from_url(s3_bucket)

    def with_a_rival() -> Iterator[bytes]:
        s3.from_url(s3_bucket).stage("one").append([b"rival"])
        yield b"late"

    with pytest.raises(Busy):
        store.stage("one").append(with_a_rival())
    assert store.stage("one").size() == 5
