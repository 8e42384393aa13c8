"""Namespaces and models: naming, edits, search; on both databases."""

from __future__ import annotations

from modelyard.domain.errors import (
    EditConflict,
    Invalid,
    InvalidName,
    ModelArchived,
)
from modelyard.domain.names import ModelName
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.usecases import ModelEdit, NamespaceEdit
from modelyard.registry.search import usecases as search
from modelyard.registry.search.rules import ModelSearch, parse_words
from tests.support.registry import Registry, name_of, outcome, unique


def test_a_namespace_may_have_a_naming_policy(registry: Registry) -> None:
    namespace = unique("team")
    registry.db.write(
        lambda tx: catalog.create_namespace(
            tx,
            registry.root,
            registry.settings,
            name=namespace,
            naming_pattern="[a-z]+-(?:clf|reg)",
            reserved_names=["test-clf"],
        )
    )

    def create(name: str) -> None:
        registry.db.write(lambda tx: catalog.create_model(tx, registry.root, ModelName(namespace, name)))

    assert outcome(lambda: create("churn-clf")) is None
    assert outcome(lambda: create("churn")) is InvalidName
    assert outcome(lambda: create("test-clf")) is InvalidName
    bad = NamespaceEdit(naming_pattern="(a+)+$")
    assert (
        outcome(lambda: registry.db.write(lambda tx: catalog.edit_namespace(tx, registry.root, namespace, bad)))
        is Invalid
    )


def test_model_edits_and_archive(registry: Registry, model: str) -> None:
    registry.register(registry.root, model)

    def edit(change: ModelEdit, revision: int | None = None) -> int:
        return registry.db.write(
            lambda tx: catalog.edit_model(tx, registry.root, name_of(model), change, revision)
        ).revision

    after = edit(ModelEdit(description="Scores fraud", tags={"task": "fraud"}, owners=["ada", "bob"]))
    assert outcome(lambda: edit(ModelEdit(description="x"), after - 1)) is EditConflict
    edit(ModelEdit(archived=True))
    assert outcome(lambda: registry.register(registry.root, model, facts={"params": {"n": 1}})) is ModelArchived
    assert outcome(lambda: edit(ModelEdit(description="y"))) is ModelArchived
    edit(ModelEdit(archived=False))
    found = registry.db.read(lambda tx: search.show_model(tx, registry.root, name_of(model)))
    assert (found.tags, found.owners, found.model.archived_at) == ({"task": "fraud"}, ["ada", "bob"], None)


def test_search_by_words_and_filters(registry: Registry) -> None:
    namespace = unique("find")
    for n, (name, text) in enumerate(
        [
            ("churn-clf", "Predicts customers who leave"),
            ("fraud_net", "Flags payments"),
            ("iris", "Ünïcode flower"),
        ]
    ):
        registry.register(
            registry.root, f"{namespace}/{name}", facts={"metrics": {"f1": 0.5 + n / 10}}, aliases=("champion",)
        )
        registry.db.write(
            lambda tx, m=name, t=text, k=n: catalog.edit_model(
                tx,
                registry.root,
                ModelName(namespace, m),
                ModelEdit(description=t, tags={"kind": str(k)}, owners=[f"owner{k}"]),
            )
        )

    def found(**conditions: object) -> list[str]:
        wanted = ModelSearch(namespace=namespace, **conditions)  # type: ignore[arg-type]
        rows = registry.db.read(lambda tx: search.search_models(tx, registry.root, wanted, None, 10))
        count = registry.db.read(lambda tx: search.count_models(tx, registry.root, wanted))
        assert count == len(rows)
        return [row.model.name.name for row in rows]

    assert found() == ["iris", "fraud_net", "churn-clf"]
    assert found(words=parse_words("customers")) == ["churn-clf"]
    assert found(words=parse_words("cust")) == ["churn-clf"]
    assert found(words=parse_words("fraud net")) == ["fraud_net"]
    assert found(words=parse_words('"payments" OR (')) == []
    assert found(words=parse_words("flower")) == ["iris"]
    assert found(tags=(("kind", "1"),)) == ["fraud_net"]
    assert found(tags=(("kind", None),)) == ["iris", "fraud_net", "churn-clf"]
    assert found(owner="owner2") == ["iris"]
    assert found(alias="champion") == ["iris", "fraud_net", "churn-clf"]
    assert found(metrics=(("f1", ">", 0.55),)) == ["iris", "fraud_net"]
    registry.db.write(
        lambda tx: catalog.edit_model(tx, registry.root, ModelName(namespace, "iris"), ModelEdit(archived=True))
    )
    assert found() == ["fraud_net", "churn-clf"]
    assert found(archived=True) == ["iris", "fraud_net", "churn-clf"]


def test_search_pages_without_gaps_or_doubles(registry: Registry) -> None:
    namespace = unique("many")
    for n in range(7):
        registry.register(registry.root, f"{namespace}/m{n}")
    wanted = ModelSearch(namespace=namespace)
    seen: list[str] = []
    before = None
    while True:
        page = registry.db.read(lambda tx, b=before: search.search_models(tx, registry.root, wanted, b, 3))
        if not page:
            break
        seen.extend(row.model.name.name for row in page)
        before = (page[-1].model.updated_at, page[-1].model.id)
    assert seen == [f"m{n}" for n in reversed(range(7))]
