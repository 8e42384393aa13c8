"""Builds that repeat a version or go on from it, through the native door, with agents that are these tests."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from modelyard.db.tables import blobs, checks, datasets, versions
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Role

# ruff: noqa: F811 - fixtures of another file have the names of arguments
from tests.contract.test_builds import RECIPE, Agent, Yard, event, pages, yard  # noqa: F401
from tests.support.door import Door, Visitor, assert_problem, digest_of

DATA = RECIPE + "data:\n  rows: {{ref: rows}}\n"
WEIGHTS = b"weights"


class Story:
    """A version that a build registered, and what happens to it."""

    def __init__(self, yard: Yard, recipe: str = RECIPE, **options: Any) -> None:
        self.yard = yard
        self.build, agent = yard.started(recipe=recipe, **options)
        body = {
            "facts": {
                "metrics": [{"name": "f1", "value": 0.5}],
                "params": {"depth": 6},
                "environment": {"packages": {"numpy": "1.26"}},
                "code": {"variables": {"PYTHONHASHSEED": "0"}},
            }
        }
        self.version = agent.door.register(yard.model, WEIGHTS, **body)
        self.path = f"models/{yard.model}/versions/1"
        self.finish(agent, version=f"{yard.model}:1")
        (self.file,) = yard.door.get(f"{self.path}/files").json()["items"]

    def finish(self, agent: Agent, **end: Any) -> None:
        answer = agent.end(**end)
        assert answer.status_code == 200, answer.text
        self.yard.executor.end(f"{agent.build}-{agent.attempt}")
        self.yard.work()

    def reproduce(self, door: Door | None = None, **body: Any) -> dict[str, Any]:
        answer = (door or self.yard.door).call("POST", f"{self.path}/reproduce", json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def agent_of(self, build: dict[str, Any]) -> Agent:
        self.yard.work()
        agent = self.yard.agent(build)
        assert agent.claim().status_code == 200
        return agent

    def result(self, data: bytes = WEIGHTS, f1: float | str = 0.5, **more: Any) -> dict[str, Any]:
        return {"files": {self.file["path"]: digest_of(data)}, "metrics": {"f1": f1}, **more}

    def repeat(self, result: dict[str, Any], **body: Any) -> dict[str, Any]:
        build = self.reproduce(**body)["build"]
        self.finish(self.agent_of(build), result=result)
        return self.yard.show(build)

    def checks(self) -> list[tuple[str, str, str]]:
        items = self.yard.door.get(f"{self.path}/checks").json()["items"]
        return [(c["state"], c["details"]["verdict"], c["build"]) for c in items if c["name"] == "reproduced"]


def test_a_version_knows_its_build_by_the_token_that_registered_it(yard: Yard) -> None:
    story = Story(yard)
    assert story.version["build"] == story.build["id"]
    assert yard.door.get(story.path).json()["build"] == story.build["id"]
    # The tag that everybody may set makes no build of it.
    other = yard.door.register(yard.model, b"other", tags={"build": story.build["id"]})
    assert other["build"] is None


def test_the_same_result_is_identical_and_registers_nothing(yard: Yard) -> None:
    story = Story(yard, params={"depth": 8}, bundle=yard.door.send(b"the source")["digest"])
    answer = story.reproduce()
    build = answer["build"]
    assert (answer["verdict"], build["reproduces"], build["params"]) == (None, f"{yard.model}:1", {"depth": 8})
    yard.work()
    agent = yard.agent(build)
    plan = agent.claim().json()
    assert [step["name"] for step in plan["steps"]] == [
        "provision", "source", "environment", "train", "package", "compare",
    ]  # fmt: skip
    assert (plan["reproduces"], plan["bundle"]) == (f"{yard.model}:1", yard.show(story.build)["bundle"])
    assert plan["environment"] == {"PYTHONHASHSEED": "0"}
    # Its token registers and reports nothing.
    space, _, name = yard.model.partition("/")
    register = agent.door.call(
        "POST",
        f"models/{space}/{name}/versions",
        json={"files": [{"path": "f", "digest": digest_of(WEIGHTS), "size_bytes": len(WEIGHTS)}]},
    )
    assert_problem(register, 403, "token_scope_too_narrow")
    report = agent.door.call("POST", f"{story.path}/checks", json={"name": "own", "state": "pass"})
    assert_problem(report, 403, "token_scope_too_narrow")
    assert_problem(agent.end(version=f"{yard.model}:1"), 400, "invalid_request")
    agent.next = 1
    story.finish(agent, result=story.result())
    shown = yard.show(build)
    assert (shown["status"], shown["version"], shown["verdict"]) == ("succeeded", None, "identical")
    assert shown["findings"]["differences"] == []
    assert story.checks() == [("pass", "identical", build["id"])]
    assert yard.door.get(f"models/{yard.model}/versions").json()["items"][0]["version"] == 1


def test_metrics_within_the_tolerance_are_equal(yard: Yard) -> None:
    story = Story(yard)
    assert story.repeat(story.result(f1=0.5 + 1e-9))["verdict"] == "equal"
    assert story.repeat(story.result(f1=0.51), tolerance=0.1)["verdict"] == "equal"
    answer = yard.door.call("POST", f"{story.path}/reproduce", json={"tolerance": 2})
    assert_problem(answer, 400, "invalid")
    # The tensors of other bytes, as the agent has compared them.
    tensors = {"contents": {story.file["path"]: "sha256:t"}, "tensors": {story.file["path"]: []}}
    assert story.repeat(story.result(b"other", **tensors))["verdict"] == "equal"


def test_a_difference_is_named_with_its_cause_and_confirmed_by_a_second_build(yard: Yard) -> None:
    story = Story(yard)
    other = story.result(b"other", f1="NaN", packages={"numpy": "2.0"}, params={"depth": 6})
    first = story.repeat(other)
    assert first["verdict"] == "different"
    assert [each["words"] for each in first["findings"]["differences"]] == [
        "metric f1 was 0.5, it is nan",
        f"file {story.file['path']} was {digest_of(WEIGHTS)[:19]}, it is {digest_of(b'other')[:19]}",
    ]
    assert [each["words"] for each in first["findings"]["causes"]] == ["package numpy was 1.26, it is 2.0"]
    assert "Perhaps because package numpy" in first["reason"]
    second = {"id": first["findings"]["second"]}
    story.finish(story.agent_of(second), result=other)
    shown = yard.show(second)
    assert (shown["rerun_of"], shown["verdict"]) == (first["id"], "different")
    assert shown["findings"]["second"] is None
    assert [check[:2] for check in story.checks()] == [("fail", "different")] * 2
    assert len(yard.door.get(f"builds?model={yard.model}").json()["items"]) == 3


def test_two_repetitions_that_differ_are_not_deterministic(yard: Yard) -> None:
    story = Story(yard)
    second = {"id": story.repeat(story.result(b"one"))["findings"]["second"]}
    # Even one that is like the version shows that the first was chance.
    story.finish(story.agent_of(second), result=story.result())
    assert yard.show(second)["verdict"] == "not-deterministic"
    assert story.checks()[0] == ("fail", "not-deterministic", second["id"])


def test_a_failed_repetition_is_impossible_and_a_cancelled_one_says_nothing(yard: Yard) -> None:
    story = Story(yard)
    build = story.reproduce()["build"]
    agent = story.agent_of(build)
    agent.send({"events": [event("train", "running"), event("train", "failed", reason="exit code 1")]})
    story.finish(agent, status="failed", reason="exit code 1")
    shown = yard.show(build)
    assert (shown["verdict"], shown["findings"]["missing"]) == ("impossible", ["step train: exit code 1"])
    assert story.checks() == [("error", "impossible", build["id"])]
    build = story.reproduce()["build"]
    assert yard.door.call("POST", f"builds/{build['id']}/cancel").status_code == 200
    yard.work()
    assert yard.show(build)["verdict"] is None
    # Nor does one whose agent reports no result.
    build = story.reproduce()["build"]
    story.finish(story.agent_of(build))
    assert (yard.status(build), yard.show(build)["verdict"]) == ("succeeded", None)
    assert len(story.checks()) == 1


def test_what_is_missing_is_said_at_once(yard: Yard) -> None:
    space = yard.model.partition("/")[0]
    yard.door.call("POST", "namespaces", json={"name": space})
    pushed = yard.door.call(
        "POST", f"namespaces/{space}/datasets", json={"entry": {"name": "rows", "digest": "sha256:" + "1" * 64}}
    )
    assert pushed.status_code == 201, pushed.text
    bundle = yard.door.send(b"the source")["digest"]
    story = Story(yard, DATA, bundle=bundle)
    # A later content does not matter: the recorded one is named by its digest.
    yard.door.call(
        "POST", f"namespaces/{space}/datasets", json={"entry": {"name": "rows", "digest": "sha256:" + "2" * 64}}
    )
    build = story.reproduce()["build"]
    yard.work()
    (given,) = yard.agent(build).claim().json()["inputs"]
    assert given["digest"] == "sha256:" + "1" * 64
    yard.door.call("POST", f"builds/{build['id']}/cancel")

    def gone(tx: Transaction) -> None:
        tx.execute(datasets.update().where(datasets.c.name == "rows").values(name="renamed"))
        tx.execute(blobs.delete().where(blobs.c.digest == bundle))
        tx.leaves_rights = True

    yard.registry.db.write(gone)
    answer = story.reproduce()
    assert (answer["build"], answer["verdict"]) == (None, "impossible")
    assert answer["missing"][0] == f"its source {bundle[:19]} is gone"
    assert "data rows: " in answer["missing"][1]
    assert story.checks() == [("error", "impossible", "")]
    by_hand = yard.door.register(yard.model, b"by hand")
    path = f"models/{yard.model}/versions/{by_hand['version']}"
    answer = yard.door.call("POST", f"{path}/reproduce", json={}).json()
    assert answer["missing"] == ["no build registered it, so that the registry does not know how it was made"]
    # A record without its source cannot be trained again either.
    problem = assert_problem(yard.door.call("POST", f"{story.path}/retrain", json={}), 400, "invalid")
    assert "is gone" in problem["detail"]


def test_a_version_that_a_step_pushed_by_itself_is_no_result_of_the_build(yard: Yard) -> None:
    _, agent = yard.started()
    agent.door.register(yard.model, b"one")
    agent.door.register(yard.model, b"two")
    assert agent.end(version=f"{yard.model}:2").status_code == 200
    answer = yard.door.call("POST", f"models/{yard.model}/versions/1/reproduce", json={}).json()
    assert "whose result it is not" in answer["missing"][0]


def test_the_verdict_is_never_written_by_hand_and_a_gate_asks_for_it(yard: Yard) -> None:
    story = Story(yard)
    by_hand = {"name": "reproduced", "state": "pass"}
    problem = assert_problem(yard.door.call("POST", f"{story.path}/checks", json=by_hand), 400, "invalid")
    assert f"modelyard reproduce {yard.model}:1" in problem["fix"]
    # One from an earlier release, when the name was free, does not count.

    def write(tx: Transaction) -> None:
        (version_id,) = tx.execute(sa.select(versions.c.id)).one()
        row = {"version_id": version_id, "name": "reproduced", "state": "pass", "at": 1}
        tx.execute(checks.insert().values(**row, actor_id=yard.registry.root.id))
        tx.leaves_rights = True

    yard.registry.db.write(write)
    policy = (
        "version: 1\nstages: [{name: live}]\npromote:\n  - to: live\n    rules: [{check: {name: reproduced}}]\n"
    )
    answer = yard.door.call("PUT", f"models/{yard.model}/policy", json={"text": policy})
    assert answer.status_code in (200, 201), answer.text

    def judged() -> tuple[str, str]:
        body = {"version": 1, "stage": "live", "dry_run": True}
        answer = yard.door.call("POST", f"models/{yard.model}/promotions", json=body)
        (rule,) = answer.json()["verdict"]["results"]
        return rule["outcome"], rule["fix"]

    assert judged() == ("unknown", f"modelyard reproduce {yard.model}:1")
    story.repeat(story.result())
    assert judged()[0] == "pass"
    story.repeat(story.result(f1=0.4))
    assert judged()[0] == "fail"


def test_who_may_reproduce(yard: Yard) -> None:
    story = Story(yard)
    reader, contributor = yard.member(Role.READER), yard.member(Role.CONTRIBUTOR)
    stranger = yard.door.as_(yard.door.token_of(yard.registry.user()))
    for action in ("reproduce", "retrain"):
        path = f"{story.path}/{action}"
        assert_problem(reader.call("POST", path, json={}), 403, "denied")
        assert_problem(stranger.call("POST", path, json={}), 404, "model_not_found")
    assert story.reproduce(contributor)["build"]["status"] == "queued"


def test_a_retraining_has_what_is_changed_and_names_its_parent(yard: Yard) -> None:
    story = Story(yard)
    answer = yard.door.call("POST", f"{story.path}/retrain", json={"params": {"depth": 9}, "warm": True})
    assert answer.status_code == 201, answer.text
    build = answer.json()
    assert (build["parent"], build["params"]) == (f"{yard.model}:1", {"depth": 9})
    yard.work()
    agent = yard.agent(build)
    plan = agent.claim().json()
    assert (plan["parent"], plan["warm"], plan["steps"][-1]["name"]) == (f"{yard.model}:1", True, "push")
    parents = [{"ref": f"{yard.model}:1", "relation": "retrained"}]
    agent.door.register(yard.model, b"child", facts={"parents": parents})
    story.finish(agent, version=f"{yard.model}:2")
    found = yard.door.get(f"lineage?ref={yard.model}:2&direction=up").json()
    assert "retrained" in {edge["relation"] for edge in found["edges"]}
    for body, code in (
        ({"params": {"dept": 1}}, "invalid_recipe"),
        ({"data": {"rows": "rows"}}, "invalid"),
    ):
        assert_problem(yard.door.call("POST", f"{story.path}/retrain", json=body), 400, code)


def test_a_repetition_again_is_a_repetition(yard: Yard) -> None:
    story = Story(yard)
    first = story.repeat(story.result())
    again = yard.door.call("POST", f"builds/{first['id']}/rerun").json()
    assert again["reproduces"] == f"{yard.model}:1"
    story.finish(story.agent_of(again), result=story.result())
    assert yard.show(again)["verdict"] == "identical"


def test_the_page_of_a_version_has_its_build_its_verdict_and_a_button(yard: Yard, pages: Visitor) -> None:
    story = Story(yard)
    story.repeat(story.result())
    page = pages.html(f"/{story.path}")
    assert f"/builds/{story.build['id']}" in page
    assert "Reproduced: identical" in page
    done = pages.send(f"/{story.path}", f"/{story.path}/reproduce")
    assert done.status_code == 303
    assert "Compared with" in pages.html(done.headers["location"].partition("?")[0])
