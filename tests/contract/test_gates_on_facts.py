"""Gates that look at what a version was made of and with: its params, its data, its card; on both databases."""

from __future__ import annotations

import pytest

from modelyard.registry.cards import usecases as cards
from tests.support.promotion import Team, outcomes, policy, team
from tests.support.registry import Registry

LAKE = {"name": "transactions", "source": "s3://lake/2026", "digest": "sha256:" + "a" * 64, "split": "train"}
SCRAPED = {"name": "scraped", "digest": "sha256:" + "b" * 64, "split": "train"}


@pytest.fixture
def crew(registry: Registry) -> Team:
    return team(registry)


def test_a_gate_sees_the_params_and_the_data_of_a_version(crew: Team) -> None:
    crew.set_policy(
        policy(
            "param: {name: depth, max: 12}",
            "data: {allow: ['s3://lake/*']}",
            "assert: {expr: \"params.depth <= 12 && data.all(d, d.source.startsWith('s3://lake/'))\"}",
        )
    )
    good = crew.push(params={"depth": 6}, data=[LAKE])
    deep = crew.push(params={"depth": 13}, data=[LAKE])
    other = crew.push(params={"depth": 6}, data=[LAKE, SCRAPED])
    silent = crew.push()
    assert set(outcomes(crew.explain(good)).values()) == {"pass"}
    assert outcomes(crew.explain(deep)) == {"param-depth": "fail", "data": "pass", "assert": "fail"}
    assert outcomes(crew.explain(other)) == {"param-depth": "pass", "data": "fail", "assert": "fail"}
    assert outcomes(crew.explain(silent)) == {"param-depth": "unknown", "data": "unknown", "assert": "unknown"}
    refused = {r.rule: r for r in crew.promote(other).verdict.results}["data"]
    assert refused.measured == "scraped without a source"
    assert refused.needed == "data from s3://lake/*"
    assert refused.fix == f"modelyard push FOLDER {crew.model} --data train=FILE"
    assert crew.promote(good).outcome == "done"


def test_an_untouched_template_is_no_card_and_does_not_pass_a_gate(crew: Team) -> None:
    crew.set_policy(policy("facts: {require: [card]}", "card: {sections: [purpose], min_words: 1}"))
    number = crew.push({"f1": 0.9})
    write = crew.registry.db.write
    text = crew.registry.db.read(lambda tx: cards.card_template(tx, crew.contributor, crew.ref(number)))
    write(lambda tx: cards.set_card(tx, crew.contributor, crew.ref(number), text))
    found = {r.rule: r for r in crew.explain(number).verdict.results}
    assert found["facts"].outcome.value == "fail"
    assert "card" in found["facts"].measured
    assert found["card"].outcome.value != "pass"
    own = f"{text}\n## Purpose\n\nFinds fraud in card payments of the shop.\n"
    write(lambda tx: cards.set_card(tx, crew.contributor, crew.ref(number), own))
    assert outcomes(crew.explain(number))["facts"] == "pass"
