"""Versions and runs side by side; a metric over versions."""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import Answer, Items, PageQuery, Request, Text
from modelyard.wire.datasets import Drift


class CompareQuery(Request, kw_only=True):
    """ref: two to eight references to versions or `run:<id>`; the others are compared with the first. direction:
    `metric=higher` or `metric=lower`, for metrics whose better direction is not known. curves: False leaves out
    the series of the runs."""

    ref: Items[Text]
    direction: Items[Text] = []
    curves: bool = True


class Side(Answer, kw_only=True):
    reference: str
    kind: str
    """version or run"""
    state: str
    flags: list[str]
    """Problems of the version, gravest first."""
    created_at: str
    created_by: str
    size_bytes: int | None
    file_count: int
    format: dict[str, Any]
    data: list[dict[str, Any]]
    run: str | None


class Param(Answer, kw_only=True):
    """One value for each side; None if the side has none."""

    name: str
    values: list[Any]
    same: bool


class Significance(Answer, kw_only=True):
    """after - before, with its 95 % interval. words: the conclusion that the interval allows."""

    test: str
    count: int
    difference: float
    low: float
    high: float
    p_value: float
    significant: bool
    words: str


class Metric(Answer, kw_only=True):
    """direction: higher, lower or None if not known. deltas: differences to the first side. best: positions of the
    best sides. significance: of the difference to the first side, if folds or repeated measurements are known."""

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
    """commits: `before..after` of one repository. changed: field → [before, after]. diffs: uncommitted changes of
    each side."""

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
    """Files with sizes in bytes. tensors: name → [before, after] as `dtype[shape]`. format: facts in the files."""

    added: dict[str, int]
    removed: dict[str, int]
    changed: dict[str, list[int]]
    same: int
    tensors: dict[str, list[str | None]]
    tensors_same: int
    format: dict[str, list[Any]]
    size_delta: int | None


class DataDifference(Answer, kw_only=True):
    """before, after: digests. drift None: the content is on one side only, or a profile is missing."""

    name: str
    before: str | None
    after: str | None
    same: bool
    drift: Drift | None


class Curve(Answer, kw_only=True):
    """side: its position. Sampled so that the chart looks the same."""

    metric: str
    side: int
    steps: list[int]
    values: list[float | str]


class Lead(Answer, kw_only=True):
    """Which side has the best value of most metrics. side: its position; None: no side leads."""

    sentence: str
    side: int | None


class Comparison(Answer, kw_only=True):
    """code, environment, files and data have one entry for each side but the first."""

    sides: list[Side]
    champion: str | None
    lead: Lead
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


class BestQuery(PageQuery, kw_only=True):
    """direction: higher or lower, for a metric whose better direction is not known."""

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
    flags: list[str]
    """Problems of the version, gravest first."""


class MetricHistory(Answer, kw_only=True):
    """By version, then by time."""

    model: str
    metric: str
    items: list[MetricPoint]


class Best(Answer, kw_only=True):
    """best: of all versions; null on every page but the first. ranking: one page, best first."""

    model: str
    metric: str
    best: MetricPoint | None
    ranking: list[MetricPoint]
    next_cursor: str | None = None
