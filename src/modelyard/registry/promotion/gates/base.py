"""The common parts of all built-in rules."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from modelyard.domain.metric_names import MetricName, is_training
from modelyard.registry.checks.nouns import REPRODUCED
from modelyard.registry.promotion.rules import (
    DURATION_PATTERN,
    CheckResult,
    Evidence,
    Finding,
    MetricValue,
    Outcome,
    names_in,
)

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=250)]
Names = Annotated[list[Name], msgspec.Meta(max_length=100)]
Duration = Annotated[str, msgspec.Meta(pattern=DURATION_PATTERN, description="like 30m, 24h, 14d")]
Count = Annotated[int, msgspec.Meta(ge=1, le=100)]


class RuleBase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule's parameters, as written in the policy file."""

    kind: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()
    stricter: ClassVar[dict[str, str]] = {}
    """Parameter → which way it asks for more: more, less, longer, shorter, "all of" (a longer list), "one of" (a
    shorter list of alternatives), others. Any other parameter has to stay the same."""

    def label(self) -> str:
        return self.kind

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        return None

    def groups(self) -> Iterable[str]:
        return ()

    def find(self, evidence: Evidence) -> Finding:
        raise NotImplementedError


class ReportedRule(RuleBase, frozen=True, kw_only=True):
    """A rule over values that accounts report.

    by: only reports from these accounts (or `group:NAME`) count. reported_by: with `others`, reports by the version's
    author do not count, nor those by an account of the same person.
    """

    stricter: ClassVar[dict[str, str]] = {"by": "one of", "reported_by": "others"}

    by: Names = []
    reported_by: Literal["anyone", "others"] = "anyone"

    def groups(self) -> Iterable[str]:
        return groups_in(self.by)

    def counts(self, evidence: Evidence, reporter: str, authors: Sequence[str] | None = None) -> bool:
        """Return whether a report by that account counts. authors: those of another version than the judged one."""
        if self.by and reporter not in names_in(self.by, evidence.members):
            return False
        return self.reported_by == "anyone" or not evidence.is_author(reporter, authors)

    def reporters(self) -> str:
        """Name the accounts whose reports count; "" if everybody's do."""
        named = " or ".join(self.by)
        if self.reported_by == "anyone":
            return named
        return f"{named}, not the author" if named else "somebody other than the author"


def passed(measured: str, needed: str) -> Finding:
    return Finding(outcome=Outcome.PASS, measured=measured, needed=needed)


def failed(measured: str, needed: str, **more: Any) -> Finding:
    return Finding(outcome=Outcome.FAIL, measured=measured, needed=needed, **more)


def unknown(measured: str, needed: str, **more: Any) -> Finding:
    return Finding(outcome=Outcome.UNKNOWN, measured=measured, needed=needed, **more)


def groups_in(subjects: Iterable[str]) -> list[str]:
    return [s.removeprefix("group:") for s in subjects if s.startswith("group:")]


def find_metric(
    metrics: Sequence[MetricValue],
    name: str,
    split: str | None,
    dataset: str | None,
    counts: Callable[[str], bool],
) -> MetricValue | None:
    """Return the newest value of that name, on that split and dataset, from accounts whose reports count.

    name: may have its split in it, as `test:f1`. dataset None: any; split None: any but the training split.
    """
    wanted = MetricName.parse(name)
    split = wanted.split or None if split is None else split
    dataset = wanted.dataset or None if dataset is None else dataset
    found = [
        m
        for m in metrics
        if m.name == wanted.name
        and (not is_training(m.split) if split is None else m.split == split)
        and (dataset is None or m.dataset == dataset)
        and counts(m.by)
    ]
    return max(found, key=lambda m: m.at, default=None)


def measured_text(value: MetricValue) -> str:
    """Return for example `f1 (split test, dataset holdout)`: the metric, and where it was measured if known."""
    return f"{value.name}{where_text(value.split, value.dataset)}"


def where_text(split: str | None, dataset: str | None) -> str:
    parts = [f"split {split}" if split else "", f"dataset {dataset}" if dataset else ""]
    said = ", ".join(p for p in parts if p)
    return f" ({said})" if said else ""


def evaluation_command(evidence: Evidence, name: str, split: str | None, dataset: str | None) -> str:
    words = ["modelyard", "evaluation", "report", evidence.reference, f"{name}=VALUE"]
    if split:
        words += ["--split", split]
    if dataset:
        words += ["--dataset", dataset]
    return shlex.join(words)


def latest_check(evidence: Evidence, name: str, counts: Callable[[str], bool]) -> CheckResult | None:
    return next((c for c in evidence.checks if c.name == name and counts(c.by)), None)


def check_command(evidence: Evidence, name: str) -> str:
    if name == REPRODUCED:
        return shlex.join(["modelyard", "reproduce", evidence.reference])
    return shlex.join(["modelyard", "check", "report", evidence.reference, name, "pass"])


def reporter_text(evidence: Evidence, value: MetricValue, authors: Sequence[str] | None = None) -> str:
    """Name the account that reported a value, for every verdict that depends on it."""
    if not value.by:
        return ""
    note = ", the version's author" if evidence.is_author(value.by, authors) else ""
    return f", reported by {value.by}{note}"
