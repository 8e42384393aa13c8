"""Turn a client's bytes into a blob that manifests may name."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from modelyard.blobs.store import BlobStore, Chunk
from modelyard.db.engine import Database
from modelyard.db.tables.uploads import DELETING, WITHHELD
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    BlobBeingCollected,
    BytesWithheld,
    InvalidRequest,
    OffsetMismatch,
    SizeMismatch,
    TooLarge,
    UploadNotFound,
)
from modelyard.domain.scanning import Skim, needs_scan
from modelyard.domain.secrets import find_secrets, is_text
from modelyard.domain.times import MICROSECONDS
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.scan.rules import scan_text
from modelyard.registry.uploads import queries
from modelyard.registry.uploads.nouns import Upload
from modelyard.registry.withheld.refusals import bytes_withheld

UPLOAD_LIFETIME = 7 * 86_400 * MICROSECONDS
"""An upload that is not touched for a week is swept."""


def find_missing(
    tx: Transaction,
    actor: Actor,
    wanted: Mapping[Digest, int],
    namespace: str | None = None,
    announced_bytes: int = 0,
) -> list[Digest]:
    """Return which of these bytes the actor must send, in the order given.

    wanted: digest → size in bytes. namespace: where a version of `announced_bytes` is registered next; None: not
    announced. The grace period of present bytes restarts, so that a registration within it finds them. Raises
    SizeMismatch for known bytes of another size, BytesWithheld, QuotaExceeded if something must be sent in vain.
    """
    require_sender(actor)
    tx.expect_rows(len(wanted))
    known = queries.find_known_sizes(tx, actor, wanted)
    for digest, size in known.items():
        if wanted[digest] != size:
            raise SizeMismatch(actual=size, expected=wanted[digest], digest=digest)
    missing = [digest for digest in wanted if digest not in known]
    if missing and namespace is not None:
        catalog.refuse_announced(tx, actor, namespace, announced_bytes)
    queries.touch_blobs(tx, known)
    return missing


def require_sender(actor: Actor) -> None:
    """Require a signed-in caller. Every account may send bytes; its rights are checked when a manifest names them."""
    access.check(
        actor, Permission.NAMESPACE_READ, access.SERVER if actor.scope.namespace is None else _scoped(actor)
    )


def _scoped(actor: Actor) -> access.Place:
    return replace(access.SERVER, namespace=actor.scope.namespace, model=actor.scope.model)


def start_upload(db: Database, actor: Actor, digest: Digest, size_bytes: int, max_file_bytes: int) -> Upload:
    """Start a resumable upload, or return the actor's open upload of the same bytes.

    Raises TooLarge.
    """
    require_sender(actor)
    _check_size(size_bytes, max_file_bytes)

    def work(tx: Transaction) -> Upload:
        expires_at = tx.now + UPLOAD_LIFETIME
        found = queries.find_upload_of(tx, actor, digest, size_bytes)
        if found is not None:
            queries.extend_upload(tx, found.id, expires_at)
            return found
        upload = Upload(uuid.uuid4().hex, actor.id, digest, size_bytes, expires_at, actor.scope.key)
        queries.insert_upload(tx, upload)
        return upload

    return db.write(work)


def _check_size(size_bytes: int, max_file_bytes: int) -> None:
    if size_bytes < 0:
        raise InvalidRequest(reason="the size is negative")
    if size_bytes > max_file_bytes:
        raise TooLarge(what="the file", actual=size_bytes, limit=max_file_bytes, setting="max_file_bytes")


def find_upload(tx: Transaction, actor: Actor, upload_id: str) -> Upload:
    """Find an upload. Raises UploadNotFound, also for somebody else's upload or one begun with another scope."""
    upload = queries.find_upload(tx, upload_id)
    mine = upload is not None and (upload.actor_id, upload.scope) == (actor.id, actor.scope.key)
    if upload is None or not mine or upload.expires_at <= tx.now:
        raise UploadNotFound(upload=upload_id[:64])
    return upload


def append_bytes(blobs: BlobStore, upload: Upload, offset: int, chunks: Iterable[Chunk]) -> int:
    """Add bytes at `offset`; return the new offset. Raises OffsetMismatch, SizeMismatch."""
    staged = blobs.stage(upload.id)
    present = staged.size()
    if offset != present:
        raise OffsetMismatch(actual=present, expected=offset)
    return staged.append(_no_more_than(chunks, upload.size_bytes - present, upload.size_bytes))


def _no_more_than(chunks: Iterable[Chunk], room: int, announced: int) -> Iterable[Chunk]:
    for chunk in chunks:
        room -= len(chunk)
        if room < 0:
            raise SizeMismatch(actual=announced - room, expected=announced)
        yield chunk


