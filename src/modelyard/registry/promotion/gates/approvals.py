"""Votes of people other than those whose work it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import msgspec

from modelyard.registry.promotion.gates.base import Count, Duration, Name, Names, RuleBase, failed, passed
from modelyard.registry.promotion.rules import Evidence, Finding, duration


class ApprovalsRule(RuleBase, frozen=True, kw_only=True):
    """`approvals: {group: risk, count: 1}`: this many different members approve this promotion.

    group: left out, anyone who may vote here counts. not: whose votes do not count. expire: older votes do not
    count. An account counts as the one that made it, and the person who registered the same files, here or elsewhere, as an
    author. A vote is bound to the version's digests and to the policy; when either changes it counts no more.
    """

    kind: ClassVar[str] = "approvals"
    needs: ClassVar[frozenset[str]] = frozenset({"votes"})
    stricter: ClassVar[dict[str, str]] = {
        "count": "more",
        "expire": "shorter",
        "not": "all of",
        "also_exclude": "all of",
    }

    count: Count = 1
    group: Name | None = None
    exclude: list[Literal["author", "requester"]] = msgspec.field(
        name="not", default_factory=lambda: ["author", "requester"]
    )
    also_exclude: Names = []
    expire: Duration = "14d"

    def label(self) -> str:
        return f"approvals-{self.group}" if self.group else "approvals"

    def groups(self) -> Iterable[str]:
        return (self.group,) if self.group else ()

    def find(self, evidence: Evidence) -> Finding:
        barred = set(self.also_exclude)
        if "author" in self.exclude:
            barred.update(evidence.authors)
        if "requester" in self.exclude:
            barred.add(evidence.requester)
        members = evidence.members.get(self.group, ()) if self.group else None
        counted: list[str] = []
        passed_over: list[str] = []
        for vote in evidence.votes:
            if not vote.approves or vote.by in counted:
                continue
            same = evidence.same_people.get(vote.by, ())
            if other := next((name for name in same if name in barred or name in counted), None):
                passed_over.append(f"{vote.by} (the same person as {other}: one made the other's account)")
            elif vote.by in barred:
                passed_over.append(f"{vote.by} ({'/'.join(self.exclude) or 'excluded'})")
            elif evidence.now - vote.at > duration(self.expire):
                passed_over.append(f"{vote.by} (expired)")
            elif members is None or vote.by in members:
                counted.append(vote.by)
        of = f" from group {self.group}" if self.group else ""
        needed = f"{self.count} approval{'s' if self.count > 1 else ''}{of}, not by {' or '.join(self.exclude) or 'the excluded'}"
        said = f"{len(counted)} of {self.count}"
        if counted:
            said += f": {', '.join(sorted(counted))}"
        if passed_over:
            said += f"; not counted: {', '.join(passed_over)}"
        if len(counted) >= self.count:
            return passed(said, needed)
        who = f"a member of group {self.group}" if self.group else "the person who may vote"
        if members is not None:
            could = [name for name in members if name not in barred and name not in counted]
            who = (
                f"{who}: {', '.join(could[:5])}"
                if could
                else f"no one: no member of group {self.group} may vote yet"
            )
        fix = f"modelyard promote {evidence.reference} {evidence.stage} --request"
        if evidence.promotion is not None:
            fix = f"modelyard approve {evidence.promotion}"
        return failed(said, needed, who=who, fix=fix, may_change=True)
