"""Deploy, list, show, roll back, release, scale, stop, start and remove deployments."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec

from modelyard.db.json_columns import dump_json
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor
from modelyard.domain.deployments import (
    ALARM,
    CANARY,
    DEPLOY,
    RELEASE,
    ROLLBACK,
    SCALE,
    START,
    STARTING,
    STOP,
    STOPPING,
    TRIALS,
    must_hold,
)
from modelyard.domain.errors import (
    Conflict,
    DeploymentMoved,
    DeploymentNotFound,
    Invalid,
    NoWayBack,
    RevisionNotFound,
    StageNotFound,
)
from modelyard.domain.names import Alias, Ref, fold
from modelyard.engines import manifests
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.deployments import moving, queries, rules, trial_queries
from modelyard.registry.deployments.admission import refuse_unless_admitted
from modelyard.registry.deployments.following import follow
from modelyard.registry.deployments.nouns import (
    Deployment,
    DeploymentView,
    Revision,
    RollbackPlan,
    WayBack,
)
from modelyard.registry.deployments.showing import WRITE, find_deployment, view_again
from modelyard.registry.deployments.targets import Targets
from modelyard.registry.promotion import stages
from modelyard.registry.promotion.policy_queries import effective_policy
from modelyard.registry.versions import queries as version_queries
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.usecases import find_version


class DeployRequest(msgspec.Struct, frozen=True):
    """name None: that of the model. follow None: as it is; a new one follows if the reference is a stage. stage None: that of the
    reference, then the deployment's, then the last one of the model's policy. from_revision: the one that the caller saw
    serving."""

    ref: Ref
    name: str | None = None
    follow: bool | None = None
    stage: str | None = None
    replicas: int | None = None
    public: bool | None = None
    on_recall: str | None = None
    from_revision: int | None = None
    reason: str | None = None
    target: str | None = None


# --- deploying -------------------------------------------------------------------------------------------


def deploy(tx: Transaction, actor: Actor, targets: Targets, request: DeployRequest) -> DeploymentView:
    """Have a deployment serve a version; make the deployment if it is new. The target is told by a job.

    Raises ModelNotFound, VersionNotFound, StageNotFound, VersionNotAdmitted and the other refusals of admission, Denied, Invalid,
    Conflict, DeploymentMoved.
    """
    model = catalog.find_open_model(tx, actor, request.ref.model, WRITE)
    _, version = find_version(tx, actor, Ref(model.name, request.ref.selector))
    name = rules.parse_name(request.name or model.name.name, model.name.namespace)
    reason = catalog_rules.check_reason(request.reason) or ""
    present = queries.find_named(tx, actor, model.name.namespace, name, locks=True)
    if present is not None and (present.is_removed or present.model_id != model.id):
        why = "is being removed" if present.is_removed else f"serves {present.model}"
        raise Conflict(
            reason=f"the deployment {present.full_name} {why}",
            fix="Try again in a minute" if present.is_removed else "Choose another name with --name",
        )
    stage = _stage_of(tx, model, request, present)
    refuse_unless_admitted(tx, model, version, stage)
    if present is None:
        return _create(tx, actor, targets, model, version, stage, name, reason, request)
    check_from(present, request.from_revision)
    if request.target not in (None, present.target):
        raise Conflict(
            reason=f"{present.full_name} runs on {present.target}",
            fix="Deploy on the other target under another name, with --name",
        )
    _check_image(targets, present.target, model, version)
    if stage != present.stage or (request.follow is not None and request.follow != present.follows):
        follows = present.follows if request.follow is None else request.follow
        present = _edit(tx, actor, present, {"stage": stage, "follows": follows})
    present = _scale(tx, actor, present, request.replicas, request.public, request.on_recall)
    serving = queries.find_revision(tx, present.id, present.serving)
    assert serving is not None
    is_same = serving.version_id == version.id and not serving.has_failed
    if is_same and not present.is_stopped:
        _settle_hold(tx, actor, model, present, serving, reason)
    else:
        revision = serving if is_same else _add(tx, actor, present.id, version, reason, present)
        if actor.id != present.owner_id:
            queries.update_deployment(tx, present.id, owner_id=actor.id, token_expires_at=None)
        moving.point(tx, actor, model, present, revision, DEPLOY, reason)
    return view_again(tx, actor, present)


def _stage_of(tx: Transaction, model: Model, request: DeployRequest, present: Deployment | None) -> str:
    policy = effective_policy(tx, model)
    selector = request.ref.selector
    named = str(selector) if isinstance(selector, Alias) and policy.stage(str(selector)) is not None else None
    wanted = request.stage or named
    if wanted is None:
        return present.stage if present is not None else policy.stage_names[-1]
    stage = policy.stage(fold(wanted.removeprefix("@")))
    if stage is None:
        raise StageNotFound(model=str(model.name), stage=wanted[:80], stages=", ".join(policy.stage_names))
    return stage.name


def _add(
    tx: Transaction, actor: Actor, deployment_id: int, version: Version, reason: str, settings: Deployment
) -> Revision:
    number = moving.add_revision(
        tx, actor, deployment_id, version, cause=DEPLOY, settings=_settings(settings), reason=reason
    )
    revision = queries.find_revision(tx, deployment_id, number)
    assert revision is not None
    return revision


def _settings(deployment: Deployment) -> dict[str, Any]:
    return {"replicas": deployment.replicas, "public": deployment.is_public}


def _check_image(targets: Targets, name: str, model: Model, version: Version) -> None:
    """Raise Conflict if the target runs images, and there is none of the version. What follows a stage is not asked: there, the
    revision fails."""
    target = targets.find(name)
    if target is not None and target.needs_images and (version.image is None or version.image.pinned is None):
        reference = f"{model.name}:{version.number}"
        raise Conflict(reason=manifests.no_image(reference), fix=manifests.make_image(reference))


def _target_for(targets: Targets, name: str | None) -> str:
    if name is not None and targets.find(name) is None:
        raise Invalid(
            reason=f"this server has no target {name[:40]!r}",
            fix=f"It has {', '.join(targets.names) or 'none'}",
        )
    return name or targets.default


def _create(
    tx: Transaction,
    actor: Actor,
    targets: Targets,
    model: Model,
    version: Version,
    stage: str,
    name: str,
    reason: str,
    request: DeployRequest,
) -> DeploymentView:
    if request.from_revision is not None:
        raise DeploymentNotFound(deployment=f"{model.name.namespace}/{name}")
    target = _target_for(targets, request.target)
    _check_image(targets, target, model, version)
    replicas = rules.check_replicas(1 if request.replicas is None else request.replicas)
    is_public = bool(request.public)
    follows = str(request.ref.selector) == stage if request.follow is None else request.follow
    deployment_id = queries.insert_deployment(
        tx,
        namespace_id=model.namespace_id,
        model_id=model.id,
        name=name,
        target=target,
        stage=stage,
        follows=int(follows),
        replicas=replicas,
        is_public=int(is_public),
        on_recall=rules.check_on_recall(request.on_recall or ALARM),
        serving=1,
        generation=1,
        owner_id=actor.id,
        created_by=actor.id,
        state=STARTING,
    )
    settings = {"replicas": replicas, "public": is_public}
    moving.add_revision(tx, actor, deployment_id, version, cause=DEPLOY, settings=settings, reason=reason)
    queries.insert_move(
        tx, deployment_id, generation=1, kind=DEPLOY, before=None, after=1, reason=reason, actor_id=actor.id
    )
    made = moving.found(tx, deployment_id)
    about = moving.about(made, version.number)
    tx.append(
        events.DeploymentCreated(**about, stage=stage, follows=follows, target=made.target), actor, model.id
    )
    tx.append(
        events.DeploymentRevised(
            **about,
            revision=1,
            digest=version.digest,
            record_digest=version.record_digest,
            cause=DEPLOY,
            reason=reason or None,
        ),
        actor,
        model.id,
    )
    moving.hold_versions(tx, made, version.id, None)
    revision = queries.find_revision(tx, deployment_id, 1)
    assert revision is not None
    _settle_hold(tx, actor, model, made, revision, reason)
    moving.wake(tx, made)
    return view_again(tx, actor, made)


def _settle_hold(
    tx: Transaction, actor: Actor, model: Model, deployment: Deployment, serving: Revision, reason: str
) -> None:
    """Hold a deployment that serves another version than its stage, and release one that serves the same."""
    standing = moving.find_stage_version(tx, deployment)
    holds = must_hold(deployment.follows, standing, serving.version)
    if holds and not deployment.is_held:
        moving.hold(tx, actor, deployment, serving, reason or f"v{serving.version} was deployed by hand")
    elif deployment.is_held and not holds:
        moving.release(tx, actor, deployment, serving, reason)


def check_from(deployment: Deployment, seen: int | None) -> None:
    """Raise DeploymentMoved if another revision serves than the one that the caller saw; None accepts any."""
    if seen is not None and seen != deployment.serving:
        raise DeploymentMoved(
            deployment=deployment.full_name, revision=deployment.serving, reference=deployment.reference
        )


# --- the way back ----------------------------------------------------------------------------------------


def preview_rollback(
    tx: Transaction, actor: Actor, namespace: str, name: str, *, to: int | None = None
) -> RollbackPlan:
    """Return what `rollback` would do now; nothing is written. Raises the same errors."""
    deployment = find_deployment(tx, actor, namespace, name, WRITE)
    return _plan(tx, moving.model_of(tx, actor, deployment), deployment, to)


def _plan(tx: Transaction, model: Model, deployment: Deployment, to: int | None) -> RollbackPlan:
    before = queries.find_revision(tx, deployment.id, deployment.serving)
    assert before is not None
    standing = moving.find_stage_version(tx, deployment)
    canary = trial_queries.find_trial(tx, deployment.id, CANARY)
    if to is None and canary is not None:
        # The nearest way back is the revision that still answers next to the canary.
        tried = queries.find_revision(tx, deployment.id, canary.revision)
        assert tried is not None
        holds = must_hold(deployment.follows, standing, before.version)
        return RollbackPlan(deployment, tried, before, holds, True, standing, ())
    way = _way_to(tx, model, deployment, to) if to is not None else _way_back(tx, model, deployment)
    return RollbackPlan(
        deployment,
        before,
        way.revision,
        must_hold(deployment.follows, standing, way.revision.version),
        way.revision.number == deployment.warm,
        standing,
        way.passed_over,
    )


def _way_back(tx: Transaction, model: Model, deployment: Deployment) -> WayBack:
    way, refusal = moving.find_ways(tx, model, deployment)
    if way is not None:
        return way
    if refusal is not None:
        raise refusal
    raise NoWayBack(deployment=deployment.full_name, passed_over="")


def _way_to(tx: Transaction, model: Model, deployment: Deployment, to: int) -> WayBack:
    revision = queries.find_revision(tx, deployment.id, to)
    if revision is None:
        raise RevisionNotFound(deployment=deployment.full_name, revision=to)
    if revision.number == deployment.serving:
        raise Conflict(
            reason=f"{deployment.full_name} serves revision {to} already",
            fix=f"See its revisions with: modelyard deployment history {deployment.full_name}",
        )
    if revision.has_failed:
        raise Conflict(
            reason=f"revision {to} of {deployment.full_name} could not start: {revision.state_reason}",
            fix=f"Try it again as a new revision: modelyard deploy {deployment.model}:{revision.version} --name {deployment.name}",
        )
    refusal = moving.refusal_of(tx, model, deployment, revision)
    if refusal is not None:
        raise refusal
    return WayBack(revision)


def rollback(
    tx: Transaction,
    actor: Actor,
    namespace: str,
    name: str,
    *,
    to: int | None = None,
    from_revision: int | None = None,
    with_stage: bool = False,
    reason: str,
) -> DeploymentView:
    """Point a deployment at its last good revision, or at one that is named; without a name, a canary ends and the revision next to
    it answers everything. One that follows a stage is held there until it is
    released or another version enters the stage.

    from_revision: the one that the caller saw serving; another one raises DeploymentMoved, so that two people do not roll back
    twice. with_stage: move the stage back to the same version, too. Raises NoWayBack, RevisionNotFound, Conflict, the refusals of
    admission and Denied; with_stage: like the rollback of a stage.
    """
    deployment = find_deployment(tx, actor, namespace, name, WRITE, locks=True)
    reason = catalog_rules.require_reason(reason, "a rollback")
    check_from(deployment, from_revision)
    model = moving.model_of(tx, actor, deployment)
    plan = _plan(tx, model, deployment, to)
    canary = trial_queries.find_trial(tx, deployment.id, CANARY)
    if plan.after.number == deployment.serving:
        assert canary is not None
        now = moving.end_trial(tx, actor, deployment, canary, ROLLBACK, reason)
    else:
        now = moving.point(tx, actor, model, deployment, plan.after, ROLLBACK, reason)
    if with_stage and plan.standing != plan.after.version:
        stages.rollback(tx, actor, model.name, deployment.stage, to=plan.after.version, reason=reason)
    return view_again(tx, actor, now)


def release(
    tx: Transaction, actor: Actor, namespace: str, name: str, *, reason: str | None = None
) -> DeploymentView:
    """Let a held deployment follow its stage again: the stage's version is to serve. Raises Conflict if it is not held, and the
    refusals of admission."""
    deployment = find_deployment(tx, actor, namespace, name, WRITE, locks=True)
    reason = catalog_rules.check_reason(reason) or ""
    if not deployment.is_held:
        raise Conflict(
            reason=f"{deployment.full_name} is not held",
            fix=f"See what it serves with: modelyard deployment show {deployment.full_name}",
        )
    _follow_now(tx, actor, deployment, reason)
    return view_again(tx, actor, deployment)


def _follow_now(tx: Transaction, actor: Actor, deployment: Deployment, reason: str) -> None:
    model = moving.model_of(tx, actor, deployment)
    number = moving.find_stage_version(tx, deployment)
    serving = queries.find_revision(tx, deployment.id, deployment.serving)
    assert serving is not None
    if number is None:
        if deployment.is_held:
            moving.release(tx, actor, deployment, serving, reason)
        return
    version = version_queries.find_by_number(tx, model.id, number)
    assert version is not None
    refuse_unless_admitted(tx, model, version, deployment.stage)
    follow(tx, actor, model, deployment, version, RELEASE, reason)


# --- changing --------------------------------------------------------------------------------------------


class DeploymentEdit(msgspec.Struct, frozen=True):
    """None leaves an option unchanged."""

    replicas: int | None = None
    public: bool | None = None
    follow: bool | None = None
    on_recall: str | None = None
    guard_minutes: int | None = None
    least_requests: int | None = None
    error_difference: float | None = None
    latency_ratio: float | None = None
    judge_minutes: int | None = None


def edit_deployment(
    tx: Transaction, actor: Actor, namespace: str, name: str, edit: DeploymentEdit
) -> DeploymentView:
    """Change the options of a deployment. Raises Invalid, Denied, DeploymentNotFound."""
    deployment = find_deployment(tx, actor, namespace, name, WRITE, locks=True)
    if edit == DeploymentEdit():
        raise Invalid(reason="nothing is to change", fix="Give the options that change")
    deployment = _scale(tx, actor, deployment, edit.replicas, edit.public, edit.on_recall)
    deployment = _set_limits(tx, actor, deployment, edit)
    if edit.follow is not None and edit.follow != deployment.follows:
        deployment = _edit(tx, actor, deployment, {"follows": edit.follow})
        if edit.follow:
            _follow_now(tx, actor, deployment, f"it follows {deployment.stage} again")
        elif deployment.is_held:
            serving = queries.find_revision(tx, deployment.id, deployment.serving)
            assert serving is not None
            moving.release(tx, actor, deployment, serving, "it does not follow a stage any more")
    return view_again(tx, actor, deployment)


def _set_limits(tx: Transaction, actor: Actor, deployment: Deployment, edit: DeploymentEdit) -> Deployment:
    """Change by which limits canaries and new revisions are judged, and for how long a new one is guarded."""
    given = {
        "requests": edit.least_requests,
        "error_difference": edit.error_difference,
        "latency_ratio": edit.latency_ratio,
        "minutes": edit.judge_minutes,
    }
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    dataclasses.replace(deployment.limits, **changed).checked()
    if edit.guard_minutes is not None:
        changed["guard_minutes"] = rules.check_guard_minutes(edit.guard_minutes)
    present = {**dataclasses.asdict(deployment.limits), "guard_minutes": deployment.guard_minutes}
    kept = {} if deployment.judging is None else deployment.judging.value
    if all(present[name] == value for name, value in changed.items()):
        return deployment
    queries.update_deployment(tx, deployment.id, judging=dump_json({**kept, **changed}))
    tx.append(
        events.DeploymentEdited(**moving.about(deployment, deployment.version), changed=changed),
        actor,
        deployment.model_id,
    )
    return moving.found(tx, deployment.id)


def _scale(
    tx: Transaction,
    actor: Actor,
    deployment: Deployment,
    replicas: int | None,
    public: bool | None,
    on_recall: str | None,
) -> Deployment:
    if on_recall is not None and rules.check_on_recall(on_recall) != deployment.on_recall:
        deployment = _edit(tx, actor, deployment, {"on_recall": on_recall})
    changed: dict[str, Any] = {}
    if replicas is not None and rules.check_replicas(replicas) != deployment.replicas:
        changed["replicas"] = replicas
    if public is not None and public != deployment.is_public:
        changed["is_public"] = public
    if not changed:
        return deployment
    words = {"replicas": f"{deployment.replicas} to {replicas} replicas", "is_public": f"public: {public}"}
    deployment = _edit(tx, actor, deployment, changed)
    return moving.change(tx, actor, deployment, SCALE, ", ".join(words[name].lower() for name in changed))


def _edit(tx: Transaction, actor: Actor, deployment: Deployment, changed: dict[str, Any]) -> Deployment:
    values = {name: int(value) if isinstance(value, bool) else value for name, value in changed.items()}
    queries.update_deployment(tx, deployment.id, **values)
    tx.append(
        events.DeploymentEdited(**moving.about(deployment, deployment.version), changed=changed),
        actor,
        deployment.model_id,
    )
    return moving.found(tx, deployment.id)


def stop(
    tx: Transaction, actor: Actor, namespace: str, name: str, *, reason: str | None = None
) -> DeploymentView:
    """Serve nothing until it is started again. Requests that were accepted are answered first. Raises DeploymentNotFound, Denied."""
    deployment = find_deployment(tx, actor, namespace, name, WRITE, locks=True)
    reason = catalog_rules.check_reason(reason)
    if not deployment.is_stopped:
        moving.change(tx, actor, deployment, STOP, reason or "", is_stopped=1, state=STOPPING, state_reason="")
        event = events.DeploymentStopped(**moving.about(deployment, deployment.version), reason=reason)
        tx.append(event, actor, deployment.model_id)
    return view_again(tx, actor, deployment)


def start(
    tx: Transaction, actor: Actor, namespace: str, name: str, *, reason: str | None = None
) -> DeploymentView:
    """Serve again what it served when it was stopped. Raises DeploymentNotFound, Denied, the refusals of admission."""
    deployment = find_deployment(tx, actor, namespace, name, WRITE, locks=True)
    reason = catalog_rules.check_reason(reason)
    if deployment.is_stopped:
        model = moving.model_of(tx, actor, deployment)
        revision = queries.find_revision(tx, deployment.id, deployment.serving)
        assert revision is not None
        refuse_unless_admitted(tx, model, moving.version_of(tx, model, revision), deployment.stage)
        moving.change(
            tx,
            actor,
            deployment,
            START,
            reason or "",
            is_stopped=0,
            state=STARTING,
            state_reason="",
            alarm=None,
        )
        event = events.DeploymentStarted(**moving.about(deployment, deployment.version), reason=reason)
        tx.append(event, actor, deployment.model_id)
    return view_again(tx, actor, deployment)


def remove(tx: Transaction, actor: Actor, namespace: str, name: str) -> None:
    """End a deployment and delete its record; the events stay. Raises DeploymentNotFound, Denied."""
    deployment = find_deployment(tx, actor, namespace, name, WRITE, locks=True)
    for role in TRIALS:
        trial_queries.delete_trial(tx, deployment.id, role)
    queries.update_deployment(tx, deployment.id, is_removed=1, is_stopped=1, state=STOPPING)
    moving.hold_versions(tx, deployment, None, None)
    event = events.DeploymentDeleted(**moving.about(deployment, deployment.version))
    tx.append(event, actor, deployment.model_id)
    moving.wake(tx, deployment)
