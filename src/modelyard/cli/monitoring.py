"""Monitoring from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.arguments import DEPLOYMENT, MODEL
from modelyard.cli.base import Session, command, command_group

if TYPE_CHECKING:
    from modelyard.wire import monitoring as wire

_COLUMNS = ("column", "side", "psi", "limit", "verdict", "over in", "before", "missing", "compared with")


@command_group("monitor")
def monitor() -> None:
    """Show what deployments observe, how far it moved, and whether they need retraining."""


@command("ls", group=monitor, example="modelyard monitor ls --namespace fraud")
@click.option("--namespace", help="Only in this namespace.")
@click.option("--model", type=MODEL, help="Only deployments of this model.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Show at most this many.")
def list_monitors(session: Session, **conditions: Any) -> None:
    """List deployments by what they observe; and the production versions that no deployment serves."""
    session.out.page(
        session.client.monitoring.list(**conditions),
        ("deployment", "version", "state", "needs retraining", "over", "worst column", "psi", "last window"),
        lambda m: (
            m.name,
            m.version,
            m.state,
            "; ".join(m.reasons) if m.needs_retraining else "no",
            m.over,
            m.worst or "",
            _psi(m.psi),
            (m.last_window or "")[:19],
        ),
        empty="No deployments match. Make one with: modelyard deploy MODEL@production",
    )
    for reference in session.client.monitoring.unwatched():
        session.out.note(
            f"{reference} is in production, and nothing observes it. Serve it with: modelyard deploy {reference}"
        )


def _psi(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


@command(
    "show",
    group=monitor,
    example="modelyard monitor show fraud/scorer\nmodelyard monitor show fraud/scorer --window 1790000000",
)
@click.argument("name", type=DEPLOYMENT)
@click.option(
    "--window",
    type=click.IntRange(0),
    metavar="SECONDS",
    help="Show the columns of the window that begins then, in seconds since 1970. Default: the last judged one.",
)
def show(session: Session, name: str, window: int | None) -> None:
    """Show why a deployment needs retraining, its last windows, and the columns that moved most."""
    if window is not None:
        _show_window(session, name, window)
        return
    found = session.client.monitoring.get(name)
    if session.answered(found):
        return
    session.out.pairs(_rows(found))
    if found.reasons:
        session.out.table(
            ("reason", "value", "limit", "windows", "what helps"),
            [(r.words, r.value, r.limit, r.windows, r.command) for r in found.reasons],
        )
    session.out.table(
        ("window", "version", "state", "requests", "errors", "rows", "not described", "over", "p95"),
        [
            (
                each.start[:19],
                f"v{each.version}",
                each.state,
                each.requests,
                each.errors,
                each.rows,
                each.not_described,
                each.over,
                "" if each.p95_ms is None else f"≤ {each.p95_ms:g} ms",
            )
            for each in found.windows
        ],
    )
    session.out.table(_COLUMNS, [_column(each, found) for each in found.columns])
    for gap in found.gaps:
        session.out.note(gap)


def _rows(found: wire.Monitor) -> list[tuple[str, Any]]:
    rows = [
        ("deployment", found.name),
        ("serves", found.version),
        ("state", found.state),
        ("needs retraining", f"since {found.needs_retraining}" if found.needs_retraining else "no"),
        ("rests until", found.rests_until),
        ("windows", f"{found.window_seconds} s, at least {found.least_rows} rows"),
        ("drift", f"over {found.limit:g} in {found.over} of the last {found.of} windows"),
        ("own limits", ", ".join(f"{name} {limit:g}" for name, limit in found.limits.items())),
        ("longest age", None if found.max_age_seconds is None else f"{found.max_age_seconds} s"),
    ]
    return [(name, value) for name, value in rows if value not in (None, "")]


def _column(each: wire.ColumnDrift, found: wire.Monitor | None) -> tuple[Any, ...]:
    count = "" if found is None else f"{found.over_in.get(each.name, 0)} of {found.of}"
    return (
        each.name,
        each.side,
        _psi(each.psi),
        f"{each.limit:g}",
        each.verdict,
        count,
        _psi(each.previous),
        f"{each.missing:.1%}",
        each.reference,
    )


def _show_window(session: Session, name: str, window: int) -> None:
    windows = [*session.client.monitoring.windows(name, window=window)]
    if session.answered(windows):
        return
    if not windows:
        session.out.note(f"No window begins at {window}. List them with: modelyard monitor show {name}")
    for each in windows:
        session.out.note(f"{each.start} to {each.end}, v{each.version}: {each.state}, {each.rows} rows")
        session.out.table(_COLUMNS, [_column(column, None) for column in each.columns])


@command(
    "edit",
    group=monitor,
    example="modelyard monitor edit fraud/scorer --window 1h --limit 0.2\n"
    "modelyard monitor edit fraud/scorer --column amount=0.1 --max-age 90d",
)
@click.argument("name", type=DEPLOYMENT)
@click.option(
    "--window", metavar="TIME", help="Length of the windows, 5s to 7d. Default: as it is, 1h at first."
)
@click.option(
    "--least-rows",
    type=click.IntRange(1),
    metavar="N",
    help="A window with fewer rows is judged together with the next one. Default: as it is, 500 at first.",
)
@click.option(
    "--over", type=click.IntRange(1), metavar="M", help="Windows above the limit that are drift, at first 3."
)
@click.option("--of", type=click.IntRange(1), metavar="N", help="The last windows that decide, at first 5.")
@click.option(
    "--limit", type=float, metavar="PSI", help="PSI from which a column is above its limit, at first 0.25."
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=PSI",
    help="Limit of one column; NAME= removes it. Can be repeated.",
)
@click.option(
    "--max-age", metavar="TIME", help='Age from which a version needs retraining, for example 90d; "": none.'
)
@click.option(
    "--newer-data/--no-newer-data",
    default=None,
    help="Newer content of the training data is a reason, as at first.",
)
@click.option(
    "--cool-down",
    metavar="TIME",
    help="How long it rests after it no longer needs retraining, before it can need it again. Default: as it is, 24h at first.",
)
def edit(session: Session, name: str, columns: tuple[str, ...], **options: Any) -> None:
    """Change the windows, the limits and the rules by which a deployment is watched."""
    limits: dict[str, float | None] = {}
    for text in columns:
        column, _, value = text.rpartition("=")
        try:
            limits[column] = float(value) if value else None
        except ValueError:
            raise click.BadParameter(f"{text!r} is not NAME=PSI, for example amount=0.1") from None
        if not column:
            raise click.BadParameter(f"{text!r} is not NAME=PSI, for example amount=0.1")
    found = session.client.monitoring.edit(name, limits=limits or None, **options)
    if not session.answered(found):
        session.out.pairs(_rows(found))
