"""Subscriptions and the stream of events from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.base import Session, command, command_group, confirm
from modelyard.cli.errors import FAILED, OK
from modelyard.cli.output import clean

if TYPE_CHECKING:
    from modelyard.wire.outbox import Subscription


@command_group("subscription")
def subscription() -> None:
    """Send events as signed webhooks, Slack messages or e-mails."""


def _show(session: Session, found: Subscription) -> None:
    if session.answered(found):
        return
    session.out.pairs(
        [
            ("subscription", found.id),
            ("kind", found.kind),
            ("target", found.target),
            ("namespace", found.namespace or "the whole server"),
            ("model", found.model or "all"),
            ("events", ", ".join(found.event_kinds) if found.event_kinds else "all"),
            ("stages", ", ".join(found.stages) if found.stages else "all"),
            ("state", found.state + (f" ({found.state_reason})" if found.state_reason else "")),
            ("last delivery", found.last_sent_at or "never"),
            ("last error", found.last_error or "none"),
            ("waiting", f"{found.pending} messages, {found.dead} abandoned"),
            ("next event", found.next_event),
        ]
    )
    if found.secret is not None:
        session.out.pairs([("secret", found.secret)])
        session.out.note("The secret is shown only once; the receiver verifies signatures with it.")


@command(
    "add",
    group=subscription,
    example="modelyard subscription add webhook https://ci.example.org/hook --model fraud/scorer\n"
    "modelyard subscription add slack https://hooks.slack.com/services/… --namespace fraud --stage production",
)
@click.argument("kind", type=click.Choice(["webhook", "slack", "email"]))
@click.argument("target")
@click.option("--model", help="Events of this model.")
@click.option("--namespace", help="Events of this namespace. Default: of the whole server.")
@click.option(
    "--kind",
    "events",
    multiple=True,
    help="Only events of this kind, for example alias.moved or version.*; may be repeated.",
)
@click.option(
    "--stage", "stages", multiple=True, help="Only events about this stage or alias; may be repeated."
)
@click.option(
    "--from-event",
    type=click.IntRange(0),
    help="Begin with this event, even a past one. Default: the next event.",
)
def add(
    session: Session,
    kind: str,
    target: str,
    model: str | None,
    namespace: str | None,
    events: tuple[str, ...],
    stages: tuple[str, ...],
    from_event: int | None,
) -> None:
    """Send events to a webhook, a Slack channel or an e-mail address."""
    created = session.client.subscriptions.create(
        kind,
        target,
        model=str(session.client.model_name(model)) if model else None,
        namespace=namespace,
        event_kinds=events or None,
        stages=stages or None,
        from_event=from_event,
    )
    _show(session, created)
    if not session.as_json:
        session.out.note(f"Send a test message with: modelyard subscription test {created.id}")


@command("ls", group=subscription, example="modelyard subscription ls --namespace fraud")
@click.option("--model", help="Only subscriptions of this model.")
@click.option("--namespace", help="Only subscriptions of this namespace. Default: all, for admins.")
def list_subscriptions(session: Session, model: str | None, namespace: str | None) -> None:
    """List subscriptions."""
    name = str(session.client.model_name(model)) if model else None
    session.out.page(
        session.client.subscriptions.list(model=name, namespace=namespace),
        ("id", "kind", "state", "about", "last delivery", "waiting", "target", "last error"),
        lambda s: (
            s.id,
            s.kind,
            s.state,
            s.model or s.namespace or "the whole server",
            s.last_sent_at or "never",
            s.pending + s.dead,
            s.target,
            s.last_error or "",
        ),
        empty="No subscriptions yet. Add one with: modelyard subscription add",
    )


@command("show", group=subscription, example="modelyard subscription show 3")
@click.argument("number", type=int)
def show(session: Session, number: int) -> None:
    """Show a subscription and the state of its deliveries."""
    _show(session, session.client.subscriptions.show(number))


@command(
    "edit",
    group=subscription,
    example="modelyard subscription edit 3 --enable\nmodelyard subscription edit 3 --kind 'version.*'",
)
@click.argument("number", type=int)
@click.option("--target", help="New address.")
@click.option(
    "--kind", "events", multiple=True, help="Only events of this kind; may be repeated. `all`: every kind."
)
@click.option(
    "--stage",
    "stages",
    multiple=True,
    help="Only events about this stage; may be repeated. `all`: every stage.",
)
@click.option(
    "--enable/--disable", "active", default=None, help="Enable or disable it; enabling also ends a pause."
)
def edit(
    session: Session,
    number: int,
    target: str | None,
    events: tuple[str, ...],
    stages: tuple[str, ...],
    active: bool | None,
) -> None:
    """Change, enable or disable a subscription."""
    edited = session.client.subscriptions.edit(
        number,
        target=target,
        event_kinds=None if not events else [] if events == ("all",) else events,
        stages=None if not stages else [] if stages == ("all",) else stages,
        active=active,
    )
    _show(session, edited)


@command("test", group=subscription, example="modelyard subscription test 3")
@click.argument("number", type=int)
def test(session: Session, number: int) -> int:
    """Send a test message at once and print the receiver's answer. Exit code 1 when it was not accepted."""
    result = session.client.subscriptions.test(number)
    if not session.answered(result):
        answer = f" ({result.status})" if result.status is not None else ""
        session.out.text(f"arrived{answer}" if result.accepted else f"did not arrive{answer}: {result.error}")
    return OK if result.accepted else FAILED


