"""SQL of comments, watches and notifications."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.json_columns import JsonText, load_json
from modelyard.db.tables import (
    actors,
    comment_revisions,
    comments,
    event_head,
    events,
    group_members,
    models,
    namespaces,
    notifications,
    promotions,
    server_facts,
    watches,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, ActorKind
from modelyard.domain.names import ModelName
from modelyard.registry.access.queries import visible_models
from modelyard.registry.comments.nouns import Comment, Notification

_c = comments.c


def _comments() -> sa.Select[Any]:
    author, remover = actors.alias("author"), actors.alias("remover")
    return (
        sa.select(
            *_c["id", "model_id", "version", "promotion_id", "author_id"],
            author.c.name,
            *_c["body", "revision", "created_at", "edited_at", "deleted_at"],
            remover.c.name,
        )
        .join(author, author.c.id == _c.author_id)
        .outerjoin(remover, remover.c.id == _c.deleted_by)
    )


def find_comment(tx: Transaction, model_id: int, comment_id: int) -> Comment | None:
    rows = tx.rows(_comments().where(_c.id == comment_id, _c.model_id == model_id))
    return Comment(*rows[0]) if rows else None


def list_comments(
    tx: Transaction, model_id: int, *, version: int | None, promotion_id: int | None, after: int, limit: int
) -> list[Comment]:
    """List comments with ids above `after`, oldest first."""
    query = _comments().where(_c.model_id == model_id, _c.id > after).order_by(_c.id).limit(limit)
    if version is not None:
        query = query.where(_c.version == version)
    if promotion_id is not None:
        query = query.where(_c.promotion_id == promotion_id)
    return [Comment(*row) for row in tx.rows(query)]


def insert_comment(
    tx: Transaction, *, model_id: int, version: int | None, promotion_id: int | None, author_id: int, body: str
) -> int:
    insert = comments.insert().values(
        model_id=model_id,
        version=version,
        promotion_id=promotion_id,
        author_id=author_id,
        body=body,
        created_at=tx.now,
    )
    return int(tx.execute(insert.returning(_c.id)).scalar_one())


def edit_comment(tx: Transaction, found: Comment, body: str) -> None:
    """Change a comment; its earlier text is kept as a revision."""
    tx.execute(
        comment_revisions.insert().values(
            comment_id=found.id,
            revision=found.revision,
            body=found.body,
            at=found.edited_at or found.created_at,
        )
    )
    tx.execute(
        comments.update()
        .where(_c.id == found.id)
        .values(body=body, revision=found.revision + 1, edited_at=tx.now)
    )


def delete_comment(tx: Transaction, comment_id: int, actor_id: int) -> None:
    """Delete the text of every revision; a trace of the comment stays."""
    tx.execute(comment_revisions.update().where(comment_revisions.c.comment_id == comment_id).values(body=""))
    tx.execute(
        comments.update().where(_c.id == comment_id).values(body="", deleted_at=tx.now, deleted_by=actor_id)
    )


def list_revisions(tx: Transaction, comment_id: int) -> list[tuple[int, str, int]]:
    """List (revision, body, at), oldest first, without the present one."""
    r = comment_revisions.c
    query = sa.select(r.revision, r.body, r.at).where(r.comment_id == comment_id).order_by(r.revision)
    return [(row[0], row[1], row[2]) for row in tx.rows(query)]


def promotion_is_of(tx: Transaction, promotion_id: int, model_id: int) -> bool:
    query = sa.select(promotions.c.id).where(promotions.c.id == promotion_id, promotions.c.model_id == model_id)
    return tx.execute(query).first() is not None


def list_known_names(tx: Transaction, names: Sequence[str]) -> list[str]:
    """Return those of the names that belong to accounts or groups."""
    found = {row[0] for row in tx.rows(sa.select(actors.c.name).where(actors.c.name.in_(names)))}
    return [name for name in names if name in found]


# --- watching ------------------------------------------------------------------------------------


def insert_watch(tx: Transaction, actor_id: int, model_id: int) -> None:
    insert = postgresql.insert(watches).values(actor_id=actor_id, model_id=model_id, created_at=tx.now)
    tx.execute(insert.on_conflict_do_nothing())


def delete_watch(tx: Transaction, actor_id: int, model_id: int) -> None:
    tx.execute(watches.delete().where(watches.c.actor_id == actor_id, watches.c.model_id == model_id))


def list_watched(tx: Transaction, actor: Actor) -> list[ModelName]:
    query = (
        sa.select(namespaces.c.name, models.c.name)
        .select_from(watches.join(models, models.c.id == watches.c.model_id))
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .where(watches.c.actor_id == actor.id, visible_models(actor))
        .order_by(namespaces.c.name, models.c.name)
    )
    return [ModelName(row[0], row[1]) for row in tx.rows(query)]


# --- notifications -------------------------------------------------------------------------------

REVIEW = "review"
"""The reason of a notification that asks its reader to vote; being asked gives the right to see it."""


def list_notifications(
    tx: Transaction, actor: Actor, *, unread: bool, before: int | None, limit: int
) -> list[Notification]:
    """List notifications, newest first. Those about models that the actor may no longer read are omitted, unless they
    ask for a vote."""
    n = notifications.c
    query = (
        sa.select(n.id, n.seq, n.reason, n.created_at, n.read_at, events.c.body)
        .join(events, events.c.seq == n.seq)
        .where(n.actor_id == actor.id, _is_seen(actor))
        .order_by(n.id.desc())
        .limit(limit)
    )
    if unread:
        query = query.where(n.read_at.is_(None))
    if before is not None:
        query = query.where(n.id < before)
    return [Notification(row[0], row[1], row[2], row[3], row[4], load_json(row[5])) for row in tx.rows(query)]


def _is_seen(actor: Actor) -> sa.ColumnElement[bool]:
    readable = sa.select(models.c.id).where(visible_models(actor))
    return sa.or_(events.c.model_id.in_(readable), notifications.c.reason == REVIEW)


def count_unread(tx: Transaction, actor: Actor, limit: int) -> int:
    """Count at most `limit` unread notifications."""
    n = notifications.c
    some = (
        sa.select(n.id)
        .join(events, events.c.seq == n.seq)
        .where(n.actor_id == actor.id, n.read_at.is_(None), _is_seen(actor))
        .limit(limit)
        .subquery()
    )
    return int(tx.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())


def mark_read(tx: Transaction, actor_id: int, up_to: int | None) -> int:
    n = notifications.c
    query = notifications.update().where(n.actor_id == actor_id, n.read_at.is_(None))
    if up_to is not None:
        query = query.where(n.id <= up_to)
    return int(tx.execute(query.values(read_at=tx.now)).rowcount)


_CURSOR = "notifications.next_seq"


def find_cursor(tx: Transaction) -> int | None:
    value = tx.execute(
        sa.select(server_facts.c.value).where(server_facts.c.key == _CURSOR)
    ).scalar_one_or_none()
    return None if value is None else int(value)


def set_cursor(tx: Transaction, seq: int) -> None:
    insert = postgresql.insert(server_facts).values(key=_CURSOR, value=str(seq))
    tx.execute(insert.on_conflict_do_update(index_elements=["key"], set_={"value": str(seq)}))


def find_log_size(tx: Transaction) -> int:
    return int(tx.execute(sa.select(event_head.c.size).where(event_head.c.id == 1)).scalar_one())


def list_model_events(
    tx: Transaction, start: int, end: int
) -> list[tuple[int, int, int, int, str, JsonText[dict[str, Any]]]]:
    """List (seq, at, model id, actor id, kind, body) of events that concern a model."""
    e = events.c
    query = (
        sa.select(e.seq, e.at, e.model_id, e.actor_id, e.kind, e.body)
        .where(events.c.seq >= start, events.c.seq < end, events.c.model_id != 0)
        .order_by(events.c.seq)
    )
    return [(row[0], row[1], row[2], row[3], row[4], JsonText(row[5])) for row in tx.rows(query)]


def list_watchers(tx: Transaction, model_ids: Iterable[int]) -> dict[int, dict[int, int]]:
    """Return model id → watcher → time since which it watches."""
    w = watches.c
    query = sa.select(w.model_id, w.actor_id, w.created_at).where(w.model_id.in_(set(model_ids)))
    found: dict[int, dict[int, int]] = {}
    for model_id, actor_id, since in tx.rows(query):
        found.setdefault(model_id, {})[actor_id] = since
    return found


def list_people(tx: Transaction, names: Iterable[str]) -> set[int]:
    """Return the ids of the accounts with these names; for groups, of their members."""
    wanted = set(names)
    if not wanted:
        return set()
    rows = tx.rows(sa.select(actors.c.id, actors.c.kind).where(actors.c.name.in_(wanted)))
    groups = [row[0] for row in rows if row[1] == ActorKind.GROUP.value]
    found = {row[0] for row in rows if row[1] != ActorKind.GROUP.value}
    if groups:
        members = sa.select(group_members.c.actor_id).where(group_members.c.group_id.in_(groups))
        found |= {row[0] for row in tx.rows(members)}
    return found


def insert_notifications(tx: Transaction, found: Sequence[tuple[int, int, str]]) -> None:
    """Store notifications. found: (actor id, seq, reason)."""
    rows = [
        {"actor_id": actor_id, "seq": seq, "reason": reason, "created_at": tx.now}
        for actor_id, seq, reason in found
    ]
    tx.execute(postgresql.insert(notifications).on_conflict_do_nothing(), rows)


def may_read(tx: Transaction, actor: Actor, model_id: int) -> bool:
    query = sa.select(models.c.id).where(models.c.id == model_id, visible_models(actor))
    return tx.execute(query).first() is not None
