"""SQL of metrics and the blocks of their points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from modelyard.db.parameters import named
from modelyard.db.statement import Statement
from modelyard.db.tables import run_metrics, run_points
from modelyard.db.transaction import Transaction
from modelyard.domain.record import number_from_json, number_to_json
from modelyard.registry.runs.nouns import Metric
from modelyard.registry.runs.series import (
    BLOCK_POINTS,
    Extreme,
    Points,
    Summary,
    pack,
    summarise,
    unpack,
    unpack_to,
    within,
)

_p = sa.bindparam
_STRIDE = 32
"""Distance of the numbers of full blocks, which leaves room for small blocks between them."""
_MOST_PARTS = 16
"""Most small blocks before they are merged into one."""


_METRIC = (
    *run_metrics.c["id", "name", "last_value", "last_text", "last_step", "last_at"],
    *run_metrics.c["least", "most", "count", "special_count", "next_chunk"],
)


def _metric(row: Sequence[Any]) -> Metric:
    value = row[2] if row[3] is None else number_from_json(row[3], "the value")
    return Metric(row[0], row[1], value, *row[4:])


_LIST_METRICS = Statement(
    sa.select(*_METRIC).where(run_metrics.c.run_id == _p("run_id")).order_by(run_metrics.c.name)
)
_FIND_METRIC = Statement(
    sa.select(*_METRIC).where(run_metrics.c.run_id == _p("run_id"), run_metrics.c.name == _p("name"))
)


def list_metrics(tx: Transaction, run_id: int) -> list[Metric]:
    return [_metric(row) for row in tx.all(_LIST_METRICS, run_id=run_id)]


def find_metric(tx: Transaction, run_id: int, name: str) -> Metric | None:
    row = tx.one(_FIND_METRIC, run_id=run_id, name=name)
    return _metric(row) if row else None


_AT_ONCE = 16
_FIND_SOME = Statement(
    sa.select(*_METRIC).where(
        run_metrics.c.run_id == _p("run_id"),
        run_metrics.c.name.in_([_p(f"name{n}") for n in range(_AT_ONCE)]),
    )
)


def find_metrics(tx: Transaction, run_id: int, names: Sequence[str]) -> dict[str, Metric]:
    """Return the existing metrics with these names, sixteen per statement."""
    metrics: dict[str, Metric] = {}
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        asked = {f"name{n}": some[min(n, len(some) - 1)] for n in range(_AT_ONCE)}
        metrics |= {row[1]: _metric(row) for row in tx.all(_FIND_SOME, run_id=run_id, **asked)}
    return metrics


# --- writing ---------------------------------------------------------------------------------------------

_INSERT_METRIC = Statement(
    run_metrics.insert()
    .values(
        **named("run_id", "name", "last_step", "last_at", "count", "special_count", "next_chunk"),
        last_value=_p("last_value", required=True),
        last_text=_p("last_text", required=True),
        least=_p("least", required=True),
        most=_p("most", required=True),
    )
    .returning(run_metrics.c.id)
)
_UPDATE_METRIC = Statement(
    run_metrics.update()
    .where(run_metrics.c.id == _p("metric_id"))
    .values(
        **named("last_step", "last_at", "count", "special_count", "next_chunk"),
        last_value=_p("last_value", required=True),
        last_text=_p("last_text", required=True),
        least=_p("least", required=True),
        most=_p("most", required=True),
    )
)
_OF_SUMMARY = (
    "count",
    "special_count",
    "first_step",
    "last_step",
    "first_at",
    "last_at",
    "least",
    "least_step",
    "least_at",
    "most",
    "most_step",
    "most_at",
    "block",
)
_INSERT_BLOCK = Statement(
    run_points.insert().values(
        metric_id=_p("metric_id"),
        number=_p("number"),
        **{name: _p(name, required=True) for name in _OF_SUMMARY},
    )
)
_BLOCKS_FROM = Statement(
    sa.select(run_points.c.block)
    .where(run_points.c.metric_id == _p("metric_id"), run_points.c.number >= _p("number"))
    .order_by(run_points.c.number)
)
_DELETE_BLOCKS = Statement(
    run_points.delete().where(run_points.c.metric_id == _p("metric_id"), run_points.c.number >= _p("number"))
)


def read_points_from(tx: Transaction, metric_id: int, number: int) -> Points:
    """Return the points of this block and of the later ones."""
    found = Points()
    for row in tx.all(_BLOCKS_FROM, metric_id=metric_id, number=number):
        unpack_to(found, row[0])
    return found


def add_points(tx: Transaction, run_id: int, known: Mapping[str, Metric], said: Mapping[str, Points]) -> None:
    """Append points, at least one each, to the series of a run. known: the series that exist already.

    New points become a small block, so that few points cost few bytes. As soon as small blocks together fill a full one,
    or are many, they are merged. Full block k has the number k × _STRIDE, and the small ones after it have the numbers
    up to the next full one.
    """
    changed: list[dict[str, Any]] = []
    new_blocks: list[dict[str, Any]] = []
    for name, points in said.items():
        metric, told = known.get(name), summarise(points)
        blocks = _placed(tx, metric, points, told)
        values = _metric_values(metric, points, told, max(blocks))
        if metric is None:
            row = tx.one(_INSERT_METRIC, run_id=run_id, name=name, **values)
            assert row is not None
            metric_id = int(row[0])
        else:
            metric_id = values["metric_id"] = metric.id
            changed.append(values)
        new_blocks += [
            _block_values(metric_id, number, block, summary) for number, (block, summary) in blocks.items()
        ]
    tx.run_many(_UPDATE_METRIC, changed)
    tx.run_many(_INSERT_BLOCK, new_blocks)


def _placed(
    tx: Transaction, metric: Metric | None, points: Points, told: Summary
) -> dict[int, tuple[Points, Summary]]:
    """Return the blocks to write, by number; delete small blocks that are merged into them."""
    before = 0 if metric is None else metric.count
    base = before // BLOCK_POINTS * _STRIDE
    begun = before % BLOCK_POINTS
    if metric is not None and begun:
        parts = metric.next_block - base
        if begun + len(points) < BLOCK_POINTS and parts < _MOST_PARTS:
            return {metric.next_block: (points, told)}
        whole = read_points_from(tx, metric.id, base)
        whole.extend(points)
        tx.run(_DELETE_BLOCKS, metric_id=metric.id, number=base)
        return _numbered(whole, base)
    if len(points) <= BLOCK_POINTS:
        return {base: (points, told)}
    return _numbered(points, base)


def _numbered(points: Points, base: int) -> dict[int, tuple[Points, Summary]]:
    """Return the points from the beginning of a block on, cut into blocks."""
    return {base + k * _STRIDE: (block, summarise(block)) for k, block in enumerate(points.blocks())}


def _metric_values(metric: Metric | None, points: Points, told: Summary, last_block: int) -> dict[str, Any]:
    """Return the summary of the series with these points: its last value is the one at the highest step, and of equal
    steps the one that arrived last."""
    count, special_count, step = told.count, told.special_count, told.last_step
    least = None if told.least is None else told.least.value
    most = None if told.most is None else told.most.value
    if metric is not None:
        count += metric.count
        special_count += metric.special_count
        # The older value comes first, because min and max keep the first of equal ones: 0.0 and -0.0.
        if metric.least is not None:
            least = metric.least if least is None else min(metric.least, least)
        if metric.most is not None:
            most = metric.most if most is None else max(metric.most, most)
    if metric is not None and metric.step > step:
        value, at, step = metric.value, metric.at, metric.step
    else:
        position = len(points) - 1
        if points.steps[position] != step:
            position -= points.steps[::-1].index(step)
        value, at = points.values[position], points.times[position]
    text = None if math.isfinite(value) else number_to_json(value)
    full = count // BLOCK_POINTS * _STRIDE
    return {
        "last_value": value if text is None else None,
        "last_text": text,
        "last_step": step,
        "last_at": at,
        "least": least,
        "most": most,
        "count": count,
        "special_count": special_count,
        "next_chunk": full if full > last_block else last_block + 1,
    }


_NO_EXTREME = (None, None, None)


def _block_values(metric_id: int, number: int, block: Points, summary: Summary) -> dict[str, Any]:
    least, least_step, least_at = summary.least or _NO_EXTREME
    most, most_step, most_at = summary.most or _NO_EXTREME
    return {
        "metric_id": metric_id,
        "number": number,
        "count": summary.count,
        "special_count": summary.special_count,
        "first_step": summary.first_step,
        "last_step": summary.last_step,
        "first_at": summary.first_at,
        "last_at": summary.last_at,
        "least": least,
        "least_step": least_step,
        "least_at": least_at,
        "most": most,
        "most_step": most_step,
        "most_at": most_at,
        "block": pack(block),
    }


# --- reading ---------------------------------------------------------------------------------------------

_WITHIN = (
    run_points.c.metric_id == _p("metric_id"),
    run_points.c.last_step >= _p("from_step"),
    run_points.c.first_step <= _p("to_step"),
)
_LIST_SUMMARIES = Statement(
    sa.select(
        *run_points.c["count", "special_count", "first_step", "last_step", "first_at", "last_at"],
        *run_points.c["least", "least_step", "least_at", "most", "most_step", "most_at"],
    )
    .where(*_WITHIN)
    .order_by(run_points.c.number)
)
_LIST_BLOCKS = Statement(
    sa.select(run_points.c.first_step, run_points.c.last_step, run_points.c.block)
    .where(*_WITHIN)
    .order_by(run_points.c.number)
)


def list_summaries(tx: Transaction, metric_id: int, from_step: int, to_step: int) -> list[Summary]:
    """List the summaries of blocks that may hold points of these steps, in order of arrival."""
    rows = tx.all(_LIST_SUMMARIES, metric_id=metric_id, from_step=from_step, to_step=to_step)
    return [
        Summary(
            count=row[0],
            special_count=row[1],
            first_step=row[2],
            last_step=row[3],
            first_at=row[4],
            last_at=row[5],
            least=None if row[6] is None else Extreme(row[6], row[7], row[8]),
            most=None if row[9] is None else Extreme(row[9], row[10], row[11]),
        )
        for row in rows
    ]


def read_points(tx: Transaction, metric_id: int, from_step: int, to_step: int) -> Points:
    """Return the points between these steps, both included, in order of arrival."""
    found = Points()
    rows = tx.all(_LIST_BLOCKS, metric_id=metric_id, from_step=from_step, to_step=to_step)
    for first_step, last_step, block in rows:
        # Most blocks are completely inside.
        if from_step <= first_step and last_step <= to_step:
            unpack_to(found, block)
        else:
            found.extend(within(unpack(block), from_step, to_step))
    return found
