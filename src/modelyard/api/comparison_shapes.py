"""From comparisons to what the wire carries."""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.api import dataset_shapes
from modelyard.domain.record import number_to_json
from modelyard.domain.significance import Difference
from modelyard.domain.times import time_text
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.comparison import rules
from modelyard.registry.comparison.nouns import Measurement
from modelyard.registry.comparison.usecases import Comparison, DataDifference
from modelyard.wire import comparison as wire


def comparison(found: Comparison) -> wire.Comparison:
    return wire.Comparison(
        sides=[_side(side) for side in found.sides],
        champion=found.champion,
        params=[wire.Param(name=name, values=values, same=same) for name, values, same in found.params],
        metrics=[_metric(row) for row in found.metrics],
        code=[
            wire.CodeDifference(same=c.same, commits=c.commits, changed=c.changed, diffs=c.diffs)
            for c in found.code
        ],
        environment=[
            wire.EnvironmentDifference(added=e.added, removed=e.removed, changed=e.changed, system=e.system)
            for e in found.environment
        ],
        files=[
            wire.FilesDifference(
                added=f.added,
                removed=f.removed,
                changed=f.changed,
                same=f.same,
                tensors=f.tensors,
                tensors_same=f.tensors_same,
                format=f.format,
                size_delta=f.size_delta,
            )
            for f in found.files
        ],
        data=[[_data(one) for one in side] for side in found.data],
        curves=[
            wire.Curve(
                metric=c.metric,
                side=c.side,
                steps=c.steps,
                values=[number_to_json(value) for value in c.values],
            )
            for c in found.curves
        ],
    )


def _side(side: rules.Side) -> wire.Side:
    return wire.Side(
        reference=side.ref,
        kind=side.kind,
        state=side.state,
        created_at=time_text(side.created_at),
        created_by=side.created_by,
        size_bytes=side.size_bytes,
        file_count=len(side.files),
        format=dict(side.format),
        data=[dict(entry) for entry in side.data],
        run=side.run,
    )


def _metric(row: rules.MetricRow) -> wire.Metric:
    name, split, dataset = row.key
    return wire.Metric(
        name=name,
        split=split,
        dataset=dataset,
        direction=row.direction,
        values=_numbers(row.values),
        deltas=_numbers(row.deltas),
        champion=_numbers([row.champion])[0],
        champion_deltas=_numbers(row.champion_deltas),
        best=row.best,
        significance=[_significance(found, row.direction) for found in row.significance],
    )


def _numbers(values: Sequence[float | None]) -> list[float | str | None]:
    return [None if value is None else number_to_json(value) for value in values]


def _significance(found: Difference | None, direction: str | None) -> wire.Significance | None:
    if found is None:
        return None
    return wire.Significance(
        test=found.test,
        count=found.count,
        difference=found.difference,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        significant=found.is_significant,
        words=rules.words_of(found, direction),
    )


def _data(found: DataDifference) -> wire.DataDifference:
    drift = None
    if found.drift is not None:
        same = found.before == found.after
        drift = dataset_shapes.drift_of(str(found.before), str(found.after), found.drift, same=same)
    return wire.DataDifference(
        name=found.name,
        before=found.before,
        after=found.after,
        same=found.before == found.after,
        drift=drift,
    )


def point(model: Model, found: Measurement) -> wire.MetricPoint:
    return wire.MetricPoint(
        version=found.version,
        reference=f"{model.name}:{found.version}",
        at=time_text(found.at),
        split=found.split,
        dataset=found.dataset,
        value=None if found.value is None else number_to_json(found.value),
        evaluated=found.evaluated,
    )
