"""Verdicts on files, and the findings behind them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelyard.domain.formats.facts import clean_text

RULES_VERSION = 2
"""Version of the rules, which is stored with each verdict."""

MAX_FINDINGS = 100
MAX_UNKNOWN = 200


CODE_KINDS = ("chat_template", "savedmodel", "torchscript")
"""Kinds of code that the scan names and does not look for; the verdict does not depend on them."""


class Verdict(enum.StrEnum):
    """Verdicts in order, the worst last."""

    NO_CODE = "no_code"
    """Loading it would run no code."""
    ALLOWLISTED = "allowlisted"
    UNKNOWN = "unknown"
    """It names unknown code, which a maintainer can trust."""
    NOT_SCANNED = "not_scanned"
    """It could not be scanned, which does not count as clean."""
    DANGEROUS = "dangerous"


_ORDER = {verdict: rank for rank, verdict in enumerate(Verdict)}
HELD = frozenset({Verdict.UNKNOWN, Verdict.NOT_SCANNED, Verdict.DANGEROUS})
"""Verdicts that put a version into quarantine, unless its namespace trusts or serves unknown code."""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict; NO_CODE if there are none."""
    return max(verdicts, key=_ORDER.__getitem__, default=Verdict.NO_CODE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason for a verdict.

    inside: the path through containers ('' for the file itself); offset: byte of the opcode there.
    """

    verdict: Verdict
    why: str
    inside: str = ""
    offset: int | None = None
    opcode: str | None = None
    name: str | None = None
    """The global, `module.name`."""

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"verdict": self.verdict.value, "why": clean_text(self.why)}
        if self.inside:
            found["inside"] = clean_text(self.inside)
        for key in ("offset", "opcode", "name"):
            value = getattr(self, key)
            if value is not None:
                found[key] = clean_text(value) if isinstance(value, str) else value
        return found

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Finding:
        return cls(
            Verdict(value["verdict"]),
            value["why"],
            value.get("inside", ""),
            value.get("offset"),
            value.get("opcode"),
            value.get("name"),
        )


@dataclass
class FileScan:
    """The verdict on one file's bytes. kinds: what was found in it (pickle, zip, npy, …)."""

    findings: list[Finding] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    allowed: int = 0
    """Number of different globals in it that are on the allow-list."""
    more_findings: bool = False

    @property
    def verdict(self) -> Verdict:
        found = [finding.verdict for finding in self.findings]
        return worst([*found, Verdict.ALLOWLISTED] if self.allowed or "pickle" in self.kinds else found)

    @property
    def unknown(self) -> list[str]:
        """Return the globals that a maintainer could trust."""
        return sorted({f.name for f in self.findings if f.verdict is Verdict.UNKNOWN and f.name})

    def note(self, finding: Finding) -> None:
        """Keep a finding; if there are too many, the worst ones."""
        if finding in self.findings:
            return
        if len(self.findings) >= MAX_FINDINGS + MAX_UNKNOWN:
            self.more_findings = True
            least = min(range(len(self.findings)), key=lambda i: _ORDER[self.findings[i].verdict])
            if _ORDER[self.findings[least].verdict] >= _ORDER[finding.verdict]:
                return
            del self.findings[least]
        self.findings.append(finding)

    def note_kind(self, kind: str) -> None:
        if kind not in self.kinds:
            self.kinds.append(kind)

    def to_json(self) -> dict[str, Any]:
        ordered = sorted(self.findings, key=lambda f: -_ORDER[f.verdict])
        found: dict[str, Any] = {
            "verdict": self.verdict.value,
            "rules": RULES_VERSION,
            "kinds": self.kinds[:50],
            "allowed": self.allowed,
            "findings": [f.to_json() for f in ordered],
        }
        if self.more_findings:
            found["more_findings"] = True
        return found

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> FileScan:
        return cls(
            [Finding.from_json(f) for f in value["findings"]],
            list(value["kinds"]),
            value["allowed"],
            value.get("more_findings", False),
        )


def not_scanned(why: str) -> FileScan:
    """Return the result for a file that could not be scanned at all."""
    return FileScan([Finding(Verdict.NOT_SCANNED, why)])