@command("remove", group=subscription, example="modelyard subscription remove 3 --yes")
@click.argument("number", type=int)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def remove(session: Session, number: int, yes: bool) -> None:
    """Remove a subscription; its unsent messages are dropped."""
    confirm(session, f"Remove subscription {number}?", yes)
    session.client.subscriptions.remove(number)
    session.say({"removed": number}, f"Removed subscription {number}")


@command("rotate", group=subscription, example="modelyard subscription rotate 3")
@click.argument("number", type=int)
def rotate(session: Session, number: int) -> None:
    """Create a new webhook secret; for one day, messages are signed with both."""
    _show(session, session.client.subscriptions.rotate(number))


@command("log", group=subscription, example="modelyard subscription log 3 --state dead")
@click.argument("number", type=int)
@click.option("--state", type=click.Choice(["pending", "done", "dead"]), help="Only deliveries in this state.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Show at most this many.")
def log(session: Session, number: int, state: str | None, limit: int) -> None:
    """List the deliveries and their results, newest first."""
    session.out.page(
        session.client.subscriptions.deliveries(number, state=state, limit=limit),
        ("event", "what", "state", "attempts", "answer", "next or done", "error"),
        lambda d: (
            d.event,
            d.event_kind,
            d.state,
            d.attempts,
            d.status or "",
            d.finished_at or d.due_at,
            d.error or "",
        ),
        empty="Nothing has been sent yet.",
    )


@command(
    "replay",
    group=subscription,
    example="modelyard subscription replay 3\nmodelyard subscription replay 3 --event 1042",
)
@click.argument("number", type=int)
@click.option("--event", type=click.IntRange(0), help="Send only this event, whatever its state.")
def replay(session: Session, number: int, event: int | None) -> None:
    """Send all dead letters, or one event, again; each message keeps its id."""
    count = session.client.subscriptions.replay(number, event)
    session.say({"count": count}, f"{count} to be sent again")


@command("events", example="modelyard events\nmodelyard events --model fraud/scorer --kind 'version.*' --json")
@click.option("--model", help="Only events of this model.")
@click.option("--namespace", help="Only events of this namespace.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    help="Only events of this kind, for example alias.moved or version.*; may be repeated.",
)
@click.option("--after", type=click.IntRange(0), help="Begin after this event. Default: the next event.")
@click.option("--limit", type=click.IntRange(1), help="Stop after this many events.")
def events(session: Session, model: str | None, limit: int | None, **options: Any) -> None:
    """Print events as they happen, until interrupted."""
    following = session.client.follow(model, **options)
    for count, event in enumerate(following, start=1):
        if not session.answered(event):
            where = (event.model or event.namespace or "") + (f":{event.version}" if event.version else "")
            session.out.text("\t".join(map(clean, (event.seq, event.at, event.kind, where, event.actor.name))))
        if count == limit:
            return
