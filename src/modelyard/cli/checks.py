"""Checks from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from modelyard.cli.base import LazyGroup, Session, command, say

_HERE = "modelyard.cli.checks"


_PATH = click.Path(dir_okay=False, path_type=Path)


@click.group(
    "check",
    cls=LazyGroup,
    lazy={
        "report": (f"{_HERE}:report_check", "Report a check of a version."),
        "junit": (f"{_HERE}:report_junit", "Report what a JUnit XML file says."),
        "ls": (f"{_HERE}:list_checks", "List the checks of a version."),
    },
)
def check() -> None:
    """Report and list checks: named results from CI, scanners or people."""


@command(
    "report", example="modelyard check report fraud/scorer:12 unit-tests pass --url https://ci.example.org/7"
)
@click.argument("ref")
@click.argument("name")
@click.argument("state", type=click.Choice(["pass", "fail", "error", "pending"]))
@click.option("--url", default="", help="Where the details are.")
@click.option("--summary", default="", help="A line of words.")
def report_check(session: Session, ref: str, name: str, state: str, url: str, summary: str) -> None:
    """Report a check of a version; the newest report of a name counts."""
    found = session.client.checks.report(ref, name, state, url=url, summary=summary)
    say(session, found[0], f"{name}\t{state}")


@command("junit", example="modelyard check junit fraud/scorer:12 unit-tests report.xml")
@click.argument("ref")
@click.argument("name")
@click.argument("file", type=_PATH)
@click.option("--url", default="", help="Where the details are.")
def report_junit(session: Session, ref: str, name: str, file: Path, url: str) -> None:
    """Report what a JUnit XML file says: pass when tests ran and none failed, error when none ran."""
    found = session.client.checks.report_junit(ref, name, file, url=url)[0]
    say(session, found, f"{found.name}\t{found.state}\t{found.summary}")


@command("ls", example="modelyard check ls fraud/scorer:12")
@click.argument("ref")
def list_checks(session: Session, ref: str) -> None:
    """List the checks of a version, newest first."""
    session.out.page(
        session.client.checks.list(ref),
        ("name", "state", "at", "by", "summary", "url"),
        lambda c: (c.name, c.state, c.at, c.by, c.summary, c.url),
        empty="Nothing was reported yet.",
    )
