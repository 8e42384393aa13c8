"""Routes of deployments."""

from __future__ import annotations

from typing import Any

from modelyard.api.conversion import fields_of, optional_time, to_wire
from modelyard.domain.errors import NotFound
from modelyard.domain.judging import share_interval
from modelyard.domain.names import ModelName, Ref
from modelyard.domain.times import time_text
from modelyard.doors.call import Call
from modelyard.doors.paging import Paging
from modelyard.doors.table import RouteTable
from modelyard.registry.deployments import exporting, running, showing, trials
from modelyard.registry.deployments import usecases as deployments
from modelyard.registry.deployments.nouns import (
    ComparedSide,
    Comparison,
    DeploymentMove,
    DeploymentView,
    Revision,
    Trial,
)
from modelyard.registry.idempotency import Answer
from modelyard.wire import deployments as wire
from modelyard.wire.base import PageQuery, Reason
from modelyard.wire.scorer import ScorerState

table = RouteTable(__name__)
_ONE = "/api/v1/deployments/{namespace}/{name}"
_MOST_LINES = 1000


def _named(call: Call) -> tuple[str, str]:
    return call.path["namespace"], call.path["name"]


@table.route("POST", "/api/v1/deployments", status=201)
async def deploy(call: Call, body: wire.Deploy) -> Answer[wire.Deployment]:
    """Have a deployment serve a version that is admitted to its stage. The deployment is made if it is new."""
    ref = Ref.parse(body.version, call.actor.default_namespace)
    request = deployments.DeployRequest(ref=ref, **fields_of(body, "version"))
    return await call.commit(
        lambda tx: _deployment(deployments.deploy(tx, call.actor, call.services.targets, request))
    )


@table.route("GET", "/api/v1/deployments")
async def list_deployments(call: Call, query: wire.DeploymentQuery) -> wire.DeploymentPage:
    """List the deployments of models that the caller may see, by name."""
    paging = Paging.of(query, str, str)
    model = None if query.model is None else ModelName.parse(query.model, query.namespace)
    listed = await call.read(
        lambda tx: showing.list_deployments(
            tx,
            call.actor,
            paging.start,
            paging.count,
            namespace=query.namespace,
            model=model,
            version=query.version,
        )
    )
    return paging.answer(
        wire.DeploymentPage,
        listed,
        _deployment,
        key=lambda view: (view.deployment.place.namespace or "", view.deployment.name),
    )


@table.route("GET", "/api/v1/deployments/{deployment}")
async def find_deployment(call: Call) -> wire.Deployment:
    """Return the only deployment that the caller sees under a bare name: one of that name, or else the only one in the namespace
    of that name."""
    return _deployment(
        await call.read(
            lambda tx: showing.view_one(
                tx, call.actor, showing.find_by_word(tx, call.actor, call.path["deployment"])
            )
        )
    )


@table.route("GET", _ONE)
async def show_deployment(call: Call) -> wire.Deployment:
    """Return a deployment: what it serves, who holds it, and where a rollback would go."""
    return _deployment(await call.read(lambda tx: showing.show_deployment(tx, call.actor, *_named(call))))


@table.route("PATCH", _ONE)
async def edit_deployment(call: Call, body: wire.EditDeployment) -> Answer[wire.Deployment]:
    """Change the number of replicas, who may predict, whether it follows its stage, and what a recall does."""
    edit = deployments.DeploymentEdit(**fields_of(body))
    return await call.commit(
        lambda tx: _deployment(deployments.edit_deployment(tx, call.actor, *_named(call), edit))
    )


@table.route("DELETE", _ONE, status=204)
async def remove_deployment(call: Call) -> Answer[None]:
    """End a deployment and delete its record. Requests that it has accepted are answered first; the event log keeps what it
    served."""
    return await call.commit(lambda tx: deployments.remove(tx, call.actor, *_named(call)))


@table.route("GET", f"{_ONE}/rollback")
async def preview_deployment_rollback(call: Call, query: wire.RollbackPlanQuery) -> wire.RollbackPlan:
    """Return what a rollback would do now, without doing it."""
    plan = await call.read(lambda tx: deployments.preview_rollback(tx, call.actor, *_named(call), to=query.to))
    return wire.RollbackPlan(
        name=plan.deployment.full_name,
        before=_revision(plan.before),
        after=_revision(plan.after),
        holds=plan.holds,
        is_warm=plan.is_warm,
        stage=plan.deployment.stage,
        standing=plan.standing,
        passed_over=list(plan.passed_over),
    )


@table.route("POST", f"{_ONE}/rollback", status=201)
async def rollback_deployment(call: Call, body: wire.RollbackDeployment) -> Answer[wire.Deployment]:
    """Serve the last good revision again, or one that is named. A deployment that follows a stage is held there."""
    return await call.commit(
        lambda tx: _deployment(
            deployments.rollback(
                tx,
                call.actor,
                *_named(call),
                to=body.to,
                from_revision=body.from_revision,
                with_stage=body.stage,
                reason=body.reason,
            )
        )
    )


