"""Signatures from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from modelyard.cli.base import LazyGroup, Session, command
from modelyard.cli.errors import FAILED

_HERE = "modelyard.cli.signature"


@click.group(
    "signature",
    cls=LazyGroup,
    lazy={
        "show": (f"{_HERE}:show_signature", "Show what goes into a model and comes out of it."),
        "check": (f"{_HERE}:check_signature", "Check a data file against a version's signature."),
    },
)
def signature() -> None:
    """Show signatures, and check data against them."""


@command("show", example="modelyard signature show fraud/scorer:12")
@click.argument("ref")
def show_signature(session: Session, ref: str) -> None:
    """Show what goes into a model and comes out of it: names, types, shapes."""
    found = session.client.signatures.get(ref)
    if session.as_json:
        session.out.json(found)
        return
    rows = [
        (
            side,
            entry["name"],
            entry["dtype"],
            " x ".join("any" if s is None else str(s) for s in entry["shape"]),
        )
        for side, entries in (("input", found.inputs), ("output", found.outputs))
        for entry in entries
    ]
    session.out.table(("side", "name", "type", "shape"), rows)


@command("check", example="modelyard signature check fraud/scorer:12 transactions.csv")
@click.argument("ref")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check_signature(session: Session, ref: str, file: Path) -> int:
    """Check a CSV or JSON file against a version's signature. Exit code 1 when it does not fit.

    The file is read here; no row of it is sent.
    """
    problems = session.client.check_signature(ref, file)
    session.out.page(
        problems, ("column", "expected", "found"), lambda p: (p.column, p.expected, p.found), empty="It fits."
    )
    return FAILED if problems else 0
