"""SQL of promotions, votes, waivers and the versions in a stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.json_columns import dump_json, load_json, load_noun
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    actors,
    aliases,
    effective_policies,
    group_members,
    models,
    namespaces,
    promotions,
    stage_occupants,
    versions,
    votes,
    waivers,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.canonical import canonical_json
from modelyard.domain.digest import Digest
from modelyard.domain.names import ModelName
from modelyard.registry.access.queries import visible_models
from modelyard.registry.promotion.nouns import (
    DONE,
    OPEN,
    PROMOTE,
    Move,
    MoveState,
    Occupant,
    Promotion,
    PromotionFilter,
    StoredVote,
    StoredWaiver,
)
from modelyard.registry.promotion.policy import Policy
from modelyard.registry.promotion.rules import Evidence, Verdict

_p = sa.bindparam


_closer = actors.alias("closer")
_COLUMNS = (
    promotions.c.id,
    promotions.c.model_id,
    namespaces.c.name,
    models.c.name,
    *promotions.c["version_id", "number", "digest", "record_digest", "stage", "kind", "state"],
    *promotions.c["primary_wanted", "seen_number", "seen_revision", "policy_digest", "reason", "opened_at"],
    actors.c.name,
    *promotions.c["opened_by", "expires_at", "closed_at"],
    _closer.c.name,
    *promotions.c["closed_reason", "verdict", "move", "after_primary", "after_all", "undid"],
)
_PROMOTIONS = (
    promotions.join(models, models.c.id == promotions.c.model_id)
    .join(namespaces, namespaces.c.id == models.c.namespace_id)
    .join(actors, actors.c.id == promotions.c.opened_by)
    .outerjoin(_closer, _closer.c.id == promotions.c.closed_by)
)


def _promotion(row: Sequence[Any]) -> Promotion:
    values = (
        *row[:2],
        ModelName(row[2], row[3]),
        *row[4:6],
        Digest(row[6]),
        Digest(row[7]),
        *row[8:11],
        bool(row[11]),
        *row[12:23],
        load_noun(row[23], Verdict),
        *row[24:26],
        tuple(load_json(row[26]) or ()),
        row[27],
    )
    return Promotion(*values)


_FIND = Statement(sa.select(*_COLUMNS).select_from(_PROMOTIONS).where(promotions.c.id == _p("id")))
_FIND_OPEN = Statement(
    sa.select(*_COLUMNS)
    .select_from(_PROMOTIONS)
    .where(
        promotions.c.model_id == _p("model_id"),
        promotions.c.version_id == _p("version_id"),
        promotions.c.stage == _p("stage"),
        promotions.c.state == OPEN,
    )
    .order_by(promotions.c.id)
    .limit(1)
)


def find_promotion(tx: Transaction, promotion_id: int) -> Promotion | None:
    row = tx.one(_FIND, id=promotion_id)
    return _promotion(row) if row else None


def find_open(tx: Transaction, model_id: int, version_id: int, stage: str) -> Promotion | None:
    """Return the open promotion of a version into a stage, of which there is at most one."""
    row = tx.one(_FIND_OPEN, model_id=model_id, version_id=version_id, stage=stage)
    return _promotion(row) if row else None


def list_promotions(
    tx: Transaction, chosen: PromotionFilter, before: int | None, limit: int
) -> list[Promotion]:
    """List promotions with numbers below `before`, newest first."""
    query = sa.select(*_COLUMNS).select_from(_PROMOTIONS).order_by(promotions.c.id.desc()).limit(limit)
    if chosen.model_id is not None:
        query = query.where(promotions.c.model_id == chosen.model_id)
    if chosen.model_ids is not None:
        query = query.where(promotions.c.model_id.in_(chosen.model_ids))
    if chosen.stage is not None:
        query = query.where(promotions.c.stage == chosen.stage)
    if chosen.states:
        query = query.where(promotions.c.state.in_(chosen.states))
    if chosen.number is not None:
        query = query.where(promotions.c.number == chosen.number)
    if chosen.reader is not None:
        query = query.where(visible_models(chosen.reader))
    if chosen.namespace is not None:
        query = query.where(namespaces.c.name == chosen.namespace)
    if chosen.since is not None:
        query = query.where(promotions.c.opened_at >= chosen.since)
    if before is not None:
        query = query.where(promotions.c.id < before)
    return [_promotion(row) for row in tx.rows(query)]


_LIST_MOVES = Statement(
    sa.select(*_COLUMNS)
    .select_from(_PROMOTIONS)
    .where(
        promotions.c.model_id == _p("model_id"),
        promotions.c.stage == _p("stage"),
        promotions.c.move.is_not(None),
        promotions.c.closed_at <= _p("until"),
    )
    .order_by(promotions.c.move.desc())
    .limit(_p("limit"))
)


def list_moves(tx: Transaction, model_id: int, stage: str, until: int, limit: int) -> list[Promotion]:
    """List the moves made up to that time, newest first."""
    return [
        _promotion(row) for row in tx.all(_LIST_MOVES, model_id=model_id, stage=stage, until=until, limit=limit)
    ]


_LIST_STATES = Statement(
    sa.select(*promotions.c["id", "kind", "after_primary", "after_all", "closed_at"])
    .where(
        promotions.c.model_id == _p("model_id"),
        promotions.c.stage == _p("stage"),
        promotions.c.move.is_not(None),
        promotions.c.closed_at <= _p("until"),
    )
    .order_by(promotions.c.move.desc())
    .limit(_p("limit"))
)


def list_move_states(tx: Transaction, model_id: int, stage: str, until: int, limit: int) -> list[MoveState]:
    """List moves like list_moves, without the fields that only readers of the history need."""
    return [
        MoveState(row[0], row[1], row[2], tuple(load_json(row[3])), row[4])
        for row in tx.all(_LIST_STATES, model_id=model_id, stage=stage, until=until, limit=limit)
    ]


_NEXT_MOVE = Statement(
    sa.select(sa.func.coalesce(sa.func.max(promotions.c.move), 0) + 1).where(
        promotions.c.model_id == _p("model_id"), promotions.c.stage == _p("stage")
    )
)
# These columns of an open promotion never change.
_ASKED = (
    "model_id",
    "version_id",
    "number",
    "digest",
    "record_digest",
    "stage",
    "kind",
    "reason",
    "opened_at",
    "opened_by",
    "expires_at",
    "undid",
)
_DECIDED = (
    "state",
    "primary_wanted",
    "seen_number",
    "seen_revision",
    "policy_digest",
    "closed_at",
    "closed_by",
    "closed_reason",
    "verdict",
    "evidence",
    "move",
    "after_primary",
    "after_all",
)
_INSERT = Statement(
    promotions.insert().values({c: _p(c) for c in (*_ASKED, *_DECIDED)}).returning(promotions.c.id)
)
_DECIDE = Statement(
    promotions.update().where(promotions.c.id == _p("the_id")).values({c: _p(c) for c in _DECIDED})
)
_CLOSE = Statement(
    promotions.update()
    .where(promotions.c.id == _p("the_id"))
    .values(state=_p("state"), closed_at=_p("now"), closed_by=_p("actor_id"), closed_reason=_p("closed_reason"))
)


def next_move(tx: Transaction, model_id: int, stage: str) -> int:
    row = tx.one(_NEXT_MOVE, model_id=model_id, stage=stage)
    assert row is not None
    return int(row[0])


def store_move(tx: Transaction, move: Move, promotion_id: int | None = None) -> int:
    """Store a new promotion, or the judgement or end of an open one. Returns its id."""
    decided = {
        "state": move.state,
        "primary_wanted": int(move.primary),
        "seen_number": move.seen_number,
        "seen_revision": move.seen_revision,
        "policy_digest": move.policy_digest,
        "closed_at": move.closed_at,
        "closed_by": move.closed_by,
        "closed_reason": move.closed_reason,
        "verdict": move.verdict_text,
        "evidence": move.evidence_text,
        "move": move.move,
        "after_primary": move.after_primary,
        "after_all": dump_json(move.after_all),
    }
    if promotion_id is not None:
        tx.run(_DECIDE, the_id=promotion_id, **decided)
        return promotion_id
    row = tx.one(
        _INSERT,
        model_id=move.version.model_id,
        version_id=move.version.id,
        number=move.version.number,
        digest=move.version.digest,
        record_digest=move.version.record_digest,
        stage=move.stage,
        kind=move.kind,
        reason=move.reason,
        opened_at=move.opened_at,
        opened_by=move.opened_by,
        expires_at=move.expires_at,
        undid=move.undid,
        **decided,
    )
    assert row is not None
    return int(row[0])


_KEEP_VERDICT = Statement(
    promotions.update()
    .where(promotions.c.id == _p("the_id"))
    .values(verdict=_p("verdict"), evidence=_p("evidence"))
)


def keep_verdict(tx: Transaction, promotion_id: int, verdict: Verdict, evidence: Evidence) -> None:
    tx.run(_KEEP_VERDICT, the_id=promotion_id, verdict=dump_json(verdict), evidence=dump_json(evidence))


def find_judged_at(tx: Transaction, promotion_id: int) -> int | None:
    """Return the time of the evidence behind the stored verdict; None: it was never judged."""
    row = tx.one(_EVIDENCE, id=promotion_id)
    evidence = load_json(row[0]) if row is not None and row[0] is not None else None
    return int(evidence["now"]) if evidence else None


_EVIDENCE = Statement(sa.select(promotions.c.evidence).where(promotions.c.id == _p("id")))


def close_promotion(tx: Transaction, actor: Actor, promotion_id: int, state: str, reason: str | None) -> None:
    """End an open promotion without a move; its last verdict stays."""
    tx.run(_CLOSE, the_id=promotion_id, state=state, now=tx.now, actor_id=actor.id, closed_reason=reason)


_KEEP_POLICY = Statement(
    postgresql.insert(effective_policies)
    .values(digest=_p("digest"), body=_p("body"), at=_p("now"))
    .on_conflict_do_nothing(index_elements=["digest"])
)


def keep_effective(tx: Transaction, policy: Policy) -> None:
    tx.run(_KEEP_POLICY, digest=policy.digest, body=canonical_json(policy.body).decode(), now=tx.now)


# --- votes and waivers -----------------------------------------------------------------------------


def list_votes(tx: Transaction, promotion_id: int, until: int) -> list[StoredVote]:
    """List the votes up to that time, in the order they were cast."""
    query = (
        sa.select(
            actors.c.name,
            *votes.c["actor_id", "approves", "comment", "policy_digest", "at"],
        )
        .join(actors, actors.c.id == votes.c.actor_id)
        .where(votes.c.promotion_id == promotion_id, votes.c.at <= until)
        .order_by(votes.c.id)
    )
    return [StoredVote(r[0], r[1], bool(r[2]), r[3], r[4], r[5]) for r in tx.rows(query)]


def insert_vote(
    tx: Transaction, actor: Actor, promotion_id: int, *, approves: bool, comment: str | None, policy_digest: str
) -> None:
    tx.execute(
        votes.insert().values(
            promotion_id=promotion_id,
            actor_id=actor.id,
            approves=int(approves),
            comment=comment,
            policy_digest=policy_digest,
            at=tx.now,
        )
    )


def list_waivers(tx: Transaction, promotion_id: int, until: int) -> list[StoredWaiver]:
    query = (
        sa.select(waivers.c.rule, actors.c.name, waivers.c.reason, waivers.c.policy_digest, waivers.c.at)
        .join(actors, actors.c.id == waivers.c.actor_id)
        .where(waivers.c.promotion_id == promotion_id, waivers.c.at <= until)
        .order_by(waivers.c.id)
    )
    return [StoredWaiver(*row) for row in tx.rows(query)]


def insert_waiver(
    tx: Transaction, actor: Actor, promotion_id: int, *, rule: str, reason: str, policy_digest: str
) -> None:
    tx.execute(
        waivers.insert().values(
            promotion_id=promotion_id,
            rule=rule,
            actor_id=actor.id,
            reason=reason,
            policy_digest=policy_digest,
            at=tx.now,
        )
    )


_group = actors.alias("approver_group")


def list_members_of(tx: Transaction, groups: Iterable[str]) -> dict[str, list[str]]:
    """Return group → names of its members who are not disabled; a group that does not exist has none."""
    wanted = sorted(groups)
    found: dict[str, list[str]] = {name: [] for name in wanted}
    if not wanted:
        return found
    query = (
        sa.select(_group.c.name, actors.c.name)
        .select_from(
            group_members.join(_group, _group.c.id == group_members.c.group_id).join(
                actors, actors.c.id == group_members.c.actor_id
            )
        )
        .where(_group.c.name.in_(wanted), actors.c.disabled_at.is_(None))
        .order_by(_group.c.name, actors.c.name)
    )
    for group, name in tx.rows(query):
        found[group].append(name)
    return found


# --- versions in a stage -----------------------------------------------------------------------------


_LIST_OCCUPANTS = Statement(
    sa.select(stage_occupants.c.version_id, versions.c.number, stage_occupants.c.since)
    .join(versions, versions.c.id == stage_occupants.c.version_id)
    .where(stage_occupants.c.model_id == _p("model_id"), stage_occupants.c.stage == _p("stage"))
    .order_by(stage_occupants.c.since, versions.c.number)
)


def list_occupants(tx: Transaction, model_id: int, stage: str) -> list[Occupant]:
    """List the versions next to the primary one, those in the stage longest first."""
    return [Occupant(*row) for row in tx.all(_LIST_OCCUPANTS, model_id=model_id, stage=stage)]


def insert_occupant(tx: Transaction, model_id: int, stage: str, version_id: int) -> None:
    insert = postgresql.insert(stage_occupants).values(
        model_id=model_id, stage=stage, version_id=version_id, since=tx.now
    )
    tx.execute(insert.on_conflict_do_nothing())


def delete_occupant(tx: Transaction, model_id: int, stage: str, version_id: int) -> None:
    tx.execute(
        stage_occupants.delete().where(
            stage_occupants.c.model_id == model_id,
            stage_occupants.c.stage == stage,
            stage_occupants.c.version_id == version_id,
        )
    )


_HAS_ENTERED = Statement(
    sa.select(promotions.c.id)
    .where(
        promotions.c.model_id == _p("model_id"),
        promotions.c.stage == _p("stage"),
        promotions.c.version_id == _p("version_id"),
        promotions.c.kind == PROMOTE,
        promotions.c.state == DONE,
    )
    .limit(1)
)
_STANDS = Statement(
    sa.union_all(
        sa.select(aliases.c.version_id).where(
            aliases.c.model_id == _p("model_id"),
            aliases.c.alias == _p("stage"),
            aliases.c.version_id == _p("version_id"),
        ),
        sa.select(stage_occupants.c.version_id).where(
            stage_occupants.c.model_id == _p("model_id"),
            stage_occupants.c.stage == _p("stage"),
            stage_occupants.c.version_id == _p("version_id"),
        ),
    )
)


def was_admitted(tx: Transaction, model_id: int, version_id: int, stage: str) -> bool:
    """Return whether a version is in a stage, or once entered it through its gate."""
    keys = {"model_id": model_id, "stage": stage, "version_id": version_id}
    return tx.one(_HAS_ENTERED, **keys) is not None or tx.one(_STANDS, **keys) is not None
