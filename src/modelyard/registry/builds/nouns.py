"""Builds, their attempts, steps and logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from modelyard.db.json_columns import JsonText
from modelyard.domain.names import ModelName
from modelyard.domain.reproduction import Difference, Result
from modelyard.registry.access.rules import Place

QUEUED, STARTING, RUNNING, CANCELLING = "queued", "starting", "running", "cancelling"
SUCCEEDED, FAILED, CANCELLED, TIMED_OUT, LOST = "succeeded", "failed", "cancelled", "timed-out", "lost"
ACTIVE = (STARTING, RUNNING, CANCELLING)
"""States in which a build takes a place of its pool."""
ENDED = (SUCCEEDED, FAILED, CANCELLED, TIMED_OUT, LOST)
BROKEN = (FAILED, TIMED_OUT, LOST)
"""Ends other than success and a cancellation."""
STATUSES = (QUEUED, *ACTIVE, *ENDED)

WAITING, OK, SKIPPED, REUSED = "waiting", "ok", "skipped", "reused"
STEP_STATES = (WAITING, RUNNING, OK, FAILED, SKIPPED, REUSED)


class Build(msgspec.Struct, frozen=True):
    """place: of its model, with the actor's role there. schedule_id: of the one that started it. recipe: "" in lists, which do not show it.

    reproduces: number of the version that it repeats; it registers none. parent: number of the version whose record it was
    made from, with changes. pins: a `Pins`. verdict: of the comparison, once it was made.
    """

    id: int
    uid: str
    place: Place
    model_id: int
    status: str
    reason: str
    pool: str
    bundle: str | None
    source: JsonText[dict[str, Any]]
    params: JsonText[dict[str, Any]]
    rerun_of: str | None
    schedule_id: int | None
    reproduces: int | None
    parent: int | None
    pins: JsonText[dict[str, Any]]
    verdict: str | None
    attempt: int
    step: str | None
    version_number: int | None
    promotion_id: int | None
    promotion_state: str | None
    log_bytes: int
    revision: int
    requester_id: int
    requested_by: str
    created_at: int
    started_at: int | None
    cancel_asked_at: int | None
    ended_at: int | None
    priority: int
    recipe: str = ""

    @property
    def model(self) -> ModelName:
        assert self.place.namespace is not None
        assert self.place.model is not None
        return ModelName(self.place.namespace, self.place.model)

    @property
    def has_ended(self) -> bool:
        return self.ended_at is not None

    @property
    def fixed(self) -> Pins:
        return msgspec.convert(self.pins.value, Pins)

    def ref(self, number: int | None) -> str | None:
        """Return the reference of a version of its model."""
        return None if number is None else f"{self.model}:{number}"

    @property
    def version(self) -> str | None:
        return self.ref(self.version_number)


class OldBuild(msgspec.Struct, frozen=True):
    """A build that ended long ago."""

    id: int
    uid: str
    model: ModelName
    model_id: int
    log_bytes: int
    counted_bytes: int


class Input(msgspec.Struct, frozen=True):
    """Data that an attempt reads. dataset: namespace/name@digest. path: "": the steps read it by other means."""

    name: str
    dataset: str
    digest: str
    path: str = ""


class Pins(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the record of a version fixes for a build that was made from it.

    inputs: name → dataset@digest. lock_run: the run that has the lock; None: the recipe names it, or there is none.
    variables: set for every step. is_warm: the files of the parent are given to the training. tolerance: of metrics,
    relative.
    """

    inputs: dict[str, str] = {}
    lock_run: str | None = None
    variables: dict[str, str] = {}
    is_warm: bool = False
    tolerance: float | None = None


class BuildAttempt(msgspec.Struct, frozen=True):
    """host: the machine or cluster that runs its agent. cleaned_at: its process, workspace and token are gone since then.
    held_at: when the executor was last seen to keep it waiting; None: never. ticket_id: the token that began it, as long as
    it may do that again. claim: digest of the word of the agent that claimed it; "": none did."""

    id: int
    build_id: int
    number: int
    status: str
    reason: str
    host: str
    token_id: int
    last_number: int
    inputs: Sequence[Input]
    created_at: int
    heard_at: int | None
    started_at: int | None
    ended_at: int | None
    cleaned_at: int | None
    held_at: int | None
    ticket_id: int | None
    claim: str

    @property
    def has_ended(self) -> bool:
        return self.ended_at is not None


