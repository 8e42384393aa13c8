"""What happens to deployments when something happens to versions, in the same transaction: the stage that they follow moves, or
what they serve is recalled or held in quarantine."""

from __future__ import annotations

from modelyard.db.transaction import Transaction, reacts_to
from modelyard.domain import events
from modelyard.domain.actor import SYSTEM, Actor
from modelyard.domain.deployments import PROMOTE, RECALL, STAGE, SWAP
from modelyard.domain.names import ModelName
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.deployments import moving, queries, trial_queries
from modelyard.registry.deployments.admission import why_not_admitted
from modelyard.registry.deployments.nouns import Deployment
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.recalled import REFUSE

StageMove = events.VersionPromoted | events.StageRolledBack | events.VersionDemoted
Withdrawal = events.VersionRecalled | events.VersionQuarantined | events.VersionArchived
Return = events.RecallLifted | events.VersionReleased | events.VersionRestored


@reacts_to(events.VersionPromoted, events.StageRolledBack, events.VersionDemoted)
def follow_stage(tx: Transaction, event: StageMove, actor: Actor, model_id: int) -> None:
    """Make the next revision of the deployments that follow the stage, from its present version."""
    for deployment in queries.list_following(tx, model_id, event.stage):
        number = moving.find_stage_version(tx, deployment)
        if number is None:
            # What serves was admitted once, so it goes on.
            continue
        model = moving.model_of(tx, actor, deployment)
        version = versions.find_by_number(tx, model_id, number)
        assert version is not None
        is_promotion = isinstance(event, events.VersionPromoted)
        reason = event.reason or (
            f"promoted to {event.stage}" if is_promotion else f"{event.stage} moved back to v{number}"
        )
        follow(
            tx,
            actor,
            model,
            deployment,
            version,
            PROMOTE if is_promotion else STAGE,
            reason,
            promotion=event.promotion,
        )


def follow(
    tx: Transaction,
    actor: Actor,
    model: Model,
    deployment: Deployment,
    version: Version,
    kind: str,
    reason: str,
    *,
    promotion: int | None = None,
) -> Deployment:
    """Have a deployment serve the version of its stage. It is not held any more. Where the stage went back, an earlier revision of
    the version is used again. The deployment stays as it is, with an alarm, if the version may not be served."""
    serving = queries.find_revision(tx, deployment.id, deployment.serving)
    assert serving is not None
    if version.id == deployment.version_id and not serving.has_failed:
        if deployment.is_held:
            moving.release(tx, actor, deployment, serving, reason)
        return moving.found(tx, deployment.id)
    refusal = why_not_admitted(tx, model, version, deployment.stage)
    if refusal is not None:
        _alarm(
            tx, SYSTEM, deployment, f"v{version.number} is in {deployment.stage}, but is not served: {refusal}"
        )
        return moving.found(tx, deployment.id)
    known = None
    if kind != PROMOTE:
        revisions = queries.list_revisions(tx, deployment.id)
        known = next((each for each in revisions if each.version_id == version.id and each.is_good), None)
    if known is None:
        number = moving.add_revision(
            tx,
            actor,
            deployment.id,
            version,
            cause=kind,
            settings=serving.settings.value,
            reason=reason,
            promotion=promotion,
        )
        known = queries.find_revision(tx, deployment.id, number)
        assert known is not None
    return moving.point(tx, actor, model, deployment, known, kind, reason, promotion=promotion)


@reacts_to(events.VersionRecalled, events.VersionQuarantined, events.VersionArchived)
def withdraw(tx: Transaction, event: Withdrawal, actor: Actor, model_id: int) -> None:
    """Raise an alarm where the version serves; if the deployment says so, its last good revision takes over."""
    if isinstance(event, events.VersionRecalled) and event.mode != REFUSE:
        return
    assert event.version is not None
    for deployment in queries.list_serving(tx, model_id, event.version):
        model = moving.model_of(tx, actor, deployment)
        version = versions.find_by_number(tx, model_id, event.version)
        assert version is not None
        refusal = why_not_admitted(tx, model, version, deployment.stage)
        if refusal is not None:
            turn_away(tx, model, deployment, refusal)
    for deployment_id, role in trial_queries.list_trying(tx, model_id, event.version):
        _withdraw_trial(tx, deployment_id, role)


def _withdraw_trial(tx: Transaction, deployment_id: int, role: str) -> None:
    """End a trial of a version that may not be tried any more: it is not needed, so that no alarm waits for somebody to decide."""
    deployment = queries.lock_by_id(tx, deployment_id)
    trial = trial_queries.find_trial(tx, deployment_id, role)
    if deployment is None or trial is None:
        return
    model = moving.model_of(tx, SYSTEM, deployment)
    version = versions.find_by_number(tx, model.id, trial.version)
    assert version is not None
    refusal = why_not_admitted(tx, model, version, deployment.stage, role)
    if refusal is not None:
        moving.end_trial(tx, SYSTEM, deployment, trial, RECALL, refusal)


def turn_away(tx: Transaction, model: Model, deployment: Deployment, refusal: str) -> Deployment:
    """Raise an alarm about what a deployment serves; swap it away if the deployment says so and has a way back."""
    _alarm(tx, SYSTEM, deployment, refusal)
    if deployment.on_recall == SWAP:
        way, _ = moving.find_ways(tx, model, deployment)
        if way is not None:
            return moving.point(tx, SYSTEM, model, deployment, way.revision, RECALL, refusal)
        queries.update_deployment(tx, deployment.id, alarm=f"{refusal}; no earlier revision can take over")
    return moving.found(tx, deployment.id)


def _alarm(tx: Transaction, actor: Actor, deployment: Deployment, reason: str) -> None:
    if deployment.alarm is not None and deployment.alarm.startswith(reason):
        return
    queries.update_deployment(tx, deployment.id, alarm=reason)
    tx.append(
        events.DeploymentAlarmed(
            **moving.about(deployment, deployment.version), revision=deployment.serving, reason=reason
        ),
        actor,
        deployment.model_id,
    )


@reacts_to(events.RecallLifted, events.VersionReleased, events.VersionRestored)
def clear(tx: Transaction, event: Return, actor: Actor, model_id: int) -> None:
    """End the alarm where the version serves, if nothing else forbids it."""
    assert event.version is not None
    for deployment in queries.list_serving(tx, model_id, event.version):
        if deployment.alarm is None:
            continue
        version = versions.find_by_number(tx, model_id, event.version)
        assert version is not None
        model = moving.model_of(tx, actor, deployment)
        if why_not_admitted(tx, model, version, deployment.stage) is None:
            queries.update_deployment(tx, deployment.id, alarm=None)
            tx.append(
                events.DeploymentCleared(
                    **moving.about(deployment, deployment.version), revision=deployment.serving
                ),
                actor,
                model_id,
            )
            moving.wake(tx, moving.found(tx, deployment.id))


@reacts_to(events.ModelRenamed)
def renew_tokens(tx: Transaction, event: events.ModelRenamed, actor: Actor, model_id: int) -> None:
    """A token is for one model by its name, so the programs of the deployments need new ones."""
    ids = queries.list_ids_of_model(tx, model_id)
    if ids:
        queries.renew_tokens(tx, model_id)
        name = ModelName.parse(str(event.model))
        for deployment_id in ids:
            deployment = moving.found(tx, deployment_id)
            assert deployment.model == name
            moving.wake(tx, deployment)
