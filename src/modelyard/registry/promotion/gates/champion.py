"""Not worse than the version that is in the stage now."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, ClassVar, Literal

import msgspec

from modelyard.domain.metric_names import MetricName
from modelyard.domain.metric_schemas import HIGHER, LOWER, direction_of, outside_range
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
from modelyard.registry.promotion.rules import Evidence, Finding, MetricValue, number_text


class ChampionRule(ReportedRule, frozen=True, kw_only=True):
    """`champion: {metric: f1, tolerance: 0.005}`: not worse than the stage's present version by more than that.

    direction: higher or lower is better; if omitted, that of the known metric. min_gain: must be better by this much.
    when_empty: the result while the stage is empty. same_dataset: do not compare values from datasets with different
    names. by: only values from these accounts (or `group:NAME`) count. reported_by: with `others`, values from a
    version's author do not count.
    """

    kind: ClassVar[str] = "champion"
    needs: ClassVar[frozenset[str]] = frozenset({"metrics", "champion"})
    stricter: ClassVar[dict[str, str]] = {**ReportedRule.stricter, "tolerance": "less", "min_gain": "more"}

    metric: Name
    tolerance: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    min_gain: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    direction: Literal["higher", "lower"] | None = None
    split: Name | None = None
    dataset: Name | None = None
    same_dataset: bool = True
    when_empty: Literal["pass", "fail"] = "pass"

    def label(self) -> str:
        return f"champion-{self.metric}"

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        if self.tolerance and self.min_gain:
            return "tolerance and min_gain contradict each other; give one of them"
        known = direction_of(MetricName.parse(self.metric).name)
        if self.direction is None and known is None:
            return f"whether a higher or a lower {self.metric!r} is better is not known; set direction"
        if self.direction is not None and known is not None and self.direction != known:
            return f"direction is {self.direction}, but of {self.metric} {known} is better"
        return None

    def find(self, evidence: Evidence) -> Finding:
        where = where_text(self.split, self.dataset)
        sign = 1.0 if (self.direction or direction_of(MetricName.parse(self.metric).name)) == HIGHER else -1.0
        margin = f"better by {self.min_gain:g}" if self.min_gain else "not worse"
        slack = f" by more than {self.tolerance:g}" if self.tolerance else ""
        better = HIGHER if sign > 0 else LOWER
        needed = (
            f"{self.metric}{where} {margin}{slack} than the version in {evidence.stage} ({better} is better)"
        )
        champion = evidence.champion
        if champion is None:
            if self.when_empty == "pass":
                return passed(f"{evidence.stage} is empty", needed)
            return failed(f"{evidence.stage} is empty", needed, who="the person who may waive this rule")
        if champion.version == evidence.version:
            return passed(f"version {champion.version} itself is in {evidence.stage}", needed)
        by_others = partial(self.counts, evidence, authors=champion.authors)
        mine = find_metric(
            evidence.metrics, self.metric, self.split, self.dataset, partial(self.counts, evidence)
        )
        theirs = find_metric(champion.metrics, self.metric, self.split, self.dataset, by_others)
        who = self.reporters() or "the person who evaluates the versions"
        for number, value in ((evidence.version, mine), (champion.version, theirs)):
            if value is None or value.value is None:
                at = evidence if number == evidence.version else _other(evidence, number)
                fix = evaluation_command(at, self.metric, self.split, self.dataset)
                said = f"version {number} has no finite {self.metric}{where}{self._from()}"
                return unknown(said, needed, who=who, fix=fix, may_change=True)
        assert mine is not None
        assert theirs is not None
        assert mine.value is not None
        assert theirs.value is not None
        if self.same_dataset and mine.dataset != theirs.dataset and mine.dataset and theirs.dataset:
            said = f"measured on {mine.dataset}, version {champion.version} on {theirs.dataset}"
            fix = evaluation_command(evidence, self.metric, self.split, theirs.dataset)
            return unknown(said, needed, who=who, fix=fix, may_change=True)
        # Rounded, so that 0.895 is exactly 0.005 below 0.9, as people expect.
        gain = round(sign * (mine.value - theirs.value), 12)
        measured = (
            f"{measured_text(mine)} = {number_text(mine.value)}{reporter_text(evidence, mine)}; "
            f"version {champion.version} has {number_text(theirs.value)}{_elsewhere(mine, theirs)}"
            f"{reporter_text(evidence, theirs, champion.authors)} ({mine.value - theirs.value:+.6g})"
        )
        if valid := outside_range(mine.name, mine.value):
            return failed(f"{measured}; {self.metric} can only be {valid}", needed, who=who)
        if gain < (self.min_gain if self.min_gain else -self.tolerance):
            fix = f"modelyard push FOLDER {evidence.model}"
            return failed(measured, needed, who="the person who trains the model: a better version", fix=fix)
        return passed(measured, needed)

    def _from(self) -> str:
        return f" from {self.reporters()}" if self.reporters() else ""


def _elsewhere(mine: MetricValue, theirs: MetricValue) -> str:
    return (
        "" if (mine.split, mine.dataset) == (theirs.split, theirs.dataset) else f" of {measured_text(theirs)}"
    )


def _other(evidence: Evidence, number: int) -> Evidence:
    return msgspec.structs.replace(evidence, version=number)
