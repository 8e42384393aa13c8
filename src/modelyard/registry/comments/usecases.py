"""Write comments, watch models, and notify people."""

from __future__ import annotations

import hashlib
from typing import Any

from modelyard.db.engine import Database
from modelyard.db.json_columns import JsonText
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import (
    CommentNotFound,
    Denied,
    EditConflict,
    PromotionNotFound,
)
from modelyard.domain.names import ModelName, Ref, VersionNumber
from modelyard.registry.access import account_queries
from modelyard.registry.access import rules as access
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.catalog.usecases import find_model
from modelyard.registry.comments import queries, rules
from modelyard.registry.comments.nouns import Comment, Notification
from modelyard.registry.comments.queries import REVIEW
from modelyard.registry.versions.usecases import find_version

_LOOK_AT = 500


# --- comments ------------------------------------------------------------------------------------


def write_comment(
    tx: Transaction,
    actor: Actor,
    name: ModelName,
    body: str,
    *,
    version: int | None = None,
    promotion: int | None = None,
) -> Comment:
    """Comment on a model, one of its versions or one of its promotions. The writer watches the model from then on.

    The log keeps the mentioned names and a hash of the text, never the text, which may have to be deleted.
    """
    model = find_model(tx, actor, name, Permission.COMMENT_WRITE)
    if version is not None:
        find_version(tx, actor, Ref(model.name, VersionNumber(version)))
    if promotion is not None and not queries.promotion_is_of(tx, promotion, model.id):
        raise PromotionNotFound(promotion=promotion)
    text = rules.check_body(body)
    made = queries.insert_comment(
        tx, model_id=model.id, version=version, promotion_id=promotion, author_id=actor.id, body=text
    )
    queries.insert_watch(tx, actor.id, model.id)
    tx.append(
        events.CommentWritten(
            **events.about(model.name, version),
            comment=made,
            promotion=promotion,
            mentions=queries.list_known_names(tx, rules.mentions(text)),
            text_sha256=_hash(text),
        ),
        actor,
        model.id,
    )
    return _find(tx, model, made)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _find(tx: Transaction, model: Model, comment_id: int) -> Comment:
    comment = queries.find_comment(tx, model.id, comment_id)
    if comment is None:
        raise CommentNotFound(comment=comment_id)
    return comment


def list_comments(
    tx: Transaction,
    actor: Actor,
    name: ModelName,
    *,
    version: int | None = None,
    promotion: int | None = None,
    after: int = 0,
    limit: int,
) -> list[Comment]:
    """List comments, oldest first. Deleted ones are listed without their text."""
    model = find_model(tx, actor, name)
    access.refuse_strangers(actor)
    return queries.list_comments(
        tx, model.id, version=version, promotion_id=promotion, after=after, limit=limit
    )


def edit_comment(
    tx: Transaction, actor: Actor, name: ModelName, comment_id: int, body: str, revision: int | None = None
) -> Comment:
    """Change a comment, by its author; earlier texts stay readable. revision: the one that the author saw."""
    model = find_model(tx, actor, name, Permission.COMMENT_WRITE)
    comment = _find(tx, model, comment_id)
    if comment.deleted_at is not None:
        raise CommentNotFound(comment=comment_id)
    if comment.author_id != actor.id:
        raise Denied(
            actor=actor.name,
            permission="edit the comment of somebody else",
            where=str(model.name),
            who="nobody",
            role="author",
            fix=f"Only {comment.author} may edit it",
        )
    if revision is not None and revision != comment.revision:
        raise EditConflict(what=f"comment {comment_id}", revision=comment.revision)
    text = rules.check_body(body)
    if text == comment.body:
        return comment
    queries.edit_comment(tx, comment, text)
    known = set(rules.mentions(comment.body))
    tx.append(
        events.CommentEdited(
            **events.about(model.name, comment.version),
            comment=comment_id,
            # People who were mentioned before have been notified already.
            mentions=queries.list_known_names(tx, [m for m in rules.mentions(text) if m not in known]),
            text_sha256=_hash(text),
        ),
        actor,
        model.id,
    )
    return _find(tx, model, comment_id)


def delete_comment(tx: Transaction, actor: Actor, name: ModelName, comment_id: int) -> None:
    """Delete a comment, by its author or a maintainer: the text of all revisions is deleted, a trace stays."""
    model = find_model(tx, actor, name, Permission.COMMENT_WRITE)
    comment = _find(tx, model, comment_id)
    if comment.author_id != actor.id:
        access.check(actor, Permission.COMMENT_MODERATE, model.place)
    if comment.deleted_at is not None:
        return
    queries.delete_comment(tx, comment_id, actor.id)
    tx.append(
        events.CommentDeleted(
            **events.about(model.name, comment.version),
            comment=comment_id,
            author=comment.author,
        ),
        actor,
        model.id,
    )


