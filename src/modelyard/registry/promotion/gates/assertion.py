"""A CEL expression over the evidence, for conditions that no other rule can express."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec

from modelyard.registry.promotion.cel_limits import MAX_LENGTH, limit_problem
from modelyard.registry.promotion.gates.base import RuleBase, failed, passed, unknown
from modelyard.registry.promotion.rules import Evidence, Finding


class AssertRule(RuleBase, frozen=True, kw_only=True):
    """`assert: {expr: 'candidate.metrics.f1.value > 0.7', say: too low}`: the expression is true.

    It sees candidate (version, digest, author, size_bytes, framework, completeness, and metrics by name: `value`, or
    the value by split; a value on the training split only by that split), champion (null while the stage is empty; version, digest, metrics), checks (name → state),
    tags (key → value), facts (a list of the names of known facts), params (name → value), data
    (a list of objects with name, source, split and digest), card (heading → words), owners (a list),
    licence, task and completeness, but no times and no random numbers.
    """

    kind: ClassVar[str] = "assert"
    needs: ClassVar[frozenset[str]] = frozenset(
        {"metrics", "champion", "checks", "tags", "card", "record", "assertions"}
    )

    expr: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LENGTH)]
    say: str = ""

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        return limit_problem(self.expr)

    def find(self, evidence: Evidence) -> Finding:
        found = evidence.assertions.get(self.expr)
        needed = f"{self.expr[:200]}"
        if found is None:
            return unknown("the expression was not evaluated", needed, who="the person who runs the server")
        if found.value is None:
            return unknown(
                found.error,
                needed,
                who="the person who evaluates the version, or edits the policy",
                fix=f"modelyard policy show {evidence.model}",
            )
        if found.value:
            return passed("true", needed)
        said = f"false: {self.say}" if self.say else "false"
        return failed(
            said,
            needed,
            who="the person who trains the model",
            fix=f"modelyard show {evidence.reference} --facts",
        )