@table.route("POST", f"{_ONE}/release")
async def release_deployment(call: Call, body: Reason) -> Answer[wire.Deployment]:
    """Let a held deployment follow its stage again."""
    return await call.commit(
        lambda tx: _deployment(deployments.release(tx, call.actor, *_named(call), reason=body.reason))
    )


@table.route("POST", f"{_ONE}/stop")
async def stop_deployment(call: Call, body: Reason) -> Answer[wire.Deployment]:
    """Serve nothing until it is started again. Requests that it has accepted are answered first."""
    return await call.commit(
        lambda tx: _deployment(deployments.stop(tx, call.actor, *_named(call), reason=body.reason))
    )


@table.route("POST", f"{_ONE}/start")
async def start_deployment(call: Call, body: Reason) -> Answer[wire.Deployment]:
    """Serve again what it served when it was stopped."""
    return await call.commit(
        lambda tx: _deployment(deployments.start(tx, call.actor, *_named(call), reason=body.reason))
    )


# --- trials ----------------------------------------------------------------------------------------------


@table.route("POST", f"{_ONE}/trials", status=201)
async def start_trial(call: Call, body: wire.StartTrial) -> Answer[wire.Deployment]:
    """Try a version next to the one that serves: as a canary, which answers a share of the requests, or as a shadow, which gets copies of
    them and whose answers reach no one."""
    ref = Ref.parse(body.version, call.path["namespace"])
    request = trials.TrialRequest(ref=ref, **fields_of(body, "version"))
    return await call.commit(lambda tx: _deployment(trials.start_trial(tx, call.actor, *_named(call), request)))


@table.route("PATCH", f"{_ONE}/trials/{{role}}")
async def weigh_trial(call: Call, body: wire.WeighTrial) -> Answer[wire.Deployment]:
    """Give the canary or the shadow another share of the requests."""
    role = call.path["role"]
    return await call.commit(
        lambda tx: _deployment(trials.set_weight(tx, call.actor, *_named(call), role=role, **fields_of(body)))
    )


@table.route("POST", f"{_ONE}/finish", status=201)
async def finish_canary(call: Call, body: wire.FinishCanary) -> Answer[wire.Deployment]:
    """Have the canary serve from now on. What served stays warm, so that a rollback takes milliseconds."""
    return await call.commit(
        lambda tx: _deployment(trials.finish(tx, call.actor, *_named(call), **fields_of(body)))
    )


@table.route("POST", f"{_ONE}/trials/{{role}}/drop")
async def drop_trial(call: Call, body: Reason) -> Answer[wire.Deployment]:
    """End the canary or the shadow. The revision that serves answers everything again."""
    return await call.commit(
        lambda tx: _deployment(
            trials.drop(tx, call.actor, *_named(call), role=call.path["role"], reason=body.reason)
        )
    )


@table.route("GET", f"{_ONE}/comparison")
async def compare_revisions(call: Call, query: wire.ComparisonQuery) -> wire.Comparison:
    """Compare the canary or the shadow with the revision that serves, in the same minutes."""
    found = await call.read(lambda tx: trials.compare(tx, call.actor, *_named(call), role=query.role))
    sight = await call.in_thread("views", running.look_at, call.services.targets, found.deployment)
    if sight is None or not sight.answers or sight.state is None:
        return _comparison(found, found.deployment.seen_at)
    now = call.services.db.clock()
    return _comparison(trials.compare_trial(now, found.deployment, found.trial, sight.state), now)


@table.route("GET", f"{_ONE}/revisions")
async def list_revisions(call: Call, query: PageQuery) -> wire.RevisionPage:
    """List the revisions of a deployment, newest first."""
    paging = Paging.of(query, int)
    listed = await call.read(
        lambda tx: showing.list_revisions(tx, call.actor, *_named(call), paging.start, paging.count)
    )
    return paging.answer(wire.RevisionPage, listed, _revision, key=lambda revision: (revision.number,))


@table.route("GET", f"{_ONE}/moves")
async def list_deployment_moves(call: Call, query: PageQuery) -> wire.MovePage:
    """List what a deployment served, who moved it and why, newest first."""
    paging = Paging.of(query, int)
    listed = await call.read(
        lambda tx: showing.list_moves(tx, call.actor, *_named(call), paging.start, paging.count)
    )
    return paging.answer(wire.MovePage, listed, _move, key=lambda move: (move.generation,))


