"""The files were scanned and found clean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from modelyard.registry.promotion.gates.base import Duration, Names, RuleBase, groups_in
from modelyard.registry.promotion.gates.check import find_check
from modelyard.registry.promotion.rules import Evidence, Finding

SCAN_CHECK = "scan"


class ScanRule(RuleBase, frozen=True, kw_only=True):
    """`scan: {max_age: 30d}`: the newest check named `scan` says pass. Not scanned is not clean."""

    kind: ClassVar[str] = "scan"
    needs: ClassVar[frozenset[str]] = frozenset({"checks"})

    by: Names = []
    max_age: Duration | None = None

    def groups(self) -> Iterable[str]:
        return groups_in(self.by)

    def find(self, evidence: Evidence) -> Finding:
        return find_check(evidence, SCAN_CHECK, self.by, self.max_age, "scanned and found clean")
