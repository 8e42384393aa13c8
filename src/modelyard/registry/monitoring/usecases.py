"""Report what a deployment observes, see what was judged of it, and change how it is watched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.deployments import SCALE
from modelyard.domain.errors import Conflict, DeploymentNotFound, Invalid, RevisionNotFound
from modelyard.domain.monitoring import JudgedWindow, over_in
from modelyard.domain.names import ModelName
from modelyard.domain.profile import read_profile
from modelyard.registry.access import rules as access
from modelyard.registry.deployments import moving
from modelyard.registry.deployments import queries as deployment_queries
from modelyard.registry.deployments import showing as deployments
from modelyard.registry.deployments.nouns import Deployment
from modelyard.registry.monitoring import queries, rules
from modelyard.registry.monitoring.nouns import (
    JUDGED,
    STOPPED,
    Counts,
    MonitorView,
    Needing,
    ObservedWindow,
    Unwatched,
)

_PRODUCTION = "production"
_MOST_UNWATCHED = 100
_MOST_SHOWN = 200

# --- reporting -------------------------------------------------------------------------------------------


class PartReport(msgspec.Struct, frozen=True):
    """A part as it was sent, checked. profile None: rows were not described."""

    revision: int
    start: int
    part: str
    length: int
    counts: Counts
    profile: bytes | None


def check_profile(profile: bytes | None) -> None:
    """Raise InvalidFact for bytes that are not a profile. Slow for large ones."""
    if profile is not None:
        read_profile(profile)


def report_part(tx: Transaction, actor: Actor, namespace: str, name: str, report: PartReport) -> str:
    """Store a part of a window; one that was sent before is replaced. Returns stored, replaced, or closed: the window was judged.

    Only the deployment's own token and accounts with the permission report. Raises DeploymentNotFound, RevisionNotFound,
    Invalid, Conflict, Denied.
    """
    deployment = deployments.find_deployment(tx, actor, namespace, name, Permission.DEPLOYMENT_OBSERVE)
    if actor.token_id is not None and deployment_queries.is_token_of_other(tx, actor.token_id, deployment.id):
        # The token of another deployment of the same model.
        raise DeploymentNotFound(deployment=deployment.full_name)
    rules.check_part(report.start, report.length, report.part, report.counts, tx.now)
    if deployment_queries.find_revision(tx, deployment.id, report.revision) is None:
        raise RevisionNotFound(deployment=deployment.full_name, revision=report.revision)
    tx.leaves_rights = True
    where = (deployment.id, report.revision, report.start)
    if queries.is_judged(tx, *where):
        return "closed"
    is_known = queries.has_part(tx, *where, report.part)
    if not is_known and queries.count_parts(tx, *where) >= rules.MOST_PARTS:
        raise Conflict(
            reason=f"the window at {report.start} has {rules.MOST_PARTS} parts already",
            fix="Send fewer and larger parts",
        )
    queries.store_part(tx, *where, report.part, report.length, report.counts, report.profile)
    return "replaced" if is_known else "stored"


# --- changing --------------------------------------------------------------------------------------------


def edit_monitor(
    tx: Transaction, actor: Actor, namespace: str, name: str, edit: Mapping[str, Any]
) -> MonitorView:
    """Change how a deployment is watched. What is None stays. Raises DeploymentNotFound, Denied, Invalid."""
    deployment = deployments.find_deployment(
        tx, actor, namespace, name, Permission.DEPLOYMENT_WRITE, locks=True
    )
    if all(value is None for value in edit.values()):
        raise Invalid(reason="nothing is to change", fix="Give the options that change")
    before = queries.find_settings(tx, deployment.id)
    after = rules.changed(before, edit)
    if after != before:
        queries.store_settings(tx, deployment.id, after)
        old, new = msgspec.structs.asdict(before), msgspec.structs.asdict(after)
        changed: dict[str, str | int | bool | float] = {
            key: str(new[key]) for key in new if new[key] != old[key]
        }
        tx.append(
            events.DeploymentEdited(**moving.about(deployment, deployment.version), changed=changed),
            actor,
            deployment.model_id,
        )
        if after.window_seconds != before.window_seconds:
            moving.change(tx, actor, deployment, SCALE, f"windows of {after.window_seconds} s")
    return show_monitor(tx, actor, namespace, name)


# --- reading ---------------------------------------------------------------------------------------------


def show_monitor(tx: Transaction, actor: Actor, namespace: str, name: str) -> MonitorView:
    """Return what was observed of a deployment, and whether it needs retraining. Raises DeploymentNotFound."""
    return _view(tx, actor, deployments.find_deployment(tx, actor, namespace, name))


def _view(tx: Transaction, actor: Actor, deployment: Deployment) -> MonitorView:
    settings = queries.find_settings(tx, deployment.id)
    windows = queries.list_windows(tx, deployment.id, rules.SHOWN_WINDOWS)
    judged = queries.list_windows(
        tx,
        deployment.id,
        max(settings.of, 1),
        version_id=deployment.version_id,
        state=JUDGED,
        with_columns=True,
    )
    state = (
        STOPPED
        if deployment.is_stopped
        else rules.state_of(queries.find_newest_start(tx, deployment.id), settings.window_seconds, tx.now)
    )
    return MonitorView(
        deployment,
        settings,
        state,
        _gaps(tx, deployment, windows),
        queries.find_retraining(tx, deployment.id),
        windows,
        judged[0] if judged else None,
        over_in([JudgedWindow(each.over) for each in judged], settings.of),
        access.may(actor, Permission.DEPLOYMENT_WRITE, deployment.place),
    )


def _gaps(tx: Transaction, deployment: Deployment, windows: list[ObservedWindow]) -> list[str]:
    """Say what is not watched, by name."""
    found = []
    data = queries.list_training_data(tx, deployment.version_id)
    if not data:
        found.append(
            f"{deployment.reference} names no training data, so its columns are compared with its first window"
        )
    elif not any(each.profile for each in data):
        names = ", ".join(each.name for each in data)
        found.append(f"{names} has no profile, so columns are compared with the first window of the version")
    if windows and windows[0].counts.requests and not windows[0].counts.rows:
        found.append(
            "only counts are observed: the rows were not described. The program that serves needs modelyard[scorer,data]"
        )
    if windows and windows[0].counts.lost_parts:
        found.append(f"{windows[0].counts.lost_parts} parts were lost while the registry was away")
    return found


def list_monitors(
    tx: Transaction,
    actor: Actor,
    after: tuple[str, str] | None,
    limit: int,
    *,
    namespace: str | None = None,
    model: ModelName | None = None,
) -> list[MonitorView]:
    """List the deployments that the actor may see with what was observed of them, by name."""
    found = deployments.list_deployments(tx, actor, after, limit, namespace=namespace, model=model)
    return [_view(tx, actor, each.deployment) for each in found]


def list_unwatched(tx: Transaction, actor: Actor) -> list[Unwatched]:
    """List the production versions that no deployment serves, of models that the actor may see: nothing is observed of them."""
    access.refuse_strangers(actor)
    return queries.list_unwatched(tx, actor, _PRODUCTION, _MOST_UNWATCHED)


def list_needing(tx: Transaction, actor: Actor, limit: int) -> list[Needing]:
    """List the deployments that need retraining and that the actor may change, newest first."""
    access.refuse_strangers(actor)
    return queries.list_needing(tx, actor, limit)


def list_own_unwatched(tx: Transaction, actor: Actor, limit: int) -> list[Unwatched]:
    """List the production versions that nothing serves where other models have deployments, if the actor may deploy them."""
    access.refuse_strangers(actor)
    return queries.list_unwatched(tx, actor, _PRODUCTION, limit, own=True)


class MonitoringOverview(msgspec.Struct, frozen=True):
    """views: those that need retraining first."""

    views: list[MonitorView]
    unwatched: list[Unwatched]


def show_overview(tx: Transaction, actor: Actor) -> MonitoringOverview:
    views = list_monitors(tx, actor, None, _MOST_SHOWN)
    views.sort(key=lambda view: (view.since is None, view.deployment.full_name))
    return MonitoringOverview(views, list_unwatched(tx, actor))


def list_windows(
    tx: Transaction,
    actor: Actor,
    namespace: str,
    name: str,
    before: int | None,
    limit: int,
    *,
    window: int | None = None,
) -> list[ObservedWindow]:
    """List the windows of a deployment with their columns, newest first. window: only the one that begins then."""
    deployment = deployments.find_deployment(tx, actor, namespace, name)
    access.refuse_strangers(actor)
    return queries.list_windows(tx, deployment.id, limit, before=before, start=window, with_columns=True)


def count_needing(tx: Transaction) -> int:
    """Count the deployments that need retraining, for /metrics, whose door checks the permission."""
    return queries.count_needing(tx)


def list_drift(tx: Transaction, limit: int) -> list[tuple[str, int, str, float]]:
    """List (deployment, version, column, PSI) of the newest windows, the `limit` worst columns of each, for /metrics."""
    return queries.list_drift(tx, limit)
