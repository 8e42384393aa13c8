"""Find, list and show deployments."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.deployments import BACKWARD
from modelyard.domain.errors import DeploymentNotFound, Invalid, ModelyardError
from modelyard.domain.names import ModelName, Ref, fold
from modelyard.domain.times import seconds
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.deployments import moving, queries, trial_queries
from modelyard.registry.deployments.nouns import (
    Deployment,
    DeploymentMove,
    DeploymentsOverview,
    DeploymentView,
    RecentMove,
    Revision,
)

WRITE = Permission.DEPLOYMENT_WRITE
_DAY = seconds(86_400)
_MOST_SHOWN, _MOST_RECENT = 200, 8


def find_deployment(
    tx: Transaction,
    actor: Actor,
    namespace: str,
    name: str,
    permission: Permission = Permission.MODEL_READ,
    *,
    locks: bool = False,
) -> Deployment:
    """Return a deployment. locks: other changes of it wait. Raises DeploymentNotFound, Denied, Unauthenticated."""
    namespace, name = fold(namespace), fold(name)
    deployment = queries.find_named(tx, actor, namespace, name, locks=locks)
    full_name = f"{namespace}/{name}"[:200]
    if deployment is None or deployment.is_removed:
        access.refuse_strangers(actor)
        raise DeploymentNotFound(deployment=full_name)
    access.check(actor, permission, deployment.place, lambda: DeploymentNotFound(deployment=full_name))
    return deployment


def find_by_word(tx: Transaction, actor: Actor, word: str) -> Deployment:
    """Return the only deployment that the actor sees under a bare name: one of that name, or else the only one in the namespace
    of that name. Raises DeploymentNotFound; Invalid if there are several."""
    access.refuse_strangers(actor)
    word = fold(word)
    for found in (
        queries.list_visible(tx, actor, 10, name=word),
        queries.list_visible(tx, actor, 10, namespace=word),
    ):
        if len(found) == 1:
            return found[0]
        if found:
            names = [each.full_name for each in found]
            raise Invalid(
                reason=f"several deployments are called {word}: {', '.join(names)}", fix=f"Write {names[0]}"
            )
    raise DeploymentNotFound(deployment=word[:200])


def may_deploy(actor: Actor, model: Model) -> bool:
    return access.may(actor, WRITE, model.place)


def may_deploy_in(tx: Transaction, actor: Actor, typed: str) -> bool:
    """Return whether the actor may deploy the version that a form names; for an empty one, those of any namespace."""
    with contextlib.suppress(ModelyardError):
        if typed:
            return may_deploy(
                actor, catalog.find_model(tx, actor, Ref.parse(typed, actor.default_namespace).model)
            )
    found = catalog.list_namespaces(tx, actor, None, _MOST_SHOWN)
    return any(access.may(actor, WRITE, each.place) for each in found)


def check_predicting(tx: Transaction, actor: Actor, namespace: str, name: str) -> None:
    """Return if the caller may have the deployment predict. Raises Unauthenticated, Denied, DeploymentNotFound."""
    namespace, name = fold(namespace), fold(name)
    deployment = queries.find_named(tx, actor, namespace, name)
    if deployment is not None and deployment.is_public and not deployment.is_removed:
        return
    find_deployment(tx, actor, namespace, name, Permission.DEPLOYMENT_PREDICT)


def list_deployments(
    tx: Transaction,
    actor: Actor,
    after: tuple[str, str] | None,
    limit: int,
    *,
    namespace: str | None = None,
    model: ModelName | None = None,
    version: int | None = None,
) -> list[DeploymentView]:
    """List the deployments of models that the actor may read, by name. version: only those that are to serve it.

    Raises ModelNotFound, NamespaceNotFound."""
    access.refuse_strangers(actor)
    model_id = None if model is None else catalog.find_model(tx, actor, model).id
    if namespace is not None:
        namespace = catalog.find_namespace(tx, actor, namespace).name
    found = queries.list_visible(tx, actor, limit, after=after, namespace=namespace, model_id=model_id)
    if version is not None:
        found = [each for each in found if each.version == version]
    return _views(tx, actor, found)


def show_overview(tx: Transaction, actor: Actor, *, namespace: str | None = None) -> DeploymentsOverview:
    """Return all deployments that the actor may see, up to a limit, those that need a decision first."""
    views = list_deployments(tx, actor, None, _MOST_SHOWN, namespace=namespace)
    views.sort(key=lambda view: (not view.trouble, not view.deployment.is_held, view.deployment.full_name))
    recent = queries.list_recent_moves(tx, actor, tx.now - 14 * _DAY, _MOST_RECENT)
    rollbacks = queries.list_recent_moves(tx, actor, tx.now - 30 * _DAY, _MOST_SHOWN, BACKWARD)
    return DeploymentsOverview(
        views,
        sum(not view.trouble for view in views),
        sum(view.deployment.is_held for view in views),
        sum(view.deployment.alarm is not None for view in views),
        [RecentMove(*row) for row in recent],
        [RecentMove(*row) for row in rollbacks],
    )


def _views(tx: Transaction, actor: Actor, found: Sequence[Deployment]) -> list[DeploymentView]:
    """In a list, the way back is the revision that is kept warm."""
    standing = queries.find_standing(tx, [*{each.model_id for each in found}])
    wanted = [(each.id, number) for each in found for number in (each.serving, each.warm) if number is not None]
    revisions = queries.list_some_revisions(tx, wanted)
    trials = trial_queries.list_trials_of(tx, [each.id for each in found])
    lasts = queries.list_last_moves(tx, [each.id for each in found])
    return [
        DeploymentView(
            each,
            revisions[each.id, each.serving],
            None if each.warm is None else revisions[each.id, each.warm],
            standing.get((each.model_id, each.stage)),
            lasts.get(each.id),
            access.may(actor, WRITE, each.place),
            trials.get(each.id, ()),
        )
        for each in found
    ]


def view_one(tx: Transaction, actor: Actor, deployment: Deployment) -> DeploymentView:
    view = _views(tx, actor, [deployment])[0]
    way, _ = moving.find_ways(tx, moving.model_of(tx, actor, deployment), deployment)
    return msgspec.structs.replace(view, back=None if way is None else way.revision)


def view_again(tx: Transaction, actor: Actor, deployment: Deployment) -> DeploymentView:
    """Return a deployment as it is after a change."""
    return view_one(tx, actor, _read_again(tx, actor, deployment))


def _read_again(tx: Transaction, actor: Actor, deployment: Deployment) -> Deployment:
    """Read a deployment again, with the actor's role."""
    namespace = deployment.place.namespace
    assert namespace is not None
    now = queries.find_named(tx, actor, namespace, deployment.name)
    assert now is not None
    return now


