"""SQL of comparisons."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from functools import cache
from typing import Any

import sqlalchemy as sa

from modelyard.db.json_columns import load_json
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    blob_facts,
    blobs,
    dataset_versions,
    datasets,
    evaluations,
    manifest_files,
    namespaces,
    version_scores,
    versions,
)
from modelyard.db.tables.uploads import WITHHELD
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission, Role, Visibility
from modelyard.domain.metric_names import MetricName
from modelyard.registry.access import rules as access
from modelyard.registry.access.queries import namespace_role
from modelyard.registry.comparison.nouns import Measurement
from modelyard.registry.versions.inspect import reader_of

_p = sa.bindparam


def list_files(tx: Transaction, manifest_id: int) -> dict[str, tuple[str, int]]:
    """Return path → (digest, size in bytes)."""
    query = sa.select(manifest_files.c.path, manifest_files.c.digest, manifest_files.c.size_bytes).where(
        manifest_files.c.manifest_id == manifest_id
    )
    return {path: (digest, size) for path, digest, size in tx.rows(query)}


def list_tensors(tx: Transaction, manifest_id: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return name → (dtype, shape) from the files' formats; repeated names get the file's path in front."""
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
    """Return digest of a content → digest of its profile, from namespaces that the actor may read."""
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
    """List the values frozen in records, by version."""
    query = (
        sa.select(
            versions.c.number,
            versions.c.created_at,
            version_scores.c.split,
            sa.case(
                (version_scores.c.evaluated_at.is_(None), version_scores.c.value),
                else_=version_scores.c.recorded,
            ),
            versions.c.state,
            versions.c.recall.is_not(None),
        )
        .join(versions, versions.c.id == version_scores.c.version_id)
        .where(
            version_scores.c.model_id == model_id,
            version_scores.c.name == metric,
            version_scores.c.in_record == 1,
            versions.c.state != "deleted",
        )
        .order_by(versions.c.number)
    )
    return [
        Measurement(number, at, split, "", value, False, state, bool(recalled))
        for number, at, split, value, state, recalled in tx.rows(query)
    ]


def list_evaluated(
    tx: Transaction, model_id: int, limit: int
) -> list[tuple[Measurement, list[dict[str, Any]]]]:
    """List (measurement without a value, the metrics) of the newest evaluations, oldest first."""
    query = (
        sa.select(
            versions.c.number,
            *evaluations.c["at", "split", "dataset"],
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


# --- rankings ------------------------------------------------------------------------------------------

_SPLITS = Statement(
    sa.select(version_scores.c.split)
    .where(version_scores.c.model_id == _p("model_id"), version_scores.c.name == _p("name"))
    .distinct()
    .order_by(version_scores.c.split)
)
_NAMES = Statement(
    sa.select(*version_scores.c["name", "split"])
    .where(version_scores.c.model_id == _p("model_id"))
    .distinct()
    .order_by(version_scores.c.name, version_scores.c.split)
    .limit(1000)
)


def list_splits(tx: Transaction, model_id: int, metric: str) -> list[str]:
    """List the splits on which any version of the model has the metric."""
    return [row[0] for row in tx.all(_SPLITS, model_id=model_id, name=metric)]


def list_metric_names(tx: Transaction, model_id: int) -> list[tuple[str, str]]:
    """List (name, split) of the metrics that any version of the model has."""
    return [(row[0], row[1]) for row in tx.all(_NAMES, model_id=model_id)]


def list_ranked(
    tx: Transaction,
    model_id: int,
    metric: MetricName,
    between: tuple[float, float],
    *,
    is_descending: bool,
    after: tuple[float, int] | None,
    limit: int,
) -> list[Measurement]:
    """List usable versions, the best first; the earlier one wins a tie. between: the values that count."""
    given: dict[str, Any] = {
        "model_id": model_id,
        "name": metric.name,
        "split": metric.split,
        "least": max(between[0], -sys.float_info.max),
        "most": min(between[1], sys.float_info.max),
        "limit": limit,
    }
    if after is not None:
        given |= {"last_value": after[0], "last_number": after[1]}
    return [
        Measurement(row[0], row[1], row[2], row[3], row[4], bool(row[5]), "ready", recalled=False)
        for row in tx.all(_ranked(is_descending, goes_on=after is not None), **given)
    ]


@cache
def _ranked(is_descending: bool, *, goes_on: bool) -> Statement:
    value, evaluated_at = version_scores.c.value, version_scores.c.evaluated_at
    query = (
        sa.select(
            versions.c.number,
            sa.func.coalesce(evaluated_at, versions.c.created_at),
            *version_scores.c["split", "dataset", "value"],
            evaluated_at.is_not(None),
        )
        .join(versions, versions.c.id == version_scores.c.version_id)
        .where(
            version_scores.c.model_id == _p("model_id"),
            version_scores.c.name == _p("name"),
            version_scores.c.split == _p("split"),
            value.between(_p("least", type_=sa.Float()), _p("most", type_=sa.Float())),
            versions.c.state == "ready",
            versions.c.quarantined == 0,
            versions.c.recall.is_(None),
        )
    )
    if goes_on:
        bound, number = _p("last_value", type_=sa.Float()), _p("last_number", type_=sa.BigInteger())
        beyond = value < bound if is_descending else value > bound
        query = query.where(beyond | ((value == bound) & (versions.c.number > number)))
    order = value.desc() if is_descending else value
    return Statement(query.order_by(order, versions.c.number).limit(_p("limit")))
