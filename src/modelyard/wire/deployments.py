"""Deployments, their revisions and their moves."""

from __future__ import annotations

from modelyard.wire.base import Answer, Page, PageQuery, Request, Text, Whole

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
    """What is omitted stays as it is."""

    replicas: Whole | None = None
    public: bool | None = None
    follow: bool | None = None
    on_recall: Text | None = None


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
    """version: its number. replicas, public: at the time. cause: deploy, promote, stage or release. state: new, good (it was ready
    once) or failed. environment: key of the one in which the target runs it."""

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
    """kind: deploy, promote, stage, rollback, recall, return, release, scale, stop or start. before, after: numbers of revisions.
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


class Deployment(Answer, kw_only=True):
    """name: `namespace/name`. version: reference of the version that is to serve. revision: that serves it, back: to which a rollback
    returns. standing: number of the version in the stage. state: starting, serving, failed, stopping or stopped. settled: the target
    does what is wanted. url: where it answers, from the server's machine; None: nowhere. held, held_by: it stays on its revision
    against its stage; held_by None: the server holds it. alarm: why it should not serve what it serves. requests, errors, dropped,
    p50_ms, p99_ms, isolation, memory_bytes: of the serving revision, as the target last said, at seen_at. last: newest move to another
    revision."""

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

    form: Text


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
