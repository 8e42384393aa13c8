"""Subscriptions to events, and following events as they happen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import msgspec

from modelyard.domain.errors import Kind, ModelyardError, ServerUnreachable
from modelyard.sdk.http import BROKEN, Transport, at, query_text
from modelyard.sdk.operations import event_data
from modelyard.sdk.paging import items
from modelyard.wire import outbox as wire
from modelyard.wire.base import Answer

_SILENCE_SECONDS = 60.0
_PAUSE_SECONDS = 1.0


class StreamedEvent(Answer, kw_only=True):
    """One event as the log holds it."""

    class Who(Answer, kw_only=True):
        id: int
        name: str

    seq: int
    at: str
    kind: str
    actor: Who
    namespace: str | None = None
    model: str | None = None
    model_id: int = 0
    version: int | None = None
    data: dict[str, object] = {}


class Subscriptions:
    """`client.subscriptions`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        kind: str,
        target: str,
        *,
        model: str | None = None,
        namespace: str | None = None,
        event_kinds: Sequence[str] | None = None,
        stages: Sequence[str] | None = None,
        from_event: int | None = None,
    ) -> wire.Subscription:
        """Tell an address of events. kind: webhook, slack or email. `secret` is shown this once."""
        body = wire.CreateSubscription(
            kind=kind,
            target=target,
            model=model,
            namespace=namespace,
            event_kinds=None if event_kinds is None else [*event_kinds],
            stages=None if stages is None else [*stages],
            from_event=from_event,
        )
        found: wire.Subscription = self._transport.call(
            "POST", at("subscriptions"), body=body, returns=wire.Subscription, repeatable=False
        )
        return found

    def list(self, *, model: str | None = None, namespace: str | None = None) -> list[wire.Subscription]:
        """Those of a model, of a namespace, or (for admins) all."""
        query = wire.SubscriptionQuery(model=model, namespace=namespace)
        found: wire.SubscriptionList = self._transport.call(
            "GET", at("subscriptions"), query=query, returns=wire.SubscriptionList
        )
        return found.items

    def show(self, subscription: int) -> wire.Subscription:
        found: wire.Subscription = self._transport.call(
            "GET", at("subscriptions", subscription), returns=wire.Subscription
        )
        return found

    def edit(
        self,
        subscription: int,
        *,
        target: str | None = None,
        event_kinds: Sequence[str] | None = None,
        stages: Sequence[str] | None = None,
        active: bool | None = None,
    ) -> wire.Subscription:
        """None leaves a field as it is; an empty list means all. active True also ends a pause."""
        body = wire.EditSubscription(
            target=target,
            event_kinds=None if event_kinds is None else [*event_kinds],
            stages=None if stages is None else [*stages],
            active=active,
        )
        found: wire.Subscription = self._transport.call(
            "PATCH", at("subscriptions", subscription), body=body, returns=wire.Subscription
        )
        return found

    def remove(self, subscription: int) -> None:
        self._transport.call("DELETE", at("subscriptions", subscription))

    def rotate(self, subscription: int) -> wire.Subscription:
        """A new webhook secret, shown this once; for a day messages are signed with both."""
        found: wire.Subscription = self._transport.call(
            "POST", at("subscriptions", subscription, "rotate"), returns=wire.Subscription, repeatable=False
        )
        return found

    def deliveries(
        self, subscription: int, *, state: str | None = None, limit: int | None = None
    ) -> Iterator[wire.Delivery]:
        """What was sent and what became of it, newest first. state: pending, done or dead."""
        path = at("subscriptions", subscription, "deliveries")
        return items(self._transport, path, wire.DeliveryQuery(state=state), wire.DeliveryPage, limit)

    def replay(self, subscription: int, event: int | None = None) -> int:
        """Send one event again, or (None) all dead letters. Returns how many."""
        found: wire.Replayed = self._transport.call(
            "POST",
            at("subscriptions", subscription, "replay"),
            body=wire.Replay(event=event),
            returns=wire.Replayed,
        )
        return found.count


def follow(
    transport: Transport,
    *,
    model: str | None = None,
    namespace: str | None = None,
    kinds: Sequence[str] = (),
    after: int | None = None,
) -> Iterator[StreamedEvent]:
    """Events as they happen, without end. A broken connection is opened again behind the last event.

    Raises what the server refuses, and ServerUnreachable when it stays away.
    """
    last, failures = after, 0
    while True:
        query = wire.StreamQuery(model=model, namespace=namespace, kind=[*kinds], after=last)
        try:
            with transport.stream("GET", at("events") + query_text(query), _SILENCE_SECONDS) as response:
                for data in event_data(response.stream(4096)):
                    event = msgspec.json.decode(data, type=StreamedEvent)
                    last, failures = event.seq, 0
                    yield event
        except BROKEN as exc:
            error: ModelyardError = ServerUnreachable(url=transport.url, reason="the stream broke off")
            error.__cause__ = exc
        except ModelyardError as exc:
            if exc.kind not in (Kind.BUSY, Kind.UNAVAILABLE):
                raise
            error = exc
        else:
            continue
        failures += 1
        if failures * _PAUSE_SECONDS > transport.patience_seconds:
            raise error
        time.sleep(_PAUSE_SECONDS)
