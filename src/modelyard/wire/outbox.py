"""Subscriptions to events, their deliveries, and the stream of events."""

from __future__ import annotations

from modelyard.wire.base import Answer, Items, Page, PageQuery, Request, Text, Whole


class CreateSubscription(Request, kw_only=True):
    """kind: webhook, slack or email. Without namespace and model: all events of the server, for admins.

    event_kinds: such as `alias.moved` or `version.*`; stages: names of stages or aliases; None means all.
    from_event: the first event to send, even a past one; None: the next event.
    """

    kind: Text
    target: Text
    namespace: Text | None = None
    model: Text | None = None
    event_kinds: Items[Text] | None = None
    stages: Items[Text] | None = None
    from_event: Whole | None = None


class EditSubscription(Request, kw_only=True):
    """None leaves a field unchanged; an empty list means all. active true also ends a pause."""

    target: Text | None = None
    event_kinds: Items[Text] | None = None
    stages: Items[Text] | None = None
    active: bool | None = None


class Subscription(Answer, kw_only=True):
    id: int
    kind: str
    target: str
    namespace: str | None
    model: str | None
    """The only model it covers; None: all models of the namespace or server."""
    event_kinds: list[str] | None
    stages: list[str] | None
    state: str
    """active, paused (the receiver kept failing) or disabled"""
    state_reason: str
    failures: int
    """Consecutive failures."""
    paused_until: str | None
    next_event: int
    last_sent_at: str | None
    """Time of the last accepted message."""
    last_error: str | None
    """Error of the newest message that was not accepted."""
    pending: int
    """Number of messages waiting to be sent."""
    dead: int
    """Number of abandoned messages; `replay` sends them again."""
    created_at: str
    created_by: str
    secret: str | None = None
    """Secret of a webhook; shown only once, when it is created."""


class SubscriptionTest(Answer, kw_only=True):
    """Result of a test message. status: the receiver's HTTP status; null: no answer."""

    accepted: bool
    status: int | None
    error: str


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
    """event: the event to send again; None: all dead letters."""

    event: Whole | None = None


class Replayed(Answer, kw_only=True):
    count: int


class StreamQuery(Request, kw_only=True):
    """after: the last event received, same as the header Last-Event-ID."""

    namespace: Text | None = None
    model: Text | None = None
    kind: Items[Text] = []
    after: Whole | None = None
