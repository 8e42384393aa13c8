"""Tags, owners and licence."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import ClassVar

from modelyard.registry.promotion.gates.base import Names, RuleBase, failed, passed, unknown
from modelyard.registry.promotion.rules import Evidence, Finding


class TagsRule(RuleBase, frozen=True, kw_only=True):
    """`tags: {require: [team, risk-class=low]}`: the version or its model has these tags."""

    kind: ClassVar[str] = "tags"
    needs: ClassVar[frozenset[str]] = frozenset({"tags"})
    stricter: ClassVar[dict[str, str]] = {"require": "all of"}

    require: Names

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        return None if self.require else "it names no tag"

    def find(self, evidence: Evidence) -> Finding:
        needed = f"tags {', '.join(self.require)}"
        missing = []
        for wanted in self.require:
            key, equals, value = wanted.partition("=")
            if key not in evidence.tags or (equals and evidence.tags[key] != value):
                missing.append(wanted)
        if not missing:
            return passed("all there", needed)
        first = missing[0] if "=" in missing[0] else f"{missing[0]}=VALUE"
        return failed(
            f"missing: {', '.join(missing)}",
            needed,
            who="the person who may edit the version",
            fix=shlex.join(["modelyard", "tag", "set", evidence.reference, first]),
            may_change=True,
        )


class OwnerRule(RuleBase, frozen=True, kw_only=True):
    """`owner: {}`: the model names at least one owner."""

    kind: ClassVar[str] = "owner"
    needs: ClassVar[frozenset[str]] = frozenset({"tags"})

    def find(self, evidence: Evidence) -> Finding:
        needed = "the model has an owner"
        if evidence.owners:
            return passed(", ".join(evidence.owners)[:200], needed)
        return failed(
            "no owner",
            needed,
            who="the person who may edit the model",
            fix=f"modelyard edit {evidence.model} --owner NAME",
            may_change=True,
        )


class LicenceRule(RuleBase, frozen=True, kw_only=True):
    """`licence: {allow: [Apache-2.0, MIT]}`: the licence named by the card or the files is one of these."""

    kind: ClassVar[str] = "licence"
    needs: ClassVar[frozenset[str]] = frozenset({"card"})
    stricter: ClassVar[dict[str, str]] = {"allow": "one of"}

    allow: Names

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        return None if self.allow else "it does not allow any licence"

    def find(self, evidence: Evidence) -> Finding:
        needed = f"licence {' or '.join(self.allow)}"
        who = "the person who writes the model card: license: in its front matter"
        fix = f"modelyard card edit {evidence.reference}"
        if not evidence.licence:
            return unknown("no licence was found in the files", needed, who=who, fix=fix)
        if evidence.licence.casefold() in {name.casefold() for name in self.allow}:
            return passed(evidence.licence, needed)
        return failed(evidence.licence, needed, who=who, fix=fix)