def list_revisions(
    tx: Transaction, actor: Actor, name: ModelName, comment_id: int
) -> tuple[Comment, list[tuple[int, str, int]]]:
    """Return (the comment, its earlier texts as (revision, body, at))."""
    model = find_model(tx, actor, name)
    access.refuse_strangers(actor)
    return _find(tx, model, comment_id), queries.list_revisions(tx, comment_id)


# --- watching ------------------------------------------------------------------------------------


def watch(tx: Transaction, actor: Actor, name: ModelName) -> ModelName:
    """Watch a model, to be notified of changes that others make."""
    model = find_model(tx, actor, name)
    access.refuse_strangers(actor)
    queries.insert_watch(tx, actor.id, model.id)
    return model.name


def unwatch(tx: Transaction, actor: Actor, name: ModelName) -> None:
    model = find_model(tx, actor, name)
    access.refuse_strangers(actor)
    queries.delete_watch(tx, actor.id, model.id)


def list_watched(tx: Transaction, actor: Actor) -> list[ModelName]:
    return queries.list_watched(tx, actor)


# --- notifications -------------------------------------------------------------------------------


def list_notifications(
    tx: Transaction, actor: Actor, *, unread: bool, before: int | None, limit: int
) -> list[Notification]:
    if actor.is_anonymous:
        access.check(actor, Permission.NAMESPACE_READ, access.SERVER)
    return queries.list_notifications(tx, actor, unread=unread, before=before, limit=limit)


def count_unread(tx: Transaction, actor: Actor, limit: int) -> int:
    """Count the unread notifications that the actor may see, at most `limit`."""
    return queries.count_unread(tx, actor, limit)


def mark_read(tx: Transaction, actor: Actor, up_to: int | None) -> int:
    """Mark notifications up to this one, or all, as read. Returns how many were unread.

    Notifications concern every place, so a token that is limited to one place cannot mark them."""
    access.check(actor, Permission.MODEL_READ, access.SERVER)
    return queries.mark_read(tx, actor.id, up_to)


def begin_notifications(db: Database) -> None:
    """Notify of all events from now on. Without it, events before the first `derive_notifications` would be left out."""
    db.write(_find_or_set_cursor)


def _find_or_set_cursor(tx: Transaction) -> int:
    cursor = queries.find_cursor(tx)
    if cursor is None:
        # Events before the first notification are not news.
        cursor = queries.find_log_size(tx)
        queries.set_cursor(tx, cursor)
    return cursor


def derive_notifications(db: Database) -> bool:
    """Turn events into notifications. Returns False if there were no new events."""

    def lags(tx: Transaction) -> bool:
        cursor = queries.find_cursor(tx)
        return cursor is None or cursor < queries.find_log_size(tx)

    if not db.read(lags):
        return False
    db.write(_derive)
    return True


def _derive(tx: Transaction) -> None:
    cursor = _find_or_set_cursor(tx)
    end = min(queries.find_log_size(tx), cursor + _LOOK_AT)
    found = queries.list_model_events(tx, cursor, end)
    watchers = queries.list_watchers(tx, {each[2] for each in found})
    made: list[tuple[int, int, str]] = []
    readers: dict[tuple[int, int], bool] = {}
    for seq, at, model_id, actor_id, kind, body in found:
        reason, names = _called_by(kind, body)
        called = queries.list_people(tx, names)
        watching = {each for each, since in watchers.get(model_id, {}).items() if since <= at}
        for each in (called | watching) - {actor_id}:
            why = reason if each in called else "watch"
            key = each, model_id
            # People who may vote on a promotion see it, even if they may not see the model.
            if why != REVIEW and key not in readers:
                readers[key] = _may_read(tx, each, model_id)
            if why == REVIEW or readers[key]:
                made.append((each, seq, why))
    if made:
        queries.insert_notifications(tx, made)
    queries.set_cursor(tx, end)


def _called_by(kind: str, body: JsonText[dict[str, Any]]) -> tuple[str, list[str]]:
    """Return (reason, names of the accounts and groups to notify whether or not they watch)."""
    if kind.startswith("comment."):
        return "mention", body.value["data"].get("mentions", [])
    if kind == events.PromotionOpened.kind:
        return REVIEW, body.value["data"].get("reviewers", [])
    return "watch", []


def _may_read(tx: Transaction, actor_id: int, model_id: int) -> bool:
    account = account_queries.find_actor_by_id(tx, actor_id)
    if account is None or account.disabled_at is not None:
        return False
    return queries.may_read(tx, account.to_actor(), model_id)
