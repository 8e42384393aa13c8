"""Policies from the command line. The server reads the YAML, so no command here needs a YAML library."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelyard.cli.base import Session, command, command_group
from modelyard.cli.errors import OK
from modelyard.domain.times import parse_moment

if TYPE_CHECKING:
    from modelyard.wire.policy import Policy, PolicyVersion

FILE = "modelyard-policy.yaml"
_PATH = click.Path(dir_okay=False, path_type=Path)


@command_group("policy")
def policy() -> None:
    """Write, check, test and show policies. OF is a namespace, or namespace/name for one model."""


@command("init", group=policy, example="modelyard policy init")
@click.argument("file", type=_PATH, default=FILE)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(session: Session, file: Path, force: bool) -> None:
    """Write a commented first policy, with the rules that the server knows."""
    if file.exists() and not force:
        raise click.UsageError(f"{file} already exists. Overwrite it with --force.")
    file.write_text(session.client.policies.example(), encoding="utf-8")
    session.say({"file": str(file)}, f"Wrote {file}")


def _no_file(context: click.Context, _: click.Parameter, of: str) -> str:
    """Refuse a file in the place of the namespace, which comes first."""
    if of.endswith((".yaml", ".yml")):
        raise click.BadParameter(
            f"{of!r} is a file. Write the namespace or model first: {context.command_path} NAMESPACE {of}"
        )
    return of


@command("check", group=policy, example="modelyard policy check fraud modelyard-policy.yaml")
@click.argument("of", callback=_no_file)
@click.argument("file", type=_PATH, default=FILE)
def check(session: Session, of: str, file: Path) -> None:
    """Check a policy file: which gates it would weaken, or the line and the reason if it is not valid."""
    checked = session.client.policies.check(of, file.read_text(encoding="utf-8"))
    if not session.answered({"valid": True, "weakens": checked.weakens}):
        session.out.text(f"{file} is valid")
        _show_weakened(session, checked)


@command(
    "set",
    group=policy,
    example="modelyard policy set fraud modelyard-policy.yaml --reason 'bias report required'",
)
@click.argument("of", callback=_no_file)
@click.argument("file", type=_PATH, default=FILE)
@click.option("--reason", help="Reason, kept in the history.")
@click.option(
    "--if-revision",
    "seen",
    type=int,
    metavar="N",
    help="Set it only if this policy is still in force; 0: only if none is.",
)
@click.option(
    "--source",
    "url",
    metavar="URL",
    help="Address of the file in its repository. Default: in a job of GitHub Actions or GitLab CI, the address there.",
)
@click.option("--commit", metavar="COMMIT", help="Commit of the file given by --source.")
@click.option("--no-source", is_flag=True, help="Take the policy under hand, so that pages can edit it.")
def set_policy(
    session: Session,
    of: str,
    file: Path,
    reason: str | None,
    seen: int | None,
    url: str | None,
    commit: str | None,
    no_source: bool,
) -> None:
    """Put a policy in force for a namespace or a model, and print the gates that it weakens.

    A policy that is set with a source is read-only on the pages, which link to the file.
    """
    from modelyard.sdk.policy import ci_source
    from modelyard.wire.policy import PolicySource

    if (no_source and (url or commit)) or (commit and not url):
        raise click.UsageError("Give --source, with or without --commit, or --no-source.")
    source = PolicySource(url=url, commit=commit) if url else None if no_source else ci_source(file)
    changed = session.client.policies.set(
        of, file.read_text(encoding="utf-8"), reason=reason, seen=seen, source=source
    )
    if session.answered(changed):
        return
    session.out.text(f"{changed.of}\tpolicy {changed.revision}\t{changed.effective_digest}")
    warning = [gate["stage"] for gate in changed.effective["gates"] if gate["mode"] == "warn" and gate["rules"]]
    if warning:
        session.out.note(
            f"The gate to {', '.join(warning)} only warns and holds nothing back. When its refusals make sense, write "
            "mode: block"
        )
    _show_weakened(session, changed)


def _show_weakened(session: Session, found: Policy) -> None:
    for words in found.weakens:
        session.out.note(f"Weaker than before: {words}")


@command(
    "show",
    group=policy,
    example="modelyard policy show fraud/scorer\nmodelyard policy show fraud --text > policy.yaml",
)
@click.argument("of")
@click.option("--text", is_flag=True, help="Print its own file, unchanged.")
def show(session: Session, of: str, text: bool) -> None:
    """Show the effective policy of a namespace or a model, and its sources."""
    effective = session.client.policies.show(of)
    if session.as_json:
        session.out.json(effective)
    elif text:
        session.out.text(effective.own.text.rstrip("\n") if effective.own else "# no policy of its own")
    else:
        from json import dumps

        session.out.pairs(
            [
                ("of", effective.of),
                ("from", ", ".join(effective.sources)),
                ("digest", effective.effective_digest),
                *_source(effective.own),
            ]
        )
        for gate in effective.effective["gates"]:
            origins = f" from {' or '.join(gate['from'])}" if gate["from"] else ""
            session.out.text(f"{gate['stage']}{origins} ({gate['mode']}, {len(gate['rules'])} rules)")
            for rule in gate["rules"]:
                kind = next(key for key in rule if key not in ("id", "say", "waivable"))
                session.out.text(f"  {rule['id']}\t{kind}\t{dumps(rule[kind], ensure_ascii=False)}")


def _source(own: PolicyVersion | None) -> list[tuple[str, str]]:
    if own is None or own.source is None:
        return []
    return [("set from", own.source.url), *([("commit", own.source.commit)] if own.source.commit else [])]


@command("history", group=policy, example="modelyard policy history fraud")
@click.argument("of")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Show at most this many.")
def history(session: Session, of: str, limit: int) -> None:
    """List all policies that were ever in force, newest first."""
    session.out.page(
        session.client.policies.history(of, limit),
        ("number", "at", "by", "reason", "digest"),
        lambda v: (v.number, v.at, v.by, v.reason or "", v.digest if v.text else "removed"),
        empty="No policy yet. Write one with: modelyard policy init",
    )


@command(
    "remove", group=policy, example="modelyard policy remove fraud/scorer --reason 'the namespace has one'"
)
@click.argument("of")
@click.option("--reason", help="Reason, kept in the history.")
def remove(session: Session, of: str, reason: str | None) -> None:
    """Remove a policy; its texts stay in the history."""
    remaining = session.client.policies.remove(of, reason=reason)
    if not session.answered(remaining):
        session.out.text(f"{remaining.of}\tno policy of its own\t{remaining.effective_digest}")
        _show_weakened(session, remaining)


@command("schema", group=policy, example="modelyard policy schema > modelyard-policy.schema.json")
def schema(session: Session) -> None:
    """Print the JSON schema of the policy file, for editors that complete and check."""
    session.out.json(session.client.policies.schema())


@command("test", group=policy, example="modelyard policy test fraud new.yaml --since 90d")
@click.argument("of", callback=_no_file)
@click.argument("file", type=_PATH, default=FILE)
@click.option(
    "--since",
    default="90d",
    show_default=True,
    help="Judge promotions since this time, for example 90d or 2026-03-03T14:00:00Z.",
)
@click.option("--all", "everything", is_flag=True, help="Include promotions with the same outcome.")
def test(session: Session, of: str, file: Path, since: str, everything: bool) -> int:
    """Judge past promotions under another policy, and print the different outcomes. Nothing is changed."""
    when = parse_moment(since, datetime.now(UTC))
    tested = session.client.policies.test(of, file.read_text(encoding="utf-8"), since=when)
    if session.answered(tested):
        return OK
    shown = [item for item in tested.items if everything or item.differs]
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
    session.out.note(
        f"{tested.judged} promotions judged; {tested.differing} would have had a different outcome"
    )
    return OK
