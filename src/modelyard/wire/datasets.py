"""Datasets, their contents, and how far two of them are apart."""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import Answer, Mapped, Page, PageQuery, Request, Text


class PushDataset(Request, kw_only=True):
    """entry: name and digest; optionally source, columns, filter, window, split, rows, and profile: the digest of bytes
    that were sent before."""

    entry: Mapped[Any]


class DatasetVersion(Answer, kw_only=True):
    """One content of a dataset. entry: its first description."""

    reference: str
    """namespace/name@sha256:…"""
    namespace: str
    name: str
    digest: str
    rows: int | None
    profile: str | None
    """Digest of its profile; None: nothing is known about its columns."""
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
    """Digest of the content that was registered last."""
    updated_at: str


class DatasetPage(Page, kw_only=True):
    items: list[Dataset]


class DatasetQuery(PageQuery, kw_only=True):
    """q: part of the name."""

    q: Text | None = None


class DatasetUse(Answer, kw_only=True):
    """One use of a content. relation: trained_on, evaluated_on or read; details: source, split, filter, and host, the
    machine where a run read it. node None: the caller may not see the reader. by: who started the run or registered
    the version; null if that is not known or hidden."""

    node: str | None
    kind: str
    relation: str
    details: dict[str, Any]
    at: str
    by: str | None = None


class ColumnProfile(Answer, kw_only=True):
    """minimum, maximum, mean, std and quantiles describe the values, or the lengths of texts.
    quantiles: at 0, 5, 25, 50, 75, 95 and 100 %."""

    name: str
    type: str
    digest: str
    missing: int
    infinite: int
    distinct: int
    estimated: bool = False
    """Whether `distinct` is an estimate, with an error of about 2 %; otherwise it was counted."""
    minimum: Any = None
    maximum: Any = None
    mean: float | None = None
    std: float | None = None
    quantiles: list[float] = []
    top: list[tuple[str, int]] = []
    complete: bool = False
    """Whether `top` holds all values."""


class ShownDataset(Answer, kw_only=True):
    dataset: DatasetVersion
    rows: int | None
    columns: list[ColumnProfile]
    """Empty if there is no profile."""
    uses: list[DatasetUse]


class DatasetPair(Request, kw_only=True):
    """before, after: `[namespace/]name[@digest]`."""

    before: Text
    after: Text


class Histogram(Answer, kw_only=True):
    """Shares of the values that are not missing. edges: inclusive upper bounds of all bins but the last; labels: names
    of bins that are values or classes of values."""

    before: list[float]
    after: list[float]
    edges: list[float | str] = []
    labels: list[str] = []


class ColumnSide(Answer, kw_only=True):
    missing: int
    distinct: int
    estimated: bool = False
    """Whether `distinct` is an estimate, with an error of about 2 %; otherwise it was counted."""
    minimum: Any = None
    maximum: Any = None
    mean: float | None = None
    std: float | None = None


class ColumnDrift(Answer, kw_only=True):
    """shift: none, slight, large or unknown; the larger one of the values and of the share of missing values. psi: of
    the values; missing_psi: of the shares of missing and present values. chance: the psi to expect between two samples
    of one source. retyped: the column has different types on the two sides."""

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
    missing_psi: float = 0.0
    retyped: bool = False


class Retyped(Answer, kw_only=True):
    name: str
    before: str
    after: str


class Overlap(Answer, kw_only=True):
    """Keys of `after` that are also in `before`. least, most: bounds with 95 % confidence; exact: counted."""

    columns: list[str]
    keys_before: int
    keys_after: int
    shared: int
    least: int
    most: int
    exact: bool


class Drift(Answer, kw_only=True):
    """columns: the columns of both, without keys: retyped ones first, then those that shifted most."""

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
