"""SQL of scans: pending bytes, findings, and what a namespace serves and trusts."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.statement import Statement
from modelyard.db.tables import (
    actors,
    blobs,
    manifest_files,
    manifests,
    models,
    namespaces,
    scan_trusts,
    versions,
)
from modelyard.db.tables.uploads import LIVE, WITHHELD
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.digest import Digest
from modelyard.domain.scanning.verdicts import RULES_VERSION
from modelyard.registry.scan.nouns import TrustedGlobal

_p = sa.bindparam

_FILES = Statement(
    sa.select(manifest_files.c.path, blobs.c.scan)
    .select_from(manifest_files.outerjoin(blobs, blobs.c.digest == manifest_files.c.digest))
    .where(manifest_files.c.manifest_id == _p("manifest_id"))
    .order_by(manifest_files.c.position)
)


def list_files(tx: Transaction, manifest_id: int) -> list[tuple[str, str | None]]:
    """List (path, scan) of each file; deleted bytes count as scanned and empty."""
    return [(path, scan) for path, scan in tx.all(_FILES, manifest_id=manifest_id)]


def list_digests(tx: Transaction, manifest_id: int) -> list[Digest]:
    """List the digests of files whose bytes are stored, each once."""
    query = (
        sa.select(manifest_files.c.digest)
        .join(blobs, blobs.c.digest == manifest_files.c.digest)
        .where(manifest_files.c.manifest_id == manifest_id)
        .order_by(manifest_files.c.digest)
        .distinct()
    )
    return [Digest(row[0]) for row in tx.rows(query)]


def find_scan(tx: Transaction, digest: Digest) -> tuple[str | None, str] | None:
    """Return (the scan, in the form for rules.read_file; the state of the bytes). None: unknown bytes."""
    row = tx.execute(sa.select(blobs.c.scan, blobs.c.state).where(blobs.c.digest == digest)).first()
    return (row[0], row[1]) if row else None


def list_manifests_with(tx: Transaction, digest: Digest) -> list[int]:
    query = sa.select(manifest_files.c.manifest_id).where(manifest_files.c.digest == digest).distinct()
    return [row[0] for row in tx.rows(query)]


def list_paths(tx: Transaction, digest: Digest) -> list[str]:
    """List all paths of the bytes in versions."""
    query = sa.select(manifest_files.c.path).where(manifest_files.c.digest == digest).distinct()
    return [row[0] for row in tx.rows(query)]


def is_named(tx: Transaction, manifest_id: int) -> bool:
    """Return whether a version that is not deleted has these files."""
    query = (
        sa.select(versions.c.id)
        .where(versions.c.manifest_id == manifest_id, versions.c.state != "deleted")
        .limit(1)
    )
    return tx.execute(query).first() is not None


def set_state(tx: Transaction, manifest_id: int, state: str) -> None:
    tx.execute(manifests.update().where(manifests.c.id == manifest_id).values(scan=state))


# --- waiting scans --------------------------------------------------------------------------------------


def list_pending(tx: Transaction, per_namespace: int) -> list[tuple[int, str, int]]:
    """List (manifest, namespace, time since which it waits) of versions that are not completely scanned.

    The oldest ones of each namespace come first.
    """
    place = (
        sa.func.row_number()
        .over(partition_by=namespaces.c.name, order_by=sa.func.min(versions.c.id))
        .label("place")
    )
    ranked = (
        sa.select(manifests.c.id, namespaces.c.name, sa.func.min(versions.c.created_at).label("since"), place)
        .select_from(
            manifests.join(versions, versions.c.manifest_id == manifests.c.id)
            .join(models, models.c.id == versions.c.model_id)
            .join(namespaces, namespaces.c.id == models.c.namespace_id)
        )
        .where(manifests.c.scan == "pending")
        .group_by(manifests.c.id, namespaces.c.name)
        .subquery()
    )
    query = (
        sa.select(ranked.c.id, ranked.c.name, ranked.c.since)
        .where(ranked.c.place <= per_namespace)
        .order_by(ranked.c.place, ranked.c.id)
    )
    return [(row[0], row[1], row[2]) for row in tx.rows(query)]


def list_unread(tx: Transaction, manifest_id: int) -> list[Digest]:
    query = (
        sa.select(manifest_files.c.digest)
        .join(blobs, blobs.c.digest == manifest_files.c.digest)
        .where(manifest_files.c.manifest_id == manifest_id, blobs.c.scan.is_(None), blobs.c.state != WITHHELD)
        .distinct()
    )
    return [Digest(row[0]) for row in tx.rows(query)]


def list_outdated(tx: Transaction, limit: int) -> list[Digest]:
    """List bytes whose verdict is by older rules."""
    query = (
        sa.select(blobs.c.digest)
        .where(blobs.c.scan_rules < RULES_VERSION, blobs.c.scan.is_not(None), blobs.c.state == LIVE)
        .limit(limit)
    )
    return [Digest(row[0]) for row in tx.rows(query)]


# --- what a namespace serves and trusts --------------------------------------------------------------


def serves_unknown(tx: Transaction, namespace: str) -> bool:
    query = sa.select(namespaces.c.serve_unknown).where(namespaces.c.name == namespace)
    return bool(tx.execute(query).scalar_one_or_none())


def set_serve_unknown(tx: Transaction, namespace_id: int, serve: bool) -> None:
    tx.execute(namespaces.update().where(namespaces.c.id == namespace_id).values(serve_unknown=int(serve)))


_confirmers = actors.alias("confirmers")
_TRUSTED = (
    sa.select(
        *scan_trusts.c["name", "reason", "at"],
        actors.c.name,
        scan_trusts.c.alone,
        _confirmers.c.name,
    )
    .select_from(
        scan_trusts.join(actors, actors.c.id == scan_trusts.c.actor_id)
        .outerjoin(_confirmers, _confirmers.c.id == scan_trusts.c.confirmed_by)
        .join(namespaces, namespaces.c.id == scan_trusts.c.namespace_id)
    )
    .order_by(scan_trusts.c.name)
)


def list_trusted(tx: Transaction, namespace: str, names: Iterable[str] | None = None) -> list[TrustedGlobal]:
    """List trusted globals. names: only these; None: all."""
    query = _TRUSTED.where(namespaces.c.name == namespace)
    if names is not None:
        query = query.where(scan_trusts.c.name.in_(list(names)))
    return [TrustedGlobal(row[0], row[1], row[2], row[3], bool(row[4]), row[5]) for row in tx.rows(query)]


def insert_trust(
    tx: Transaction, actor: Actor, namespace_id: int, name: str, reason: str, *, alone: bool
) -> bool:
    """Store a trusted global. Returns False if it is trusted already."""
    insert = (
        postgresql.insert(scan_trusts)
        .values(
            namespace_id=namespace_id, name=name, reason=reason, at=tx.now, actor_id=actor.id, alone=int(alone)
        )
        .on_conflict_do_nothing(index_elements=["namespace_id", "name"])
        .returning(scan_trusts.c.name)
    )
    return tx.execute(insert).first() is not None


def confirm_trust(tx: Transaction, actor: Actor, namespace_id: int, name: str) -> None:
    tx.execute(
        scan_trusts.update()
        .where(scan_trusts.c.namespace_id == namespace_id, scan_trusts.c.name == name)
        .values(confirmed_by=actor.id)
    )


def delete_trust(tx: Transaction, namespace_id: int, name: str) -> bool:
    where = (scan_trusts.c.namespace_id == namespace_id, scan_trusts.c.name == name)
    return tx.execute(scan_trusts.delete().where(*where)).rowcount > 0
