"""SQL of withheld bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from modelyard.db.statement import Statement
from modelyard.db.tables import actors, blobs, events, manifest_files, withheld_bytes
from modelyard.db.transaction import Transaction
from modelyard.domain.digest import Digest
from modelyard.domain.events import ContentWithheld
from modelyard.registry.withheld.nouns import Withheld, WithheldFile

_p = sa.bindparam


_TOLD_BY = (
    sa.select(sa.func.max(events.c.seq))
    .where(
        events.c.kind == ContentWithheld.kind,
        events.c.body.like(sa.literal('%"digest":"').concat(withheld_bytes.c.digest).concat('"%')),
    )
    .correlate(withheld_bytes)
    .scalar_subquery()
)
_COLUMNS = (
    withheld_bytes.c.digest,
    sa.func.coalesce(blobs.c.size_bytes, 0),
    *withheld_bytes.c["namespace", "holder", "path", "reason", "at"],
    actors.c.name,
    _TOLD_BY,
)
_ROWS = withheld_bytes.join(actors, actors.c.id == withheld_bytes.c.actor_id).outerjoin(
    blobs, blobs.c.digest == withheld_bytes.c.digest
)
_BY_DIGEST = Statement(sa.select(*_COLUMNS).select_from(_ROWS).where(withheld_bytes.c.digest == _p("digest")))
_OF_NAMESPACE = Statement(
    sa.select(*_COLUMNS)
    .select_from(_ROWS)
    .where(withheld_bytes.c.namespace == _p("namespace"))
    .order_by(withheld_bytes.c.at.desc(), withheld_bytes.c.digest)
    .limit(1000)
)
_OF_MANIFEST = Statement(
    sa.select(manifest_files.c.path, *_COLUMNS)
    .select_from(_ROWS.join(manifest_files, manifest_files.c.digest == withheld_bytes.c.digest))
    .where(manifest_files.c.manifest_id == _p("manifest_id"))
    .order_by(manifest_files.c.position)
)


def _withheld(row: Sequence[Any]) -> Withheld:
    return Withheld(Digest(row[0]), *row[1:])


def find_withheld(tx: Transaction, digest: Digest) -> Withheld | None:
    row = tx.one(_BY_DIGEST, digest=digest)
    return _withheld(row) if row else None


def list_withheld(tx: Transaction, namespace: str) -> list[Withheld]:
    """List withholdings that were requested for a file of this namespace, newest first."""
    return [_withheld(row) for row in tx.all(_OF_NAMESPACE, namespace=namespace)]


def list_files(tx: Transaction, manifest_id: int) -> list[WithheldFile]:
    """List the withheld files of a version, by path."""
    return [WithheldFile(row[0], _withheld(row[1:])) for row in tx.all(_OF_MANIFEST, manifest_id=manifest_id)]
