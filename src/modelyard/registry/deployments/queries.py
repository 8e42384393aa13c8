"""SQL of deployments, their revisions and their moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from modelyard.db.json_columns import JsonText, dump_json
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    actors,
    aliases,
    deployment_moves,
    deployment_revisions,
    deployment_trials,
    deployments,
    models,
    namespaces,
    versions,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Role, Visibility
from modelyard.domain.deployments import STAYING, Step
from modelyard.domain.digest import Digest
from modelyard.registry.access.queries import model_role, visible_models
from modelyard.registry.access.rules import Place
from modelyard.registry.deployments.nouns import Deployment, DeploymentMove, Revision

_p = sa.bindparam
_d, _r, _m = deployments.c, deployment_revisions.c, deployment_moves.c
_holder, _maker = actors.alias("holder"), actors.alias("maker")
_COLUMNS = (
    _d.id,
    namespaces.c.name,
    models.c.name,
    models.c.visibility,
    *_d["model_id", "name", "target", "place", "stage", "follows", "replicas", "is_public", "on_recall"],
    *_d["is_stopped", "serving", "warm", "generation", "held_at"],
    _holder.c.name,
    *_d[
        "held_reason", "alarm", "owner_id", "token_id", "token_expires_at", "state", "state_reason", "reported"
    ],
    *_d["seen_at", "created_at"],
    _maker.c.name,
    *_d["since", "is_removed", "judging"],
    versions.c.number,
    versions.c.id,
    versions.c.digest,
)
_DEPLOYMENTS = (
    deployments.join(models, models.c.id == _d.model_id)
    .join(namespaces, namespaces.c.id == models.c.namespace_id)
    .join(_maker, _maker.c.id == _d.created_by)
    .outerjoin(_holder, _holder.c.id == _d.held_by)
    .join(deployment_revisions, sa.and_(_r.deployment_id == _d.id, _r.number == _d.serving))
    .join(versions, versions.c.id == _r.version_id)
)


def _deployment(row: Sequence[Any]) -> Deployment:
    """Return the deployment of a row with _COLUMNS and the actor's role on its model."""
    place = Place(row[1], row[2], Role(row[-1]), Visibility(row[3]))
    values = dict(zip(Deployment.__struct_fields__, (row[0], place, *row[4:-1]), strict=True))
    for name in ("follows", "is_public", "is_stopped", "is_removed"):
        values[name] = bool(values[name])
    for name in ("reported", "judging"):
        if values[name] is not None:
            values[name] = JsonText(values[name])
    values["digest"] = Digest(values["digest"])
    return Deployment(**values)


def _select(actor_id: Any) -> sa.Select[Any]:
    return sa.select(*_COLUMNS, model_role(actor_id)).select_from(_DEPLOYMENTS)


_FIND = Statement(_select(_p("actor_id")).where(_d.id == _p("deployment_id")))
_NAMED = _select(_p("actor_id")).where(namespaces.c.name == _p("namespace"), _d.name == _p("name"))
_FIND_NAMED = Statement(_NAMED)
_LOCK_NAMED = Statement(_NAMED.with_for_update(of=deployments))
_LOCK = Statement(_select(_p("actor_id")).where(_d.id == _p("deployment_id")).with_for_update(of=deployments))


def find_by_id(tx: Transaction, deployment_id: int) -> Deployment | None:
    """Return a deployment for the server's own work, without anybody's role."""
    row = tx.one(_FIND, actor_id=0, deployment_id=deployment_id)
    return _deployment(row) if row else None


def lock_by_id(tx: Transaction, deployment_id: int) -> Deployment | None:
    """Return a deployment for the server's own work that changes it: other changes of it wait."""
    row = tx.one(_LOCK, actor_id=0, deployment_id=deployment_id)
    return _deployment(row) if row else None


