"""Builds: what people ask for and see, and the messages between the server and the agent of an attempt.

Times are text as everywhere; durations are seconds.
"""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import Answer, Items, LongText, Mapped, Page, PageQuery, Request, Text, Whole

# --- recipes ---------------------------------------------------------------------------------------------


class CheckRecipe(Request, kw_only=True):
    """recipe: the text of `modelyard.yaml`."""

    recipe: LongText


class RecipeProblem(Answer, kw_only=True):
    """line: from 1."""

    line: int
    reason: str
    fix: str = ""


class RecipeCheck(Answer, kw_only=True):
    """steps: the names of the steps that a build would run, in order; empty if there are problems."""

    model: str = ""
    steps: list[str] = []
    problems: list[RecipeProblem] = []


# --- asking for a build ----------------------------------------------------------------------------------


class SubmitBuild(Request, kw_only=True):
    """recipe: the text of `modelyard.yaml`. bundle: digest of the source bundle, whose bytes were sent before; None: no
    source. model: instead of the recipe's. params: instead of the recipe's, by name. pool: instead of the recipe's. priority: low,
    normal or high, instead of the recipe's; high needs `build.prioritize`."""

    recipe: LongText
    bundle: Text | None = None
    model: Text | None = None
    params: Mapped[Any] = {}
    pool: Text | None = None
    priority: Text | None = None
    source: Mapped[Any] = {}
    """The code fact of the folder that was bundled: repository, commit, whether it differs."""


class ReproduceVersion(Request, kw_only=True):
    """tolerance: largest relative difference at which two values of a metric are equal; None: 0.000001."""

    tolerance: float | None = None


class RetrainVersion(Request, kw_only=True):
    """params: instead of the recorded ones, by name. data: datasets instead of the recorded ones, by the names in the recipe.
    warm: give the files of the version to the training, in the folder MODELYARD_PARENT."""

    params: Mapped[Any] = {}
    data: Mapped[Text] = {}
    warm: bool = False


class BuildStep(Answer, kw_only=True):
    """state: waiting, running, ok, failed, skipped or reused. log_bytes: size of its log so far."""

    name: str
    state: str
    reason: str = ""
    exit_code: int | None = None
    started_at: str | None = None
    ended_at: str | None = None
    log_bytes: int = 0
    resources: dict[str, Any] = {}


class Build(Answer, kw_only=True):
    """status: queued, starting, running, cancelling, succeeded, failed, cancelled, timed-out or lost.

    reason: why it ended this way, or why it waits. priority: low, normal or high. version: the version that it registered. promotion: the state of the
    promotion that the recipe asked for; a refused one does not make the build fail. reproduces: the version that it repeats; it
    registers none. verdict: identical, equal, different, not-deterministic or impossible, once the result was compared. parent:
    the version whose record it was made from, with changes.
    """

    id: str
    model: str
    status: str
    reason: str
    pool: str
    attempt: int
    params: dict[str, Any]
    metrics: dict[str, float | str]
    version: str | None
    promotion: int | None
    promotion_state: str | None
    run: str | None
    schedule: int | None = None
    """Number of the schedule that started it; None: a person did."""
    requested_by: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    step: str | None
    """The step that runs, or the one that failed."""
    reproduces: str | None = None
    verdict: str | None = None
    parent: str | None = None
    priority: str = "normal"


class Reproduction(Answer, kw_only=True):
    """build: it repeats the version; null: that is impossible, and `missing` says why."""

    build: Build | None
    verdict: str | None = None
    missing: list[str] = []


class Difference(Answer, kw_only=True):
    """kind: file, tensor, metric, param or package. recorded, repeated: "none" if it was there only once."""

    kind: str
    name: str
    recorded: str
    repeated: str
    words: str


class Findings(Answer, kw_only=True):
    """What the comparison with the version found. differences: they decided. causes: params and packages that differ.
    missing: why it is impossible. second: the build that repeats it once more, since this one differs."""

    verdict: str
    differences: list[Difference] = []
    causes: list[Difference] = []
    missing: list[str] = []
    second: str | None = None


