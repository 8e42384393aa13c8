"""The SQL of registering: numbers, versions, manifests, metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from modelyard.db.json_columns import JsonText
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    manifest_files,
    manifests,
    models,
    version_metrics,
    versions,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.digest import Digest
from modelyard.domain.manifest import Manifest
from modelyard.domain.record import Metric
from modelyard.registry.versions.nouns import EarlierVersion

_p = sa.bindparam


_FIND_MANIFEST = Statement(
    sa.select(manifests.c.id, manifests.c.format_facts, manifests.c.scan).where(
        manifests.c.digest == _p("digest")
    )
)
_INSERT_MANIFEST = Statement(
    manifests.insert()
    .values(
        digest=_p("digest"),
        body=_p("body"),
        size_bytes=_p("size_bytes"),
        file_count=_p("file_count"),
        format_facts=_p("format_facts"),
        scan=_p("scan"),
        created_at=_p("now"),
    )
    .returning(manifests.c.id)
)


_INSERT_FILE = Statement(
    manifest_files.insert().values(
        manifest_id=_p("manifest_id"),
        position=_p("position"),
        path=_p("path"),
        digest=_p("digest"),
        size_bytes=_p("size_bytes"),
    )
)


def find_manifest(tx: Transaction, digest: Digest) -> tuple[int, str, str] | None:
    """(id, JSON of the format facts, state of the scan)."""
    row = tx.one(_FIND_MANIFEST, digest=digest)
    return (row[0], row[1], row[2]) if row else None


def insert_manifest(tx: Transaction, manifest: Manifest, format_facts: str, scan: str) -> int:
    row = tx.one(
        _INSERT_MANIFEST,
        digest=manifest.digest,
        body=manifest.canonical_bytes.decode(),
        size_bytes=manifest.size_bytes,
        file_count=len(manifest.files),
        format_facts=format_facts,
        scan=scan,
        now=tx.now,
    )
    assert row is not None
    manifest_id = int(row[0])
    tx.run_many(
        _INSERT_FILE,
        [
            {
                "manifest_id": manifest_id,
                "position": position,
                "path": file.path,
                "digest": file.digest,
                "size_bytes": file.size_bytes,
            }
            for position, file in enumerate(manifest.files)
        ],
    )
    return manifest_id


_newest = versions.alias("newest")
_NEWEST_MANIFEST = (
    sa.select(_newest.c.manifest_id)
    .select_from(
        models.join(
            _newest, sa.and_(_newest.c.model_id == models.c.id, _newest.c.number == models.c.newest_version)
        )
    )
    .where(models.c.id == _p("model_id"))
    .scalar_subquery()
)
_WITH_THESE_FILES = (
    versions.c.model_id == _p("model_id"),
    versions.c.digest == _p("digest"),
    versions.c.state != "deleted",
)
# Two subqueries that each end at the first entry of an index; SQLite needs six times as long for their union.
_FIND_SAME = Statement(
    sa.select(
        versions.c.number,
        versions.c.record_digest,
        versions.c.state,
        versions.c.manifest_id,
        manifests.c.format_facts,
        manifests.c.scan,
        _NEWEST_MANIFEST,
        manifests.c.withheld,
    )
    .select_from(versions.join(manifests, manifests.c.id == versions.c.manifest_id))
    .where(
        versions.c.id
        == sa.func.coalesce(
            sa.select(versions.c.id)
            .where(*_WITH_THESE_FILES, versions.c.record_digest == _p("record_digest"))
            .order_by(versions.c.number)
            .limit(1)
            .scalar_subquery(),
            sa.select(versions.c.id).where(*_WITH_THESE_FILES).limit(1).scalar_subquery(),
        )
    )
)


def find_same(tx: Transaction, model_id: int, digest: Digest, record_digest: Digest) -> EarlierVersion | None:
    """The first version with these files and this record, else any with these files; none that is deleted.

    What a version of the model has is here and readable for the person who may register in it.
    """
    row = tx.one(_FIND_SAME, model_id=model_id, digest=digest, record_digest=record_digest)
    return (
        EarlierVersion(row[0], row[1], row[2], row[3], JsonText(row[4]), row[5], row[6], row[7])
        if row
        else None
    )


_TAKE_NUMBER = Statement(
    models.update()
    .where(models.c.id == _p("the_model"))
    .values(
        next_version=models.c.next_version + 1,
        newest_version=sa.case((_p("is_served") == 1, models.c.next_version), else_=models.c.newest_version),
        version_count=models.c.version_count + 1,
        framework=sa.case((_p("is_served") == 1, _p("framework")), else_=models.c.framework),
        licence=sa.case((_p("is_served") == 1, _p("licence")), else_=models.c.licence),
        updated_at=_p("now"),
    )
    .returning(models.c.next_version - 1)
)
_INSERT_VERSION = Statement(
    versions.insert()
    .values(
        model_id=_p("model_id"),
        number=_p("number"),
        manifest_id=_p("manifest_id"),
        digest=_p("digest"),
        record_digest=_p("record_digest"),
        record=_p("record"),
        state=_p("state"),
        description=_p("description"),
        created_at=_p("now"),
        created_by=_p("actor_id"),
        updated_at=_p("now"),
        quarantined=_p("quarantined"),
    )
    .returning(versions.c.id)
)


def take_number(
    tx: Transaction, model_id: int, framework: str | None, licence: str | None, *, is_served: bool
) -> int:
    """The model's next version number; is_served: it also becomes its newest, and speaks for the model."""
    row = tx.one(
        _TAKE_NUMBER,
        the_model=model_id,
        framework=framework,
        licence=licence,
        is_served=int(is_served),
        now=tx.now,
    )
    assert row is not None
    return int(row[0])


def insert_version(
    tx: Transaction,
    actor: Actor,
    *,
    model_id: int,
    number: int,
    manifest_id: int,
    digest: Digest,
    record_digest: Digest,
    record: str,
    state: str,
    description: str,
    quarantined: bool,
) -> int:
    row = tx.one(
        _INSERT_VERSION,
        model_id=model_id,
        number=number,
        manifest_id=manifest_id,
        digest=digest,
        record_digest=record_digest,
        record=record,
        state=state,
        description=description,
        quarantined=int(quarantined),
        now=tx.now,
        actor_id=actor.id,
    )
    assert row is not None
    return int(row[0])


_INSERT_METRIC = Statement(
    version_metrics.insert().values(
        version_id=_p("version_id"), name=_p("name"), split=_p("split"), value=_p("value")
    )
)


def insert_metrics(tx: Transaction, version_id: int, metrics: Iterable[Metric]) -> None:
    """Finite values only can be compared; of several datasets per split the first counts."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for m in metrics:
        value = m.value if math.isfinite(m.value) else None
        rows.setdefault(
            (m.name, m.split), {"version_id": version_id, "name": m.name, "split": m.split, "value": value}
        )
    tx.run_many(_INSERT_METRIC, list(rows.values()))
