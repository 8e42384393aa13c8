"""What follows the end of an attempt, which build is next, and how a log is cut and masked."""

from __future__ import annotations

import pytest

from modelyard.domain.errors import Invalid, InvalidRequest
from modelyard.registry.builds import rules
from modelyard.registry.builds.nouns import BuildStep, StepReport
from modelyard.registry.builds.rules import OpenBuild


@pytest.mark.parametrize(
    ("status", "attempt", "cancelled", "follows"),
    [
        ("succeeded", 1, False, "succeeded"),
        ("lost", 1, False, "queued"),
        ("lost", 2, False, "lost"),
        ("failed", 1, False, "failed"),
        ("lost", 1, True, "cancelled"),
        ("failed", 1, True, "cancelled"),
        # It was faster than the request to cancel it.
        ("succeeded", 1, True, "succeeded"),
    ],
)
def test_what_follows_an_attempt(status: str, attempt: int, cancelled: bool, follows: str) -> None:
    assert rules.status_after(status, attempt, {"lost": 2}, cancelled=cancelled) == follows


def open_builds(*words: str) -> list[OpenBuild]:
    """Each word is a namespace, with `!` where the build runs, and `+` or `-` where its priority is high or low."""
    return [
        OpenBuild(
            n,
            f"b{n}",
            word.strip("!+-"),
            "running" if word.endswith("!") else "queued",
            word.count("+") - word.count("-"),
        )
        for n, word in enumerate(words)
    ]


@pytest.mark.parametrize(
    ("builds", "slots", "chosen"),
    [
        (["a", "a", "b"], 1, [0]),
        (["a", "a", "b"], 2, [0, 2]),
        (["a!", "a", "b"], 2, [2]),
        (["a!", "a!", "a", "b", "b"], 4, [3, 4]),
        (["a!", "b!", "a"], 2, []),
        (["a"], 0, []),
        (["a", "a+", "a"], 2, [1, 0]),
        (["a", "b+"], 1, [1]),
        (["a!", "a+", "b"], 2, [2]),
        (["a-", "b!", "b"], 2, [2]),
        (["a-", "a"], 2, [1, 0]),
    ],
)
def test_namespaces_share_the_places(builds: list[str], slots: int, chosen: list[int]) -> None:
    assert [build.id for build in rules.choose_next(open_builds(*builds), slots)] == chosen


def step() -> BuildStep:
    return BuildStep(0, "train", "running", "", None, None, None, {}, 0, 0, "", False)


def test_a_line_is_shown_when_it_is_whole() -> None:
    train = step()
    assert rules.add_log(train, "one\ntw", is_last=False) == "one\n"
    assert rules.add_log(train, "", is_last=False) == ""
    assert rules.add_log(train, "o\r\nthree", is_last=False) == "two\r\n"
    assert rules.add_log(train, "", is_last=True) == "three"
    long = "x" * (rules.MAX_LINE + 1)
    assert rules.add_log(train, long, is_last=False) == long


def test_pieces_are_cut_between_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PIECE_BYTES", 4)
    pieces = rules.cut_pieces("aéßab✓✓")
    assert "".join(pieces) == "aéßab✓✓"
    assert max(len(piece.encode()) for piece in pieces) <= 4


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("rows", ("home", "rows", None)),
        ("team/rows", ("team", "rows", None)),
        ("team/rows@sha256:0123abcd", ("team", "rows", "sha256:0123abcd")),
    ],
)
def test_names_of_datasets(text: str, parsed: tuple[str, str, str | None]) -> None:
    assert rules.parse_dataset(text, "home") == parsed


@pytest.mark.parametrize("text", ["", "team/rows:3", "a/b/c@"])
def test_wrong_names_of_datasets(text: str) -> None:
    with pytest.raises(Invalid, match="does not name a dataset"):
        rules.parse_dataset(text, "home")


@pytest.mark.parametrize("wrong", [10**400, -(10**400), 1e300, [0.5, 10**400]])
def test_resources_that_no_one_could_draw_are_refused(wrong: object) -> None:
    rules.check_step(StepReport("train", 0, "running", resources={"cpu": [0.5], "peak_cpu": 1, "gpu": "x"}))
    with pytest.raises(InvalidRequest, match="too large"):
        rules.check_step(StepReport("train", 0, "running", resources={"cpu": wrong}))
