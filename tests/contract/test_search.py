"""Each form of search is written once: what one search asks with must never answer another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.db.lists import ids_text, is_among
from modelyard.db.statement import Statement
from modelyard.db.tables import models
from modelyard.db.tables import versions as version_rows
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import ANONYMOUS, Actor, Role, Scope, Visibility
from modelyard.domain.metric_names import MetricCondition, MetricName
from modelyard.domain.names import ModelName, Ref
from modelyard.registry.access import usecases as access
from modelyard.registry.cards import usecases as cards
from modelyard.registry.catalog import queries as catalog_queries
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.usecases import ModelEdit
from modelyard.registry.comments import usecases as comments
from modelyard.registry.comparison.queries import _ranked
from modelyard.registry.evaluations import usecases as evaluations
from modelyard.registry.promotion import stages
from modelyard.registry.promotion.usecases import PromotionRequest, promote
from modelyard.registry.search import usecases as search
from modelyard.registry.search.rules import ModelSearch, parse_words
from modelyard.registry.versions import alias_queries
from modelyard.registry.versions import usecases as versions
from modelyard.registry.versions.score_queries import MetricComparison, models_with, versions_with
from modelyard.registry.versions.usecases import VersionEdit, VersionFilter
from tests.support.registry import Registry, unique


def fill(registry: Registry, *names: str) -> str:
    """A namespace of models; the n-th has owner n, tag and task n, metric f1 of n / 10 and alias a-n."""
    namespace = unique("find")
    for n, name in enumerate(names):
        registry.register(
            registry.root,
            f"{namespace}/{name}",
            facts={"metrics": {"f1": n / 10, "loss": n}},
            aliases=(f"a-{n}",),
        )
        edit = ModelEdit(
            description=f"Words of {name}",
            tags={"kind": f"k{n}", "odd": str(n % 2)},
            owners=[f"owner{n}"],
            task=f"task{n}",
        )
        registry.db.write(
            lambda tx, m=name, e=edit: catalog.edit_model(tx, registry.root, ModelName(namespace, m), e)
        )
    return namespace


def names_of(
    registry: Registry,
    actor: Actor,
    wanted: ModelSearch,
    before: tuple[int, int] | None = None,
    limit: int = 50,
) -> list[str]:
    found = registry.db.read(lambda tx: search.search_models(tx, actor, wanted, before, limit))
    if before is None and limit == 50:
        assert registry.db.read(lambda tx: search.count_models(tx, actor, wanted)) == len(found)
    return [each.model.name.name for each in found]


@pytest.mark.parametrize(
    "asked",
    [
        lambda n: {"owner": f"owner{n}"},
        lambda n: {"task": f"task{n}"},
        lambda n: {"alias": f"a-{n}"},
        lambda n: {"words": parse_words(f"words m{n}")},
        lambda n: {"tags": (("kind", f"k{n}"),)},
        lambda n: {"tags": (("kind", f"k{n}"), ("odd", None))},
        lambda n: {"tags": (("odd", None), ("kind", f"k{n}"))},
        lambda n: {"metrics": (MetricCondition(MetricName("f1"), "=", n / 10),)},
        lambda n: {
            "metrics": (
                MetricCondition(MetricName("f1"), ">=", n / 10),
                MetricCondition(MetricName("loss"), "<=", float(n)),
            )
        },
        lambda n: {
            "metrics": (
                MetricCondition(MetricName("loss"), "<", n + 0.5),
                MetricCondition(MetricName("f1"), ">", n / 10 - 0.05),
            )
        },
        lambda n: {"owner": f"owner{n}", "task": f"task{n}", "words": parse_words(f"m{n}")},
    ],
)
def test_the_same_form_with_other_values_finds_other_models(registry: Registry, asked: Any) -> None:
    namespace, other = fill(registry, "m0", "m1", "m2"), fill(registry, "m0", "m1")
    for n in range(3):
        assert names_of(registry, registry.root, ModelSearch(namespace=namespace, **asked(n))) == [f"m{n}"]
    assert names_of(registry, registry.root, ModelSearch(namespace=other, **asked(2))) == []
    assert names_of(registry, registry.root, ModelSearch(namespace=other, **asked(1))) == ["m1"]


def test_conditions_that_no_model_meets_together(registry: Registry) -> None:
    namespace = fill(registry, "m0", "m1", "m2")
    for asked in (
        {"owner": "owner0", "task": "task1"},
        {"tags": (("kind", "k0"), ("odd", "1"))},
        {"tags": (("kind", None), ("colour", None))},
        {
            "metrics": (
                MetricCondition(MetricName("f1"), ">", 0.05),
                MetricCondition(MetricName("loss"), "<", 0.5),
            )
        },
        {"framework": "onnx"},
        {"licence": "mit"},
    ):
        assert names_of(registry, registry.root, ModelSearch(namespace=namespace, **asked)) == []


def test_pages_of_one_form_go_on_where_each_was_cut(registry: Registry) -> None:
    namespace = fill(registry, "m0", "m1", "m2", "m3")
    wanted = ModelSearch(namespace=namespace, tags=(("kind", None),))
    found = registry.db.read(lambda tx: search.search_models(tx, registry.root, wanted, None, 50))
    assert [each.model.name.name for each in found] == ["m3", "m2", "m1", "m0"]
    for n, each in enumerate(found):
        last = (each.model.updated_at, each.model.id)
        assert names_of(registry, registry.root, wanted, last, 2) == ["m3", "m2", "m1", "m0"][n + 1 : n + 3]


def test_nobody_finds_by_the_rights_of_who_asked_before(registry: Registry) -> None:
    namespace = fill(registry, "open", "ours", "mine")
    member, guest, stranger = registry.user(), registry.user(), registry.user()

    def work(tx: Transaction) -> None:
        for name, visibility in (("open", Visibility.PUBLIC), ("ours", Visibility.SIGNED_IN)):
            edit = ModelEdit(visibility=visibility)
            catalog.edit_model(tx, registry.root, ModelName(namespace, name), edit)
        whole = catalog.namespace_holding(tx, registry.root, namespace)
        access.grant_role(tx, registry.root, whole, member.name, Role.READER)
        one = catalog.model_holding(tx, registry.root, ModelName(namespace, "mine"))
        access.grant_role(tx, registry.root, one, guest.name, Role.CONTRIBUTOR)

    registry.db.write(work)
    wanted = ModelSearch(namespace=namespace)
    everything, known = {"open", "ours", "mine"}, {"open", "ours"}
    # Twice and in both orders: the second time the form is known.
    turns = [(registry.root, everything), (member, everything), (guest, everything), (stranger, known)]
    turns += [(ANONYMOUS, {"open"})]
    for actor, seen in (*turns, *reversed(turns)):
        assert set(names_of(registry, actor, wanted)) == seen
    roles = {
        actor.name: {
            each.model.name.name: each.model.role
            for each in registry.db.read(lambda tx, a=actor: search.search_models(tx, a, wanted, None, 50))
        }
        for actor in (member, guest, stranger)
    }
    assert roles[member.name] == dict.fromkeys(everything, Role.READER)
    assert roles[guest.name] == {"open": Role.NONE, "ours": Role.NONE, "mine": Role.CONTRIBUTOR}
    assert roles[stranger.name] == dict.fromkeys(known, Role.NONE)


def test_each_token_stays_in_its_own_scope(registry: Registry) -> None:
    first, second = fill(registry, "m0", "m1"), fill(registry, "m0", "m1")
    for namespace in (first, second, first):
        inside = replace(registry.root, scope=Scope(namespace=namespace))
        found = registry.db.read(lambda tx, a=inside: search.search_models(tx, a, ModelSearch(), None, 50))
        assert {str(each.model.name) for each in found} == {f"{namespace}/m0", f"{namespace}/m1"}
        for name in ("m0", "m1"):
            one = replace(registry.root, scope=Scope(namespace=namespace, model=name))
            assert names_of(registry, one, ModelSearch()) == [name]


def test_details_belong_to_their_models(registry: Registry) -> None:
    namespace = fill(registry, "m0", "m1", "m2")
    found = registry.db.read(
        lambda tx: search.search_models(tx, registry.root, ModelSearch(namespace=namespace), None, 50)
    )
    shown = {each.model.name.name: (each.tags, each.owners, each.aliases) for each in found}
    assert shown == {
        f"m{n}": ({"kind": f"k{n}", "odd": str(n % 2)}, [f"owner{n}"], [(f"a-{n}", 1)]) for n in range(3)
    }


# --- pages of versions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        lambda n: {"tags": {"kind": f"k{n}"}},
        lambda n: {"tags": {"odd": str(n % 2), "kind": f"k{n}"}},
        lambda n: {"metrics": (MetricCondition(MetricName("f1"), "=", n / 10),)},
        lambda n: {
            "metrics": (
                MetricCondition(MetricName("f1"), "<=", n / 10),
                MetricCondition(MetricName("loss"), ">", n - 0.5),
            )
        },
    ],
)
def test_pages_of_versions_by_one_form(registry: Registry, asked: Any) -> None:
    first, second = f"{unique('find')}/scorer", f"{unique('find')}/scorer"
    for model, count in ((first, 3), (second, 2)):
        for n in range(count):
            facts = {"metrics": {"f1": n / 10, "loss": n}}
            registry.register(registry.root, model, facts=facts, tags={"kind": f"k{n}", "odd": str(n % 2)})

    def numbers(model: str, chosen: VersionFilter, before: int | None = None) -> list[int]:
        name = ModelName.parse(model)
        found = registry.db.read(lambda tx: versions.list_versions(tx, registry.root, name, chosen, before, 50))
        return [view.version.number for view in found]

    for n in range(3):
        chosen = VersionFilter(**asked(n))
        assert numbers(first, chosen) == numbers(first, chosen, n + 2) == [n + 1]
        assert numbers(first, chosen, n + 1) == []
        assert numbers(second, chosen) == ([n + 1] if n < 2 else [])
        assert numbers(first, VersionFilter(states=("archived",), **asked(n))) == []
        assert numbers(first, VersionFilter(states=(), **asked(n))) == []
    one = registry.root, ModelName.parse(first)
    registry.db.write(lambda tx: versions.archive_version(tx, one[0], Ref(one[1], 2), archived=True))
    for states, seen in ((("archived",), [2]), (("ready",), []), (("ready", "ready", "archived"), [2])):
        assert numbers(first, VersionFilter(states=states, **asked(1))) == seen


# --- lists of ids ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_list_of_ids_chooses_these_rows(registry: Registry, count: int) -> None:
    fill(registry, "m0", "m1", "m2", "m3")
    statement = Statement(sa.select(models.c.id).where(is_among(models.c.id, "ids")).order_by(models.c.id))
    every = registry.db.read(lambda tx: [row[0] for row in tx.rows(sa.select(models.c.id))])
    asked = sorted(every, reverse=True)[:count]
    found = registry.db.read(lambda tx: [row[0] for row in tx.all(statement, ids=ids_text([*asked, 10**15]))])
    assert found == sorted(asked)
    assert registry.db.read(lambda tx: tx.all(statement, ids=ids_text([]))) == []


def test_details_are_looked_up_and_not_searched_for(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(registry, "m0", "m1")
    run: list[tuple[str, Any]] = []
    plain = Transaction.run

    def noted(tx: Transaction, statement: Statement, **parameters: Any) -> Any:
        run.append(statement.prepare(tx.connection.dialect, parameters))
        return plain(tx, statement, **parameters)

    def work(tx: Transaction) -> list[str]:
        with monkeypatch.context() as patch:
            patch.setattr(Transaction, "run", noted)
            for read in (catalog_queries.list_tags, catalog_queries.list_owners, alias_queries.list_aliases_of):
                read(tx, [1, 2])
        driver = tx.driver
        if tx.is_sqlite:
            return [
                " ".join(str(r[3]) for r in driver.execute(f"EXPLAIN QUERY PLAN {sql}", v)) for sql, v in run
            ]
        # A small table is read whole unless that is forbidden; the question is whether an index could serve.
        driver.execute("SET enable_seqscan = off")
        try:
            return [" ".join(r[0] for r in driver.execute(f"EXPLAIN {sql}", v)) for sql, v in run]
        finally:
            driver.execute("RESET enable_seqscan")

    plans = registry.db.read(work)
    assert len(plans) == 3
    for plan in plans:
        assert "(model_id=?)" in plan or "Index Cond: (model_id = ANY" in plan, plan


# --- what versions, stages and comments are found by -----------------------------------------------------


def test_models_are_found_by_what_is_said_of_their_newest_and_staged_versions(registry: Registry) -> None:
    namespace = unique("words")
    root, ref = registry.root, Ref.parse(f"{namespace}/scorer:1")
    registry.register(root, f"{namespace}/scorer", description="walrus", tags={"team": "open"})
    request = PromotionRequest(ref, "production")
    registry.db.write(lambda tx: promote(tx, root, request))
    registry.register(root, f"{namespace}/scorer", facts={"params": {"n": 2}}, description="penguin")
    registry.db.write(lambda tx: cards.set_card(tx, root, ref, "# Purpose\nAn armadillo."))

    def finds(**asked: Any) -> bool:
        return names_of(registry, root, ModelSearch(namespace=namespace, **asked)) == ["scorer"]

    for word in ("walrus", "penguin", "armadillo"):
        assert finds(words=parse_words(word)), word
    assert finds(tags=(("team", "open"),))
    assert finds(tags=(("team", None),))
    assert finds(stage="production")
    assert not finds(stage="staging")
    registry.db.write(
        lambda tx: versions.edit_version(tx, root, ref, VersionEdit(description="heron", tags={}))
    )
    assert finds(words=parse_words("heron"))
    assert not finds(words=parse_words("walrus"))
    assert not finds(tags=(("team", "open"),))
    name = ModelName(namespace, "scorer")
    registry.db.write(lambda tx: stages.demote(tx, root, name, "production"))
    assert not finds(words=parse_words("heron")), "neither the newest nor in a stage"


@pytest.mark.parametrize("text", ["---", "' ; %", "\u00b7 \u2192"])
def test_signs_alone_find_nothing_and_no_text_finds_all(registry: Registry, text: str) -> None:
    namespace = fill(registry, "m0", "m1")
    actor = registry.root
    for asked, count in ((text, 0), ("", 2), ("  ", 2)):
        wanted = ModelSearch.of(asked, namespace=namespace)
        assert len(names_of(registry, actor, wanted)) == count
        assert registry.db.read(lambda tx, w=wanted: search.count_models(tx, actor, w)) == count
        facets = registry.db.read(lambda tx, w=wanted: search.count_facets(tx, actor, w))
        assert bool(facets["namespace"]) == bool(count)


def test_comments_are_found_by_those_who_may_read_them(registry: Registry) -> None:
    namespace = unique("talk")
    name = ModelName(namespace, "scorer")
    registry.register(registry.root, str(name))
    shared = ModelEdit(visibility=Visibility.PUBLIC)
    registry.db.write(lambda tx: catalog.edit_model(tx, registry.root, name, shared))
    made = registry.db.write(
        lambda tx: comments.write_comment(tx, registry.root, name, "Beware of the platypus")
    )
    wanted = ModelSearch(namespace=namespace, words=parse_words("beware platypus"))
    assert names_of(registry, registry.user(), wanted) == ["scorer"]
    assert names_of(registry, ANONYMOUS, wanted) == []
    registry.db.write(lambda tx: comments.delete_comment(tx, registry.root, name, made.id))
    assert names_of(registry, registry.user(), wanted) == []


def test_a_licence_is_found_in_any_case_and_facets_count_what_is_found(registry: Registry) -> None:
    namespace = fill(registry, "m0", "m1", "m2")
    ids = [
        m.model.id
        for m in registry.db.read(
            lambda tx: search.search_models(tx, registry.root, ModelSearch(namespace=namespace), None, 10)
        )
    ]
    registry.db.write(
        lambda tx: tx.execute(
            models.update().where(models.c.id.in_(ids[:2])).values(licence="Apache-2.0", framework="onnx")
        )
    )
    assert len(names_of(registry, registry.root, ModelSearch(namespace=namespace, licence="apache-2.0"))) == 2
    wanted = ModelSearch(namespace=namespace)
    facets = registry.db.read(lambda tx: search.count_facets(tx, registry.root, wanted))
    assert facets["licence"] == [("apache-2.0", 2)]
    assert facets["framework"] == [("onnx", 2)]
    assert facets["namespace"] == [(namespace, 3)]
    assert ("odd=0", 2) in facets["tag"]
    assert {alias for alias, _ in facets["alias"]} == {"a-0", "a-1", "a-2"}
    stranger = registry.user()
    assert not any(registry.db.read(lambda tx: search.count_facets(tx, stranger, wanted)).values())


def plan_of(registry: Registry, statement: Statement, **parameters: Any) -> str:
    """How SQLite reads the statement."""

    def explain(tx: Transaction) -> str:
        sql, values = statement.prepare(tx.connection.dialect, parameters)
        rows = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()
        return "\n".join(row[-1] for row in rows)

    return registry.db.read(explain)


def test_metric_filters_and_rankings_read_an_index(registry: Registry) -> None:
    """On the clock: 10,000 models with 100,000 versions, in benchmarks/scale.py."""
    if not registry.db.is_sqlite:
        pytest.skip("the plans of SQLite")
    given = {"metric_0": "f1", "metric_0_bound": 0.5}
    of_few, of_many = MetricComparison(">=", False, False), MetricComparison(">=", False, True)
    few = sa.select(models.c.id).where(models_with(0, of_few))
    found = plan_of(registry, Statement(few), **given)
    assert "ix_version_scores_name_value (name=? AND value>?)" in found
    many = sa.select(models.c.id).where(models_with(0, of_many))
    found = plan_of(registry, Statement(many), **given)
    assert (
        "SEARCH version_scores USING INDEX sqlite_autoindex_version_scores_1 (version_id=? AND name=?)" in found
    )
    assert "SEARCH versions USING" in found
    few = sa.select(version_rows.c.id).where(versions_with(0, of_few))
    found = plan_of(registry, Statement(few), **given, model_id=1)
    assert "ix_version_scores_model_id_name_split_value (model_id=? AND name=?" in found
    many = sa.select(version_rows.c.id).where(versions_with(0, of_many))
    found = plan_of(registry, Statement(many), **given)
    assert "version_scores_1 (version_id=? AND name=?)" in found
    ranked = {"model_id": 1, "name": "f1", "split": "test", "least": 0.0, "most": 1.0, "limit": 50}
    found = plan_of(registry, _ranked(True, goes_on=False), **ranked)
    assert "ix_version_scores_model_id_name_split_value (model_id=? AND name=? AND split=?" in found
    assert "SCAN" not in found


def test_a_metric_filter_sees_the_newest_version_and_the_newest_value(registry: Registry) -> None:
    namespace = unique("score")
    model = f"{namespace}/scorer"
    registry.register(registry.root, model, facts={"metrics": {"f1": 0.9}})
    registry.register(registry.root, model, facts={"metrics": {"f1": 0.5}})

    def found(bound: float) -> tuple[bool, list[int]]:
        conditions = (MetricCondition(MetricName("f1"), ">=", bound),)
        by_model = names_of(registry, registry.root, ModelSearch(namespace=namespace, metrics=conditions))
        listed = registry.db.read(
            lambda tx: versions.list_versions(
                tx, registry.root, ModelName.parse(model), VersionFilter(metrics=conditions), None, 10
            )
        )
        return bool(by_model), [view.version.number for view in listed]

    assert found(0.8) == (False, [1])
    ref = Ref.parse(f"{model}:2")
    registry.db.write(lambda tx: evaluations.report_evaluation(tx, registry.root, ref, {"f1": 0.95}))
    assert found(0.93) == (True, [2])
    registry.db.write(lambda tx: versions.archive_version(tx, registry.root, ref, archived=True))
    assert found(0.8) == (True, [2, 1]), "version 1 is the newest that is ready"
    assert found(0.93) == (False, [2])
