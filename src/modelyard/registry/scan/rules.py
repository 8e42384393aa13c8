"""From what was found in files to what holds for a version. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from modelyard.domain.scanning.verdicts import CODE_KINDS, HELD, FileScan, Verdict, worst
from modelyard.domain.secrets import Secret

PENDING = "pending"
"""Beside the verdicts, of a version: not all of its files were looked into yet."""

HELD_STATES = frozenset(verdict.value for verdict in HELD)
CLEAN_STATES = frozenset({Verdict.NO_CODE.value, Verdict.ALLOWLISTED.value})


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
        """Kinds of code in it that the scan does not look for."""
        return [kind for kind in CODE_KINDS if self.scan is not None and kind in self.scan.kinds]


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

    def state_with(self, trusted: Collection[str]) -> str:
        """As `state`, with these unknown globals taken as allowed."""
        state = self.state
        if state != Verdict.UNKNOWN.value:
            return state
        is_known = all(
            finding.name in trusted
            for file in self.files
            if file.scan is not None
            for finding in file.scan.findings
            if finding.verdict is Verdict.UNKNOWN
        )
        return Verdict.ALLOWLISTED.value if is_known else state


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
