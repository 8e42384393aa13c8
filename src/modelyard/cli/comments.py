"""Comments, watching and notifications from the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from modelyard.cli.arguments import MODEL, REF
from modelyard.cli.base import Session, command, command_group, confirm
from modelyard.cli.history import place_of

if TYPE_CHECKING:
    from modelyard.wire.comments import Comment


@command_group("comment")
def comment() -> None:
    """Discuss models, versions and promotions."""


def _text(words: str) -> str:
    return sys.stdin.read() if words == "-" else words


def _show(session: Session, found: Comment) -> None:
    session.say(found, f"comment {found.id}\t{found.model}\trevision {found.revision}")


@command(
    "add",
    group=comment,
    example="modelyard comment add fraud/scorer:12 'Recall dropped on the new slice, @ada?'",
)
@click.argument("ref", type=REF)
@click.argument("words")
@click.option("--promotion", type=int, help="Comment on this promotion of the model.")
def add(session: Session, ref: str, words: str, promotion: int | None) -> None:
    """Comment on a model, a version or a promotion. WORDS are Markdown; - reads them from standard input.

    @name notifies an account, or the members of a group.
    """
    client = session.client
    parsed = client.ref(ref)
    version = client.resolve(ref).version if parsed.selector is not None else None
    _show(session, client.comments.write(str(parsed.model), _text(words), version=version, promotion=promotion))


@command("ls", group=comment, example="modelyard comment ls fraud/scorer:12")
@click.argument("ref", type=REF)
@click.option("--promotion", type=int, help="Only comments on this promotion.")
def list_comments(session: Session, ref: str, promotion: int | None) -> None:
    """List the comments on a model, a version or a promotion, oldest first."""
    client = session.client
    parsed = client.ref(ref)
    version = client.resolve(ref).version if parsed.selector is not None else None
    session.out.page(
        client.comments.list(str(parsed.model), version=version, promotion=promotion),
        ("id", "at", "by", "version", "words"),
        lambda c: (
            c.id,
            c.created_at,
            c.author,
            c.version or "",
            f"(deleted by {c.deleted_by})" if c.deleted_at else c.body,
        ),
        empty="No comments yet.",
    )


@command(
    "edit", group=comment, example="modelyard comment edit fraud/scorer 7 'Recall is fine on the new slice.'"
)
@click.argument("model", type=MODEL)
@click.argument("number", type=int)
@click.argument("words")
def edit(session: Session, model: str, number: int, words: str) -> None:
    """Change your own comment; its earlier text stays readable."""
    _show(session, session.client.comments.edit(model, number, _text(words)))


@command("delete", group=comment, example="modelyard comment delete fraud/scorer 7 --yes")
@click.argument("model", type=MODEL)
@click.argument("number", type=int)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete(session: Session, model: str, number: int, yes: bool) -> None:
    """Delete the text of a comment; the record of the comment stays."""
    confirm(session, f"Delete comment {number}?", yes)
    session.client.comments.delete(model, number)
    session.say({"deleted": number}, f"Deleted comment {number}")


@command("watch", example="modelyard watch fraud/scorer\nmodelyard watch fraud/scorer --undo")
@click.argument("model", required=False, type=MODEL)
@click.option("--undo", is_flag=True, help="Stop watching it.")
def watch(session: Session, model: str | None, undo: bool) -> None:
    """Be notified of other people's changes to a model. Without MODEL, list the models that you watch."""
    inbox = session.client.inbox
    if model is None:
        session.out.page(inbox.watched(), ("model",), lambda name: (name,), empty="You watch no model.")
        return
    if undo:
        inbox.unwatch(model)
    else:
        inbox.watch(model)
    name = str(session.client.model_name(model))
    session.say({"model": name, "watched": not undo}, f"{'No longer watching' if undo else 'Watching'} {name}")


@command("needs", example="modelyard needs")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=50, show_default=True, help="Show at most this many."
)
def needs(session: Session, limit: int) -> None:
    """Show what waits for you: votes, unmet gates, quarantined versions, deployments that need retraining or are missing,
    paused schedules, models with gaps."""
    session.out.page(
        session.client.inbox.needs(limit=limit),
        ("kind", "what", "why", "promotion"),
        lambda need: (need.kind, need.words, need.why, need.promotion or ""),
        empty="Nothing waits for you.",
    )


@command("notifications", example="modelyard notifications\nmodelyard notifications --mark-read")
@click.option("--all", "everything", is_flag=True, help="Include notifications that were read.")
@click.option("--mark-read", is_flag=True, help="Mark the notifications shown as read.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Show at most this many.")
def notifications(session: Session, everything: bool, mark_read: bool, limit: int) -> None:
    """Show mentions of you and changes to models that you watch, newest first."""
    inbox = session.client.inbox
    notes = [*inbox.notifications(unread=not everything, limit=limit)]
    session.out.page(
        notes,
        ("id", "at", "why", "what", "where", "by"),
        lambda n: (n.id, n.created_at, n.reason, n.event.kind, place_of(n.event), n.event.actor),
        empty="Nothing new.",
    )
    if mark_read and notes:
        inbox.mark_read(notes[0].id)
