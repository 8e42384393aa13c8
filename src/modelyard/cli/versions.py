"""Showing, archiving, deleting and checking versions."""

from __future__ import annotations

import click

from modelyard.cli.base import Session, command, confirm
from modelyard.cli.catalog import is_version
from modelyard.cli.errors import FAILED


@command("show", example="modelyard show fraud/scorer\nmodelyard show fraud/scorer@production --files")
@click.argument("ref")
@click.option("--files", is_flag=True, help="The files with digests and sizes.")
@click.option("--record", is_flag=True, help="All facts that were frozen at registration, as JSON.")
@click.option("--facts", is_flag=True, help="Which facts are known, which are missing, and what to do.")
def show(session: Session, ref: str, files: bool, record: bool, facts: bool) -> None:
    """Show a model (namespace/name) or a version (namespace/name:3, @alias, @sha256:…)."""
    client, out = session.client, session.out
    if record:
        from json import dumps

        found = client.versions.record(ref)
        out.json(found) if session.as_json else out.text(dumps(found, indent=2, ensure_ascii=False))
    elif files:
        out.page(
            client.versions.files(ref),
            ("size", "digest", "path"),
            lambda f: (f.size, f.digest, f.path),
        )
    elif facts:
        known = client.versions.facts(ref)
        if session.as_json:
            out.json(known)
            return
        rows = [(f.name, f.state.replace("_", " "), f.hint) for f in known.items]
        out.table(("fact", "state", "hint"), rows)
        out.note(f"{known.completeness:.0%} of what applies is known")
    elif is_version(session, ref):
        version = client.versions.get(ref)
        if session.as_json:
            out.json(version)
        else:
            out.pairs([("version", version.reference), *version.rows()])
    else:
        model = client.models.get(ref)
        if session.as_json:
            out.json(model)
        else:
            out.pairs([("model", model.name), *model.rows()])


@command("resolve", example="modelyard resolve fraud/scorer@production")
@click.argument("ref")
@click.option("--serving", is_flag=True, help="Warn when what the reference means changes by itself.")
def resolve(session: Session, ref: str, serving: bool) -> None:
    """Say which version a reference means now."""
    found = session.client.resolve(ref, serving=serving)
    if session.as_json:
        session.out.json(found)
        return
    session.out.text(f"{found.reference}\t{found.digest}")
    if found.warning:
        session.out.note(f"Warning: {found.warning}")


@command("archive", example="modelyard archive fraud/scorer:3 --reason 'trained on leaked data'")
@click.argument("ref")
@click.option("--undo", is_flag=True, help="Bring it back.")
@click.option("--reason", help="Why; kept in the history.")
def archive(session: Session, ref: str, undo: bool, reason: str | None) -> None:
    """Retire a model or a version, or bring it back. Nothing is deleted."""
    word = "Brought back" if undo else "Archived"
    if is_version(session, ref):
        version = session.client.versions.archive(ref, archived=not undo, reason=reason)
        session.out.json(version) if session.as_json else session.out.text(f"{word} {version.reference}")
    else:
        model = session.client.models.edit(ref, archived=not undo)
        session.out.json(model) if session.as_json else session.out.text(f"{word} {model.name}")


@command("delete", example="modelyard delete fraud/scorer:3 --reason 'contains personal data' --yes")
@click.argument("ref")
@click.option("--reason", help="Why; kept in the history.")
@click.option(
    "--orphan-children", is_flag=True, help="Delete a version although others came from it; needs a reason."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(session: Session, ref: str, reason: str | None, orphan_children: bool, yes: bool) -> None:
    """Delete a model or a version. Number and digest stay, bytes go at the next collection.

    Refused, naming them, while aliases or other versions need it.
    """
    client = session.client
    if is_version(session, ref):
        target = client.resolve(ref).reference
        confirm(session, f"Delete version {target}?", yes)
        client.versions.delete(target, reason, orphan_children=orphan_children)
    else:
        target = client.models.get(ref).name
        confirm(session, f"Delete model {target} with all its versions?", yes)
        client.models.delete(target, reason)
    session.out.json({"deleted": target}) if session.as_json else session.out.text(f"Deleted {target}")


@command("verify", example="modelyard verify fraud/scorer@production")
@click.argument("ref")
def verify(session: Session, ref: str) -> int:
    """Let the server read a version's bytes again. Exit code 1 when some are damaged."""
    found = session.client.versions.verify(ref)
    if session.as_json:
        session.out.json(found)
    elif found.damaged:
        session.out.table(("problem", "path"), [(d.problem, d.path) for d in found.damaged])
        session.out.note(f"{found.reference} is damaged: restore a backup, or push these files again")
    else:
        session.out.text(f"{found.reference} is whole")
    return FAILED if found.damaged else 0
