"""Stages: who stands where and stood when; rollback and demotion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.canonical import canonical_json
from modelyard.domain.errors import (
    AliasMoved,
    Conflict,
    Invalid,
    NothingToRollBack,
    StageNotFound,
    VersionNotFound,
)
from modelyard.domain.names import ModelName, Ref, fold
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.promotion import moves, queries
from modelyard.registry.promotion.moves import LATEST, MOVES_READ, StageState
from modelyard.registry.promotion.nouns import (
    DEMOTE,
    DONE,
    ROLLBACK,
    Move,
    MoveState,
    Promotion,
    StoredVote,
    StoredWaiver,
)
from modelyard.registry.promotion.permits import check_named
from modelyard.registry.promotion.policy import Policy, Stage
from modelyard.registry.promotion.policy_queries import effective_policy
from modelyard.registry.promotion.usecases import named_in
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.rules import ARCHIVED, refuse_deleted
from modelyard.registry.versions.usecases import archive_version


@dataclass(frozen=True, slots=True)
class StageView:
    """A stage of a model and who stands there."""

    name: str
    slots: int
    mode: str
    rules: Sequence[str]
    primary: int | None
    all: Sequence[int]
    since: int | None
    by: str | None
    revision: int


@dataclass(frozen=True, slots=True)
class StageMove:
    """A move in the history of a stage, with who let it happen."""

    promotion: Promotion
    primary: int | None
    all: Sequence[int]
    votes: Sequence[StoredVote]
    waivers: Sequence[StoredWaiver]


def list_stages(tx: Transaction, actor: Actor, name: ModelName) -> tuple[Model, Policy, list[StageView]]:
    """In their order."""
    model = catalog.find_model(tx, actor, name)
    policy = effective_policy(tx, model)
    found = []
    for stage in policy.stages:
        standing = moves.find_standing(tx, model, stage)
        gate = policy.gates[stage.name].gate
        primary = standing.primary
        found.append(
            StageView(
                name=stage.name,
                slots=stage.slots,
                mode=gate.mode.value,
                rules=[named.id for named in gate.rules],
                primary=standing.number,
                all=standing.all,
                since=primary.updated_at if primary else None,
                by=primary.updated_by if primary else None,
                revision=standing.revision,
            )
        )
    return model, policy, found


def list_history(
    tx: Transaction,
    actor: Actor,
    name: ModelName,
    stage: str,
    *,
    at: int | None = None,
    limit: int = 100,
) -> list[StageMove]:
    """The moves of a stage, newest first. at: those made until then, so that the first one says who stood there.

    A stage that a policy took away keeps its history.
    """
    model = catalog.find_model(tx, actor, name)
    found = queries.list_moves(tx, model.id, fold(stage), LATEST if at is None else at, limit)
    if not found:
        policy = effective_policy(tx, model)
        if policy.stage(fold(stage)) is None:
            raise StageNotFound(model=str(model.name), stage=stage[:80], stages=", ".join(policy.stage_names))
    return [
        StageMove(
            row,
            row.after_primary,
            list(row.after_all),
            queries.list_votes(tx, row.id, LATEST),
            queries.list_waivers(tx, row.id, LATEST),
        )
        for row in found
    ]


# --- rollback ------------------------------------------------------------------------------------------


def rollback(
    tx: Transaction,
    actor: Actor,
    name: ModelName,
    stage: str,
    *,
    to: int | None = None,
    reason: str,
    seen: int | None = None,
) -> Promotion:
    """Take back the last move of a stage, or go back to a version that stood there before.

    No gate is asked: the person who goes back passed it once, and a freeze holds no one here. seen: the revision of
    the stage that the caller saw, so that a rollback sent twice does not go back twice.
    Raises NothingToRollBack, AliasMoved, VersionDeleted, Denied.
    """
    model, policy, found, standing = _for_change(tx, actor, name, stage, Permission.PROMOTION_ROLLBACK, seen)
    check_named(tx, actor, policy.gates[found.name].who.rollback, f"roll back {found.name}", str(model.name))
    reason = catalog_rules.require_reason(reason, "a rollback")
    history = queries.list_move_states(tx, model.id, found.name, LATEST, MOVES_READ)
    stack = moves.undo_stack(history)
    target = moves.way_back(stack) if to is None else to
    if target is None or (to is not None and to not in moves.stood_in(history)):
        fix = None
        if to is not None:
            fix = f"{model.name}:{to} never stood there; use: modelyard promote {model.name}:{to} {found.name}"
        raise NothingToRollBack(model=str(model.name), stage=found.name, fix=fix)
    if target == standing.number:
        raise Conflict(
            reason=f"{model.name}:{target} stands in {found.name} already",
            fix=f"See who stood there with: modelyard history {model.name} --stage {found.name}",
        )
    version = _usable(tx, actor, model, target)
    undid = stack[-1].move_id if stack else None
    after = moves.enter_stage(tx, actor, model, found, standing, version, primary=True, reason=reason)
    row = _record(tx, actor, model, policy, found, standing, version, ROLLBACK, reason, after, target, undid)
    tx.append(
        events.StageRolledBack(**named_in(row), from_version=standing.number, undid=undid, reason=reason),
        actor,
        model.id,
    )
    stack = moves.undo_stack([_state(row), *history])
    moves.hold_version(tx, model, found.name, moves.way_back(stack))
    return row


def _for_change(
    tx: Transaction, actor: Actor, name: ModelName, stage: str, permission: Permission, seen: int | None
) -> tuple[Model, Policy, Stage, StageState]:
    model = catalog.find_open_model(tx, actor, name, permission)
    policy = effective_policy(tx, model)
    found = policy.stage(fold(stage))
    if found is None:
        raise StageNotFound(model=str(model.name), stage=stage[:80], stages=", ".join(policy.stage_names))
    standing = moves.find_standing(tx, model, found)
    if seen is not None and seen != standing.revision:
        raise AliasMoved(
            model=str(model.name), alias=found.name, version=standing.number, revision=standing.revision
        )
    return model, policy, found, standing


def _usable(tx: Transaction, actor: Actor, model: Model, number: int) -> Version:
    """A version to go back to; one that was archived meanwhile is brought back."""
    version = versions.find_by_number(tx, model.id, number)
    if version is None:
        raise VersionNotFound(model=str(model.name), version=number)
    refuse_deleted(model.name, version)
    if version.state == ARCHIVED:
        archive_version(tx, actor, Ref(model.name, number), archived=False)
        version = versions.find_by_number(tx, model.id, number)
        assert version is not None
    return version


def _record(
    tx: Transaction,
    actor: Actor,
    model: Model,
    policy: Policy,
    stage: Stage,
    standing: StageState,
    version: Version,
    kind: str,
    reason: str | None,
    after: Sequence[int],
    after_primary: int | None,
    undid: int | None,
) -> Promotion:
    """The move in the stage's history."""
    queries.keep_effective(tx, policy.digest, canonical_json(policy.body).decode())
    move = Move(
        version=version,
        stage=stage.name,
        kind=kind,
        primary=True,
        seen_number=standing.number,
        seen_revision=standing.revision,
        policy_digest=policy.digest,
        state=DONE,
        reason=reason,
        opened_at=tx.now,
        opened_by=actor.id,
        undid=undid,
    )
    move = moves.carried_out(tx, actor, move, after, after_primary is not None)
    row = queries.find_promotion(tx, queries.store_move(tx, move))
    assert row is not None
    return row


