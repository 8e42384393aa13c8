"""Deployments. `revision`, `before` and `after` are numbers of revisions; `version` of the header is the one that is to serve."""

from __future__ import annotations

from modelyard.domain.events.base import Event


class DeploymentEvent(Event):
    """deployment: `namespace/name`."""

    deployment: str


class DeploymentCreated(DeploymentEvent, kind="deployment.created"):
    stage: str
    follows: bool
    target: str


class DeploymentRevised(DeploymentEvent, kind="deployment.revised", may_change_rights=False):
    """A new revision is to serve. cause: deploy, promote or release."""

    revision: int
    digest: str
    record_digest: str
    cause: str
    promotion: int | None = None
    before: int | None = None
    reason: str | None = None


class DeploymentRolledBack(DeploymentEvent, kind="deployment.rolled_back", may_change_rights=False):
    """It is to serve an earlier revision. cause: rollback (somebody asked), stage (its stage was rolled back), recall (what
    served was recalled or held in quarantine) or return (the newer revision could not start)."""

    before: int
    after: int
    digest: str
    record_digest: str
    cause: str
    reason: str


class DeploymentHeld(DeploymentEvent, kind="deployment.held", may_change_rights=False):
    """It no longer follows its stage, until it is released or another version enters the stage."""

    revision: int
    reason: str


class DeploymentReleased(DeploymentEvent, kind="deployment.released", may_change_rights=False):
    revision: int
    reason: str | None = None


class DeploymentSwapped(DeploymentEvent, kind="deployment.swapped", may_change_rights=False):
    """What answers is another revision from now on."""

    before: int | None = None
    after: int
    generation: int
    milliseconds: float
    dropped: int


class DeploymentFailed(DeploymentEvent, kind="deployment.failed", may_change_rights=False):
    """A revision could not start."""

    revision: int
    reason: str


class DeploymentMended(DeploymentEvent, kind="deployment.mended", may_change_rights=False):
    """The target did not do what is wanted, and was told again."""

    revision: int
    reason: str


class DeploymentAlarmed(DeploymentEvent, kind="deployment.alarmed", may_change_rights=False):
    """The version that serves is not admitted any more."""

    revision: int
    reason: str


class DeploymentCleared(DeploymentEvent, kind="deployment.cleared", may_change_rights=False):
    """What serves is admitted again."""

    revision: int


class DeploymentTrialStarted(DeploymentEvent, kind="deployment.trial_started", may_change_rights=False):
    """A revision is tried next to the one that serves. role: canary (it answers a share of the requests) or shadow (it gets copies of
    them). weight: percent."""

    role: str
    revision: int
    weight: int
    digest: str
    record_digest: str
    reason: str | None = None


class DeploymentTrialWeighed(DeploymentEvent, kind="deployment.trial_weighed", may_change_rights=False):
    """A trial gets another share of the requests, in percent."""

    role: str
    revision: int
    before: int
    weight: int
    reason: str | None = None


class DeploymentTrialPaused(DeploymentEvent, kind="deployment.trial_paused", may_change_rights=False):
    """A canary does not get its next share: it is not clear whether it answers as well."""

    role: str
    revision: int
    reason: str


class DeploymentTrialEnded(DeploymentEvent, kind="deployment.trial_ended", may_change_rights=False):
    """A trial is over. outcome: finish (it serves), drop or rollback (somebody ended it), judged (it answered worse, or could not
    start), recall, or the kind of the move that replaced it."""

    role: str
    revision: int
    outcome: str
    reason: str | None = None


class DeploymentEdited(DeploymentEvent, kind="deployment.edited", may_change_rights=False):
    """changed: the options and their new values."""

    changed: dict[str, str | int | bool | float]


class DeploymentStopped(DeploymentEvent, kind="deployment.stopped", may_change_rights=False):
    reason: str | None = None


class DeploymentStarted(DeploymentEvent, kind="deployment.started", may_change_rights=False):
    reason: str | None = None


class DeploymentDeleted(DeploymentEvent, kind="deployment.deleted"):
    """Its program is ended, and its record deleted."""
