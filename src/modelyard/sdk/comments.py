"""Comments, watches and notifications."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelyard.sdk.http import at
from modelyard.sdk.paging import items
from modelyard.wire import comments as wire

if TYPE_CHECKING:
    from modelyard.sdk.client import Client


class Comments:
    """`client.comments`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._transport = client.transport

    def _at(self, model: str, *more: object) -> str:
        name = self._client.model_name(model)
        return at("models", name.namespace, name.name, "comments", *more)

    def list(
        self, model: str, *, version: int | None = None, promotion: int | None = None, limit: int | None = None
    ) -> Iterator[wire.Comment]:
        """Oldest first; deleted ones without their words."""
        query = wire.CommentQuery(version=version, promotion=promotion)
        return items(self._transport, self._at(model), query, wire.CommentPage, limit)

    def write(
        self, model: str, body: str, *, version: int | None = None, promotion: int | None = None
    ) -> wire.Comment:
        """body: Markdown; @name notifies an account, or the members of a group."""
        wanted = wire.WriteComment(body=body, version=version, promotion=promotion)
        found: wire.Comment = self._transport.call("POST", self._at(model), body=wanted, returns=wire.Comment)
        return found

    def edit(self, model: str, comment: int, body: str, *, seen_revision: int | None = None) -> wire.Comment:
        headers = {"if-match": f'"{seen_revision}"'} if seen_revision is not None else None
        found: wire.Comment = self._transport.call(
            "PATCH",
            self._at(model, comment),
            body=wire.EditComment(body=body),
            returns=wire.Comment,
            headers=headers,
        )
        return found

    def delete(self, model: str, comment: int) -> None:
        """The words go, the trace stays."""
        self._transport.call("DELETE", self._at(model, comment))

    def history(self, model: str, comment: int) -> builtins.list[wire.CommentRevision]:
        """Everything it said, oldest first."""
        found: wire.CommentHistory = self._transport.call(
            "GET", self._at(model, comment, "history"), returns=wire.CommentHistory
        )
        return found.items


class Inbox:
    """`client.inbox`: what one watches and is notified of."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._transport = client.transport

    def _at(self, model: str) -> str:
        name = self._client.model_name(model)
        return at("models", name.namespace, name.name, "watch")

    def watch(self, model: str) -> None:
        self._transport.call("PUT", self._at(model))

    def unwatch(self, model: str) -> None:
        self._transport.call("DELETE", self._at(model))

    def watched(self) -> list[str]:
        found: wire.WatchList = self._transport.call("GET", at("watches"), returns=wire.WatchList)
        return found.items

    def notifications(self, *, unread: bool = False, limit: int | None = None) -> Iterator[wire.Notification]:
        """Newest first."""
        query = wire.NotificationQuery(unread=unread)
        return items(self._transport, at("notifications"), query, wire.NotificationPage, limit)

    def mark_read(self, up_to: int | None = None) -> int:
        """Up to this notification, or all. Returns how many were unread."""
        body = wire.MarkRead(up_to=up_to)
        found: wire.MarkedRead = self._transport.call(
            "POST", at("notifications", "read"), body=body, returns=wire.MarkedRead
        )
        return found.count
