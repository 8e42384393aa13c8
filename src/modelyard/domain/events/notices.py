"""Subscriptions and comments."""

from __future__ import annotations

from modelyard.domain.events.base import Event


class SubscriptionCreated(Event, kind="subscription.created"):
    subscription: int
    subscription_kind: str


class SubscriptionEdited(Event, kind="subscription.edited"):
    subscription: int
    changed: list[str]


class SubscriptionDisabled(Event, kind="subscription.disabled"):
    """The server disabled a subscription, because its receiver or its maker is gone."""

    subscription: int
    reason: str


class SubscriptionDeleted(Event, kind="subscription.deleted"):
    subscription: int


class CommentWritten(Event, kind="comment.written"):
    """A comment was written. The log keeps a hash of its text, not the text, which may have to be deleted."""

    comment: int
    promotion: int | None = None
    mentions: list[str]
    text_sha256: str


class CommentEdited(Event, kind="comment.edited"):
    """A comment was edited. mentions: names that the earlier text did not mention."""

    comment: int
    mentions: list[str]
    text_sha256: str


class CommentDeleted(Event, kind="comment.deleted"):
    comment: int
    author: str
