"""Show the present and past versions of stages; roll back and demote."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import (
    Conflict,
    Invalid,
    ModelyardError,
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
from modelyard.registry.promotion.permits import check_who, warn_role
from modelyard.registry.promotion.policy import Policy
from modelyard.registry.promotion.policy_queries import effective_policy
from modelyard.registry.promotion.usecases import named_in
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.rules import ARCHIVED, refuse_deleted
from modelyard.registry.versions.serving import refuse_held, refuse_incomplete
from modelyard.registry.versions.usecases import archive_version, list_flags


class Standing(msgspec.Struct, frozen=True):
    """A version in a stage."""

    version: int
    since: int
    flags: Sequence[str]
    """Problems of the version, gravest first."""


class StageView(msgspec.Struct, frozen=True):
    """A stage of a model and the versions in it."""

    name: str
    slots: int
    mode: str
    rules: Sequence[str]
    primary: int | None
    all: Sequence[int]
    since: int | None
    by: str | None
    revision: int
    standing: Sequence[Standing]
    """Like `all`, each with its state."""


class StageMove(msgspec.Struct, frozen=True):
    """A move in the history of a stage, with the people who allowed it."""

    promotion: Promotion
    primary: int | None
    all: Sequence[int]
    votes: Sequence[StoredVote]
    waivers: Sequence[StoredWaiver]


def list_stages(tx: Transaction, actor: Actor, name: ModelName) -> tuple[Model, Policy, list[StageView]]:
    """List the stages of a model in their order."""
    model = catalog.find_model(tx, actor, name)
    return model, effective_policy(tx, model), views_of(tx, model)


def views_of(tx: Transaction, model: Model) -> list[StageView]:
    """List the stages of a model in their order, without a check of permissions."""
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
                standing=_standing(tx, standing),
            )
        )
    return found


def _standing(tx: Transaction, standing: StageState) -> list[Standing]:
    if not standing.all:
        return []
    since = {o.number: o.since for o in standing.others}
    if standing.primary is not None and standing.number is not None:
        since[standing.number] = standing.primary.updated_at
    flags = list_flags(tx, standing.model.id, standing.all)
    return [Standing(number, since[number], flags[number]) for number in standing.all]


def list_history(
    tx: Transaction,
    actor: Actor,
    name: ModelName,
    stage: str,
    *,
    at: int | None = None,
    limit: int = 100,
) -> list[StageMove]:
    """List the moves of a stage, newest first.

    at: only those made until then; the first one shows the stage at that time.

    A stage that a policy removed keeps its history.
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


class RollbackPreview(msgspec.Struct, frozen=True):
    """The effect of a rollback, done or previewed."""

    stage: str
    revision: int
    before: Sequence[int]
    """Versions in the stage now, the primary one first; empty: none."""
    after: Sequence[int]
    """Versions in the stage afterwards, the primary one first."""
    restored: Sequence[int]
    """Archived versions that are restored for it."""
    passed_over: Sequence[str]
    """Nearer contents that cannot come back, with the reasons."""


class _WayBack(msgspec.Struct, frozen=True):
    primary: Version
    others: Sequence[Version]
    passed_over: Sequence[str] = ()


def preview_rollback(
    tx: Transaction, actor: Actor, name: ModelName, stage: str, *, to: int | None = None
) -> RollbackPreview:
    """Return what `rollback` would do now; nothing is written. Raises the same errors."""
    _, standing = _for_change(tx, actor, name, stage, Permission.PROMOTION_ROLLBACK, None)
    way = _find_way_back(tx, standing, _history(tx, standing), to)
    back = [way.primary, *way.others]
    return RollbackPreview(
        stage=standing.stage.name,
        revision=standing.revision,
        before=standing.all,
        after=[version.number for version in back],
        restored=[version.number for version in back if version.state == ARCHIVED],
        passed_over=way.passed_over,
    )


