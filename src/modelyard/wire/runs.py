"""Runs: the records of a training, and how to read them.

Times of points are whole microseconds since 1970 UTC, because a batch holds thousands of them. Numbers that
are not finite are the texts "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import (
    Answer,
    Items,
    LongText,
    ManyItems,
    Mapped,
    Moment,
    Page,
    PageQuery,
    Request,
    Text,
    Whole,
)

# --- writing ---------------------------------------------------------------------------------------------


class StartRun(Request, kw_only=True):
    """experiment: `namespace/name`, or a name in the account's default namespace; "": the experiment `default`.
    started_at: by the training's clock; None: now. parent: id of the run that contains it."""

    experiment: Text = ""
    name: Text = ""
    parent: Text | None = None
    started_at: Text | None = None


class PointColumns(Request, kw_only=True):
    """Points of one metric in the order of logging; steps, times and values have the same length."""

    name: Text
    steps: ManyItems[Whole]
    times: ManyItems[Whole]
    values: ManyItems[float | Text]


class RunArtifact(Request, kw_only=True):
    """A file whose bytes were sent before."""

    path: Text
    digest: Text
    size_bytes: Whole
    media_type: Text = ""


class RunEnd(Request, kw_only=True):
    """status: finished, failed or killed. at: microseconds, by the training's clock."""

    status: Text
    exit_code: Whole | None = None
    at: Moment


class Frame(Request, kw_only=True):
    """Records of one writer, sent together. tags: None removes a tag. resumed: the run continues."""

    points: ManyItems[PointColumns] = []
    params: Mapped[Any] = {}
    tags: Mapped[Text | None] = {}
    inputs: ManyItems[Mapped[Any]] = []
    artifacts: ManyItems[RunArtifact] = []
    facts: Mapped[Any] = {}
    versions: Items[Text] = []
    log: LongText = ""
    notes: Items[Text] = []
    end: RunEnd | None = None
    resumed: bool = False


class SendRecords(Request, kw_only=True):
    """Frames first, first + 1, … of one writer. clock: the writer's clock at the time of sending, in microseconds."""

    writer: Text
    first: Whole
    frames: ManyItems[Frame] = []
    clock: Moment | None = None


class Stored(Answer, kw_only=True):
    """last: number of the writer's last stored frame. notes: records that were cut or left out."""

    last: int
    notes: list[str]


class DescribeExperiment(Request, kw_only=True):
    description: Text


# --- reading ---------------------------------------------------------------------------------------------


class Run(Answer, kw_only=True):
    """stale: it should be running, but sends nothing. metrics, params, tags: the first few of each."""

    id: str
    name: str
    experiment: str
    namespace: str
    parent: str | None
    status: str
    stale: bool
    exit_code: int | None
    started_at: str
    ended_at: str | None
    seconds: float | None
    created_by: str
    heard_at: str
    params: dict[str, Any]
    metrics: dict[str, float | str]
    tags: dict[str, str]


class RunPage(Page, kw_only=True):
    items: list[Run]


class RunMetric(Answer, kw_only=True):
    """value: at the highest step. The rest describes the whole series; least and most: of the finite values."""

    name: str
    value: float | str
    step: int
    at: str
    least: float | None
    most: float | None
    count: int
    not_finite: int


class RunDetails(Run, kw_only=True):
    """A run, without its points, its log and the bytes of its files. clock_skew_seconds: how far the server's clock is
    ahead of the training's; 0: less than a minute."""

    series: list[RunMetric]
    inputs: list[dict[str, Any]]
    artifacts: list[RunArtifact]
    versions: list[str]
    facts: dict[str, Any]
    notes: list[str]
    log_bytes: int
    clock_skew_seconds: float


class RunQuery(PageQuery, kw_only=True):
    """All given conditions must hold. status: running, finished, failed, killed or stale. tag and param: `key=value` or
    `key`; metric: `f1>=0.7`, of its newest value. parent: id, or "none" for top-level runs. id, name: a prefix.
    dataset: digest of an input."""

    id: Text | None = None
    namespace: Text | None = None
    experiment: Text | None = None
    status: Text | None = None
    name: Text | None = None
    parent: Text | None = None
    tag: Items[Text] = []
    param: Items[Text] = []
    metric: Items[Text] = []
    dataset: Text | None = None
    created_by: Text | None = None


class SeriesQuery(Request, kw_only=True):
    """points: at most this many, 2 to 5000. by: step or time."""

    metric: Text
    from_step: Whole | None = None
    to_step: Whole | None = None
    points: Whole = 1000
    by: Text = "step"


class Series(Answer, kw_only=True):
    """Three columns of equal length. sampled: these are some of the points, and the chart looks the same."""

    run: str
    metric: str
    steps: list[int]
    times: list[int]
    values: list[float | str]
    count: int
    sampled: bool


class LogQuery(Request, kw_only=True):
    """position: `end` of the last answer."""

    position: Whole = 0


class LogPart(Answer, kw_only=True):
    """end: position to ask from next, while there may be more."""

    text: str
    end: int
    more: bool


class Experiment(Answer, kw_only=True):
    name: str
    """namespace/name"""
    description: str
    runs: int
    created_at: str
    created_by: str
    updated_at: str


class ExperimentPage(Page, kw_only=True):
    items: list[Experiment]


class ExperimentQuery(PageQuery, kw_only=True):
    namespace: Text | None = None
