"""What one policy lets through that the one before it did not."""

from __future__ import annotations

import pytest

from modelyard.registry.promotion.policy import parse_policy
from modelyard.registry.promotion.weakening import find_weakenings, weaker_heads

OPEN = "version: 1\npromote:\n  - {to: development, rules: []}\n  - {to: staging, rules: []}\n"


def words(before: str, after: str) -> list[str]:
    old, new = (parse_policy(text, is_namespace=True).file for text in (before, after))
    return [what for each in find_weakenings(old, new) for what in each.what]


def one(rule: str, more: str = "") -> str:
    return f"{OPEN}  - to: production\n{more}    rules: [{rule}]\n"


KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
STRONG = [
    "metric: {name: f1, min: 0.7}",
    "metric: {name: loss, max: 0.7, by: [bot], reported_by: others}",
    "champion: {metric: f1, tolerance: 0.01}",
    "champion: {metric: f1, min_gain: 0.01}",
    "evaluation: {split: test, metrics: [f1, auc]}",
    "check: {name: unit, max_age: 7d, reported_by: others}",
    "approvals: {count: 2, group: risk, expire: 7d, also_exclude: [max]}",
    "facts: {require: [code, data], completeness: 0.8}",
    "card: {sections: [purpose, ethics], min_words: 10}",
    "tags: {require: [team, risk]}",
    "param: {name: depth, max: 12, one_of: [3, 6]}",
    "data: {allow: [a, b], refuse: [c, d], split: train}",
    "owner: {}",
    "licence: {allow: [MIT]}",
    "scan: {max_age: 7d, secrets: 0}",
    f"attestation: {{keys: {{release: {KEY}}}}}",
    "soak: {stage: staging, at_least: 24h}",
    "policy_stood_for: {at_least: 7d}",
    "freeze: {windows: [{start: 2026-11-18T00:00Z, end: 2026-11-19T00:00Z}]}",
    "assert: {expr: 'candidate.completeness > 0.5'}",
]
WEAKER = [
    "metric: {name: f1, min: 0.69}",
    "metric: {name: loss, max: 0.7, by: [bot, ann], reported_by: others}",
    "champion: {metric: f1, tolerance: 0.02}",
    "champion: {metric: f1}",
    "evaluation: {split: test, metrics: [f1]}",
    "check: {name: unit, max_age: 7d}",
    "approvals: {count: 2, group: risk, expire: 8d, also_exclude: [max]}",
    "facts: {require: [code], completeness: 0.8}",
    "card: {sections: [purpose, ethics], min_words: 9}",
    "tags: {require: [team]}",
    "param: {name: depth, max: 12, one_of: [3, 6, 9]}",
    "data: {allow: [a, b], refuse: [c], split: train}",
    None,
    "licence: {allow: [MIT, GPL-3.0]}",
    "scan: {max_age: 7d, unknown: 1, secrets: 0}",
    f"attestation: {{keys: {{release: {KEY}, other: {KEY}}}}}",
    "soak: {stage: staging, at_least: 23h}",
    "policy_stood_for: {at_least: 1h}",
    "freeze: {windows: [{start: 2026-11-18T00:00Z, end: 2026-11-18T10:00Z}]}",
    "assert: {expr: 'candidate.completeness > 0.4'}",
]


@pytest.mark.parametrize(("strong", "weaker"), list(zip(STRONG, WEAKER, strict=True)))
def test_a_rule_that_asks_for_less_is_named_and_one_that_asks_for_more_is_not(
    strong: str, weaker: str | None
) -> None:
    entry = f"{{{strong}}}"
    assert words(one(entry), one(entry)) == []
    assert len(words(one(entry), one(""))) == 1
    assert words(one(""), one(entry)) == []
    if weaker is not None:
        assert len(words(one(entry), one(f"{{{weaker}}}"))) == 1
    assert len(words(one(f"{{{strong}, waivable: false}}"), one(entry))) == 1
    # Another id or other words for a refusal change nothing.
    assert words(one(entry), one(f"{{{strong}, id: other, say: no}}")) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("    mode: block\n", "    mode: warn\n", "mode: block → warn"),
        ("    from: [staging]\n", "", "from: staging → anyone"),
        ("    from: [staging]\n", "    from: [staging, development]\n", "from: staging → staging, development"),
        ("    who: {promote: [ann]}\n", "", "who may promote: ann → anyone"),
        ("    who: {waive: [ann]}\n", "    who: {waive: [ann, bob]}\n", "who may waive: ann → ann, bob"),
        ("", "    complete: automatically\n", "complete: by-hand → automatically"),
    ],
)
def test_what_else_opens_a_gate(before: str, after: str, expected: str) -> None:
    assert words(one("", before), one("", after)) == [expected]
    if "complete" not in after:
        assert words(one("", after), one("", before)) == []


def test_of_two_rules_alike_both_must_stay() -> None:
    two = one("{approvals: {group: risk}}, {approvals: {group: risk}}")
    assert words(two, one("{approvals: {group: risk, count: 2}}")) == ["rule approvals-risk-2 removed"]


def test_a_gate_for_some_names_alone_is_compared_under_them() -> None:
    some = one("") + "  - {to: production, models: 'scorer*', rules: [{approvals: {}}]}\n"
    old, new = (parse_policy(text, is_namespace=True).file for text in (some, one("")))
    (found,) = find_weakenings(old, new)
    assert (found.stage, found.models, found.had_approvals) == ("production", "scorer*", True)
    assert find_weakenings(new, old) == []


def test_no_policy_at_all_is_weaker_than_one() -> None:
    old = parse_policy(one("{owner: {}}"), is_namespace=True).file
    assert [each.what for each in find_weakenings(old, None)] == [["rule owner removed"]]


def test_a_stage_that_goes_takes_its_gate_with_it() -> None:
    fewer = "version: 1\nstages: [staging]\npromote: [{to: staging, rules: []}]\n"
    assert words(one("{owner: {}}"), fewer) == ["the stage is gone, and its gate with it"] * 2


def test_editors_and_overriding() -> None:
    named = parse_policy("editors: [ann]\n" + one(""), is_namespace=True).file
    anyone = parse_policy("models_may: override\n" + one(""), is_namespace=True).file
    assert weaker_heads(named, anyone) == ["editors: ann → anyone", "models_may: add → override"]
    assert weaker_heads(anyone, named) == []
    assert weaker_heads(named, None) == ["editors: ann → anyone"]


def test_a_narrowing_that_only_warns_is_weaker_and_a_warning_without_one_is_not() -> None:
    strict, mild = (one("owner: {}", f"    who: {{promote: [ann]{mode}}}\n") for mode in ("", ", mode: warn"))
    assert words(strict, mild) == ["who: block → warn"]
    assert words(mild, strict) == []
    assert words(one("owner: {}"), mild) == []
    assert words(mild, one("owner: {}")) == ["who may promote: ann → anyone"]
