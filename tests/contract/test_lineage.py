"""The graph up and down, who sees what of it, recalls; on both databases."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.db.tables import events as event_table
from modelyard.db.tables import lineage_edges
from modelyard.db.transaction import Transaction
from modelyard.domain.errors import (
    DatasetNotFound,
    Denied,
    HasDependents,
    Invalid,
    InvalidReference,
    ModelNotFound,
    RunNotFound,
    VersionRecalled,
)
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.registry import edges
from modelyard.registry.cards import usecases as cards
from modelyard.registry.comments import usecases as comments
from modelyard.registry.lineage import recalls
from modelyard.registry.lineage import usecases as lineage
from modelyard.registry.lineage.usecases import Graph
from modelyard.registry.promotion import stages
from modelyard.registry.runs import usecases as runs
from modelyard.registry.runs.rules import BatchHeader
from modelyard.registry.versions import aliases as version_aliases
from modelyard.registry.versions import usecases as versions
from tests.support.door import Door
from tests.support.promotion import Team, policy, team
from tests.support.registry import Registry, unique


@pytest.fixture
def crew(registry: Registry) -> Team:
    return team(registry)


def digest() -> str:
    return "sha256:" + unique("d").encode().hex().ljust(64, "0")[:64]


def trace(crew: Team, ref: str, actor: Any = None, **how: Any) -> Graph:
    by = actor or crew.reader
    return crew.registry.db.read(lambda tx: lineage.trace(tx, by, ref, **how))


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes if not node.hidden]


def child(crew: Team, parent: str, relation: str = "finetune", model: str | None = None, **facts: Any) -> str:
    """The reference of a new version with that parent."""
    facts["params"] = {"of": parent, "n": unique()}
    view = crew.registry.register(
        crew.contributor,
        model or crew.model,
        facts={"parents": [{"ref": parent, "relation": relation}], **facts},
    )
    return str(view.ref)


@pytest.fixture
def family(crew: Team) -> dict[str, str]:
    """data → base → (tuned → quantized), adapter; and a sibling on other data."""
    data = {"name": "transactions", "digest": digest()}
    run = {"id": "a" * 32, "name": "nightly"}
    base = f"{crew.model}:{crew.push(data=[{**data, 'split': 'train'}], run=run)}"
    tuned = child(crew, base)
    return {
        "data": f"{crew.namespace}/transactions@{data['digest']}",
        "run": f"run:{run['id']}",
        "base": base,
        "tuned": tuned,
        "quantized": child(crew, tuned, "quantized"),
        "adapter": child(crew, base, "adapter"),
        "sibling": f"{crew.model}:{crew.push(data=[{'name': 'other', 'digest': digest()}])}",
    }


def test_down_from_a_dataset_tells_what_is_concerned(crew: Team, family: dict[str, str]) -> None:
    found = trace(crew, family["data"], direction="down")
    assert set(names(found)) == {family[word] for word in ("data", "base", "tuned", "quantized", "adapter")}
    depth = {node.name: node.depth for node in found.nodes}
    assert [depth[family[w]] for w in ("data", "base", "adapter", "tuned", "quantized")] == [0, 1, 2, 2, 3]
    short = family["data"].rpartition(":")[0].removesuffix("@sha256") + "@" + family["data"][-64:][:12]
    assert set(names(trace(crew, short, direction="down"))) == set(names(found))


def test_up_from_a_version_tells_where_it_came_from(crew: Team, family: dict[str, str]) -> None:
    found = trace(crew, family["quantized"], direction="up")
    assert set(names(found)) == {family[w] for w in ("quantized", "tuned", "base", "data", "run")}
    assert {edge.relation for edge in found.edges} == {"quantized", "finetune", "trained_on", "produced"}
    assert set(names(trace(crew, family["quantized"], direction="up", depth=1))) == {
        family["quantized"], family["tuned"]
    }  # fmt: skip


def test_both_ways_and_from_a_run(crew: Team, family: dict[str, str]) -> None:
    both = trace(crew, family["tuned"])
    assert set(names(both)) == {family[w] for w in ("tuned", "quantized", "base", "data", "run")}
    with pytest.raises(RunNotFound):
        trace(crew, family["run"])


def test_runs_stand_between_data_and_versions(crew: Team, door: Door) -> None:
    """As the client sends it: a run reads data, and a version comes out of it later."""
    registry, uid = crew.registry, "f" * 31 + unique()[-1]
    entry = {"name": "clicks", "digest": digest(), "split": "train"}
    here = ModelName.parse(f"{crew.namespace}/nightly")
    start = runs.RunStart(uid, here, "night 1", None, 1)
    registry.db.write(lambda tx: runs.start_run(tx, crew.contributor, registry.settings, start))
    version = f"{crew.model}:{crew.push()}"

    def say(said: Any, _: int) -> None:
        said.inputs.append(entry)
        said.versions.append(version)

    batch = BatchHeader("w", 1, 1, None)
    registry.db.write(lambda tx: runs.store_records(tx, crew.contributor, uid, batch, say))
    found = trace(crew, f"run:{uid}")
    data = f"{crew.namespace}/clicks@{entry['digest']}"
    assert {(n.name, n.title) for n in found.nodes} == {(f"run:{uid}", "night 1"), (data, ""), (version, "")}
    assert {(e.relation) for e in found.edges} == {"read", "produced"}
    assert version in names(trace(crew, data, direction="down"))
    with pytest.raises(RunNotFound):
        trace(crew, f"run:{uid}", actor=crew.stranger)


def test_the_same_content_counts_under_any_name(crew: Team, family: dict[str, str]) -> None:
    same = family["data"].rpartition("@")[2]
    number = crew.push(data=[{"name": "renamed", "digest": same}])
    found = trace(crew, family["data"], direction="down")
    assert f"{crew.model}:{number}" in names(found)
    assert len(found.starts) == 2


def test_aliases_owners_and_states_are_told(crew: Team, family: dict[str, str]) -> None:
    db = crew.registry.db
    ref = Ref.parse(family["tuned"])
    db.write(lambda tx: version_aliases.set_alias(tx, crew.contributor, ref, Alias("champion")))
    node = next(n for n in trace(crew, family["data"], direction="down").nodes if n.name == family["tuned"])
    assert node.aliases == ["champion"]
    assert node.state == "ready"
    assert node.created_by == crew.contributor.name


def test_what_may_not_be_seen_is_hidden_without_a_name(crew: Team, family: dict[str, str]) -> None:
    """Another team tunes our base in a namespace of theirs, and we build on nothing of theirs."""
    registry = crew.registry
    other = team(registry)
    crew.grant(other.contributor, crew_role("reader"))
    view = registry.register(
        other.contributor,
        other.model,
        facts={
            "parents": [{"ref": family["base"], "relation": "finetune"}],
            "data": [{"name": "secret-data", "digest": family["data"].rpartition("@")[2], "filter": "vip"}],
        },
    )
    ours = trace(crew, family["base"], direction="down")
    hidden = [node for node in ours.nodes if node.hidden]
    assert [(n.kind, n.name, n.digest, n.owners) for n in hidden] == [("version", "", None, ())]
    told = repr(ours)
    assert other.namespace not in told
    assert str(view.version.id) not in hidden[0].key
    assert all(edge.details == {} for edge in ours.edges if hidden[0].key in (edge.source, edge.target))
    # From the content itself, under our name: theirs is there, without a name.
    down = trace(crew, family["data"], direction="down")
    assert "secret-data" not in repr(down)
    assert "vip" not in repr(down)
    theirs = trace(other, str(view.ref), actor=other.contributor, direction="up")
    assert family["base"] in names(theirs)
    with pytest.raises(ModelNotFound):
        trace(crew, str(view.ref))


def crew_role(word: str) -> Any:
    from modelyard.domain.actor import Role

    return Role[word.upper()]


def test_circles_end(crew: Team, family: dict[str, str]) -> None:
    """Numbers only grow, so a circle takes a damaged or a clever record; the walk ends all the same."""

    def close(tx: Transaction) -> None:
        _, first = versions.find_version(tx, crew.reader, Ref.parse(family["base"]))
        _, last = versions.find_version(tx, crew.reader, Ref.parse(family["quantized"]))
        a, b = edges.node(edges.VERSION, first.id), edges.node(edges.VERSION, last.id)
        edges.add_edges(tx, [edges.Edge(b, a, "merge"), edges.Edge(a, a, "merge")])

    crew.registry.db.write(close)
    for how in ({"direction": "down"}, {"direction": "up"}, {}, {"depth": 900}):
        found = trace(crew, family["base"], **how)
        assert len(names(found)) == len(set(names(found)))
        assert {family["tuned"], family["quantized"]} <= set(names(found))


def test_parents_elsewhere_are_nodes_too(crew: Team) -> None:
    found = trace(crew, child(crew, "hub:meta/base-model"), direction="up")
    assert [n.name for n in found.nodes if n.kind == "outside"] == ["hub:meta/base-model"]
    nobody = trace(crew, child(crew, "unknown/model:7"), direction="up")
    assert [n.name for n in nobody.nodes if n.kind == "outside"] == ["unknown/model:7"]
    with pytest.raises(Invalid, match="relation"):
        child(crew, "unknown/model:7", "friend")


def test_a_parent_by_digest_is_found(crew: Team) -> None:
    data = unique("weights").encode()
    base = crew.registry.register(crew.contributor, crew.model, data=data)
    view = crew.registry.register(
        crew.contributor,
        f"{crew.namespace}/tuned",
        facts={"parents": [{"digest": base.version.digest, "relation": "adapter"}]},
    )
    assert str(base.ref) in names(trace(crew, str(view.ref), direction="up"))


def test_a_parent_is_not_deleted_before_its_children(crew: Team, family: dict[str, str]) -> None:
    db = crew.registry.db

    def delete(word: str) -> None:
        db.write(lambda tx: versions.delete_version(tx, crew.owner, Ref.parse(family[word])))

    with pytest.raises(HasDependents, match="its child"):
        delete("tuned")
    delete("quantized")
    delete("tuned")
    states = {n.name: n.state for n in trace(crew, family["data"], direction="down").nodes}
    assert states[family["tuned"]] == "deleted"


def test_references_that_name_nothing(crew: Team) -> None:
    with pytest.raises(ModelNotFound):
        trace(crew, f"{crew.namespace}/nothing:1")
    with pytest.raises(DatasetNotFound):
        trace(crew, f"{crew.namespace}/nothing", kind="dataset")
    with pytest.raises(InvalidReference):
        trace(crew, "a/b/c@d", kind="dataset")
    with pytest.raises(RunNotFound):
        trace(crew, "run:unknown")


def test_ten_thousand_nodes_take_few_statements_and_little_time(crew: Team) -> None:
    """A tree of 10,000 nodes, three deep, from the top: the figure of the benchmark is in docs/benchmarks.md."""
    base = f"{crew.model}:{crew.push()}"
    db = crew.registry.db

    def grow(tx: Transaction) -> int:
        _, version = versions.find_version(tx, crew.reader, Ref.parse(base))
        top = edges.node(edges.VERSION, version.id)
        rows = []
        for i in range(100):
            middle = edges.node(edges.OUTSIDE, f"{base}-{i}")
            rows.append(edges.Edge(top, middle, "merge"))
            rows += [edges.Edge(middle, edges.node(edges.RUN, f"{base}-{i}-{j}"), "read") for j in range(99)]
        tx.execute(
            lineage_edges.insert(),
            [
                {"source": e.source, "target": e.target, "relation": e.relation, "created_at": tx.now}
                for e in rows
            ],
        )
        return len(rows)

    assert db.write(grow) == 10_000
    counted: list[str] = []
    listen = lambda _c, _u, sql, *_: counted.append(sql)  # noqa: E731
    sa.event.listen(sa.Engine, "before_cursor_execute", listen)
    try:
        began = time.perf_counter()
        found = trace(crew, base, direction="down")
        took = time.perf_counter() - began
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", listen)
    assert len(found.nodes) == 10_001
    assert len(counted) <= 12
    assert took < 5, "far above the 0.2 s it is to take, so that a busy machine does not fail it"


# --- recalls -----------------------------------------------------------------------------------------------


def recall(crew: Team, ref: str, mode: str = "refuse", actor: Any = None) -> None:
    by = actor or crew.maintainer
    crew.registry.db.write(
        lambda tx: recalls.recall_version(tx, by, Ref.parse(ref), mode=mode, reason="leaked labels")
    )


def file_of(crew: Team, ref: str) -> Any:
    def work(tx: Transaction) -> Any:
        _, _, body = versions.read_manifest(tx, crew.reader, Ref.parse(ref))
        from modelyard.domain.manifest import Manifest

        return versions.find_file(tx, crew.reader, Ref.parse(ref), Manifest.from_bytes(body).files[0].path)

    return crew.registry.db.read(work)


def told(crew: Team, kind: str) -> list[dict[str, Any]]:
    query = sa.select(event_table.c.body).where(
        event_table.c.kind == kind, event_table.c.namespace == crew.namespace
    )
    rows = crew.registry.db.read(lambda tx: tx.rows(query.order_by(event_table.c.seq)))
    return [json.loads(body) for (body,) in rows]


def test_a_recalled_version_is_not_pulled_pointed_at_or_promoted(crew: Team, family: dict[str, str]) -> None:
    db, ref = crew.registry.db, Ref.parse(family["base"])
    db.write(lambda tx: version_aliases.set_alias(tx, crew.contributor, ref, Alias("champion")))
    assert file_of(crew, family["base"])
    recall(crew, family["base"])
    for attempt in (
        lambda: file_of(crew, family["base"]),
        lambda: file_of(crew, f"{crew.model}@champion"),
        lambda: db.write(lambda tx: version_aliases.set_alias(tx, crew.contributor, ref, Alias("canary"))),
        lambda: crew.promote(ref.selector),
        lambda: crew.explain(ref.selector),
    ):
        with pytest.raises(VersionRecalled, match="leaked labels"):
            attempt()
    view = db.read(lambda tx: versions.show_version(tx, crew.reader, ref))
    assert view.version.recall is not None
    db.write(lambda tx: recalls.lift_recall(tx, crew.maintainer, ref, "was wrong"))
    assert file_of(crew, family["base"])
    assert crew.explain(ref.selector).version.number == ref.selector
    assert [e["data"]["reason"] for e in told(crew, "version.recall_lifted")] == ["was wrong"]


def test_a_rollback_does_not_go_back_to_a_recalled_version(crew: Team) -> None:
    one, two = crew.push(), crew.push()
    crew.set_policy(policy())
    crew.promote(one)
    crew.promote(two)
    recall(crew, f"{crew.model}:{one}")
    name = ModelName.parse(crew.model)
    with pytest.raises(VersionRecalled):
        crew.registry.db.write(
            lambda tx: stages.rollback(tx, crew.maintainer, name, "production", reason="undo")
        )


def test_a_warning_lets_pulls_pass(crew: Team, family: dict[str, str]) -> None:
    recall(crew, family["base"], "warn")
    assert file_of(crew, family["base"])
    recall(crew, family["base"], "refuse")
    with pytest.raises(VersionRecalled):
        file_of(crew, family["base"])


def test_those_who_depend_on_it_are_told(crew: Team, family: dict[str, str]) -> None:
    db = crew.registry.db
    for word in ("base", "tuned"):
        db.write(
            lambda tx, w=word: version_aliases.set_alias(
                tx, crew.contributor, Ref.parse(family[w]), Alias(f"at-{w}")
            )
        )
    other = team(crew.registry)
    crew.grant(other.contributor, crew_role("reader"))
    crew.registry.register(
        other.contributor, other.model, facts={"parents": [{"ref": family["tuned"], "relation": "merge"}]}
    )
    recall(crew, family["base"])
    own = told(crew, "version.recalled")
    assert [(e["version"], e["data"]["aliases"], e["data"]["affected"]) for e in own] == [(1, ["at-base"], 4)]
    children = told(crew, "version.ancestor_recalled")
    assert {f"{e['model']}:{e['version']}": e["data"]["aliases"] for e in children} == {
        family["tuned"]: ["at-tuned"],
        family["quantized"]: [],
        family["adapter"]: [],
    }
    assert all(e["data"]["ancestor"] == family["base"] for e in children)
    assert len(told(other, "version.ancestor_recalled")) == 1
    node = next(n for n in trace(crew, family["base"]).nodes if n.name == family["base"])
    assert node.recalled is not None
    assert node.recalled.reason == "leaked labels"


def test_watchers_of_a_child_find_it_in_their_inbox(crew: Team) -> None:
    db = crew.registry.db
    base = f"{crew.model}:{crew.push()}"
    model = f"{crew.namespace}/tuned"
    child(crew, base, model=model)
    while comments.derive_notifications(db):
        pass
    db.write(lambda tx: comments.watch(tx, crew.reader, ModelName.parse(model)))
    recall(crew, base)
    while comments.derive_notifications(db):
        pass
    found = db.read(lambda tx: comments.list_notifications(tx, crew.reader, unread=True, before=None, limit=10))
    assert [n.body["kind"] for n in found] == ["version.ancestor_recalled"]


def test_recalls_that_are_refused(crew: Team, family: dict[str, str]) -> None:
    with pytest.raises(Denied):
        recall(crew, family["base"], actor=crew.contributor)
    with pytest.raises(Invalid, match="is not a recall mode"):
        recall(crew, family["base"], "shout")
    db, ref = crew.registry.db, Ref.parse(family["base"])
    with pytest.raises(Invalid, match="needs a reason"):
        db.write(lambda tx: recalls.recall_version(tx, crew.maintainer, ref, mode="warn", reason=" "))


def test_the_card_of_a_recalled_version_is_still_read(crew: Team) -> None:
    registry = crew.registry
    number = crew.push()
    ref = crew.ref(number)
    registry.db.write(lambda tx: cards.set_card(tx, crew.contributor, ref, "# Purpose\nScores."))
    recall(crew, f"{crew.model}:{number}")
    assert "Scores" in cards.show_card(registry.db, registry.blobs, crew.reader, ref).text


# --- the door --------------------------------------------------------------------------------------------


def test_every_route_of_lineage_answers(door: Door, model: str) -> None:
    space = model.partition("/")[0]
    entry = {
        "name": "transactions",
        "digest": digest(),
        "columns": ["amount", "town"],
        "rows": 100,
        "source": "warehouse.transactions",
    }
    facts = {
        "data": [entry],
        "code": {"repository": "https://git.example.org/fraud", "commit": "c" * 40},
        "environment": {"python": "3.12.1"},
    }
    base = door.register(model, facts=facts)
    tuned = door.register(model, facts={"parents": [{"ref": base["reference"], "relation": "finetune"}]})
    ref = f"{space}/transactions@{entry['digest']}"
    down = door.get("lineage", params={"ref": ref, "direction": "down"}).json()
    assert [n["name"] for n in down["nodes"]] == [ref, base["reference"], tuned["reference"]]
    assert [(e["relation"], e["details"]) for e in down["edges"] if e["relation"] == "trained_on"] == [
        ("trained_on", {"source": "warehouse.transactions"})
    ]
    for wrong in ({"direction": "sideways"}, {"kind": "model"}, {"format": "dot"}, {"depth": 0}):
        assert door.get("lineage", params={"ref": ref, **wrong}).status_code == 400
    recalled = door.call("PUT", f"models/{model}/versions/1/recall", json={"reason": "bad data"})
    assert recalled.status_code == 200, recalled.text
    assert recalled.json()["recalled"]["mode"] == "refuse"
    assert "recalled by" in door.get(f"resolve?ref={base['reference']}").json()["warning"]
    path = door.get(f"models/{model}/versions/1/files").json()["items"][0]["path"]
    refused = door.get(f"models/{model}/versions/1/files/{path}")
    assert (refused.status_code, refused.json()["code"]) == (409, "version_recalled")
    lifted = door.call("DELETE", f"models/{model}/versions/1/recall")
    assert lifted.json()["recalled"] is None
    assert door.get(f"models/{model}/versions/1/files/{path}").status_code == 200
    assert door.get(f"resolve?ref={base['reference']}").json()["warning"] is None


def test_openlineage_events_have_the_shape_of_the_specification(door: Door, model: str) -> None:
    from openlineage.client import facet_v2, serde
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState

    space = model.partition("/")[0]
    data = {"name": "sales", "digest": digest(), "columns": ["a"], "rows": 3, "source": "warehouse.sales"}
    code = {"repository": "https://git.example.org/x", "commit": "d" * 40}
    base = door.register(
        model,
        facts={"data": [data], "code": code, "environment": {"python": "3.12.1"}, "run": {"id": "e" * 32}},
    )
    door.register(model, facts={"parents": [{"ref": base["reference"], "relation": "finetune"}]})
    found = door.get(
        "lineage", params={"ref": base["reference"], "direction": "both", "format": "openlineage"}
    ).json()["events"]
    first, second = found
    # The official client writes the same event from its own classes, which check each field.
    url = first["outputs"][0]["namespace"]
    facets = facet_v2
    theirs = RunEvent(
        eventTime=first["eventTime"],
        eventType=RunState.COMPLETE,
        producer=first["producer"],
        run=Run(
            runId="eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee",
            facets={
                "processing_engine": facets.processing_engine_run.ProcessingEngineRunFacet(
                    version="3.12.1", name="python"
                )
            },
        ),
        job=Job(
            namespace=space,
            name="train.scorer",
            facets={
                "sourceCodeLocation": facets.source_code_location_job.SourceCodeLocationJobFacet(
                    type="git", url=code["repository"], version=code["commit"]
                )
            },
        ),
        inputs=[
            InputDataset(
                namespace=url,
                name=f"{space}/sales",
                facets={
                    "version": facets.dataset_version_dataset.DatasetVersionDatasetFacet(
                        datasetVersion=data["digest"]
                    ),
                    "schema": facets.schema_dataset.SchemaDatasetFacet(
                        fields=[facets.schema_dataset.SchemaDatasetFacetFields(name="a")]
                    ),
                    "dataSource": facets.datasource_dataset.DatasourceDatasetFacet(name="warehouse.sales"),
                },
                inputFacets={
                    "inputStatistics": facets.input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
                        rowCount=3
                    )
                },
            )
        ],
        outputs=[
            OutputDataset(
                namespace=url,
                name=model,
                facets={
                    "version": facets.dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion="1")
                },
            )
        ],
    )
    assert _plain(first) == _plain(serde.Serde.to_dict(theirs))
    assert second["inputs"] == [{"namespace": url, "name": base["reference"]}]
    assert second["run"]["runId"] != first["run"]["runId"]


def _plain(value: Any) -> Any:
    """Without what names the writer and the edition of a schema, and without empty fields."""
    if isinstance(value, dict):
        dropped = ("_producer", "_schemaURL", "schemaURL", "producer")
        return {k: _plain(v) for k, v in value.items() if k not in dropped and v not in (None, {}, [])}
    return [_plain(item) for item in value] if isinstance(value, list) else value