class BuildAttempt(Answer, kw_only=True):
    number: int
    status: str
    reason: str
    holder: str
    started_at: str | None
    ended_at: str | None


class BuildDetails(Build, kw_only=True):
    """steps: of the last attempt. last_lines: the end of the log of the step that failed, at most 50 lines. revision: grows
    with every change of the build, its steps and its log. rerun_of: the build that it repeats. network: which steps had a
    network, in words; "": none has run yet."""

    revision: int
    rerun_of: str | None
    recipe: str
    bundle: str | None
    source: dict[str, Any]
    steps: list[BuildStep]
    attempts: list[BuildAttempt]
    last_lines: list[str] = []
    network: str = ""
    findings: Findings | None = None


class BuildPage(Page, kw_only=True):
    items: list[Build]


class BuildQuery(PageQuery, kw_only=True):
    """Without a filter: all builds that the caller may see, newest first."""

    namespace: Text | None = None
    model: Text | None = None
    status: Text | None = None


class ShowBuildQuery(Request, kw_only=True):
    """wait: answer when the build changes after `seen`, or after this many seconds (at most 30). seen: `revision` of the
    last answer; None: the present state."""

    wait: Whole = 0
    seen: Whole | None = None


class BuildLogQuery(Request, kw_only=True):
    """step: only this step; None: all. position: byte offset after the last answer."""

    step: Text | None = None
    position: Whole = 0


class ReadBuildLogQuery(BuildLogQuery, kw_only=True):
    """times: answer with `texts`, which have the times of their lines, in place of `text`."""

    times: bool = False


class BuildStepQuery(Request, kw_only=True):
    """step: only this step, in the newest attempt; None: all."""

    step: Text | None = None


class BuildLogSearchQuery(BuildStepQuery, kw_only=True):
    """words: 1 to 200 characters, which a line has in it."""

    words: Text


class BuildLogLine(Answer, kw_only=True):
    """line: its number in the step, from 1."""

    step: str
    line: int
    text: str


class BuildLogSearch(Page, kw_only=True):
    """complete: False if more lines have the words, or the log was too long to be searched in two seconds."""

    items: list[BuildLogLine]
    complete: bool


class BuildLogTime(Answer, kw_only=True):
    """When a line was written; the lines that follow have the same time, up to the next one that is given."""

    line: int
    at: str


class BuildLogText(Answer, kw_only=True):
    """Text of one step. line: number of its first line in the step, from 1; 0: a note in place of what is not kept."""

    attempt: int
    step: str
    line: int
    text: str
    times: list[BuildLogTime] = []


class BuildLogNews(Answer, kw_only=True):
    """What a stream tells at once. ended: no more will come. The id of the event is attempt-position."""

    texts: list[BuildLogText]
    position: int
    attempt: int
    ended: bool


class BuildLogPart(Answer, kw_only=True):
    """position: send it with the next request. ended: no more will come."""

    text: str
    position: int
    ended: bool
    texts: list[BuildLogText] = []


class Pool(Answer, kw_only=True):
    """most: attempts that run at once. isolated: whether steps run without access to the server's data."""

    name: str
    executor: str
    most: int
    running: int
    waiting: int
    isolated: bool
    note: str = ""


class PoolPage(Page, kw_only=True):
    items: list[Pool]


class BuildSecret(Answer, kw_only=True):
    """A secret that builds of a namespace can use; its value is told to no one but the agent of a step that names it."""

    name: str
    set_by: str
    set_at: str


class BuildSecretList(Page, kw_only=True):
    items: list[BuildSecret]


class SetBuildSecret(Request, kw_only=True):
    """value: 8 to 32768 characters."""

    value: LongText


# --- between the server and an agent ---------------------------------------------------------------------


class ClaimAttempt(Request, kw_only=True):
    """word: chosen at random by the agent, and kept from the steps; needed to read their secrets."""

    word: Text = ""


class RevealBuildSecrets(Request, kw_only=True):
    step: Text
    word: Text


