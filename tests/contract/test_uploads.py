"""Uploads in pieces and in one request, side by side: neither takes anything from the other."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.domain.digest import Digest
from modelyard.registry.retention import usecases as retention
from modelyard.registry.uploads import usecases as uploads
from tests.support.door import Door, assert_problem, digest_of
from tests.support.registry import Registry, unique


@pytest.fixture
def data() -> bytes:
    """Bytes that no other test sends."""
    return unique("the whole file ").encode()


def _started(door: Door, data: bytes) -> dict[str, Any]:
    """An upload in pieces of which the first four bytes are here."""
    found = door.call("POST", "uploads", json={"digest": digest_of(data), "size_bytes": len(data)}).json()
    answer = door.call("PATCH", f"uploads/{found['id']}", content=data[:4], headers={"upload-offset": "0"})
    assert answer.status_code == 200
    made: dict[str, Any] = answer.json()
    return made


def _finished(door: Door, data: bytes, upload: dict[str, Any]) -> Any:
    at = f"uploads/{upload['id']}"
    assert door.get(at).json() == upload
    rest = door.call("PATCH", at, content=data[4:], headers={"upload-offset": "4"})
    assert rest.status_code == 200, rest.text
    return door.call("POST", f"{at}/finish")


def test_a_file_that_failed_in_one_request_leaves_the_upload_in_pieces(door: Door, data: bytes) -> None:
    digest = digest_of(data)
    upload = _started(door, data)
    before = door.rows()
    failed = door.call("PUT", f"blobs/{digest}", content=b"x" * len(data))
    assert_problem(failed, 400, "digest_mismatch")
    assert door.rows() == before
    assert _finished(door, data, upload).status_code == 201


def test_a_file_that_came_in_one_request_leaves_the_upload_in_pieces(door: Door, data: bytes) -> None:
    digest = digest_of(data)
    upload = _started(door, data)
    assert door.call("PUT", f"blobs/{digest}", content=data).status_code == 201
    assert _finished(door, data, upload).json() == {"digest": digest, "size_bytes": len(data)}


def test_an_upload_in_pieces_begun_meanwhile_is_one_of_its_own(registry: Registry, data: bytes) -> None:
    digest, begun = Digest.of(data), []

    def arriving() -> Any:
        begun.append(uploads.start_upload(registry.db, registry.root, digest, len(data), 1 << 30))
        yield data

    uploads.receive_blob(registry.db, registry.blobs, registry.root, digest, arriving(), len(data), 1 << 30)
    (upload,) = begun
    assert registry.db.read(lambda tx: uploads.find_upload(tx, registry.root, upload.id)) == upload


def test_a_failing_request_takes_no_protection_from_another(registry: Registry, data: bytes) -> None:
    """Two send the same file at once; the collector comes after one of them failed."""
    digest = Digest.of(data)
    registry.send(registry.root, data)

    def failing() -> Any:
        raise ConnectionError("gone")
        yield

    def arriving() -> Any:
        with pytest.raises(ConnectionError):
            uploads.receive_blob(registry.db, registry.blobs, registry.root, digest, failing(), None, 1 << 30)
        retention.collect(registry.db, registry.blobs, registry.root, grace=-1, dry_run=False)
        assert registry.blobs.stat(digest) is not None
        yield data

    counted = uploads.receive_blob(
        registry.db, registry.blobs, registry.root, digest, arriving(), None, 1 << 30
    )
    assert counted == len(data)
