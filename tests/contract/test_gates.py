"""Gates hold by identity: what somebody without the right to edit a policy cannot get round, at the HTTP door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from modelyard.domain.actor import Actor
from tests.support.door import Door, assert_problem
from tests.support.registry import unique

POLICY = """\
version: 1
editors: [{alice}]
promote:
  - {{to: development, rules: []}}
  - {{to: staging, rules: []}}
  - {{to: production, rules: []}}
  - {{to: production, models: "scorer*", rules: [{{approvals: {{}}}}]}}
"""


@dataclass
class Gov:
    """A namespace of alice, the one editor of its policy, with bob and carol as maintainers."""

    door: Door
    space: str
    alice: Door
    bob: Door
    carol: Door
    names: dict[str, str]

    def at(self, model: str) -> str:
        return f"models/{self.space}/{model}"

    def promote(self, model: str, by: Door | None = None, version: int = 1, **body: Any) -> Any:
        wish = {"version": version, "stage": "production", **body}
        return (by or self.bob).call("POST", f"{self.at(model)}/promotions", json=wish)

    def rename(self, model: str, to: str, by: Door | None = None) -> Any:
        return (by or self.bob).call("POST", f"{self.at(model)}/rename", json={"to": f"{self.space}/{to}"})

    def set_policy(self, text: str, by: Door | None = None) -> Any:
        return (by or self.alice).call("PUT", f"namespaces/{self.space}/policy", json={"text": text})

    def standing(self, model: str) -> int | None:
        found = self.alice.get(f"{self.at(model)}/aliases").json()["items"]
        return next((each["version"] for each in found if each["alias"] == "production"), None)


def ok(answer: Any) -> Any:
    assert answer.status_code in (200, 201, 204), answer.text[:800]
    return answer.json() if answer.content else None


@pytest.fixture
def gov(door: Door) -> Gov:
    space = unique("gov")
    actors: dict[str, Actor] = {n: door.registry.user(unique(n)) for n in ("alice", "bob", "carol")}
    doors = {name: door.as_(door.token_of(actor)) for name, actor in actors.items()}
    ok(doors["alice"].call("POST", "namespaces", json={"name": space}))
    for name in ("bob", "carol"):
        at = f"namespaces/{space}/members/{actors[name].name}"
        ok(doors["alice"].call("PUT", at, json={"role": "maintainer"}))
    names = {name: actor.name for name, actor in actors.items()}
    made = Gov(door, space, doors["alice"], doors["bob"], doors["carol"], names)
    ok(made.set_policy(POLICY.format(alice=names["alice"])))
    return made


# --- names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [["x-scorer"], ["x", "y"], ["x", "scorer-2", "z"]])
def test_a_rename_leads_out_of_no_gate(gov: Gov, names: list[str]) -> None:
    gov.bob.register(f"{gov.space}/scorer")
    present = "scorer"
    for name in names:
        ok(gov.rename(present, name))
        present = name
        assert_problem(gov.promote(present), 409, "refused")
    assert gov.standing(present) is None


def test_nor_does_renaming_back(gov: Gov) -> None:
    gov.bob.register(f"{gov.space}/plain")
    ok(gov.rename("plain", "scorer"))
    ok(gov.rename("scorer", "plain"))
    assert_problem(gov.promote("plain"), 409, "refused")
    # What is asked under a former name is asked of the same model.
    assert_problem(gov.promote("scorer"), 409, "refused")


def test_nor_does_making_the_model_anew(gov: Gov) -> None:
    gov.bob.register(f"{gov.space}/scorer")
    ok(gov.rename("scorer", "plain"))
    assert gov.alice.call("DELETE", gov.at("plain")).status_code == 204
    number = gov.bob.register(f"{gov.space}/plain")["version"]
    assert_problem(gov.promote("plain", version=number), 409, "refused")
    assert_problem(gov.bob.call("POST", "models", json={"name": f"{gov.space}/scorer"}), 409, "already_exists")


def test_nor_do_archiving_and_a_display_name(gov: Gov) -> None:
    gov.bob.register(f"{gov.space}/scorer")
    for edit in ({"display_name": "plain"}, {"archived": True}, {"archived": False}):
        ok(gov.bob.call("PATCH", gov.at("scorer"), json=edit))
    ok(gov.bob.call("PATCH", gov.at("scorer"), json={"tags": {"models": "plain"}}))
    assert_problem(gov.promote("scorer"), 409, "refused")


def test_a_version_that_passed_no_gate_is_not_renamed_behind_one(gov: Gov) -> None:
    gov.bob.register(f"{gov.space}/plain")
    ok(gov.promote("plain"))
    refused = assert_problem(gov.rename("plain", "scorer-eu"), 403, "denied")
    assert "modelyard demote" in refused["fix"]
    assert gov.bob.get(gov.at("scorer-eu")).status_code == 404
    # The person who may edit the policy may.
    ok(gov.rename("plain", "scorer-eu", by=gov.alice))


def test_an_empty_stage_keeps_nobody_from_renaming(gov: Gov) -> None:
    gov.bob.register(f"{gov.space}/plain")
    ok(gov.promote("plain"))
    stage = f"{gov.at('plain')}/stages/production"
    ok(gov.bob.call("POST", f"{stage}/demote", json={"reason": "to be renamed"}))
    ok(gov.rename("plain", "scorer-eu"))
    assert_problem(gov.promote("scorer-eu"), 409, "refused")


def test_an_alias_cannot_take_the_place_of_a_promotion(gov: Gov) -> None:
    gov.bob.register(f"{gov.space}/scorer")
    for name in ("production", "Production", "PRODUCTION"):
        answer = gov.bob.call("PUT", f"{gov.at('scorer')}/aliases/{name}", json={"version": 1})
        assert answer.status_code in (400, 403, 409, 422), answer.text
    assert gov.standing("scorer") is None


def test_whoever_registered_the_same_files_does_not_approve_them(gov: Gov) -> None:
    """Registering them again under another account, in another model, makes no one a second person."""
    data = unique("bytes").encode()
    gov.carol.register(f"{gov.space}/elsewhere", data)
    gov.bob.register(f"{gov.space}/scorer", data)
    opened = assert_problem(gov.promote("scorer"), 409, "refused")["fields"]["attempt"]["promotion"]["id"]
    ok(gov.carol.call("POST", f"promotions/{opened}/votes", json={"approves": True}))
    assert_problem(gov.promote("scorer"), 409, "refused")
    ok(gov.alice.call("POST", f"promotions/{opened}/votes", json={"approves": True}))
    ok(gov.promote("scorer"))


# --- evidence ----------------------------------------------------------------------------------------

FOUR_EYES = """\
version: 1
promote:
  - {to: development, rules: []}
  - {to: staging, rules: []}
  - to: production
    rules:
      - metric: {name: f1, min: 0.9, split: test, reported_by: others}
      - check: {name: unit, reported_by: others}
