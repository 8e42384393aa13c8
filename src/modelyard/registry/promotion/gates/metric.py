"""A metric stays within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from modelyard.domain.metric_names import MetricName, is_training
from modelyard.domain.metric_schemas import outside_range
from modelyard.domain.texts import nearest
from modelyard.registry.promotion.gates.base import (
    Name,
    ReportedRule,
    evaluation_command,
    failed,
    find_metric,
    measured_text,
    passed,
    reporter_text,
    unknown,
    where_text,
)
from modelyard.registry.promotion.rules import Evidence, Finding, number_text


class MetricRule(ReportedRule, frozen=True, kw_only=True):
    """`metric: {name: f1, min: 0.7}`: a measured value is at least `min` and at most `max`.

    split, dataset: only a value measured there counts; if omitted, any except one on the training split. by: only
    values from these accounts (or `group:NAME`) count. reported_by: with `others`, values from the version's author
    do not count; those in the record are the author's.
    """

    kind: ClassVar[str] = "metric"
    needs: ClassVar[frozenset[str]] = frozenset({"metrics"})
    stricter: ClassVar[dict[str, str]] = {**ReportedRule.stricter, "min": "more", "max": "less"}

    name: Name
    min: float | None = None
    max: float | None = None
    split: Name | None = None
    dataset: Name | None = None

    def label(self) -> str:
        return f"metric-{self.name}"

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        if self.min is None and self.max is None:
            return "it has neither min nor max"
        if self.min is not None and self.max is not None and self.min > self.max:
            return f"min {self.min:g} is above max {self.max:g}"
        for bound in (self.min, self.max):
            if bound is not None and (valid := outside_range(MetricName.parse(self.name).name, bound)):
                return f"{bound:g} lies outside the range of {self.name} ({valid})"
        return None

    def find(self, evidence: Evidence) -> Finding:
        where = where_text(self.split, self.dataset)
        bounds = [
            f">= {self.min:g}" if self.min is not None else "",
            f"<= {self.max:g}" if self.max is not None else "",
        ]
        needed = f"{self.name}{where} {' and '.join(b for b in bounds if b)}"
        if self.reported_by == "others":
            needed += f", reported by {self.reporters()}"
        found = find_metric(
            evidence.metrics, self.name, self.split, self.dataset, partial(self.counts, evidence)
        )
        who = self.reporters() or "the person who evaluates the version"
        fix = evaluation_command(evidence, self.name, self.split, self.dataset)
        if found is None:
            other = find_metric(evidence.metrics, self.name, self.split, self.dataset, lambda _: True)
            if other is not None:
                said = f"{measured_text(other)} = {other.value}{reporter_text(evidence, other)}, whose reports do not count"
            else:
                hint = nearest(self.name, (m.name for m in evidence.metrics if m.name != self.name))
                said = f"{self.name}{where} was not measured{hint}{self._on_training_rows(evidence)}"
            return unknown(said, needed, who=who, fix=fix, may_change=True)
        if found.value is None:
            return failed(f"{measured_text(found)} is not a finite number", needed, who=who, fix=fix)
        measured = f"{measured_text(found)} = {number_text(found.value)}{reporter_text(evidence, found)}"
        if valid := outside_range(found.name, found.value):
            return failed(f"{measured}, which is not possible ({valid})", needed, who=who, fix=fix)
        too_low = self.min is not None and found.value < self.min
        too_high = self.max is not None and found.value > self.max
        if too_low or too_high:
            fix = f"modelyard push FOLDER {evidence.model}"
            return failed(measured, needed, who="the person who trains the model: a better version", fix=fix)
        return passed(measured, needed)

    def _on_training_rows(self, evidence: Evidence) -> str:
        name = MetricName.parse(self.name).name
        if self.split is None and any(m.name == name and is_training(m.split) for m in evidence.metrics):
            return "; on training rows it was, which does not count unless the rule names that split"
        return ""
