"""Conversion of datasets and drift to wire shapes."""

from __future__ import annotations

from modelyard.api.conversion import to_wire
from modelyard.domain.drift import ColumnDrift, Drift
from modelyard.domain.profile import Column, Points, Profile, to_number
from modelyard.domain.record import number_to_json
from modelyard.registry.datasets.nouns import DatasetVersion
from modelyard.registry.lineage.readers import Reader
from modelyard.wire import datasets as wire

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def content(found: DatasetVersion) -> wire.DatasetVersion:
    entry = found.entry.value
    rows = entry.get("rows")
    return to_wire(found, wire.DatasetVersion, rows=rows if isinstance(rows, int) else None, entry=entry)


def shown(found: DatasetVersion, profile: Profile | None, uses: list[Reader]) -> wire.ShownDataset:
    return wire.ShownDataset(
        dataset=content(found),
        rows=profile.rows if profile else None,
        columns=[column(c) for c in profile.columns.values()] if profile else [],
        uses=[to_wire(use, wire.DatasetUse, node=use.name) for use in uses],
    )


def column(found: Column) -> wire.ColumnProfile:
    quantiles = _quantiles(found.points) if found.points else []
    return to_wire(found, wire.ColumnProfile, quantiles=quantiles)


def _quantiles(points: Points) -> list[float]:
    sums, values = 0, list[float]()
    wanted = [share * points.total for share in QUANTILES]
    for value, weight in zip(points.values, points.weights, strict=True):
        sums += weight
        while len(values) < len(wanted) and sums >= wanted[len(values)]:
            values.append(to_number(value, points.shift))
    return values


def _column_drift(found: ColumnDrift) -> wire.ColumnDrift:
    histogram = None
    if found.histogram:
        edges = [number_to_json(edge) for edge in found.histogram.edges]
        histogram = to_wire(found.histogram, wire.Histogram, edges=edges)
    return to_wire(found, wire.ColumnDrift, type=found.after.type, histogram=histogram)


def drift(before: DatasetVersion, after: DatasetVersion, found: Drift) -> wire.Drift:
    return drift_of(before.reference, after.reference, found, same=before.digest == after.digest)


def drift_of(before: str, after: str, found: Drift, *, same: bool = False) -> wire.Drift:
    """before, after: names of the two contents in the answer."""
    return to_wire(
        found,
        wire.Drift,
        before=before,
        after=after,
        same=same,
        retyped=[wire.Retyped(name=n, before=b, after=a) for n, b, a in found.retyped],
        columns=[_column_drift(c) for c in found.columns],
    )
