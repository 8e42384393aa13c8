"""SQL of the newest value of each metric of a version: what filters and rankings read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.statement import Statement
from modelyard.db.tables import models, version_scores, versions
from modelyard.db.transaction import Transaction
from modelyard.domain.metric_names import MetricCondition
from modelyard.domain.record import Metric

_p = sa.bindparam

_SCORE = ("version_id", "model_id", "name", "split", "dataset", "value")


class VersionKey(NamedTuple):
    id: int
    model_id: int


def _compared(comparison: str, bound: Any, *, by_index: bool = True) -> sa.ColumnElement[bool]:
    """Return a comparison, one of < <= > >= =. by_index: False keeps the planner from searching by value first."""
    value: sa.ColumnElement[Any] = version_scores.c.value if by_index else version_scores.c.value + 0.0
    found: dict[str, sa.ColumnElement[bool]] = {
        "<": value < bound,
        "<=": value <= bound,
        ">": value > bound,
        ">=": value >= bound,
        "=": value == bound,
    }
    return found[comparison]


class MetricComparison(NamedTuple):
    """The properties of a condition that decide its SQL text. comparison: one of < <= > >= =.

    many: so many rows match that a page is full early; otherwise the few matches are looked up first.
    """

    comparison: str
    names_split: bool
    many: bool


def metric_comparisons(
    tx: Transaction, conditions: Sequence[MetricCondition], model_id: int | None = None
) -> tuple[MetricComparison, ...]:
    """Of the versions of a model, or (None) of all versions."""
    return tuple(
        [
            MetricComparison(each.comparison, bool(each.metric.split), _has_many(tx, each, model_id))
            for each in conditions
        ]
    )


def metric_parameters(conditions: Sequence[MetricCondition]) -> dict[str, Any]:
    """Return the parameters of the conditions, by their numbers."""
    found: dict[str, Any] = {}
    for n, each in enumerate(conditions):
        found |= {f"metric_{n}": each.metric.name, f"metric_{n}_bound": each.bound}
        if each.metric.split:
            found[f"metric_{n}_split"] = each.metric.split
    return found


def _is_so(n: int, condition: MetricComparison, *, by_value: bool) -> list[sa.ColumnElement[bool]]:
    """The condition with this number: of the split that it names, else of any. by_value: an index looks for values."""
    bound: sa.BindParameter[float] = _p(f"metric_{n}_bound")
    found = [
        version_scores.c.name == _p(f"metric_{n}"),
        _compared(condition.comparison, bound, by_index=by_value),
    ]
    return [*found, version_scores.c.split == _p(f"metric_{n}_split")] if condition.names_split else found


def versions_with(n: int, condition: MetricComparison) -> sa.ColumnElement[bool]:
    """Which rows of `versions` have the metric so now. model_id: a parameter."""
    # Of a model's scores the index has the values below the splits.
    is_so = _is_so(n, condition, by_value=condition.names_split and not condition.many)
    if condition.many:
        return sa.exists().where(version_scores.c.version_id == versions.c.id, *is_so)
    found = sa.select(version_scores.c.version_id).where(version_scores.c.model_id == _p("model_id"), *is_so)
    return versions.c.id.in_(found)


_newest = models.alias("newest")
_NEWEST_OF_THE_MODEL = (versions.c.model_id == models.c.id) & (versions.c.number == models.c.newest_version)


def models_with(n: int, condition: MetricComparison) -> sa.ColumnElement[bool]:
    """Which rows of `models` have a newest version whose metric is so now."""
    scored = version_scores.join(versions, versions.c.id == version_scores.c.version_id)
    if condition.many:
        scores: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(scored).correlate(models)
        return sa.exists(scores.where(_NEWEST_OF_THE_MODEL, *_is_so(n, condition, by_value=False)))
    newest = scored.join(
        _newest, (_newest.c.id == version_scores.c.model_id) & (_newest.c.newest_version == versions.c.number)
    )
    return models.c.id.in_(
        sa.select(version_scores.c.model_id).select_from(newest).where(*_is_so(n, condition, by_value=True))
    )


MANY = 1000


def _has_many(tx: Transaction, condition: MetricCondition, model_id: int | None) -> bool:
    """Return whether at least MANY rows meet the condition."""
    given: dict[str, Any] = {"name": condition.metric.name, "bound": condition.bound, "many": MANY}
    if model_id is not None:
        given["model_id"] = model_id
    if condition.metric.split:
        given["split"] = condition.metric.split
    of_split = bool(condition.metric.split)
    row = tx.one(_count(condition.comparison, of_model=model_id is not None, of_split=of_split), **given)
    return row is not None and int(row[0]) >= MANY


@cache
def _count(comparison: str, *, of_model: bool, of_split: bool) -> Statement:
    by_value = of_split or not of_model
    is_so: list[Any] = [
        version_scores.c.name == _p("name"),
        _compared(comparison, _p("bound"), by_index=by_value),
    ]
    if of_model:
        is_so.append(version_scores.c.model_id == _p("model_id"))
    if of_split:
        is_so.append(version_scores.c.split == _p("split"))
    found = (
        sa.select(sa.literal_column("1")).select_from(version_scores).where(*is_so).limit(_p("many")).subquery()
    )
    return Statement(sa.select(sa.func.count()).select_from(found))


# --- the newest value of each metric ------------------------------------------------------------------

_INSERT = postgresql.insert(version_scores)
_INSERT_RECORDED = Statement(version_scores.insert().values({c: _p(c) for c in _SCORE}))
_KEEP_EVALUATED = Statement(
    _INSERT.values(
        {c: _p(c) for c in _SCORE} | {"evaluated_at": _p("at"), "in_record": 0}
    ).on_conflict_do_update(
        index_elements=["version_id", "name", "split"],
        set_={
            "dataset": _INSERT.excluded.dataset,
            "value": _INSERT.excluded.value,
            "evaluated_at": _INSERT.excluded.evaluated_at,
            "recorded": sa.case(
                (version_scores.c.evaluated_at.is_(None), version_scores.c.value),
                else_=version_scores.c.recorded,
            ),
        },
    )
)


def insert_recorded(tx: Transaction, version: VersionKey, metrics: Iterable[Metric]) -> None:
    """Note the metrics of a new version's record."""
    tx.insert_at_end(_INSERT_RECORDED, _rows(version, metrics))


def keep_evaluated(tx: Transaction, version: VersionKey, metrics: Iterable[Metric]) -> None:
    """These values are the newest of their metrics from now on."""
    tx.run_many(_KEEP_EVALUATED, [{**row, "at": tx.now} for row in _rows(version, metrics)])


def _rows(version: VersionKey, metrics: Iterable[Metric]) -> list[dict[str, Any]]:
    """Of several metrics with one name and split the first counts."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for metric in metrics:
        if (metric.name, metric.split) not in rows:
            rows[metric.name, metric.split] = {
                "version_id": version.id,
                "model_id": version.model_id,
                "name": metric.name,
                "split": metric.split,
                "dataset": metric.dataset,
                "value": metric.value if math.isfinite(metric.value) else None,
            }
    return list(rows.values())
