"""Routes of comments, watches and notifications."""

from __future__ import annotations

from typing import Any

from modelyard.api import shapes
from modelyard.api.conversion import to_wire
from modelyard.domain.times import time_text
from modelyard.doors.call import Call, revision_tag
from modelyard.doors.paging import Paging
from modelyard.doors.table import RouteTable
from modelyard.registry.audit.nouns import LoggedEvent
from modelyard.registry.comments import usecases as comments
from modelyard.registry.comments.nouns import Comment, Notification
from modelyard.registry.comments.rules import check_body
from modelyard.registry.idempotency import Answer
from modelyard.registry.rendering import render_markdown, render_page
from modelyard.wire import comments as wire

table = RouteTable(__name__)


def _comment(call: Call, row: Comment, html: str) -> wire.Comment:
    return to_wire(row, wire.Comment, model=str(call.model), promotion=row.promotion_id, html=html)


def _notification(row: Notification) -> wire.Notification:
    event = shapes.event(LoggedEvent(row.seq, row.body))
    return to_wire(row, wire.Notification, read=row.read_at is not None, event=event)


@table.route("GET", "/api/v1/models/{namespace}/{name}/comments")
async def list_comments(call: Call, query: wire.CommentQuery) -> wire.CommentPage:
    """List the comments on a model, a version or a promotion, oldest first."""
    paging = Paging.of(query, int)
    found = await call.read(
        lambda tx: comments.list_comments(
            tx,
            call.actor,
            call.model,
            version=query.version,
            promotion=query.promotion,
            after=paging.start or 0,
            limit=paging.count,
        )
    )
    rendered = await call.in_thread("views", render_page, [row.body for row in found])
    pairs = [*zip(found, rendered, strict=True)]
    return paging.answer(
        wire.CommentPage, pairs, lambda pair: _comment(call, *pair), key=lambda pair: (pair[0].id,)
    )


async def _checked(call: Call, body: str) -> tuple[str, str]:
    """Return the text to store, and its HTML, which is rendered before the database's writer is taken."""
    text = check_body(body)
    return text, await call.in_thread("views", render_markdown, text)


@table.route("POST", "/api/v1/models/{namespace}/{name}/comments", status=201)
async def write_comment(call: Call, body: wire.WriteComment) -> Answer[wire.Comment]:
    """Add a comment; people mentioned with @name are notified."""
    text, html = await _checked(call, body.body)
    return await call.commit(
        lambda tx: _comment(
            call,
            comments.write_comment(
                tx, call.actor, call.model, text, version=body.version, promotion=body.promotion
            ),
            html,
        )
    )


@table.route("PATCH", "/api/v1/models/{namespace}/{name}/comments/{comment:number}")
async def edit_comment(call: Call, body: wire.EditComment) -> Answer[wire.Comment]:
    """Change your own comment; its earlier text stays readable."""
    text, html = await _checked(call, body.body)
    return await call.commit(
        lambda tx: _comment(
            call,
            comments.edit_comment(tx, call.actor, call.model, call.number("comment"), text, call.seen_revision),
            html,
        ),
        etag=revision_tag,
    )


@table.route("DELETE", "/api/v1/models/{namespace}/{name}/comments/{comment:number}", status=204)
async def delete_comment(call: Call) -> Answer[None]:
    """Delete the text of a comment; the record of the comment stays."""
    return await call.commit(
        lambda tx: comments.delete_comment(tx, call.actor, call.model, call.number("comment"))
    )


@table.route("GET", "/api/v1/models/{namespace}/{name}/comments/{comment:number}/history")
async def list_comment_history(call: Call) -> wire.CommentHistory:
    """List all texts that a comment has had, oldest first."""
    found, earlier = await call.read(
        lambda tx: comments.list_revisions(tx, call.actor, call.model, call.number("comment"))
    )
    texts = [*earlier, (found.revision, found.body, found.edited_at or found.created_at)]
    return wire.CommentHistory(
        items=[wire.CommentRevision(revision=n, body=body, at=time_text(at)) for n, body, at in texts]
    )


@table.route("PUT", "/api/v1/models/{namespace}/{name}/watch", status=204)
async def watch_model(call: Call) -> Answer[None]:
    """Watch the model, and be notified of other people's changes to it."""

    def work(tx: Any) -> None:
        comments.watch(tx, call.actor, call.model)

    return await call.commit(work)


@table.route("DELETE", "/api/v1/models/{namespace}/{name}/watch", status=204)
async def unwatch_model(call: Call) -> Answer[None]:
    """Stop watching the model; mentions still notify."""
    return await call.commit(lambda tx: comments.unwatch(tx, call.actor, call.model))


@table.route("GET", "/api/v1/watches")
async def list_watches(call: Call) -> wire.WatchList:
    """List the models that you watch."""
    watched = await call.read(lambda tx: comments.list_watched(tx, call.actor))
    return wire.WatchList(items=[str(name) for name in watched])


@table.route("GET", "/api/v1/notifications")
async def list_notifications(call: Call, query: wire.NotificationQuery) -> wire.NotificationPage:
    """List changes to models that you watch, and mentions of you, newest first."""
    paging = Paging.of(query, int)
    found = await call.read(
        lambda tx: comments.list_notifications(
            tx, call.actor, unread=query.unread, before=paging.start, limit=paging.count
        )
    )
    return paging.answer(wire.NotificationPage, found, _notification, key=lambda row: (row.id,))


@table.route("POST", "/api/v1/notifications/read")
async def mark_notifications_read(call: Call, body: wire.MarkRead) -> Answer[wire.MarkedRead]:
    """Mark your notifications as read, all of them or up to one."""
    up_to = body.up_to
    return await call.commit(lambda tx: wire.MarkedRead(count=comments.mark_read(tx, call.actor, up_to)))
