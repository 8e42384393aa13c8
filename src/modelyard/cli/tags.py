"""Tags of models and versions."""

from __future__ import annotations

from collections.abc import Callable

import click

from modelyard.cli.arguments import REF
from modelyard.cli.base import Session, command, command_group
from modelyard.cli.catalog import is_version
from modelyard.cli.output import key_values
from modelyard.domain.errors import EditConflict, NotFound

_TRIES = 5


@command_group("tag")
def tag() -> None:
    """Set, remove and list tags of a model (namespace/name) or a version (namespace/name:3)."""


@command("set", group=tag, example="modelyard tag set fraud/scorer:12 reviewed=yes team=payments")
@click.argument("ref", type=REF)
@click.argument("pairs", nargs=-1, required=True, metavar="K=V...")
def set_tags(session: Session, ref: str, pairs: tuple[str, ...]) -> None:
    """Set tags; other tags stay unchanged."""
    new = key_values(pairs, "K=V")
    _change(session, ref, lambda tags: {**tags, **new})


@command("remove", group=tag, example="modelyard tag remove fraud/scorer:12 reviewed")
@click.argument("ref", type=REF)
@click.argument("keys", nargs=-1, required=True, metavar="K...")
def remove_tags(session: Session, ref: str, keys: tuple[str, ...]) -> None:
    """Remove tags. Exit code 4 when a tag does not exist."""

    def without(tags: dict[str, str]) -> dict[str, str]:
        for key in keys:
            if key not in tags:
                raise NotFound(what=f"a tag {key!r} of {ref}", fix=f"List them with: modelyard tag ls {ref}")
        return {key: value for key, value in tags.items() if key not in keys}

    _change(session, ref, without)


@command("ls", group=tag, example="modelyard tag ls fraud/scorer:12")
@click.argument("ref", type=REF)
def list_tags(session: Session, ref: str) -> None:
    """List the tags of a model or a version."""
    client = session.client
    tags = (client.versions.get(ref) if is_version(session, ref) else client.models.get(ref)).tags
    _show(session, tags)


def _change(session: Session, ref: str, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    """Read, change and write the tags; try again when someone else wrote in between."""
    client = session.client
    for left in reversed(range(_TRIES)):
        try:
            if is_version(session, ref):
                version = client.versions.get(ref)
                tags = client.versions.edit(
                    version.reference, tags=change(version.tags), revision=version.revision
                ).tags
            else:
                model = client.models.get(ref)
                tags = client.models.edit(model.name, tags=change(model.tags), revision=model.revision).tags
        except EditConflict:
            if not left:
                raise
        else:
            _show(session, tags)
            return


def _show(session: Session, tags: dict[str, str]) -> None:
    if not session.answered(tags):
        session.out.table(("tag", "value"), sorted(tags.items()), empty="No tags.")
