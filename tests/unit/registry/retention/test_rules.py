"""Retention rules as tables: which condition keeps a version, and what needs it whatever the rule says."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.domain.errors import Invalid
from modelyard.domain.times import MICROSECONDS
from modelyard.registry.retention.rules import check_rule, condition_met, needs_of, unmet_words

DAY = 86_400 * MICROSECONDS
NOW = 1_000 * DAY


@pytest.mark.parametrize(
    ("action", "versions", "time", "fault"),
    [
        ("archive", None, None, "without a condition"),
        ("shred", 3, None, "not an action"),
        ("archive", 0, None, "not a number of versions"),
        ("archive", -1, None, "not a number of versions"),
        ("delete", None, "90", "not a duration"),
        ("delete", None, "0d", "keeps nothing"),
    ],
)
def test_rules_that_mean_nothing_are_refused(
    action: str, versions: int | None, time: str | None, fault: str
) -> None:
    with pytest.raises(Invalid, match=fault):
        check_rule(action, versions, time)


@pytest.mark.parametrize(
    ("versions", "time", "newer", "age", "expected"),
    [
        (3, None, 2, 500, "it is among the last 3"),
        (3, None, 3, 0, None),
        (None, "90d", 50, 89, "it is younger than 90d"),
        (None, "90d", 0, 90, None),
        (3, "90d", 2, 500, "it is among the last 3"),
        (3, "90d", 9, 1, "it is younger than 90d"),
        (3, "90d", 9, 500, None),
    ],
)
def test_one_condition_is_enough(
    versions: int | None, time: str | None, newer: int, age: int, expected: str | None
) -> None:
    assert condition_met(versions, time, newer, NOW - age * DAY, NOW) == expected


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, []),
        ({"aliases": ["production"]}, ["it is in the stage @production"]),
        ({"holds": [("stage", "staging")]}, ["it is in the stage @staging"]),
        ({"aliases": ["production"], "holds": [("stage", "production")]}, ["it is in the stage @production"]),
        ({"aliases": ["champion"]}, ["the alias @champion points at it"]),
        ({"holds": [("rollback", "production")]}, ["a rollback of production would return to it"]),
        ({"holds": [("deployment", "eu")]}, ["the deployment eu needs it"]),
        ({"holds": [("keep", "keep")], "kept": "trial 7"}, ["it is marked to be kept: trial 7"]),
        ({"children": 1}, ["1 version came from it"]),
        ({"children": 4}, ["4 versions came from it"]),
        ({"promotions": [12]}, ["promotion 12 of it is open"]),
    ],
)
def test_what_needs_a_version(facts: dict[str, Any], words: list[str]) -> None:
    found = needs_of(
        facts.get("aliases", ()),
        facts.get("holds", ()),
        ("staging", "production"),
        facts.get("children", 0),
        facts.get("promotions", ()),
        facts.get("kept"),
    )
    assert list(found) == words


def test_the_reason_of_a_removal_names_the_rule() -> None:
    assert unmet_words(3, None) == "not among the last 3"
    assert unmet_words(3, "90d") == "not among the last 3 and older than 90d"
