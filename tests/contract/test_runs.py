"""Runs through the native door, on both databases: exactly once, in order, and never refused for what they say."""

from __future__ import annotations

import math
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.db.tables import run_metrics, run_points, runs
from modelyard.domain.digest import Digest
from modelyard.registry.retention import usecases as retention
from modelyard.registry.runs import rules
from tests.support.door import Door, assert_problem, digest_of
from tests.support.registry import unique


class Writer:
    """One writer of one run, as a client would be."""

    def __init__(self, door: Door, run: str, name: str = "w1") -> None:
        self.door, self.run, self.name, self.next = door, run, name, 1

    def send(self, *frames: dict[str, Any], first: int | None = None, expect: int = 200, **more: Any) -> Any:
        start = self.next if first is None else first
        body = {"writer": self.name, "first": start, "frames": list(frames), **more}
        answer = self.door.call("POST", f"runs/{self.run}/records", json=body)
        assert answer.status_code == expect, answer.text[:500]
        if expect == 200:
            self.next = answer.json()["last"] + 1
        return answer.json()


def points(name: str, values: list[Any], start: int = 0) -> dict[str, Any]:
    steps = list(range(start, start + len(values)))
    return {
        "points": [{"name": name, "steps": steps, "times": [1_000_000 * s for s in steps], "values": values}]
    }


@pytest.fixture
def experiment(door: Door) -> str:
    return f"{unique('space')}/trees"


def start(door: Door, experiment: str, **body: Any) -> str:
    run = uuid.uuid4().hex
    answer = door.call("PUT", f"runs/{run}", json={"experiment": experiment, **body})
    assert answer.status_code == 200, answer.text
    return run


