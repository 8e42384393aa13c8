"""Policies from the command line. The server reads the YAML, so no command here needs a YAML library."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelyard.cli.base import LazyGroup, Session, command
from modelyard.cli.errors import OK
from modelyard.domain.times import parse_moment

if TYPE_CHECKING:
    from modelyard.wire.policy import Policy

_HERE = "modelyard.cli.policy"
FILE = "modelyard-policy.yaml"
_PATH = click.Path(dir_okay=False, path_type=Path)


@click.group(
    "policy",
    cls=LazyGroup,
    lazy={
        "init": (f"{_HERE}:init", "Write a commented policy to begin with."),
        "check": (f"{_HERE}:check", "Say whether a policy file is valid, and where it is not."),
        "test": (f"{_HERE}:test", "Judge past promotions under another policy."),
        "set": (f"{_HERE}:set_policy", "Put a policy in force."),
        "show": (f"{_HERE}:show", "Show what holds for a namespace or a model."),
        "history": (f"{_HERE}:history", "List every policy that was in force."),
        "remove": (f"{_HERE}:remove", "Take a policy away."),
        "schema": (f"{_HERE}:schema", "Print the JSON schema of the policy file."),
    },
)
def policy() -> None:
    """Write, check, test and show policies. OF is a namespace, or namespace/name for one model."""


@command("init", example="modelyard policy init")
@click.argument("file", type=_PATH, default=FILE)
@click.option("--force", is_flag=True, help="Overwrite the file.")
def init(session: Session, file: Path, force: bool) -> None:
    """Write a commented policy to begin with, as the server knows its rules."""
    if file.exists() and not force:
        raise click.UsageError(f"{file} exists; overwrite it with --force.")
    file.write_text(session.client.policies.example(), encoding="utf-8")
    session.out.json({"file": str(file)}) if session.as_json else session.out.text(f"Wrote {file}")


@command("check", example="modelyard policy check fraud modelyard-policy.yaml")
@click.argument("of")
@click.argument("file", type=_PATH, default=FILE)
def check(session: Session, of: str, file: Path) -> None:
    """Say whether a policy file could be put in force, and what it would weaken; if not, at which line and why."""
    found = session.client.policies.check(of, file.read_text(encoding="utf-8"))
    if session.as_json:
        session.out.json({"valid": True, "weakens": found.weakens})
    else:
        session.out.text(f"{file} is valid")
        _show_weakened(session, found)


@command("set", example="modelyard policy set fraud modelyard-policy.yaml --reason 'bias report required'")
@click.argument("of")
@click.argument("file", type=_PATH, default=FILE)
@click.option("--reason", help="Why; kept in the history.")
@click.option(
    "--seen", type=int, metavar="REVISION", help="Only if this one is still in force; 0: only if none is."
)
def set_policy(session: Session, of: str, file: Path, reason: str | None, seen: int | None) -> None:
    """Put a policy in force for a namespace or a model, and say which gates it weakens."""
    found = session.client.policies.set(of, file.read_text(encoding="utf-8"), reason=reason, seen=seen)
    if session.as_json:
        session.out.json(found)
        return
    session.out.text(f"{found.of}\tpolicy {found.revision}\t{found.effective_digest}")
    _show_weakened(session, found)


def _show_weakened(session: Session, found: Policy) -> None:
    for words in found.weakens:
        session.out.note(f"Weaker than before: {words}")


@command("show", example="modelyard policy show fraud/scorer\nmodelyard policy show fraud --text > policy.yaml")
@click.argument("of")
@click.option("--text", is_flag=True, help="Its own file as it was written.")
def show(session: Session, of: str, text: bool) -> None:
    """Show what holds for a namespace or a model, and where it comes from."""
    found = session.client.policies.show(of)
    if session.as_json:
        session.out.json(found)
    elif text:
        session.out.text(found.own.text.rstrip("\n") if found.own else "# no policy of its own")
    else:
        from json import dumps

        session.out.pairs(
            [("of", found.of), ("from", ", ".join(found.sources)), ("digest", found.effective_digest)]
        )
        for gate in found.effective["gates"]:
            origins = f" from {' or '.join(gate['from'])}" if gate["from"] else ""
            session.out.text(f"{gate['stage']}{origins} ({gate['mode']}, {len(gate['rules'])} rules)")
            for rule in gate["rules"]:
                kind = next(key for key in rule if key not in ("id", "say", "waivable"))
                session.out.text(f"  {rule['id']}\t{kind}\t{dumps(rule[kind], ensure_ascii=False)}")


@command("history", example="modelyard policy history fraud")
@click.argument("of")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
def history(session: Session, of: str, limit: int) -> None:
    """List every policy that was in force, newest first."""
    session.out.page(
        session.client.policies.history(of, limit),
        ("number", "at", "by", "reason", "digest"),
        lambda v: (v.number, v.at, v.by, v.reason or "", v.digest if v.text else "taken away"),
        empty="There was none. Write one with: modelyard policy init",
    )


@command("remove", example="modelyard policy remove fraud/scorer --reason 'the namespace has one'")
@click.argument("of")
@click.option("--reason", help="Why; kept in the history.")
def remove(session: Session, of: str, reason: str | None) -> None:
    """Take a policy away; its texts stay in the history."""
    found = session.client.policies.remove(of, reason=reason)
    if session.as_json:
        session.out.json(found)
    else:
        session.out.text(f"{found.of}\tno policy of its own\t{found.effective_digest}")
        _show_weakened(session, found)


@command("schema", example="modelyard policy schema > modelyard-policy.schema.json")
def schema(session: Session) -> None:
    """Print the JSON schema of the policy file, for editors that complete and check."""
    session.out.json(session.client.policies.schema())


@command("test", example="modelyard policy test fraud new.yaml --since 90d")
@click.argument("of")
@click.argument("file", type=_PATH, default=FILE)
@click.option(
    "--since", default="90d", show_default=True, help="From this time on: 90d, or 2026-03-03T14:00:00Z."
)
@click.option("--all", "everything", is_flag=True, help="Also what would not have differed.")
def test(session: Session, of: str, file: Path, since: str, everything: bool) -> int:
    """Judge past promotions under another policy, and print what would have differed. Nothing is changed."""
    when = parse_moment(since, datetime.now(UTC))
    found = session.client.policies.test(of, file.read_text(encoding="utf-8"), since=when)
    if session.as_json:
        session.out.json(found)
        return OK
    shown = [item for item in found.items if everything or item.differs]
    session.out.table(
        ("promotion", "version", "stage", "then", "now", "because"),
        [
            (
                item.promotion,
                item.reference,
                item.stage,
                "allowed" if item.allowed_then else "refused",
                "allowed" if item.allowed_now else "refused",
                "; ".join(f"{c.rule}: {c.before or 'no rule'} → {c.after or 'no rule'}" for c in item.changes),
            )
            for item in shown
        ],
    )
    session.out.note(f"{found.judged} promotions judged, {found.differing} would have been decided otherwise")
    return OK
