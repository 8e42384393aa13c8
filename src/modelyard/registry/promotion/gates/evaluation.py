"""The version was evaluated on a named dataset split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from modelyard.registry.promotion.gates.base import (
    Name,
    Names,
    RuleBase,
    evaluation_command,
    passed,
    unknown,
    where_text,
)
from modelyard.registry.promotion.rules import Evidence, Finding


class EvaluationRule(RuleBase, frozen=True, kw_only=True):
    """`evaluation: {split: test, dataset: holdout-2026q3}`: finite metrics measured there are present.

    metrics: these ones; left out: any one.
    """

    kind: ClassVar[str] = "evaluation"
    needs: ClassVar[frozenset[str]] = frozenset({"metrics"})

    split: Name | None = None
    dataset: Name | None = None
    metrics: Names = []

    def label(self) -> str:
        return "-".join(["evaluation", *(p for p in (self.dataset, self.split) if p)])

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        return None if self.split or self.dataset else "it names neither a split nor a dataset"

    def find(self, evidence: Evidence) -> Finding:
        where = where_text(self.split, self.dataset)
        present = {
            m.name
            for m in evidence.metrics
            if m.value is not None
            and (self.split is None or m.split == self.split)
            and (self.dataset is None or m.dataset == self.dataset)
        }
        wanted = ", ".join(self.metrics) or "any metric"
        needed = f"evaluated{where}: {wanted}"
        missing = [name for name in self.metrics if name not in present]
        if present and not missing:
            return passed(f"measured{where}: {', '.join(sorted(present))[:200]}", needed)
        first = missing[0] if missing else "METRIC"
        said = f"not measured{where}: {', '.join(missing)}" if missing else f"no metric was measured{where}"
        fix = evaluation_command(evidence, first, self.split, self.dataset)
        return unknown(said, needed, who="whoever evaluates the version", fix=fix, may_change=True)