class BuildStep(msgspec.Struct):
    """open_line: the incomplete last line of its log, which is not shown yet. in_key: the log is inside a private key."""

    position: int
    name: str
    state: str
    reason: str
    exit_code: int | None
    started_at: int | None
    ended_at: int | None
    resources: dict[str, Any]
    log_bytes: int
    log_lines: int
    open_line: str
    in_key: bool


class LogPiece(msgspec.Struct, frozen=True):
    """A piece of the log. position: in the log of the build; step_position: in that of its step and attempt. Bytes.
    step_line: number of lines of the step before it. times: of its lines, as `line_times` makes them."""

    position: int
    attempt: int
    step: str
    step_position: int
    step_line: int
    text: str
    times: str = ""


class LogChunk(msgspec.Struct, frozen=True):
    """A part of the log of a step in the blob store. size_bytes: of its text; the others as in `LogPiece`."""

    position: int
    attempt: int
    step: str
    step_position: int
    step_line: int
    size_bytes: int
    digest: str


class StepReport(msgspec.Struct, frozen=True):
    """What the agent says of a step. at: microseconds since 1970. state None: only text of its log."""

    step: str
    at: int
    state: str | None = None
    log: str = ""
    reason: str = ""
    exit_code: int | None = None
    resources: dict[str, Any] = {}


class AttemptResult(msgspec.Struct, frozen=True):
    """How an attempt ended. version: reference of the registered version. promotion: id of the one that was asked for.
    result: of a build that repeats a version."""

    status: str
    reason: str = ""
    version: str | None = None
    promotion: int | None = None
    result: Result | None = None


class Frame(msgspec.Struct, frozen=True):
    events: Sequence[StepReport] = ()
    end: AttemptResult | None = None


class Findings(msgspec.Struct, frozen=True):
    """What the server compared: the result of the build with the version that it repeats.

    missing: why it is impossible. second: uid of the build that repeats it once more, to tell whether the training is
    deterministic.
    """

    verdict: str
    differences: list[Difference] = []
    causes: list[Difference] = []
    missing: list[str] = []
    result: Result | None = None
    second: str | None = None


class BuildView(msgspec.Struct, frozen=True):
    """A build as a list shows it. run: of its newest attempt; None: that has not begun one."""

    build: Build
    run: str | None
    metrics: dict[str, float | str]


class BuildDetails(msgspec.Struct, frozen=True):
    view: BuildView
    steps: Sequence[BuildStep]
    attempts: Sequence[BuildAttempt]
    last_lines: Sequence[str]
    findings: Findings | None = None


class LogText(msgspec.Struct, frozen=True):
    """Text of one step. line: number of its first line in the step, from 1; 0: a note in place of what is not kept. times: (line,
    time in milliseconds since 1970) of lines before which some time passed; it holds for those that follow too."""

    attempt: int
    step: str
    line: int
    text: str
    times: Sequence[tuple[int, int]] = ()


class LogPart(msgspec.Struct, frozen=True):
    """position: of the next part. attempt: the newest one."""

    texts: Sequence[LogText]
    position: int
    ended: bool
    attempt: int

    @property
    def text(self) -> str:
        return "".join(each.text for each in self.texts)


class LogLine(msgspec.Struct, frozen=True):
    """number: in its step and attempt, from 1; 0: a note. mark: error, warning, or empty. at: when it was written, in
    milliseconds since 1970; None: unknown."""

    attempt: int
    step: str
    number: int
    text: str
    mark: str
    at: int | None = None


class LogView(msgspec.Struct, frozen=True):
    """Some lines of a log in their order. position: of what follows in the log; None: they are not its end."""

    lines: Sequence[LogLine]
    position: int | None
    has_earlier: bool


class LogSearch(msgspec.Struct, frozen=True):
    """lines: those that have the words. is_whole: False if there are more of them, or the time was over before the end."""

    lines: Sequence[LogLine]
    is_whole: bool
