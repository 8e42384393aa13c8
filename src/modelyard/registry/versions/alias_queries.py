"""SQL of aliases: their present and past targets."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.lists import ids_text, is_among
from modelyard.db.statement import Statement
from modelyard.db.tables import actors, alias_moves, aliases, versions
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.registry.versions.nouns import AliasMove, AliasPosition

_p = sa.bindparam


_ALIAS = (
    aliases.c.alias,
    versions.c.number,
    versions.c.digest,
    aliases.c.revision,
    aliases.c.updated_at,
    actors.c.name,
)
_ALIASES = aliases.join(actors, actors.c.id == aliases.c.updated_by).outerjoin(
    versions, versions.c.id == aliases.c.version_id
)
_FIND_ALIAS = Statement(
    sa.select(*_ALIAS)
    .select_from(_ALIASES)
    .where(aliases.c.model_id == _p("model_id"), aliases.c.alias == _p("alias"))
)
_LIST_ALIASES = Statement(
    sa.select(*_ALIAS)
    .select_from(_ALIASES)
    .where(aliases.c.model_id == _p("model_id"), aliases.c.version_id.is_not(None))
    .order_by(aliases.c.alias)
)


def find_alias(tx: Transaction, model_id: int, alias: str) -> AliasPosition | None:
    """Find an alias, even a removed one."""
    row = tx.one(_FIND_ALIAS, model_id=model_id, alias=alias)
    return AliasPosition(*row) if row else None


def list_aliases(tx: Transaction, model_id: int) -> list[AliasPosition]:
    return [AliasPosition(*row) for row in tx.all(_LIST_ALIASES, model_id=model_id)]


# No join: without statistics, PostgreSQL would read all versions to join a few of them.
_NUMBER = sa.select(versions.c.number).where(versions.c.id == aliases.c.version_id).scalar_subquery()
_LIST_ALIASES_OF = Statement(
    sa.select(aliases.c.model_id, aliases.c.alias, _NUMBER)
    .where(is_among(aliases.c.model_id, "model_ids"), aliases.c.version_id.is_not(None))
    .order_by(aliases.c.model_id, aliases.c.alias)
)


def list_aliases_of(tx: Transaction, model_ids: Iterable[int]) -> dict[int, list[tuple[str, int]]]:
    """Return model id → (alias, version number)."""
    found: dict[int, list[tuple[str, int]]] = {}
    for model_id, alias, number in tx.all(_LIST_ALIASES_OF, model_ids=ids_text(model_ids)):
        found.setdefault(model_id, []).append((alias, number))
    return found


_INSERT_ALIAS = Statement(
    postgresql.insert(aliases)
    .values(
        model_id=_p("model_id"),
        alias=_p("alias"),
        version_id=_p("version_id"),
        revision=1,
        updated_at=_p("now"),
        updated_by=_p("actor_id"),
    )
    .on_conflict_do_nothing(index_elements=["model_id", "alias"])
    .returning(aliases.c.revision)
)
_MOVE_ALIAS = Statement(
    aliases.update()
    .where(
        aliases.c.model_id == _p("the_model"),
        aliases.c.alias == _p("the_alias"),
        aliases.c.revision == _p("seen"),
    )
    .values(
        version_id=_p("version_id"),
        revision=aliases.c.revision + 1,
        updated_at=_p("now"),
        updated_by=_p("actor_id"),
    )
    .returning(aliases.c.revision)
)
_INSERT_MOVE = Statement(
    alias_moves.insert().values(
        model_id=_p("model_id"),
        alias=_p("alias"),
        revision=_p("revision"),
        from_number=_p("from_number"),
        to_number=_p("to_number"),
        at=_p("now"),
        actor_id=_p("actor_id"),
        reason=_p("reason"),
    )
)


def move_alias(
    tx: Transaction,
    actor: Actor,
    *,
    model_id: int,
    alias: str,
    seen: int,
    version_id: int | None,
    from_number: int | None,
    to_number: int | None,
    reason: str | None,
) -> int | None:
    """Move an alias by compare-and-set. Return the new revision; None if the alias does not have the revision `seen`
    (0: it was never set)."""
    if seen == 0:
        row = tx.one(
            _INSERT_ALIAS, model_id=model_id, alias=alias, version_id=version_id, now=tx.now, actor_id=actor.id
        )
    else:
        row = tx.one(
            _MOVE_ALIAS,
            the_model=model_id,
            the_alias=alias,
            seen=seen,
            version_id=version_id,
            now=tx.now,
            actor_id=actor.id,
        )
    if row is None:
        return None
    tx.run(
        _INSERT_MOVE,
        model_id=model_id,
        alias=alias,
        revision=row[0],
        from_number=from_number,
        to_number=to_number,
        now=tx.now,
        actor_id=actor.id,
        reason=reason,
    )
    return int(row[0])


def list_moves(
    tx: Transaction, model_id: int, alias: str, before: int | None, limit: int, at: int | None = None
) -> list[AliasMove]:
    """List moves, newest first. at: only moves up to that time."""
    query = (
        sa.select(
            alias_moves.c.alias,
            alias_moves.c.revision,
            alias_moves.c.from_number,
            alias_moves.c.to_number,
            alias_moves.c.at,
            actors.c.name,
            alias_moves.c.reason,
        )
        .join(actors, actors.c.id == alias_moves.c.actor_id)
        .where(alias_moves.c.model_id == model_id, alias_moves.c.alias == alias)
        .order_by(alias_moves.c.revision.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(alias_moves.c.revision < before)
    if at is not None:
        query = query.where(alias_moves.c.at <= at)
    return [AliasMove(*row) for row in tx.rows(query)]


_ALIASES_AT = Statement(
    sa.select(aliases.c.alias).where(aliases.c.version_id == _p("version_id")).order_by(aliases.c.alias)
)


def aliases_at(tx: Transaction, version_id: int) -> list[str]:
    return [row[0] for row in tx.all(_ALIASES_AT, version_id=version_id)]
