"""Routes of comments, watches and notifications."""

from __future__ import annotations

from typing import Any

from modelyard.api import shapes
from modelyard.domain.times import time_text
from modelyard.doors.call import Call, revision_tag
from modelyard.doors.paging import cut, decode_cursor, page_limit
from modelyard.doors.table import RouteTable
from modelyard.registry.audit.nouns import LoggedEvent
from modelyard.registry.comments import usecases as comments
from modelyard.registry.comments.nouns import Comment, Notification
from modelyard.registry.comments.rules import check_body
from modelyard.registry.idempotency import Answer
from modelyard.registry.rendering import render_markdown, render_page
from modelyard.wire import comments as wire

table = RouteTable("comments")


def _comment(call: Call, row: Comment, html: str) -> wire.Comment:
    return wire.Comment(
        id=row.id,
        model=str(call.model),
        version=row.version,
        promotion=row.promotion_id,
        author=row.author,
        body=row.body,
        html=html,
        revision=row.revision,
        created_at=time_text(row.created_at),
        edited_at=shapes.optional_time(row.edited_at),
        deleted_at=shapes.optional_time(row.deleted_at),
        deleted_by=row.deleted_by,
    )


def _notification(row: Notification) -> wire.Notification:
    return wire.Notification(
        id=row.id,
        reason=row.reason,
        created_at=time_text(row.created_at),
        read=row.read_at is not None,
        event=shapes.event(LoggedEvent(row.seq, row.body)),
    )


def _id(call: Call) -> int:
    return int(call.path["comment"])


@table.route("GET", "/api/v1/models/{namespace}/{name}/comments")
async def list_comments(call: Call, query: wire.CommentQuery) -> wire.CommentPage:
    """What is said about a model, a version or a promotion, oldest first."""
    limit = page_limit(query)
    after = decode_cursor(query.cursor, int)
    found = await call.read(
        lambda tx: comments.list_comments(
            tx,
            call.actor,
            call.model,
            version=query.version,
            promotion=query.promotion,
            after=after[0] if after else 0,
            limit=limit + 1,
        )
    )
    page, cursor = cut(found, limit, lambda row: (row.id,))
    rendered = await call.in_thread("views", render_page, [row.body for row in page])
    items = [_comment(call, row, html) for row, html in zip(page, rendered, strict=True)]
    return wire.CommentPage(items=items, next_cursor=cursor)


async def _checked(call: Call, body: str) -> tuple[str, str]:
    """The text as it is kept, and its HTML, which is made before the writer of the database has its turn."""
    text = check_body(body)
    return text, await call.in_thread("views", render_markdown, text)


@table.route("POST", "/api/v1/models/{namespace}/{name}/comments", status=201)
async def write_comment(call: Call, body: wire.WriteComment) -> Answer[wire.Comment]:
    """Say something; people who are mentioned with @name are notified."""
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
    """Change one's own comment; what it said before stays readable."""
    text, html = await _checked(call, body.body)
    return await call.commit(
        lambda tx: _comment(
            call,
            comments.edit_comment(tx, call.actor, call.model, _id(call), text, call.seen_revision),
            html,
        ),
        etag=revision_tag,
    )


@table.route("DELETE", "/api/v1/models/{namespace}/{name}/comments/{comment:number}", status=204)
async def delete_comment(call: Call) -> Answer[None]:
    """Delete a comment's words; that there was one stays."""
    return await call.commit(lambda tx: comments.delete_comment(tx, call.actor, call.model, _id(call)))


@table.route("GET", "/api/v1/models/{namespace}/{name}/comments/{comment:number}/history")
async def list_comment_history(call: Call) -> wire.CommentHistory:
    """Everything a comment said, oldest first."""
    found, earlier = await call.read(lambda tx: comments.list_revisions(tx, call.actor, call.model, _id(call)))
    texts = [*earlier, (found.revision, found.body, found.edited_at or found.created_at)]
    return wire.CommentHistory(
        items=[wire.CommentRevision(revision=n, body=body, at=time_text(at)) for n, body, at in texts]
    )


@table.route("PUT", "/api/v1/models/{namespace}/{name}/watch", status=204)
async def watch_model(call: Call) -> Answer[None]:
    """Be notified of what others do to the model."""

    def work(tx: Any) -> None:
        comments.watch(tx, call.actor, call.model)

    return await call.commit(work)


@table.route("DELETE", "/api/v1/models/{namespace}/{name}/watch", status=204)
async def unwatch_model(call: Call) -> Answer[None]:
    """Be notified of it no longer, unless mentioned."""
    return await call.commit(lambda tx: comments.unwatch(tx, call.actor, call.model))


@table.route("GET", "/api/v1/watches")
async def list_watches(call: Call) -> wire.WatchList:
    """The models that one watches."""
    found = await call.read(lambda tx: comments.list_watched(tx, call.actor))
    return wire.WatchList(items=[str(name) for name in found])


@table.route("GET", "/api/v1/notifications")
async def list_notifications(call: Call, query: wire.NotificationQuery) -> wire.NotificationPage:
    """What happened to models that one watches, and where one was mentioned, newest first."""
    limit = page_limit(query)
    before = decode_cursor(query.cursor, int)
    found = await call.read(
        lambda tx: comments.list_notifications(
            tx, call.actor, unread=query.unread, before=before[0] if before else None, limit=limit + 1
        )
    )
    page, cursor = cut(found, limit, lambda row: (row.id,))
    return wire.NotificationPage(items=[_notification(row) for row in page], next_cursor=cursor)


@table.route("POST", "/api/v1/notifications/read")
async def mark_notifications_read(call: Call, body: wire.MarkRead) -> Answer[wire.MarkedRead]:
    """Mark one's notifications as read, all or up to one."""
    up_to = body.up_to
    return await call.commit(lambda tx: wire.MarkedRead(count=comments.mark_read(tx, call.actor, up_to)))
