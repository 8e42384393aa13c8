"""SQL of the collector."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.tables import (
    blob_facts,
    blob_senders,
    blobs,
    dataset_versions,
    manifest_files,
    run_artifacts,
    uploads,
    versions,
)
from modelyard.db.tables.uploads import DAMAGED, DELETING, KEPT, LIVE, WITHHELD
from modelyard.db.transaction import Transaction
from modelyard.domain.digest import Digest

_IS_KEPT = blobs.c.state.in_(KEPT)


def _unneeded(tx: Transaction, grace: int) -> sa.ColumnElement[bool]:
    named = (
        sa.select(sa.literal(1))
        .select_from(manifest_files.join(versions, versions.c.manifest_id == manifest_files.c.manifest_id))
        .where(manifest_files.c.digest == blobs.c.digest, versions.c.state != "deleted")
        .correlate(blobs)
    )
    logged = sa.select(sa.literal(1)).where(run_artifacts.c.digest == blobs.c.digest)
    coming = sa.select(sa.literal(1)).where(uploads.c.digest == blobs.c.digest, uploads.c.expires_at > tx.now)
    profile = sa.select(sa.literal(1)).where(dataset_versions.c.profile == blobs.c.digest)
    return sa.and_(
        blobs.c.touched_at < tx.now - grace,
        ~sa.exists(named),
        ~sa.exists(logged.correlate(blobs)),
        ~sa.exists(profile.correlate(blobs)),
        ~sa.exists(coming.correlate(blobs)),
    )


def list_unneeded(tx: Transaction, grace: int, after: str, limit: int) -> list[tuple[Digest, int]]:
    """(digest, size in bytes) of bytes that may go, by digest after `after`."""
    query = (
        sa.select(blobs.c.digest, blobs.c.size_bytes)
        .where(_IS_KEPT, blobs.c.digest > after, _unneeded(tx, grace))
        .order_by(blobs.c.digest)
        .limit(limit)
    )
    return [(Digest(digest), size) for digest, size in tx.rows(query)]


def mark_unneeded(tx: Transaction, grace: int, limit: int) -> int:
    """Mark bytes that may go; returns how many were marked now."""
    some = sa.select(blobs.c.digest).where(_IS_KEPT, _unneeded(tx, grace)).limit(limit)
    done = tx.execute(blobs.update().where(blobs.c.digest.in_(some)).values(state=DELETING))
    return done.rowcount


def mark_orphan(tx: Transaction, digest: Digest, size_bytes: int) -> bool:
    """Mark bytes that no row knows; False when a row or an open upload has come meanwhile."""
    coming = sa.select(uploads.c.id).where(uploads.c.digest == digest, uploads.c.expires_at > tx.now)
    if tx.execute(coming).first() is not None:
        return False
    insert = (
        postgresql.insert(blobs)
        .values(digest=digest, size_bytes=size_bytes, state=DELETING, created_at=tx.now, touched_at=tx.now)
        .on_conflict_do_nothing(index_elements=["digest"])
        .returning(blobs.c.digest)
    )
    return tx.execute(insert).first() is not None


def list_marked(tx: Transaction, limit: int) -> list[tuple[Digest, int]]:
    query = sa.select(blobs.c.digest, blobs.c.size_bytes).where(blobs.c.state == DELETING).limit(limit)
    return [(Digest(digest), size) for digest, size in tx.rows(query)]


def list_withheld(tx: Transaction, after: str, limit: int) -> list[tuple[Digest, int]]:
    """(digest, size in bytes) of what is withheld, by digest after `after`; the rows stay for good."""
    query = (
        sa.select(blobs.c.digest, blobs.c.size_bytes)
        .where(blobs.c.state == WITHHELD, blobs.c.digest > after)
        .order_by(blobs.c.digest)
        .limit(limit)
    )
    return [(Digest(digest), size) for digest, size in tx.rows(query)]


def forget(tx: Transaction, digests: Iterable[Digest]) -> None:
    """Delete the rows of bytes that are gone."""
    gone = list(digests)
    for table in (blob_senders, blob_facts):
        tx.execute(table.delete().where(table.c.digest.in_(gone)))
    tx.execute(blobs.delete().where(blobs.c.digest.in_(gone), blobs.c.state == DELETING))


def list_blobs(tx: Transaction, after: str, limit: int) -> list[tuple[Digest, int, bool]]:
    """(digest, size in bytes, whether it was found damaged) of all known bytes, by digest after `after`."""
    query = (
        sa.select(blobs.c.digest, blobs.c.size_bytes, blobs.c.state)
        .where(_IS_KEPT, blobs.c.digest > after)
        .order_by(blobs.c.digest)
        .limit(limit)
    )
    return [(Digest(digest), size, state == DAMAGED) for digest, size, state in tx.rows(query)]


def set_damaged(tx: Transaction, digests: Iterable[Digest], is_damaged: bool) -> None:
    """Note what a check of the bytes found; what is being collected stays as it is."""
    before, after = (LIVE, DAMAGED) if is_damaged else (DAMAGED, LIVE)
    some = list(digests)
    tx.execute(blobs.update().where(blobs.c.digest.in_(some), blobs.c.state == before).values(state=after))


def find_known(tx: Transaction, digests: Iterable[Digest]) -> set[Digest]:
    query = sa.select(blobs.c.digest).where(blobs.c.digest.in_(list(digests)))
    return {Digest(row[0]) for row in tx.rows(query)}
