"""Moves of a stage: the alias, its other occupants, the history, and what rests on them.

Everything here happens after the decision, in its transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor
from modelyard.domain.errors import AliasMoved, StageFull
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.promotion import queries
from modelyard.registry.promotion.nouns import DEMOTE, DONE, ROLLBACK, Move, MoveState, Occupant
from modelyard.registry.promotion.policy import Stage
from modelyard.registry.versions import alias_queries
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.dependents import set_holds
from modelyard.registry.versions.nouns import AliasPosition, Version
from modelyard.registry.versions.rules import DELETED
from modelyard.registry.versions.serving import refuse_held, refuse_incomplete

MOVES_READ = 1000
LATEST = 2**62


@dataclass(frozen=True, slots=True)
class StageState:
    """Who stands in a stage. primary None: no one does, or only others."""

    stage: str
    primary: AliasPosition | None
    others: Sequence[Occupant]

    @property
    def number(self) -> int | None:
        return self.primary.number if self.primary else None

    @property
    def revision(self) -> int:
        return self.primary.revision if self.primary else 0

    @property
    def all(self) -> list[int]:
        first = [self.number] if self.number is not None else []
        return [*first, *(o.number for o in self.others)]


def find_standing(tx: Transaction, model: Model, stage: Stage) -> StageState:
    """One statement where the stage has one place."""
    others = queries.list_occupants(tx, model.id, stage.name) if stage.slots > 1 else []
    return StageState(stage.name, alias_queries.find_alias(tx, model.id, stage.name), others)


def point_stage(
    tx: Transaction,
    actor: Actor,
    model: Model,
    standing: StageState,
    version: Version | None,
    reason: str | None,
) -> None:
    """Move the stage's alias; None takes it away. Raises AliasMoved when it is not where it was read."""
    revision = alias_queries.move_alias(
        tx,
        actor,
        model_id=model.id,
        alias=standing.stage,
        seen=standing.revision,
        version_id=version.id if version else None,
        from_number=standing.number,
        to_number=version.number if version else None,
        reason=reason,
    )
    if revision is None:
        raise AliasMoved(
            model=str(model.name), alias=standing.stage, version=standing.number, revision=standing.revision
        )
    common: dict[str, Any] = {
        **events.about(model.name),
        "alias": standing.stage,
        "revision": revision,
        "reason": reason,
    }
    if version is None:
        tx.append(events.AliasRemoved(version=standing.number, **common), actor, model.id)
        return
    moved = events.AliasMoved(
        version=version.number,
        digest=version.digest,
        record_digest=version.record_digest,
        from_version=standing.number,
        **common,
    )
    tx.append(moved, actor, model.id)


def enter_stage(
    tx: Transaction,
    actor: Actor,
    model: Model,
    stage: Stage,
    standing: StageState,
    version: Version,
    *,
    primary: bool,
    reason: str | None,
) -> list[int]:
    """Let a version in; returns all who stand there afterwards, the primary one first. Raises StageFull.

    As the primary one it takes the place of the one before it, unless it stood there already. Besides it, it
    needs a free place. Raises VersionQuarantined, ScanPending, FilesWithheld, whichever way leads here.
    """
    refuse_held(tx, model, version)
    is_inside = version.number in standing.all
    if not is_inside:
        refuse_incomplete(tx, model, version, f"the stage {stage.name}")
    others = [o for o in standing.others if o.number != version.number]
    if not primary and not is_inside and len(standing.all) >= stage.slots:
        raise StageFull(
            model=str(model.name),
            slots=stage.slots,
            stage=stage.name,
            versions=", ".join(map(str, standing.all)),
            oldest=standing.others[0].number if standing.others else standing.number,
        )
    if not primary:
        if not is_inside:
            queries.insert_occupant(tx, model.id, stage.name, version.id)
            _hold_others(tx, model, stage.name, [*(o.version_id for o in others), version.id])
        return list(dict.fromkeys([*standing.all, version.number]))
    if len(others) != len(standing.others):
        queries.delete_occupant(tx, model.id, stage.name, version.id)
        _hold_others(tx, model, stage.name, [o.version_id for o in others])
    point_stage(tx, actor, model, standing, version, reason)
    return [version.number, *(o.number for o in others)]


def _hold_others(tx: Transaction, model: Model, stage: str, version_ids: Sequence[int]) -> None:
    set_holds(tx, model.id, "stage", stage, version_ids)


def leave_stage(tx: Transaction, model: Model, stage: str, standing: StageState, number: int) -> list[int]:
    """Take a version that stands next to the primary one out; returns who is left."""
    gone = next(o for o in standing.others if o.number == number)
    queries.delete_occupant(tx, model.id, stage, gone.version_id)
    _hold_others(tx, model, stage, [o.version_id for o in standing.others if o.number != number])
    return [n for n in standing.all if n != number]


def carried_out(tx: Transaction, actor: Actor, move: Move, after: Sequence[int], has_primary: bool) -> Move:
    """The move with its place in the stage's history. after: who stands there now, the primary one first."""
    return replace(
        move,
        state=DONE,
        closed_at=tx.now,
        closed_by=actor.id,
        move=queries.next_move(tx, move.version.model_id, move.stage),
        after_primary=after[0] if after and has_primary else None,
        after_all=tuple(after),
    )


def hold_version(tx: Transaction, model: Model, stage: str, number: int | None) -> None:
    """The version that the next rollback goes to is not deleted; None: there is none."""
    version = versions.find_by_number(tx, model.id, number) if number is not None else None
    set_holds(
        tx, model.id, ROLLBACK, stage, [version.id] if version is not None and version.state != DELETED else []
    )


# --- the way back ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Undoable:
    """A state that the stage was in, and the move that led to it."""

    move_id: int
    primary: int | None


def undo_stack(moves: Sequence[MoveState]) -> list[Undoable]:
    """The states that rollbacks go through, the present one last. moves: newest first.

    A promotion or demotion puts its state on top; a rollback takes states off down to the one it went to.
    A version that stood there before is found again even when it had been taken off.
    """
    stack: list[Undoable] = []
    for move in reversed(moves):
        if move.kind == ROLLBACK:
            below = [i for i, state in enumerate(stack[:-1]) if state.primary == move.after_primary]
            stack = stack[: below[-1] + 1] if below else [*stack[:-1], Undoable(move.id, move.after_primary)]
        elif move.kind == DEMOTE or not stack or stack[-1].primary != move.after_primary:
            stack.append(Undoable(move.id, move.after_primary))
    return stack


def way_back(stack: Sequence[Undoable]) -> int | None:
    """The version that a rollback without a target goes to; None: there is none."""
    return next((state.primary for state in reversed(stack[:-1]) if state.primary is not None), None)


def stood_in(moves: Sequence[MoveState]) -> set[int]:
    """All versions that ever were there."""
    return {number for move in moves for number in move.after_all}
