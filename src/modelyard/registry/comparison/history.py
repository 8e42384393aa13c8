"""A metric over the versions of a model, and the version with the best value."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import Invalid
from modelyard.domain.metric_names import MetricName, is_training, rank
from modelyard.domain.metric_schemas import direction_of, range_of
from modelyard.domain.names import ModelName
from modelyard.domain.record import number_from_json
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.comparison import queries
from modelyard.registry.comparison.nouns import Measurement
from modelyard.registry.comparison.rules import HIGHER, LOWER
from modelyard.registry.versions import usecases as versions

MOST_EVALUATIONS = 10_000
_NAMED = 20


def metric_history(
    tx: Transaction, actor: Actor, name: ModelName, metric: str, split: str | None = None
) -> tuple[Model, list[Measurement]]:
    """List the values frozen in records and those reported later, by version, then by time.

    metric: a name, perhaps with its split. split None: the one in the name, otherwise every split.
    """
    wanted = MetricName.parse(metric)
    split = wanted.split or None if split is None else split
    model = catalog.find_model(tx, actor, name)
    found = queries.list_recorded(tx, model.id, wanted.name)
    for measured, metrics in queries.list_evaluated(tx, model.id, MOST_EVALUATIONS):
        for entry in metrics:
            if entry["name"] == wanted.name:
                value = number_from_json(entry["value"], f"metric {metric!r}")
                found.append(
                    replace(
                        measured,
                        value=value,
                        split=str(entry.get("split") or measured.split),
                        dataset=str(entry.get("dataset") or measured.dataset),
                    )
                )
    if split is not None:
        found = [measured for measured in found if measured.split == split]
    if wanted.dataset:
        found = [measured for measured in found if measured.dataset == wanted.dataset]
    return model, _with_flags(tx, model, sorted(found, key=lambda m: (m.version, m.at)))


def _with_flags(tx: Transaction, model: Model, found: Sequence[Measurement]) -> list[Measurement]:
    flags = versions.list_flags(tx, model.id, {m.version for m in found})
    return [replace(m, flags=tuple(flags[m.version])) for m in found]


class Ranking(msgspec.Struct, frozen=True):
    """A page of the versions of a model by a metric, the best first."""

    model: Model
    metric: str
    items: Sequence[Measurement]
    best: Measurement | None
    """Length of the whole ranking; None on later pages than the first."""


def rank_versions(
    tx: Transaction,
    actor: Actor,
    name: ModelName,
    metric: str,
    *,
    split: str | None = None,
    direction: str | None = None,
    after: tuple[float, int] | None = None,
    limit: int = 50,
) -> Ranking:
    """Rank the ready versions that are neither recalled nor in quarantine by the newest value of the metric.

    metric: a name, perhaps with its split. Without a split, those of training rows do not count. Values that the metric
    cannot have are omitted. The earlier version wins a tie. after: (value, version) at the end of the previous page.
    Raises Invalid if no version has the metric, if it exists on several splits and none is named, or if the better
    direction is not known.
    """
    wanted = MetricName.parse(metric)
    split = wanted.split or None if split is None else split
    model = catalog.find_model(tx, actor, name)
    every = queries.list_splits(tx, model.id, wanted.name)
    splits = [each for each in every if each == split or (split is None and not is_training(each))]
    if not splits:
        raise _unknown_metric(tx, model, metric, split, bool(every))
    if len(splits) > 1:
        named = min((s for s in splits if s), key=lambda s: rank(MetricName(wanted.name, s)))
        raise Invalid(
            reason=f"{metric!r} was measured on several splits: {', '.join(s or 'none' for s in splits)}",
            fix=f"Name one: --split {shlex.quote(named)}",
        )
    better = direction or direction_of(wanted.name)
    if better not in (HIGHER, LOWER):
        raise Invalid(
            reason=f"it is not known whether a higher or a lower {metric!r} is better",
            fix="Give the direction: --direction higher, or --direction lower",
        )
    found = queries.list_ranked(
        tx,
        model.id,
        MetricName(wanted.name, splits[0]),
        range_of(wanted.name),
        is_descending=better == HIGHER,
        after=after,
        limit=limit,
    )
    ranked = _with_flags(tx, model, found)
    if not ranked and after is None:
        raise _unknown_metric(tx, model, metric, split, False)
    return Ranking(model, metric, ranked, ranked[0] if after is None else None)


def _unknown_metric(tx: Transaction, model: Model, metric: str, split: str | None, on_others: bool) -> Invalid:
    names = [MetricName(name, place) for name, place in queries.list_metric_names(tx, model.id)]
    known = [str(name) for name in sorted(names, key=lambda name: rank(name, model.task))]
    where = f" on the split {split!r}" if split else ""
    counted = ", where training rows do not count" if on_others and split is None else ""
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return Invalid(
        reason=f"no usable version of {model.name} has the metric {metric[:100]!r}{where}{counted}",
        fix=f"The versions have: {', '.join(known[:_NAMED])}{more}"
        if known
        else f"No version has a metric. Report one: modelyard evaluation report {model.name}:N {metric[:100]}=VALUE",
    )
