"""Deployments, their revisions and their moves."""

from __future__ import annotations

from modelyard.wire.base import Answer, Items, Page, PageQuery, Request, Text, Whole

AWAY_FILE = "away.json"
"""Name of the file in the folder of a local deployment that holds an AwayRollback."""


class AwayRollback(Answer, kw_only=True):
    """A rollback that somebody made on the machine of a deployment while the registry was away. generation: of what is wanted since
    then. before, after: numbers of revisions. by: the system user."""

    generation: int
    deployment: str
    before: int
    after: int
    version: str
    by: str
    reason: str
    milliseconds: float | None = None
    dropped: int | None = None


class Deploy(Request, kw_only=True):
    """version: reference of a version, as `fraud/scorer:12` or `fraud/scorer@production`. name: of the deployment, in the namespace
    of the model; if omitted, that of the model. follow: whether it serves each version that enters the stage; if omitted, as it is,
    and a new one follows if the reference is a stage. stage: to which its versions must be admitted; if omitted, that of the
    reference, then the deployment's, then the last one of the model's policy. public: whether anybody may predict. on_recall: swap or
    alarm. from_revision: the one that serves, as far as the caller knows; a different one is a conflict. target: where it runs; if
    omitted, as it is, and the server's first target for a new one."""

    version: Text
    name: Text | None = None
    follow: bool | None = None
    stage: Text | None = None
    replicas: Whole | None = None
    public: bool | None = None
    on_recall: Text | None = None
    from_revision: Whole | None = None
    reason: Text | None = None
    target: Text | None = None


class EditDeployment(Request, kw_only=True):
    """What is omitted stays as it is. guard_minutes: a new revision that answers worse in its first minutes than the one before is
    taken back; 0: it is not. The judge of canaries and new revisions: least_requests: of each side; error_difference: largest
    difference of the shares of errors, 0.02 is two percentage points; latency_ratio: largest ratio of the latencies that 99 % stay
    below; judge_minutes: least number of minutes."""

    replicas: Whole | None = None
    public: bool | None = None
    follow: bool | None = None
    on_recall: Text | None = None
    guard_minutes: Whole | None = None
    least_requests: Whole | None = None
    error_difference: float | None = None
    latency_ratio: float | None = None
    judge_minutes: Whole | None = None


class StartTrial(Request, kw_only=True):
    """version: reference of the version. role: canary (it answers a share of the requests) or shadow (it gets copies of them). weight:
    the share in percent; if omitted, the first step, or 10 for a canary and 100 for a shadow. Of a canary: sticky: a header such as
    x-user-id, or a field as body.user_id, that decides who answers; if omitted, each request by itself. steps: shares that it gets one
    after the other, each after step_minutes (if omitted, 10) if it answers as well. auto: it serves after the last step. from_revision:
    the one that serves, as far as the caller knows; a different one is a conflict."""

    version: Text
    role: Text
    weight: Whole | None = None
    sticky: Text | None = None
    steps: Items[Whole] = []
    step_minutes: Whole | None = None
    auto: bool = False
    from_revision: Whole | None = None
    reason: Text | None = None


class WeighTrial(Request, kw_only=True):
    """weight: percent. from_weight: the share that the caller saw; a different one is a conflict."""

    weight: Whole
    from_weight: Whole | None = None
    reason: Text | None = None


class FinishCanary(Request, kw_only=True):
    """from_revision: of the canary that the caller saw; a different one is a conflict."""

    from_revision: Whole | None = None
    reason: Text | None = None


class ComparisonQuery(Request, kw_only=True):
    """role: canary or shadow; if omitted, the canary, or else the shadow."""

    role: Text | None = None


class Trial(Answer, kw_only=True):
    """A revision that is tried next to the one that serves. revision, version: their numbers. weight: percent of the requests.
    weighed_at: since when. paused: why a canary with steps does not get its next share; empty: it does when its time has come.
    outcome: good, bad or inconclusive, of the last comparison, with its reason; None: there was none."""

    role: str
    revision: int
    version: int
    weight: int
    sticky: str | None
    steps: list[int]
    step_minutes: int
    auto: bool
    started_at: str
    weighed_at: str
    paused: str
    outcome: str | None
    outcome_reason: str


class ComparedSide(Answer, kw_only=True):
    """requests, errors: in the compared minutes. error_low, error_high: 95 % interval of the share of errors. p50_ms, p99_ms with
    their intervals. None: there was no request."""

    role: str
    revision: int
    version: int
    weight: int
    state: str
    requests: int
    errors: int
    error_share: float | None
    error_low: float | None
    error_high: float | None
    p50_ms: float | None
    p50_low: float | None
    p50_high: float | None
    p99_ms: float | None
    p99_low: float | None
    p99_high: float | None


class Finding(Answer, kw_only=True):
    """what: errors (value: difference of the shares) or latency (value: ratio of p99). low, high: its 95 % interval."""

    what: str
    outcome: str
    value: float | None
    low: float | None
    high: float | None
    limit: float
    words: str


class Agreement(Answer, kw_only=True):
    """Of a shadow's answers with those given. sent, dropped: copies. compared: rows; share, low, high: of those that agree, with its
    95 % interval. different: answers of another form. largest_difference: of numbers."""

    sent: int
    dropped: int
    errors: int
    compared: int
    agreed: int
    different: int
    share: float | None
    low: float | None
    high: float | None
    largest_difference: float | None


