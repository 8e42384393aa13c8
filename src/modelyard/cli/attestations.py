"""Attestations, and the keys they are made with, from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from modelyard.cli.base import LazyGroup, Session, command, say

_HERE = "modelyard.cli.attestations"


_PATH = click.Path(dir_okay=False, path_type=Path)


@command("attest", example="modelyard attest fraud/scorer:12 --key release.pem")
@click.argument("ref")
@click.option("--key", "key_file", type=_PATH, required=True, help="File of your private key; it stays here.")
def attest(session: Session, ref: str, key_file: Path) -> None:
    """Sign the version's digests with your key. A policy says which keys count."""
    found = session.client.attestations.sign(ref, key_file)
    say(session, found, found.signature)


@click.group("key", cls=LazyGroup, lazy={"create": (f"{_HERE}:create_signing_key", "Create a signing key.")})
def key() -> None:
    """Create signing keys."""


@command("create", example="modelyard key create release.pem", server=False)
@click.argument("file", type=_PATH)
def create_signing_key(session: Session, file: Path) -> None:
    """Write a private key to FILE and print its public half, as a policy's attestation rule takes it."""
    from modelyard.sdk.attestations import create_key

    if file.exists():
        raise click.UsageError(f"{file} exists and is not overwritten.")
    public = create_key(file)
    say(session, {"file": str(file), "public": public}, public)
