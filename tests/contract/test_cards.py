"""Cards through the door, on both databases: template, history, search, problems, HTML."""

from __future__ import annotations

from tests.support.bad_files import trap, zipped
from tests.support.door import Door, assert_problem
from tests.support.registry import unique


def test_a_card_is_begun_from_the_template_and_its_history_is_kept(door: Door, model: str) -> None:
    made = door.register(model, facts={"metrics": {"f1": 0.91}, "params": {"depth": 3}})
    at = f"models/{model}/versions/{made['version']}/card"
    assert_problem(door.get(at), 404, "file_not_found")
    template = door.get(f"{at}/template").json()["text"]
    assert "| f1 | 0.91 |" in template
    first = door.call("PUT", at, json={"text": template}).json()
    assert first["number"] == 1
    problems = {p["where"]: p["what"] for p in door.get(f"{at}/problems").json()["problems"]}
    assert problems["limitations"] == "empty"
    assert "performance" not in problems
    word = unique("zebrafish")
    door.call("PUT", at, json={"text": f"{template}\n## Limitations\n\nNever tried on any {word}.\n"})
    assert door.get(at).json()["number"] == 2
    assert door.get(f"{at}?number=1").json()["text"] == template
    assert_problem(door.get(f"{at}?number=7"), 404, "file_not_found")
    assert [c["number"] for c in door.get(f"{at}/history").json()["items"]] == [2, 1]
    html = door.get(f"{at}/html").json()["html"]
    assert f"any {word}" in html
    # The card of the newest version is what people find the model by.
    assert [m["name"] for m in door.get(f"models?q={word}").json()["items"]] == [model]
    door.register(model)
    door.call("PUT", at, json={"text": f"# Older {unique('okapi')}"})
    assert [m["name"] for m in door.get(f"models?q={word}").json()["items"]] == []


def test_a_card_of_an_older_version_is_not_searched(door: Door, model: str) -> None:
    made = door.register(model)
    door.register(model)
    word = unique("quagga")
    door.call("PUT", f"models/{model}/versions/{made['version']}/card", json={"text": f"# {word}"})
    assert door.get(f"models?q={word}").json()["items"] == []


def test_the_card_of_a_quarantined_version_can_be_written_and_read(door: Door, model: str) -> None:
    made = door.register(model, zipped(trap(), f"{unique('m')}.pkl"))
    assert made["quarantined"]
    at = f"models/{model}/versions/{made['version']}/card"
    assert door.get(f"{at}/template").status_code == 200
    assert door.call("PUT", at, json={"text": "# Why it is here"}).status_code == 200
    assert door.get(at).json()["text"] == "# Why it is here"
