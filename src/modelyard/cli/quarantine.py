"""Scans and the quarantine from the command line."""

from __future__ import annotations

import click

from modelyard.cli.base import LazyGroup, Session, command
from modelyard.cli.errors import FAILED
from modelyard.domain.scanning.verdicts import CODE_KINDS
from modelyard.wire import quarantine as wire

_HERE = "modelyard.cli.quarantine"


@click.group(
    "scan",
    cls=LazyGroup,
    lazy={
        "show": (f"{_HERE}:show_scan", "Show what loading a version's files could run."),
        "run": (f"{_HERE}:run_scan", "Scan a version again."),
        "trust": (f"{_HERE}:trust", "Trust a global in the pickles of a namespace, or list what is trusted."),
        "untrust": (f"{_HERE}:untrust", "Trust a global no more."),
    },
)
def scan() -> None:
    """Show scans, and decide what is trusted in a namespace."""


@command("show", example="modelyard scan show fraud/scorer:12")
@click.argument("ref")
def show_scan(session: Session, ref: str) -> int:
    """Show the scan of a version: each file that could run code, where, and by which global.

    Exit code 1 when the version is in quarantine.
    """
    return _say(session, session.client.scans.get(ref))


@command("run", example="modelyard scan run fraud/scorer:12")
@click.argument("ref")
def run_scan(session: Session, ref: str) -> int:
    """Scan a version again, by the rules of the server's release. Exit code 1 when it is in quarantine."""
    return _say(session, session.client.scans.run(ref))


def _say(session: Session, found: wire.Scan) -> int:
    out = session.out
    if session.as_json:
        out.json(found)
        return FAILED if found.quarantined else 0
    rows = [("version", found.reference), ("verdict", found.verdict)]
    if found.quarantined:
        rows.append(("state", "in quarantine: not served until it is released"))
    if found.released is not None:
        rows.append(("released", f"{found.released.at} by {found.released.by}: {found.released.reason}"))
    if found.licence:
        rows.append(("licence", found.licence))
    out.pairs(rows)
    found_rows = [
        (file.path, _place(f), f.opcode or "", f.name or "", "trusted" if f.trusted else f.verdict, f.why)
        for file in found.files
        for f in file.findings
    ]
    if found_rows:
        out.table(("file", "where", "opcode", "global", "verdict", "why"), found_rows)
    kinds = [(file.path, kind) for file in found.files for kind in file.kinds if kind in CODE_KINDS]
    if kinds:
        out.note("Code of kinds that the scan does not look for; a gate may refuse them (refuse_kinds):")
        out.table(("file", "kind"), kinds)
    secrets = [(file.path, s.line, s.kind) for file in found.files for s in file.secrets]
    if secrets:
        out.note("Texts that look like credentials; whoever may pull the version can read them:")
        out.table(("file", "line", "kind"), secrets)
    if found.unknown:
        namespace = found.reference.partition("/")[0]
        out.note(f"Trust one with: modelyard scan trust {namespace} {found.unknown[0]}")
    if found.quarantined:
        out.note(f"Release it with: modelyard quarantine release {found.reference} --reason …")
    return FAILED if found.quarantined else 0


def _place(finding: wire.ScanFinding) -> str:
    offset = "" if finding.offset is None else f"byte {finding.offset}"
    return f"{finding.inside} {offset}".strip()


@command("trust", example="modelyard scan trust fraud my_corp.utils.Helper --reason 'our own package'")
@click.argument("namespace")
@click.argument("name", required=False)
@click.option("--reason", default="", help="Why; kept in the history.")
def trust(session: Session, namespace: str, name: str | None, reason: str) -> None:
    """Trust a global that no rule knows in the pickles of a namespace; without NAME list what is trusted."""
    scans = session.client.scans
    found = scans.trusted(namespace) if name is None else scans.trust(namespace, name, reason=reason)
    session.out.page(
        found,
        ("global", "at", "by", "reason"),
        lambda t: (t.name, t.at, t.by, t.reason),
        empty="Nothing is trusted beside the allow-list.",
    )


@command("untrust", example="modelyard scan untrust fraud my_corp.utils.Helper")
@click.argument("namespace")
@click.argument("name")
def untrust(session: Session, namespace: str, name: str) -> None:
    """Trust a global no more."""
    found = session.client.scans.untrust(namespace, name)
    session.out.json(found) if session.as_json else session.out.text(f"{namespace} trusts {name} no more")


@click.group(
    "quarantine",
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:list_quarantined", "List versions that are in quarantine."),
        "release": (f"{_HERE}:release", "Let a version out of the quarantine."),
    },
)
def quarantine() -> None:
    """List and release versions that are not served because of their scan."""


@command("ls", example="modelyard quarantine ls fraud")
@click.argument("namespace", required=False)
def list_quarantined(session: Session, namespace: str | None) -> None:
    """List the versions in quarantine that you may see, newest first."""
    session.out.page(
        session.client.quarantine.list(namespace),
        ("version", "verdict", "registered", "by"),
        lambda q: (q.reference, q.verdict, q.registered_at, q.registered_by),
        empty="Nothing is in quarantine.",
    )


@command(
    "release", example="modelyard quarantine release fraud/scorer:12 --reason 'our own exporter, reviewed'"
)
@click.argument("ref")
@click.option("--reason", required=True, help="Why it may be served; kept in the event log.")
def release(session: Session, ref: str, reason: str) -> None:
    """Serve a version in spite of what its scan found."""
    found = session.client.quarantine.release(ref, reason=reason)
    session.out.json(found) if session.as_json else session.out.text(f"Released {found.reference}")
