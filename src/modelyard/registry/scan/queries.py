"""SQL of scans: what is pending, what was found, what a namespace trusts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.statement import Statement
from modelyard.db.tables import actors, blobs, manifest_files, manifests, namespaces, scan_trusts, versions
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.digest import Digest

_p = sa.bindparam

_FILES = Statement(
    sa.select(manifest_files.c.path, blobs.c.scan)
    .select_from(manifest_files.outerjoin(blobs, blobs.c.digest == manifest_files.c.digest))
    .where(manifest_files.c.manifest_id == _p("manifest_id"))
    .order_by(manifest_files.c.position)
)


def list_files(tx: Transaction, manifest_id: int) -> list[tuple[str, str | None]]:
    """(path, scan) of each file; bytes that are gone count as read and empty."""
    return [(path, scan) for path, scan in tx.all(_FILES, manifest_id=manifest_id)]


def list_digests(tx: Transaction, manifest_id: int, *, unread_only: bool = False) -> list[tuple[Digest, str]]:
    """(digest, path), each digest once."""
    query = (
        sa.select(manifest_files.c.digest, sa.func.min(manifest_files.c.path))
        .select_from(manifest_files.join(blobs, blobs.c.digest == manifest_files.c.digest))
        .where(manifest_files.c.manifest_id == manifest_id)
        .group_by(manifest_files.c.digest)
        .order_by(manifest_files.c.digest)
    )
    if unread_only:
        query = query.where(blobs.c.scan.is_(None))
    return [(Digest(digest), path) for digest, path in tx.rows(query)]


_PENDING = Statement(
    sa.select(manifests.c.id)
    .where(manifests.c.scan == sa.literal_column("'pending'"))
    .order_by(manifests.c.id.desc())
    .limit(_p("limit"))
)


def list_pending(tx: Transaction, limit: int) -> list[int]:
    """Manifests that were not looked into whole, the newest first."""
    return [row[0] for row in tx.all(_PENDING, limit=limit)]


def is_named(tx: Transaction, manifest_id: int) -> bool:
    """Whether a version that is not deleted has these files."""
    query = (
        sa.select(versions.c.id)
        .where(versions.c.manifest_id == manifest_id, versions.c.state != "deleted")
        .limit(1)
    )
    return tx.execute(query).first() is not None


def set_state(tx: Transaction, manifest_id: int, state: str) -> None:
    tx.execute(manifests.update().where(manifests.c.id == manifest_id).values(scan=state))


# --- trust -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trusted:
    name: str
    reason: str
    at: int
    by: str


def list_trusted(tx: Transaction, namespace_id: int) -> list[Trusted]:
    query = (
        sa.select(scan_trusts.c.name, scan_trusts.c.reason, scan_trusts.c.at, actors.c.name)
        .join(actors, actors.c.id == scan_trusts.c.actor_id)
        .where(scan_trusts.c.namespace_id == namespace_id)
        .order_by(scan_trusts.c.name)
    )
    return [Trusted(*row) for row in tx.rows(query)]


def find_trusted_names(tx: Transaction, namespace: str, names: Iterable[str]) -> set[str]:
    query = (
        sa.select(scan_trusts.c.name)
        .join(namespaces, namespaces.c.id == scan_trusts.c.namespace_id)
        .where(namespaces.c.name == namespace, scan_trusts.c.name.in_(list(names)))
    )
    return {row[0] for row in tx.rows(query)}


def insert_trust(tx: Transaction, actor: Actor, namespace_id: int, name: str, reason: str) -> bool:
    """False when it is trusted already."""
    insert = (
        postgresql.insert(scan_trusts)
        .values(namespace_id=namespace_id, name=name, reason=reason, at=tx.now, actor_id=actor.id)
        .on_conflict_do_nothing(index_elements=["namespace_id", "name"])
        .returning(scan_trusts.c.name)
    )
    return tx.execute(insert).first() is not None


def delete_trust(tx: Transaction, namespace_id: int, name: str) -> bool:
    where = (scan_trusts.c.namespace_id == namespace_id, scan_trusts.c.name == name)
    return tx.execute(scan_trusts.delete().where(*where)).rowcount > 0
