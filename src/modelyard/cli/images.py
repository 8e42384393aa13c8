"""Container images of versions from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from modelyard.cli.arguments import REF
from modelyard.cli.base import Session, command, command_group


@command_group("image")
def image() -> None:
    """Make container images of versions."""


@command(
    "build",
    group=image,
    example="modelyard image build fraud/scorer:12\n"
    "modelyard image build fraud/scorer:12 --source fraud --tag registry.example.com/scorer:12 --push",
)
@click.argument("ref", type=REF)
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files of the image into this new folder. Default: NAME-NUMBER-image in the current folder.",
)
@click.option(
    "--source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that was built, for a version of a build; its content must have the recorded digest. Default: the code "
    "that the run kept, if any.",
)
@click.option("--base", help="Base image. Default: the official one of the recorded Python.")
@click.option(
    "--builder",
    type=click.Choice(["buildah", "podman", "docker", "none"]),
    help="Program that makes the image; none: write the folder only. Default: the first that is installed.",
)
@click.option("--tag", help="Name of the image. Default: NAMESPACE/NAME:NUMBER.")
@click.option("--push", is_flag=True, help="Also push the image to the registry in its name.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="WORD",
    help="Further word for the builder's command; may be repeated.",
)
def build_image(
    session: Session,
    ref: str,
    to: Path | None,
    source: Path | None,
    base: str | None,
    builder: str | None,
    tag: str | None,
    push: bool,
    options: tuple[str, ...],
) -> None:
    """Make the container image of a version: its packages, its files by digest, and its code where it was kept.

    The folder with the Containerfile is written in any case. Where buildah, podman or docker is installed, the image is
    made of it, and its digest is recorded with the version. Make it elsewhere and record it with: modelyard image record
    """
    from modelyard.sdk.images import BUILDERS, installed_builder

    images = session.client.images
    context = images.write(ref, to, source=source, base=base)
    session.out.note(f"Wrote {context.folder} with {context.describe()}")
    program = None if builder == "none" else builder or installed_builder()
    if program is None:
        found = "" if builder == "none" else f"None of {', '.join(BUILDERS)} is installed here. "
        session.say(context, f"{found}Make the image elsewhere: podman build {context.folder}")
        return
    version = images.build(context, builder=program, tag=tag, push=push, options=options, log=session.out.note)
    assert version.image is not None
    session.say(version, version.image.digest)


@command(
    "record",
    group=image,
    example="modelyard image record fraud/scorer:12 sha256:7b0e… --at registry.example.com/scorer:12",
)
@click.argument("ref", type=REF)
@click.argument("digest")
@click.option("--at", "reference", default="", help="Where the image can be pulled. Default: nowhere yet.")
def record_image(session: Session, ref: str, digest: str, reference: str) -> None:
    """Record the digest of an image that was made of a version elsewhere."""
    version = session.client.images.record(ref, digest, reference)
    session.say(version, f"{version.reference} has the image {digest}")
