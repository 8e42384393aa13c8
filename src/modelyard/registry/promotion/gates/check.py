"""A result reported from outside: CI, a scanner, a human."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from modelyard.registry.promotion.gates.base import (
    Duration,
    Name,
    Names,
    RuleBase,
    check_command,
    failed,
    groups_in,
    latest_check,
    passed,
    reporters_text,
    unknown,
)
from modelyard.registry.promotion.rules import Evidence, Finding, duration, duration_text


class CheckRule(RuleBase, frozen=True, kw_only=True):
    """`check: {name: unit-tests, max_age: 7d}`: the newest report of that name says pass.

    by: only reports from these accounts (or `group:NAME`) count. max_age: an older report does not count.
    """

    kind: ClassVar[str] = "check"
    needs: ClassVar[frozenset[str]] = frozenset({"checks"})

    name: Name
    by: Names = []
    max_age: Duration | None = None

    def label(self) -> str:
        return f"check-{self.name}"

    def groups(self) -> Iterable[str]:
        return groups_in(self.by)

    def find(self, evidence: Evidence) -> Finding:
        return find_check(evidence, self.name, self.by, self.max_age, f"check {self.name} reports pass")


def find_check(evidence: Evidence, name: str, by: list[str], max_age: str | None, needed: str) -> Finding:
    if by:
        needed = f"{needed}, from {' or '.join(by)}"
    if max_age:
        needed = f"{needed}, not older than {max_age}"
    more = {"who": reporters_text(by), "fix": check_command(evidence, name), "may_change": True}
    check = latest_check(evidence, name, by)
    if check is None:
        other = next((c for c in evidence.checks if c.name == name), None)
        said = f"only {other.by} reported it, who does not count" if other else "not reported"
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