def finish_upload(db: Database, blobs: BlobStore, actor: Actor, upload: Upload) -> int:
    """Turn a complete upload into a blob. Returns its size in bytes.

    Raises DigestMismatch or SizeMismatch (the upload is kept, so the client can continue or discard it),
    BlobBeingCollected (try again), BytesWithheld (nothing of them is kept), DiskFull.
    """
    try:
        db.read(lambda tx: _refuse_unwanted(tx, upload.digest))
    except BytesWithheld:
        discard_upload(db, blobs, upload)
        raise
    staged = blobs.stage(upload.id)
    staged.commit(upload.digest, upload.size_bytes)
    db.write(lambda tx: _record_blob(tx, actor, upload))
    staged.discard()
    return upload.size_bytes


def receive_blob(
    db: Database,
    blobs: BlobStore,
    actor: Actor,
    digest: Digest,
    chunks: Iterable[Chunk],
    size_bytes: int | None,
    max_file_bytes: int,
) -> int:
    """Store a blob from one request, for files small enough to send again. Returns the counted size in bytes.

    The actor's open upload of the same bytes, and other requests with them, are not affected. Raises BytesWithheld.
    """
    require_sender(actor)
    if size_bytes is not None:
        _check_size(size_bytes, max_file_bytes)
    upload = db.write(lambda tx: _start_request(tx, actor, digest))
    seen = _Seen(_limited(chunks, max_file_bytes))
    try:
        db.read(lambda tx: _refuse_unwanted(tx, digest))
        counted = blobs.put(seen, digest, size_bytes)
    except BaseException:
        db.write(lambda tx: queries.delete_upload(tx, upload.id))
        raise
    done = replace(upload, size_bytes=counted)
    db.write(lambda tx: _record_blob(tx, actor, done, scan=seen.scan(counted)))
    return counted


def _start_request(tx: Transaction, actor: Actor, digest: Digest) -> Upload:
    """Store the row that protects the bytes from the collector during one request. No other request finds it."""
    expires_at = tx.now + UPLOAD_LIFETIME
    upload = Upload(uuid.uuid4().hex, actor.id, digest, queries.OF_ONE_REQUEST, expires_at, actor.scope.key)
    queries.insert_upload(tx, upload)
    return upload


class _Seen:
    """Chunks in transit, of which a skim is kept. For most files it shows that they contain no code, so they need not be
    opened at registration."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._chunks = chunks
        self._skim = Skim()

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in self._chunks:
            self._skim.feed(chunk)
            yield chunk

    def scan(self, size_bytes: int) -> str | None:
        """Return the scan to store if the skim is enough for it; None: the file must be opened."""
        head = self._skim.head
        if size_bytes != self._skim.size_bytes or needs_scan(self._skim):
            return None
        if not is_text(head):
            return ""
        is_whole = size_bytes <= len(head)
        return scan_text(None, find_secrets(head.decode("utf-8", "replace"))) if is_whole else None


def _limited(chunks: Iterable[Chunk], limit: int) -> Iterable[Chunk]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limit:
            raise TooLarge(what="the file", actual=f"more than {limit}", limit=limit, setting="max_file_bytes")
        yield chunk


def discard_upload(db: Database, blobs: BlobStore, upload: Upload) -> None:
    blobs.stage(upload.id).discard()
    db.write(lambda tx: queries.delete_upload(tx, upload.id))


def count_expired(tx: Transaction) -> int:
    """Count the uploads that the next sweep deletes."""
    return len(queries.list_expired_uploads(tx))


def sweep_uploads(db: Database, blobs: BlobStore) -> int:
    """Delete uploads that were not touched for their lifetime. Returns how many."""
    expired = db.read(queries.list_expired_uploads)
    for upload_id in expired:
        blobs.stage(upload_id).discard()

    def forget(tx: Transaction) -> None:
        for upload_id in expired:
            queries.delete_upload(tx, upload_id)

    if expired:
        db.write(forget)
    return len(expired)


def _refuse_unwanted(tx: Transaction, digest: Digest) -> None:
    """Raise BytesWithheld or BlobBeingCollected."""
    known = queries.find_state(tx, digest)
    if known is not None and known[0] == WITHHELD:
        raise bytes_withheld(tx, digest)
    if known is not None and known[0] == DELETING:
        raise BlobBeingCollected(digest=digest)


def _record_blob(tx: Transaction, actor: Actor, upload: Upload, scan: str | None = None) -> None:
    if not queries.upsert_blob(tx, upload.digest, upload.size_bytes, scan):
        # Withheld or marked while the bytes arrived; the next collection deletes them from the store.
        _refuse_unwanted(tx, upload.digest)
        raise BlobBeingCollected(digest=upload.digest)
    queries.note_sender(tx, upload.digest, actor)
    queries.delete_upload(tx, upload.id)


def sum_stored(tx: Transaction) -> tuple[int, int]:
    """Return (number, bytes) of the stored blobs for /metrics, whose door checks the permission."""
    return queries.sum_stored(tx)
