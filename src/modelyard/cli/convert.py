"""Conversions from the command line."""

from __future__ import annotations

import click

from modelyard.cli.arguments import REF
from modelyard.cli.base import Session, command


@command("convert", example="modelyard convert fraud/scorer:12 --to safetensors")
@click.argument("ref", type=REF)
@click.option(
    "--to", type=click.Choice(["safetensors"]), default="safetensors", help="The format to convert to."
)
@click.option("--description", default="", help="Description of the new version.")
def convert(session: Session, ref: str, to: str, description: str) -> None:
    """Convert a version's torch files on this machine and push them as a child version.

    Needs torch and safetensors. The files are read as weights only, which runs none of their code, and every tensor
    is compared before anything is pushed.
    """
    version = session.client.convert(ref, to=to, description=description, progress=session.progress)
    session.say(version, f"{version.reference}\t{version.digest}")