def rollback(
    tx: Transaction,
    actor: Actor,
    name: ModelName,
    stage: str,
    *,
    to: int | None = None,
    from_version: int | None = None,
    reason: str,
    seen: int | None = None,
) -> Promotion:
    """Undo the last move of a stage, or return to a version that was there before.

    Without `to` the stage returns to its contents before the last move. Contents whose primary version cannot come back
    (recalled, deleted, in quarantine) are skipped, and so are single versions next to it. No gate is judged, since the
    version passed it once, and a freeze does not apply. from_version: the primary version that the caller saw; seen:
    the revision. With either, a rollback that is sent twice is done once.
    Raises NothingToRollBack, AliasMoved, VersionDeleted, VersionRecalled, VersionQuarantined, Denied.
    """
    policy, standing = _for_change(tx, actor, name, stage, Permission.PROMOTION_ROLLBACK, seen)
    model, found = standing.model, standing.stage
    narrowing = policy.gates[found.name].who
    check_who(tx, actor, narrowing, "rollback", f"roll back {found.name}", model)
    reason = catalog_rules.require_reason(reason, "a rollback")
    if from_version is not None and from_version != standing.number:
        raise standing.moved()
    history = _history(tx, standing)
    way = _find_way_back(tx, standing, history, to)
    for version in (way.primary, *way.others):
        if version.state == ARCHIVED:
            archive_version(tx, actor, Ref(model.name, version.number), archived=False, reason=reason)
    undid = history[0].id if history else None
    after = moves.restore_stage(tx, actor, standing, way.primary, way.others, reason)
    row = _record(tx, actor, policy, standing, way.primary, ROLLBACK, reason, after, way.primary.number, undid)
    tx.append(
        events.StageRolledBack(**named_in(row), from_version=standing.number, undid=undid, reason=reason),
        actor,
        model.id,
    )
    moves.hold_way_back(tx, standing)
    warning = warn_role(tx, actor, narrowing, "rollback", f"roll back {found.name}", model, row.number)
    return replace(row, warning=warning)


def _history(tx: Transaction, standing: StageState) -> list[MoveState]:
    return queries.list_move_states(tx, standing.model.id, standing.stage.name, LATEST, MOVES_READ)


def _find_way_back(
    tx: Transaction, standing: StageState, history: Sequence[MoveState], to: int | None
) -> _WayBack:
    """Find the contents to return to. Raises NothingToRollBack; if nothing can come back, the error of the nearest."""
    model, stage = standing.model, standing.stage.name
    if to is not None:
        return _way_to(tx, standing, history, to)
    passed_over: list[str] = []
    nearest: ModelyardError | None = None
    for contents in moves.ways_back(moves.undo_stack(history)):
        assert contents.primary is not None
        primary, refusal = _find_usable(tx, standing, contents.primary)
        if primary is None:
            nearest = nearest or refusal
            passed_over.append(refusal.message if refusal is not None else "")
            continue
        others = [_find_usable(tx, standing, n)[0] for n in contents.all if n != contents.primary]
        usable = [version for version in others if version is not None][: standing.stage.slots - 1]
        if {primary.number, *(v.number for v in usable)} == {
            *standing.all
        } and primary.number == standing.number:
            continue
        return _WayBack(primary, usable, passed_over)
    if nearest is not None:
        raise nearest
    others_there = sorted(moves.stood_in(history) - {*standing.all}, reverse=True)
    fix = None
    if others_there:
        shown = ", ".join(map(str, others_there[:10]))
        fix = f"Earlier versions in the stage: {shown}. Use: modelyard rollback {model.name} {stage} --to {others_there[0]}"
    raise NothingToRollBack(model=str(model.name), stage=stage, fix=fix)


def _way_to(tx: Transaction, standing: StageState, history: Sequence[MoveState], to: int) -> _WayBack:
    model, stage = standing.model, standing.stage.name
    if to not in moves.stood_in(history):
        fix = f"{model.name}:{to} was never in {stage}; use: modelyard promote {model.name}:{to} {stage}"
        raise NothingToRollBack(model=str(model.name), stage=stage, fix=fix)
    if to == standing.number:
        raise Conflict(
            reason=f"{model.name}:{to} is already in {stage}",
            fix=f"See the versions that were in the stage with: modelyard history {model.name} --stage {stage}",
        )
    primary, refusal = _find_usable(tx, standing, to)
    if primary is None:
        assert refusal is not None
        raise refusal
    others = versions.list_by_number(tx, model.id, [o.number for o in standing.others if o.number != to])
    return _WayBack(primary, sorted(others, key=lambda version: version.number))