def _state(row: Promotion) -> MoveState:
    return MoveState(row.id, row.kind, row.after_primary, row.after_all, row.closed_at or row.opened_at)


# --- demotion ------------------------------------------------------------------------------------------


def demote(
    tx: Transaction,
    actor: Actor,
    name: ModelName,
    stage: str,
    *,
    version: int | None = None,
    next_primary: int | None = None,
    reason: str | None = None,
    seen: int | None = None,
) -> Promotion:
    """Take a version out of a stage: the primary one, or `version`.

    next_primary: which of the others the alias points at from now on; needed when the primary one leaves and
    others stay. Raises Conflict when the version does not stand there, AliasMoved, Denied.
    """
    model, policy, found, standing = _for_change(tx, actor, name, stage, Permission.PROMOTION_DEMOTE, seen)
    check_named(tx, actor, policy.gates[found.name].who.demote, f"demote from {found.name}", str(model.name))
    reason = catalog_rules.check_reason(reason)
    number = version if version is not None else standing.number
    if number is None or number not in standing.all:
        who = f"version {number}" if number is not None else "nobody"
        raise Conflict(
            reason=f"{who} stands in {found.name} of {model.name}"
            if number is None
            else f"{model.name}:{number} does not stand in {found.name}",
            fix=f"See who does with: modelyard stages {model.name}",
        )
    leaving = versions.find_by_number(tx, model.id, number)
    assert leaving is not None
    if number != standing.number:
        after, primary = moves.leave_stage(tx, model, found.name, standing, number), standing.number
    else:
        after, primary = _leave_primary(tx, actor, model, found, standing, next_primary, reason)
    row = _record(tx, actor, model, policy, found, standing, leaving, DEMOTE, reason, after, primary, None)
    tx.append(events.VersionDemoted(**named_in(row), to_version=primary, reason=reason), actor, model.id)
    history = queries.list_move_states(tx, model.id, found.name, LATEST, MOVES_READ)
    moves.hold_version(tx, model, found.name, moves.way_back(moves.undo_stack(history)))
    return row


def _leave_primary(
    tx: Transaction,
    actor: Actor,
    model: Model,
    stage: Stage,
    standing: StageState,
    next_primary: int | None,
    reason: str | None,
) -> tuple[list[int], int | None]:
    others = [o.number for o in standing.others]
    if next_primary is None and others:
        raise Conflict(
            reason=f"{len(others)} other version(s) stand in {stage.name}: {', '.join(map(str, others))}",
            fix=f"Say which one is the primary from now on: --next-primary {others[0]}",
        )
    if next_primary is None:
        moves.point_stage(tx, actor, model, standing, None, reason)
        return [], None
    if next_primary not in others:
        raise Invalid(reason=f"version {next_primary} does not stand in {stage.name} next to the primary one")
    version = versions.find_by_number(tx, model.id, next_primary)
    assert version is not None
    after = moves.enter_stage(tx, actor, model, stage, standing, version, primary=True, reason=reason)
    return after, next_primary