def find_named(
    tx: Transaction, actor: Actor, namespace: str, name: str, *, locks: bool = False
) -> Deployment | None:
    """Return a deployment, whether or not the actor may see it. locks: other changes of it wait."""
    row = tx.one(_LOCK_NAMED if locks else _FIND_NAMED, actor_id=actor.id, namespace=namespace, name=name)
    return _deployment(row) if row else None


def list_visible(
    tx: Transaction,
    actor: Actor,
    limit: int,
    *,
    after: tuple[str, str] | None = None,
    namespace: str | None = None,
    model_id: int | None = None,
    name: str | None = None,
) -> list[Deployment]:
    """List the deployments of models that the actor may read, by namespace and name."""
    query = (
        _select(actor.id)
        .where(visible_models(actor), _d.is_removed == 0)
        .order_by(namespaces.c.name, _d.name)
        .limit(limit)
    )
    if namespace is not None:
        query = query.where(namespaces.c.name == namespace)
    if model_id is not None:
        query = query.where(_d.model_id == model_id)
    if name is not None:
        query = query.where(_d.name == name)
    if after is not None:
        query = query.where(sa.tuple_(namespaces.c.name, _d.name) > sa.tuple_(*map(sa.literal, after)))
    return [_deployment(row) for row in tx.rows(query)]


_LIST_FOLLOWING = Statement(
    _select(_p("actor_id"))
    .where(_d.model_id == _p("model_id"), _d.stage == _p("stage"), _d.follows == 1, _d.is_removed == 0)
    .order_by(_d.id)
    .with_for_update(of=deployments)
)
_LIST_SERVING = Statement(
    _select(_p("actor_id"))
    .where(_d.model_id == _p("model_id"), versions.c.number == _p("number"), _d.is_removed == 0)
    .order_by(_d.id)
    .with_for_update(of=deployments)
)
_LIST_ALL = Statement(sa.select(_d.id, namespaces.c.name).select_from(_DEPLOYMENTS).order_by(_d.id))


def list_following(tx: Transaction, model_id: int, stage: str) -> list[Deployment]:
    """List the deployments that follow a stage, held ones too, for a change of them."""
    return [_deployment(row) for row in tx.all(_LIST_FOLLOWING, actor_id=0, model_id=model_id, stage=stage)]


def list_serving(tx: Transaction, model_id: int, number: int) -> list[Deployment]:
    """List the deployments that are to serve a version, for a change of them."""
    return [_deployment(row) for row in tx.all(_LIST_SERVING, actor_id=0, model_id=model_id, number=number)]


def list_all(tx: Transaction) -> list[tuple[int, str]]:
    """List (id, namespace) of all deployments, those that are being removed too."""
    return [(row[0], row[1]) for row in tx.all(_LIST_ALL)]


def insert_deployment(tx: Transaction, **values: Any) -> int:
    insert = deployments.insert().values(**values, created_at=tx.now, since=tx.now)
    return int(tx.execute(insert.returning(_d.id)).scalar_one())


_FORGET_TOKENS = Statement(
    deployments.update().where(_d.model_id == _p("the_model")).values(token_expires_at=None)
)


def list_ids_of_model(tx: Transaction, model_id: int) -> list[int]:
    return [row[0] for row in tx.rows(sa.select(_d.id).where(_d.model_id == model_id).order_by(_d.id))]


def renew_tokens(tx: Transaction, model_id: int) -> None:
    """Have the programs of a model's deployments given new tokens."""
    tx.run(_FORGET_TOKENS, the_model=model_id)


def update_deployment(tx: Transaction, deployment_id: int, **values: Any) -> None:
    tx.execute(deployments.update().where(_d.id == deployment_id).values(**values))


def delete_deployment(tx: Transaction, deployment_id: int) -> None:
    tx.execute(deployment_trials.delete().where(deployment_trials.c.deployment_id == deployment_id))
    tx.execute(deployment_moves.delete().where(_m.deployment_id == deployment_id))
    tx.execute(deployment_revisions.delete().where(_r.deployment_id == deployment_id))
    tx.execute(deployments.delete().where(_d.id == deployment_id))


