"""Collect bytes that nothing needs, and check the bytes that are needed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

import msgspec

from modelyard.blobs.store import BlobStore, StoredBlob
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobCorrupt, BlobNotFound, InvalidRequest
from modelyard.domain.manifest import File, Manifest
from modelyard.domain.names import Ref
from modelyard.domain.times import MICROSECONDS, seconds, to_datetime, to_moment
from modelyard.registry.access import rules as access
from modelyard.registry.catalog.usecases import recount_use
from modelyard.registry.retention import queries
from modelyard.registry.uploads import usecases as uploads
from modelyard.registry.versions import usecases as versions
from modelyard.registry.withheld.queries import list_files as list_withheld_files

DEFAULT_GRACE = 86_400 * MICROSECONDS
LONGEST_GRACE_HOURS = 100 * 366 * 24
_PAGE = 500
logger = logging.getLogger(__name__)


class Collection(msgspec.Struct):
    """The result of a sweep, done or previewed."""

    blobs: int = 0
    size_bytes: int = 0
    orphans: int = 0
    """Number of `blobs` without a row: bytes left by a crash."""
    withheld: int = 0
    """Number of `blobs` that are withheld."""
    uploads: int = 0
    """Expired uploads."""
    dry_run: bool = True


class StorageUse(msgspec.Struct, frozen=True):
    """The stored bytes, each digest counted once."""

    blobs: int
    size_bytes: int
    damaged: int
    """Number of `blobs` that were found damaged."""


def show_use(tx: Transaction, actor: Actor) -> StorageUse:
    """Return how much is stored. Raises Denied for accounts that are not admins."""
    access.check(actor, Permission.SERVER_OPERATE, access.SERVER)
    return StorageUse(*queries.count_stored(tx))


def grace_of(hours: float | None, default_hours: float) -> int:
    """Return how long unused bytes are kept, in microseconds. hours None: the server's setting.

    Raises InvalidRequest.
    """
    if hours is not None and hours > LONGEST_GRACE_HOURS:
        raise InvalidRequest(
            reason=f"the grace period is longer than {LONGEST_GRACE_HOURS} hours", fix="Give fewer"
        )
    return seconds(3600 * (default_hours if hours is None else max(0.0, hours)))


def collect(
    db: Database, blobs: BlobStore, actor: Actor, *, grace: int = DEFAULT_GRACE, dry_run: bool
) -> Collection:
    """Delete the bytes that nothing needs. grace: microseconds since somebody last sent or asked for them.

    Safe while people push.
    """
    access.check(actor, Permission.SERVER_OPERATE, access.SERVER)
    return _plan(db, blobs, grace) if dry_run else _sweep(db, blobs, actor, grace)


def _plan(db: Database, blobs: BlobStore, grace: int) -> Collection:
    plan = Collection(uploads=db.read(uploads.count_expired))
    after = ""
    while page := db.read(partial(queries.list_unneeded, grace=grace, after=after, limit=_PAGE)):
        plan.blobs += len(page)
        plan.size_bytes += sum(size for _, size in page)
        after = page[-1][0]
    for _, size in _stored_withheld(db, blobs):
        plan.blobs += 1
        plan.withheld += 1
        plan.size_bytes += size
    for orphan in _orphans(db, blobs, grace):
        plan.blobs += 1
        plan.orphans += 1
        plan.size_bytes += orphan.size_bytes
    return plan


def _sweep(db: Database, blobs: BlobStore, actor: Actor, grace: int) -> Collection:
    done = Collection(dry_run=False)
    done.uploads = uploads.sweep_uploads(db, blobs)
    for digest, size in _stored_withheld(db, blobs):
        blobs.delete(digest)
        done.blobs += 1
        done.withheld += 1
        done.size_bytes += size
    _delete_marked(db, blobs, done)
    while db.write(partial(queries.mark_unneeded, grace=grace, limit=_PAGE)):
        _delete_marked(db, blobs, done)
    for orphan in _orphans(db, blobs, grace):
        if db.write(partial(queries.mark_orphan, digest=orphan.digest, size_bytes=orphan.size_bytes)):
            done.orphans += 1
            _delete_marked(db, blobs, done)
    horizon = to_datetime(db.clock() - uploads.UPLOAD_LIFETIME)
    blobs.sweep_staging(horizon)
    if done.blobs:
        db.write(
            lambda tx: tx.append(events.BytesCollected(blobs=done.blobs, size_bytes=done.size_bytes), actor)
        )
    return done


def _delete_marked(db: Database, blobs: BlobStore, done: Collection) -> None:
    while marked := db.read(lambda tx: queries.list_marked(tx, _PAGE)):
        for digest, size in marked:
            blobs.delete(digest)
            done.blobs += 1
            done.size_bytes += size
        db.write(partial(queries.forget, digests=[digest for digest, _ in marked]))


def _stored_withheld(db: Database, blobs: BlobStore) -> Iterator[tuple[Digest, int]]:
    """List withheld bytes in the store: their deletion was interrupted, or they came back."""
    after = ""
    while page := db.read(partial(queries.list_withheld, after=after, limit=_PAGE)):
        yield from ((digest, size) for digest, size in page if blobs.stat(digest) is not None)
        after = page[-1][0]


def _orphans(db: Database, blobs: BlobStore, grace: int) -> Iterator[StoredBlob]:
    """List bytes in the store without a row, older than the grace period."""
    horizon = db.clock() - grace
    page: list[StoredBlob] = []
    for stored in blobs.list():
        if to_moment(stored.modified_at) <= horizon:
            page.append(stored)
        if len(page) == _PAGE:
            yield from _unknown(db, page)
            page = []
    yield from _unknown(db, page)


def _unknown(db: Database, page: list[StoredBlob]) -> list[StoredBlob]:
    if not page:
        return []
    known = db.read(lambda tx: queries.find_known(tx, [stored.digest for stored in page]))
    return [stored for stored in page if stored.digest not in known]


# --- checking ----------------------------------------------------------------------------------------


class Damage(msgspec.Struct, frozen=True):
    digest: Digest
    problem: str
    """'missing' or 'corrupt'."""


class ScrubProgress(msgspec.Struct):
    checked: int
    size_bytes: int
    damage: list[Damage]
    finished: bool


def scrub(db: Database, blobs: BlobStore, actor: Actor) -> Iterator[ScrubProgress]:
    """Read all known bytes again; yield progress from time to time, and at the end.

    Damage is recorded, so that the next push of these bytes is asked to send them and repairs them.
    """
    access.check(actor, Permission.SERVER_OPERATE, access.SERVER)
    return _scrub(db, blobs)


def _scrub(db: Database, blobs: BlobStore) -> Iterator[ScrubProgress]:
    progress = ScrubProgress(0, 0, [], False)
    after = ""
    while page := db.read(partial(queries.list_blobs, after=after, limit=50)):
        healed = []
        before = len(progress.damage)
        for digest, size, was_damaged in page:
            damage = _verify(blobs, digest)
            if damage is not None:
                logger.error("blob %s is %s", damage.digest, damage.problem)
                progress.damage.append(damage)
            elif was_damaged:
                healed.append(digest)
            progress.checked += 1
            progress.size_bytes += size
        _note(db, [damage.digest for damage in progress.damage[before:]], is_damaged=True)
        _note(db, healed, is_damaged=False)
        after = page[-1][0]
        yield progress
    for counted in recount_use(db):
        logger.warning("the space that %s uses was counted wrong; it is corrected", counted)
    progress.finished = True
    yield progress


def verify_version(db: Database, blobs: BlobStore, actor: Actor, ref: Ref) -> list[tuple[str, str]]:
    """Read a version's stored bytes again: (path, 'missing' or 'corrupt') of each damaged file.

    Damage is recorded, as by `scrub`. Withheld files do not count as damaged.
    """

    def find(tx: Transaction) -> tuple[list[File], set[Digest]]:
        _, version, body = versions.read_manifest(tx, actor, ref)
        withheld = list_withheld_files(tx, version.manifest_id) if version.withheld else []
        return list(Manifest.from_bytes(body).files), {file.withheld.digest for file in withheld}

    files, withheld = db.read(find)
    damaged = []
    digests = []
    for file in files:
        if file.digest in withheld:
            continue
        damage = _verify(blobs, file.digest)
        if damage is not None:
            damaged.append((file.path, damage.problem))
            digests.append(file.digest)
    _note(db, digests, is_damaged=True)
    return damaged


def note_damaged(db: Database, digest: Digest) -> None:
    """Record that bytes were found damaged during a read, so that the next push of them repairs them."""
    _note(db, [digest], is_damaged=True)


def _note(db: Database, digests: list[Digest], *, is_damaged: bool) -> None:
    for start in range(0, len(digests), _PAGE):
        some = digests[start : start + _PAGE]
        db.write(partial(queries.set_damaged, digests=some, is_damaged=is_damaged))


def _verify(blobs: BlobStore, digest: Digest) -> Damage | None:
    try:
        blobs.verify(digest)
    except BlobNotFound:
        return Damage(digest, "missing")
    except BlobCorrupt:
        return Damage(digest, "corrupt")
    return None
