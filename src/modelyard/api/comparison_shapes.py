"""Conversion of comparisons to wire shapes."""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.api import dataset_shapes
from modelyard.api.conversion import to_wire
from modelyard.domain.record import number_to_json
from modelyard.domain.significance import Difference
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.comparison import rules
from modelyard.registry.comparison.nouns import Measurement
from modelyard.registry.comparison.usecases import Comparison, DataDifference
from modelyard.wire import comparison as wire


def comparison(found: Comparison) -> wire.Comparison:
    return to_wire(
        found,
        wire.Comparison,
        sides=[_side(side) for side in found.sides],
        params=[wire.Param(name=name, values=values, same=same) for name, values, same in found.params],
        metrics=[metric(row) for row in found.metrics],
        data=[[_data(one) for one in side] for side in found.data],
        curves=[to_wire(c, wire.Curve, values=_numbers(c.values)) for c in found.curves],
    )


def _side(side: rules.Side) -> wire.Side:
    return to_wire(side, wire.Side, reference=side.ref, file_count=len(side.files))


def metric(row: rules.MetricRow) -> wire.Metric:
    name, split, dataset = row.key
    return to_wire(
        row,
        wire.Metric,
        name=name,
        split=split,
        dataset=dataset,
        values=_numbers(row.values),
        deltas=_numbers(row.deltas),
        champion=_number(row.champion),
        champion_deltas=_numbers(row.champion_deltas),
        significance=[_significance(found, row.direction) for found in row.significance],
    )


def _number(value: float | None) -> float | str | None:
    return None if value is None else number_to_json(value)


def _numbers(values: Sequence[float | None]) -> list[float | str | None]:
    return [_number(value) for value in values]


def _significance(found: Difference | None, direction: str | None) -> wire.Significance | None:
    if found is None:
        return None
    words = rules.words_of(found, direction)
    return to_wire(found, wire.Significance, significant=found.is_significant, words=words)


def _data(found: DataDifference) -> wire.DataDifference:
    same, drift = found.before == found.after, None
    if found.drift is not None:
        drift = dataset_shapes.drift_of(str(found.before), str(found.after), found.drift, same=same)
    return to_wire(found, wire.DataDifference, same=same, drift=drift)


def point(model: Model, found: Measurement) -> wire.MetricPoint:
    reference = f"{model.name}:{found.version}"
    return to_wire(found, wire.MetricPoint, reference=reference, value=_number(found.value))
