"""Approvals by people other than the authors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import msgspec
from msgspec.structs import replace

from modelyard.registry.promotion.gates.base import Count, Duration, Name, Names, RuleBase, failed, passed
from modelyard.registry.promotion.rules import Evidence, Finding, duration


class ApprovalsRule(RuleBase, frozen=True, kw_only=True):
    """`approvals: {group: risk, count: 1}`: this many different members approve this promotion.

    group: if omitted, everyone who may vote here counts. not: people whose votes do not count. expire: older votes do
    not count. An account counts as its maker's, and everybody who registered the same files, here or elsewhere, counts
    as an author. A vote is bound to the version's digests and to the policy; if either changes, it no longer counts.
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
        passed_over: dict[str, str] = {}
        for vote in evidence.votes:
            if not vote.approves or vote.by in counted:
                continue
            same = evidence.same_people.get(vote.by, ())
            if other := next((name for name in same if name in barred or name in counted), None):
                passed_over[vote.by] = f"the same person as {other}: one made the other's account"
            elif vote.by in barred:
                passed_over[vote.by] = self._barred_as(vote.by, evidence)
            elif evidence.now - vote.at > duration(self.expire):
                passed_over[vote.by] = "expired"
            elif members is None or vote.by in members:
                counted.append(vote.by)
            else:
                passed_over[vote.by] = f"not in group {self.group}"
        passed_over = {name: why for name, why in passed_over.items() if name not in counted}
        of = f" from group {self.group}" if self.group else ""
        needed = f"{self.count} approval{'s' if self.count > 1 else ''}{of}, not by {' or '.join(self.exclude) or 'the excluded'}"
        said = f"{len(counted)} of {self.count}"
        if counted:
            said += f": {', '.join(sorted(counted))}"
        if passed_over:
            said += f"; not counted: {', '.join(f'{name} ({why})' for name, why in passed_over.items())}"
        if len(counted) >= self.count:
            return replace(passed(said, needed), counted=counted, not_counted=passed_over)
        who = f"a member of group {self.group}" if self.group else "the person who may vote"
        if members is not None:
            could = [name for name in members if name not in barred and name not in counted]
            who = (
                f"{who}: {', '.join(could[:5])}"
                if could
                else f"no one yet: no member of group {self.group} may vote"
            )
        fix = f"modelyard promote {evidence.reference} {evidence.stage} --request"
        if evidence.promotion is not None:
            fix = f"modelyard approve {evidence.promotion}"
        found = failed(said, needed, who=who, fix=fix, may_change=True)
        return replace(found, counted=counted, not_counted=passed_over)

    def _barred_as(self, name: str, evidence: Evidence) -> str:
        if "author" in self.exclude and name in evidence.authors:
            return "the author of the version"
        if "requester" in self.exclude and name == evidence.requester:
            return "the account that asked for the promotion"
        return "excluded by the policy"