class Comparison(Answer, kw_only=True):
    """A trial and the revision that serves, in the same minutes. outcome: good, bad or inconclusive, why, and what it stands on; None:
    a shadow is not judged. agreement: None: it is not a shadow, or has not said anything yet."""

    name: str
    since: str
    minutes: int
    stable: ComparedSide
    tried: ComparedSide
    outcome: str | None
    reason: str
    findings: list[Finding]
    agreement: Agreement | None
    seen_at: str | None


class RollbackDeployment(Request, kw_only=True):
    """to: number of a revision; if omitted, the last good one. from_revision: the one that serves, as far as the caller knows; a
    different one is a conflict. stage: also move the stage back to the same version."""

    reason: Text
    to: Whole | None = None
    from_revision: Whole | None = None
    stage: bool = False


class RollbackPlanQuery(Request, kw_only=True):
    """to: as in a rollback."""

    to: Whole | None = None


class Revision(Answer, kw_only=True):
    """version: its number. replicas, public: at the time. cause: deploy, promote, stage, release, canary or shadow. state: new, good
    (it was ready once), bad (it answered worse than another one) or failed. environment: key of the one in which the target runs it."""

    number: int
    version: int
    digest: str
    record_digest: str
    replicas: int
    public: bool
    cause: str
    promotion: int | None
    reason: str
    by: str
    created_at: str
    environment: str | None
    state: str
    state_reason: str
    good_at: str | None


class DeploymentMove(Answer, kw_only=True):
    """kind: deploy, promote, stage, rollback, recall, return, release, scale, stop, start; of trials: canary, shadow, weight, finish,
    drop or judged. tried, weight: of a move of a trial: its revision, and its share in percent afterwards. before, after: numbers of revisions.
    by: the account; None: the server did it by itself. milliseconds, dropped: of the swap at the target; None: it has not swapped,
    or there was nothing to swap."""

    generation: int
    kind: str
    before: int | None
    after: int
    reason: str
    by: str | None
    at: str
    swapped_at: str | None
    milliseconds: float | None
    dropped: int | None
    tried: int | None
    weight: int | None


class JudgeLimits(Answer, kw_only=True):
    """requests: least number of each side. error_difference: of the shares of errors. latency_ratio: of p99. minutes: least number."""

    requests: int
    error_difference: float
    latency_ratio: float
    minutes: int


class Deployment(Answer, kw_only=True):
    """name: `namespace/name`. version: reference of the version that is to serve. revision: that serves it, back: to which a rollback
    returns. standing: number of the version in the stage. state: starting, serving, failed, stopping or stopped. settled: the target
    does what is wanted. url: where it answers, from the server's machine; None: nowhere. held, held_by: it stays on its revision
    against its stage; held_by None: the server holds it. alarm: why it should not serve what it serves. requests, errors, dropped,
    p50_ms, p99_ms, isolation, memory_bytes: of the serving revision, as the target last said, at seen_at. last: newest move to another
    revision. trials: its canary and its shadow. guard_minutes, limits: as in EditDeployment."""

    name: str
    model: str
    version: str
    digest: str
    stage: str
    follows: bool
    standing: int | None
    target: str
    machine: str | None
    url: str | None
    replicas: int
    public: bool
    on_recall: str
    state: str
    state_reason: str
    settled: bool
    since: str
    alarm: str | None
    held: bool
    held_at: str | None
    held_by: str | None
    held_reason: str
    revision: Revision
    back: Revision | None
    generation: int
    last: DeploymentMove | None
    created_at: str
    created_by: str
    seen_at: str | None
    requests: int | None
    errors: int | None
    dropped: int | None
    p50_ms: float | None
    p99_ms: float | None
    isolation: str | None
    memory_bytes: int | None
    trials: list[Trial]
    guard_minutes: int
    limits: JudgeLimits


class DeploymentPage(Page, kw_only=True):
    items: list[Deployment]


class DeploymentQuery(PageQuery, kw_only=True):
    """Without a filter: the deployments of all models that the caller may see, by name. version: only those that are to serve that
    number."""

    namespace: Text | None = None
    model: Text | None = None
    version: Whole | None = None


class RevisionPage(Page, kw_only=True):
    items: list[Revision]


class MovePage(Page, kw_only=True):
    items: list[DeploymentMove]


class RollbackPlan(Answer, kw_only=True):
    """What a rollback does. holds: the deployment stays on the revision, against its stage. is_warm: its workers are ready, so that
    the swap takes milliseconds. standing: number of the version in the stage. passed_over: why nearer revisions cannot come
    back."""

    name: str
    before: Revision
    after: Revision
    holds: bool
    is_warm: bool
    stage: str
    standing: int | None
    passed_over: list[str]


class ExportQuery(Request, kw_only=True):
    """form: kubernetes, kserve, knative or compose."""

    form: Text = "kubernetes"


class ExportedFile(Answer, kw_only=True):
    path: str
    text: str


class DeploymentExport(Answer, kw_only=True):
    """A deployment as files for a cluster. secret: name of the Secret that they ask for; its key `token` holds a token that reads the
    model. notes: what to do before they are applied."""

    files: list[ExportedFile]
    secret: str
    notes: list[str]


class LogQuery(Request, kw_only=True):
    """lines: at most 1000."""

    lines: Whole = 100


class DeploymentLog(Answer, kw_only=True):
    """text: the last lines of the program that serves."""

    text: str
