"""SQL of the collector."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.tables import (
    blob_facts,
    blob_senders,
    blobs,
    build_log_chunks,
    builds,
    dataset_versions,
    manifest_files,
    run_artifacts,
    schedules,
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
    built = sa.select(sa.literal(1)).where(builds.c.bundle == blobs.c.digest)
    scheduled = sa.select(sa.literal(1)).where(schedules.c.bundle == blobs.c.digest)
    chunk = sa.select(sa.literal(1)).where(build_log_chunks.c.digest == blobs.c.digest)
    return sa.and_(
        blobs.c.touched_at < tx.now - grace,
        ~sa.exists(named),
        ~sa.exists(logged.correlate(blobs)),
        ~sa.exists(profile.correlate(blobs)),
        ~sa.exists(built.correlate(blobs)),
        ~sa.exists(chunk.correlate(blobs)),
        ~sa.exists(scheduled.correlate(blobs)),
        ~sa.exists(coming.correlate(blobs)),
    )


def list_unneeded(tx: Transaction, grace: int, after: str, limit: int) -> list[tuple[Digest, int]]:
    """List (digest, size in bytes) of bytes that may be deleted, by digest after `after`."""
    query = (
        sa.select(blobs.c.digest, blobs.c.size_bytes)
        .where(_IS_KEPT, blobs.c.digest > after, _unneeded(tx, grace))
        .order_by(blobs.c.digest)
        .limit(limit)
    )
    return [(Digest(digest), size) for digest, size in tx.rows(query)]


def mark_unneeded(tx: Transaction, grace: int, limit: int) -> int:
    """Mark bytes that may be deleted. Returns how many were marked now."""
    some = sa.select(blobs.c.digest).where(_IS_KEPT, _unneeded(tx, grace)).limit(limit)
    done = tx.execute(blobs.update().where(blobs.c.digest.in_(some)).values(state=DELETING))
    return done.rowcount


def mark_orphan(tx: Transaction, digest: Digest, size_bytes: int) -> bool:
    """Mark bytes without a row. Returns False if a row or an open upload has appeared in the meantime."""
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
    """List (digest, size in bytes) of withheld bytes, by digest after `after`; their rows are never deleted."""
    query = (
        sa.select(blobs.c.digest, blobs.c.size_bytes)
        .where(blobs.c.state == WITHHELD, blobs.c.digest > after)
        .order_by(blobs.c.digest)
        .limit(limit)
    )
    return [(Digest(digest), size) for digest, size in tx.rows(query)]


def forget(tx: Transaction, digests: Iterable[Digest]) -> None:
    """Delete the rows of deleted bytes."""
    gone = list(digests)
    for table in (blob_senders, blob_facts):
        tx.execute(table.delete().where(table.c.digest.in_(gone)))
    tx.execute(blobs.delete().where(blobs.c.digest.in_(gone), blobs.c.state == DELETING))


def count_stored(tx: Transaction) -> tuple[int, int, int]:
    """Return (number of kept blobs, their size in bytes, number of damaged ones)."""
    is_damaged = sa.case((blobs.c.state == DAMAGED, 1), else_=0)
    query = sa.select(
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(blobs.c.size_bytes), 0),
        sa.func.coalesce(sa.func.sum(is_damaged), 0),
    ).where(_IS_KEPT)
    count, size_bytes, damaged = tx.execute(query).one()
    return int(count), int(size_bytes), int(damaged)


def list_blobs(tx: Transaction, after: str, limit: int) -> list[tuple[Digest, int, bool]]:
    """List (digest, size in bytes, whether damaged) of all known bytes, by digest after `after`."""
    query = (
        sa.select(blobs.c.digest, blobs.c.size_bytes, blobs.c.state)
        .where(_IS_KEPT, blobs.c.digest > after)
        .order_by(blobs.c.digest)
        .limit(limit)
    )
    return [(Digest(digest), size, state == DAMAGED) for digest, size, state in tx.rows(query)]


def set_damaged(tx: Transaction, digests: Iterable[Digest], is_damaged: bool) -> None:
    """Record the result of a check of the bytes; bytes that are being collected stay unchanged."""
    before, after = (LIVE, DAMAGED) if is_damaged else (DAMAGED, LIVE)
    some = list(digests)
    tx.execute(blobs.update().where(blobs.c.digest.in_(some), blobs.c.state == before).values(state=after))


def find_known(tx: Transaction, digests: Iterable[Digest]) -> set[Digest]:
    query = sa.select(blobs.c.digest).where(blobs.c.digest.in_(list(digests)))
    return {Digest(row[0]) for row in tx.rows(query)}
