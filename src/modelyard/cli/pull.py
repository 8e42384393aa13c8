"""Pulling from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelyard.cli.arguments import REF
from modelyard.cli.base import Session, command

if TYPE_CHECKING:
    from modelyard.sdk.pull import Pulled


@command("pull", example="modelyard pull fraud/scorer@production --to ./model")
@click.argument("ref", type=REF)
@click.option("--to", type=click.Path(file_okay=False), help="Folder for the files. Default: ./<model name>.")
@click.option(
    "--link", is_flag=True, help="Make hard links into the cache instead of copies; do not edit them."
)
@click.option(
    "--force",
    is_flag=True,
    help="Also overwrite files that were not written by an earlier pull, and replace another pulled model.",
)
@click.option(
    "--record",
    is_flag=True,
    help="Also write the version's record (code, data, environment, params, metrics) next to the files, verified.",
)
def pull(session: Session, ref: str, to: str | None, link: bool, force: bool, record: bool) -> None:
    """Put a version's files into a folder, every byte verified.

    Bytes that were pulled before come from the cache, and a broken download resumes where it stopped. Files from an
    earlier pull are replaced, unless you changed them. Withheld files (with leaked data) are left out and listed.
    If the model has terms of use that you have not accepted, a terminal shows them and asks.
    """
    from modelyard.cli.terms import ask_and_accept, is_asked
    from modelyard.domain.errors import TermsNotAccepted
    from modelyard.sdk.pull import keep_record, left_out_text, pull_version

    def attempt() -> Pulled:
        return pull_version(session.client, ref, to, link=link, force=force, progress=session.progress)

    try:
        pulled = attempt()
    except TermsNotAccepted as refused:
        if not is_asked(session):
            raise
        ask_and_accept(session, refused.fields["model"])
        pulled = attempt()
    version = pulled.version
    kept = keep_record(session.client, pulled) if record else None
    if session.answered(
        {
            "reference": version.reference,
            "digest": version.digest,
            "folder": str(pulled.folder),
            "files": len(pulled.manifest.files),
            "size_bytes": pulled.manifest.size_bytes,
            "fetched": pulled.fetched,
            "record": None if kept is None else str(kept),
            "withheld": [file.path for file in pulled.left_out],
        }
    ):
        return
    session.out.text(f"{version.reference}\t{version.digest}\t{pulled.folder}")
    if kept is not None:
        session.out.note(f"Its record: {kept}")
    if version.warning:
        session.out.note(version.warning)
    if session.client.ref(ref).selector is None:
        session.out.note(
            f"{version.model} without a version means the newest one. The one in a stage: "
            f"modelyard pull {version.model}@production"
        )
    for file in pulled.left_out:
        session.out.note(left_out_text(file))
