"""Namespaces and models: naming, edits, search; on both databases."""

from __future__ import annotations

import pytest

from modelyard.domain.actor import Actor
from modelyard.domain.errors import (
    EditConflict,
    HasDependents,
    Invalid,
    InvalidName,
    ModelArchived,
    NamespaceNotFound,
    NotFound,
)
from modelyard.domain.metric_names import MetricCondition, MetricName
from modelyard.domain.names import ModelName, Ref
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.rules import check_against_policy
from modelyard.registry.catalog.usecases import ModelEdit, NamespaceEdit
from modelyard.registry.search import usecases as search
from modelyard.registry.search.rules import ModelSearch, parse_words
from modelyard.registry.versions.warnings import warnings_of
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
    assert found(metrics=(MetricCondition(MetricName("f1"), ">", 0.55),)) == ["iris", "fraud_net"]
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


def test_a_model_with_a_version_in_a_stage_is_not_archived_and_an_archive_keeps_its_reason(
    registry: Registry, model: str
) -> None:
    from modelyard.registry.audit import usecases as audit
    from modelyard.registry.audit.nouns import EventFilter
    from modelyard.registry.promotion import stages, usecases

    name, root = name_of(model), registry.root
    registry.register(root, model)
    request = usecases.PromotionRequest(Ref(name, 1), "development")
    registry.db.write(lambda tx: usecases.promote(tx, root, request))
    edit = ModelEdit(archived=True, reason="retired")

    def archive() -> None:
        registry.db.write(lambda tx: catalog.edit_model(tx, root, name, edit))

    with pytest.raises(HasDependents, match="the stage development") as refused:
        archive()
    assert f"modelyard demote {model} development" in refused.value.fix
    registry.db.write(lambda tx: stages.demote(tx, root, name, "development"))
    archive()
    events = registry.db.read(lambda tx: audit.list_history(tx, root, name, EventFilter(), None, 5))
    assert events[0].body["data"]["reason"] == "retired"


def test_an_empty_namespace_with_a_policy_is_deleted(registry: Registry) -> None:
    from modelyard.registry.promotion import policies

    namespace = unique("gone")
    root = registry.root
    registry.db.write(lambda tx: catalog.create_namespace(tx, root, registry.settings, name=namespace))
    text = "version: 1\npromote: [{to: development, rules: []}, {to: staging, rules: []}, {to: production, rules: []}]\n"
    registry.db.write(lambda tx: policies.set_policy(tx, root, namespace, None, text))
    registry.db.write(lambda tx: catalog.delete_namespace(tx, root, namespace))
    assert (
        outcome(lambda: registry.db.read(lambda tx: catalog.find_namespace(tx, root, namespace)))
        is NamespaceNotFound
    )


def test_unknown_names_are_refused_with_near_ones_that_the_reader_may_see(
    registry: Registry, model: str
) -> None:
    registry.register(registry.root, model)
    namespace, name = model.split("/")

    def fix(by: Actor, wanted: str) -> str:
        with pytest.raises(NotFound) as refused:
            registry.db.read(lambda tx: catalog.find_model(tx, by, name_of(wanted)))
        return refused.value.fix

    assert fix(registry.root, f"{namespace}/scorre") == f"Did you mean {namespace}/{name}?"
    assert model in fix(registry.root, f"{namespace}x/{name}")
    assert model not in fix(registry.user(), f"{namespace}/scorre")


def test_a_push_that_makes_a_namespace_says_so_and_names_near_ones(registry: Registry) -> None:
    namespace = unique("payments")
    registry.register(registry.root, f"{namespace}/scorer")
    view = registry.register(registry.root, f"{namespace[:-1]}x{namespace[-1]}/scorer")
    warning = warnings_of(view)
    assert warning is not None
    assert "was made for it (private; you own it)" in warning
    assert f"near it is {namespace}" in warning or namespace in warning
    again = registry.register(registry.root, f"{namespace}/scorer", facts={"params": {"n": 2}})
    assert warnings_of(again) is None


def test_what_is_proposed_for_a_reserved_name_fits_the_naming_pattern() -> None:
    with pytest.raises(InvalidName) as refused:
        check_against_policy("test-eu", "[a-z]+-(?:eu|us)", ["test-eu", "testmodel-eu"], "fraud")
    proposal = refused.value.fields["proposal"]
    assert check_against_policy(proposal, "[a-z]+-(?:eu|us)", ["test-eu", "testmodel-eu"], "fraud") is None
    with pytest.raises(InvalidName) as refused:
        check_against_policy("only", "only", ["only"], "fraud")
    assert "modelyard namespace show fraud" in refused.value.fix
