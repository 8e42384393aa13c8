"""What a frame says is made storable, never refused."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from modelyard.domain.actor import Actor, ActorKind
from modelyard.domain.errors import Invalid, InvalidName, InvalidRequest
from modelyard.registry.runs import rules
from modelyard.registry.runs.rules import RecordBatch


@pytest.mark.parametrize(
    ("text", "home", "name"),
    [
        ("fraud/trees", "ada", "fraud/trees"),
        ("trees", "fraud", "fraud/trees"),
        ("", "fraud", "fraud/default"),
        ("Fraud/Trees", "ada", "fraud/trees"),
    ],
)
def test_experiments_have_the_names_of_models(text: str, home: str, name: str) -> None:
    assert str(rules.parse_experiment(text, home)) == name


def test_runs_without_a_namespace_go_to_the_account() -> None:
    account = Actor(7, "ada", ActorKind.USER)
    assert rules.home_namespace(account) == "ada"
    assert rules.home_namespace(replace(account, default_namespace="fraud")) == "fraud"


@pytest.mark.parametrize("text", ["a b", "fraud/", "x/y/z"])
def test_unlawful_experiments(text: str) -> None:
    with pytest.raises((InvalidName, Invalid)):
        rules.parse_experiment(text, "ada")


@pytest.mark.parametrize("text", ["", "1" * 31, "G" * 32, "A" * 32, "1" * 33])
def test_ids_are_32_hex_digits(text: str) -> None:
    with pytest.raises(Invalid):
        rules.parse_uid(text)
    assert rules.parse_uid("0a" * 16) == "0a" * 16


def test_silence_counts_only_while_running() -> None:
    late = rules.SILENT_MICROSECONDS + 1
    assert rules.is_silent("running", 0, late)
    assert not rules.is_silent("running", 1, late)
    assert not rules.is_silent("finished", 0, late)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (1, "1"),
        (0.5, "0.5"),
        (None, "null"),
        ("ключ", '"ключ"'),
        (math.nan, '"NaN"'),
        ({"b": [math.inf, 1], "a": -math.inf}, '{"a":"-Infinity","b":["Infinity",1]}'),
    ],
)
def test_params_are_canonical_json(value: Any, kept: str) -> None:
    said = RecordBatch()
    said.add_param("p", value)
    assert said.params == {"p": kept}
    assert said.notes == []


def test_points_beyond_64_bits_are_clamped() -> None:
    said = RecordBatch()
    said.add_points("m", [2**70, -(2**70)], [0, 2**80], [1, 2])
    points = said.points["m"]
    assert list(points.steps) == [2**63 - 1, -(2**63)]
    assert list(points.times) == [0, 2**63 - 1]


@pytest.mark.parametrize("values", [["abc", 1.0], ["nan", 1.0]])
def test_words_that_are_no_numbers_are_refused(values: list[float | str]) -> None:
    with pytest.raises(InvalidRequest):
        RecordBatch().add_points("m", [0, 1], [0, 1], values)


def test_facts_grow_by_their_keys() -> None:
    known = {"code": {"commit": "a", "dirty": True}, "log": 1}
    merged = rules.merge_facts(known, {"code": {"dirty": False}, "log": {"x": 1}, "new": 2})
    assert merged == {"code": {"commit": "a", "dirty": False}, "log": {"x": 1}, "new": 2}
    assert known["code"]["dirty"] is True


@pytest.mark.parametrize(("room", "kept"), [(0, ""), (1, ""), (2, "ä"), (3, "ä"), (5, "äö"), (99, "äöü")])
def test_text_is_cut_between_characters(room: int, kept: str) -> None:
    assert rules.cut_utf8("äöü", room) == kept