@table.route("GET", f"{_ONE}/state")
async def show_state(call: Call) -> ScorerState:
    """Return what the program of a deployment says at this moment."""
    view = await call.read(lambda tx: showing.show_deployment(tx, call.actor, *_named(call)))
    sight = await call.in_thread("views", running.look_at, call.services.targets, view.deployment)
    if sight is None or sight.state is None or not sight.runs:
        raise NotFound(
            what=f"the program of {view.deployment.full_name}",
            fix=f"See its state with: modelyard deployment show {view.deployment.full_name}",
        )
    return sight.state


@table.route("GET", f"{_ONE}/log")
async def read_deployment_log(call: Call, query: wire.LogQuery) -> wire.DeploymentLog:
    """Return the last lines that the program of a deployment wrote, for those who may deploy."""
    deployment = await call.read(lambda tx: showing.read_log(tx, call.actor, *_named(call)))
    lines = max(1, min(query.lines, _MOST_LINES))
    text = await call.in_thread("views", running.read_log, call.services.targets, deployment, lines)
    return wire.DeploymentLog(text=text)


@table.route("GET", f"{_ONE}/export")
async def export_deployment(call: Call, query: wire.ExportQuery) -> wire.DeploymentExport:
    """Return a deployment as files for a cluster, with the image of its version by digest. Nothing is applied."""
    return to_wire(
        await call.read(
            lambda tx: exporting.export_deployment(
                tx, call.actor, call.services.targets, *_named(call), query.form
            )
        ),
        wire.DeploymentExport,
    )


@table.route("GET", f"{_ONE}/predicting", status=204)
async def check_predicting(call: Call) -> None:
    """Say whether the caller may have the deployment predict; the program of the deployment asks this for its own callers."""
    await call.read(lambda tx: showing.check_predicting(tx, call.actor, *_named(call)))


# --- shapes ----------------------------------------------------------------------------------------------


def _revision(revision: Revision) -> wire.Revision:
    settings: Any = revision.settings.value
    return to_wire(
        revision, wire.Revision, replicas=settings.get("replicas", 1), public=bool(settings.get("public"))
    )


def _move(move: DeploymentMove) -> wire.DeploymentMove:
    return to_wire(move, wire.DeploymentMove)


def _trial(trial: Trial) -> wire.Trial:
    return to_wire(trial, wire.Trial, auto=trial.is_auto)


def _side(side: ComparedSide) -> wire.ComparedSide:
    sample = side.sample
    low, high = share_interval(sample.errors, sample.requests) if sample.requests else (None, None)
    times: dict[str, float | None] = {}
    for share, word in ((0.5, "p50"), (0.99, "p99")):
        value, interval = sample.quantile(share), sample.quantile_interval(share)
        times |= {
            f"{word}_ms": _ms(value),
            f"{word}_low": None if interval is None else _ms(interval[0]),
            f"{word}_high": None if interval is None else _ms(interval[1]),
        }
    return to_wire(
        side,
        wire.ComparedSide,
        requests=sample.requests,
        errors=sample.errors,
        error_share=sample.error_share,
        error_low=low,
        error_high=high,
        **times,
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)


def _comparison(found: Comparison, seen_at: int | None) -> wire.Comparison:
    verdict, shadow = found.verdict, found.shadow
    agreement = None
    if shadow is not None:
        share, low, high = None, None, None
        if shadow.compared:
            share = shadow.agreed / shadow.compared
            low, high = share_interval(shadow.agreed, shadow.compared)
        agreement = to_wire(shadow, wire.Agreement, share=share, low=low, high=high)
    return wire.Comparison(
        name=found.deployment.full_name,
        since=time_text(found.trial.weighed_at),
        minutes=found.tried.sample.minutes,
        stable=_side(found.stable),
        tried=_side(found.tried),
        outcome=None if verdict is None else verdict.outcome,
        reason="" if verdict is None else verdict.reason,
        findings=[] if verdict is None else [to_wire(each, wire.Finding) for each in verdict.findings],
        agreement=agreement,
        seen_at=optional_time(seen_at),
    )


def _deployment(view: DeploymentView) -> wire.Deployment:
    deployment, report = view.deployment, view.deployment.report
    serving = view.serving_report
    return to_wire(
        deployment,
        wire.Deployment,
        name=deployment.full_name,
        version=deployment.reference,
        standing=view.standing,
        url=view.url,
        public=deployment.is_public,
        settled=deployment.is_settled,
        held=deployment.is_held,
        revision=_revision(view.revision),
        trials=[_trial(trial) for trial in view.trials],
        limits=to_wire(deployment.limits, wire.JudgeLimits),
        back=None if view.back is None else _revision(view.back),
        last=None if view.last is None else _move(view.last),
        held_at=optional_time(deployment.held_at),
        seen_at=None if report is None else optional_time(deployment.seen_at),
        **{
            name: None if serving is None else getattr(serving, name)
            for name in ("requests", "errors", "dropped", "p50_ms", "p99_ms", "isolation", "memory_bytes")
        },
    )
