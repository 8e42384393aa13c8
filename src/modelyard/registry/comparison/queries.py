"""SQL of comparisons."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from modelyard.db.json_columns import load_json
from modelyard.db.tables import (
    blob_facts,
    blobs,
    dataset_versions,
    datasets,
    evaluations,
    manifest_files,
    namespaces,
    version_metrics,
    versions,
)
from modelyard.db.tables.uploads import WITHHELD
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission, Role, Visibility
from modelyard.registry.access import rules as access
from modelyard.registry.access.queries import namespace_role
from modelyard.registry.comparison.nouns import Measurement
from modelyard.registry.versions.inspect import reader_of


def list_files(tx: Transaction, manifest_id: int) -> dict[str, tuple[str, int]]:
    """path → (digest, size in bytes)"""
    query = sa.select(manifest_files.c.path, manifest_files.c.digest, manifest_files.c.size_bytes).where(
        manifest_files.c.manifest_id == manifest_id
    )
    return {path: (digest, size) for path, digest, size in tx.rows(query)}


def list_tensors(tx: Transaction, manifest_id: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """name → (dtype, shape) of what the files' formats say; the file's path goes before where names repeat."""
    query = (
        sa.select(manifest_files.c.path, blob_facts.c.reader, blob_facts.c.facts)
        .join(blob_facts, blob_facts.c.digest == manifest_files.c.digest)
        .where(manifest_files.c.manifest_id == manifest_id, blob_facts.c.facts.contains('"tensors"'))
        .order_by(manifest_files.c.position)
    )
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for path, reader, text in tx.rows(query):
        if reader != reader_of(path):
            continue
        facts = json.loads(text).get("facts") or {}
        for name, dtype, shape in facts.get("tensors", ()):
            found[f"{path}: {name}" if name in found else name] = (dtype, tuple(shape))
    return found


def find_profiles(tx: Transaction, actor: Actor, digests: Iterable[str]) -> dict[str, str]:
    """Digest of a content → digest of its profile, from namespaces that the actor may read."""
    query = (
        sa.select(
            dataset_versions.c.digest,
            dataset_versions.c.profile,
            namespaces.c.name,
            namespaces.c.visibility,
            namespace_role(actor.id, namespaces.c.id),
        )
        .join(datasets, datasets.c.id == dataset_versions.c.dataset_id)
        .join(namespaces, namespaces.c.id == datasets.c.namespace_id)
        .join(blobs, blobs.c.digest == dataset_versions.c.profile)
        .where(dataset_versions.c.digest.in_(sorted(digests)), blobs.c.state != WITHHELD)
        .order_by(dataset_versions.c.id)
    )
    found: dict[str, str] = {}
    for digest, profile, namespace, visibility, role in tx.rows(query):
        place = access.Place(namespace, None, Role(role), Visibility(visibility))
        if access.may(actor, Permission.NAMESPACE_READ, place):
            found.setdefault(digest, profile)
    return found


def list_recorded(tx: Transaction, model_id: int, metric: str) -> list[Measurement]:
    """As frozen in records, by version."""
    query = (
        sa.select(
            versions.c.number,
            versions.c.created_at,
            version_metrics.c.split,
            version_metrics.c.value,
            versions.c.state,
            versions.c.recall.is_not(None),
        )
        .join(versions, versions.c.id == version_metrics.c.version_id)
        .where(versions.c.model_id == model_id, version_metrics.c.name == metric, versions.c.state != "deleted")
        .order_by(versions.c.number)
    )
    return [
        Measurement(number, at, split, "", value, False, state, bool(recalled))
        for number, at, split, value, state, recalled in tx.rows(query)
    ]


def list_evaluated(
    tx: Transaction, model_id: int, limit: int
) -> list[tuple[Measurement, list[dict[str, Any]]]]:
    """(measurement without a value, the metrics) of the newest evaluations, oldest first."""
    query = (
        sa.select(
            versions.c.number,
            evaluations.c.at,
            evaluations.c.split,
            evaluations.c.dataset,
            versions.c.state,
            versions.c.recall.is_not(None),
            evaluations.c.metrics,
        )
        .join(versions, versions.c.id == evaluations.c.version_id)
        .where(versions.c.model_id == model_id, versions.c.state != "deleted")
        .order_by(evaluations.c.id.desc())
        .limit(limit)
    )
    return [
        (Measurement(number, at, split, dataset, None, True, state, bool(recalled)), load_json(metrics))
        for number, at, split, dataset, state, recalled, metrics in reversed(tx.rows(query))
    ]
