"""Subscriptions and the stream of events from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelyard.cli.base import LazyGroup, Session, command, confirm
from modelyard.cli.output import clean

if TYPE_CHECKING:
    from modelyard.wire.outbox import Subscription

_HERE = "modelyard.cli.outbox"


@click.group(
    "subscription",
    cls=LazyGroup,
    lazy={
        "add": (f"{_HERE}:add", "Tell a webhook, Slack or an e-mail address of events."),
        "ls": (f"{_HERE}:list_subscriptions", "List subscriptions."),
        "show": (f"{_HERE}:show", "Show a subscription and how it fares."),
        "edit": (f"{_HERE}:edit", "Change, disable or enable a subscription."),
        "remove": (f"{_HERE}:remove", "End a subscription."),
        "rotate": (f"{_HERE}:rotate", "Make a new webhook secret."),
        "log": (f"{_HERE}:log", "List what was sent and what became of it."),
        "replay": (f"{_HERE}:replay", "Send an event or all dead letters again."),
    },
)
def subscription() -> None:
    """Tell others of events: signed webhooks, Slack messages, e-mails."""


def _show(session: Session, found: Subscription) -> None:
    if session.as_json:
        session.out.json(found)
        return
    session.out.pairs(
        [
            ("subscription", found.id),
            ("kind", found.kind),
            ("target", found.target),
            ("namespace", found.namespace or "the whole server"),
            ("events", ", ".join(found.event_kinds) if found.event_kinds else "all"),
            ("stages", ", ".join(found.stages) if found.stages else "all"),
            ("state", found.state + (f" ({found.state_reason})" if found.state_reason else "")),
            ("next event", found.next_event),
        ]
    )
    if found.secret is not None:
        session.out.pairs([("secret", found.secret)])
        session.out.note("The secret is shown this once; the receiver verifies signatures with it.")


@command(
    "add",
    example="modelyard subscription add webhook https://ci.example.org/hook --model fraud/scorer\n"
    "modelyard subscription add slack https://hooks.slack.com/services/… --namespace fraud --stage production",
)
@click.argument("kind", type=click.Choice(["webhook", "slack", "email"]))
@click.argument("target")
@click.option("--model", help="Events of this model.")
@click.option("--namespace", help="Events of this namespace; without either, of the whole server.")
@click.option("--event", "events", multiple=True, help="Only these, as alias.moved or version.*.")
@click.option("--stage", "stages", multiple=True, help="Only what concerns this stage or alias.")
@click.option("--from-event", type=click.IntRange(0), help="Begin with this event, also in the past.")
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
    """Tell a webhook, a Slack channel or an e-mail address of events."""
    found = session.client.subscriptions.create(
        kind,
        target,
        model=str(session.client.model_name(model)) if model else None,
        namespace=namespace,
        event_kinds=events or None,
        stages=stages or None,
        from_event=from_event,
    )
    _show(session, found)


@command("ls", example="modelyard subscription ls --namespace fraud")
@click.option("--model", help="Those of this model.")
@click.option("--namespace", help="Those of this namespace; without either, all, for admins.")
def list_subscriptions(session: Session, model: str | None, namespace: str | None) -> None:
    """List subscriptions."""
    name = str(session.client.model_name(model)) if model else None
    session.out.page(
        session.client.subscriptions.list(model=name, namespace=namespace),
        ("id", "kind", "state", "namespace", "target"),
        lambda s: (s.id, s.kind, s.state, s.namespace or "", s.target),
        empty="No subscriptions yet. Make one with: modelyard subscription add",
    )


@command("show", example="modelyard subscription show 3")
@click.argument("number", type=int)
def show(session: Session, number: int) -> None:
    """Show a subscription and how it fares."""
    _show(session, session.client.subscriptions.show(number))


@command(
    "edit", example="modelyard subscription edit 3 --enable\nmodelyard subscription edit 3 --event 'version.*'"
)
@click.argument("number", type=int)
@click.option("--target", help="Where it goes from now on.")
@click.option("--event", "events", multiple=True, help="Only these events; `all` for every one.")
@click.option("--stage", "stages", multiple=True, help="Only these stages; `all` for every one.")
@click.option("--enable/--disable", "active", default=None, help="Enabling also ends a pause.")
def edit(
    session: Session,
    number: int,
    target: str | None,
    events: tuple[str, ...],
    stages: tuple[str, ...],
    active: bool | None,
) -> None:
    """Change, disable or enable a subscription."""
    found = session.client.subscriptions.edit(
        number,
        target=target,
        event_kinds=None if not events else [] if events == ("all",) else events,
        stages=None if not stages else [] if stages == ("all",) else stages,
        active=active,
    )
    _show(session, found)


@command("remove", example="modelyard subscription remove 3 --yes")
@click.argument("number", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(session: Session, number: int, yes: bool) -> None:
    """End a subscription; what it has not sent yet is dropped."""
    confirm(session, f"End subscription {number}?", yes)
    session.client.subscriptions.remove(number)
    if session.as_json:
        session.out.json({"removed": number})
    else:
        session.out.text(f"Removed subscription {number}")


@command("rotate", example="modelyard subscription rotate 3")
@click.argument("number", type=int)
def rotate(session: Session, number: int) -> None:
    """Make a new webhook secret; for a day messages are signed with both."""
    _show(session, session.client.subscriptions.rotate(number))


@command("log", example="modelyard subscription log 3 --state dead")
@click.argument("number", type=int)
@click.option("--state", type=click.Choice(["pending", "done", "dead"]), help="Only these.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
def log(session: Session, number: int, state: str | None, limit: int) -> None:
    """List what was sent and what became of it, newest first."""
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
        empty="Nothing was sent yet.",
    )


@command("replay", example="modelyard subscription replay 3\nmodelyard subscription replay 3 --event 1042")
@click.argument("number", type=int)
@click.option("--event", type=click.IntRange(0), help="Only this one, whatever became of it.")
def replay(session: Session, number: int, event: int | None) -> None:
    """Send all dead letters, or one event, again; a message keeps its id."""
    count = session.client.subscriptions.replay(number, event)
    if session.as_json:
        session.out.json({"count": count})
    else:
        session.out.text(f"{count} to be sent again")


@command("events", example="modelyard events\nmodelyard events --model fraud/scorer --kind 'version.*' --json")
@click.option("--model", help="Only events of this model.")
@click.option("--namespace", help="Only events of this namespace.")
@click.option("--kind", "kinds", multiple=True, help="Only these, as alias.moved or version.*.")
@click.option(
    "--after", type=click.IntRange(0), help="Begin behind this event; else with what happens from now on."
)
@click.option("--limit", type=click.IntRange(1), help="End after so many.")
def events(
    session: Session,
    model: str | None,
    namespace: str | None,
    kinds: tuple[str, ...],
    after: int | None,
    limit: int | None,
) -> None:
    """Print events as they happen, until interrupted."""
    following = session.client.follow(model, namespace=namespace, kinds=kinds, after=after)
    for count, event in enumerate(following, start=1):
        if session.as_json:
            session.out.json(event)
        else:
            where = (event.model or event.namespace or "") + (f":{event.version}" if event.version else "")
            session.out.text("\t".join(map(clean, (event.seq, event.at, event.kind, where, event.actor.name))))
        if count == limit:
            return
