"""Comments, watches and notifications."""

from __future__ import annotations

from modelyard.wire.base import Answer, Page, PageQuery, Request, Text, Whole
from modelyard.wire.versions import Event


class WriteComment(Request, kw_only=True):
    """body: Markdown. version or promotion: the subject; without either, the model."""

    body: Text
    version: Whole | None = None
    promotion: Whole | None = None


class EditComment(Request, kw_only=True):
    body: Text


class Comment(Answer, kw_only=True):
    """body: the Markdown as written, untrusted; empty when the comment was deleted. html: the same, safe to show in a
    page."""

    id: int
    model: str
    version: int | None
    promotion: int | None
    author: str
    body: str
    html: str
    revision: int
    created_at: str
    edited_at: str | None
    deleted_at: str | None
    deleted_by: str | None


class CommentPage(Page, kw_only=True):
    items: list[Comment]


class CommentQuery(PageQuery, kw_only=True):
    version: Whole | None = None
    promotion: Whole | None = None


class CommentRevision(Answer, kw_only=True):
    revision: int
    body: str
    at: str


class CommentHistory(Answer, kw_only=True):
    """Oldest first; the last is the current text."""

    items: list[CommentRevision]


class WatchList(Answer, kw_only=True):
    items: list[str]
    """Models."""


class Notification(Answer, kw_only=True):
    id: int
    reason: str
    """mention, review (a promotion needs a vote of your group) or watch"""
    created_at: str
    read: bool
    event: Event


class NotificationPage(Page, kw_only=True):
    items: list[Notification]


class NotificationQuery(PageQuery, kw_only=True):
    unread: bool = False


class MarkRead(Request, kw_only=True):
    """up_to: id of the newest notification to mark; None: all."""

    up_to: Whole | None = None


class MarkedRead(Answer, kw_only=True):
    count: int
