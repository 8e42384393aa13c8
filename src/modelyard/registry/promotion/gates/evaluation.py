"""The version was evaluated on a named dataset split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from modelyard.domain.metric_names import is_training
from modelyard.registry.promotion.gates.base import (
    Name,
    Names,
    ReportedRule,
    evaluation_command,
    passed,
    unknown,
    where_text,
)
from modelyard.registry.promotion.rules import Evidence, Finding


class EvaluationRule(ReportedRule, frozen=True, kw_only=True):
    """`evaluation: {split: test, dataset: holdout-2026q3}`: the version has finite metrics measured there.

    split: if omitted, any except the training split. metrics: all of these; if omitted, any one. by: only values from these accounts (or `group:NAME`) count.
    reported_by: with `others`, values from the version's author do not count.
    """

    kind: ClassVar[str] = "evaluation"
    needs: ClassVar[frozenset[str]] = frozenset({"metrics"})
    stricter: ClassVar[dict[str, str]] = {**ReportedRule.stricter, "metrics": "all of"}

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
            m.name: m.by
            for m in evidence.metrics
            if m.value is not None
            and self.counts(evidence, m.by)
            and (not is_training(m.split) if self.split is None else m.split == self.split)
            and (self.dataset is None or m.dataset == self.dataset)
        }
        wanted = ", ".join(self.metrics) or "any metric"
        needed = f"evaluated{where}: {wanted}"
        if self.reporters():
            needed += f", reported by {self.reporters()}"
        missing = [name for name in self.metrics if name not in present]
        if present and not missing:
            reporters = ", ".join(sorted({by for by in present.values() if by}))
            by = f"; reported by {reporters[:200]}" if reporters else ""
            return passed(f"measured{where}: {', '.join(sorted(present))[:200]}{by}", needed)
        first = missing[0] if missing else "METRIC"
        said = f"not measured{where}: {', '.join(missing)}" if missing else f"no metric was measured{where}"
        fix = evaluation_command(evidence, first, self.split, self.dataset)
        return unknown(
            said,
            needed,
            who=self.reporters() or "the person who evaluates the version",
            fix=fix,
            may_change=True,
        )