class BuildSecretValues(Answer, kw_only=True):
    """values: name → value."""

    values: dict[str, str]


class PlannedStep(Answer, kw_only=True):
    """kind: provision, source, data, environment, command, test, evaluate, package, push, gate or compare. command: for the shell,
    with the params put in; "": the kind needs none."""

    name: str
    kind: str
    command: str = ""
    timeout_seconds: float | None = None
    report: str = ""
    """Path of the file that the step writes: JUnit XML of tests, metrics as JSON of an evaluation."""
    secrets: list[str] = []
    """Names of the secrets that it gets as variables."""
    network: bool = False
    """It keeps the network where that can be cut."""


class PlannedInput(Answer, kw_only=True):
    """Data that the training reads. dataset: namespace/name@digest. path: where its bytes are found; "": not by path."""

    name: str
    dataset: str
    digest: str
    path: str = ""


class BuildPlan(Answer, kw_only=True):
    """All that an attempt needs. run: id of the run that the training is recorded as. token: replaces the one that began the
    attempt.

    result: the file or folder that becomes the version; "": what a recorded program made: its last fitted model, else model files.
    lock: path of the lock in the bundle. requirements: path of the requirements or the pyproject.toml of which a lock is
    made. Both empty: the agent's own Python is used.
    """

    build: str
    attempt: int
    token: str
    model: str
    run: str
    bundle: str | None
    source: dict[str, Any]
    params: dict[str, Any]
    environment: dict[str, str]
    """Variables of every step."""
    python: str = ""
    lock: str = ""
    requirements: str = ""
    inputs: list[PlannedInput] = []
    steps: list[PlannedStep] = []
    result: str = ""
    check: str = "tests"
    """Name of the check that the version gets from the tests."""
    stage: str = ""
    """The stage to promote to; "": none."""
    evaluate_dataset: str = ""
    evaluate_split: str = ""
    timeout_seconds: float | None = None
    memory_bytes: int | None = None
    reproduces: str = ""
    """The version that the result is compared with; "": the build registers its result."""
    lock_run: str = ""
    """The run that has the lock which was made of the requirements; "": it is made again."""
    parent: str = ""
    """The version whose record the build was made from, with changes."""
    warm: bool = False
    """Give the files of the parent to the training."""


class StepEvent(Request, kw_only=True):
    """step: its name. state: running, ok, failed, skipped or reused; None: only text of its log. at: microseconds since 1970."""

    step: Text
    state: Text | None = None
    at: Whole
    log: LongText = ""
    reason: Text = ""
    exit_code: Whole | None = None
    resources: Mapped[Any] = {}


class TensorGap(Request, kw_only=True):
    """gap: largest difference of two values, relative to the largest recorded value; None: `why` says why there is none."""

    name: Text
    gap: float | None = None
    why: Text = ""


class AttemptResult(Request, kw_only=True):
    """What a build made that repeats a version. files: path → digest. contents: of files of tensors with another digest than
    the recorded one, the digest of the tensors. tensors: of these files, the tensors that differ."""

    files: Mapped[Text]
    metrics: Mapped[float | Text] = {}
    params: Mapped[Any] = {}
    packages: Mapped[Text] = {}
    contents: Mapped[Text] = {}
    tensors: Mapped[Items[TensorGap]] = {}


class AttemptEnd(Request, kw_only=True):
    """status: succeeded, failed, cancelled or timed-out."""

    status: Text
    reason: Text = ""
    version: Text | None = None
    promotion: Whole | None = None
    result: AttemptResult | None = None


class AttemptFrame(Request, kw_only=True):
    events: Items[StepEvent] = []
    end: AttemptEnd | None = None


class SendAttempt(Request, kw_only=True):
    """Frames first, first + 1, … of this attempt; a beat is a message without frames."""

    first: Whole
    frames: Items[AttemptFrame] = []


class AttemptStanding(Answer, kw_only=True):
    """last: number of the last stored frame. wanted: run (go on) or cancel (end the steps, then say so)."""

    last: int
    wanted: str
