"""Datasets, their contents, and how far two of them are apart."""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import Answer, Mapped, Page, PageQuery, Request, Text


class PushDataset(Request, kw_only=True):
    """entry: name, digest, perhaps source, columns, filter, window, split, rows, and profile: the digest of bytes
    that were sent before."""

    entry: Mapped[Any]


class DatasetVersion(Answer, kw_only=True):
    """One content of a dataset. entry: what was first said of it."""

    reference: str
    """namespace/name@sha256:…"""
    namespace: str
    name: str
    digest: str
    rows: int | None
    profile: str | None
    """Digest of its profile; None: nothing is known of its columns."""
    entry: dict[str, Any]
    created_at: str
    created_by: str


class DatasetVersionPage(Page, kw_only=True):
    items: list[DatasetVersion]


class Dataset(Answer, kw_only=True):
    namespace: str
    name: str
    versions: int
    newest: str
    """Digest of the content that was seen last for the first time."""
    updated_at: str


class DatasetPage(Page, kw_only=True):
    items: list[Dataset]


class DatasetQuery(PageQuery, kw_only=True):
    """q: part of the name."""

    q: Text | None = None


class DatasetUse(Answer, kw_only=True):
    """Who read a content. relation: trained_on, evaluated_on or read; details: from where, which split, filtered
    how. node None: the reader may not be seen by the person who asks."""

    node: str | None
    kind: str
    relation: str
    details: dict[str, Any]
    at: str


class ColumnProfile(Answer, kw_only=True):
    """minimum, maximum, mean, std and quantiles are of the values, or of the lengths of texts.
    quantiles: at 0, 5, 25, 50, 75, 95 and 100 %."""

    name: str
    type: str
    digest: str
    missing: int
    infinite: int
    distinct: int
    minimum: Any = None
    maximum: Any = None
    mean: float | None = None
    std: float | None = None
    quantiles: list[float] = []
    top: list[tuple[str, int]] = []
    complete: bool = False
    """The values in `top` are all there are."""


class ShownDataset(Answer, kw_only=True):
    dataset: DatasetVersion
    rows: int | None
    columns: list[ColumnProfile]
    """Empty without a profile."""
    uses: list[DatasetUse]


class DatasetPair(Request, kw_only=True):
    """before, after: `[namespace/]name[@digest]`."""

    before: Text
    after: Text


class Histogram(Answer, kw_only=True):
    """Shares of what is not missing. edges: upper bounds, inclusive, of all bins but the last; labels: of bins that
    are values or classes of values."""

    before: list[float]
    after: list[float]
    edges: list[float | str] = []
    labels: list[str] = []


class ColumnSide(Answer, kw_only=True):
    missing: int
    distinct: int
    minimum: Any = None
    maximum: Any = None
    mean: float | None = None
    std: float | None = None


class ColumnDrift(Answer, kw_only=True):
    """shift: none, slight, large or unknown. chance: the psi to expect of two samples of one source."""

    name: str
    type: str
    shift: str
    psi: float | None
    js: float | None
    ks: float | None
    chance: float | None
    before: ColumnSide
    after: ColumnSide
    histogram: Histogram | None = None
    new_values: list[str] = []
    gone_values: list[str] = []


class Retyped(Answer, kw_only=True):
    name: str
    before: str
    after: str


class Overlap(Answer, kw_only=True):
    """Keys of `after` that are in `before` too. least, most: with 95 % certainty; exact: counted."""

    columns: list[str]
    keys_before: int
    keys_after: int
    shared: int
    least: int
    most: int
    exact: bool


class Drift(Answer, kw_only=True):
    """columns: those that both have, the ones that moved most first."""

    before: str
    after: str
    rows_before: int
    rows_after: int
    same: bool
    added: list[str]
    removed: list[str]
    retyped: list[Retyped]
    columns: list[ColumnDrift]
    overlap: Overlap | None = None