"""


def test_what_the_author_reports_counts_where_the_policy_lets_it_and_is_always_named(gov: Gov) -> None:
    reference = f"{gov.at('plain')}/versions/1"
    gov.bob.register(f"{gov.space}/plain")

    def report(by: Door) -> None:
        ok(by.call("POST", f"{reference}/evaluations", json={"metrics": {"f1": 0.99}, "split": "test"}))
        ok(by.call("POST", f"{reference}/checks", json={"name": "unit", "state": "pass"}))

    ok(gov.set_policy(FOUR_EYES.replace(", reported_by: others", "")))
    report(gov.bob)
    allowed = ok(gov.promote("plain", dry_run=True))["verdict"]
    assert [r["outcome"] for r in allowed["results"]] == ["pass", "pass"]
    assert all(gov.names["bob"] in r["measured"] for r in allowed["results"])
    assert "the version's author" in allowed["results"][0]["measured"]

    ok(gov.set_policy(FOUR_EYES))
    refused = ok(gov.promote("plain", dry_run=True))["verdict"]
    assert [r["outcome"] for r in refused["results"]] == ["unknown", "unknown"]
    assert all(gov.names["bob"] in r["measured"] for r in refused["results"])
    report(gov.carol)
    passed = ok(gov.promote("plain"))["verdict"]
    assert [gov.names["carol"] in r["measured"] for r in passed["results"]] == [True, True]


def test_a_second_account_of_the_author_is_nobody_else(gov: Gov) -> None:
    """A trusted publisher that bob made is bob."""
    root = gov.door
    bot = unique("bot")
    made = root.registry.find(gov.names["bob"])
    root.registry.db.write(
        lambda tx: _account(tx, bot, made.id),
    )
    ok(gov.alice.call("PUT", f"namespaces/{gov.space}/members/{bot}", json={"role": "contributor"}))
    second = root.as_(root.token_of(root.registry.find(bot)))
    gov.bob.register(f"{gov.space}/plain")
    ok(gov.set_policy(FOUR_EYES))
    reference = f"{gov.at('plain')}/versions/1"
    ok(second.call("POST", f"{reference}/evaluations", json={"metrics": {"f1": 0.99}, "split": "test"}))
    ok(second.call("POST", f"{reference}/checks", json={"name": "unit", "state": "pass"}))
    verdict = ok(gov.promote("plain", dry_run=True))["verdict"]
    assert [r["outcome"] for r in verdict["results"]] == ["unknown", "unknown"]


def _account(tx: Any, name: str, made_by: int) -> None:
    from modelyard.domain.actor import ActorKind
    from modelyard.registry.access import account_queries

    account_queries.insert_actor(tx, name=name, kind=ActorKind.SERVICE, made_by=made_by)


def test_the_written_template_asks_for_somebody_elses_evidence_and_names_its_editor(gov: Gov) -> None:
    text = gov.alice.get("policy/example").text
    assert f"editors: [{gov.names['alice']}]" in text
    assert "metric: {name: f1, split: test, min: 0.7, reported_by: others}" in text
    assert "work alone delete" in text
    ok(gov.set_policy(text))
    assert_problem(gov.set_policy(FOUR_EYES, by=gov.bob), 403, "denied")
    # Deleting what the comment names is all that somebody who works alone has to do.
    ok(gov.set_policy(text.replace(", reported_by: others", "")))


# --- a gate that was weakened ------------------------------------------------------------------------

OPEN = "version: 1\npromote:\n" + "".join(
    f"  - {{to: {stage}, rules: []}}\n" for stage in ("development", "staging", "production")
)


def test_nobody_weakens_a_gate_and_uses_it_alone(gov: Gov) -> None:
    ok(gov.set_policy(POLICY.format(alice=gov.names["alice"]).replace("editors", "# editors")))
    gov.bob.register(f"{gov.space}/scorer")
    weakened = ok(gov.set_policy(OPEN, by=gov.bob))
    assert weakened["weakens"] == ["gate to production of scorer*: rule approvals removed"]
    event = gov.door.get("audit/events", params={"kind": "policy.changed"}).json()["items"][0]
    assert event["data"]["weakened"] == weakened["weakens"]

    body = assert_problem(gov.promote("scorer"), 409, "refused")["fields"]["attempt"]
    (result,) = body["verdict"]["results"]
    assert (result["rule"], result["outcome"]) == ("policy", "fail")
    assert f"by {gov.names['bob']}" in result["measured"]
    notes = " ".join(body["verdict"]["notes"])
    assert "younger than the version" in notes
    assert "last weakened" in notes
    # What bob asked for and somebody else completes is still bob's wish, unless they approve it.
    assert_problem(gov.promote("scorer", by=gov.carol), 409, "refused")
    opened = body["promotion"]["id"]
    ok(gov.bob.call("POST", f"promotions/{opened}/votes", json={"approves": True}))
    assert_problem(gov.promote("scorer"), 409, "refused")
    ok(gov.carol.call("POST", f"promotions/{opened}/votes", json={"approves": True}))
    ok(gov.promote("scorer"))


def test_weakening_in_two_steps_or_by_taking_the_policy_away_is_found_too(gov: Gov) -> None:
    ok(gov.set_policy(POLICY.format(alice=gov.names["alice"]).replace("editors", "# editors")))
    gov.bob.register(f"{gov.space}/scorer")
    warn = POLICY.format(alice=gov.names["alice"]).replace("editors", "mode: warn\n# editors")
    assert ok(gov.set_policy(warn, by=gov.bob))["weakens"] == [
        f"gate to {stage}: mode: block → warn" for stage in ("development", "staging", "production")
    ]
    gone = gov.bob.call("DELETE", f"namespaces/{gov.space}/policy")
    assert "gate to production of scorer*: rule approvals removed" in ok(gone)["weakens"]
    assert_problem(gov.promote("scorer"), 409, "refused")


def test_a_gate_that_only_warns_does_not_warn_of_its_own_weakening(gov: Gov) -> None:
    text = POLICY.format(alice=gov.names["alice"]).replace("editors", "# editors")
    ok(gov.set_policy(text))
    gov.bob.register(f"{gov.space}/scorer")
    ok(gov.set_policy(text.replace("version: 1", "version: 1\nmode: warn"), by=gov.bob))
    assert_problem(gov.promote("scorer", keep_open=False), 409, "refused")
    assert gov.standing("scorer") is None
    # Of all else it only warns, and somebody else may use it.
    ok(gov.promote("scorer", by=gov.carol))


@pytest.mark.parametrize("change", ["left out", "renamed", "weakened, then left out", "policy removed"])
@pytest.mark.parametrize("has_model", [True, False])
def test_a_stage_that_asks_for_approvals_cannot_be_taken_away(gov: Gov, change: str, has_model: bool) -> None:
    guarded = """\
