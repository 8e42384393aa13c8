"""Deployments, their revisions and their moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from modelyard.db.json_columns import JsonText
from modelyard.domain.deployments import CANARY, FAILED, GOOD, SERVING, SHADOW, STOPPED
from modelyard.domain.digest import Digest
from modelyard.domain.judging import Limits, Sample, Verdict
from modelyard.domain.names import ModelName
from modelyard.registry.access.rules import Place
from modelyard.wire.scorer import RevisionState, ScorerState, ShadowFigures


class Deployment(msgspec.Struct, frozen=True):
    """place: of its model, with the actor's role there. serving, warm: numbers of revisions that are to serve and to stay warm.
    version: number of the version that is to serve. since: when that began. alarm: why it should not serve; None: it may.

    judging: limits of the judge that differ from the usual ones. state, state_reason, reported: as the target last said, at seen_at.
    held_by None: the server holds it, or it is not held.
    """

    id: int
    place: Place
    model_id: int
    name: str
    target: str
    machine: str | None
    stage: str
    follows: bool
    replicas: int
    is_public: bool
    on_recall: str
    is_stopped: bool
    serving: int
    warm: int | None
    generation: int
    held_at: int | None
    held_by: str | None
    held_reason: str
    alarm: str | None
    owner_id: int
    token_id: int | None
    token_expires_at: int | None
    state: str
    state_reason: str
    reported: JsonText[dict[str, Any]] | None
    seen_at: int | None
    created_at: int
    created_by: str
    since: int
    is_removed: bool
    judging: JsonText[dict[str, Any]] | None
    version: int
    version_id: int
    digest: Digest

    @property
    def model(self) -> ModelName:
        assert self.place.namespace is not None
        assert self.place.model is not None
        return ModelName(self.place.namespace, self.place.model)

    @property
    def full_name(self) -> str:
        return f"{self.place.namespace}/{self.name}"

    @property
    def reference(self) -> str:
        return f"{self.model}:{self.version}"

    @property
    def is_held(self) -> bool:
        return self.held_at is not None

    @property
    def key(self) -> str:
        """Return its name at the target and in the queue."""
        return str(self.id)

    @property
    def report(self) -> ScorerState | None:
        return None if self.reported is None else msgspec.json.decode(self.reported.text, type=ScorerState)

    @property
    def limits(self) -> Limits:
        """Return the limits by which its canaries and new revisions are judged."""
        given = {} if self.judging is None else self.judging.value
        return Limits(**{name: given[name] for name in LIMIT_NAMES if name in given})

    @property
    def guard_minutes(self) -> int:
        """Return for how long a new revision is compared with the one before; 0: it is not."""
        return 0 if self.judging is None else int(self.judging.value.get("guard_minutes", 0))

    @property
    def is_settled(self) -> bool:
        """Return whether the target does what is wanted, as far as it last said."""
        report = self.report
        if self.state == STOPPED:
            return True
        return (
            self.state == SERVING
            and report is not None
            and report.settled
            and (report.generation, report.serving) == (self.generation, self.serving)
        )

    @property
    def held_words(self) -> str:
        """Return who holds it and why; "": it is not held."""
        if not self.is_held:
            return ""
        by = self.held_by or "the server"
        return f"held by {by}: {self.held_reason}" if self.held_reason else f"held by {by}"


LIMIT_NAMES = tuple(Limits.__dataclass_fields__)


class Revision(msgspec.Struct, frozen=True):
    """What a deployment served, serves or failed to serve. settings: replicas and access at the time. state: new, good, bad or failed.
    version_state: of the version now."""

    number: int
    version_id: int
    version: int
    digest: Digest
    record_digest: Digest
    settings: JsonText[dict[str, Any]]
    cause: str
    promotion: int | None
    reason: str
    by: str
    created_at: int
    environment: str | None
    state: str
    state_reason: str
    good_at: int | None

    @property
    def is_good(self) -> bool:
        return self.state == GOOD

    @property
    def has_failed(self) -> bool:
        return self.state == FAILED


class DeploymentMove(msgspec.Struct, frozen=True):
    """by None: the server did it by itself. tried, weight: of a move of a trial: its revision, and its share in percent afterwards;
    None: it is not one. swapped_at, milliseconds, dropped: of the swap at the target; None: it has not swapped
    yet, or there was nothing to swap."""

    generation: int
    kind: str
    before: int | None
    after: int
    reason: str
    by: str | None
    at: int
    swapped_at: int | None
    milliseconds: float | None
    dropped: int | None
    tried: int | None
    weight: int | None


class Trial(msgspec.Struct, frozen=True):
    """A canary or a shadow: the revision next to the one that serves. weight: percent of the requests. sticky: header, or `body.` and
    a field, that decides the side; None: each request by itself. steps: shares that it gets one after the other; empty: by hand only.
    is_auto: it serves after the last step. weighed_at: since when it has its share. paused: why it does not get the next one; "": it
    does when its time has come. outcome, outcome_reason: of the last comparison; None: there was none."""

    role: str
    revision: int
    version: int
    version_id: int
    weight: int
    sticky: str | None
    steps: Sequence[int]
    step_minutes: int
    is_auto: bool
    started_at: int
    weighed_at: int
    paused: str
    outcome: str | None
    outcome_reason: str
    judged_at: int | None

    @property
    def next_step(self) -> int | None:
        """Return the share that comes next; None: there is none."""
        return next((step for step in self.steps if step > self.weight), None)


class DeploymentView(msgspec.Struct, frozen=True):
    """back: the revision to which a rollback without a target returns; None: there is none. standing: number of the version in the
    stage. last: its newest move to another revision."""

    deployment: Deployment
    revision: Revision
    back: Revision | None
    standing: int | None
    last: DeploymentMove | None
    may_change: bool
    trials: Sequence[Trial] = ()

    @property
    def trouble(self) -> str:
        """Return what needs a decision, in a sentence; "": nothing does."""
        deployment = self.deployment
        if deployment.alarm is not None:
            return deployment.alarm
        return deployment.state_reason if deployment.state == FAILED else ""

    @property
    def canary(self) -> Trial | None:
        return next((each for each in self.trials if each.role == CANARY), None)

    @property
    def shadow(self) -> Trial | None:
        return next((each for each in self.trials if each.role == SHADOW), None)

    @property
    def differences(self) -> list[tuple[str, str, str]]:
        """Return (what, in the last good revision, in the one that serves) of all that a revision fixes, the same ones too."""
        if self.back is None:
            return []
        before, after = self.back, self.revision
        old, new = before.settings.value, after.settings.value
        return [
            ("version", f"{before.version}  {before.digest[:19]}", f"{after.version}  {after.digest[:19]}"),
            ("environment", before.environment or "not known", after.environment or "not known"),
            ("replicas", str(old.get("replicas", 1)), str(new.get("replicas", 1))),
            ("public", "yes" if old.get("public") else "no", "yes" if new.get("public") else "no"),
        ]

    @property
    def serving_report(self) -> RevisionState | None:
        """Return what the target last said of the revision that is to serve."""
        report = self.deployment.report
        revisions = () if report is None or self.deployment.state == STOPPED else report.revisions
        return next((each for each in revisions if each.number == self.deployment.serving), None)

    @property
    def url(self) -> str | None:
        """Return where it answers, as its own machine sees it; None: nowhere."""
        report = self.deployment.report
        if report is None or report.serving is None or self.deployment.state == STOPPED:
            return None
        host = f"[{report.host}]" if ":" in report.host else report.host
        return f"http://{host}:{report.port}"


class WayBack(msgspec.Struct, frozen=True):
    """passed_over: why nearer revisions cannot come back."""

    revision: Revision
    passed_over: Sequence[str] = ()


class RollbackPlan(msgspec.Struct, frozen=True):
    """What a rollback does. holds: the deployment stays there against its stage. is_warm: its workers are ready. standing: the
    version in the stage now."""

    deployment: Deployment
    before: Revision
    after: Revision
    holds: bool
    is_warm: bool
    standing: int | None
    passed_over: Sequence[str]


class ComparedSide(msgspec.Struct, frozen=True):
    """One revision in a comparison. role: serving, canary or shadow. weight: percent of the requests."""

    role: str
    revision: int
    version: int
    weight: int
    sample: Sample
    state: str


class Comparison(msgspec.Struct, frozen=True):
    """A trial and the revision that serves, in the same clock minutes. since: when the trial got its present share. verdict: of a
    canary; None: a shadow is not judged. shadow: what became of its copies."""

    deployment: Deployment
    trial: Trial
    stable: ComparedSide
    tried: ComparedSide
    verdict: Verdict | None
    shadow: ShadowFigures | None


class RecentMove(msgspec.Struct, frozen=True):
    """deployment: `namespace/name`. version: number of the one that is to serve afterwards."""

    deployment: str
    version: int
    move: DeploymentMove


class DeploymentsOverview(msgspec.Struct, frozen=True):
    """All deployments that somebody may see, those that need a decision first. rollbacks: of the last 30 days."""

    views: Sequence[DeploymentView]
    well: int
    held: int
    alarms: int
    recent: Sequence[RecentMove]
    rollbacks: Sequence[RecentMove]
