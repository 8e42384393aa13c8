"""Every regular expression of the package takes time in proportion to the text, whatever the text is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import modelyard
from modelyard.domain.names import MAX_NAME_LENGTH
from modelyard.registry.catalog.rules import check_naming_pattern
from tests.support.patterns import (
    Found,
    find_patterns,
    grows_too_fast,
    hard_texts,
    matcher,
    patterns_in,
    time_of,
)

FOUND = find_patterns(Path(modelyard.__file__).parent, "modelyard")
CONSTANT = sorted(
    {(each.pattern, each.flags, each.how): each for each in FOUND if each.pattern is not None}.values(),
    key=lambda each: (each.module, each.line),
)

NOT_CONSTANT = {
    (
        "modelyard.registry.catalog.rules",
        "pattern",
    ): "naming patterns: a small language, names of 96 characters",
    (
        "modelyard.agent.hiding",
        "'|'.join(map(re.escape, self._texts))",
    ): "of literal texts alone, which share no beginnings",
    ("modelyard.sdk.autolog.sklearn", "f'(\\\\A|_|\\\\d){word}'"): "made of words of the module itself",
}
"""Patterns that are made at run time, each with the reason why no text makes it slow."""


def slow_text(found: Found) -> str | None:
    """A text whose doubling more than triples the time; None where none was found."""
    assert found.pattern is not None
    compiled = re.compile(found.pattern, found.flags)  # type: ignore[type-var]
    for beginning, repeated, end in hard_texts(found.pattern, found.flags):
        for method in sorted(found.how):

            def run(size: int, times: int, method: str = method) -> float:
                text = beginning + repeated * (size // len(repeated)) + end  # noqa: B023 - called in this round
                subject = text.encode("latin-1", "replace") if isinstance(found.pattern, bytes) else text
                return time_of(matcher(compiled, method, subject), times)

            if grows_too_fast(run):
                return f"{method}: {beginning[:60]!r}, then {repeated[:60]!r} again and again, then {end!r}"
    return None


@pytest.mark.parametrize("found", CONSTANT, ids=lambda found: f"{found.module}:{found.line}")
def test_no_text_makes_a_pattern_slow(found: Found) -> None:
    assert slow_text(found) is None


def test_patterns_made_at_run_time_are_known() -> None:
    made = {(each.module, each.source) for each in FOUND if each.pattern is None}
    assert made == set(NOT_CONSTANT)


def test_the_list_is_of_all_patterns() -> None:
    """Those of the secrets are compiled through a function of ours, some stand in tables, some are used at once."""
    from modelyard.domain import secrets, signature

    patterns = {each.pattern for each in CONSTANT}
    assert {pattern for _, _, pattern in secrets._FORMS} <= patterns
    assert {compiled.pattern for compiled, _ in signature._COMPILED} <= patterns
    named = {value for name, value in vars(secrets).items() if isinstance(value, str) and "(?" in value}
    parts = {secrets._SURE, secrets._MAYBE}
    assert named - parts <= patterns
    assert len(CONSTANT) > 120


SLOW = [
    r"(a+)+b",
    r"\s*(?P<name>[^<>=]+?)\s*(?P<op><=|>=|<|>|=)\s*(?P<value>[-+0-9.eE]+)\s*\Z",
    r" {0,3}#{1,6}[ \t]+(?P<title>.*?)[ \t#]*\Z",
    r"(?i)(.*?)[ ._/-]*(?:fold|cv|seed|repeat)[ ._-]*(\d{1,4})$",
    r"<!--.*?-->",
    r"x*x*y",
]


@pytest.mark.parametrize("pattern", SLOW)
def test_a_new_slow_pattern_would_be_found(pattern: str) -> None:
    source = f"import re\nX = re.compile({pattern!r}, re.S)\ndef f(t): return X.search(t)\n"
    (found,) = patterns_in("example", source)
    assert found.how == {"search"}
    if pattern == "(a+)+b":
        # Exponential: the shortest text of the test would not come to an end.
        found = Found("example", 1, "a*a*b", 0, found.how, "")
    assert slow_text(found) is not None


def test_a_pattern_made_of_a_users_text_would_be_found() -> None:
    source = "import re\ndef f(pattern, text): return re.fullmatch(pattern.replace('*', '.*'), text)\n"
    (found,) = patterns_in("json", source)
    assert found.pattern is None


@pytest.mark.parametrize("repeat", ["[a-z]*", "[a-z]+", "[a-z]{0,96}", "[a-z]?[a-z]*", ".*"])
def test_the_slowest_naming_pattern_on_the_longest_name(repeat: str) -> None:
    taken = 0
    for count in range(1, 5):
        pattern = repeat * count + "_"
        try:
            check_naming_pattern(pattern)
        except Exception:  # noqa: BLE001 - what is refused is matched with nothing
            continue
        taken += 1
        name = "a" * MAX_NAME_LENGTH
        # Against the same pattern with one repeat less: each one multiplies by a part of the name's length.
        assert time_of(lambda p=pattern, n=name: re.fullmatch(p, n), 3) < 0.5  # type: ignore[misc]
    assert taken
