"""The bill of materials from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import click

from modelyard.cli.base import Session, command


@command("bom", example="modelyard bom fraud/scorer:12 > scorer.cdx.json")
@click.argument("ref")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of the output.")
def bom(session: Session, ref: str, output: Path | None) -> None:
    """Print the bill of materials of a version, as CycloneDX 1.6 JSON. Each line says verified or declared."""
    text = json.dumps(session.client.versions.bom(ref), indent=2, ensure_ascii=False)
    if output is None:
        session.out.text(text)
        return
    output.write_text(text + "\n", encoding="utf-8")
    session.out.note(f"Wrote {output}")
