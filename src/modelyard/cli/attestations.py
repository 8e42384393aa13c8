"""Attestations, and the keys they are made with, from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from modelyard.cli.arguments import REF
from modelyard.cli.base import Session, command, command_group

_PATH = click.Path(dir_okay=False, path_type=Path)


@command("attest", example="modelyard attest fraud/scorer:12 --key release.pem")
@click.argument("ref", type=REF)
@click.option("--key", "key_file", type=_PATH, required=True, help="File of your private key; it is not sent.")
def attest(session: Session, ref: str, key_file: Path) -> None:
    """Sign the version's digests with your key. A policy says which keys count."""
    attestation = session.client.attestations.sign(ref, key_file)
    session.say(attestation, attestation.signature)


@command_group("key")
def key() -> None:
    """Create signing keys."""


@command("create", group=key, example="modelyard key create release.pem", server=False)
@click.argument("file", type=_PATH)
def create_signing_key(session: Session, file: Path) -> None:
    """Write a private key to FILE and print its public key in the form that a policy's attestation rule takes."""
    from modelyard.sdk.attestations import create_key

    if file.exists():
        raise click.UsageError(f"{file} already exists; it is not overwritten. Choose another name.")
    public = create_key(file)
    session.say({"file": str(file), "public": public}, public)
