"""The gate has not been weakened recently, so others had time to notice."""

from __future__ import annotations

from typing import ClassVar

from modelyard.registry.promotion.gates.base import Duration, RuleBase, failed, passed, unknown
from modelyard.registry.promotion.rules import Evidence, Finding, duration, duration_text


class StoodForRule(RuleBase, frozen=True, kw_only=True):
    """`policy_stood_for: {at_least: 7d}`: this gate was not weakened within that time.

    A change that only makes the gate stricter does not count. A new policy does not count as weakened.
    """

    kind: ClassVar[str] = "policy_stood_for"
    stricter: ClassVar[dict[str, str]] = {"at_least": "longer"}

    at_least: Duration

    def label(self) -> str:
        return "policy-stood-for"

    def find(self, evidence: Evidence) -> Finding:
        needed = f"the gate was not weakened for {self.at_least}"
        age = evidence.policy
        if age is None:
            return unknown("the policy's history is not known", needed, who="the person who runs the server")
        if age.weakened_at is None:
            return passed("never weakened", needed)
        ago = evidence.now - age.weakened_at
        said = f"weakened by {age.weakened_by} {duration_text(ago)} ago: {'; '.join(age.weaker)}"[:300]
        if ago >= duration(self.at_least):
            return passed(said, needed)
        return failed(
            said,
            needed,
            who="time",
            fix=f"modelyard promote {evidence.reference} {evidence.stage}",
            may_change=True,
        )
