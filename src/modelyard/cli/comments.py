"""Comments, watching and notifications from the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from modelyard.cli.base import LazyGroup, Session, command, confirm

if TYPE_CHECKING:
    from modelyard.wire.comments import Comment

_HERE = "modelyard.cli.comments"


@click.group(
    "comment",
    cls=LazyGroup,
    lazy={
        "add": (f"{_HERE}:add", "Say something about a model, version or promotion."),
        "ls": (f"{_HERE}:list_comments", "List what is said."),
        "edit": (f"{_HERE}:edit", "Change one's own comment."),
        "delete": (f"{_HERE}:delete", "Delete a comment's words."),
    },
)
def comment() -> None:
    """Talk about models, versions and promotions."""


def _text(words: str) -> str:
    return sys.stdin.read() if words == "-" else words


def _show(session: Session, found: Comment) -> None:
    if session.as_json:
        session.out.json(found)
    else:
        session.out.text(f"comment {found.id}\t{found.model}\trevision {found.revision}")


@command("add", example="modelyard comment add fraud/scorer:12 'Recall dropped on the new slice, @ada?'")
@click.argument("ref")
@click.argument("words")
@click.option("--promotion", type=int, help="About this promotion of the model.")
def add(session: Session, ref: str, words: str, promotion: int | None) -> None:
    """Say something about a model, a version or a promotion; WORDS are Markdown, - reads them.

    @name notifies an account, or the members of a group.
    """
    client = session.client
    parsed = client.ref(ref)
    version = client.resolve(ref).version if parsed.selector is not None else None
    _show(session, client.comments.write(str(parsed.model), _text(words), version=version, promotion=promotion))


@command("ls", example="modelyard comment ls fraud/scorer:12")
@click.argument("ref")
@click.option("--promotion", type=int, help="Only about this promotion.")
def list_comments(session: Session, ref: str, promotion: int | None) -> None:
    """List what is said about a model, a version or a promotion, oldest first."""
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
        empty="No one has said anything yet.",
    )


@command("edit", example="modelyard comment edit fraud/scorer 7 'Recall is fine on the new slice.'")
@click.argument("model")
@click.argument("number", type=int)
@click.argument("words")
def edit(session: Session, model: str, number: int, words: str) -> None:
    """Change one's own comment; what it said before stays readable."""
    _show(session, session.client.comments.edit(model, number, _text(words)))


@command("delete", example="modelyard comment delete fraud/scorer 7 --yes")
@click.argument("model")
@click.argument("number", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(session: Session, model: str, number: int, yes: bool) -> None:
    """Delete a comment's words; that there was one stays."""
    confirm(session, f"Delete comment {number}?", yes)
    session.client.comments.delete(model, number)
    if session.as_json:
        session.out.json({"deleted": number})
    else:
        session.out.text(f"Deleted comment {number}")


@command("watch", example="modelyard watch fraud/scorer\nmodelyard watch fraud/scorer --undo")
@click.argument("model", required=False)
@click.option("--undo", is_flag=True, help="Watch it no longer.")
def watch(session: Session, model: str | None, undo: bool) -> None:
    """Be notified of what others do to a model; without MODEL, list what one watches."""
    inbox = session.client.inbox
    if model is None:
        session.out.page(inbox.watched(), ("model",), lambda name: (name,), empty="You watch no model.")
        return
    if undo:
        inbox.unwatch(model)
    else:
        inbox.watch(model)
    name = str(session.client.model_name(model))
    if session.as_json:
        session.out.json({"model": name, "watched": not undo})
    else:
        session.out.text(f"{'No longer watching' if undo else 'Watching'} {name}")


@command("notifications", example="modelyard notifications\nmodelyard notifications --mark-read")
@click.option("--all", "everything", is_flag=True, help="Those that were read, too.")
@click.option("--mark-read", is_flag=True, help="Mark what is shown as read.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
def notifications(session: Session, everything: bool, mark_read: bool, limit: int) -> None:
    """Show where one was mentioned and what happened to models that one watches, newest first."""
    inbox = session.client.inbox
    found = [*inbox.notifications(unread=not everything, limit=limit)]
    session.out.page(
        found,
        ("id", "at", "why", "what", "model", "by"),
        lambda n: (n.id, n.created_at, n.reason, n.event.kind, n.event.model or "", n.event.actor),
        empty="Nothing new.",
    )
    if mark_read and found:
        inbox.mark_read(found[0].id)