def count_by_state(tx: Transaction) -> dict[str, int]:
    query = sa.select(_d.state, sa.func.count()).where(_d.is_removed == 0).group_by(_d.state)
    return {row[0]: row[1] for row in tx.rows(query)}


def count_held_and_alarmed(tx: Transaction) -> tuple[int, int]:
    """Return how many deployments are held, and how many serve what they should not."""
    query = sa.select(sa.func.count(_d.held_at), sa.func.count(_d.alarm)).where(_d.is_removed == 0)
    row = tx.rows(query)[0]
    return row[0], row[1]


def find_standing(tx: Transaction, model_ids: Sequence[int]) -> dict[tuple[int, str], int]:
    """Return (model id, alias) → number of the version, of all aliases of the models."""
    query = (
        sa.select(aliases.c.model_id, aliases.c.alias, versions.c.number)
        .join(versions, versions.c.id == aliases.c.version_id)
        .where(aliases.c.model_id.in_(model_ids))
    )
    return {(row[0], row[1]): row[2] for row in tx.rows(query)} if model_ids else {}


# --- revisions -------------------------------------------------------------------------------------------

_REVISION = (
    _r.number,
    versions.c.id,
    versions.c.number,
    *_r["digest", "record_digest", "settings", "cause", "promotion_id", "reason"],
    actors.c.name,
    *_r["created_at", "environment", "state", "state_reason", "good_at"],
)
_REVISIONS = deployment_revisions.join(versions, versions.c.id == _r.version_id).join(
    actors, actors.c.id == _r.actor_id
)


def _revision(row: Sequence[Any]) -> Revision:
    values = (*row[:3], Digest(row[3]), Digest(row[4]), JsonText(row[5]), *row[6:])
    return Revision(*values)


_FIND_REVISION = Statement(
    sa.select(*_REVISION)
    .select_from(_REVISIONS)
    .where(_r.deployment_id == _p("deployment_id"), _r.number == _p("number"))
)
_NEWEST_NUMBER = Statement(
    sa.select(sa.func.coalesce(sa.func.max(_r.number), 0)).where(_r.deployment_id == _p("deployment_id"))
)


def find_revision(tx: Transaction, deployment_id: int, number: int) -> Revision | None:
    row = tx.one(_FIND_REVISION, deployment_id=deployment_id, number=number)
    return _revision(row) if row else None


