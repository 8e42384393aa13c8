"""Checks: named results that CI, scanners or people report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelyard.domain.errors import Invalid
from modelyard.sdk.session import Feature
from modelyard.wire import checks as wire

MAX_REPORT_BYTES = 64 * 1024 * 1024


class Checks(Feature):
    """`client.checks`: named results that CI, scanners or people report."""

    def report(
        self,
        ref: str,
        name: str,
        state: str,
        *,
        url: str = "",
        summary: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> Sequence[wire.Check]:
        """Report the result of a check by a test, a scanner or a person.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            name: Name of the check.
            state: `pass`, `fail`, `error` or `pending`.
            url: Address of the details; empty: none.
            summary: One line for people.
            details: Additional values, for example counts.

        Returns:
            All checks of the version, newest first.

        Raises:
            VersionDeleted: The version was deleted.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.checks.report("fraud/scorer:12", "bias", "pass", summary="no gap above 1%")[0].state
            'pass'
        """
        body = wire.ReportCheck(name=name, state=state, url=url, summary=summary, details=dict(details or {}))
        return self._post(self._version(ref, "checks"), wire.CheckList, body).items

    def report_junit(self, ref: str, name: str, path: str | Path, *, url: str = "") -> Sequence[wire.Check]:
        """Report the result in a JUnit XML file: `pass` when tests ran and none failed, `error` when none ran.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            name: Name of the check.
            path: The JUnit XML file.
            url: Address of the details; empty: none.

        Returns:
            All checks of the version, newest first.

        Raises:
            Invalid: The file is not a JUnit XML file.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.checks.report_junit("fraud/scorer:12", "tests", "junit.xml")[0].summary
            '12 passed, 0 failed, 1 skipped'
        """
        state, summary, details = read_junit(Path(path))
        return self.report(ref, name, state, url=url, summary=summary, details=details)

    def list(self, ref: str) -> Sequence[wire.Check]:
        """Return the checks of a version, newest first. The first one of each name counts.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The checks.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> {check.name: check.state for check in client.checks.list("fraud/scorer:12")}
            {'tests': 'pass', 'bias': 'pass'}
        """
        return self._get(self._version(ref, "checks"), wire.CheckList).items


def read_junit(path: Path) -> tuple[str, str, dict[str, Any]]:
    """Return (state, summary, details) of a JUnit XML file. Raises Invalid for anything else."""
    from xml.etree import ElementTree

    raw = path.read_bytes()
    if len(raw) > MAX_REPORT_BYTES or b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise Invalid(reason=f"{path} is too large or declares entities", fix="Send a plain JUnit XML file")
    try:
        root = ElementTree.fromstring(raw)  # noqa: S314 - no entities, checked above
    except ElementTree.ParseError as exc:
        raise Invalid(
            reason=f"{path} is not XML: {exc}", fix="Name the JUnit XML file of the test run"
        ) from exc
    if root.tag not in ("testsuites", "testsuite"):
        raise Invalid(reason=f"{path} begins with <{root.tag}>, not <testsuites>", fix="Name a JUnit XML file")
    cases = list(root.iter("testcase"))
    bad: dict[str, list[str]] = {"failure": [], "error": []}
    skipped = 0
    for case in cases:
        name = ".".join(part for part in (case.get("classname"), case.get("name")) if part)
        for kind in bad:
            if case.find(kind) is not None:
                bad[kind].append(name)
        skipped += case.find("skipped") is not None
    failed, broken = len(bad["failure"]), len(bad["error"])
    ran = len(cases) - skipped
    details: dict[str, Any] = {"tests": len(cases), "failures": failed, "errors": broken, "skipped": skipped}
    details |= {"failed": [*bad["failure"], *bad["error"]][:100]}
    if ran == 0:
        return "error", "no test ran", details
    summary = f"{ran - failed - broken} passed, {failed + broken} failed, {skipped} skipped"
    first = [*bad["failure"], *bad["error"]][:1]
    return (
        ("fail" if failed or broken else "pass"),
        summary + (f"; first: {first[0]}" if first else ""),
        details,
    )
