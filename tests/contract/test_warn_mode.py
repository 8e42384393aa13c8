"""Rules that only warn: names, unknown code, people named by a policy. Nothing dangerous is served because of it."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.domain.actor import Role
from modelyard.domain.errors import Denied
from modelyard.registry.versions import inspect
from tests.contract.test_unknown_code import bytes_path, distinct, path_of, serve_unknown
from tests.support.bad_files import trap, zipped
from tests.support.door import Door, assert_problem
from tests.support.jobs import finish_scans
from tests.support.promotion import Team, policy, team
from tests.support.registry import Registry, unique

RULES = {"naming_pattern": "[a-z]+-v[0-9]+", "reserved_names": ["test-v1"]}


@pytest.fixture
def space(door: Door) -> str:
    name = unique("warn")
    assert door.call("POST", "namespaces", json={"name": name, **RULES}).status_code == 201
    return name


def events(door: Door, model: str, kind: str) -> list[dict[str, Any]]:
    found = door.get(f"models/{model}/history?kind={kind}").json()["items"]
    return [event["data"] for event in found]


# --- names -------------------------------------------------------------------------------------------


def set_mode(door: Door, space: str, mode: str) -> Any:
    return door.call("PATCH", f"namespaces/{space}", json={"naming_mode": mode})


def test_names_are_refused_until_the_namespace_only_warns(door: Door, space: str) -> None:
    name = f"{space}/scorer"
    assert door.get(f"namespaces/{space}").json()["naming_mode"] == "refuse"
    assert_problem(door.call("POST", "models", json={"name": name}), 400, "invalid_name")
    assert_problem(set_mode(door, space, "shout"), 400, "invalid")
    assert set_mode(door, space, "warn").json()["naming_mode"] == "warn"
    made = door.call("POST", "models", json={"name": name})
    assert made.status_code == 201
    assert "takes only names like [a-z]+-v[0-9]+; the namespace only warns about it" in made.json()["warning"]
    assert events(door, name, "model.created") == [{"warning": made.json()["warning"]}]
    assert set_mode(door, space, "refuse").json()["naming_mode"] == "refuse"
    assert_problem(door.call("POST", "models", json={"name": f"{space}/other"}), 400, "invalid_name")
    # What has its name keeps it.
    assert door.register(name)["version"] == 1


def test_a_push_and_a_renaming_warn_and_a_good_name_does_not(door: Door, space: str) -> None:
    set_mode(door, space, "warn")
    pushed = door.register(f"{space}/scorer")
    assert "takes only names like" in pushed["warning"]
    assert door.register(f"{space}/scorer")["warning"] is None
    assert door.register(f"{space}/good-v1")["warning"] is None
    assert events(door, f"{space}/good-v1", "model.created") == [{}]
    renamed = door.call("POST", f"models/{space}/good-v1/rename", json={"to": "test-v1"}).json()
    assert "reserves it; the namespace only warns" in renamed["warning"]
    (logged,) = events(door, f"{space}/test-v1", "model.renamed")
    assert logged["warning"] == renamed["warning"]


def test_a_name_that_no_namespace_accepts_is_refused_in_any_mode(door: Door, space: str) -> None:
    set_mode(door, space, "warn")
    assert_problem(door.call("POST", "models", json={"name": f"{space}/Big Model"}), 400, "invalid_name")


# --- the scan ----------------------------------------------------------------------------------------

HELPER = "my_corp.utils.Helper"


def test_unknown_code_is_served_with_a_warning_and_an_event_and_nothing_worse_is(
    door: Door, model: str
) -> None:
    space = model.partition("/")[0]
    good = door.register(model)
    assert serve_unknown(door, space, True).status_code == 200
    made = door.register(model, distinct(HELPER))
    assert (made["scan"], made["quarantined"]) == ("unknown", False)
    shown = door.get(path_of(made)).json()
    resolved = door.get(f"resolve?ref={model}:{made['version']}").json()
    for answer in (made, shown, resolved):
        assert "names code that the scan does not know" in answer["warning"]
        assert f"modelyard scan show {model}:{made['version']}" in answer["warning"]
    assert door.get(path_of(good)).json()["warning"] is None
    (logged,) = events(door, model, "version.unknown_served")
    assert logged == {"digest": made["digest"], "names": [HELPER]}
    for held in (zipped(trap(), f"{unique()}.pkl"), b"7z\xbc\xaf\x27\x1c" + unique().encode()):
        bad = door.register(model, held)
        assert bad["quarantined"]
        assert_problem(door.get(bytes_path(door, bad)), 409, "version_quarantined")
    assert len(events(door, model, "version.unknown_served")) == 1
    assert serve_unknown(door, space, False).status_code == 200
    assert_problem(door.get(bytes_path(door, made)), 409, "version_quarantined")
    assert "is in quarantine" in door.get(path_of(made)).json()["warning"]


def test_a_version_that_is_scanned_later_is_logged_then(
    door: Door, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.register(model)
    assert serve_unknown(door, model.partition("/")[0], True).status_code == 200
    with monkeypatch.context() as hurried:
        hurried.setattr(inspect, "REGISTRATION_SECONDS", -1.0)
        made = door.register(model, distinct(HELPER))
    assert made["scan"] == "pending"
    assert events(door, model, "version.unknown_served") == []
    finish_scans(door.registry.db, door.registry.blobs)
    assert "names code that the scan does not know" in door.get(path_of(made)).json()["warning"]
    (logged,) = events(door, model, "version.unknown_served")
    assert logged["names"] == [HELPER]


# --- the people that a policy names --------------------------------------------------------------------

NARROWED = "who: {{promote: [{0}], rollback: [{0}], demote: [{0}], waive: [{0}]{1}}}"


@pytest.fixture
def crew(registry: Registry) -> Team:
    return team(registry)


def warned(crew: Team) -> list[str]:
    from modelyard.registry.audit import usecases as audit
    from modelyard.registry.audit.nouns import EventFilter

    chosen = EventFilter(kinds=("promotion.role_warned",))
    found = crew.registry.db.read(
        lambda tx: audit.list_history(tx, crew.owner, crew.ref(1).model, chosen, None, 50)
    )
    return [event.body["data"]["action"] for event in reversed(found)]


def test_others_than_the_policy_names_may_act_with_a_warning(crew: Team) -> None:
    crew.set_policy(policy(more=NARROWED.format(crew.rita.name, ", mode: warn")))
    first, second = crew.push(), crew.push()
    done = crew.promote(first)
    assert done.done
    assert done.promotion is not None
    assert done.promotion.warning == (
        f"the policy names {crew.rita.name} to promote to production, not {crew.maintainer.name}; "
        "it only warns about that"
    )
    assert crew.promote(second).done
    assert "roll back production" in (crew.rollback().warning or "")
    # What changes nothing is no act.
    assert crew.promote(first).promotion is None
    assert warned(crew) == ["promote to production", "promote to production", "roll back production"]


def test_those_it_names_are_not_warned_and_the_role_is_needed_all_the_same(crew: Team) -> None:
    crew.grant(crew.rita, Role.MAINTAINER)
    crew.set_policy(policy(more=NARROWED.format(crew.rita.name, ", mode: warn")))
    number = crew.push()
    done = crew.promote(number, by=crew.rita)
    assert done.promotion is not None
    assert done.promotion.warning is None
    with pytest.raises(Denied):
        crew.promote(crew.push(), by=crew.contributor)
    assert warned(crew) == []


def test_a_waiver_by_somebody_else_warns(crew: Team) -> None:
    crew.set_policy(policy("check: {name: bias}", more=NARROWED.format(crew.rita.name, ", mode: warn")))
    attempt = crew.promote(crew.push())
    assert attempt.promotion is not None
    assert warned(crew) == []
    view = crew.waive(crew.registry.root, attempt.promotion.id, "check-bias")
    assert "waive rules of production" in (view.promotion.warning or "")
    assert warned(crew) == ["waive rules of production"]


def test_a_model_cannot_turn_the_narrowing_of_its_namespace_into_a_warning(crew: Team) -> None:
    crew.set_policy(policy(more=NARROWED.format(crew.rita.name, "")))
    number = crew.push()
    crew.set_policy(policy(more=NARROWED.format(crew.rita.name, ", mode: warn")), of_model=True)
    with pytest.raises(Denied):
        crew.promote(number)
