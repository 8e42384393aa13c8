"""Starred models from the command line."""

from __future__ import annotations

import click

from modelyard.cli.arguments import MODEL
from modelyard.cli.base import Session, command


@command("star", example="modelyard star fraud/scorer\nmodelyard star fraud/scorer --undo")
@click.argument("model", required=False, type=MODEL)
@click.option("--undo", is_flag=True, help="Remove the star.")
def star(session: Session, model: str | None, undo: bool) -> None:
    """Star a model, so that your pages list it. Without MODEL, list the models that you starred."""
    stars = session.client.stars
    if model is None:
        session.out.page(stars.list(), ("model",), lambda name: (name,), empty="You starred no model.")
        return
    if undo:
        stars.remove(model)
    else:
        stars.add(model)
    name = str(session.client.model_name(model))
    session.say({"model": name, "starred": not undo}, f"{'Removed the star of' if undo else 'Starred'} {name}")
