"""The SQL of registering: numbers, versions, manifests, metrics."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.json_columns import JsonText
from modelyard.db.lists import is_one_of
from modelyard.db.parameters import named
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    blobs,
    build_attempts,
    builds,
    manifest_files,
    manifests,
    models,
    version_months,
    versions,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.manifest import Manifest
from modelyard.domain.times import month_of
from modelyard.registry.uploads.queries import chunked
from modelyard.registry.versions.labels import Labels
from modelyard.registry.versions.nouns import EarlierVersion, StoredManifest

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
    """Return (id, JSON of the format facts, state of the scan)."""
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


_WITH_THESE_FILES = (
    versions.c.model_id == _p("model_id"),
    versions.c.digest == _p("digest"),
    versions.c.state != "deleted",
)
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


def _find_same(*more: sa.ColumnElement[Any]) -> Statement:
    # Two subqueries that each end at the first entry of an index; SQLite needs six times as long for their union.
    return Statement(
        sa.select(
            versions.c.number,
            versions.c.record_digest,
            versions.c.state,
            versions.c.manifest_id,
            manifests.c.format_facts,
            manifests.c.scan,
            manifests.c.withheld,
            *more,
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


_FIND_SAME = _find_same()
_FIND_SAME_AND_NEWEST = _find_same(_NEWEST_MANIFEST)


def find_same(tx: Transaction, model_id: int, digest: Digest, record_digest: Digest) -> EarlierVersion | None:
    """Return the first version with these files and this record, otherwise one with these files; never a deleted one.

    The bytes of a model's version are stored, and everybody who may register in the model may read them.
    """
    newest = tx.waiting(_COUNT_IN_MODEL, model_id).get("manifest")
    statement = _FIND_SAME_AND_NEWEST if newest is None else _FIND_SAME
    row = tx.one(statement, model_id=model_id, digest=digest, record_digest=record_digest)
    if row is None:
        return None
    newest = row[7] if newest is None else newest
    return EarlierVersion(row[0], row[1], row[2], row[3], JsonText(row[4]), row[5], row[6], newest)


# None: no version of the batch is served.
_served_number = _p("newest", None, sa.Integer)
_is_served = _served_number.isnot(None)
_COUNT_IN_MODEL = Statement(
    models.update()
    .where(models.c.id == _p("the_model"))
    .values(
        next_version=models.c.next_version + _p("registered"),
        newest_version=sa.case((_is_served, _served_number), else_=models.c.newest_version),
        version_count=models.c.version_count + _p("registered"),
        version_bytes=models.c.version_bytes + _p("size_bytes"),
        framework=sa.case((_is_served, _p("framework", None, sa.Text)), else_=models.c.framework),
        licence=sa.case((_is_served, _p("licence", None, sa.Text)), else_=models.c.licence),
        updated_at=_p("now"),
    )
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
        semver=_p("semver"),
        pull_request=_p("pull_request"),
        code_commit=_p("code_commit"),
        build=_p("build"),
    )
    .returning(versions.c.id)
)


def count_waiting(tx: Transaction, model_id: int) -> int:
    """Count the versions that `count_in_model` has not written yet."""
    return int(tx.waiting(_COUNT_IN_MODEL, model_id).get("registered", 0))


def count_in_model(
    tx: Transaction, model_id: int, number: int, manifest: StoredManifest, size_bytes: int, *, is_served: bool
) -> None:
    """Count a new version. is_served: it also becomes the newest one, which represents the model."""
    served = {
        "newest": number,
        "framework": manifest.framework,
        "licence": manifest.licence,
        "manifest": manifest.id,
    }
    tx.add_at_end(
        _COUNT_IN_MODEL,
        {"the_model": model_id},
        {"registered": 1, "size_bytes": size_bytes},
        {"now": tx.now, **(served if is_served else {})},
    )


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
    labels: Labels,
    code_commit: str | None,
    build: str | None,
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
        semver=labels.semver or None,
        pull_request=labels.pull_request or None,
        code_commit=code_commit,
        build=build,
        now=tx.now,
        actor_id=actor.id,
    )
    assert row is not None
    return int(row[0])


_BUILD_OF_TOKEN = Statement(
    sa.select(builds.c.uid)
    .join(build_attempts, build_attempts.c.build_id == builds.c.id)
    .where(build_attempts.c.token_id == _p("token_id"))
)


def find_build(tx: Transaction, actor: Actor) -> str | None:
    """Return the uid of the build whose agent the actor is; None: it is none."""
    if Permission.BUILD_REPORT not in (actor.scope.permissions or ()):
        return None
    row = tx.one(_BUILD_OF_TOKEN, token_id=actor.token_id)
    return row[0] if row else None


_count = postgresql.insert(version_months).values(
    **named("month", "model_id", "actor_id", "facts", "registered", "size_bytes", "new_bytes")
)
_COUNT = Statement(
    _count.on_conflict_do_update(
        index_elements=["month", "model_id", "actor_id", "facts"],
        set_={
            "registered": version_months.c.registered + _count.excluded.registered,
            "size_bytes": version_months.c.size_bytes + _count.excluded.size_bytes,
            "new_bytes": version_months.c.new_bytes + _count.excluded.new_bytes,
        },
    )
)


def count_version(
    tx: Transaction, actor: Actor, *, model_id: int, facts: str, size_bytes: int, new_bytes: int
) -> None:
    """Add a version to the sums that the measures read."""
    tx.add_at_end(
        _COUNT,
        {"month": month_of(tx.now), "model_id": model_id, "actor_id": actor.id, "facts": facts},
        {"registered": 1, "size_bytes": size_bytes, "new_bytes": new_bytes},
    )


_LIST_HELD = Statement(
    sa.select(blobs.c.digest).where(
        is_one_of(blobs.c.digest, "digests"),
        sa.exists(
            sa.select(sa.literal(1))
            .select_from(
                manifest_files.join(versions, versions.c.manifest_id == manifest_files.c.manifest_id).join(
                    models, models.c.id == versions.c.model_id
                )
            )
            .where(manifest_files.c.digest == blobs.c.digest, models.c.namespace_id == _p("namespace_id"))
            .correlate(blobs)
        ),
    )
)


def sum_new_bytes(tx: Transaction, namespace_id: int, manifest: Manifest) -> int:
    """Sum up the bytes that no version of the namespace has."""
    sizes = {file.digest: file.size_bytes for file in manifest.files}
    for some in chunked(list(sizes)):
        for row in tx.all(_LIST_HELD, digests=",".join(some), namespace_id=namespace_id):
            del sizes[row[0]]
    return sum(sizes.values())
