"""From datasets and drift to what the wire carries."""

from __future__ import annotations

from modelyard.domain.drift import ColumnDrift, Drift, Histogram, Overlap
from modelyard.domain.profile import Column, Points, Profile, to_number
from modelyard.domain.record import number_to_json
from modelyard.domain.times import time_text
from modelyard.registry.datasets.nouns import Dataset, DatasetVersion
from modelyard.registry.lineage.readers import Reader
from modelyard.wire import datasets as wire

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def content(found: DatasetVersion) -> wire.DatasetVersion:
    entry = found.entry.value
    rows = entry.get("rows")
    return wire.DatasetVersion(
        reference=found.reference,
        namespace=found.namespace,
        name=found.name,
        digest=found.digest,
        rows=rows if isinstance(rows, int) else None,
        profile=found.profile,
        entry=entry,
        created_at=time_text(found.created_at),
        created_by=found.created_by,
    )


def dataset(row: Dataset) -> wire.Dataset:
    return wire.Dataset(
        namespace=row.namespace,
        name=row.name,
        versions=row.versions,
        newest=row.newest,
        updated_at=time_text(row.updated_at),
    )


def shown(found: DatasetVersion, profile: Profile | None, uses: list[Reader]) -> wire.ShownDataset:
    return wire.ShownDataset(
        dataset=content(found),
        rows=profile.rows if profile else None,
        columns=[column(c) for c in profile.columns.values()] if profile else [],
        uses=[
            wire.DatasetUse(
                node=use.name, kind=use.kind, relation=use.relation, details=use.details, at=time_text(use.at)
            )
            for use in uses
        ],
    )


def column(found: Column) -> wire.ColumnProfile:
    return wire.ColumnProfile(
        name=found.name,
        type=found.type,
        digest=found.digest,
        missing=found.missing,
        infinite=found.infinite,
        distinct=found.distinct,
        minimum=found.minimum,
        maximum=found.maximum,
        mean=found.mean,
        std=found.std,
        quantiles=_quantiles(found.points) if found.points else [],
        top=list(found.top),
        complete=found.complete,
    )


def _quantiles(points: Points) -> list[float]:
    sums, values = 0, list[float]()
    wanted = [share * points.total for share in QUANTILES]
    for value, weight in zip(points.values, points.weights, strict=True):
        sums += weight
        while len(values) < len(wanted) and sums >= wanted[len(values)]:
            values.append(to_number(value, points.shift))
    return values


def _side(found: Column) -> wire.ColumnSide:
    return wire.ColumnSide(
        missing=found.missing,
        distinct=found.distinct,
        minimum=found.minimum,
        maximum=found.maximum,
        mean=found.mean,
        std=found.std,
    )


def column_drift(found: ColumnDrift) -> wire.ColumnDrift:
    return wire.ColumnDrift(
        name=found.name,
        type=found.after.type,
        shift=found.shift,
        psi=found.psi,
        js=found.js,
        ks=found.ks,
        chance=found.chance,
        before=_side(found.before),
        after=_side(found.after),
        histogram=_histogram(found.histogram) if found.histogram else None,
        new_values=list(found.new_values),
        gone_values=list(found.gone_values),
    )


def _histogram(found: Histogram) -> wire.Histogram:
    return wire.Histogram(
        before=list(found.before),
        after=list(found.after),
        edges=[number_to_json(edge) for edge in found.edges],
        labels=list(found.labels),
    )


def _overlap(found: Overlap) -> wire.Overlap:
    return wire.Overlap(
        columns=list(found.columns),
        keys_before=found.keys_before,
        keys_after=found.keys_after,
        shared=found.shared,
        least=found.least,
        most=found.most,
        exact=found.exact,
    )


def drift(before: DatasetVersion, after: DatasetVersion, found: Drift) -> wire.Drift:
    return drift_of(before.reference, after.reference, found, same=before.digest == after.digest)


def drift_of(before: str, after: str, found: Drift, *, same: bool = False) -> wire.Drift:
    """before, after: what the two contents are called in the answer."""
    return wire.Drift(
        before=before,
        after=after,
        rows_before=found.rows_before,
        rows_after=found.rows_after,
        same=same,
        added=list(found.added),
        removed=list(found.removed),
        retyped=[wire.Retyped(name=n, before=b, after=a) for n, b, a in found.retyped],
        columns=[column_drift(c) for c in found.columns],
        overlap=_overlap(found.overlap) if found.overlap else None,
    )
