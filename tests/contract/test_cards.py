"""Cards through the door, on both databases: template, history, search, problems, HTML."""

from __future__ import annotations

from tests.support.bad_files import trap, zipped
from tests.support.door import Door, assert_problem
from tests.support.promotion import policy
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


ENTRY = "@misc{doe2026, title = {Scorer}, year = 2026}"
WITH_CITATION = f"---\nlicense: mit\n---\n# Scorer\n\n## Citation\n\nDoe (2026).\n\n```\n{ENTRY}\n```\n"


def pushed_with_card(door: Door, model: str, card: str) -> str:
    sent = [door.send(unique("bytes").encode()), {**door.send(card.encode()), "path": "README.md"}]
    made = door.call("POST", f"models/{model}/versions", json={"files": sent}).json()
    return f"models/{model}/versions/{made['version']}"


def test_the_citation_and_the_licence_of_a_card_among_the_files(door: Door, model: str) -> None:
    at = pushed_with_card(door, model, WITH_CITATION)
    cited = door.get(f"{at}/citation").json()
    assert (cited["text"], cited["bibtex"], cited["source"], cited["licence"]) == (
        "Doe (2026).",
        ENTRY,
        "card",
        "MIT",
    )
    shown = door.get(f"{at}/overview").json()
    assert (shown["licence"], shown["citation"]) == ("MIT", {"text": "Doe (2026).", "bibtex": ENTRY})


def test_a_card_that_was_set_speaks_for_the_version_and_the_search(door: Door, model: str) -> None:
    at = pushed_with_card(door, model, WITH_CITATION)
    card = WITH_CITATION.replace("mit", "apache-2.0").replace("Doe (2026)", "Roe (2027)")
    assert door.call("PUT", f"{at}/card", json={"text": card}).status_code == 200
    cited = door.get(f"{at}/citation").json()
    assert (cited["text"], cited["licence"]) == ("Roe (2027).", "Apache-2.0")
    space = model.partition("/")[0]
    found = {
        licence: len(door.get(f"models?namespace={space}&licence={licence}").json()["items"])
        for licence in ("mit", "apache-2.0")
    }
    assert found == {"mit": 0, "apache-2.0": 1}
    facets = door.get(f"model-facets?namespace={space}").json()["facets"]
    assert facets["licence"] == [{"value": "apache-2.0", "count": 1}]
    for allowed, status in (("MIT", 409), ("Apache-2.0", 201)):
        text = policy(f"licence: {{allow: [{allowed}]}}")
        assert door.call("PUT", f"namespaces/{space}/policy", json={"text": text}).status_code == 200
        asked = {"version": 1, "stage": "production"}
        answer = door.call("POST", f"models/{model}/promotions", json=asked)
        assert answer.status_code == status, answer.text


def test_a_licence_of_a_later_card_alone_is_a_known_fact(door: Door, model: str) -> None:
    door.register(model)
    at = f"models/{model}/versions/1"

    def state() -> str:
        return {each["name"]: each["state"] for each in door.get(f"{at}/facts").json()["items"]}["licence"]

    assert state() == "missing"
    assert door.call("PUT", f"{at}/card", json={"text": WITH_CITATION}).status_code == 200
    assert state() == "known"


def test_without_one_a_citation_is_generated_from_what_is_known(door: Door, model: str) -> None:
    made = door.register(model, semver="2.1.0")
    at = f"models/{model}/versions/1"
    cited = door.get(f"{at}/citation").json()
    assert (cited["source"], cited["licence"]) == ("generated", None)
    for known in ("root", "version 2.1.0", f"/models/{model}/versions/1", made["digest"]):
        assert known in cited["text"], known
    assert door.get(f"{at}/overview").json()["citation"] is None
    assert_problem(door.get(f"models/{model}/versions/7/citation"), 404, "version_not_found")
