"""Builds through the native door, on both databases, with an executor whose agents are these tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from modelyard.db.engine import Database
from modelyard.db.tables import build_logs, build_secrets, builds, jobs, tokens
from modelyard.domain.actor import Role
from modelyard.engines.executor import Look, State
from modelyard.registry.builds import rules, running
from modelyard.registry.builds.pools import Pool, Pools
from modelyard.registry.jobs import usecases as job_usecases
from modelyard.registry.jobs.nouns import LeaseLost
from modelyard.registry.retention import usecases as retention
from modelyard.worker.works import build_works
from tests.support.clock import Clock
from tests.support.door import Door, Visitor, assert_problem, open_door
from tests.support.executors import ScriptedExecutor
from tests.support.jobs import work_off
from tests.support.registry import Registry, unique

RECIPE = """\
version: 1
model: {model}
params: {{depth: 6}}
train: python train.py --depth {{depth}}
"""
RETRYING = RECIPE + "retry: {{attempts: 2, on: [lost, failed]}}\n"
STEPS = ["provision", "source", "environment", "train", "package", "push"]


@dataclass
class Agent:
    """An agent of one attempt, as an executor started it."""

    door: Door
    build: str
    attempt: int
    next: int = 1
    ticket: Door | None = None

    @property
    def path(self) -> str:
        return f"builds/{self.build}/attempts/{self.attempt}"

    def claim(self, **body: str) -> Any:
        """Begin, and report with the token of the answer."""
        answer = (self.ticket or self.door).call("POST", f"{self.path}/claim", json=body)
        if answer.status_code == 200:
            self.ticket, self.door = self.ticket or self.door, self.door.as_(answer.json()["token"])
        return answer

    def send(self, *frames: dict[str, Any], first: int | None = None) -> Any:
        body = {"first": self.next if first is None else first, "frames": list(frames)}
        answer = self.door.call("POST", f"{self.path}/records", json=body)
        if answer.status_code == 200:
            self.next = answer.json()["last"] + 1
        return answer

    def end(self, status: str = "succeeded", **more: Any) -> Any:
        return self.send({"end": {"status": status, **more}})


def event(step: str, state: str | None = None, log: str = "", **more: Any) -> dict[str, Any]:
    return {
        "step": step,
        "at": 1_700_000_000_000_000,
        "log": log,
        **({"state": state} if state else {}),
        **more,
    }


def said(step: str, log: str, state: str | None = None) -> dict[str, Any]:
    return {"events": [event(step, state, log)]}


@dataclass
class Yard:
    """A server with a pool of `slots` places, its worker called by the tests."""

    registry: Registry
    door: Door
    clock: Clock
    pools: Pools
    executor: ScriptedExecutor
    model: str = field(default_factory=lambda: f"{unique('space')}/scorer")

    def submit(self, door: Door | None = None, recipe: str = RECIPE, expect: int = 201, **body: Any) -> Any:
        text = recipe.format(model=body.pop("of", self.model))
        answer = (door or self.door).call("POST", "builds", json={"recipe": text, **body})
        assert answer.status_code == expect, answer.text
        return answer.json()

    def work(self, pass_seconds: float = 2) -> None:
        self.clock.pass_seconds(pass_seconds)
        work_off(self.registry.db, build_works(self.registry.db, self.registry.blobs, self.pools))

    def agent(self, build: dict[str, Any], attempt: int = 1) -> Agent:
        task = self.executor.tasks[f"{build['id']}-{attempt}"]
        assert task.environment["MODELYARD_BUILD"] == build["id"]
        return Agent(self.door.as_(task.environment["MODELYARD_TOKEN"]), build["id"], attempt)

    def started(self, **options: Any) -> tuple[dict[str, Any], Agent]:
        """A build whose agent has claimed its first attempt."""
        build = self.submit(**options)
        self.work()
        agent = self.agent(build)
        answer = agent.claim()
        assert answer.status_code == 200, answer.text
        return build, agent

    def show(self, build: dict[str, Any]) -> dict[str, Any]:
        answer = self.door.get(f"builds/{build['id']}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def status(self, build: dict[str, Any]) -> str:
        return str(self.show(build)["status"])

    def log(self, build: dict[str, Any], **query: Any) -> str:
        """The whole log, read as a follower does."""
        text, position = "", 0
        while True:
            options = "".join(f"&{key}={value}" for key, value in query.items())
            part = self.door.get(f"builds/{build['id']}/log?position={position}{options}").json()
            if part["position"] == position:
                return text
            text, position = text + part["text"], part["position"]

    def allow(self, builds: str, network: str = "contributors") -> None:
        """Say whose builds may run, and whose with the network."""
        (pool,) = self.pools
        self.pools = Pools([msgspec.structs.replace(pool, builds=builds, network=network)])
        self.door.services.pools = self.pools  # type: ignore[misc]

    def member(self, role: Role) -> Door:
        user = self.registry.user()
        space = self.model.partition("/")[0]
        answer = self.door.call("PUT", f"namespaces/{space}/members/{user.name}", json={"role": role.word})
        assert answer.status_code == 204, answer.text
        return self.door.as_(self.door.token_of(user))

    def kinds(self, build: dict[str, Any]) -> list[str]:
        items = self.door.get(f"models/{self.model}/history").json()["items"]
        return [each["kind"] for each in reversed(items) if each["kind"].startswith("build.")]


@pytest.fixture
def yard(own_url: str) -> Iterator[Yard]:
    clock = Clock()
    db = Database(own_url, clock=clock)
    registry = Registry(db)
    with open_door(registry) as door:
        executor = ScriptedExecutor()
        pool = Pool("local", executor, 2, "contributors", "setting local_builds", "http://here")
        yard = Yard(registry, door, clock, Pools([pool]), executor)
        door.services.pools = yard.pools  # type: ignore[misc]
        yield yard
    db.close()


# --- the whole story ----------------------------------------------------------------------------------


def test_the_whole_story_of_a_build(yard: Yard) -> None:
    bundle = yard.door.send(b"the source")["digest"]
    build = yard.submit(bundle=bundle, params={"depth": 8}, source={"commit": "abc"})
    assert (build["status"], build["attempt"], build["pool"], build["params"]) == (
        "queued",
        0,
        "local",
        {"depth": 8},
    )
    yard.work()
    assert yard.status(build) == "starting"
    agent = yard.agent(build)
    plan = agent.claim().json()
    assert (plan["build"], plan["attempt"], plan["bundle"], plan["model"]) == (
        build["id"],
        1,
        bundle,
        yard.model,
    )
    assert [step["name"] for step in plan["steps"]] == STEPS
    assert next(s for s in plan["steps"] if s["name"] == "train")["command"] == "python train.py --depth 8"
    assert yard.status(build) == "running"
    source = agent.door.get(f"builds/{build['id']}/bundle")
    assert source.content == b"the source"
    assert agent.send(said("train", "epoch 1\nepo", "running")).json() == {"last": 1, "wanted": "run"}
    assert yard.log(build) == "epoch 1\n"
    assert yard.show(build)["step"] == "train"
    run = plan["run"]
    assert agent.door.call("PUT", f"runs/{run}", json={"experiment": yard.model}).status_code == 200
    agent.door.call(
        "POST",
        f"runs/{run}/records",
        json={
            "writer": "w",
            "first": 1,
            "frames": [{"points": [{"name": "f1", "steps": [0], "times": [0], "values": [0.5]}]}],
        },
    )
    agent.door.register(yard.model)
    agent.send(said("train", "ch 2\n", "ok"))
    answer = agent.end(version=f"{yard.model}:1")
    assert answer.status_code == 200, answer.text
    shown = yard.show(build)
    assert (shown["status"], shown["version"], shown["run"]) == ("succeeded", f"{yard.model}:1", run)
    assert shown["metrics"] == {"f1": 0.5}
    assert [(step["name"], step["state"]) for step in shown["steps"]][3:5] == [
        ("train", "ok"),
        ("package", "skipped"),
    ]
    assert yard.log(build, step="train") == "epoch 1\nepoch 2\n"
    yard.executor.end(f"{build['id']}-1")
    yard.work()
    assert yard.executor.calls == [f"submit {build['id']}-1", f"clean {build['id']}-1"]
    assert agent.claim().status_code == 401
    assert yard.kinds(build) == ["build.submitted", "build.started", "build.ended"]
    # Nothing is left to do.
    assert yard.registry.db.read(lambda tx: tx.rows(sa.select(jobs.c.state))) == [("done",)]
    listed = yard.door.get(f"builds?model={yard.model}").json()["items"]
    assert [item["id"] for item in listed] == [build["id"]]
    assert yard.door.get("builds?status=failed").json()["items"] == []
    assert yard.door.get(f"builds/{build['id'][:8]}").json()["id"] == build["id"]
    page = yard.door.get("/metrics").text
    assert 'modelyard_builds{state="succeeded"} 1.0' in page


def test_a_bundle_stays_while_a_build_names_it(yard: Yard) -> None:
    named, other = (yard.door.send(data)["digest"] for data in (b"named", b"other"))
    yard.submit(bundle=named)
    yard.clock.pass_seconds(10 * 86_400)
    retention.collect(yard.registry.db, yard.registry.blobs, yard.registry.root, dry_run=False)
    present = {str(blob.digest) for blob in yard.registry.blobs.list()}
    assert named in present
    assert other not in present


def test_an_unknown_bundle_or_one_of_somebody_else_is_refused(yard: Yard) -> None:
    answer = yard.submit(bundle="sha256:" + "0" * 64, expect=404)
    assert answer["code"] == "blob_not_found"
    stranger = yard.door.as_(yard.door.token_of(yard.registry.user()))
    sent = yard.door.send(b"mine")["digest"]
    refused = yard.submit(stranger, bundle=sent, of=f"{unique('own')}/m", expect=404)
    assert refused["code"] == "blob_not_found"


# --- exactly once, and fenced -------------------------------------------------------------------------


def test_frames_are_stored_once_and_without_a_gap(yard: Yard) -> None:
    build, agent = yard.started()
    one, two, three = (said("train", f"line {n}\n") for n in (1, 2, 3))
    assert agent.send(one, two).json()["last"] == 2
    assert agent.send(one, two, first=1).json()["last"] == 2
    assert agent.send(two, three, first=2).json()["last"] == 3
    assert yard.log(build) == "line 1\nline 2\nline 3\n"
    assert_problem(agent.send(one, first=5), 409, "frames_missing")
    assert agent.send().json() == {"last": 3, "wanted": "run"}
    # The answer to the last word may be lost, too.
    assert agent.end("failed", reason="no").status_code == 200
    again = agent.send({"end": {"status": "failed", "reason": "no"}}, first=4)
    assert again.json() == {"last": 4, "wanted": "cancel"}
    assert_problem(agent.send(one, first=5), 409, "attempt_superseded")
    assert_problem(agent.send(), 409, "attempt_superseded")
    assert yard.kinds(build).count("build.ended") == 1


def test_an_agent_of_an_earlier_attempt_is_refused(yard: Yard) -> None:
    build, first = yard.started(recipe=RETRYING)
    first.send(said("train", "one\n", "running"))
    assert first.end("failed", reason="exit code 1").status_code == 200
    shown = yard.show(build)
    assert shown["status"] == "queued"
    assert "another attempt follows" in shown["reason"]
    yard.executor.end(f"{build['id']}-1")
    # Before its token is revoked, only the number of its attempt tells it from the next one.
    token_id = yard.registry.db.read(
        lambda tx: tx.rows(sa.select(tokens.c.id).order_by(tokens.c.id.desc()).limit(1))
    )[0][0]
    yard.work()
    yard.work()
    second = yard.agent(build, 2)
    assert second.claim().status_code == 200
    assert first.send(said("train", "late\n")).status_code == 401
    yard.registry.db.write(
        lambda tx: tx.execute(tokens.update().where(tokens.c.id == token_id).values(revoked_at=None))
    )
    assert_problem(first.send(said("train", "late\n")), 409, "attempt_superseded")
    # Nor may the one speak for the other, or begin anything again.
    assert first.claim().status_code == 401
    first.attempt, first.ticket = 2, None
    assert_problem(first.send(said("train", "late\n")), 403, "denied")
    assert_problem(first.claim(), 403, "denied")
    second.send(said("train", "two\n"))
    assert yard.log(build) == "one\ntwo\n"
    assert yard.log(build, step="train") == "two\n"
    assert [a["status"] for a in yard.show(build)["attempts"]] == ["failed", "running"]
    # The recipe allows two attempts.
    second.end("failed", reason="exit code 1")
    assert yard.status(build) == "failed"


def test_an_attempts_token_is_good_for_its_report_alone(yard: Yard) -> None:
    build, agent = yard.started()
    other = f"{unique('other')}/model"
    yard.door.register(other)
    token = agent.door
    assert_problem(
        token.call("POST", "builds", json={"recipe": RECIPE.format(model=yard.model)}),
        403,
        "token_scope_too_narrow",
    )
    assert_problem(token.call("POST", f"builds/{build['id']}/cancel"), 403, "token_scope_too_narrow")
    assert token.call("POST", "tokens", json={"name": "more"}).status_code == 403
    assert token.get(f"models/{other}").status_code == 404
    assert token.get("actors/root").status_code in (403, 404)
    space = yard.model.partition("/")[0]
    assert token.call("PUT", f"namespaces/{space}/members/root", json={"role": "owner"}).status_code == 403
    # And no other token reports.
    person = Agent(yard.door, build["id"], 1)
    assert_problem(person.claim(), 403, "denied")
    assert_problem(person.send(said("train", "forged\n")), 403, "denied")
    assert yard.log(build) == ""


def test_what_an_executor_was_told_begins_the_attempt_and_is_worth_nothing_after_that(yard: Yard) -> None:
    build = yard.submit()
    yard.work()
    ticket = yard.agent(build).door
    # It neither reports nor reads before the beginning.
    assert_problem(Agent(ticket, build["id"], 1).send(said("train", "forged\n")), 403, "denied")
    assert ticket.get(f"models/{yard.model}").status_code == 404
    assert_problem(ticket.get(f"builds/{build['id']}/bundle"), 403, "denied")
    first = yard.agent(build)
    assert first.claim().status_code == 200
    # The answer may be lost, so that the agent asks again; then only the newer token is good.
    second = Agent(ticket, build["id"], 1)
    assert second.claim().status_code == 200
    assert first.send(said("train", "one\n")).status_code == 401
    assert_problem(Agent(ticket, build["id"], 1).send(said("train", "forged\n")), 403, "denied")
    assert second.send(said("train", "two\n", "running")).status_code == 200
    assert Agent(ticket, build["id"], 1).claim().status_code == 401
    assert yard.log(build) == "two\n"
    # Nothing is left at the end, whatever was used.
    assert second.end("failed", reason="no").status_code == 200
    yard.executor.end(f"{build['id']}-1")
    yard.work()
    assert second.send().status_code == 401
    other = yard.submit()
    yard.work()
    unreported = yard.agent(other)
    assert unreported.claim().status_code == 200
    yard.door.call("POST", f"builds/{other['id']}/cancel")
    yard.executor.end(f"{other['id']}-1")
    yard.work()
    assert yard.status(other) == "cancelled"
    assert unreported.claim().status_code == 401
    assert unreported.send().status_code == 401


# --- rights ---------------------------------------------------------------------------------------------


def test_readers_look_contributors_build_and_strangers_see_nothing(yard: Yard) -> None:
    build, _ = yard.started()
    reader, contributor = yard.member(Role.READER), yard.member(Role.CONTRIBUTOR)
    stranger = yard.door.as_(yard.door.token_of(yard.registry.user()))
    path = f"builds/{build['id']}"
    assert reader.get(path).status_code == 200
    assert len(reader.get("builds").json()["items"]) == 1
    assert_problem(reader.call("POST", f"{path}/cancel"), 403, "denied")
    assert_problem(reader.call("POST", f"{path}/rerun"), 403, "denied")
    yard.submit(reader, expect=403)
    for request in (
        ("GET", path),
        ("GET", f"{path}/log"),
        ("GET", f"{path}/bundle"),
        ("POST", f"{path}/rerun"),
    ):
        assert_problem(stranger.call(*request), 404, "build_not_found")
    assert_problem(stranger.call("POST", f"{path}/cancel"), 404, "build_not_found")
    assert stranger.get("builds").json()["items"] == []
    assert stranger.get(f"builds/{build['id'][:6]}").status_code == 404
    assert yard.door.get(path, token=None).status_code == 401
    again = contributor.call("POST", f"{path}/rerun").json()
    details = yard.show(again)
    assert (details["rerun_of"], details["recipe"]) == (build["id"], yard.show(build)["recipe"])
    assert details["params"] == {"depth": 6}


def test_local_builds_are_for_admins_unless_the_operator_allows_more(yard: Yard) -> None:
    yard.submit()
    contributor = yard.member(Role.CONTRIBUTOR)
    yard.allow("admins")
    refused = yard.submit(contributor, expect=403)
    assert refused["code"] == "pool_refused"
    assert "local_builds" in refused["fix"]
    yard.submit()
    yard.allow("off")
    assert yard.submit(expect=403)["code"] == "pool_refused"


def test_the_operator_says_whose_recipes_may_ask_for_the_network(yard: Yard) -> None:
    yard.submit()
    contributor = yard.member(Role.CONTRIBUTOR)
    asking = f"{RECIPE}network: true\n"
    yard.submit(contributor, recipe=asking)
    yard.allow("contributors", network="admins")
    refused = yard.submit(contributor, recipe=asking, expect=403)
    assert "the network, for which train asks, is for admins alone" in refused["detail"]
    assert "local_network" in refused["fix"]
    yard.submit(contributor)
    yard.submit(recipe=asking)
    yard.allow("contributors", network="off")
    assert yard.submit(recipe=asking, expect=403)["code"] == "pool_refused"


def test_a_narrow_token_gets_no_wider_one_by_a_build(yard: Yard) -> None:
    yard.submit()
    space, _, name = yard.model.partition("/")
    for scope in (
        {"namespace": space, "model": name},
        {"permissions": ["build.start", "model.read", "version.register"]},
    ):
        token = yard.door.token_of(yard.registry.root, **scope)
        assert yard.submit(yard.door.as_(token), expect=403)["code"] == "token_scope_too_narrow"


def test_rights_are_asked_again_when_an_attempt_starts(yard: Yard) -> None:
    first = yard.submit()
    contributor = yard.member(Role.CONTRIBUTOR)
    build = yard.submit(contributor)
    name = yard.show(build)["requested_by"]
    space = yard.model.partition("/")[0]
    assert yard.door.call("DELETE", f"namespaces/{space}/members/{name}").status_code == 204
    yard.work()
    shown = yard.show(build)
    assert shown["status"] == "failed"
    assert (shown["attempt"], yard.status(first)) == (0, "starting")


# --- cancelling ------------------------------------------------------------------------------------------


def test_cancelling_a_queued_build_ends_it_at_once(yard: Yard) -> None:
    build = yard.submit()
    answer = yard.door.call("POST", f"builds/{build['id']}/cancel").json()
    assert answer["status"] == "cancelled"
    yard.work()
    assert yard.executor.calls == []
    assert_problem(yard.door.call("POST", f"builds/{build['id']}/cancel"), 409, "build_over")


def test_cancelling_before_the_agent_speaks(yard: Yard) -> None:
    build = yard.submit()
    yard.work()
    assert yard.door.call("POST", f"builds/{build['id']}/cancel").json()["status"] == "cancelling"
    yard.work()
    yard.work()
    assert yard.status(build) == "cancelled"
    name = f"{build['id']}-1"
    yard.work()
    assert yard.executor.calls == [f"submit {name}", f"cancel {name}", f"clean {name}"]


def test_a_cancelled_agent_says_its_last_word(yard: Yard) -> None:
    build, agent = yard.started(recipe=RETRYING)
    yard.executor.obeys = False
    yard.door.call("POST", f"builds/{build['id']}/cancel")
    assert agent.send(said("train", "stopping\n", "running")).json()["wanted"] == "cancel"
    assert agent.end("failed", reason="the step was ended").status_code == 200
    # Nobody wants another attempt.
    assert yard.status(build) == "cancelled"
    yard.work(1)
    assert f"cancel {build['id']}-1" not in yard.executor.calls
    yard.work(11)
    assert yard.executor.calls[-1] == f"cancel {build['id']}-1"
    assert yard.kinds(build) == ["build.submitted", "build.started", "build.cancelled", "build.ended"]


def test_an_agent_that_does_not_end_by_itself_is_cancelled_by_its_engine(yard: Yard) -> None:
    build, agent = yard.started()
    name = f"{build['id']}-1"
    yard.door.call("POST", f"builds/{build['id']}/cancel")
    yard.work(24)
    # Its step was asked by the agent, and is not asked again while it saves its work.
    assert f"cancel {name}" not in yard.executor.calls
    agent.send()
    yard.work(2)
    assert yard.executor.calls[-1] == f"cancel {name}"
    yard.work()
    assert yard.status(build) == "cancelled"


# --- lost, late, and again ------------------------------------------------------------------------------


def test_a_silent_agent_is_lost_and_another_attempt_follows(yard: Yard) -> None:
    build, agent = yard.started(recipe=RETRYING)
    agent.send(said("train", "working\n", "running"))
    yard.work(59)
    assert yard.status(build) == "running"
    yard.work(2)
    shown = yard.show(build)
    assert shown["attempts"][0]["status"] == "lost"
    assert agent.send().status_code == 401
    for _ in range(3):
        yard.work()
    assert yard.status(build) == "starting"
    assert yard.executor.calls[-3:] == [
        f"cancel {build['id']}-1",
        f"clean {build['id']}-1",
        f"submit {build['id']}-2",
    ]


def test_an_agent_that_left_processes_behind_is_lost_at_once(yard: Yard) -> None:
    build, agent = yard.started()
    name = f"{build['id']}-1"
    yard.executor.looks[name] = Look(State.RUNNING, has_agent=False)
    yard.work()
    shown = yard.show(build)
    assert shown["status"] == "lost"
    assert shown["reason"].endswith("before it said how the attempt ended. The end of the log may be missing")
    assert agent.send().status_code == 401
    for _ in range(2):
        yard.work()
    assert yard.executor.calls[1:] == [f"cancel {name}", f"clean {name}"]


def test_a_version_that_a_lost_agent_registered_is_told(yard: Yard) -> None:
    build, agent = yard.started()
    somebody = yard.member(Role.CONTRIBUTOR)
    agent.door.register(yard.model)
    # A tag alone shows nothing: anybody who may push can set one.
    somebody.register(yard.model, tags={"build": build["id"]})
    agent.door.register(yard.model, tags={"build": build["id"]})
    yard.executor.end(f"{build['id']}-1")
    yard.work()
    shown = yard.show(build)
    assert (shown["status"], shown["version"]) == ("lost", f"{yard.model}:3")


def test_an_error_of_the_server_is_told_until_it_passes(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a fault of ours")

    build = yard.submit()
    with monkeypatch.context() as patch:
        patch.setattr(running, "start_attempt", fail)
        yard.work()
        told = "the server cannot go on with the build: RuntimeError: a fault of ours; it tries again"
        assert (yard.status(build), yard.show(build)["reason"]) == ("queued", told)
    yard.work(60)
    assert (yard.status(build), yard.show(build)["reason"]) == ("starting", "")
    with monkeypatch.context() as patch:
        patch.setattr(yard.executor, "look", fail)
        yard.work()
        assert (yard.status(build), yard.show(build)["reason"]) == ("starting", told)
    yard.work(60)
    assert yard.agent(build).claim().status_code == 200
    assert (yard.status(build), yard.show(build)["reason"]) == ("running", "")


def test_an_error_of_the_server_that_stays_ends_the_build(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a fault of ours")

    queued = yard.submit()
    with monkeypatch.context() as patch:
        patch.setattr(running, "start_attempt", fail)
        for _ in range(running.MOST_FAILURES):
            assert yard.status(queued) == "queued"
            yard.work(600)
    assert (yard.status(queued), yard.kinds(queued)) == ("failed", ["build.submitted", "build.ended"])
    assert (
        yard.show(queued)["reason"] == "the server cannot go on with the build: RuntimeError: a fault of ours"
    )
    running_build, agent = yard.started()
    monkeypatch.setattr(yard.executor, "look", fail)
    for _ in range(40):
        yard.clock.pass_seconds(50)
        # An agent that is heard goes on.
        assert agent.send().status_code == 200
        yard.work(5)
        assert yard.status(running_build) == "running"
    failures = yard.registry.db.read(lambda tx: tx.rows(sa.select(sa.func.max(jobs.c.failures))))[0][0]
    assert failures >= running.MOST_FAILURES


def test_an_agent_that_died_before_its_first_word(yard: Yard) -> None:
    build = yard.submit()
    yard.work()
    yard.executor.end(f"{build['id']}-1", 1, "the agent ended with exit code 1")
    yard.executor.tails[f"{build['id']}-1"] = "ModuleNotFoundError: no agent"
    yard.work()
    shown = yard.show(build)
    assert shown["status"] == "lost"
    assert "exit code 1" in shown["reason"]
    assert "ModuleNotFoundError" in shown["reason"]


def test_a_server_that_died_before_it_submitted_submits_with_another_token(yard: Yard) -> None:
    build = yard.submit()
    pool = yard.pools.find("local")
    assert pool is not None
    build_id = yard.registry.db.read(lambda tx: tx.rows(sa.select(builds.c.id)))[0][0]
    lost = yard.registry.db.write(lambda tx: running.start_attempt(tx, yard.pools, pool, build_id))
    assert lost is not None
    assert yard.executor.calls == []
    yard.work()
    agent = yard.agent(build)
    assert agent.door.token != lost.token
    assert Agent(yard.door.as_(lost.token), build["id"], 1).claim().status_code == 401
    assert agent.claim().status_code == 200
    # A second look adopts the agent that runs.
    yard.work()
    assert yard.executor.calls == [f"submit {build['id']}-1"]


def test_an_executor_that_is_away_is_asked_again(yard: Yard) -> None:
    build = yard.submit()
    yard.executor.is_away = True
    yard.work()
    assert (yard.status(build), yard.executor.tasks) == ("starting", {})
    yard.executor.is_away = False
    yard.work(60)
    assert yard.agent(build).claim().status_code == 200
    # An hour later the build still waits, says why, and has used up none of its time.
    other = yard.submit(recipe=RECIPE + "resources: {{timeout: 2m}}\n")
    yard.executor.is_away = True
    for _ in range(6):
        yard.work(600)
    shown = yard.show(other)
    assert (shown["status"], "it is away" in shown["reason"]) == ("starting", True)
    yard.executor.is_away = False
    yard.work(60)
    late = yard.agent(other)
    assert late.claim().json()["timeout_seconds"] > 50
    assert yard.show(other)["reason"] == ""
    # While an agent reports, its executor may be away.
    yard.executor.is_away = True
    for _ in range(3):
        assert late.send().status_code == 200
        yard.work(30)
    assert yard.status(other) == "running"


def test_an_executor_that_stays_away_is_given_up_in_the_end(yard: Yard) -> None:
    build = yard.submit()
    yard.executor.is_away = True
    yard.work()
    for _ in range(8):
        yard.work(86_400)
    assert yard.status(build) == "lost"
    assert "a week" in yard.show(build)["reason"]
    # The task is looked for until it is known to be gone; its token is no longer valid.
    assert yard.registry.db.read(lambda tx: tx.rows(sa.select(jobs.c.state)))[-1] == ("waiting",)
    yard.executor.is_away = False
    yard.work(60)
    assert yard.registry.db.read(lambda tx: tx.rows(sa.select(jobs.c.state)))[-1] == ("done",)


def test_a_cancelled_build_does_not_wait_for_an_executor_that_is_away(yard: Yard) -> None:
    build = yard.submit()
    yard.work()
    yard.executor.is_away = True
    yard.door.call("POST", f"builds/{build['id']}/cancel")
    yard.work()
    assert yard.status(build) == "cancelled"
    assert yard.agent(build).claim().status_code == 401


def test_the_cluster_lets_a_build_wait_and_says_why(yard: Yard) -> None:
    build = yard.submit(recipe=RECIPE + "resources: {{timeout: 2m}}\n")
    yard.work()
    name = f"{build['id']}-1"
    yard.executor.looks[name] = Look(State.WAITING, reason="no node is free")
    for _ in range(3):
        yard.work(200)
    shown = yard.show(build)
    assert (shown["status"], shown["reason"]) == ("starting", "no node is free")
    yard.executor.looks[name] = Look(State.RUNNING)
    yard.work()
    agent = yard.agent(build)
    assert agent.claim().json()["timeout_seconds"] > 100
    assert agent.end("failed", reason="no").status_code == 200
    # Nothing holds back an agent that was started.
    other = yard.submit()
    yard.work()
    yard.executor.looks[f"{other['id']}-1"] = Look(State.WAITING)
    yard.work(30)
    yard.executor.looks[f"{other['id']}-1"] = Look(State.RUNNING)
    yard.work(100)
    assert yard.status(other) == "starting"
    yard.work(60)
    assert yard.status(other) == "lost"


def test_cancelling_what_waits_in_the_cluster(yard: Yard) -> None:
    build = yard.submit()
    yard.work()
    name = f"{build['id']}-1"
    yard.executor.obeys = False
    yard.executor.looks[name] = Look(State.WAITING, reason="no node is free")
    yard.door.call("POST", f"builds/{build['id']}/cancel")
    yard.work()
    assert yard.status(build) == "cancelled"
    # A cluster that starts it after all gets an agent without a valid token.
    yard.work(30)
    assert yard.executor.calls[-2:] == [f"cancel {name}", f"clean {name}"]
    assert yard.agent(build).claim().status_code == 401


def test_what_a_cluster_can_never_run_fails_in_words(yard: Yard) -> None:
    yard.executor.refuses = "it has no such node"
    build = yard.submit()
    yard.work()
    shown = yard.show(build)
    assert (shown["status"], "it has no such node" in shown["reason"]) == ("failed", True)
    yard.executor.refuses = ""
    other = yard.submit()
    yard.work()
    yard.executor.looks[f"{other['id']}-1"] = Look(State.WAITING, reason="never", can_start=False)
    yard.work(10)
    assert yard.status(other) == "starting"
    yard.work(60)
    shown = yard.show(other)
    assert (shown["status"], "never" in shown["reason"]) == ("failed", True)
    yard.work()
    assert f"cancel {other['id']}-1" in yard.executor.calls


def test_a_build_that_takes_too_long_is_ended(yard: Yard) -> None:
    build, agent = yard.started(recipe=RECIPE + "resources: {{timeout: 2m}}\n")
    for _ in range(3):
        yard.clock.pass_seconds(50)
        assert agent.send().status_code == 200
    yard.work(20)
    assert yard.status(build) == "running"
    agent.send()
    yard.work(20)
    assert yard.status(build) == "timed-out"
    yard.work()
    assert f"cancel {build['id']}-1" in yard.executor.calls


def test_two_processes_take_one_job_once(yard: Yard) -> None:
    """The first one is slow, so that its lease ends; what it says then does not count."""
    build = yard.submit()
    db = yard.registry.db
    yard.clock.pass_seconds(1)

    def take() -> Any:
        return db.write(lambda tx: job_usecases.take(tx, "build", holder="x", lease_seconds=30))

    (job,) = take()
    slow = running.carry_on(db, yard.registry.blobs, yard.pools, job)
    yard.clock.pass_seconds(31)
    again = next(iter(take()), None)
    while again is None:
        yard.clock.pass_seconds(5)
        again = next(iter(take()), None)
    quick = running.carry_on(db, yard.registry.blobs, yard.pools, again)
    db.write(lambda tx: job_usecases.finish(tx, again.lease, quick))
    with pytest.raises(LeaseLost):
        db.write(lambda tx: job_usecases.finish(tx, job.lease, slow))
    assert yard.executor.calls == [f"submit {build['id']}-1"]
    assert len(yard.show(build)["attempts"]) == 1


def test_a_build_without_its_job_gets_it_back(yard: Yard) -> None:
    build = yard.submit()
    number = yard.registry.db.read(lambda tx: tx.rows(sa.select(jobs.c.id)))[0][0]
    yard.door.call("POST", f"jobs/{number}/cancel")
    yard.work()
    assert yard.status(build) == "queued"
    running.queue_builds(yard.registry.db)
    yard.work()
    assert yard.status(build) == "starting"


def test_places_are_shared_by_namespaces(yard: Yard) -> None:
    mine = [yard.submit() for _ in range(4)]
    theirs = yard.submit(of=f"{unique('other')}/m")
    yard.work()
    active = [build for build in [*mine, theirs] if yard.status(build) == "starting"]
    assert [build["id"] for build in active] == [mine[0]["id"], theirs["id"]]
    pool = yard.door.get("pools").json()["items"][0]
    assert (pool["name"], pool["most"], pool["running"], pool["waiting"]) == ("local", 2, 2, 3)
    agent = yard.agent(mine[0])
    agent.claim()
    agent.end("failed")
    yard.work(1)
    assert yard.status(mine[1]) == "starting"
    assert yard.status(mine[2]) == "queued"


def test_priorities_count_within_the_fair_share_of_each_namespace(yard: Yard) -> None:
    first = yard.submit()
    low, normal, high = (yard.submit(priority=word) for word in ("low", "normal", "high"))
    theirs = yard.submit(of=f"{unique('other')}/m")
    assert [each["priority"] for each in (first, low, normal, high)] == ["normal", "low", "normal", "high"]
    yard.work()
    assert [yard.status(each) for each in (first, low, normal, high, theirs)] == [
        *("queued", "queued", "queued", "starting", "starting")
    ]  # fmt: skip
    for ended, following in ((high, first), (theirs, normal), (first, low)):
        agent = yard.agent(ended)
        agent.claim()
        agent.end("failed")
        yard.work(1)
        assert yard.status(following) == "starting"


def test_who_may_give_a_build_a_high_priority(yard: Yard) -> None:
    yard.submit()
    contributor = yard.member(Role.CONTRIBUTOR)
    refused = yard.submit(contributor, priority="high", expect=403)
    assert refused["code"] == "denied"
    assert "build.prioritize" in refused["detail"] + refused["fix"]
    recipe = f"{RECIPE}priority: high\n"
    assert yard.submit(contributor, recipe=recipe)["priority"] == "normal"
    assert yard.submit(contributor, recipe=recipe, priority="low")["priority"] == "low"
    assert yard.submit(yard.member(Role.MAINTAINER), recipe=recipe)["priority"] == "high"
    assert "did you mean 'high'" in yard.submit(priority="hihg", expect=400)["detail"]
    (pool,) = yard.pools
    yard.pools = Pools([msgspec.structs.replace(pool, priority="low")])
    yard.door.services.pools = yard.pools  # type: ignore[misc]
    assert yard.submit()["priority"] == "low"
    assert yard.submit(contributor, priority="normal")["priority"] == "normal"


# --- logs --------------------------------------------------------------------------------------------------


def test_credentials_in_a_log_are_masked_across_messages(yard: Yard) -> None:
    build, agent = yard.started()
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    agent.send(said("train", f"token={token[:12]}", "running"))
    agent.send(said("train", f"{token[12:]} ok\n-----BEGIN RSA PRIVATE KEY-----\nMIIabc"))
    agent.send(said("train", "def\nmore\n-----END RSA PRIVATE KEY-----\ndone\n", "ok"))
    text = yard.log(build)
    assert token[:12] not in text
    assert "MIIabc" not in text
    assert "more" not in text
    assert text.endswith("done\n")


def test_a_long_log_keeps_its_beginning_and_its_end(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "LOG_HEAD_BYTES", 1000)
    monkeypatch.setattr(rules, "LOG_TAIL_BYTES", 1000)
    monkeypatch.setattr(rules, "PIECE_BYTES", 300)
    build, agent = yard.started()
    for number in range(50):
        agent.send(said("train", "".join(f"line {number}-{n:03}\n" for n in range(20))))
    text = yard.log(build)
    assert text.startswith("line 0-000\n")
    assert text.endswith("line 49-019\n")
    assert "bytes are left out here: a log of more than 2000 bytes" in text
    assert len(text) < 3000
    sizes = yard.registry.db.read(lambda tx: tx.rows(sa.select(build_logs.c.size_bytes)))
    assert sum(size for (size,) in sizes) <= 2600
    assert max(size for (size,) in sizes) <= 300


def test_the_last_lines_of_the_failed_step_are_shown(yard: Yard) -> None:
    build, agent = yard.started()
    agent.send(
        said("source", "unpacked\n", "ok"), said("train", "".join(f"{n}\n" for n in range(80)), "running")
    )
    agent.send({"events": [event("train", "failed", "Traceback", reason="exit code 1", exit_code=1)]})
    agent.end("failed", reason="train: exit code 1")
    shown = yard.show(build)
    assert (shown["status"], shown["step"], shown["reason"]) == ("failed", "train", "train: exit code 1")
    assert shown["last_lines"][-2:] == ["79", "Traceback"]
    assert len(shown["last_lines"]) == 50
    step = next(s for s in shown["steps"] if s["name"] == "train")
    assert (step["state"], step["exit_code"], step["reason"]) == ("failed", 1, "exit code 1")


def test_a_waiting_client_is_answered_when_something_changes(yard: Yard) -> None:
    build, agent = yard.started()
    seen = yard.show(build)["revision"]
    agent.send(said("train", "x\n"))
    answer = yard.door.get(f"builds/{build['id']}?wait=30&seen={seen}").json()
    assert answer["revision"] > seen


# --- refusals --------------------------------------------------------------------------------------------


def test_what_a_request_may_hold(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    assert yard.submit(recipe="version: 1\nmodel: {model}\n", expect=400)["code"] == "invalid_recipe"
    assert yard.submit(params={"dept": 1}, expect=400)["code"] == "invalid_recipe"
    assert "not a number" in yard.submit(params={"depth": [1]}, expect=400)["detail"]
    assert "no pool" in yard.submit(pool="moon", expect=400)["detail"]
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    assert "credential" in yard.submit(params={"depth": secret}, expect=400)["detail"]
    recipe = RECIPE + "data: {{rows: {{ref: nothing}}}}\n"
    assert yard.submit(recipe=recipe, expect=404)["code"] == "dataset_not_found"
    monkeypatch.setattr(rules, "MAX_OPEN", 1)
    yard.submit()
    assert yard.submit(expect=409)["code"] == "too_many_builds"


def test_a_recipe_is_checked_without_a_refusal(yard: Yard) -> None:
    good = yard.door.call("POST", "recipes/check", json={"recipe": RECIPE.format(model="a/b")}).json()
    assert (good["model"], good["steps"], good["problems"]) == ("a/b", STEPS, [])
    bad = yard.door.call("POST", "recipes/check", json={"recipe": "version: 1\nmodel: a/b\ntrian: x\n"}).json()
    assert (bad["steps"], bad["problems"][0]["line"]) == ([], 3)
    assert yard.door.get("recipes/schema").json()["title"] == "Modelyard recipe"
    example = yard.door.get("recipes/example").text
    answer = yard.door.call("POST", "recipes/check", json={"recipe": example}).json()
    assert answer["problems"] == []


def test_a_rerun_and_a_submission_repeat_by_their_key(yard: Yard) -> None:
    text = RECIPE.format(model=yard.model)
    one, two = (
        yard.door.call("POST", "builds", json={"recipe": text}, headers={"idempotency-key": "k"}).json()
        for _ in range(2)
    )
    assert one["id"] == two["id"]
    assert len(yard.door.get("builds").json()["items"]) == 1


# --- pages -------------------------------------------------------------------------------------------------


@pytest.fixture
def pages(yard: Yard) -> Iterator[Visitor]:
    with open_door(yard.registry, pages=True) as door:
        door.services.pools = yard.pools
        yield Visitor.of(door, yard.registry.root)


def test_pages_show_builds_and_act_on_them(yard: Yard, pages: Visitor) -> None:
    assert "No builds yet" in pages.html("/builds")
    first = yard.submit()
    yard.door.call("POST", f"builds/{first['id']}/cancel")
    build, agent = yard.started(params={"depth": 8})
    agent.send(
        said("train", "Traceback: no rows\n", "running"), {"events": [event("train", "failed", "last\n")]}
    )
    page = pages.html(f"/builds/{build['id']}")
    assert "Traceback: no rows" in page
    assert "Param depth" in page
    assert page.index("Changed since") < page.index(first["id"][:12], page.index("Changed since"))
    path = f"/builds/{build['id']}"
    assert pages.send(path, f"{path}/cancel").status_code == 303
    assert yard.status(build) == "cancelling"
    agent.end("cancelled", reason="cancelled")
    assert f"{path}/cancel" not in pages.html(path)
    again = pages.send(path, f"{path}/rerun")
    assert again.status_code == 303
    assert "repeats" in pages.html(again.headers["location"])
    listed = pages.html("/builds?status=cancelled")
    assert (listed.count('class="strong mono"'), build["id"][:12] in listed) == (2, True)


def test_a_reader_sees_no_buttons(yard: Yard, pages: Visitor) -> None:
    build = yard.submit()
    reader = yard.registry.user()
    space = yard.model.partition("/")[0]
    yard.door.call("PUT", f"namespaces/{space}/members/{reader.name}", json={"role": "reader"})
    page = Visitor.of(pages.door, reader).html(f"/builds/{build['id']}")
    assert build["id"][:12] in page
    assert "/rerun" not in page


def test_a_leaked_text_is_removed_from_log_and_recipe(yard: Yard) -> None:
    leaked = "the-name-of-a-customer"
    build, agent = yard.started(recipe=RECIPE + f"environment: {{{{variables: {{{{WHO: {leaked}}}}}}}}}\n")
    agent.send(said("train", f"for {leaked[:9]}", "running"))
    agent.send(said("train", f"{leaked[9:]}!\n"))
    space = yard.model.partition("/")[0]
    body = {"text": leaked, "reason": "a leak"}
    answer = yard.door.call("POST", f"namespaces/{space}/redactions", json=body)
    assert answer.status_code < 300, answer.text
    assert yard.log(build) == f"for {'*' * len(leaked)}!\n"
    assert leaked not in yard.show(build)["recipe"]


# --- secrets ------------------------------------------------------------------------------------------

SECRET = "hunter-of-secrets-4711"
WITH_SECRET = RECIPE.replace(
    "train: python train.py --depth {{depth}}",
    "train: {{run: python train.py, secrets: [HF_TOKEN]}}\nsteps: [{{name: own, run: 'true', after: train}}]",
)


def test_a_secret_is_told_to_the_agent_of_a_step_that_names_it(yard: Yard) -> None:
    assert yard.door.call("POST", "namespaces", json={"name": yard.model.partition("/")[0]}).status_code == 201
    assert yard.door.call("POST", "models", json={"name": yard.model}).status_code == 201
    space = yard.model.partition("/")[0]
    problem = yard.submit(recipe=WITH_SECRET, expect=404)
    assert problem["code"] == "build_secret_not_found"
    assert f"modelyard secret set {space} HF_TOKEN" in problem["fix"]
    kept = yard.door.call("PUT", f"namespaces/{space}/secrets/HF_TOKEN", json={"value": SECRET})
    assert kept.status_code == 200
    listed = yard.door.get(f"namespaces/{space}/secrets")
    assert [each["name"] for each in listed.json()["items"]] == ["HF_TOKEN"]
    ((sealed,),) = yard.registry.db.read(lambda tx: tx.rows(sa.select(build_secrets.c.sealed)))
    told = kept.text + listed.text + yard.door.get("audit/events?limit=100").text + sealed
    assert SECRET not in told
    build = yard.submit(recipe=WITH_SECRET)
    yard.work()
    agent = yard.agent(build)
    plan = agent.claim(word="only the agent knows this")
    assert SECRET not in plan.text
    assert [step["secrets"] for step in plan.json()["steps"] if step["secrets"]] == [["HF_TOKEN"]]

    def ask(step: str, word: str = "only the agent knows this") -> Any:
        return agent.door.call("POST", f"{agent.path}/secrets", json={"step": step, "word": word})

    answer = ask("train")
    assert answer.json() == {"values": {"HF_TOKEN": SECRET}}
    assert answer.headers["cache-control"] == "no-store"
    assert ask("own").json() == {"values": {}}
    assert_problem(ask("none"), 400, "invalid_request")
    # A step has the token, but not the word, and cannot claim the attempt with one of its own.
    assert_problem(ask("train", "a guess"), 403, "denied")
    claim = agent.door.call("POST", f"{agent.path}/claim", json={"word": "a guess"})
    assert_problem(claim, 403, "denied")
    assert_problem(ask("train", "a guess"), 403, "denied")
    assert_problem(
        yard.door.call("POST", f"{agent.path}/secrets", json={"step": "train", "word": ""}), 403, "denied"
    )
    # It is gone with the attempt, and for whoever has removed it.
    assert yard.door.call("DELETE", f"namespaces/{space}/secrets/HF_TOKEN").status_code == 204
    assert_problem(ask("train"), 404, "build_secret_not_found")
    agent.end()
    assert_problem(ask("train"), 409, "attempt_superseded")
    kinds = [each["kind"] for each in yard.door.get(f"audit/events?namespace={space}").json()["items"]]
    assert {"build.secret_set", "build.secret_removed"} <= set(kinds)


def test_secrets_are_set_by_maintainers_and_used_by_those_who_build_in_the_namespace(yard: Yard) -> None:
    assert yard.door.call("POST", "namespaces", json={"name": yard.model.partition("/")[0]}).status_code == 201
    assert yard.door.call("POST", "models", json={"name": yard.model}).status_code == 201
    space = yard.model.partition("/")[0]
    path = f"namespaces/{space}/secrets"
    contributor, maintainer, reader = map(yard.member, (Role.CONTRIBUTOR, Role.MAINTAINER, Role.READER))
    assert_problem(contributor.call("PUT", f"{path}/HF_TOKEN", json={"value": SECRET}), 403, "denied")
    assert maintainer.call("PUT", f"{path}/HF_TOKEN", json={"value": SECRET}).status_code == 200
    assert_problem(contributor.call("DELETE", f"{path}/HF_TOKEN"), 403, "denied")
    assert [each["name"] for each in contributor.get(path).json()["items"]] == ["HF_TOKEN"]
    assert_problem(reader.call("GET", path), 403, "denied")
    yard.submit(contributor, recipe=WITH_SECRET)
    # Whoever builds one model alone would read the secrets of all.
    user = yard.registry.user()
    answer = yard.door.call("PUT", f"models/{yard.model}/members/{user.name}", json={"role": "contributor"})
    assert answer.status_code == 204
    alone = yard.door.as_(yard.door.token_of(user))
    yard.submit(alone)
    yard.submit(alone, recipe=WITH_SECRET, expect=403)
    for name, value in (
        ("a-b", SECRET),
        ("PATH", SECRET),
        ("modelyard_url", SECRET),
        ("X", "short"),
        ("X", "ab\ncd\nef\ngh"),
        ("X", " " * 20),
        ("X%0A", SECRET),
        ("X", "x" * 40_000),
    ):
        refused = maintainer.call("PUT", f"{path}/{name}", json={"value": value})
        assert_problem(refused, 400, "invalid")
