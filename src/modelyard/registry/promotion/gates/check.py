"""A result reported from outside: by CI, a scanner or a person."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from modelyard.registry.promotion.gates.base import (
    Duration,
    Name,
    ReportedRule,
    check_command,
    failed,
    latest_check,
    passed,
    unknown,
)
from modelyard.registry.promotion.rules import Evidence, Finding, duration, duration_text


class CheckRule(ReportedRule, frozen=True, kw_only=True):
    """`check: {name: unit-tests, max_age: 7d}`: the newest report with that name is pass.

    by: only reports from these accounts (or `group:NAME`) count. max_age: an older report does not count.
    reported_by: with `others`, reports by the version's author do not count.
    """

    kind: ClassVar[str] = "check"
    needs: ClassVar[frozenset[str]] = frozenset({"checks"})
    stricter: ClassVar[dict[str, str]] = {**ReportedRule.stricter, "max_age": "shorter"}

    name: Name
    max_age: Duration | None = None

    def label(self) -> str:
        return f"check-{self.name}"

    def find(self, evidence: Evidence) -> Finding:
        return find_check(evidence, self, self.name, self.max_age, f"check {self.name} reports pass")


def find_check(evidence: Evidence, rule: ReportedRule, name: str, max_age: str | None, needed: str) -> Finding:
    """Find the newest check with that name among those that the rule counts."""
    if rule.reporters():
        needed = f"{needed}, from {rule.reporters()}"
    if max_age:
        needed = f"{needed}, not older than {max_age}"
    more = {
        "who": rule.reporters() or "the person who may report checks",
        "fix": check_command(evidence, name),
        "may_change": True,
    }
    check = latest_check(evidence, name, partial(rule.counts, evidence))
    if check is None:
        other = next((c for c in evidence.checks if c.name == name), None)
        said = f"only {other.by} reported it, and that account does not count" if other else "not reported"
        return unknown(said, needed, **more)
    age = evidence.now - check.at
    said = f"{check.state}, reported by {check.by} {duration_text(age)} ago"
    if check.state == "pending":
        return unknown(said, needed, **more)
    if max_age and age > duration(max_age):
        return unknown(f"{said}: too old", needed, **more)
    if check.state != "pass":
        more["may_change"] = False
        return failed(f"{said}{': ' + check.summary if check.summary else ''}"[:300], needed, **more)
    return passed(said, needed)
