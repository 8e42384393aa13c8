"""Checks from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from modelyard.cli.arguments import REF
from modelyard.cli.base import Session, command, command_group

_PATH = click.Path(dir_okay=False, path_type=Path)


@command_group("check")
def check() -> None:
    """Report and list checks: named results from CI, scanners or people."""


@command(
    "report",
    group=check,
    example="modelyard check report fraud/scorer:12 unit-tests pass --url https://ci.example.org/7",
)
@click.argument("ref", type=REF)
@click.argument("name")
@click.argument("state", type=click.Choice(["pass", "fail", "error", "pending"]))
@click.option("--url", default="", help="Address of the details.")
@click.option("--summary", default="", help="Summary in one line.")
def report_check(session: Session, ref: str, name: str, state: str, url: str, summary: str) -> None:
    """Report a check of a version; the newest report with a name counts."""
    checks = session.client.checks.report(ref, name, state, url=url, summary=summary)
    session.say(checks[0], f"{name}\t{state}")


@command("junit", group=check, example="modelyard check junit fraud/scorer:12 unit-tests report.xml")
@click.argument("ref", type=REF)
@click.argument("name")
@click.argument("file", type=_PATH)
@click.option("--url", default="", help="Address of the details.")
def report_junit(session: Session, ref: str, name: str, file: Path, url: str) -> None:
    """Report the result in a JUnit XML file: pass when tests ran and none failed, error when none ran."""
    newest = session.client.checks.report_junit(ref, name, file, url=url)[0]
    session.say(newest, f"{newest.name}\t{newest.state}\t{newest.summary}")


@command("ls", group=check, example="modelyard check ls fraud/scorer:12")
@click.argument("ref", type=REF)
def list_checks(session: Session, ref: str) -> None:
    """List the checks of a version, newest first."""
    session.out.page(
        session.client.checks.list(ref),
        ("name", "state", "at", "by", "summary", "url"),
        lambda c: (c.name, c.state, c.at, c.by, c.summary, c.url),
        empty="Nothing has been reported yet.",
    )