def shown(door: Door, run: str) -> dict[str, Any]:
    answer = door.get(f"runs/{run}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def series(door: Door, run: str, metric: str, **query: Any) -> dict[str, Any]:
    options = "".join(f"&{key}={value}" for key, value in query.items())
    answer = door.get(f"runs/{run}/series?metric={metric}{options}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_whole_story_of_a_run(door: Door, experiment: str) -> None:
    run = start(door, experiment, name="first", started_at="2026-03-03T14:00:00Z")
    again = door.call("PUT", f"runs/{run}", json={"experiment": experiment, "name": "other"})
    assert (again.status_code, again.json()["name"]) == (200, "first")
    sent = door.send(b"a picture")
    writer = Writer(door, run)
    writer.send(
        {
            "params": {"depth": 6, "rate": 0.1, "loss": "log", "rare": "NaN", "größe": [1, 2]},
            "tags": {"team": "fraud", "wrong": "x"},
            "facts": {"code": {"commit": "abc"}, "environment": {"python": "3.11"}},
        },
        points("loss", [3.0, 2.0, 1.0]),
    )
    writer.send(
        {
            "artifacts": [
                {"path": "plots/roc.png", "digest": sent["digest"], "size_bytes": 9, "media_type": "image/png"}
            ],
            "inputs": [{"name": "transactions", "digest": digest_of(b"rows"), "columns": ["a"], "rows": 10}],
            "facts": {"code": {"dirty": False}},
            "log": "epoch 1\nepoch 2\n",
            "tags": {"wrong": None},
        },
        {"log": "done ✓\n", "end": {"status": "finished", "exit_code": 0, "at": 1_772_546_460_000_000}},
    )
    found = shown(door, run)
    assert found["params"] == {"depth": 6, "rate": 0.1, "loss": "log", "rare": "NaN", "größe": [1, 2]}
    assert found["tags"] == {"team": "fraud"}
    assert found["metrics"] == {"loss": 1.0}
    assert [(m["name"], m["least"], m["most"], m["count"]) for m in found["series"]] == [("loss", 1.0, 3.0, 3)]
    assert found["facts"] == {
        "code": {"commit": "abc", "dirty": False},
        "environment": {"python": "3.11"},
    }
    assert (found["status"], found["exit_code"], found["seconds"]) == ("finished", 0, 60.0)
    assert [a["path"] for a in found["artifacts"]] == ["plots/roc.png"]
    assert found["inputs"][0]["name"] == "transactions"
    assert series(door, run, "loss")["values"] == [3.0, 2.0, 1.0]
    picture = door.get(f"runs/{run}/artifacts/plots/roc.png")
    assert (picture.content, picture.headers["etag"]) == (b"a picture", f'"{sent["digest"]}"')
    log = door.get(f"runs/{run}/log").json()
    assert (log["text"], log["more"]) == ("epoch 1\nepoch 2\ndone ✓\n", False)
    assert door.get(f"runs/{run}/log?position={log['end']}").json()["text"] == ""
    listed = door.get(f"runs?experiment={experiment}").json()["items"]
    assert [item["id"] for item in listed] == [run]
    assert listed[0]["metrics"] == {"loss": 1.0}
    space = experiment.partition("/")[0]
    experiments = door.get(f"experiments?namespace={space}").json()["items"]
    assert [(e["name"], e["runs"]) for e in experiments] == [(experiment, 1)]
    words = door.call("PATCH", f"experiments/{experiment}", json={"description": "Trees"}).json()
    assert words["description"] == "Trees"
    assert_problem(door.call("DELETE", f"namespaces/{space}"), 409, "has_dependents")
    kinds = [
        e["kind"] for e in door.get("audit/events?limit=20").json()["items"] if e["data"].get("run") == run
    ]
    assert kinds == ["run.ended", "run.started"]
    assert door.call("DELETE", f"runs/{run}").status_code == 204
    assert_problem(door.get(f"runs/{run}"), 404, "run_not_found")
    assert door.call("DELETE", f"namespaces/{space}").status_code == 204


def test_a_batch_that_comes_twice_changes_nothing(door: Door, experiment: str) -> None:
    run = start(door, experiment)
    writer = Writer(door, run)
    frames = [{**points("loss", [float(n)], n), "log": f"{n}\n"} for n in range(6)]
    writer.send(*frames[:4])
    assert writer.send(*frames[:4], first=1)["last"] == 4
    # The beginning is known, the end is new: an answer that was lost, and a larger batch after it.
    assert writer.send(*frames[2:6], first=3)["last"] == 6
    assert series(door, run, "loss")["values"] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert door.get(f"runs/{run}/log").json()["text"] == "0\n1\n2\n3\n4\n5\n"


def test_a_gap_is_refused_and_says_what_is_known(door: Door, experiment: str) -> None:
    run = start(door, experiment)
    writer = Writer(door, run)
    writer.send(points("loss", [1.0]))
    refused = writer.send(points("loss", [2.0]), first=3, expect=409)
    assert (refused["code"], refused["fields"]["known"]) == ("records_missing", 1)
    assert series(door, run, "loss")["count"] == 1


def test_two_writers_of_one_run_do_not_disturb_each_other(door: Door, experiment: str) -> None:
    run = start(door, experiment)
    one, two = Writer(door, run, "one"), Writer(door, run, "two")
    for n in range(0, 20, 2):
        one.send(points("loss", [float(n)], n))
        two.send(points("loss", [float(n + 1)], n + 1))
    assert series(door, run, "loss")["values"] == [float(n) for n in range(20)]


def test_strange_numbers_and_orders(door: Door, experiment: str) -> None:
    run = start(door, experiment)
    writer = Writer(door, run)
    values: list[Any] = [1.0, "NaN", "Infinity", "-Infinity", 2.0]
    writer.send(points("odd", values))
    found = series(door, run, "odd")
    assert found["values"] == values
    (metric,) = shown(door, run)["series"]
    assert (metric["least"], metric["most"], metric["not_finite"], metric["value"]) == (1.0, 2.0, 3, 2.0)
    writer.send(points("odd", ["NaN"], 9))
    assert shown(door, run)["metrics"]["odd"] == "NaN"
    back = {"points": [{"name": "back", "steps": [5, 3, 4, 3], "times": [4, 3, 2, 1], "values": [5, 3, 4, 33]}]}
    writer.send(back)
    assert series(door, run, "back")["values"] == [33.0, 3.0, 4.0, 5.0]
    assert series(door, run, "back", by="time")["values"] == [33.0, 4.0, 3.0, 5.0]
    assert shown(door, run)["metrics"]["back"] == 5.0
    far = {
        "points": [
            {"name": "far", "steps": [-(2**63), 2**63 - 1], "times": [-(2**62), 2**62], "values": [1, 2]}
        ]
    }
    writer.send(far)
    assert series(door, run, "far")["steps"] == [-(2**63), 2**63 - 1]
    assert shown(door, run)["metrics"]["far"] == 2.0
    writer.send({"points": [{"name": "x", "steps": [1], "times": [], "values": [1]}]}, expect=400)


def test_what_does_not_fit_is_cut_and_said(door: Door, experiment: str) -> None:
    run = start(door, experiment)
    writer = Writer(door, run)
    long = "n" * (rules.MAX_NAME + 5)
    writer.send(
        {"params": {long: 1, "big": "v" * (rules.MAX_PARAM + 5)}, "tags": {"t": "v" * (rules.MAX_TAG + 1)}},
        points(long, [1.0]),
        {"artifacts": [{"path": "../up", "digest": digest_of(b"x"), "size_bytes": 1}]},
        {"inputs": [{"name": "x"}], "versions": ["nobody/knows:1"]},
    )
    found = shown(door, run)
    assert sorted(map(len, found["params"])) == [3, rules.MAX_NAME]
    assert found["params"]["big"].endswith("…")
    assert len(found["tags"]["t"]) == rules.MAX_TAG
    assert found["metrics"] == {"n" * rules.MAX_NAME: 1.0}
    notes = " ".join(found["notes"])
    for words in ("cut to 20000", "cut to 500", "cut to 5000", "'../up'", "Input 'x'", "'nobody/knows:1'"):
        assert words in notes, notes


def test_ten_thousand_params_and_no_more_than_twice_that(door: Door, experiment: str) -> None:
    run = start(door, experiment)
    writer = Writer(door, run)
    writer.send({"params": {f"ключ {n}": n for n in range(10_000)}})
    found = shown(door, run)
    assert len(found["params"]) == 10_000
    assert found["params"]["ключ 9999"] == 9999
    assert found["notes"] == []
    writer.send({"params": {f"other {n}": n for n in range(10_001)}})
    found = shown(door, run)
    assert len(found["params"]) == rules.MAX_PARAMS
    assert "at most 20000 params" in found["notes"][0]


def test_the_log_is_bounded_and_says_so(door: Door, experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_LOG_BYTES", 10)
    run = start(door, experiment)
    writer = Writer(door, run)
    writer.send({"log": "ääää"})
    writer.send({"log": "ööö"}, {"log": "never"})
    found = shown(door, run)
    assert door.get(f"runs/{run}/log").json()["text"] == "ääääö"
    assert found["log_bytes"] == 10
    assert "the rest was left out" in found["notes"][0]


def test_an_artifact_needs_its_bytes(door: Door, experiment: str) -> None:
    run = start(door, experiment)
    writer = Writer(door, run)
    frame = {"artifacts": [{"path": "a.bin", "digest": digest_of(b"never sent"), "size_bytes": 3}]}
    refused = writer.send(frame, points("loss", [1.0]), expect=400)
    assert refused["code"] == "missing_blobs"
    assert shown(door, run)["metrics"] == {}
    stranger = door.as_(door.token_of(door.registry.user()))
    theirs = stranger.send(b"not yours")
    admin_sees_all = Writer(door, run)
    admin_sees_all.send({"artifacts": [{"path": "b.bin", "digest": theirs["digest"], "size_bytes": 9}]})


def test_a_long_series_is_sampled_to_the_same_picture(door: Door, experiment: str) -> None:
    run = start(door, experiment)
    writer = Writer(door, run)
    values = [math.sin(n / 500) + (5 if n == 77_777 else 0) for n in range(150_000)]
    for begin in range(0, len(values), 50_000):
        writer.send(points("wave", values[begin : begin + 50_000], begin))
    whole = series(door, run, "wave", points=800)
    assert (whole["count"], whole["sampled"]) == (150_000, True)
    assert len(whole["values"]) <= 800
    assert max(whole["values"]) == max(values)
    assert whole["steps"][whole["values"].index(max(values))] == 77_777
    assert whole["steps"] == sorted(whole["steps"])
    part = series(door, run, "wave", points=1000, from_step=77_700, to_step=77_900)
    assert part["steps"] == list(range(77_700, 77_901))
    assert not part["sampled"]
    middle = series(door, run, "wave", points=100, from_step=10, to_step=90_000)
    assert len(middle["values"]) <= 100
    assert max(middle["values"]) == max(values)
    assert (middle["steps"][0], middle["steps"][-1]) == (10, 90_000)


@pytest.mark.parametrize(
    "sizes",
    [[1] * 60, [511, 1, 1], [512, 512, 3], [513, 2], [2000, 7, 600, 1, 1], [30] * 40, [0, 5]],
    ids=["ones", "to the brim", "whole", "one more", "large", "many", "none"],
)
def test_batches_of_any_size_make_one_series(door: Door, experiment: str, sizes: list[int]) -> None:
    run = start(door, experiment)
    writer = Writer(door, run)
    for number in range(len(sizes)):
        writer.send(
            points(
                "loss",
                [float(n) for n in range(sum(sizes[:number]), sum(sizes[: number + 1]))],
                sum(sizes[:number]),
            )
        )
    whole = [float(n) for n in range(sum(sizes))]
    assert series(door, run, "loss", points=5000)["values"] == whole
    (metric,) = shown(door, run)["series"]
    assert (metric["count"], metric["value"], metric["least"], metric["most"]) == (
        len(whole),
        whole[-1],
        0.0,
        whole[-1],
    )

    def count_blocks(tx: Any) -> tuple[int, int]:
        own = sa.select(run_metrics.c.id).join(runs, runs.c.id == run_metrics.c.run_id).where(runs.c.uid == run)
        found = tx.rows(sa.select(run_points.c.count).where(run_points.c.metric_id.in_(own)))
        return len(found), sum(row[0] for row in found)

    blocks, stored = door.registry.db.read(count_blocks)
    assert stored == len(whole)
    assert blocks <= len(whole) // 512 + 17


def test_silent_runs_are_shown_as_such(door: Door, experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(door, experiment)
    assert shown(door, run)["stale"] is False
    monkeypatch.setattr(rules, "SILENT_MICROSECONDS", -1)
    monkeypatch.setattr("modelyard.registry.runs.list_queries.SILENT_MICROSECONDS", -1)
    assert shown(door, run)["stale"] is True
    assert [r["id"] for r in door.get(f"runs?experiment={experiment}&status=stale").json()["items"]] == [run]
    assert door.get(f"runs?experiment={experiment}&status=running").json()["items"] == []
    Writer(door, run).send({"end": {"status": "killed", "at": 0}})
    assert (shown(door, run)["stale"], shown(door, run)["status"]) == (False, "killed")
    Writer(door, run, "later").send({"resumed": True})
    assert shown(door, run)["status"] == "running"


def test_clock_skew_is_named(door: Door, experiment: str) -> None:
    run = start(door, experiment)
    now = door.registry.db.clock()
    Writer(door, run).send(clock=now)
    assert shown(door, run)["clock_skew_seconds"] == 0
    Writer(door, run).send(clock=now - 3_600_000_000)
    assert 3590 < shown(door, run)["clock_skew_seconds"] < 3700


def test_searching_and_paging(door: Door, experiment: str) -> None:
    runs = []
    for n in range(7):
        run = start(door, experiment, name=f"Run {n}", parent=runs[0] if n == 6 else None)
        Writer(door, run).send(
            {"params": {"depth": n, "kind": "tree"}, "tags": {"odd": str(n % 2)}},
            points("f1", [0.1 * n]),
            {"end": {"status": "failed" if n == 3 else "finished", "at": 5}},
        )
        runs.append(run)

    def ids(query: str) -> list[int]:
        answer = door.get(f"runs?experiment={experiment}&{query}")
        assert answer.status_code == 200, answer.text
        return [runs.index(item["id"]) for item in answer.json()["items"]]

    assert ids("limit=100") == [6, 5, 4, 3, 2, 1, 0]
    assert ids("status=failed") == [3]
    assert ids("metric=f1>=0.45") == [6, 5]
    assert ids("param=depth=2") == [2]
    assert ids("param=kind=tree&tag=odd=1") == [5, 3, 1]
    assert ids("param=kind&tag=odd=0&metric=f1<0.3") == [2, 0]
    assert ids("name=run 4") == [4]
    assert ids(f"id={runs[5][:12].upper()}") == [5]
    assert ids("id=zz") == []
    assert ids(f"parent={runs[0]}") == [6]
    assert 6 not in ids("parent=none")
    seen: list[int] = []
    cursor = ""
    while True:
        page = door.get(f"runs?experiment={experiment}&limit=3{cursor}").json()
        seen += [runs.index(item["id"]) for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [6, 5, 4, 3, 2, 1, 0]
    assert_problem(door.get("runs?status=lost"), 400, "invalid")


def test_rights(door: Door, experiment: str) -> None:
    run = start(door, experiment)
    space = experiment.partition("/")[0]
    tokens = {}
    for role in ("reader", "contributor", "maintainer"):
        person = door.registry.user()
        door.call("PUT", f"namespaces/{space}/members/{person.name}", json={"role": role})
        tokens[role] = door.token_of(person)
    stranger = door.token_of(door.registry.user())
    frame = {"writer": "w", "first": 1, "frames": [points("loss", [1.0])]}

    def status(method: str, path: str, token: str | None, body: Any = None) -> int:
        return int(door.call(method, path, token=token, json=body).status_code)

    for path in (f"runs/{run}", f"runs/{run}/series?metric=loss", f"runs/{run}/log", f"runs/{run}/artifacts/a"):
        assert status("GET", path, stranger) == 404
        assert status("GET", path, None) == 401
    assert status("GET", f"runs/{run}", tokens["reader"]) == 200
    assert status("GET", f"runs?experiment={experiment}", stranger) == 404
    assert len(door.get(f"runs?experiment={experiment}", token=tokens["reader"]).json()["items"]) == 1
    assert status("POST", f"runs/{run}/records", stranger, frame) == 404
    assert status("POST", f"runs/{run}/records", tokens["reader"], frame) == 403
    assert status("POST", f"runs/{run}/records", tokens["contributor"], frame) == 200
    other = uuid.uuid4().hex
    begin = {"experiment": experiment}
    assert status("PUT", f"runs/{other}", stranger, begin) == 404
    assert status("PUT", f"runs/{other}", tokens["reader"], begin) == 403
    assert status("PUT", f"runs/{run}", stranger, {"experiment": f"{unique('own')}/x"}) == 404
    assert status("PUT", f"runs/{other}", tokens["contributor"], begin) == 200
    assert status("DELETE", f"runs/{other}", tokens["contributor"]) == 403
    assert status("DELETE", f"runs/{other}", tokens["maintainer"]) == 204


def test_a_run_that_made_a_version_stays(door: Door, experiment: str) -> None:
    model = f"{experiment.partition('/')[0]}/scorer"
    run = start(door, experiment)
    door.register(model, facts={"run": {"id": run}})
    Writer(door, run).send({"versions": [f"{model}:1"]})
    assert shown(door, run)["versions"] == [f"{model}:1"]
    problem = assert_problem(door.call("DELETE", f"runs/{run}"), 409, "has_dependents")
    assert f"{model}:1" in problem["detail"]


def test_files_of_runs_are_collected_with_their_run(door: Door, experiment: str) -> None:
    def collect() -> None:
        registry = door.registry
        retention.collect(registry.db, registry.blobs, registry.root, grace=-1, dry_run=False)

    run = start(door, experiment)
    sent = door.send(unique("plot").encode())
    Writer(door, run).send(
        {"artifacts": [{"path": "p.png", "digest": sent["digest"], "size_bytes": sent["size_bytes"]}]}
    )
    collect()
    assert door.get(f"runs/{run}/artifacts/p.png").status_code == 200
    assert door.call("DELETE", f"runs/{run}").status_code == 204
    collect()
    assert door.registry.blobs.stat(Digest(sent["digest"])) is None


def test_a_run_is_named_by_the_beginning_of_its_id_wherever_one_is_named(door: Door, experiment: str) -> None:
    run, other = start(door, experiment), start(door, experiment)
    short, short_other = run[:12], other[:12]
    assert shown(door, short)["id"] == run
    compared = door.get(f"compare?ref=run:{short}&ref=run:{short_other}")
    assert [side["reference"] for side in compared.json()["sides"]] == [f"run:{run}", f"run:{other}"]
    traced = door.get(f"lineage?ref=run:{short}")
    assert traced.json()["starts"] == [f"run:{run}"]
    nested = start(door, experiment, parent=run)
    listed = door.get(f"runs?parent={short}").json()["items"]
    assert [item["id"] for item in listed] == [nested]
    assert door.get(f"runs/{short}/log").status_code == 200
    stranger = door.as_(door.token_of(door.registry.user()))
    assert_problem(stranger.get(f"runs/{short}"), 404, "run_not_found")
    assert_problem(door.get(f"runs/{run[:3]}"), 404, "run_not_found")


def test_a_beginning_that_several_runs_share_is_refused(door: Door, experiment: str) -> None:
    for digit in "01":
        door.call("PUT", f"runs/abcdef{digit}{uuid.uuid4().hex[7:]}", json={"experiment": experiment})
    answer = door.get("runs/abcdef")
    assert (answer.status_code, "several run ids begin with abcdef" in answer.text) == (400, True)


def test_an_experiment_that_is_not_there_is_refused_with_near_ones(door: Door, experiment: str) -> None:
    start(door, experiment)
    assert door.get(f"runs?experiment={experiment}&status=failed").json()["items"] == []
    problem = assert_problem(door.get(f"runs?experiment={experiment}s"), 404, "experiment_not_found")
    assert experiment in problem["fix"]
