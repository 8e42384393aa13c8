"""Pulling from the command line."""

from __future__ import annotations

import click

from modelyard.cli.base import Session, command


@command("pull", example="modelyard pull fraud/scorer@production --to ./model")
@click.argument("ref")
@click.option("--to", type=click.Path(file_okay=False), help="Folder for the files; else ./<model name>.")
@click.option("--link", is_flag=True, help="Hard links to the cache instead of copies; do not edit them.")
@click.option("--force", is_flag=True, help="Overwrite files that no earlier pull put there.")
def pull(session: Session, ref: str, to: str | None, link: bool, force: bool) -> None:
    """Put a version's files into a folder, every byte verified.

    Bytes that were pulled before come from the cache; a broken download goes on where it stopped. Files
    that an earlier pull put there are replaced, and those you changed are not. Files that are withheld, because they
    hold what leaked, are left out and named.
    """
    from modelyard.sdk.pull import left_out_text, pull_version

    pulled = pull_version(session.client, ref, to, link=link, force=force, progress=session.progress)
    version = pulled.version
    if session.as_json:
        session.out.json(
            {
                "reference": version.reference,
                "digest": version.digest,
                "folder": str(pulled.folder),
                "files": len(pulled.manifest.files),
                "size_bytes": pulled.manifest.size_bytes,
                "fetched": pulled.fetched,
                "withheld": [file.path for file in pulled.left_out],
            }
        )
        return
    session.out.text(f"{version.reference}\t{version.digest}\t{pulled.folder}")
    if version.warning:
        session.out.note(version.warning)
    for file in pulled.left_out:
        session.out.note(left_out_text(file))
