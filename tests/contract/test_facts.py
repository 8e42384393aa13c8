"""Which facts are known: by name, as shares, and what does not apply, on both databases."""

from __future__ import annotations

from tests.support.door import Door


def test_each_fact_has_a_state_and_a_missing_one_a_hint(door: Door, model: str) -> None:
    made = door.register(model, facts={"params": {"n": 1}, "metrics": {"f1": 1}, "code": {"commit": "abc"}})
    at = f"models/{model}/versions/{made['version']}"
    found = door.get(f"{at}/facts").json()
    assert found["completeness"] == made["completeness"] == 0.5
    states = {f["name"]: f["state"] for f in found["items"]}
    assert [n for n, s in states.items() if s == "known"] == ["code", "metrics", "params"]
    assert [f["name"] for f in found["items"] if f["counts"] and f["state"] == "missing"] == made["missing"]
    assert all(f["hint"] for f in found["items"] if f["state"] == "missing")
    door.call("PUT", f"{at}/card", json={"text": "# Purpose\n\nscores"})
    states = {f["name"]: f["state"] for f in door.get(f"{at}/facts").json()["items"]}
    assert states["card"] == "known"
    assert states["licence"] == states["signature"] == states["run"] == "missing"


def test_an_untouched_template_does_not_count_as_a_card(door: Door, model: str) -> None:
    made = door.register(model, facts={"metrics": {"f1": 0.9}, "params": {"depth": 3}})
    at = f"models/{model}/versions/{made['version']}"
    template = door.get(f"{at}/card/template").json()["text"]

    def state() -> str:
        return {f["name"]: f["state"] for f in door.get(f"{at}/facts").json()["items"]}["card"]

    assert state() == "missing"
    door.call("PUT", f"{at}/card", json={"text": template})
    assert state() == "missing"
    door.call("PUT", f"{at}/card", json={"text": f"{template}\n## Purpose\n\nFinds fraud in card payments.\n"})
    assert state() == "known"


def test_a_conversion_is_not_asked_for_what_its_parent_has(door: Door, model: str) -> None:
    facts = {"parents": [{"ref": f"{model}:1", "relation": "conversion"}], "environment": {"python": "3.11"}}
    made = door.register(model, facts=facts)
    assert (made["completeness"], made["missing"]) == (0.3333, ["code", "image"])
    found = door.get(f"models/{model}/versions/{made['version']}/facts").json()["items"]
    excused = {f["name"]: f["hint"] for f in found if f["state"] == "not_applicable"}
    assert set(excused) == {"data", "metrics", "params"}
    assert "conversion" in excused["data"]
