"""Show, archive, delete and check versions."""

from __future__ import annotations

import click
from msgspec import structs

from modelyard.cli.arguments import REF
from modelyard.cli.base import Session, command, confirm
from modelyard.cli.catalog import is_version
from modelyard.cli.errors import FAILED


@command("show", example="modelyard show fraud/scorer\nmodelyard show fraud/scorer@production --files")
@click.argument("ref", type=REF)
@click.option("--files", is_flag=True, help="List its files with digests and sizes.")
@click.option("--record", is_flag=True, help="Print all facts frozen at registration, as JSON.")
@click.option("--facts", is_flag=True, help="List known and missing facts, with a hint for each missing one.")
def show(session: Session, ref: str, files: bool, record: bool, facts: bool) -> None:
    """Show a model (namespace/name) or a version (namespace/name:3, @alias, @sha256:…)."""
    client, out = session.client, session.out
    if record:
        from json import dumps

        frozen = client.versions.record(ref)
        out.json(frozen) if session.as_json else out.text(dumps(frozen, indent=2, ensure_ascii=False))
    elif files:
        out.page(
            client.versions.files(ref),
            ("size", "digest", "path"),
            lambda f: (f.size_bytes, f.digest, f.path),
        )
    elif facts:
        known = client.versions.facts(ref)
        if session.answered(known):
            return
        rows = [(f.name, f.state.replace("_", " "), f.hint) for f in known.items]
        out.table(("fact", "state", "hint"), rows)
        out.note(f"{known.completeness:.0%} of the applicable facts are known")
    elif is_version(session, ref):
        overview = client.versions.overview(ref)
        if session.as_json:
            rest = {name: getattr(overview, name) for name in overview.__struct_fields__ if name != "version"}
            out.json({**structs.asdict(overview.version), "overview": rest})
        else:
            use = [("use", line) for line in overview.use()]
            out.pairs([("version", overview.version.reference), *overview.rows(), *use])
    else:
        model = client.models.get(ref)
        if not session.answered(model):
            out.pairs([("model", model.name), *model.rows()])


@command("resolve", example="modelyard resolve fraud/scorer@production")
@click.argument("ref", type=REF)
@click.option("--serving", is_flag=True, help="Warn if the reference can mean another version later.")
def resolve(session: Session, ref: str, serving: bool) -> None:
    """Print the version that a reference means now."""
    resolved = session.client.resolve(ref, serving=serving)
    if session.answered(resolved):
        return
    session.out.text(f"{resolved.reference}\t{resolved.digest}")
    if resolved.warning:
        session.out.note(f"Warning: {resolved.warning}")


@command("archive", example="modelyard archive fraud/scorer:3 --reason 'trained on leaked data'")
@click.argument("ref", type=REF)
@click.option("--undo", is_flag=True, help="Restore it.")
@click.option("--reason", help="Reason, kept in the history.")
def archive(session: Session, ref: str, undo: bool, reason: str | None) -> None:
    """Archive a model or a version, or restore it. Nothing is deleted."""
    word = "Restored" if undo else "Archived"
    if is_version(session, ref):
        version = session.client.versions.archive(ref, archived=not undo, reason=reason)
        session.say(version, f"{word} {version.reference}")
    else:
        model = session.client.models.edit(ref, archived=not undo, reason=reason)
        session.say(model, f"{word} {model.name}")


@command("delete", example="modelyard delete fraud/scorer:3 --reason 'contains personal data' --yes")
@click.argument("ref", type=REF)
@click.option("--reason", help="Reason, kept in the history.")
@click.option(
    "--orphan-children", is_flag=True, help="Delete a version although others derive from it; needs a reason."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete(session: Session, ref: str, reason: str | None, orphan_children: bool, yes: bool) -> None:
    """Delete a model or a version. Its number and digest stay; its bytes are deleted by the next gc.

    The command refuses, and lists them, while aliases or other versions need it.
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
    session.say({"deleted": target}, f"Deleted {target}")


@command(
    "keep",
    example="modelyard keep fraud/scorer:3 --reason 'complaint 2026-17'\n"
    "modelyard keep fraud/scorer:3 --undo --reason 'complaint 2026-17 is closed'",
)
@click.argument("ref", type=REF)
@click.option("--reason", required=True, help="Why it must be kept, or need not be kept any more.")
@click.option("--undo", is_flag=True, help="Remove the mark.")
def keep(session: Session, ref: str, reason: str, undo: bool) -> None:
    """Mark a version as one that must be kept: no one may delete it, and no retention rule touches it."""
    client = session.client.versions
    version = client.end_keep(ref, reason) if undo else client.keep(ref, reason)
    session.say(version, f"{version.reference} {'need not' if undo else 'must'} be kept")


@command("verify", example="modelyard verify fraud/scorer@production")
@click.argument("ref", type=REF)
def verify(session: Session, ref: str) -> int:
    """Read a version's stored bytes again and check them. Exit code 1 when some are damaged."""
    verified = session.client.versions.verify(ref)
    if session.as_json:
        session.out.json(verified)
    elif verified.damaged:
        session.out.table(("problem", "path"), [(d.problem, d.path) for d in verified.damaged])
        session.out.note(f"{verified.reference} is damaged. Push these files again, or restore a backup.")
    else:
        session.out.text(f"{verified.reference} is intact")
    return FAILED if verified.damaged else 0
