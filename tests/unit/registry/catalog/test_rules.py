"""Naming policies are safe to match, and texts fit into every database."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.domain.errors import Invalid, InvalidFact, InvalidName
from modelyard.registry.catalog import rules

PIECES = st.sampled_from(
    ["a", "[a-z]", "[a-z0-9]", "(?:a|b)", "(?:a|ab)", ".", "-", "*", "+", "?", "{2}", "{0,99}", "|", "(", ")"]
)
LONGEST_NAME = "a" * 95 + "!"


def takes(pattern: str) -> bool:
    try:
        rules.check_naming_pattern(pattern)
    except Invalid:
        return False
    return True


@pytest.mark.parametrize("pattern", ["[a-z]+-(?:clf|reg)", "team-.*", "[a-z]{2,10}", "v[0-9]+", "(?:a|b)?c"])
def test_patterns_that_teams_need(pattern: str) -> None:
    assert takes(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(?:a|a)*",
        "(?:a|a)+b",
        "(?:a+)+",
        "(?:a){9}",
        "(a)",
        "[",
        "a{",
        "\\w+",
        "(?=a)",
        "^a",
        "A",
        "a" * 201,
        "*",
    ],
)
def test_patterns_that_are_refused(pattern: str) -> None:
    assert not takes(pattern)


@settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, min_size=1, max_size=30).map("".join))
def test_no_accepted_pattern_takes_for_ever(pattern: str) -> None:
    """A name of the greatest length, which the pattern nearly matches."""
    if takes(pattern):
        with suppress(InvalidName):
            rules.check_against_policy(LONGEST_NAME, pattern, [], "team")


@pytest.mark.parametrize("pattern", ["a*a*a*a*", "[a-z]+a*[a-z]*a+", "(?:a|aa)(?:a|aa)a*a*", "a?a*a{0,99}a*"])
def test_the_worst_accepted_patterns_come_to_an_end(pattern: str) -> None:
    rules.check_naming_pattern(pattern)
    with pytest.raises(InvalidName):
        rules.check_against_policy(LONGEST_NAME, pattern, [], "team")


@pytest.mark.parametrize("pattern", ["a*" * 5, "a?" * 40 + "a" * 40, "(?:a|aa)" * 5, "[a-z]{0,9}" * 5])
def test_patterns_with_too_many_ways_to_match(pattern: str) -> None:
    """Twelve times `a*` would keep the server busy for longer than anybody waits."""
    assert not takes(pattern)


def test_a_policy_names_itself() -> None:
    rules.check_against_policy("churn-clf", "[a-z]+-clf", ["other"], "team")
    with pytest.raises(InvalidName) as caught:
        rules.check_against_policy("churn", "[a-z]+-clf", [], "team")
    assert "[a-z]+-clf" in caught.value.fix
    with pytest.raises(InvalidName) as caught:
        rules.check_against_policy("test", None, ["test"], "team")
    assert caught.value.fields["proposal"] == "test-model"


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 11])
def test_texts_that_cannot_be_stored(text: str) -> None:
    with pytest.raises(InvalidFact):
        rules.check_text(text, "it", 10)


@pytest.mark.parametrize(
    "tags", [{"": "x"}, {"  ": "x"}, {"k" * 251: "x"}, {"k": "v" * 5001}, {str(n): "" for n in range(201)}]
)
def test_tags_that_are_refused(tags: dict[str, str]) -> None:
    with pytest.raises(InvalidFact):
        rules.check_tags(tags)


def test_owners_are_a_set_in_order() -> None:
    assert rules.check_owners([" bob ", "ada", "bob"]) == ["ada", "bob"]
    for wrong in (["", "ada"], [str(n) for n in range(51)], ["x" * 201]):
        with pytest.raises(InvalidFact):
            rules.check_owners(wrong)


def test_what_a_model_is_found_by_is_bounded() -> None:
    words = rules.words_of("team", "fraud_net-2", "Name", "d" * 70_000, {"k": "v"}, ["ada"], "card")
    assert len(words) == rules.MAX_WORDS_LENGTH
    assert words.startswith("team/fraud_net-2 \nteam fraud net 2 \nName")
