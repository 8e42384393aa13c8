"""SQL of datasets."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.json_columns import JsonText, load_json
from modelyard.db.parameters import named
from modelyard.db.statement import Statement
from modelyard.db.tables import actors, blobs, dataset_versions, datasets, lineage_edges, namespaces
from modelyard.db.tables.uploads import WITHHELD
from modelyard.db.transaction import Transaction
from modelyard.domain.digest import Digest
from modelyard.registry.datasets.nouns import Dataset, DatasetUse, DatasetVersion

_p = sa.bindparam


_ENSURE_DATASET = Statement(
    postgresql.insert(datasets)
    .values(
        namespace_id=sa.select(namespaces.c.id).where(namespaces.c.name == _p("namespace")).scalar_subquery(),
        name=_p("name"),
        created_at=_p("now"),
        updated_at=_p("now"),
    )
    .on_conflict_do_update(index_elements=["namespace_id", "name"], set_={"updated_at": datasets.c.updated_at})
    .returning(datasets.c.id)
)
_INSERT_VERSION = Statement(
    postgresql.insert(dataset_versions)
    .values(
        **named("dataset_id", "digest", "entry", "profile"), created_at=_p("now"), created_by=_p("actor_id")
    )
    .on_conflict_do_nothing(index_elements=["dataset_id", "digest"])
    .returning(dataset_versions.c.id)
)
_FIND_ID = Statement(
    sa.select(dataset_versions.c.id, dataset_versions.c.profile).where(
        dataset_versions.c.dataset_id == _p("dataset_id"), dataset_versions.c.digest == _p("digest")
    )
)
_SET_PROFILE = Statement(
    dataset_versions.update().where(dataset_versions.c.id == _p("the_id")).values(profile=_p("the_profile"))
)
_ADD_PROFILE_BYTES = Statement(
    datasets.update()
    .where(datasets.c.id == _p("the_id"))
    .values(profile_bytes=datasets.c.profile_bytes + _p("size_bytes"))
)
_TOUCH = Statement(datasets.update().where(datasets.c.id == _p("the_id")).values(updated_at=_p("now")))


def ensure_dataset(tx: Transaction, namespace: str, name: str) -> int:
    row = tx.one(_ENSURE_DATASET, namespace=namespace, name=name, now=tx.now)
    assert row is not None
    return int(row[0])


def insert_content(
    tx: Transaction, dataset_id: int, digest: Digest, entry: str, profile: Digest | None, actor_id: int
) -> int | None:
    """Store a content. Return its id; None if the content is known already."""
    row = tx.one(
        _INSERT_VERSION,
        dataset_id=dataset_id,
        digest=digest,
        entry=entry,
        profile=profile,
        now=tx.now,
        actor_id=actor_id,
    )
    if row is None:
        return None
    tx.run(_TOUCH, the_id=dataset_id, now=tx.now)
    return int(row[0])


def add_profile_bytes(tx: Transaction, dataset_id: int, size_bytes: int) -> None:
    tx.run(_ADD_PROFILE_BYTES, the_id=dataset_id, size_bytes=size_bytes)


def find_content_id(tx: Transaction, dataset_id: int, digest: Digest) -> tuple[int, str | None]:
    """Return (id, profile) of a known content; None if it is not known."""
    row = tx.one(_FIND_ID, dataset_id=dataset_id, digest=digest)
    assert row is not None
    return int(row[0]), row[1]


def set_profile(tx: Transaction, content_id: int, profile: Digest) -> None:
    tx.run(_SET_PROFILE, the_id=content_id, the_profile=profile)


_CONTENT = (
    dataset_versions.c.id,
    namespaces.c.name,
    datasets.c.name,
    *dataset_versions.c["digest", "entry", "profile", "created_at"],
    actors.c.name,
    sa.func.coalesce(blobs.c.state, ""),
)
_CONTENTS = (
    dataset_versions.join(datasets, datasets.c.id == dataset_versions.c.dataset_id)
    .join(namespaces, namespaces.c.id == datasets.c.namespace_id)
    .join(actors, actors.c.id == dataset_versions.c.created_by)
    .outerjoin(blobs, blobs.c.digest == dataset_versions.c.profile)
)


def _content(row: tuple[object, ...]) -> DatasetVersion:
    profile = Digest(row[5]) if row[5] else None
    is_withheld = row[8] == WITHHELD
    return DatasetVersion(
        row[0],  # type: ignore[arg-type]
        str(row[1]),
        str(row[2]),
        Digest(row[3]),
        JsonText(str(row[4])),
        None if is_withheld else profile,
        row[6],  # type: ignore[arg-type]
        str(row[7]),
        profile if is_withheld else None,
    )


def list_contents(
    tx: Transaction,
    namespace: str,
    name: str,
    *,
    digest: str | None = None,
    before: int | None = None,
    limit: int,
) -> list[DatasetVersion]:
    """List contents, newest first. digest: the whole one or its beginning. before: only ids below this one."""
    query = (
        sa.select(*_CONTENT)
        .select_from(_CONTENTS)
        .where(namespaces.c.name == namespace, datasets.c.name == name)
        .order_by(dataset_versions.c.id.desc())
        .limit(limit)
    )
    if digest is not None:
        query = query.where(dataset_versions.c.digest.startswith(digest, autoescape=True))
    if before is not None:
        query = query.where(dataset_versions.c.id < before)
    return [_content(row) for row in tx.rows(query)]


def list_by_digest(tx: Transaction, digest: Digest) -> list[DatasetVersion]:
    """List all places with this content, under any name and in any namespace."""
    query = (
        sa.select(*_CONTENT)
        .select_from(_CONTENTS)
        .where(dataset_versions.c.digest == digest)
        .order_by(dataset_versions.c.id)
        .limit(1000)
    )
    return [_content(row) for row in tx.rows(query)]


def list_datasets(
    tx: Transaction, namespace: str, word: str | None, before: tuple[int, int] | None, limit: int
) -> list[tuple[int, Dataset]]:
    """List (id, dataset), the most recently changed first."""
    newest = (
        sa.select(dataset_versions.c.digest)
        .where(dataset_versions.c.dataset_id == datasets.c.id)
        .order_by(dataset_versions.c.id.desc())
        .limit(1)
        .correlate(datasets)
        .scalar_subquery()
    )
    count = (
        sa.select(sa.func.count())
        .select_from(dataset_versions)
        .where(dataset_versions.c.dataset_id == datasets.c.id)
        .correlate(datasets)
        .scalar_subquery()
    )
    query = (
        sa.select(datasets.c.id, namespaces.c.name, datasets.c.name, count, newest, datasets.c.updated_at)
        .join(namespaces, namespaces.c.id == datasets.c.namespace_id)
        .where(namespaces.c.name == namespace)
        .order_by(datasets.c.updated_at.desc(), datasets.c.id.desc())
        .limit(limit)
    )
    if word:
        query = query.where(sa.func.lower(datasets.c.name).contains(word.lower(), autoescape=True))
    if before is not None:
        query = query.where(
            sa.or_(
                datasets.c.updated_at < before[0],
                sa.and_(datasets.c.updated_at == before[0], datasets.c.id < before[1]),
            )
        )
    return [(row[0], Dataset(row[1], row[2], row[3], Digest(row[4]), row[5])) for row in tx.rows(query)]


def list_uses(tx: Transaction, content_ids: Iterable[int], limit: int) -> list[DatasetUse]:
    """List uses, newest first."""
    sources = [f"dataset:{content_id}" for content_id in content_ids]
    query = (
        sa.select(
            *lineage_edges.c["target", "relation", "details", "created_at"],
        )
        .where(lineage_edges.c.source.in_(sources))
        .order_by(lineage_edges.c.created_at.desc(), lineage_edges.c.target)
        .limit(limit)
    )
    return [DatasetUse(row[0], row[1], load_json(row[2]) or {}, row[3]) for row in tx.rows(query)]
