"""Report and list evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import Invalid
from modelyard.domain.names import Ref
from modelyard.domain.record import parse_metrics
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.evaluations import queries
from modelyard.registry.evaluations.nouns import Evaluation
from modelyard.registry.versions.score_queries import VersionKey, keep_evaluated
from modelyard.registry.versions.usecases import find_present, find_version

MAX_METRICS = 500


def report_evaluation(
    tx: Transaction,
    actor: Actor,
    ref: Ref,
    metrics: Mapping[str, object],
    *,
    split: str = "",
    dataset: str = "",
) -> Evaluation:
    """Add measured values to a version. Raises Invalid, InvalidFact, VersionDeleted, Denied."""
    model, version = find_present(tx, actor, ref, Permission.EVALUATION_REPORT)
    if not metrics or len(metrics) > MAX_METRICS:
        raise Invalid(
            reason=f"an evaluation has 1 to {MAX_METRICS} metrics, not {len(metrics)}", fix="Split it"
        )
    split = catalog_rules.check_text(split, "the split", 200)
    dataset = catalog_rules.check_text(dataset, "the dataset", 200)
    measured = parse_metrics(metrics)
    parsed = [metric.to_json() for metric in measured]
    for metric in parsed:
        _check_place(metric, "split", split)
        _check_place(metric, "dataset", dataset)
    queries.insert_evaluation(tx, actor, version.id, split=split, dataset=dataset, metrics=parsed)
    keep_evaluated(
        tx,
        VersionKey(version.id, model.id),
        [replace(m, split=split or m.split, dataset=dataset or m.dataset) for m in measured],
    )
    tx.append(
        events.VersionEvaluated(
            **events.about(model.name, version.number),
            digest=version.digest,
            metrics=parsed,
            split=split or None,
            dataset=dataset or None,
        ),
        actor,
        model.id,
    )
    return Evaluation(split, dataset, parsed, tx.now, actor.name)


def _check_place(metric: dict[str, Any], field: str, given: str) -> None:
    """Raise Invalid for a metric whose name contradicts the split or dataset of the evaluation."""
    if given and metric.get(field, given) != given:
        raise Invalid(
            reason=f"the metric {metric['name']!r} names the {field} {metric[field]!r}, the evaluation {given!r}",
            fix=f"Name the {field} once",
        )
    if metric.get(field) == given:
        del metric[field]


def list_evaluations(tx: Transaction, actor: Actor, ref: Ref) -> list[Evaluation]:
    """List the evaluations of a version, newest first."""
    _, version = find_version(tx, actor, ref)
    return queries.list_evaluations(tx, version.id, tx.now)