def list_revisions(
    tx: Transaction, deployment_id: int, *, before: int | None = None, limit: int = 1000
) -> list[Revision]:
    """List the revisions, newest first."""
    query = (
        sa.select(*_REVISION)
        .select_from(_REVISIONS)
        .where(_r.deployment_id == deployment_id)
        .order_by(_r.number.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(_r.number < before)
    return [_revision(row) for row in tx.rows(query)]


def list_some_revisions(tx: Transaction, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Revision]:
    """Return (deployment id, number) → revision."""
    query = (
        sa.select(_r.deployment_id, *_REVISION)
        .select_from(_REVISIONS)
        .where(sa.tuple_(_r.deployment_id, _r.number).in_(wanted))
    )
    return {(row[0], row[1]): _revision(row[1:]) for row in tx.rows(query)} if wanted else {}


def next_number(tx: Transaction, deployment_id: int) -> int:
    row = tx.one(_NEWEST_NUMBER, deployment_id=deployment_id)
    assert row is not None
    return int(row[0]) + 1


def insert_revision(tx: Transaction, deployment_id: int, settings: dict[str, Any], **values: Any) -> None:
    tx.execute(
        deployment_revisions.insert().values(
            deployment_id=deployment_id, settings=dump_json(settings), created_at=tx.now, **values
        )
    )


def update_revision(tx: Transaction, deployment_id: int, number: int, **values: Any) -> None:
    tx.execute(
        deployment_revisions.update()
        .where(_r.deployment_id == deployment_id, _r.number == number)
        .values(**values)
    )


# --- moves -----------------------------------------------------------------------------------------------

_MOVE = (
    *_m["generation", "kind", "before", "after", "reason"],
    actors.c.name,
    *_m["at", "swapped_at", "milliseconds", "dropped", "tried", "weight"],
)
_MOVES = deployment_moves.outerjoin(actors, actors.c.id == _m.actor_id)
_STEPS = Statement(
    sa.select(_m.kind, _m.after).where(_m.deployment_id == _p("deployment_id")).order_by(_m.generation)
)


def list_steps(tx: Transaction, deployment_id: int) -> list[Step]:
    """List the moves, oldest first, as the way back needs them."""
    return [Step(*row) for row in tx.all(_STEPS, deployment_id=deployment_id)]


def list_moves(
    tx: Transaction, deployment_id: int, *, before: int | None = None, limit: int = 1000
) -> list[DeploymentMove]:
    """List the moves, newest first."""
    query = (
        sa.select(*_MOVE)
        .select_from(_MOVES)
        .where(_m.deployment_id == deployment_id)
        .order_by(_m.generation.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(_m.generation < before)
    return [DeploymentMove(*row) for row in tx.rows(query)]


def list_last_moves(tx: Transaction, deployment_ids: Sequence[int]) -> dict[int, DeploymentMove]:
    """Return deployment id → its newest move to another revision."""
    last = (
        sa.select(_m.deployment_id, sa.func.max(_m.generation).label("generation"))
        .where(_m.deployment_id.in_(deployment_ids), _m.kind.not_in(STAYING), _m.tried.is_(None))
        .group_by(_m.deployment_id)
        .subquery()
    )
    query = sa.select(_m.deployment_id, *_MOVE).select_from(
        _MOVES.join(last, sa.and_(last.c.deployment_id == _m.deployment_id, last.c.generation == _m.generation))
    )
    return {row[0]: DeploymentMove(*row[1:]) for row in tx.rows(query)} if deployment_ids else {}


def insert_move(tx: Transaction, deployment_id: int, **values: Any) -> None:
    tx.execute(deployment_moves.insert().values(deployment_id=deployment_id, at=tx.now, **values))


def list_unswapped(tx: Transaction, deployment_id: int) -> set[int]:
    """Return the generations of moves of which no swap is stored."""
    query = sa.select(_m.generation).where(_m.deployment_id == deployment_id, _m.swapped_at.is_(None))
    return {row[0] for row in tx.rows(query)}


def note_swap(
    tx: Transaction, deployment_id: int, generation: int, at: int, milliseconds: float, dropped: int
) -> None:
    """Store the swap that a move caused."""
    tx.execute(
        deployment_moves.update()
        .where(_m.deployment_id == deployment_id, _m.generation == generation)
        .values(swapped_at=at, milliseconds=milliseconds, dropped=dropped)
    )


def list_recent_moves(
    tx: Transaction, actor: Actor, since: int, limit: int, kinds: Sequence[str] = ()
) -> list[tuple[str, int, DeploymentMove]]:
    """List (deployment, number of the version afterwards, move) of the moves since a time that the actor may see, newest first.
    kinds: only those; empty: all."""
    name = namespaces.c.name.concat("/").concat(_d.name)
    joined = (
        _MOVES.join(deployments, _d.id == _m.deployment_id)
        .join(models, models.c.id == _d.model_id)
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .join(deployment_revisions, sa.and_(_r.deployment_id == _d.id, _r.number == _m.after))
        .join(versions, versions.c.id == _r.version_id)
    )
    query = (
        sa.select(name, versions.c.number, *_MOVE)
        .select_from(joined)
        .where(visible_models(actor), _d.is_removed == 0, _m.at >= since)
        .order_by(_m.at.desc(), _m.generation.desc())
        .limit(limit)
    )
    if kinds:
        query = query.where(_m.kind.in_(kinds))
    return [(row[0], row[1], DeploymentMove(*row[2:])) for row in tx.rows(query)]
