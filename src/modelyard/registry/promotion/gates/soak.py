"""The version spent enough time in an earlier stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from modelyard.registry.promotion.gates.base import Duration, Name, RuleBase, failed, passed
from modelyard.registry.promotion.rules import Evidence, Finding, duration, duration_text


class SoakRule(RuleBase, frozen=True, kw_only=True):
    """`soak: {stage: staging, at_least: 24h}`: its latest stay in that stage lasted at least this long."""

    kind: ClassVar[str] = "soak"
    needs: ClassVar[frozenset[str]] = frozenset({"stays"})
    stricter: ClassVar[dict[str, str]] = {"at_least": "longer"}

    stage: Name
    at_least: Duration

    def label(self) -> str:
        return f"soak-{self.stage}"

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        if self.stage not in stages:
            return f"there is no stage {self.stage!r}; the stages are {', '.join(stages)}"
        if self.stage == to:
            return f"a version cannot have been in {to} before it enters {to}"
        return None

    def find(self, evidence: Evidence) -> Finding:
        needed = f"at least {self.at_least} in {self.stage}"
        stay = next((s for s in evidence.stays if s.stage == self.stage), None)
        if stay is None:
            return failed(
                f"was never in {self.stage}",
                needed,
                who="the person who may promote",
                fix=f"modelyard promote {evidence.reference} {self.stage}",
                may_change=True,
            )
        lasted = (stay.until or evidence.now) - stay.since
        if lasted >= duration(self.at_least):
            return passed(f"{duration_text(lasted)} in {self.stage}", needed)
        if stay.until is not None:
            return failed(
                f"left {self.stage} after {duration_text(lasted)}",
                needed,
                who="the person who may promote",
                fix=f"modelyard promote {evidence.reference} {self.stage}",
                may_change=True,
            )
        left = duration_text(duration(self.at_least) - lasted)
        return failed(
            f"{duration_text(lasted)} in {self.stage}, {left} to go",
            needed,
            who="time",
            fix=f"modelyard promote {evidence.reference} {evidence.stage} --wait {self.at_least}",
            may_change=True,
        )
