"""Pushing from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from modelyard.cli.base import Session, command
from modelyard.cli.output import key_values


@command(
    "push",
    example="modelyard push ./model fraud/scorer --alias candidate --metric f1=0.93 --param depth=6",
)
@click.argument("path", type=click.Path(exists=True))
@click.argument("model")
@click.option("--alias", "aliases", multiple=True, metavar="NAME", help="Point this alias at the version.")
@click.option("--tag", "tags", multiple=True, metavar="K=V", help="A tag of the version.")
@click.option(
    "--metric", "metrics", multiple=True, metavar="K=V", help="A measured value; K may be split:name."
)
@click.option("--param", "params", multiple=True, metavar="K=V", help="A parameter of the training.")
@click.option(
    "--data",
    "data",
    multiple=True,
    metavar="[NAME=]PATH",
    help="CSV or Parquet it was trained on; no row is sent. May be repeated.",
)
@click.option("--description", default="", help="What is new in this version.")
@click.option("--force-new", is_flag=True, help="Make another version though an equal one exists.")
@click.option(
    "--allow-secrets", is_flag=True, help="Also push files that are known to hold credentials, such as .env."
)
@click.option("--no-capture", is_flag=True, help="Do not note code, environment and image.")
def push(
    session: Session,
    path: str,
    model: str,
    aliases: tuple[str, ...],
    tags: tuple[str, ...],
    metrics: tuple[str, ...],
    params: tuple[str, ...],
    data: tuple[str, ...],
    description: str,
    force_new: bool,
    allow_secrets: bool,
    no_capture: bool,
) -> None:
    """Register a folder or a file as a model's next version.

    Only bytes that the server lacks are sent; an interrupted push goes on where it stopped. What
    .modelyardignore names is left out.
    """
    from modelyard.sdk.capture import capture

    version = session.client.push(
        click.format_filename(path),
        model,
        alias=aliases,
        tags=key_values(tags, "--tag"),
        metrics=[_metric(*pair) for pair in key_values(metrics, "--metric").items()],
        params={name: _number_or_text(value) for name, value in key_values(params, "--param").items()},
        data=[_dataset(text) for text in data] or None,
        description=description,
        force_new=force_new,
        allow_secrets=allow_secrets,
        # The command is not the code that made the model.
        facts={} if no_capture else capture(by_command=True),
        capture=False,
        progress=session.progress,
    )
    if session.as_json:
        session.out.json(version)
        return
    session.out.text(f"{version.reference}\t{version.digest}")
    if version.created is False:
        session.out.note("These files with these facts were registered before; that version is shown.")
    if version.missing:
        session.out.note(f"Not known of this version: {', '.join(version.missing)}")


def _dataset(text: str) -> object:
    """A name with its path, or a path that names itself."""
    name, equals, path = text.partition("=")
    return (name, path) if equals and not Path(text).exists() else Path(text)


def _metric(name: str, text: str) -> dict[str, object]:
    split, colon, rest = name.partition(":")
    try:
        value: object = float(text)
    except ValueError:
        raise click.BadParameter(f"{name}={text} is no number", param_hint="--metric") from None
    return {"name": rest, "split": split, "value": value} if colon else {"name": name, "value": value}


def _number_or_text(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)
