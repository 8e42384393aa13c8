"""Deployments: what runs where since when, one of them with its revisions, and the way back."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.deployments import CANARY, SHADOW
from modelyard.domain.errors import Invalid, ModelyardError, NotFound, NoWayBack
from modelyard.domain.names import Ref
from modelyard.registry.deployments import showing, trials
from modelyard.registry.deployments import usecases as deployments
from modelyard.registry.deployments.nouns import DeploymentView
from modelyard.web.frame import PageTable, Visit

table = PageTable()
_PAGE = "/deployments/{namespace}/{deployment}"
_ROWS = 20


def _named(visit: Visit) -> tuple[str, str]:
    return visit.path["namespace"], visit.path["deployment"]


def _here(visit: Visit) -> str:
    return "/deployments/{}/{}".format(*_named(visit))


@table.get("/deployments")
async def list_deployments(visit: Visit) -> Response:
    namespace = visit.chosen("namespace")
    found = await visit.look(lambda tx: showing.show_overview(tx, visit.actor, namespace=namespace or None))
    return await visit.render("deployments.html", found=found, namespace=namespace, twin="/api/v1/deployments")


# --- deploying -------------------------------------------------------------------------------------------


async def _show_new(visit: Visit, problem: ModelyardError | None = None) -> Response:
    """?version=fraud/scorer:12 fills in the form."""
    names = ("version", "name", "replicas", "reason")
    typed = {name: visit.given(name) or visit.chosen(name) for name in names}
    may_deploy = await visit.look(lambda tx: showing.may_deploy_in(tx, visit.actor, typed["version"]))
    return await visit.show(
        "deployment_new.html",
        problem,
        typed=typed,
        is_public=bool(visit.given("public")),
        may_deploy=may_deploy,
    )


@table.get("/deployments/new")
async def new_deployment(visit: Visit) -> Response:
    return await _show_new(visit)


@table.post("/deployments/new", operation="deploy", command="deploy")
async def deploy(visit: Visit) -> Response:
    try:
        request = deployments.DeployRequest(
            ref=Ref.parse(visit.given("version"), visit.actor.default_namespace),
            name=visit.given("name") or None,
            replicas=_number(visit.given("replicas"), "a number of replicas"),
            public=True if visit.given("public") else None,
            reason=visit.given("reason") or None,
        )
        view = await visit.write(
            lambda tx: deployments.deploy(tx, visit.actor, visit.services.targets, request)
        )
    except NotFound as problem:
        return await _show_new(visit, problem)
    except ModelyardError as problem:
        return await _show_new(visit, problem)
    return visit.go(
        f"/deployments/{view.deployment.full_name}", f"v{view.deployment.version} is being deployed."
    )


def _number(text: str, what: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise Invalid(reason=f"{text[:40]!r} is not {what}", fix="Give a whole number")
    return int(text)


# --- one -------------------------------------------------------------------------------------------------


@table.get(_PAGE)
async def show_deployment(visit: Visit) -> Response:
    def read(tx: Transaction) -> dict[str, Any]:
        view = showing.show_deployment(tx, visit.actor, *_named(visit))
        compared = {trial.role: trials.compare_trial(tx.now, view.deployment, trial) for trial in view.trials}
        return {
            "view": view,
            "canary": compared.get(CANARY),
            "shadow": compared.get(SHADOW),
            "revisions": showing.list_revisions(tx, visit.actor, *_named(visit), None, _ROWS),
            "moves": showing.list_moves(tx, visit.actor, *_named(visit), None, _ROWS),
        }

    found = await visit.look(read)
    view: DeploymentView = found["view"]
    name = view.deployment.full_name
    return await visit.render(
        "deployment.html",
        **found,
        d=view.deployment,
        report=view.serving_report,
        here=f"/deployments/{name}",
        twin=f"/api/v1/deployments/{name}",
    )


# --- trials ----------------------------------------------------------------------------------------------


@table.post(f"{_PAGE}/weight", operation="weigh_trial", command="deployment weight")
async def weigh(visit: Visit) -> Response:
    weight = _number(visit.given("weight"), "a share in percent")
    if weight is None:
        raise Invalid(reason="the share is missing", fix="Give 0 to 100")
    seen, role = _number(visit.given("from"), "a share in percent"), visit.given("role") or CANARY
    await visit.write(
        lambda tx: trials.set_weight(tx, visit.actor, *_named(visit), weight, role=role, from_weight=seen)
    )
    return visit.go(_here(visit), f"The {role} is to get {weight} %.")


@table.post(f"{_PAGE}/finish", operation="finish_canary", command="deployment finish")
async def finish(visit: Visit) -> Response:
    seen = _number(visit.given("from"), "a revision")
    view = await visit.write(lambda tx: trials.finish(tx, visit.actor, *_named(visit), from_revision=seen))
    return visit.go(_here(visit), f"v{view.deployment.version} is to serve; what served stays warm.")


@table.post(f"{_PAGE}/drop", operation="drop_trial", command="deployment drop")
async def drop(visit: Visit) -> Response:
    role = visit.given("role") or CANARY
    await visit.write(lambda tx: trials.drop(tx, visit.actor, *_named(visit), role=role))
    return visit.go(_here(visit), f"The {role} has ended.")


# --- the way back ----------------------------------------------------------------------------------------


async def _show_rollback(visit: Visit, problem: ModelyardError | None = None) -> Response:
    """?to=40 names the revision."""
    to = _number(visit.given("to") or visit.chosen("to"), "a revision")

    def read(tx: Transaction) -> dict[str, Any]:
        view = showing.show_deployment(tx, visit.actor, *_named(visit))
        try:
            return {"view": view, "plan": deployments.preview_rollback(tx, visit.actor, *_named(visit), to=to)}
        except NotFound:
            raise
        except NoWayBack as refusal:
            # Nothing went wrong: the page says why there is nothing to do.
            return {"view": view, "plan": None, "nothing": refusal}
        except ModelyardError as refusal:
            return {"view": view, "plan": None, "refusal": refusal}

    found = await visit.look(read)
    return await visit.show(
        "deployment_rollback.html",
        problem or found.pop("refusal", None),
        nothing=found.pop("nothing", None),
        **found,
        d=found["view"].deployment,
        here=_here(visit),
        to=to,
        typed=visit.given("reason"),
    )


@table.get(f"{_PAGE}/rollback")
async def ask_rollback(visit: Visit) -> Response:
    return await _show_rollback(visit)


@table.post(f"{_PAGE}/rollback", operation="rollback_deployment", command="rollback")
async def rollback(visit: Visit) -> Response:
    try:
        view = await visit.write(
            lambda tx: deployments.rollback(
                tx,
                visit.actor,
                *_named(visit),
                to=_number(visit.given("to"), "a revision"),
                from_revision=_number(visit.given("from"), "a revision"),
                with_stage=bool(visit.given("stage")),
                reason=visit.given("reason"),
            )
        )
    except NotFound:
        raise
    except ModelyardError as problem:
        return await _show_rollback(visit, problem)
    return visit.go(_here(visit), f"It goes back to v{view.deployment.version}.")


@table.post(f"{_PAGE}/release", operation="release_deployment", command="deployment release")
async def release(visit: Visit) -> Response:
    view = await visit.write(
        lambda tx: deployments.release(tx, visit.actor, *_named(visit), reason=visit.given("reason") or None)
    )
    return visit.go(_here(visit), f"It follows {view.deployment.stage} again.")


@table.post(f"{_PAGE}/scale", operation="edit_deployment", command="deployment scale")
async def scale(visit: Visit) -> Response:
    edit = deployments.DeploymentEdit(replicas=_number(visit.given("replicas"), "a number of replicas"))
    view = await visit.write(lambda tx: deployments.edit_deployment(tx, visit.actor, *_named(visit), edit))
    return visit.go(_here(visit), f"It is to have {view.deployment.replicas} replicas.")


@table.post(f"{_PAGE}/stop", operation="stop_deployment", command="deployment stop")
async def stop(visit: Visit) -> Response:
    await visit.write(lambda tx: deployments.stop(tx, visit.actor, *_named(visit)))
    return visit.go(_here(visit), "It is being stopped.")


@table.post(f"{_PAGE}/start", operation="start_deployment", command="deployment start")
async def start(visit: Visit) -> Response:
    await visit.write(lambda tx: deployments.start(tx, visit.actor, *_named(visit)))
    return visit.go(_here(visit), "It is being started.")


@table.post(f"{_PAGE}/remove", operation="remove_deployment", command="deployment rm")
async def remove(visit: Visit) -> Response:
    await visit.write(lambda tx: deployments.remove(tx, visit.actor, *_named(visit)))
    return visit.go("/deployments", "The deployment is being removed; the event log keeps what it served.")
