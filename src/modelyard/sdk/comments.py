"""Comments, watches and notifications."""

from __future__ import annotations

import builtins
from collections.abc import Iterator

from modelyard.sdk.http import at, if_match
from modelyard.sdk.paging import items
from modelyard.sdk.session import Feature
from modelyard.wire import comments as wire


class Comments(Feature):
    """`client.comments`."""

    def list(
        self, model: str, *, version: int | None = None, promotion: int | None = None, limit: int | None = None
    ) -> Iterator[wire.Comment]:
        """Oldest first; deleted ones without their words."""
        query = wire.CommentQuery(version=version, promotion=promotion)
        return items(
            self._transport, self._session.model_path(model, "comments"), query, wire.CommentPage, limit
        )

    def write(
        self, model: str, body: str, *, version: int | None = None, promotion: int | None = None
    ) -> wire.Comment:
        """body: Markdown; @name notifies an account, or the members of a group."""
        wanted = wire.WriteComment(body=body, version=version, promotion=promotion)
        return self._transport.call(
            "POST", self._session.model_path(model, "comments"), body=wanted, returns=wire.Comment
        )

    def edit(self, model: str, comment: int, body: str, *, seen_revision: int | None = None) -> wire.Comment:
        return self._transport.call(
            "PATCH",
            self._session.model_path(model, "comments", comment),
            body=wire.EditComment(body=body),
            returns=wire.Comment,
            headers=if_match(seen_revision),
        )

    def delete(self, model: str, comment: int) -> None:
        """The words go, the trace stays."""
        self._transport.call("DELETE", self._session.model_path(model, "comments", comment))

    def history(self, model: str, comment: int) -> builtins.list[wire.CommentRevision]:
        """Everything it said, oldest first."""
        return self._transport.call(
            "GET", self._session.model_path(model, "comments", comment, "history"), returns=wire.CommentHistory
        ).items


class Inbox(Feature):
    """`client.inbox`: what one watches and is notified of."""

    def watch(self, model: str) -> None:
        self._transport.call("PUT", self._session.model_path(model, "watch"))

    def unwatch(self, model: str) -> None:
        self._transport.call("DELETE", self._session.model_path(model, "watch"))

    def watched(self) -> list[str]:
        return self._transport.call("GET", at("watches"), returns=wire.WatchList).items

    def notifications(self, *, unread: bool = False, limit: int | None = None) -> Iterator[wire.Notification]:
        """Newest first."""
        query = wire.NotificationQuery(unread=unread)
        return items(self._transport, at("notifications"), query, wire.NotificationPage, limit)

    def mark_read(self, up_to: int | None = None) -> int:
        """Up to this notification, or all. Returns how many were unread."""
        body = wire.MarkRead(up_to=up_to)
        return self._transport.call(
            "POST", at("notifications", "read"), body=body, returns=wire.MarkedRead
        ).count
