"""Notifications: mentions of you, requests for your vote, and changes to models that you watch."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from modelyard.registry.comments import usecases as comments
from modelyard.registry.outbox.telling import tell
from modelyard.web.frame import PageTable, Visit

table = PageTable()
_PAGE = "/notifications"
_ROWS = 50


def place_of(body: dict[str, Any]) -> str:
    """Return the path of the page that an event is about; empty if there is none."""
    data, model = body.get("data") or {}, body.get("model")
    if data.get("promotion"):
        return f"/promotions/{data['promotion']}"
    if model and body.get("version"):
        return f"/models/{model}/versions/{body['version']}"
    return f"/models/{model}" if model else ""


@table.get(_PAGE)
async def notifications(visit: Visit) -> Response:
    only_unread, before = visit.chosen("unread") == "1", visit.chosen("before")
    start = int(before) if before.isdigit() else None
    rows = await visit.look(
        lambda tx: comments.list_notifications(
            tx, visit.actor, unread=only_unread, before=start, limit=_ROWS + 1
        )
    )
    shown = rows[:_ROWS]
    more = f"{_PAGE}?unread={int(only_unread)}&before={shown[-1].id}" if len(rows) > _ROWS else None
    return await visit.render(
        "notifications.html",
        rows=shown,
        only_unread=only_unread,
        more=more,
        place_of=place_of,
        tell=tell,
        twin="/api/v1/notifications",
    )


@table.post(f"{_PAGE}/read", operation="mark_notifications_read", command="notifications")
async def mark_read(visit: Visit) -> Response:
    """Mark those that the page showed, and older ones; what arrived since stays unread."""
    up_to = visit.given("up_to")
    count = await visit.write(
        lambda tx: comments.mark_read(tx, visit.actor, int(up_to) if up_to.isdigit() else None)
    )
    return visit.go(
        _PAGE, f"{count} {'notification was' if count == 1 else 'notifications were'} marked as read."
    )
