"""What all built-in rules share."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec

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
    """A rule's parameters, as they stand in the policy file."""

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
    """A rule over what accounts report.

    by: only reports from these accounts (or `group:NAME`) count. reported_by: others, where reports of the version's
    author do not count, nor those of an account that is the same person.
    """

    stricter: ClassVar[dict[str, str]] = {"by": "one of", "reported_by": "others"}

    by: Names = []
    reported_by: Literal["anyone", "others"] = "anyone"

    def groups(self) -> Iterable[str]:
        return groups_in(self.by)

    def counts(self, evidence: Evidence, reporter: str, authors: Sequence[str] | None = None) -> bool:
        """Whether a report of that account counts. authors: of another version than the one at hand."""
        if self.by and reporter not in names_in(self.by, evidence.members):
            return False
        return self.reported_by == "anyone" or not evidence.is_author(reporter, authors)

    def reporters(self) -> str:
        """Words for whose reports count; "" where everybody's do."""
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
    """The newest value of that name, on that split and dataset (None: any), from accounts whose reports count."""
    found = [
        m
        for m in metrics
        if m.name == name
        and (split is None or m.split == split)
        and (dataset is None or m.dataset == dataset)
        and counts(m.by)
    ]
    return max(found, key=lambda m: m.at, default=None)


def where_text(split: str | None, dataset: str | None) -> str:
    parts = [f"split {split}" if split else "", f"dataset {dataset}" if dataset else ""]
    said = ", ".join(p for p in parts if p)
    return f" ({said})" if said else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """' (did you mean …?)' or nothing."""
    import difflib

    found = difflib.get_close_matches(word, sorted(set(known)), 1, 0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


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
    return shlex.join(["modelyard", "check", "report", evidence.reference, name, "pass"])


def reporter_text(evidence: Evidence, value: MetricValue, authors: Sequence[str] | None = None) -> str:
    """Who reported a value, for every verdict that rests on it."""
    if not value.by:
        return ""
    note = ", the version's author" if evidence.is_author(value.by, authors) else ""
    return f", reported by {value.by}{note}"
