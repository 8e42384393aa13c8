"""History from the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.arguments import REF
from modelyard.cli.base import Session, command
from modelyard.cli.times import moment

if TYPE_CHECKING:
    from modelyard.wire.versions import AliasMove, Event


@command(
    "history",
    example="modelyard history fraud/scorer\nmodelyard history fraud/scorer --stage production --at 2026-03-03T14:00Z",
)
@click.argument("ref", type=REF)
@click.option("--alias", help="Only the moves of this alias.")
@click.option("--stage", help="Only versions in this stage, and who approved them.")
@click.option("--at", metavar="TIME", help="With --alias or --stage: the state at this time.")
@click.option("--actor", help="Only events caused by this account.")
@click.option(
    "--kind", "kinds", multiple=True, help="Only events of this kind, for example version.registered."
)
@click.option("--since", metavar="TIME", help="From this time on: 2026-03-03, 2026-03-03T14:00:00Z, or 90d.")
@click.option("--until", metavar="TIME", help="Before this time.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Show at most this many.")
def history(
    session: Session,
    ref: str,
    alias: str | None,
    stage: str | None,
    at: str | None,
    actor: str | None,
    kinds: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int,
) -> None:
    """Show the events of a model or a version, or the moves of an alias or a stage, newest first."""
    client = session.client
    parsed = client.ref(ref)
    if stage is not None:
        from modelyard.cli.promotion import show_stage_history

        show_stage_history(session, str(parsed.model), stage, at, limit)
        return
    if alias is not None:
        moves = client.aliases.history(
            str(parsed.model), alias.removeprefix("@"), at_time=at, limit=1 if at else limit
        )
        _show_moves(session, moves)
        return
    if at is not None:
        raise click.UsageError("--at needs --alias or --stage; for events use --until.")
    from modelyard.wire.versions import EventQuery

    query = EventQuery(
        actor=actor,
        kind=[*kinds],
        since=moment(since),
        until=moment(until),
        version=None if parsed.selector is None else client.resolve(ref).version,
    )
    found = client.models.history(str(parsed.model), query, limit)
    session.out.page(
        found,
        ("at", "what", "version", "by", "details"),
        lambda e: (
            e.at,
            e.kind,
            e.version or "",
            e.actor,
            details(e.data),
        ),
        empty="No events match.",
    )


_LONG = ("text", "verdict", "gate")


def details(data: dict[str, Any]) -> str:
    """Return details in one line, without digests and long values, which --json shows."""
    return ", ".join(
        f"{name}={value}"
        for name, value in data.items()
        if value not in (None, "", [], {}) and not name.endswith(("digest", "digests")) and name not in _LONG
    )


def place_of(event: Event) -> str:
    """`fraud/scorer:3 → production, promotion 7`: what an event is about, as far as it names it."""
    subject = (event.model or event.namespace or "") + (f":{event.version}" if event.version else "")
    stage, promotion = event.data.get("stage"), event.data.get("promotion")
    subject += f" → {stage}" if stage else ""
    return subject + (f", promotion {promotion}" if promotion else "")


def _show_moves(session: Session, moves: Iterable[AliasMove]) -> None:
    session.out.page(
        moves,
        ("at", "from", "to", "revision", "by", "reason"),
        lambda m: (m.at, m.from_version or "-", m.to_version or "removed", m.revision, m.actor, m.reason or ""),
        empty="The alias was not set before that time.",
    )