def _find_usable(
    tx: Transaction, standing: StageState, number: int
) -> tuple[Version | None, ModelyardError | None]:
    """Return the version, or why it cannot come back."""
    model = standing.model
    version = versions.find_by_number(tx, model.id, number)
    try:
        if version is None:
            raise VersionNotFound(model=str(model.name), version=number)
        refuse_deleted(model.name, version)
        refuse_held(tx, model, version)
        if number not in standing.all:
            refuse_incomplete(tx, model, version, f"the stage {standing.stage.name}")
    except ModelyardError as refusal:
        return None, refusal
    return version, None


def _for_change(
    tx: Transaction, actor: Actor, name: ModelName, stage: str, permission: Permission, seen: int | None
) -> tuple[Policy, StageState]:
    model = catalog.find_open_model(tx, actor, name, permission)
    policy = effective_policy(tx, model)
    found = policy.stage(fold(stage))
    if found is None:
        raise StageNotFound(model=str(model.name), stage=stage[:80], stages=", ".join(policy.stage_names))
    standing = moves.find_standing(tx, model, found)
    standing.check_seen(seen)
    return policy, standing


def _record(
    tx: Transaction,
    actor: Actor,
    policy: Policy,
    standing: StageState,
    version: Version,
    kind: str,
    reason: str | None,
    after: Sequence[int],
    after_primary: int | None,
    undid: int | None,
) -> Promotion:
    """Return the move for the stage's history."""
    queries.keep_effective(tx, policy)
    move = Move(
        version=version,
        stage=standing.stage.name,
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

    next_primary: the version that the alias points at from now on; required if the primary one leaves and others stay.
    Raises Conflict if the version is not in the stage; AliasMoved, Denied.
    """
    policy, standing = _for_change(tx, actor, name, stage, Permission.PROMOTION_DEMOTE, seen)
    model, found = standing.model, standing.stage
    narrowing = policy.gates[found.name].who
    check_who(tx, actor, narrowing, "demote", f"demote from {found.name}", model)
    reason = catalog_rules.check_reason(reason)
    number = version if version is not None else standing.number
    if number is None or number not in standing.all:
        raise Conflict(
            reason=f"no version is in {found.name} of {model.name}"
            if number is None
            else f"{model.name}:{number} is not in {found.name}",
            fix=f"See the versions in each stage with: modelyard stages {model.name}",
        )
    leaving = versions.find_by_number(tx, model.id, number)
    assert leaving is not None
    if number != standing.number:
        after, primary = moves.leave_stage(tx, standing, number), standing.number
    else:
        after, primary = _leave_primary(tx, actor, standing, next_primary, reason)
    row = _record(tx, actor, policy, standing, leaving, DEMOTE, reason, after, primary, None)
    tx.append(events.VersionDemoted(**named_in(row), to_version=primary, reason=reason), actor, model.id)
    moves.hold_way_back(tx, standing)
    warning = warn_role(tx, actor, narrowing, "demote", f"demote from {found.name}", model, row.number)
    return replace(row, warning=warning)


def _leave_primary(
    tx: Transaction, actor: Actor, standing: StageState, next_primary: int | None, reason: str | None
) -> tuple[list[int], int | None]:
    stage = standing.stage.name
    others = [o.number for o in standing.others]
    if next_primary is None and others:
        raise Conflict(
            reason=f"{len(others)} other version(s) are in {stage}: {', '.join(map(str, others))}",
            fix=f"Choose the new primary version: --next-primary {others[0]}",
        )
    if next_primary is None:
        moves.point_stage(tx, actor, standing, None, reason)
        return [], None
    if next_primary not in others:
        raise Invalid(reason=f"version {next_primary} is not in {stage} next to the primary one")
    version = versions.find_by_number(tx, standing.model.id, next_primary)
    assert version is not None
    after = moves.enter_stage(tx, actor, standing, version, primary=True, reason=reason)
    return after, next_primary
