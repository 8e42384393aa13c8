"""From what was found in files to what holds for a version. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from modelyard.domain.scanning.verdicts import CODE_KINDS, HELD, FileScan, Verdict, worst
from modelyard.domain.secrets import Secret
from modelyard.registry.scan.nouns import Release

PENDING = "pending"
"""Besides the verdicts, of a version: not all of its files were looked into yet."""

HELD_STATES = frozenset(verdict.value for verdict in HELD)
CLEAN_STATES = frozenset({Verdict.NO_CODE.value, Verdict.ALLOWLISTED.value})


_TEMPLATES = (".jinja", ".jinja2", ".j2")


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """scan None: not looked into yet."""

    path: str
    scan: FileScan | None
    secrets: tuple[Secret, ...] = ()

    @property
    def state(self) -> str:
        return PENDING if self.scan is None else self.scan.verdict.value

    @property
    def code_kinds(self) -> list[str]:
        """Kinds of code in it that the scan does not look for.

        A template that is a file of its own is known by its name, as those who load it know it.
        """
        kinds = set() if self.scan is None else set(self.scan.kinds)
        if self.path.lower().endswith(_TEMPLATES):
            kinds.add("chat_template")
        return [kind for kind in CODE_KINDS if kind in kinds]


@dataclass(frozen=True, slots=True)
class ScannedFiles:
    files: tuple[ScannedFile, ...] = field(default=())

    @property
    def state(self) -> str:
        """A verdict, or PENDING."""
        if any(file.scan is None for file in self.files):
            return PENDING
        return worst(file.scan.verdict for file in self.files if file.scan is not None).value

    @property
    def unknown(self) -> list[str]:
        return sorted({name for file in self.files if file.scan is not None for name in file.scan.unknown})

    @property
    def worst_reason(self) -> str:
        """The first of the gravest findings, in words; '' when nothing was found."""
        findings = [finding for file in self.files if file.scan is not None for finding in file.scan.findings]
        gravest = worst(finding.verdict for finding in findings)
        return next((f"{f.name}: {f.why}" if f.name else f.why for f in findings if f.verdict is gravest), "")

    def state_with(self, trusted: Collection[str]) -> str:
        """As `state`, with these unknown globals taken as allowed."""
        state = self.state
        if state != Verdict.UNKNOWN.value or not self.is_unknown_by_name_alone:
            return state
        return Verdict.ALLOWLISTED.value if set(self.unknown) <= set(trusted) else state

    @property
    def is_unknown_by_name_alone(self) -> bool:
        """Whether trust in all of `unknown` would leave nothing unknown: each unknown finding has a name, and none
        was left out because there were too many."""
        scans = [file.scan for file in self.files if file.scan is not None]
        return not any(scan.more_findings for scan in scans) and all(
            finding.name for scan in scans for finding in scan.findings if finding.verdict is Verdict.UNKNOWN
        )


def release_covers(released: Release | None, state: str) -> bool:
    """Whether a release from the quarantine holds for a verdict: it was given in sight of one as bad.

    released: None: there was no release.
    """
    if released is None:
        return False
    seen = Verdict(released.verdict)
    return worst([seen, Verdict(state)]) is seen


def read_file(path: str, scan: str | None) -> ScannedFile:
    """From what the blob's row keeps. scan: JSON, '' for a file with nothing to look into, None: not read."""
    if scan is None:
        return ScannedFile(path, None)
    value: dict[str, Any] = json.loads(scan) if scan else {}
    found = FileScan.from_json(value["scan"]) if "scan" in value else FileScan()
    secrets = tuple(Secret(line, kind) for line, kind in value.get("secrets", ()))
    return ScannedFile(path, found, secrets)


def read_files(rows: Iterable[tuple[str, str | None]]) -> ScannedFiles:
    """rows: (path, scan)."""
    return ScannedFiles(tuple(read_file(*row) for row in rows))


def scan_text(scan: FileScan | None, secrets: Iterable[Secret]) -> str:
    """What the blob's row keeps; '' when there is nothing to tell."""
    value: dict[str, Any] = {}
    if scan is not None:
        value["scan"] = scan.to_json()
    if found := [[secret.line, secret.kind] for secret in secrets]:
        value["secrets"] = found
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else ""
