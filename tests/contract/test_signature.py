"""Signatures through the door, on both databases."""

from __future__ import annotations

from tests.support.door import Door, assert_problem

ENTRY = {"name": "amount", "dtype": "float64", "shape": [None]}


def test_a_signature_is_shown_and_data_is_checked_against_it(door: Door, model: str) -> None:
    made = door.register(model, facts={"signature": {"inputs": [ENTRY], "outputs": []}})
    at = f"models/{model}/versions/{made['version']}/signature"
    shown = door.get(at).json()
    assert (shown["inputs"], shown["declared"]) == ([ENTRY], True)
    good = door.call("POST", f"{at}/check", json={"inputs": [{**ENTRY, "dtype": "int64"}]})
    assert good.json()["problems"] == []
    bad = door.call("POST", f"{at}/check", json={"inputs": [{**ENTRY, "name": "other"}]})
    assert bad.json()["problems"] == [{"column": "amount", "expected": "float64", "found": "no such column"}]
    assert_problem(door.call("POST", f"{at}/check", json={"inputs": [{"name": 3}]}), 400, "invalid")


def test_a_version_without_one(door: Door, model: str) -> None:
    made = door.register(model)
    problem = assert_problem(door.get(f"models/{model}/versions/{made['version']}/signature"), 404, "not_found")
    assert "example=" in problem["fix"]


def test_an_unlawful_one_is_none(door: Door, model: str) -> None:
    made = door.register(model, facts={"signature": {"inputs": "everything"}})
    assert_problem(door.get(f"models/{model}/versions/{made['version']}/signature"), 404, "not_found")