version: 1
stages: [development, staging, production, {stage}]
promote:
  - {{to: development, rules: []}}
  - {{to: staging, rules: []}}
  - {{to: production, rules: []}}
  - {{to: production, models: "scorer*", rules: [{{approvals: {{}}}}]}}
  - {{to: {stage}, rules: []}}
  - {{to: {stage}, models: "scorer*", rules: [{rule}]}}
"""
    before = guarded.format(stage="live", rule="{approvals: {}}")
    ok(gov.set_policy(before))
    if has_model:
        gov.bob.register(f"{gov.space}/scorer")
    without = POLICY.format(alice=gov.names["alice"]).replace("editors", "# editors")
    if change == "weakened, then left out":
        ok(gov.set_policy(guarded.format(stage="live", rule=""), by=gov.bob))
    if change == "policy removed":
        refused = gov.bob.call("DELETE", f"namespaces/{gov.space}/policy")
    else:
        text = guarded.format(stage="other", rule="") if change == "renamed" else without
        tried = gov.bob.call("PUT", f"namespaces/{gov.space}/policy", json={"text": text, "dry_run": True})
        assert_problem(tried, 409, "conflict")
        refused = gov.set_policy(text, by=gov.bob)
    assert "stage live" in assert_problem(refused, 409, "conflict")["detail"]
    # Where it was weakened long ago, it may go.
    clock = gov.door.registry.db.clock
    gov.door.registry.db.clock = lambda: clock() + 8 * 86_400 * 1_000_000
    try:
        if change == "weakened, then left out":
            ok(gov.set_policy(without, by=gov.carol))
        elif change == "left out":
            assert_problem(gov.set_policy(without, by=gov.carol), 409, "conflict")
    finally:
        gov.door.registry.db.clock = clock


def test_somebody_else_promotes_through_the_weakened_gate(gov: Gov) -> None:
    gov.bob.register(f"{gov.space}/scorer")
    ok(gov.set_policy(OPEN))
    ok(gov.promote("scorer", by=gov.carol))


def test_a_gate_can_ask_to_have_stood_for_a_while(gov: Gov) -> None:
    gov.bob.register(f"{gov.space}/plain")
    stood = OPEN.replace(
        "{to: production, rules: []}", "{to: production, rules: [{policy_stood_for: {at_least: 7d}}]}"
    )
    with_owner = stood.replace("[{policy", "[{owner: {}}, {policy")
    ok(gov.set_policy(with_owner))
    ok(gov.set_policy(stood))
    refused = assert_problem(gov.promote("plain", by=gov.carol), 409, "refused")["fields"]["attempt"]["verdict"]
    assert "rule owner removed" in refused["results"][0]["measured"]


def test_a_dry_run_of_a_policy_says_what_it_would_weaken_and_changes_nothing(gov: Gov) -> None:
    at = f"namespaces/{gov.space}/policy"
    tried = ok(gov.alice.call("PUT", at, json={"text": OPEN, "dry_run": True}))
    assert tried["weakens"][0].startswith("editors:")
    assert tried["revision"] == 1
