"""Signatures from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from modelyard.cli.arguments import REF
from modelyard.cli.base import Session, command, command_group
from modelyard.cli.errors import FAILED


@command_group("signature")
def signature() -> None:
    """Show signatures, and check data against them."""


@command("show", group=signature, example="modelyard signature show fraud/scorer:12")
@click.argument("ref", type=REF)
def show_signature(session: Session, ref: str) -> None:
    """Show the inputs and outputs of a model: names, types, shapes."""
    shown = session.client.signatures.get(ref)
    if session.answered(shown):
        return
    rows = [
        (
            side,
            entry["name"],
            entry["dtype"],
            " x ".join("any" if s is None else str(s) for s in entry["shape"]),
        )
        for side, entries in (("input", shown.inputs), ("output", shown.outputs))
        for entry in entries
    ]
    session.out.table(("side", "name", "type", "shape"), rows)


@command("check", group=signature, example="modelyard signature check fraud/scorer:12 transactions.csv")
@click.argument("ref", type=REF)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check_signature(session: Session, ref: str, file: Path) -> int:
    """Check a CSV or JSON file against a version's signature. Exit code 1 when it does not fit.

    The file is read on this machine; no rows are sent.
    """
    problems = session.client.check_signature(ref, file)
    session.out.page(
        problems,
        ("column", "expected", "found"),
        lambda p: (p.column, p.expected, p.found),
        empty="The data fits.",
    )
    return FAILED if problems else 0
