"""Versions and runs side by side; a metric over versions."""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import Answer, Items, Request, Text
from modelyard.wire.datasets import Drift


class CompareQuery(Request, kw_only=True):
    """ref: two to eight times, a reference to a version or `run:<id>`; the first is what the others differ from.
    direction: `metric=higher` or `metric=lower`, for metrics whose better direction is not known. curves: False
    leaves the series of the runs out."""

    ref: Items[Text]
    direction: Items[Text] = []
    curves: bool = True


class Side(Answer, kw_only=True):
    reference: str
    kind: str
    """version or run"""
    state: str
    created_at: str
    created_by: str
    size_bytes: int | None
    file_count: int
    format: dict[str, Any]
    data: list[dict[str, Any]]
    run: str | None


class Param(Answer, kw_only=True):
    """One value a side; None where it has none."""

    name: str
    values: list[Any]
    same: bool


class Significance(Answer, kw_only=True):
    """after - before, with its 95 % interval. words: what may be said of it."""

    test: str
    count: int
    difference: float
    low: float
    high: float
    p_value: float
    significant: bool
    words: str


class Metric(Answer, kw_only=True):
    """direction: higher, lower or None for not known. deltas: to the first side. best: positions of the sides.
    significance: of the difference to the first side, where folds or repeated measurements are known."""

    name: str
    split: str
    dataset: str
    direction: str | None
    values: list[float | str | None]
    deltas: list[float | str | None]
    champion: float | str | None
    champion_deltas: list[float | str | None]
    best: list[int]
    significance: list[Significance | None]


class CodeDifference(Answer, kw_only=True):
    """commits: `before..after` of one repository. changed: field → [before, after]. diffs: what each folder had
    next to its commit."""

    same: bool
    commits: str | None
    changed: dict[str, list[Any]]
    diffs: list[str | None]


class EnvironmentDifference(Answer, kw_only=True):
    """Packages with versions; changed and system: [before, after]."""

    added: dict[str, str]
    removed: dict[str, str]
    changed: dict[str, list[str]]
    system: dict[str, list[Any]]


class FilesDifference(Answer, kw_only=True):
    """Files with sizes in bytes. tensors: name → [before, after] as `dtype[shape]`. format: what the files say."""

    added: dict[str, int]
    removed: dict[str, int]
    changed: dict[str, list[int]]
    same: int
    tensors: dict[str, list[str | None]]
    tensors_same: int
    format: dict[str, list[Any]]
    size_delta: int | None


class DataDifference(Answer, kw_only=True):
    """before, after: digests. drift None: the content is on one side only, or a profile is not here."""

    name: str
    before: str | None
    after: str | None
    same: bool
    drift: Drift | None


class Curve(Answer, kw_only=True):
    """side: position. Sampled so that it draws the same picture."""

    metric: str
    side: int
    steps: list[int]
    values: list[float | str]


class Comparison(Answer, kw_only=True):
    """code, environment, files and data have one entry for each side but the first."""

    sides: list[Side]
    champion: str | None
    params: list[Param]
    metrics: list[Metric]
    code: list[CodeDifference]
    environment: list[EnvironmentDifference]
    files: list[FilesDifference]
    data: list[list[DataDifference]]
    curves: list[Curve]


class MetricQuery(Request, kw_only=True):
    metric: Text
    split: Text | None = None


class BestQuery(Request, kw_only=True):
    """direction: higher or lower, where it is not known."""

    metric: Text
    split: Text | None = None
    direction: Text | None = None


class MetricPoint(Answer, kw_only=True):
    """evaluated: reported after the version was registered."""

    version: int
    reference: str
    at: str
    split: str
    dataset: str
    value: float | str | None
    evaluated: bool


class MetricHistory(Answer, kw_only=True):
    """By version, then by time."""

    model: str
    metric: str
    items: list[MetricPoint]


class Best(Answer, kw_only=True):
    """ranking: the best first."""

    model: str
    metric: str
    best: MetricPoint
    ranking: list[MetricPoint]
