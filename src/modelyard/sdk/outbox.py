"""Subscriptions to events, and following events as they happen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from modelyard.sdk.http import at, query_text
from modelyard.sdk.paging import Items
from modelyard.sdk.session import Feature, Session
from modelyard.sdk.streams import follow_stream
from modelyard.wire import outbox as wire
from modelyard.wire.base import Answer


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


class Subscriptions(Feature):
    """`client.subscriptions`."""

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
        """Send events to an address.

        Args:
            kind: `webhook`, `slack` or `email`.
            target: The address.
            model: Only events of this model; None: of a whole namespace, or of the registry.
            namespace: Only events of this namespace; None: no condition.
            event_kinds: Only events of these kinds; None: of all.
            stages: Only events of these stages; None: of all.
            from_event: Begin with this event, even a past one; None: the next event.

        Returns:
            The subscription; its `secret` is shown only once.

        Raises:
            Invalid: The address is not allowed.
            Denied: Your role does not allow this.

        Example:
            >>> client.subscriptions.create("webhook", "https://ci.example.org/hook", model="fraud/scorer").id
            5
        """
        body = wire.CreateSubscription(
            kind=kind,
            target=target,
            model=model,
            namespace=namespace,
            event_kinds=None if event_kinds is None else [*event_kinds],
            stages=None if stages is None else [*stages],
            from_event=from_event,
        )
        return self._post(at("subscriptions"), wire.Subscription, body, repeatable=False)

    def list(self, *, model: str | None = None, namespace: str | None = None) -> list[wire.Subscription]:
        """Return the subscriptions of a model, of a namespace, or of the registry.

        Args:
            model: Name of the model; None: no condition.
            namespace: Name of the namespace; None: no condition. Without both: all, for admins.

        Returns:
            The subscriptions, without their secrets.

        Raises:
            Denied: Your role does not allow this.

        Example:
            >>> [subscription.target for subscription in client.subscriptions.list(model="fraud/scorer")]
            ['https://ci.example.org/hook']
        """
        query = wire.SubscriptionQuery(model=model, namespace=namespace)
        return self._get(at("subscriptions"), wire.SubscriptionList, query).items

    def show(self, subscription: int) -> wire.Subscription:
        """Return one subscription.

        Args:
            subscription: Number of the subscription.

        Returns:
            The subscription, without its secret.

        Raises:
            SubscriptionNotFound: There is no such subscription, or you may not see it.

        Example:
            >>> client.subscriptions.show(5).state
            'active'
        """
        return self._get(at("subscriptions", subscription), wire.Subscription)

    def edit(
        self,
        subscription: int,
        *,
        target: str | None = None,
        event_kinds: Sequence[str] | None = None,
        stages: Sequence[str] | None = None,
        active: bool | None = None,
    ) -> wire.Subscription:
        """Change a subscription; parameters that are None leave their fields unchanged.

        Args:
            subscription: Number of the subscription.
            target: The address.
            event_kinds: Only events of these kinds; empty: of all.
            stages: Only events of these stages; empty: of all.
            active: False: send nothing; True: send again, which also ends a pause.

        Returns:
            The subscription as it is now.

        Raises:
            SubscriptionNotFound: There is no such subscription, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.subscriptions.edit(5, active=False).state
            'disabled'
        """
        body = wire.EditSubscription(
            target=target,
            event_kinds=None if event_kinds is None else [*event_kinds],
            stages=None if stages is None else [*stages],
            active=active,
        )
        return self._call("PATCH", at("subscriptions", subscription), body=body, returns=wire.Subscription)

    def remove(self, subscription: int) -> None:
        """Remove a subscription.

        Args:
            subscription: Number of the subscription.

        Raises:
            SubscriptionNotFound: There is no such subscription, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.subscriptions.remove(5)
        """
        self._call("DELETE", at("subscriptions", subscription))

    def rotate(self, subscription: int) -> wire.Subscription:
        """Create a new secret for a webhook. For one day, messages are signed with both.

        Args:
            subscription: Number of the subscription.

        Returns:
            The subscription; its new `secret` is shown only once.

        Raises:
            SubscriptionNotFound: There is no such subscription, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> secret = client.subscriptions.rotate(5).secret
        """
        return self._post(at("subscriptions", subscription, "rotate"), wire.Subscription, repeatable=False)

    def test(self, subscription: int) -> wire.SubscriptionTest:
        """Send a test message at once. It contains no event, and is not repeated if it fails.

        Args:
            subscription: Number of the subscription.

        Returns:
            Whether the receiver accepted it, and the receiver's answer.

        Raises:
            SubscriptionNotFound: There is no such subscription, or you may not see it.

        Example:
            >>> client.subscriptions.test(5).accepted
            True
        """
        return self._post(at("subscriptions", subscription, "test"), wire.SubscriptionTest, repeatable=False)

    def deliveries(
        self, subscription: int, *, state: str | None = None, limit: int | None = None
    ) -> Items[wire.Delivery]:
        """Return the messages of a subscription and their outcome, newest first.

        Args:
            subscription: Number of the subscription.
            state: `pending`, `done` or `dead`; None: all.
            limit: Return at most this many; None: all.

        Returns:
            One message at a time.

        Raises:
            SubscriptionNotFound: There is no such subscription, or you may not see it.

        Example:
            >>> [delivery.error for delivery in client.subscriptions.deliveries(5, state="dead")]
            ['the address answered 500']
        """
        path = at("subscriptions", subscription, "deliveries")
        return self._items(path, wire.DeliveryQuery(state=state), wire.DeliveryPage, limit)

    def replay(self, subscription: int, event: int | None = None) -> int:
        """Send one event again, or all messages that could not be delivered.

        Args:
            subscription: Number of the subscription.
            event: Number of the event; None: all dead messages.

        Returns:
            How many messages are sent again.

        Raises:
            SubscriptionNotFound: There is no such subscription, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.subscriptions.replay(5)
            1
        """
        return self._post(
            at("subscriptions", subscription, "replay"), wire.Replayed, wire.Replay(event=event)
        ).count


def follow(  # noqa: D417
    session: Session,
    /,
    model: str | None = None,
    *,
    namespace: str | None = None,
    kinds: Sequence[str] = (),
    after: int | None = None,
) -> Iterator[StreamedEvent]:
    """Yield events as they happen, without end and across restarts of the server.

    Args:
        model: Only events of this model; None: no condition.
        namespace: Only events of this namespace; None: no condition.
        kinds: Only events of these kinds; empty: of all.
        after: Number of the last event received; None: begin with the next event.

    Returns:
        One event at a time.

    Raises:
        ServerUnreachable: The server could not be reached for longer than the client's patience.
        ModelNotFound: There is no such model, or you may not see it.

    Example:
        >>> for event in client.follow("fraud/scorer"):
        ...     print(event.kind, event.version)
    """
    name = None if model is None else str(session.model_name(model))
    query = wire.StreamQuery(model=name, namespace=namespace, kind=[*kinds], after=after)
    for data in follow_stream(session.transport, at("events") + query_text(query)):
        yield msgspec.json.decode(data, type=StreamedEvent)