def show_deployment(tx: Transaction, actor: Actor, namespace: str, name: str) -> DeploymentView:
    return view_one(tx, actor, find_deployment(tx, actor, namespace, name))


def list_revisions(
    tx: Transaction, actor: Actor, namespace: str, name: str, before: int | None, limit: int
) -> list[Revision]:
    """List the revisions of a deployment, newest first."""
    deployment = find_deployment(tx, actor, namespace, name)
    access.refuse_strangers(actor)
    return queries.list_revisions(tx, deployment.id, before=before, limit=limit)


def list_moves(
    tx: Transaction, actor: Actor, namespace: str, name: str, before: int | None, limit: int
) -> list[DeploymentMove]:
    """List what a deployment served, and who moved it, newest first."""
    deployment = find_deployment(tx, actor, namespace, name)
    access.refuse_strangers(actor)
    return queries.list_moves(tx, deployment.id, before=before, limit=limit)


def read_log(tx: Transaction, actor: Actor, namespace: str, name: str) -> Deployment:
    """Return the deployment whose log the actor may read: like the state of its target, for those who may deploy."""
    return find_deployment(tx, actor, namespace, name, WRITE)


def count_deployments(tx: Transaction) -> tuple[dict[str, int], int, int]:
    """Count deployments by state, held ones, and those with an alarm, for /metrics, whose door checks the permission."""
    return queries.count_by_state(tx), *queries.count_held_and_alarmed(tx)
