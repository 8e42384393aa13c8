"""Which texts are semantic versions."""

from __future__ import annotations

import pytest

from modelyard.domain.errors import Invalid
from modelyard.domain.semantic import parse_semver, parse_semver_condition


@pytest.mark.parametrize(
    ("text", "semver"),
    [
        ("2.1.0", "2.1.0"),
        ("v2.1.0", "2.1.0"),
        (" 0.0.0 ", "0.0.0"),
        ("1.0.0-rc.1", "1.0.0-rc.1"),
        ("1.0.0-0a", "1.0.0-0a"),
        ("1.0.0--x+build.007", "1.0.0--x+build.007"),
    ],
)
def test_semantic_versions(text: str, semver: str) -> None:
    assert parse_semver(text) == parse_semver_condition(text) == semver


@pytest.mark.parametrize(
    "text",
    [
        *("", "2", "2.1", "2.1.0.4", "02.1.0", "2.1.0-01", "2.1.0-", "2.1.0+", "2.1.0 beta", "latest"),
        *("vv1.0.0", "1.0.0\n2.0.0", "\uff11.0.0", "1.0.0-" + "x" * 100),
    ],
)
def test_other_texts_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(Invalid, match=r"for example 2\.1\.0"):
        parse_semver(text)


@pytest.mark.parametrize(("text", "beginning"), [("2", "2"), ("2.1", "2.1"), ("v2.x", "2"), ("2.x.x", "2")])
def test_a_condition_may_be_the_beginning_of_one(text: str, beginning: str) -> None:
    assert parse_semver_condition(text) == beginning


@pytest.mark.parametrize("text", ["", "x", "2.", "2.x.1", "%", "2._"])
def test_a_condition_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_semver_condition(text)
