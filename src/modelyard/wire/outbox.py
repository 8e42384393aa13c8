"""Subscriptions to events, their deliveries, and the stream of events."""

from __future__ import annotations

from modelyard.wire.base import Answer, Items, Page, PageQuery, Request, Text, Whole


class CreateSubscription(Request, kw_only=True):
    """kind: webhook, slack or email. Without namespace and model: the whole server, for admins.

    event_kinds: as `alias.moved` or `version.*`; stages: names of stages or aliases; None means all.
    from_event: the first event to tell of, also in the past; None: from now on.
    """

    kind: Text
    target: Text
    namespace: Text | None = None
    model: Text | None = None
    event_kinds: Items[Text] | None = None
    stages: Items[Text] | None = None
    from_event: Whole | None = None


class EditSubscription(Request, kw_only=True):
    """None leaves a field as it is; an empty list means all. active true also ends a pause."""

    target: Text | None = None
    event_kinds: Items[Text] | None = None
    stages: Items[Text] | None = None
    active: bool | None = None


class Subscription(Answer, kw_only=True):
    id: int
    kind: str
    target: str
    namespace: str | None
    for_one_model: bool
    event_kinds: list[str] | None
    stages: list[str] | None
    state: str
    """active, paused (the receiver kept failing) or disabled"""
    state_reason: str
    failures: int
    """In a row."""
    paused_until: str | None
    next_event: int
    created_at: str
    created_by: str
    secret: str | None = None
    """Of a webhook; shown once, when it is made."""


class SubscriptionList(Answer, kw_only=True):
    items: list[Subscription]


class SubscriptionQuery(Request, kw_only=True):
    namespace: Text | None = None
    model: Text | None = None


class Delivery(Answer, kw_only=True):
    event: int
    event_kind: str
    message_id: str
    state: str
    """pending, done or dead"""
    attempts: int
    due_at: str
    status: int | None
    error: str | None
    finished_at: str | None


class DeliveryPage(Page, kw_only=True):
    items: list[Delivery]


class DeliveryQuery(PageQuery, kw_only=True):
    state: Text | None = None


class Replay(Request, kw_only=True):
    """event: send this one again; None: all dead letters."""

    event: Whole | None = None


class Replayed(Answer, kw_only=True):
    count: int


class StreamQuery(Request, kw_only=True):
    """after: the last event that was seen; the header Last-Event-ID says the same."""

    namespace: Text | None = None
    model: Text | None = None
    kind: Items[Text] = []
    after: Whole | None = None
