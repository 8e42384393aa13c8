"""The files were scanned and found clean."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from modelyard.registry.promotion.gates.base import (
    Duration,
    ReportedRule,
    failed,
    passed,
    unknown,
)
from modelyard.registry.promotion.gates.check import find_check
from modelyard.registry.promotion.rules import Evidence, Finding, Outcome, Scanned

SCAN_CHECK = "scan"
CodeKind = Literal["chat_template", "savedmodel", "torchscript"]
_CLEAN = ("no_code", "allowlisted")
_WHO = "a maintainer of the namespace"


class ScanRule(ReportedRule, frozen=True, kw_only=True):
    """`scan: {}`: the intake scan found only code on the allow-list. A version that was not scanned is not clean.

    unknown: how many unknown globals may remain. secrets: how many texts that look like credentials may remain.
    refuse_kinds: kinds of code that the scan does not look for and that must not be present: chat_template,
    savedmodel, torchscript.
    max_age, by: in addition, your own scanner has reported the check `scan` as passed within this time, from one of
    these accounts; reported_by: with `others`, not from the version's author. Without them such a check counts too: if
    it fails, so does the rule.
    """

    kind: ClassVar[str] = "scan"
    needs: ClassVar[frozenset[str]] = frozenset({"checks", "scan"})
    stricter: ClassVar[dict[str, str]] = {
        **ReportedRule.stricter,
        "max_age": "shorter",
        "unknown": "less",
        "secrets": "less",
    }

    max_age: Duration | None = None
    unknown: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    secrets: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None
    refuse_kinds: list[CodeKind] = []

    def find(self, evidence: Evidence) -> Finding:
        wants_check = bool(self.reporters()) or self.max_age is not None
        reported = any(c.name == SCAN_CHECK for c in evidence.checks)
        check = None
        if wants_check or reported or evidence.scan is None:
            check = find_check(evidence, self, SCAN_CHECK, self.max_age, "scanned and found clean")
        if evidence.scan is None:
            # The evidence of a decision from before the registry scanned files itself.
            assert check is not None
            return check
        own = self._own(evidence, evidence.scan)
        if own.outcome is Outcome.PASS and check is not None and check.outcome is not Outcome.PASS:
            return check
        return own

    def _own(self, evidence: Evidence, scan: Scanned) -> Finding:
        needed = "scanned and found clean"
        if self.secrets is not None:
            needed += f", at most {self.secrets} texts that look like credentials"
        if self.refuse_kinds:
            needed += f", without {' and '.join(self.refuse_kinds)}"
        shown = f"modelyard scan show {evidence.reference}"
        if scan.verdict == "pending":
            return unknown("the scan is not finished", needed, who="the server", fix=shown, may_change=True)
        if scan.verdict == "not_scanned":
            return unknown("it could not be scanned completely", needed, who=_WHO, fix=shown)
        if scan.verdict == "unknown" and len(scan.unknown) > self.unknown:
            named = ", ".join(scan.unknown[:5])
            namespace = evidence.model.partition("/")[0]
            fix = f"modelyard scan trust {namespace} {scan.unknown[0]}"
            return failed(f"unknown code: {named}", needed, who=_WHO, fix=fix, may_change=True)
        if scan.verdict not in (*_CLEAN, "unknown"):
            said = f"{scan.verdict}, released by {scan.released_by}" if scan.released_by else scan.verdict
            return failed(said, needed, who="the person who pushes the model", fix=shown)
        if self.secrets is not None and scan.secrets > self.secrets:
            said = f"{scan.secrets} texts that look like credentials"
            return failed(said, needed, who="the person who pushes the model", fix=shown)
        if refused := [kind for kind in self.refuse_kinds if kind in scan.kinds]:
            named = ", ".join(refused)
            return failed(
                f"code that the scan does not look for: {named}",
                needed,
                who="the person who pushes the model",
                fix=shown,
            )
        return passed(scan.verdict, needed)
