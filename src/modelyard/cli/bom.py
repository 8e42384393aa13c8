"""The bill of materials from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import click

from modelyard.cli.arguments import REF
from modelyard.cli.base import Session, command


@command("bom", example="modelyard bom fraud/scorer:12 > scorer.cdx.json")
@click.argument("ref", type=REF)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file. Default: standard output.",
)
def bom(session: Session, ref: str, out: Path | None) -> None:
    """Print the bill of materials of a version as CycloneDX 1.6 JSON, each line verified or declared."""
    text = json.dumps(session.client.versions.bom(ref), indent=2, ensure_ascii=False)
    if out is None:
        session.out.text(text)
        return
    out.write_text(text + "\n", encoding="utf-8")
    session.out.note(f"Wrote {out}")
