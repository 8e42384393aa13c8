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
        "show-run": (f"{_HERE}:show_run_scan", "Show what loading the files of a run could run."),
        "run": (f"{_HERE}:run_scan", "Scan a version again."),
        "trust": (f"{_HERE}:trust", "Trust globals in the pickles of a namespace, or list what is trusted."),
        "untrust": (f"{_HERE}:untrust", "Trust a global no more."),
        "serve-unknown": (f"{_HERE}:serve_unknown", "Decide whether a namespace serves unknown code."),
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
        rows.append(("released", _release(found.released)))
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
        out.note("Texts that look like credentials; the person who may pull the version can read them:")
        out.table(("file", "line", "kind"), secrets)
    if found.fix is not None:
        out.note(found.fix)
    if found.quarantined:
        out.note(f"A maintainer may release it with: modelyard quarantine release {found.reference} --reason …")
    return FAILED if found.quarantined else 0


def _release(release: wire.Release) -> str:
    how = ", who pushed it: no one else holds the right" if release.alone else ""
    return f"{release.at} by {release.by}{how}: {release.reason}"


@command("show-run", example="modelyard scan show-run 4f6e0d1c2b3a49588776655443322110")
@click.argument("run")
def show_run_scan(session: Session, run: str) -> int:
    """Show the scan of a run's files. Exit code 1 when one of them is in quarantine."""
    found = session.client.scans.of_run(run)
    if session.as_json:
        session.out.json(found)
    else:
        session.out.table(
            ("file", "verdict", "state", "why"), [(f.path, f.verdict, _state(f), f.why) for f in found.files]
        )
    held = any(file.quarantined for file in found.files)
    if held:
        session.out.note(
            f"A maintainer may release them with: modelyard quarantine release-run {run} --reason …"
        )
    return FAILED if held else 0


def _state(file: wire.ScannedRunFile) -> str:
    if file.quarantined:
        return "in quarantine"
    return "" if file.released is None else f"released {_release(file.released)}"


def _place(finding: wire.ScanFinding) -> str:
    offset = "" if finding.offset is None else f"byte {finding.offset}"
    return f"{finding.inside} {offset}".strip()


@command("trust", example="modelyard scan trust fraud my_corp.utils.Helper --reason 'our own package'")
@click.argument("namespace")
@click.argument("names", nargs=-1)
@click.option("--reason", default="", help="Why; kept in the history.")
def trust(session: Session, namespace: str, names: tuple[str, ...], reason: str) -> None:
    """Trust globals that no rule knows in the pickles of a namespace; without NAMES list what is trusted.

    Versions that name nothing else unknown are served from now on.
    """
    scans = session.client.scans
    for name in names:
        scans.trust(namespace, name, reason=reason)
    session.out.page(
        scans.trusted(namespace),
        ("global", "at", "by", "confirmed by", "reason"),
        lambda t: (t.name, t.at, t.by, t.confirmed_by or ("no one else can" if t.alone else ""), t.reason),
        empty="Nothing is trusted besides the allow-list.",
    )
    if scans.serves_unknown(namespace):
        session.out.note(f"{namespace} serves versions that name unknown code")


@command("untrust", example="modelyard scan untrust fraud my_corp.utils.Helper")
@click.argument("namespace")
@click.argument("name")
def untrust(session: Session, namespace: str, name: str) -> None:
    """Trust a global no more."""
    found = session.client.scans.untrust(namespace, name)
    session.out.json(found) if session.as_json else session.out.text(f"{namespace} trusts {name} no more")


@command("serve-unknown", example="modelyard scan serve-unknown lab on --reason 'no one loads these here'")
@click.argument("namespace")
@click.argument("choice", type=click.Choice(["on", "off"]))
@click.option("--reason", required=True, help="Why; kept in the event log.")
def serve_unknown(session: Session, namespace: str, choice: str, reason: str) -> None:
    """Decide whether a namespace serves versions that name code which no one here knows.

    By default they are in quarantine. What is dangerous or could not be scanned always is. Only an owner decides.
    """
    found = session.client.scans.serve_unknown(namespace, choice == "on", reason=reason)
    words = "serves unknown code" if found.serve_unknown else "keeps unknown code in quarantine"
    session.out.json(found) if session.as_json else session.out.text(f"{found.namespace} {words}")


@click.group(
    "quarantine",
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:list_quarantined", "List versions that are in quarantine."),
        "release": (f"{_HERE}:release", "Let a version out of the quarantine."),
        "release-run": (f"{_HERE}:release_run", "Let the files of a run out of the quarantine."),
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
    """Serve a version in spite of what its scan found.

    The person who pushed it may do so only where no one else holds the right in the namespace.
    """
    found = session.client.quarantine.release(ref, reason=reason)
    if session.as_json:
        session.out.json(found)
        return
    session.out.text(f"Released {found.reference}")
    if found.released is not None and found.released.alone:
        session.out.note("It was released by the person who pushed it: no one else holds the right")


@command(
    "release-run",
    example="modelyard quarantine release-run 4f6e0d1c2b3a49588776655443322110 --reason 'our own'",
)
@click.argument("run")
@click.option("--reason", required=True, help="Why they may be served; kept in the event log.")
def release_run(session: Session, run: str, reason: str) -> None:
    """Serve the files of a run that are in quarantine now; files that come later are not released by this."""
    found = session.client.quarantine.release_run(run, reason=reason)
    released = [file.path for file in found.files if file.released is not None]
    session.out.json(found) if session.as_json else session.out.text(f"Released {', '.join(released)}")
