"""Versions and runs side by side, and metrics over versions; on both databases."""

from __future__ import annotations

import json
import math
import struct
import time
from typing import Any

import numpy as np
import pytest

from modelyard.domain.errors import Invalid, ModelNotFound
from modelyard.domain.manifest import File, Manifest
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.domain.record import Record
from modelyard.registry.comparison import history
from modelyard.registry.comparison.usecases import Comparison, compare_all
from modelyard.registry.evaluations import usecases as evaluations
from modelyard.registry.lineage import recalls
from modelyard.registry.runs import usecases as runs
from modelyard.registry.runs.rules import BatchHeader
from modelyard.registry.versions import aliases, registering
from modelyard.registry.versions import usecases as versions
from modelyard.sdk.datasets import describe
from tests.support.door import Door
from tests.support.promotion import Team, team
from tests.support.registry import Registry, unique


@pytest.fixture
def crew(registry: Registry) -> Team:
    return team(registry)


def table(seed: int, shift: float = 0.0, columns: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {f"c{i}": rng.normal(shift if i == 0 else 0.0, 1, 3_000) for i in range(columns)}


def push(crew: Team, **facts: Any) -> str:
    facts.setdefault("params", {"n": unique()})
    view = crew.registry.register(crew.contributor, crew.model, data=unique("w").encode(), facts=facts)
    return str(view.ref)


def safetensors_of(shapes: dict[str, list[int]]) -> bytes:
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


def compare(crew: Team, *refs: str, actor: Any = None, **how: Any) -> Comparison:
    return compare_all(crew.registry.db, crew.registry.blobs, actor or crew.reader, refs, **how)


def test_all_of_two_versions(crew: Team) -> None:
    facts: list[dict[str, Any]] = []
    for seed, shift in ((0, 0.0), (1, 0.9)):
        data = describe(table(seed, shift), name="train")
        crew.registry.send(crew.contributor, data.profile)
        facts.append(
            {
                "data": [data.entry],
                "metrics": [
                    {"name": "f1", "split": f"fold-{i}", "value": 0.8 + 0.01 * i + seed / 20} for i in range(5)
                ],
                "params": {"depth": 3 + seed, "seed": 1},
                "code": {"repository": "r", "commit": f"c{seed}", "dirty": False},
                "environment": {"python": "3.12", "packages": {"numpy": f"2.{seed}"}},
            }
        )
    one, two = (push(crew, **f) for f in facts)
    db = crew.registry.db
    db.write(lambda tx: aliases.set_alias(tx, crew.contributor, Ref.parse(one), Alias("champion")))
    found = compare(crew, one, two)
    assert [side.ref for side in found.sides] == [one, two]
    assert found.champion == one
    assert found.params == [("depth", [3, 4], False), ("seed", [1, 1], True)]
    f1 = found.metrics[0]
    assert f1.values == pytest.approx([0.82, 0.87])
    assert f1.champion_deltas == pytest.approx([0.0, 0.05])
    assert f1.significance[1] is not None
    assert f1.significance[1].is_significant
    assert found.code[0].commits == "c0..c1"
    assert found.environment[0].changed == {"numpy": ["2.0", "2.1"]}
    assert len(found.files[0].added) == len(found.files[0].removed) == 1
    drift = found.data[0][0].drift
    assert drift is not None
    assert [c.name for c in drift.shifted] == ["c0"]
    # Who may not read the namespace's datasets gets no drift, and who may not read the model nothing at all.
    with pytest.raises(ModelNotFound):
        compare(crew, one, two, actor=crew.stranger)


def test_tensors_and_format_of_files(crew: Team) -> None:
    refs = []
    for shape in ([2, 3], [4, 3]):
        file = crew.registry.send(crew.contributor, safetensors_of({"w": shape, "b": [3]}))
        wanted = registering.Registration(
            ModelName.parse(crew.model),
            Manifest.of([File("model.safetensors", file.digest, file.size_bytes)]),
            Record.of({}),
        )
        view, _ = crew.registry.register_wanted(crew.contributor, wanted)
        refs.append(str(view.ref))
    found = compare(crew, *refs).files[0]
    assert found.tensors == {"w": ["float32[2, 3]", "float32[4, 3]"]}
    assert found.tensors_same == 1
    assert found.format["parameters"] == [9, 15]
    assert list(found.changed) == ["model.safetensors"]


def test_runs_beside_versions_with_their_curves(crew: Team) -> None:
    registry, uid = crew.registry, unique().encode().hex().ljust(32, "0")[:32]
    here = ModelName.parse(f"{crew.namespace}/nightly")
    start = runs.RunStart(uid, here, "night", None, 1)
    registry.db.write(lambda tx: runs.start_run(tx, crew.contributor, registry.settings, start))

    def say(said: Any, _: int) -> None:
        said.add_points("loss", range(10), range(10), [1.0 / (step + 1) for step in range(10)])
        said.params["depth"] = "5"

    registry.db.write(
        lambda tx: runs.store_records(tx, crew.contributor, uid, BatchHeader("w", 1, 1, None), say)
    )
    version = push(crew, params={"depth": 5}, metrics={"loss": 0.2}, run={"id": uid, "name": "night"})
    found = compare(crew, version, f"run:{uid}")
    assert [side.kind for side in found.sides] == ["version", "run"]
    loss = found.metrics[0]
    assert loss.direction == "lower"
    assert loss.values == pytest.approx([0.2, 0.1])
    assert loss.best == [1]
    assert [(c.metric, c.side) for c in found.curves] == [("loss", 0), ("loss", 1)]
    assert found.curves[0].steps == list(range(10))
    assert compare(crew, version, f"run:{uid}", with_curves=False).curves == []


def test_the_best_version_by_a_metric(crew: Team) -> None:
    db, name = crew.registry.db, ModelName.parse(crew.model)
    refs = [push(crew, metrics=[{"name": "f1", "split": "test", "value": v}]) for v in (0.7, 0.9, 0.8, 0.9)]

    def best(metric: str = "f1", **how: Any) -> Any:
        return db.read(lambda tx: history.rank_versions(tx, crew.reader, name, metric, **how))

    found = best()
    assert (found.best.version, found.best.value) == (2, 0.9), "the earlier of two that are equal"
    assert [m.version for m in found.items] == [2, 4, 3, 1]
    assert [m.version for m in best(after=(0.9, 2), limit=2).items] == [4, 3]
    assert best(after=(0.9, 4)).best is None
    assert best(direction="lower").best.version == 1
    db.write(
        lambda tx: evaluations.report_evaluation(
            tx, crew.contributor, Ref.parse(refs[0]), {"f1": 0.95}, split="test", dataset="holdout"
        )
    )
    assert (best().best.version, best().best.evaluated) == (1, True)
    db.write(
        lambda tx: recalls.recall_version(tx, crew.maintainer, Ref.parse(refs[0]), mode="warn", reason="x")
    )
    db.write(lambda tx: versions.archive_version(tx, crew.maintainer, Ref.parse(refs[1]), archived=True))
    assert [m.version for m in best().items] == [4, 3]
    push(crew, metrics=[{"name": "f1", "split": "train", "value": 1.0}])
    assert [m.version for m in best().items] == [4, 3], "training rows do not count unless they are named"
    assert best(split="train").best.value == best("train:f1").best.value == 1.0
    assert best("test:f1").best.version == 4
    push(crew, metrics={"own": 1.0, "validation:f1": 0.5})
    with pytest.raises(Invalid, match="several splits: test, validation") as several:
        best()
    assert several.value.fix == "Name one: --split test"
    with pytest.raises(Invalid, match="whether a higher or a lower 'own' is better"):
        best("own")
    for unknown in ("strange", "rmse", "train:own"):
        with pytest.raises(Invalid, match="no usable version") as none:
            best(unknown)
        assert none.value.fix == "The versions have: test:f1, validation:f1, train:f1, own"
    _, every = db.read(lambda tx: history.metric_history(tx, crew.reader, name, "f1", "test"))
    assert [(m.version, m.value, m.evaluated) for m in every] == [
        (1, 0.7, False),
        (1, 0.95, True),
        (2, 0.9, False),
        (3, 0.8, False),
        (4, 0.9, False),
    ]


def test_eight_versions_are_compared_in_little_time(crew: Team) -> None:
    """The figure of the benchmark is in docs/benchmarks.md; this only fails for what is out of all proportion."""
    refs = []
    for seed in range(8):
        data = describe(table(seed, columns=20), name="train")
        crew.registry.send(crew.contributor, data.profile)
        refs.append(
            push(
                crew,
                data=[data.entry],
                params={f"p{i}": i * seed for i in range(100)},
                metrics={f"m{i}": i + seed for i in range(100)},
                environment={"packages": {f"package-{i}": str(seed) for i in range(200)}},
            )
        )
    began = time.perf_counter()
    found = compare(crew, *refs)
    assert time.perf_counter() - began < 10
    assert len(found.metrics) == len(found.params) == 100
    assert len(found.data) == 7


# --- the door --------------------------------------------------------------------------------------------


def test_every_route_of_comparisons_answers(door: Door, model: str) -> None:
    refs = [
        door.register(model, facts={"metrics": {"f1": value, "strange": 1.0}, "params": {"a": 1}})["reference"]
        for value in (0.5, "NaN", 0.7)
    ]
    answer = door.get("compare", params={"ref": refs, "direction": ["strange=lower"]})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [side["reference"] for side in found["sides"]] == refs
    f1, strange = found["metrics"]
    assert f1["values"] == [0.5, "NaN", 0.7]
    assert (f1["best"], strange["direction"]) == ([2], "lower")
    for wrong in ({"ref": refs[:1]}, {"ref": refs, "direction": ["f1"]}, {"ref": [*refs, *refs]}):
        assert door.get("compare", params=wrong).status_code == 400
    best = door.get(f"models/{model}/best", params={"metric": "f1"}).json()
    assert (best["best"]["reference"], len(best["ranking"])) == (refs[2], 2)
    first = door.get(f"models/{model}/best", params={"metric": "f1", "limit": 1}).json()
    assert [point["reference"] for point in first["ranking"]] == [refs[2]]
    more = {"metric": "f1", "limit": 1, "cursor": first["next_cursor"]}
    second = door.get(f"models/{model}/best", params=more).json()
    assert ([point["reference"] for point in second["ranking"]], second["next_cursor"]) == ([refs[0]], None)
    assert door.get(f"models/{model}/best", params={**more, "cursor": "nonsense"}).status_code == 400
    history_ = door.get(f"models/{model}/metric-history", params={"metric": "f1"}).json()
    assert [point["value"] for point in history_["items"]] == [0.5, None, 0.7]
    assert door.get(f"models/{model}/best", params={"metric": "none"}).status_code == 400


def test_a_metric_of_a_run_and_of_a_version_is_one_row_found_by_one_name(door: Door, model: str) -> None:
    """Runs keep whole names, versions their parts: search, runs and comparison read both alike."""
    namespace, uid = model.partition("/")[0], unique().encode().hex().ljust(32, "0")[:32]
    metrics = {"test:f1": 0.9, "train:f1": 0.99, "mAP@0.5:0.95": 0.4}
    reference = door.register(model, facts={"metrics": metrics})["reference"]
    assert [m["name"] for m in door.get(f"models/{model}/versions").json()["items"][0]["metrics"]] == [
        "f1",
        "f1",
        "mAP@0.5:0.95",
    ]
    assert door.call("PUT", f"runs/{uid}", json={"experiment": f"{namespace}/night"}).status_code == 200
    series = [{"name": name, "steps": [1], "times": [1], "values": [value]} for name, value in metrics.items()]
    body = {"writer": "w", "first": 1, "frames": [{"points": series}]}
    sent = door.call("POST", f"runs/{uid}/records", json=body)
    assert sent.status_code == 200, sent.text
    rows = door.get("compare", params={"ref": [reference, f"run:{uid}"]}).json()["metrics"]
    assert [(row["name"], row["split"], row["values"]) for row in rows] == [
        ("f1", "test", [0.9, 0.9]),
        ("f1", "train", [0.99, 0.99]),
        ("mAP@0.5:0.95", "", [0.4, 0.4]),
    ]
    assert rows[0]["direction"] == "higher"
    for condition, holds in (
        ("f1>=0.95", True),
        ("test:f1>=0.9", True),
        ("test:f1>=0.95", False),
        ("validation:f1>=0", False),
        ("mAP@0.5:0.95=0.4", True),
        ("0.95=0.4", False),
    ):
        for path in ("runs", f"models/{model}/versions", "models"):
            query = {"metric": condition, **({"namespace": namespace} if path == "models" else {})}
            found = door.get(
                path, params={**query, **({"experiment": f"{namespace}/night"} if path == "runs" else {})}
            )
            assert found.status_code == 200, found.text
            assert bool(found.json()["items"]) == holds, (path, condition)
    refused = door.get("runs", params={"metric": "test@holdout:f1>0"})
    assert refused.status_code == 400
    assert "names a dataset" in refused.text
