"""Versions as single files from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from modelyard.cli.arguments import MODEL, REF
from modelyard.cli.base import Session, command, command_group
from modelyard.cli.errors import FAILED, OK
from modelyard.domain.errors import BundleDamaged
from modelyard.sdk.views import files_text

_NEW = click.Path(dir_okay=False, path_type=Path)
_KEPT = click.Path(exists=True, dir_okay=False, path_type=Path)


@command_group("bundle")
def bundle() -> None:
    """Write a version with its record into one file, verify it without a server, and push it into a registry."""


@command("write", group=bundle, example="modelyard bundle write fraud/scorer@production scorer.tar")
@click.argument("ref", type=REF)
@click.argument("file", type=_NEW)
def write(session: Session, ref: str, file: Path) -> None:
    """Write a version into one file: its files, its manifest and its record."""
    found = session.client.bundles.write(ref, file, progress=session.progress)
    if session.answered(
        {
            "file": str(file),
            "reference": found.reference,
            "digest": found.digest,
            "record_digest": found.record_digest,
            "size_bytes": file.stat().st_size,
        }
    ):
        return
    session.out.text(f"{found.reference}\t{found.digest}\t{file}")
    session.out.note(f"Verify it anywhere with: modelyard bundle verify {file} --digest {found.digest}")


@command("verify", group=bundle, server=False, example="modelyard bundle verify scorer.tar")
@click.argument("file", type=_KEPT)
@click.option(
    "--digest", metavar="DIGEST", help="Version digest that it must have. Default: the one that it names."
)
def verify(session: Session, file: Path, digest: str | None) -> int:
    """Verify every byte of a bundle without a server or an account. Exit code 1 when something was changed."""
    from modelyard.sdk.bundles import verify_bundle

    try:
        found = verify_bundle(file, digest=digest)
    except BundleDamaged as error:
        if not session.answered({"ok": False, "problem": error.message}):
            session.out.text(f"changed\t{error.message}")
        return FAILED
    if session.answered(
        {
            "ok": True,
            "reference": found.reference,
            "digest": found.digest,
            "record_digest": found.record_digest,
            "files": len(found.manifest.files),
            "size_bytes": found.manifest.size_bytes,
        }
    ):
        return OK
    session.out.text(f"ok\t{found.reference}\t{found.digest}\t{files_text(len(found.manifest.files))}")
    if digest is None:
        session.out.note(
            "It is whole. To check which version it is, give the digest that you know: --digest sha256:…"
        )
    return OK


@command("push", group=bundle, example="modelyard bundle push scorer.tar fraud/scorer")
@click.argument("file", type=_KEPT)
@click.argument("model", type=MODEL)
def push(session: Session, file: Path, model: str) -> None:
    """Register the version in a bundle as the next version of a model, with the same digests."""
    version = session.client.bundles.push(file, model, progress=session.progress)
    if not session.answered(version):
        session.out.text(f"{version.reference}\t{version.digest}")
        session.out.note(
            f"{'Registered' if version.created else 'It was registered before'}. Next: modelyard show {version.reference}"
        )
