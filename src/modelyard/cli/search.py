"""Finding objects of every kind from the command line."""

from __future__ import annotations

import click

from modelyard.cli.base import Session, command


@command("find", example="modelyard find 9fceb02\nmodelyard find scorer:3")
@click.argument("text")
@click.option(
    "--limit",
    type=click.IntRange(1, 100),
    default=20,
    show_default=True,
    help="Show at most this many of each kind.",
)
def find(session: Session, text: str, limit: int) -> None:
    """Find models, versions, runs, datasets and accounts by name, digest or Git commit.

    TEXT is a part of a name, model:3, or the beginning of a digest or a Git commit, at least 7 hex digits.
    """
    session.out.page(
        session.client.find(text, limit=limit),
        ("kind", "name", "version", "detail"),
        lambda f: (f.kind, f.name, f.version or "", f.detail),
        empty="Nothing found.",
    )
