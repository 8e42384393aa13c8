"""Point a deployment at another revision: the one place where what is wanted changes. The job makes the target so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor
from modelyard.domain.deployments import (
    BACKWARD,
    CANARY,
    DEPLOY,
    FORWARD,
    ROLLBACK,
    SERVING,
    STARTING,
    STAYING,
    must_hold,
    ways_back,
)
from modelyard.domain.errors import ModelyardError, VersionNotFound
from modelyard.registry.catalog import queries as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.deployments import queries, trial_queries
from modelyard.registry.deployments.admission import refuse_unless_admitted
from modelyard.registry.deployments.nouns import Deployment, Revision, Trial, WayBack
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.nouns import JobKind
from modelyard.registry.versions import alias_queries
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.dependents import DEPLOYMENT, TRIAL, WARM_REVISION, set_holds
from modelyard.registry.versions.nouns import Version


class CarryOut(msgspec.Struct, frozen=True):
    """deployment: id of its row."""

    deployment: int


DEPLOYING = JobKind("deploy", CarryOut)
"""A short look, again and again, until the target does what is wanted."""


def wake(tx: Transaction, deployment: Deployment) -> None:
    """Look at a deployment at once."""
    jobs.enqueue(
        tx, DEPLOYING, CarryOut(deployment.id), key=deployment.key, namespace=deployment.place.namespace
    )


def found(tx: Transaction, deployment_id: int) -> Deployment:
    deployment = queries.find_by_id(tx, deployment_id)
    assert deployment is not None
    return deployment


def model_of(tx: Transaction, actor: Actor, deployment: Deployment) -> Model:
    model = catalog.find_model(tx, actor, deployment.model)
    assert model is not None
    return model


def find_stage_version(tx: Transaction, deployment: Deployment) -> int | None:
    """Return the number of the version in the stage of a deployment; None: there is none."""
    alias = alias_queries.find_alias(tx, deployment.model_id, deployment.stage)
    return None if alias is None else alias.number


def about(deployment: Deployment, version: int) -> dict[str, Any]:
    """Return the header of an event of a deployment."""
    return {**events.about(deployment.model, version), "deployment": deployment.full_name}


# --- the way back ----------------------------------------------------------------------------------------


def find_ways(
    tx: Transaction, model: Model, deployment: Deployment, *, other_version: bool = True
) -> tuple[WayBack | None, ModelyardError | None]:
    """Return the nearest revision that was good and may be served; or else why the nearest one may not. other_version: only
    revisions of another version than the one that serves."""
    passed_over: list[str] = []
    first: ModelyardError | None = None
    for number in ways_back(queries.list_steps(tx, deployment.id)):
        revision = queries.find_revision(tx, deployment.id, number)
        assert revision is not None
        if not revision.is_good or (other_version and revision.version_id == deployment.version_id):
            continue
        refusal = refusal_of(tx, model, deployment, revision)
        if refusal is None:
            return WayBack(revision, passed_over), None
        first = first or refusal
        passed_over.append(f"revision {number}: {refusal.message}")
    return None, first


def refusal_of(
    tx: Transaction, model: Model, deployment: Deployment, revision: Revision, role: str = SERVING
) -> ModelyardError | None:
    """Return why a revision may not be served now; None: it may."""
    try:
        refuse_unless_admitted(tx, model, version_of(tx, model, revision), deployment.stage, role)
    except ModelyardError as refusal:
        return refusal
    return None


def version_of(tx: Transaction, model: Model, revision: Revision) -> Version:
    version = versions.find_by_number(tx, model.id, revision.version)
    if version is None:
        raise VersionNotFound(model=str(model.name), version=revision.version)
    return version


# --- moving ----------------------------------------------------------------------------------------------


def add_revision(
    tx: Transaction,
    actor: Actor,
    deployment_id: int,
    version: Version,
    *,
    cause: str,
    settings: dict[str, Any],
    reason: str = "",
    promotion: int | None = None,
) -> int:
    """Store the next revision of a deployment, which points at nothing yet. Returns its number."""
    number = queries.next_number(tx, deployment_id)
    queries.insert_revision(
        tx,
        deployment_id,
        settings,
        number=number,
        version_id=version.id,
        digest=version.digest,
        record_digest=version.record_digest,
        cause=cause,
        reason=reason,
        promotion_id=promotion,
        actor_id=actor.id,
    )
    return number


def point(
    tx: Transaction,
    actor: Actor,
    model: Model,
    deployment: Deployment,
    revision: Revision,
    kind: str,
    reason: str,
    *,
    promotion: int | None = None,
) -> Deployment:
    """Have a deployment serve a revision. The one that serves now stays warm if it was good; the deployment is held if that is
    against its stage. Returns it as it is now."""
    before = queries.find_revision(tx, deployment.id, deployment.serving)
    assert before is not None
    is_other = revision.number != before.number
    warm = before.number if is_other and before.is_good else deployment.warm
    if warm == revision.number:
        warm = before.number if before.is_good and is_other else None
    standing = find_stage_version(tx, deployment)
    # A deployment that somebody stopped goes on only if somebody asks for it.
    stays_stopped = deployment.is_stopped and kind not in (DEPLOY, ROLLBACK)
    queries.update_deployment(
        tx,
        deployment.id,
        serving=revision.number,
        warm=warm,
        generation=deployment.generation + 1,
        alarm=None,
        **({} if stays_stopped else {"state": STARTING, "state_reason": "", "is_stopped": 0}),
        **({"since": tx.now} if is_other else {}),
    )
    _record(tx, actor, deployment, kind, revision.number, reason)
    version = version_of(tx, model, revision)
    common = {
        **about(deployment, revision.version),
        "digest": revision.digest,
        "record_digest": revision.record_digest,
    }
    if kind in BACKWARD:
        tx.append(
            events.DeploymentRolledBack(
                **common, before=before.number, after=revision.number, cause=kind, reason=reason
            ),
            actor,
            model.id,
        )
    elif kind in FORWARD:
        tx.append(
            events.DeploymentRevised(
                **common,
                revision=revision.number,
                cause=kind,
                promotion=promotion,
                before=before.number,
                reason=reason or None,
            ),
            actor,
            model.id,
        )
    _end_trials(tx, actor, deployment, revision, kind, reason)
    if must_hold(deployment.follows, standing, revision.version):
        hold(tx, actor, deployment, revision, reason)
    elif deployment.is_held:
        release(tx, actor, deployment, revision, reason)
    hold_versions(tx, deployment, version.id, warm)
    now = found(tx, deployment.id)
    wake(tx, now)
    return now


def _record(
    tx: Transaction,
    actor: Actor,
    deployment: Deployment,
    kind: str,
    after: int,
    reason: str,
    tried: int | None = None,
    weight: int | None = None,
) -> None:
    queries.insert_move(
        tx,
        deployment.id,
        generation=deployment.generation + 1,
        kind=kind,
        before=deployment.serving,
        after=after,
        reason=reason,
        actor_id=actor.id or None,
        tried=tried,
        weight=weight,
    )


def change(
    tx: Transaction, actor: Actor, deployment: Deployment, kind: str, reason: str, **values: Any
) -> Deployment:
    """Change what is wanted of a deployment other than its revision. kind: one of STAYING."""
    assert kind in STAYING
    queries.update_deployment(tx, deployment.id, generation=deployment.generation + 1, **values)
    _record(tx, actor, deployment, kind, deployment.serving, reason)
    now = found(tx, deployment.id)
    wake(tx, now)
    return now


# --- trials ----------------------------------------------------------------------------------------------


def note_trial(
    tx: Transaction, actor: Actor, deployment: Deployment, kind: str, reason: str, revision: int, weight: int
) -> Deployment:
    """Record a change of a trial, whose row is as it should be, and have the target told. kind: canary, shadow, weight, or how it
    ended."""
    queries.update_deployment(tx, deployment.id, generation=deployment.generation + 1)
    _record(tx, actor, deployment, kind, deployment.serving, reason, tried=revision, weight=weight)
    hold_versions(tx, deployment, deployment.version_id, deployment.warm)
    now = found(tx, deployment.id)
    wake(tx, now)
    return now


def end_trial(
    tx: Transaction, actor: Actor, deployment: Deployment, trial: Trial, kind: str, reason: str
) -> Deployment:
    """End a trial; the revision that serves gets all requests again. After a canary, a deployment that follows a stage with another
    version is held. kind: drop, rollback, judged or recall."""
    _forget_trial(tx, actor, deployment, trial, kind, reason)
    if trial.role == CANARY and not deployment.is_held:
        standing = find_stage_version(tx, deployment)
        if must_hold(deployment.follows, standing, deployment.version):
            serving = queries.find_revision(tx, deployment.id, deployment.serving)
            assert serving is not None
            hold(tx, actor, deployment, serving, reason)
    return note_trial(tx, actor, deployment, kind, reason, trial.revision, 0)


def _forget_trial(
    tx: Transaction, actor: Actor, deployment: Deployment, trial: Trial, outcome: str, reason: str
) -> None:
    trial_queries.delete_trial(tx, deployment.id, trial.role)
    tx.append(
        events.DeploymentTrialEnded(
            **about(deployment, trial.version),
            role=trial.role,
            revision=trial.revision,
            outcome=outcome,
            reason=reason or None,
        ),
        actor,
        deployment.model_id,
    )


def _end_trials(
    tx: Transaction, actor: Actor, deployment: Deployment, serving: Revision, kind: str, reason: str
) -> None:
    """A canary was compared with what served, so that it ends when something else does; a shadow goes on, unless it is of the version
    that serves now."""
    for trial in trial_queries.list_trials(tx, deployment.id):
        if trial.role == CANARY or trial.version_id == serving.version_id:
            _forget_trial(tx, actor, deployment, trial, kind, reason)


def hold(tx: Transaction, actor: Actor, deployment: Deployment, revision: Revision, reason: str) -> None:
    queries.update_deployment(tx, deployment.id, held_at=tx.now, held_by=actor.id or None, held_reason=reason)
    tx.append(
        events.DeploymentHeld(**about(deployment, revision.version), revision=revision.number, reason=reason),
        actor,
        deployment.model_id,
    )


def release(tx: Transaction, actor: Actor, deployment: Deployment, revision: Revision, reason: str) -> None:
    queries.update_deployment(tx, deployment.id, held_at=None, held_by=None, held_reason="")
    tx.append(
        events.DeploymentReleased(
            **about(deployment, revision.version), revision=revision.number, reason=reason or None
        ),
        actor,
        deployment.model_id,
    )


def hold_versions(tx: Transaction, deployment: Deployment, serving: int | None, warm: int | None) -> None:
    """Protect what serves and what stays warm from deletion. serving: id of a version; warm: number of a revision."""
    name, model_id = deployment.full_name, deployment.model_id
    set_holds(tx, model_id, DEPLOYMENT, name, [] if serving is None else [serving])
    kept = None if warm is None else queries.find_revision(tx, deployment.id, warm)
    held: Sequence[int] = [] if kept is None or kept.version_id == serving else [kept.version_id]
    set_holds(tx, model_id, WARM_REVISION, name, held)
    trials = [] if serving is None else trial_queries.list_trials(tx, deployment.id)
    set_holds(tx, model_id, TRIAL, name, {trial.version_id for trial in trials} - {serving})
