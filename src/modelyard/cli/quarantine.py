"""Scans and the quarantine from the command line."""

from __future__ import annotations

import click

from modelyard.cli.arguments import REF, RUN
from modelyard.cli.base import Session, command, command_group
from modelyard.cli.errors import FAILED
from modelyard.domain.scanning.verdicts import CODE_KINDS
from modelyard.wire import quarantine as wire


@command_group("scan")
def scan() -> None:
    """Show scans, and manage the trusted globals of a namespace."""


@command("show", group=scan, example="modelyard scan show fraud/scorer:12")
@click.argument("ref", type=REF)
def show_scan(session: Session, ref: str) -> int:
    """Show the scan of a version: each file that could run code, the place in it, and the global.

    Exit code 1 when the version is in quarantine.
    """
    return _say(session, session.client.scans.get(ref))


@command("run", group=scan, example="modelyard scan run fraud/scorer:12")
@click.argument("ref", type=REF)
def run_scan(session: Session, ref: str) -> int:
    """Scan a version again with the rules of the server's release. Exit code 1 when it is in quarantine."""
    return _say(session, session.client.scans.run(ref))


def _say(session: Session, found: wire.Scan) -> int:
    out = session.out
    if session.answered(found):
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
        out.note("Code of kinds that the scan does not inspect; a gate can refuse them (refuse_kinds):")
        out.table(("file", "kind"), kinds)
    secrets = [(file.path, s.line, s.kind) for file in found.files for s in file.secrets]
    if secrets:
        out.note("Texts that look like credentials; everyone who may pull the version can read them:")
        out.table(("file", "line", "kind"), secrets)
    if found.fix is not None:
        out.note(found.fix)
    if found.quarantined:
        out.note(f"A maintainer can release it with: modelyard quarantine release {found.reference} --reason …")
    return FAILED if found.quarantined else 0


def _release(release: wire.Release) -> str:
    how = ", who also pushed it: no one else has that right" if release.alone else ""
    return f"{release.at} by {release.by}{how}: {release.reason}"


@command("show-run", group=scan, example="modelyard scan show-run 4f6e0d1c2b3a49588776655443322110")
@click.argument("run", type=RUN)
def show_run_scan(session: Session, run: str) -> int:
    """Show the scan of a run's files. Exit code 1 when one of them is in quarantine."""
    shown = session.client.scans.of_run(run)
    if not session.answered(shown):
        session.out.table(
            ("file", "verdict", "state", "why"), [(f.path, f.verdict, _state(f), f.why) for f in shown.files]
        )
    held = any(file.quarantined for file in shown.files)
    if held:
        session.out.note(
            f"A maintainer can release them with: modelyard quarantine release-run {run} --reason …"
        )
    return FAILED if held else 0


def _state(file: wire.ScannedRunFile) -> str:
    if file.quarantined:
        return "in quarantine"
    return "" if file.released is None else f"released {_release(file.released)}"


def _place(finding: wire.ScanFinding) -> str:
    offset = "" if finding.offset is None else f"byte {finding.offset}"
    return f"{finding.inside} {offset}".strip()


@command(
    "trust", group=scan, example="modelyard scan trust fraud my_corp.utils.Helper --reason 'our own package'"
)
@click.argument("namespace")
@click.argument("names", nargs=-1)
@click.option("--reason", default="", help="Reason, kept in the history.")
def trust(session: Session, namespace: str, names: tuple[str, ...], reason: str) -> None:
    """Trust globals in the pickles of a namespace that no rule knows. Without NAMES, list the trusted ones.

    From then on, versions with no other unknown globals are served.
    """
    scans = session.client.scans
    for name in names:
        scans.trust(namespace, name, reason=reason)
    session.out.page(
        scans.trusted(namespace),
        ("global", "at", "by", "confirmed by", "reason"),
        lambda t: (t.name, t.at, t.by, t.confirmed_by or ("no one else can" if t.alone else ""), t.reason),
        empty="No globals are trusted except the allow-list.",
    )
    if scans.serves_unknown(namespace):
        session.out.note(f"{namespace} serves versions that name unknown code")


@command("untrust", group=scan, example="modelyard scan untrust fraud my_corp.utils.Helper")
@click.argument("namespace")
@click.argument("name")
def untrust(session: Session, namespace: str, name: str) -> None:
    """Stop trusting a global."""
    trusted = session.client.scans.untrust(namespace, name)
    session.say(trusted, f"{namespace} no longer trusts {name}")


@command(
    "serve-unknown",
    group=scan,
    example="modelyard scan serve-unknown lab on --reason 'no one loads these here'",
)
@click.argument("namespace")
@click.argument("choice", type=click.Choice(["on", "off"]))
@click.option("--reason", required=True, help="Reason, kept in the event log.")
def serve_unknown(session: Session, namespace: str, choice: str, reason: str) -> None:
    """Choose whether a namespace serves versions that name unknown code, with a warning.

    By default they are in quarantine. Dangerous and unscanned files always are. Only an owner can change this.
    """
    trusted = session.client.scans.serve_unknown(namespace, choice == "on", reason=reason)
    words = "serves unknown code" if trusted.serve_unknown else "keeps unknown code in quarantine"
    session.say(trusted, f"{trusted.namespace} {words}")


@command_group("quarantine")
def quarantine() -> None:
    """List and release versions that are not served because of their scans."""


@command("ls", group=quarantine, example="modelyard quarantine ls fraud")
@click.argument("namespace", required=False)
def list_quarantined(session: Session, namespace: str | None) -> None:
    """List the versions in quarantine that you may see, newest first."""
    session.out.page(
        session.client.quarantine.list(namespace),
        ("version", "verdict", "registered", "by", "why"),
        lambda q: (q.reference, q.verdict, q.registered_at, q.registered_by, q.why),
        empty="No version is in quarantine.",
    )


@command(
    "release",
    group=quarantine,
    example="modelyard quarantine release fraud/scorer:12 --reason 'our own exporter, reviewed'",
)
@click.argument("ref", type=REF)
@click.option("--reason", required=True, help="Why it may be served, kept in the event log.")
def release(session: Session, ref: str, reason: str) -> None:
    """Serve a version in spite of the findings of its scan.

    The person who pushed it can do so only if no one else in the namespace has the right.
    """
    released = session.client.quarantine.release(ref, reason=reason)
    if session.answered(released):
        return
    session.out.text(f"Released {released.reference}")
    if released.released is not None and released.released.alone:
        session.out.note("It was released by the person who pushed it, because no one else has the right.")


@command(
    "release-run",
    group=quarantine,
    example="modelyard quarantine release-run 4f6e0d1c2b3a49588776655443322110 --reason 'our own'",
)
@click.argument("run", type=RUN)
@click.option("--reason", required=True, help="Why they may be served, kept in the event log.")
def release_run(session: Session, run: str, reason: str) -> None:
    """Release the files of a run that are in quarantine now; later files are not released."""
    found = session.client.quarantine.release_run(run, reason=reason)
    released = [file.path for file in found.files if file.released is not None]
    session.say(found, f"Released {', '.join(released)}")
