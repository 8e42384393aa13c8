"""A metric over the versions of a model, and the version that has the best of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import Invalid
from modelyard.domain.names import ModelName
from modelyard.domain.record import number_from_json
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.comparison import queries
from modelyard.registry.comparison.nouns import Measurement
from modelyard.registry.comparison.rules import HIGHER, LOWER
from modelyard.registry.promotion.metric_schemas import direction_of

MOST_EVALUATIONS = 10_000


def metric_history(
    tx: Transaction, actor: Actor, name: ModelName, metric: str, split: str | None = None
) -> tuple[Model, list[Measurement]]:
    """Values frozen in records and reported later, by version, then by time. split None: of every split."""
    model = catalog.find_model(tx, actor, name)
    found = queries.list_recorded(tx, model.id, metric)
    for measured, metrics in queries.list_evaluated(tx, model.id, MOST_EVALUATIONS):
        for said in metrics:
            if said["name"] == metric:
                value = number_from_json(said["value"], f"metric {metric!r}")
                found.append(
                    replace(
                        measured,
                        value=value,
                        split=measured.split or str(said.get("split") or ""),
                        dataset=measured.dataset or str(said.get("dataset") or ""),
                    )
                )
    if split is not None:
        found = [measured for measured in found if measured.split == split]
    return model, sorted(found, key=lambda m: (m.version, m.at))


def best_version(
    tx: Transaction,
    actor: Actor,
    name: ModelName,
    metric: str,
    *,
    split: str | None = None,
    direction: str | None = None,
) -> tuple[Model, Measurement, list[Measurement]]:
    """(model, the best, all that were weighed, best first): ready versions that were not recalled, each with the
    newest value of the metric. The earlier version wins a tie.

    Raises Invalid when no version has the metric, when it is on several splits and none is named, or when no one
    said which direction is better.
    """
    better = direction or direction_of(metric)
    if better not in (HIGHER, LOWER):
        raise Invalid(
            reason=f"whether a higher or a lower {metric!r} is better is not known",
            fix="Say so: --direction higher, or --direction lower",
        )
    model, every = metric_history(tx, actor, name, metric, split)
    usable = [
        m for m in every if m.state == "ready" and not m.recalled and m.value is not None and m.value == m.value
    ]
    if not usable:
        raise Invalid(
            reason=f"no version of {model.name} that could be used has the metric {metric!r}",
            fix=f"See what they have with: modelyard ls {model.name}",
        )
    splits = sorted({m.split for m in usable})
    if len(splits) > 1:
        raise Invalid(
            reason=f"{metric!r} was measured on several splits: {', '.join(s or 'none' for s in splits)}",
            fix=f"Name one: --split {splits[-1]}",
        )
    weighed = _ranked(usable, better)
    return model, weighed[0], weighed


def _ranked(usable: Sequence[Measurement], direction: str) -> list[Measurement]:
    newest = {m.version: m for m in usable}
    sign = -1 if direction == HIGHER else 1
    return sorted(newest.values(), key=lambda m: (sign * (m.value or 0.0), m.version))
