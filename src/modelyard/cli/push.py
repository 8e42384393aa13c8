"""Pushing from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelyard.cli.arguments import MODEL
from modelyard.cli.base import Session, command
from modelyard.cli.output import key_values, metric_values, param_values

if TYPE_CHECKING:
    from modelyard.sdk.datasets import Described


@command(
    "push",
    example="modelyard push ./model fraud/scorer --alias candidate --metric f1=0.93 --param depth=6",
)
@click.argument("path", type=click.Path(exists=True))
@click.argument("model", type=MODEL)
@click.option(
    "--alias",
    "aliases",
    multiple=True,
    metavar="NAME",
    help="Point this alias at the version; may be repeated.",
)
@click.option("--tag", "tags", multiple=True, metavar="K=V", help="Tag of the version; may be repeated.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="[SPLIT:]K=V",
    help='Metric, for example test:f1=0.93; may be repeated. Quote a name with a colon: "a:b"=0.4.',
)
@click.option(
    "--param", "params", multiple=True, metavar="K=V", help="Parameter of the training; may be repeated."
)
@click.option(
    "--data",
    "data",
    multiple=True,
    metavar="[NAME=]PATH",
    help="CSV, JSON lines or Parquet data it was trained on; no rows are sent. May be repeated.",
)
@click.option("--separator", help="Character between the columns of --data. Default: detected from the file.")
@click.option("--encoding", help="Encoding of --data, for example latin-1. Default: detected from the file.")
@click.option("--description", default="", help="Description of the version.")
@click.option("--semver", metavar="X.Y.Z", help="Semantic version; no other version of the model may have it.")
@click.option("--pull-request", metavar="URL", help="Address of the pull request that the version comes from.")
@click.option("--force-new", is_flag=True, help="Register another version although an equal one exists.")
@click.option(
    "--allow-secrets", is_flag=True, help="Also push files that usually hold credentials, such as .env."
)
@click.option("--quiet", is_flag=True, help="Print only the reference, for scripts.")
@click.option("--no-capture", is_flag=True, help="Do not record code, environment and image.")
def push(
    session: Session,
    path: str,
    model: str,
    aliases: tuple[str, ...],
    tags: tuple[str, ...],
    metrics: tuple[str, ...],
    params: tuple[str, ...],
    data: tuple[str, ...],
    separator: str | None,
    encoding: str | None,
    description: str,
    semver: str | None,
    pull_request: str | None,
    force_new: bool,
    allow_secrets: bool,
    quiet: bool,
    no_capture: bool,
) -> None:
    """Register a folder or a file as a model's next version.

    Only bytes that the server lacks are sent, and an interrupted push resumes where it stopped. Files that
    .modelyardignore lists are left out.
    """
    from modelyard.sdk.capture import capture
    from modelyard.sdk.pages import version_page
    from modelyard.sdk.push import words_for_pushed

    described = [_described(text, separator, encoding) for text in data]
    version = session.client.push(
        click.format_filename(path),
        model,
        alias=aliases,
        tags=key_values(tags, "--tag"),
        metrics=metric_values(metrics, "--metric"),
        params=param_values(params),
        data=described or None,
        description=description,
        semver=semver,
        pull_request=pull_request,
        force_new=force_new,
        allow_secrets=allow_secrets,
        # The command is not the code that made the model.
        facts={} if no_capture else capture(by_command=True),
        capture=False,
        progress=None if quiet else session.progress,
    )
    if quiet and not session.as_json:
        session.out.text(version.reference)
        return
    for one in described:
        note_form(session, one)
    if session.answered(version):
        return
    session.out.text(f"{version.reference}\t{version.digest}")
    if version.created is False:
        session.out.note("The same files with the same facts were registered before; this is that version.")
    for problem in version.format.get("problems", ()):
        session.out.note(f"Problem: {problem}")
    if version.warning and not version.flags:
        session.out.note(f"Note: {version.warning}")
    _show_state(session, version.reference)
    if version.missing:
        session.out.note(
            f"Missing: {', '.join(version.missing)}. See: modelyard show {version.reference} --facts"
        )
    session.out.note(words_for_pushed(version, session.client.url))
    session.link(version_page(session.client.url, version.model, version.version))


def _show_state(session: Session, reference: str) -> None:
    """Print what blocks the use of the version, and its metrics against the champion."""
    from modelyard.sdk.views import finding_text, metric_name, versus_text

    overview = session.client.versions.overview(reference)
    if overview.version.quarantined:
        why = finding_text(overview.findings[0]) if overview.findings else overview.version.scan
        session.out.note(f"Quarantined: {why}. See: modelyard scan show {reference}")
    elif overview.version.flags:
        session.out.note(f"State: {overview.version.status}. {overview.version.warning or ''}".rstrip())
    if overview.champion is not None:
        for row in overview.metrics:
            if row.values[-1] is not None:
                session.out.note(f"{metric_name(row)}: {versus_text(row, overview.champion)}")


def _described(text: str, separator: str | None, encoding: str | None) -> Described:
    """Return (name, path) from `name=path`, or from a path alone."""
    from modelyard.sdk.datasets import describe
    from modelyard.sdk.datasets.client import name_of_file

    name, equals, path = text.partition("=")
    if not equals or Path(text).exists():
        name, path = name_of_file(Path(text)), text
    return describe(Path(path), name=name, separator=separator, encoding=encoding)


def note_form(session: Session, described: Described) -> None:
    """Print how a text file was read if it is not comma-separated UTF-8."""
    if read_as := described.entry.get("read_as"):
        words = ", ".join(f"{name} {value!r}" for name, value in sorted(read_as.items()))
        session.out.note(
            f"{described.entry['source']} was read with {words}. To change that: --separator and --encoding."
        )
