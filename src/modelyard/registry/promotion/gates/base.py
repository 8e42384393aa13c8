"""What all built-in rules share."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

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

    def label(self) -> str:
        return self.kind

    def problem(self, stages: Sequence[str], to: str) -> str | None:
        return None

    def groups(self) -> Iterable[str]:
        return ()

    def find(self, evidence: Evidence) -> Finding:
        raise NotImplementedError


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
    by: Sequence[str],
    members: Mapping[str, Sequence[str]],
) -> MetricValue | None:
    """The newest value of that name, on that split and dataset (None: any), from those who count (none: all)."""
    trusted = names_in(by, members)
    found = [
        m
        for m in metrics
        if m.name == name
        and (split is None or m.split == split)
        and (dataset is None or m.dataset == dataset)
        and (not by or m.by in trusted)
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


def latest_check(evidence: Evidence, name: str, by: Sequence[str]) -> CheckResult | None:
    trusted = names_in(by, evidence.members)
    return next((c for c in evidence.checks if c.name == name and (not by or c.by in trusted)), None)


def check_command(evidence: Evidence, name: str) -> str:
    return shlex.join(["modelyard", "check", "report", evidence.reference, name, "pass"])


def reporters_text(by: Sequence[str]) -> str:
    return " or ".join(by) if by else "whoever may report checks"
