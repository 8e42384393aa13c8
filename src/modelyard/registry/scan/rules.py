"""Derive the scan state of a version from the findings in its files. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from modelyard.domain.scanning.verdicts import CODE_KINDS, HELD, FileScan, Verdict, worst
from modelyard.domain.secrets import Secret
from modelyard.registry.scan.nouns import Release

PENDING = "pending"
"""An additional state of a version: not all of its files are scanned yet."""

HELD_STATES = frozenset(verdict.value for verdict in HELD)


_TEMPLATES = (".jinja", ".jinja2", ".j2")


class ScannedFile(msgspec.Struct, frozen=True):
    """A file and its scan. scan None: not scanned yet."""

    path: str
    scan: FileScan | None
    secrets: tuple[Secret, ...] = ()

    @property
    def state(self) -> str:
        return PENDING if self.scan is None else self.scan.verdict.value

    @property
    def code_kinds(self) -> list[str]:
        """Return the kinds of code in it that the scan does not look for.

        A template in a separate file is recognised by its name, as its loaders do.
        """
        kinds = set() if self.scan is None else set(self.scan.kinds)
        if self.path.lower().endswith(_TEMPLATES):
            kinds.add("chat_template")
        return [kind for kind in CODE_KINDS if kind in kinds]


class ScannedFiles(msgspec.Struct, frozen=True):
    files: tuple[ScannedFile, ...] = ()

    @property
    def state(self) -> str:
        """Return the worst verdict of the files, or PENDING."""
        if any(file.scan is None for file in self.files):
            return PENDING
        return worst(file.scan.verdict for file in self.files if file.scan is not None).value

    @property
    def unknown(self) -> list[str]:
        return sorted({name for file in self.files if file.scan is not None for name in file.scan.unknown})

    @property
    def worst_reason(self) -> str:
        """Return the first of the most serious findings, in words; '' if there is none."""
        findings = [finding for file in self.files if file.scan is not None for finding in file.scan.findings]
        gravest = worst(finding.verdict for finding in findings)
        return next((f"{f.name}: {f.why}" if f.name else f.why for f in findings if f.verdict is gravest), "")

    def state_with(self, trusted: Collection[str]) -> str:
        """Return the state with these unknown globals taken as allowed."""
        state = self.state
        if state != Verdict.UNKNOWN.value or not self.is_unknown_by_name_alone:
            return state
        return Verdict.ALLOWLISTED.value if set(self.unknown) <= set(trusted) else state

    @property
    def is_unknown_by_name_alone(self) -> bool:
        """Return whether trust in all of `unknown` would be enough: each unknown finding has a name, and none was omitted
        because there were too many."""
        scans = [file.scan for file in self.files if file.scan is not None]
        return not any(scan.more_findings for scan in scans) and all(
            finding.name for scan in scans for finding in scan.findings if finding.verdict is Verdict.UNKNOWN
        )


def release_covers(released: Release | None, state: str) -> bool:
    """Return whether a release from the quarantine covers a verdict: it was given for one at least as bad.

    released: None: there was no release.
    """
    if released is None:
        return False
    seen = Verdict(released.verdict)
    return worst([seen, Verdict(state)]) is seen


def read_file(path: str, scan: str | None) -> ScannedFile:
    """Parse the scan in the blob's row. scan: JSON, '' for a file without findings, None: not scanned."""
    return ScannedFile(path, *_read_scan(scan))


def read_files(rows: Iterable[tuple[str, str | None]]) -> ScannedFiles:
    """Parse the scans of several files. rows: (path, scan). Files with the same scan share what was parsed."""
    scans: dict[str | None, tuple[FileScan | None, tuple[Secret, ...]]] = {}
    files = []
    for path, scan in rows:
        if scan not in scans:
            scans[scan] = _read_scan(scan)
        files.append(ScannedFile(path, *scans[scan]))
    return ScannedFiles(tuple(files))


def _read_scan(scan: str | None) -> tuple[FileScan | None, tuple[Secret, ...]]:
    if scan is None:
        return None, ()
    value: dict[str, Any] = json.loads(scan) if scan else {}
    found = FileScan.from_json(value["scan"]) if "scan" in value else FileScan()
    return found, tuple(Secret(line, kind) for line, kind in value.get("secrets", ()))


def scan_text(scan: FileScan | None, secrets: Iterable[Secret]) -> str:
    """Return the text for the blob's row; '' if there are no findings."""
    value: dict[str, Any] = {}
    if scan is not None:
        value["scan"] = scan.to_json()
    if found := [[secret.line, secret.kind] for secret in secrets]:
        value["secrets"] = found
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else ""
