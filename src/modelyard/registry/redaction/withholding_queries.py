"""SQL of withholding bytes: the files that have them, and the data that is deleted with them."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.tables import (
    blob_facts,
    blobs,
    dataset_versions,
    datasets,
    manifest_files,
    manifests,
    models,
    namespaces,
    run_artifacts,
    runs,
    uploads,
    versions,
    withheld_bytes,
)
from modelyard.db.tables.uploads import WITHHELD
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.digest import Digest
from modelyard.registry.redaction.nouns import Place
from modelyard.registry.versions.inspect import CARD_PATH, CARD_READER


def list_places(tx: Transaction, digest: Digest) -> list[Place]:
    """List all files that have the bytes, even those hidden from the caller, but none of deleted versions."""
    in_versions = (
        sa.select(namespaces.c.name, models.c.name, versions.c.number, manifest_files.c.path)
        .select_from(manifest_files)
        .join(versions, versions.c.manifest_id == manifest_files.c.manifest_id)
        .join(models, models.c.id == versions.c.model_id)
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .where(manifest_files.c.digest == digest, versions.c.state != "deleted")
        .order_by(namespaces.c.name, models.c.name, versions.c.number, manifest_files.c.path)
    )
    in_runs = (
        sa.select(namespaces.c.name, runs.c.uid, run_artifacts.c.path)
        .select_from(run_artifacts)
        .join(runs, runs.c.id == run_artifacts.c.run_id)
        .join(namespaces, namespaces.c.id == runs.c.namespace_id)
        .where(run_artifacts.c.digest == digest)
        .order_by(namespaces.c.name, runs.c.uid, run_artifacts.c.path)
    )
    in_datasets = (
        sa.select(namespaces.c.name, datasets.c.name, dataset_versions.c.digest)
        .select_from(dataset_versions)
        .join(datasets, datasets.c.id == dataset_versions.c.dataset_id)
        .join(namespaces, namespaces.c.id == datasets.c.namespace_id)
        .where(dataset_versions.c.profile == digest)
        .order_by(namespaces.c.name, datasets.c.name, dataset_versions.c.digest)
    )
    found = [Place(space, f"{space}/{name}:{n}", path) for space, name, n, path in tx.rows(in_versions)]
    found += [Place(space, f"run:{uid}", path) for space, uid, path in tx.rows(in_runs)]
    found += [
        Place(space, f"dataset:{space}/{name}@{of}", "profile") for space, name, of in tx.rows(in_datasets)
    ]
    return found


def find_size(tx: Transaction, digest: Digest) -> int:
    """Return the size in bytes; 0 for unknown bytes."""
    return int(tx.execute(sa.select(blobs.c.size_bytes).where(blobs.c.digest == digest)).scalar() or 0)


def withhold(tx: Transaction, actor: Actor, digest: Digest, size_bytes: int, place: Place, reason: str) -> None:
    """Record that the bytes are withheld, and delete facts read from them and uploads of them."""
    tx.execute(
        withheld_bytes.insert().values(
            digest=digest,
            namespace=place.namespace,
            holder=place.holder,
            path=place.path,
            reason=reason,
            at=tx.now,
            actor_id=actor.id,
        )
    )
    # Bytes without a scan get an empty one, so that no version waits for a scan that is impossible.
    tx.execute(
        postgresql.insert(blobs)
        .values(
            digest=digest,
            size_bytes=size_bytes,
            state=WITHHELD,
            created_at=tx.now,
            touched_at=tx.now,
            scan="",
        )
        .on_conflict_do_update(
            index_elements=["digest"], set_={"state": WITHHELD, "scan": sa.func.coalesce(blobs.c.scan, "")}
        )
    )
    # A waiting scan finds no bytes and ends.
    tx.execute(blob_facts.delete().where(blob_facts.c.digest == digest))
    tx.execute(uploads.update().where(uploads.c.digest == digest).values(expires_at=tx.now))
    count = (
        sa.select(sa.func.count())
        .select_from(manifest_files.join(blobs, blobs.c.digest == manifest_files.c.digest))
        .where(manifest_files.c.manifest_id == manifests.c.id, blobs.c.state == WITHHELD)
        .correlate(manifests)
        .scalar_subquery()
    )
    having = sa.select(manifest_files.c.manifest_id).where(manifest_files.c.digest == digest)
    tx.execute(manifests.update().where(manifests.c.id.in_(having)).values(withheld=count))


def find_card_words(tx: Transaction, digest: Digest) -> str:
    """Return the searched text of these bytes as a card; empty if they are not a card."""
    query = sa.select(blob_facts.c.facts).where(
        blob_facts.c.digest == digest, blob_facts.c.reader == CARD_READER
    )
    text = tx.execute(query).scalar_one_or_none()
    value: dict[str, Any] = json.loads(text) if text else {}
    return str(value.get("card", ""))


def list_models_shown_by(tx: Transaction, digest: Digest, words: str) -> list[tuple[int, str, str]]:
    """List (id, namespace, name) of the models whose searched card has these bytes."""
    query = (
        sa.select(models.c.id, namespaces.c.name, models.c.name)
        .select_from(manifest_files)
        .join(versions, versions.c.manifest_id == manifest_files.c.manifest_id)
        .join(models, models.c.id == versions.c.model_id)
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .where(
            manifest_files.c.digest == digest,
            manifest_files.c.path == CARD_PATH,
            models.c.card_text == words,
            models.c.deleted_at.is_(None),
        )
        .distinct()
    )
    return [(row[0], row[1], row[2]) for row in tx.rows(query)]
