"""Evidence and gates for tests of rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelyard.registry.promotion.policy import effective, parse_policy
from modelyard.registry.promotion.rules import (
    Champion,
    CheckResult,
    Evidence,
    Gate,
    MetricValue,
    PolicyAge,
    RuleResult,
    StagePeriod,
    Vote,
    judge,
)

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
NOW = 1_795_000_000_000_000
"""2026-11-18T11:06:40Z, a Wednesday."""


def metric(name: str, value: float | None, **more: Any) -> MetricValue:
    return MetricValue(name=name, value=value, **{"by": "ada", "at": NOW - DAY, **more})


def check(name: str, state: str = "pass", by: str = "ci", age: int = HOUR) -> CheckResult:
    return CheckResult(name=name, state=state, by=by, at=NOW - age)


def vote(by: str, age: int = HOUR, approves: bool = True) -> Vote:
    return Vote(by=by, at=NOW - age, approves=approves)


def stay(stage: str, since: int, until: int | None = None) -> StagePeriod:
    return StagePeriod(stage=stage, since=NOW - since, until=None if until is None else NOW - until)


def champion(*metrics: MetricValue, version: int = 11, authors: Sequence[str] = ()) -> Champion:
    return Champion(version=version, digest="sha256:" + "b" * 64, metrics=metrics, authors=authors)


def weakened(ago: int, *, asks_for_approval: bool = True) -> PolicyAge:
    """By max, so long ago."""
    return PolicyAge(
        since=NOW - ago,
        weakened_at=NOW - ago,
        weakened_by="max",
        weaker=["rule x removed"],
        asks_for_approval=asks_for_approval,
    )


def evidence(**parts: Any) -> Evidence:
    return Evidence(
        **{
            "now": NOW,
            "model": "fraud/scorer",
            "version": 12,
            "stage": "production",
            "digest": "sha256:" + "a" * 64,
            "record_digest": "sha256:" + "c" * 64,
            "author": "ada",
            "requester": "rel",
            **parts,
        }
    )


def gate(*rules: str, more: str = "") -> Gate:
    text = "version: 1\npromote:\n  - {to: development, rules: []}\n  - {to: staging, rules: []}\n  - to: production\n"
    text += "".join(f"    {line}\n" for line in more.splitlines())
    text += "    rules:\n" if rules else "    rules: []\n"
    text += "".join(f"      - {rule}\n" for rule in rules)
    return effective(["scorer"], parse_policy(text, is_namespace=True).file, None).gates["production"].gate


def one(rule: str, **parts: Any) -> RuleResult:
    """What a gate with this single rule says."""
    return judge(gate(rule), evidence(**parts)).results[0]
