"""Carry out moves of a stage: the alias, its other occupants, the history, and their dependents.

Everything here happens after the decision, in its transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor
from modelyard.domain.errors import AliasMoved, StageFull
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.promotion import queries
from modelyard.registry.promotion.nouns import DONE, ROLLBACK, Move, MoveState, Occupant
from modelyard.registry.promotion.policy import Stage
from modelyard.registry.versions import alias_queries
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.dependents import set_holds
from modelyard.registry.versions.nouns import AliasPosition, Version
from modelyard.registry.versions.rules import DELETED
from modelyard.registry.versions.serving import refuse_held, refuse_incomplete

MOVES_READ = 1000
LATEST = 2**62


class StageState(msgspec.Struct, frozen=True):
    """The versions in a stage of a model. primary None: there is none, or there are only others."""

    model: Model
    stage: Stage
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

    def check_seen(self, seen: int | None) -> None:
        """Raise AliasMoved if the stage has another revision than `seen`; None accepts any."""
        if seen is not None and seen != self.revision:
            raise self.moved()

    def moved(self) -> AliasMoved:
        """Return the error for a stage that changed since the caller read it."""
        return AliasMoved(
            model=str(self.model.name), alias=self.stage.name, version=self.number, revision=self.revision
        )


def find_standing(tx: Transaction, model: Model, stage: Stage) -> StageState:
    """Find the versions in a stage, with one statement if the stage has one place."""
    others = queries.list_occupants(tx, model.id, stage.name) if stage.slots > 1 else []
    return StageState(model, stage, alias_queries.find_alias(tx, model.id, stage.name), others)


def point_stage(
    tx: Transaction, actor: Actor, standing: StageState, version: Version | None, reason: str | None
) -> None:
    """Move the stage's alias; None removes it. Raises AliasMoved if it moved since it was read."""
    model, stage = standing.model, standing.stage.name
    revision = alias_queries.move_alias(
        tx,
        actor,
        model_id=model.id,
        alias=stage,
        seen=standing.revision,
        version_id=version.id if version else None,
        from_number=standing.number,
        to_number=version.number if version else None,
        reason=reason,
    )
    if revision is None:
        raise standing.moved()
    # The search also covers the words of versions in stages.
    catalog.refresh_words(tx, model)
    common: dict[str, Any] = {
        **events.about(model.name),
        "alias": stage,
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
    tx: Transaction, actor: Actor, standing: StageState, version: Version, *, primary: bool, reason: str | None
) -> list[int]:
    """Add a version to a stage; return all versions in it afterwards, the primary one first. Raises StageFull.

    As the primary version it replaces the previous one, unless it is in the stage already; next to the primary one it
    needs a free place. Raises VersionQuarantined, ScanPending, FilesWithheld, for every kind of move.
    """
    model, stage = standing.model, standing.stage
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
            _hold_others(tx, standing, [*(o.version_id for o in others), version.id])
        return list(dict.fromkeys([*standing.all, version.number]))
    if len(others) != len(standing.others):
        queries.delete_occupant(tx, model.id, stage.name, version.id)
        _hold_others(tx, standing, [o.version_id for o in others])
    point_stage(tx, actor, standing, version, reason)
    return [version.number, *(o.number for o in others)]


def _hold_others(tx: Transaction, standing: StageState, version_ids: Sequence[int]) -> None:
    set_holds(tx, standing.model.id, "stage", standing.stage.name, version_ids)


def leave_stage(tx: Transaction, standing: StageState, number: int) -> list[int]:
    """Take out a version that is next to the primary one; return the remaining versions."""
    gone = next(o for o in standing.others if o.number == number)
    queries.delete_occupant(tx, standing.model.id, standing.stage.name, gone.version_id)
    _hold_others(tx, standing, [o.version_id for o in standing.others if o.number != number])
    return [n for n in standing.all if n != number]


def carried_out(tx: Transaction, actor: Actor, move: Move, after: Sequence[int], has_primary: bool) -> Move:
    """Return the move with its place in the stage's history. after: the versions there now, the primary one first."""
    return replace(
        move,
        state=DONE,
        closed_at=tx.now,
        closed_by=actor.id,
        move=queries.next_move(tx, move.version.model_id, move.stage),
        after_primary=after[0] if after and has_primary else None,
        after_all=tuple(after),
    )


def restore_stage(
    tx: Transaction,
    actor: Actor,
    standing: StageState,
    primary: Version,
    others: Sequence[Version],
    reason: str | None,
) -> list[int]:
    """Put exactly these versions into the stage; return their numbers, the primary one first.

    The alias gets a new revision even when the primary one stays, so that a request sent twice is noticed.
    """
    model_id, stage = standing.model.id, standing.stage.name
    wanted = {version.id for version in others}
    present = {o.version_id for o in standing.others}
    for version_id in present - wanted:
        queries.delete_occupant(tx, model_id, stage, version_id)
    for version in others:
        if version.id not in present:
            queries.insert_occupant(tx, model_id, stage, version.id)
    if present != wanted:
        _hold_others(tx, standing, sorted(wanted))
    point_stage(tx, actor, standing, primary, reason)
    return [primary.number, *(version.number for version in others)]


def hold_way_back(tx: Transaction, standing: StageState) -> None:
    """Protect the target of the next rollback from deletion. Call it after the move was stored."""
    model_id, stage = standing.model.id, standing.stage.name
    history = queries.list_move_states(tx, model_id, stage, LATEST, MOVES_READ)
    for contents in ways_back(undo_stack(history)):
        found = versions.list_by_number(tx, model_id, contents.all)
        held = [v.id for v in found if v.state != DELETED]
        if any(v.number == contents.primary and v.id in held and v.recall is None for v in found):
            set_holds(tx, model_id, ROLLBACK, stage, held)
            return
    set_holds(tx, model_id, ROLLBACK, stage, [])


# --- the way back ------------------------------------------------------------------------------------


class Contents(msgspec.Struct, frozen=True):
    """The contents of a stage after a move: the primary version, and all versions, the primary one first."""

    move_id: int
    primary: int | None
    all: tuple[int, ...]

    def equals(self, other: Contents) -> bool:
        return self.primary == other.primary and {*self.all} == {*other.all}


def undo_stack(moves: Sequence[MoveState]) -> list[Contents]:
    """Return the contents that rollbacks of a stage go through, the present ones last. moves: newest first.

    A promotion or demotion puts the resulting contents on top. A rollback removes everything above the contents that it
    returned to; if those had been removed before, they are put on top again.
    """
    stack: list[Contents] = []
    for move in reversed(moves):
        after = Contents(move.id, move.after_primary, move.after_all)
        if move.kind == ROLLBACK:
            below = range(len(stack) - 1)
            same = [i for i in below if stack[i].equals(after)]
            same = same or [i for i in below if stack[i].primary == after.primary]
            if same:
                # It may contain fewer versions than then, because recalled ones are left out.
                stack = [*stack[: same[-1]], after]
                continue
        if not stack or not stack[-1].equals(after):
            stack.append(after)
    return stack


def ways_back(stack: Sequence[Contents]) -> list[Contents]:
    """List the contents that rollbacks without a target return to, the nearest first. No rollback empties a stage."""
    found: list[Contents] = []
    for contents in reversed(stack[:-1]):
        last = found[-1] if found else stack[-1]
        if contents.primary is not None and not contents.equals(last):
            found.append(contents)
    return found


def stood_in(moves: Sequence[MoveState]) -> set[int]:
    """Return all versions that were ever in the stage."""
    return {number for move in moves for number in move.after_all}
