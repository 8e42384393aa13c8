"""Versions, aliases and references, on both databases."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from modelyard.domain.actor import Role
from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    AliasMoved,
    AliasNotFound,
    AlreadyExists,
    EditConflict,
    HasDependents,
    MissingBlobs,
    ModelNotFound,
    SizeMismatch,
    VersionArchived,
    VersionDeleted,
    VersionNotFound,
)
from modelyard.domain.manifest import File, Manifest
from modelyard.domain.metric_names import MetricCondition, MetricName
from modelyard.domain.names import Alias
from modelyard.domain.record import Record
from modelyard.registry.audit import usecases as audit
from modelyard.registry.audit.nouns import EventFilter
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.uploads import usecases as uploads
from modelyard.registry.versions import aliases as version_aliases
from modelyard.registry.versions import usecases as versions
from modelyard.registry.versions.registering import Registration
from modelyard.registry.versions.usecases import VersionEdit, VersionFilter
from tests.support.registry import Registry, name_of, outcome, ref, unique

CHAMPION = Alias("champion")


# --- versions --------------------------------------------------------------------------------------


def test_the_first_version_makes_model_and_namespace(registry: Registry, model: str) -> None:
    ada = registry.user()
    view = registry.register(ada, model, facts={"metrics": {"f1": 0.9}}, aliases=("champion",), tags={"a": "b"})
    assert (view.version.number, view.version.state, view.tags, view.aliases) == (
        1,
        "ready",
        {"a": "b"},
        ["champion"],
    )
    namespace = registry.db.read(lambda tx: catalog.find_namespace(tx, ada, name_of(model).namespace))
    assert namespace.role is Role.OWNER
    assert registry.db.read(lambda tx: versions.resolve(tx, ada, ref(f"{model}@champion"))).number == 1


def test_the_same_files_and_facts_are_the_same_version(registry: Registry, model: str) -> None:
    facts = {"metrics": {"f1": 0.9}}
    first, created = registry.try_register(registry.root, model, facts=facts)
    assert created
    again, created = registry.try_register(registry.root, model, facts=facts, aliases=("champion",))
    assert (again.version.number, created) == (first.version.number, False)
    assert again.aliases == ["champion"]
    other, created = registry.try_register(registry.root, model, facts={"metrics": {"f1": 0.8}})
    assert (other.version.number, created) == (2, True)
    assert other.version.digest == first.version.digest
    forced, created = registry.try_register(registry.root, model, facts=facts, force_new=True)
    assert (forced.version.number, created) == (3, True)


def test_equal_files_have_equal_digests_in_every_model(registry: Registry, model: str) -> None:
    one = registry.register(registry.root, model, data=b"same")
    two = registry.register(registry.root, f"{unique('team')}/other", data=b"same")
    assert one.version.digest == two.version.digest


def test_numbers_have_no_gaps_under_concurrency(registry: Registry, model: str) -> None:
    registry.register(registry.root, model)

    def work(worker: int) -> list[int]:
        found = []
        for n in range(12):
            if n % 4 == 3:
                # A refusal in between must not use a number up.
                missing = Registration(
                    name_of(model),
                    Manifest.of([File("x", Digest.of(f"{worker}{n}".encode()), 1)]),
                    Record.of({}),
                )
                assert outcome(lambda m=missing: registry.register_wanted(registry.root, m)) is MissingBlobs
                continue
            view = registry.register(registry.root, model, facts={"params": {"n": f"{worker}.{n}"}})
            found.append(view.version.number)
        return found

    with ThreadPoolExecutor(8) as pool:
        numbers = [n for found in pool.map(work, range(8)) for n in found]
    assert sorted(numbers) == list(range(2, 2 + 72))


def test_a_manifest_may_only_name_bytes_that_are_here_and_readable(registry: Registry, model: str) -> None:
    ada, eve = registry.user(), registry.user()
    file = registry.send(ada, b"secret of ada")
    stolen = Registration(name_of(f"{unique('eve')}/x"), Manifest.of([file]), Record.of({}))

    def steal() -> object:
        return registry.register_wanted(eve, stolen)

    assert outcome(steal) is MissingBlobs
    missing = registry.db.write(lambda tx: uploads.find_missing(tx, eve, {file.digest: file.size_bytes}))
    assert missing == [file.digest]
    registry.send(eve, b"secret of ada")
    assert outcome(steal) is None


def test_a_wrong_size_is_refused(registry: Registry, model: str) -> None:
    file = registry.send(registry.root, b"12345")
    wrong = Registration(name_of(model), Manifest.of([replace(file, size_bytes=4)]), Record.of({}))
    assert outcome(lambda: registry.register_wanted(registry.root, wrong)) is SizeMismatch
    assert outcome(
        lambda: registry.db.read(lambda tx: catalog.find_model(tx, registry.root, name_of(model)))
    ) is (ModelNotFound)


def test_versions_are_listed_newest_first_with_filters(registry: Registry, model: str) -> None:
    for n in range(1, 6):
        registry.register(registry.root, model, facts={"metrics": {"f1": n / 10}}, tags={"odd": str(n % 2)})

    def numbers(chosen: VersionFilter, before: int | None = None, limit: int = 10) -> list[int]:
        found = registry.db.read(
            lambda tx: versions.list_versions(tx, registry.root, name_of(model), chosen, before, limit)
        )
        return [view.version.number for view in found]

    assert numbers(VersionFilter()) == [5, 4, 3, 2, 1]
    assert numbers(VersionFilter(), before=3, limit=1) == [2]
    assert numbers(VersionFilter(tags={"odd": "1"})) == [5, 3, 1]
    assert numbers(
        VersionFilter(
            metrics=[MetricCondition(MetricName("f1"), ">=", 0.3), MetricCondition(MetricName("f1"), "<", 0.5)]
        )
    ) == [4, 3]
    assert numbers(VersionFilter(states=["archived"])) == []


def test_archive_takes_a_version_out_of_use_and_back(registry: Registry, model: str) -> None:
    registry.register(registry.root, model, facts={"params": {"n": 1}}, aliases=("champion",))
    registry.register(registry.root, model, facts={"params": {"n": 2}})

    def archive(text: str, archived: bool = True) -> None:
        registry.db.write(lambda tx: versions.archive_version(tx, registry.root, ref(text), archived=archived))

    assert outcome(lambda: archive(f"{model}:1")) is HasDependents
    archive(f"{model}:2")
    newest = registry.db.read(lambda tx: versions.resolve(tx, registry.root, ref(model)))
    assert newest.number == 1

    def point() -> None:
        registry.db.write(lambda tx: version_aliases.set_alias(tx, registry.root, ref(f"{model}:2"), CHAMPION))

    assert outcome(point) is VersionArchived
    archive(f"{model}:2", archived=False)
    assert outcome(point) is None


def test_deletion_leaves_a_tombstone_and_the_number_is_never_used_again(registry: Registry, model: str) -> None:
    data = f"only in {model}".encode()
    first = registry.register(registry.root, model, data=data, aliases=("champion",))

    def delete() -> None:
        registry.db.write(lambda tx: versions.delete_version(tx, registry.root, ref(f"{model}:1")))

    with pytest.raises(HasDependents, match="@champion"):
        delete()
    registry.db.write(lambda tx: version_aliases.remove_alias(tx, registry.root, name_of(model), CHAMPION))
    delete()
    delete()
    shown = registry.db.read(lambda tx: versions.show_version(tx, registry.root, ref(f"{model}:1")))
    assert (shown.version.state, shown.version.digest) == ("deleted", first.version.digest)
    assert outcome(
        lambda: registry.db.read(lambda tx: versions.resolve(tx, registry.root, ref(f"{model}:1")))
    ) is (VersionDeleted)
    file = Manifest.of([registry.send(registry.root, data)]).files[0]
    assert (
        outcome(
            lambda: registry.db.read(
                lambda tx: versions.find_file(tx, registry.root, ref(f"{model}:1"), file.path)
            )
        )
        is VersionDeleted
    )
    assert registry.register(registry.root, model, data=data).version.number == 2


def test_a_deleted_model_made_again_goes_on_counting(registry: Registry, model: str) -> None:
    registry.register(registry.root, model)
    registry.db.write(lambda tx: versions.delete_model(tx, registry.root, name_of(model), "a mistake"))
    assert outcome(
        lambda: registry.db.read(lambda tx: catalog.find_model(tx, registry.root, name_of(model)))
    ) is (ModelNotFound)
    assert registry.register(registry.root, model).version.number == 2


def test_edits_are_guarded_and_recorded(registry: Registry, model: str) -> None:
    registry.register(registry.root, model)
    edit = VersionEdit(description="better", tags={"x": "1"})
    registry.db.write(lambda tx: versions.edit_version(tx, registry.root, ref(f"{model}:1"), edit, 1))
    stale = VersionEdit(description="worse")
    assert (
        outcome(
            lambda: registry.db.write(
                lambda tx: versions.edit_version(tx, registry.root, ref(f"{model}:1"), stale, 1)
            )
        )
        is EditConflict
    )
    history = registry.db.read(
        lambda tx: audit.list_history(tx, registry.root, name_of(model), EventFilter(), None, 10)
    )
    assert [event.body["kind"] for event in history] == [
        "version.edited",
        "version.registered",
        "model.created",
    ]
    assert history[0].body["data"]["changes"]["description"] == ["", "better"]


# --- aliases ---------------------------------------------------------------------------------------


def test_an_alias_moves_only_from_where_it_was_seen(registry: Registry, model: str) -> None:
    for n in range(3):
        registry.register(registry.root, model, facts={"params": {"n": n}})

    def move(number: int, seen: int | None) -> int:
        target = ref(f"{model}:{number}")
        row = registry.db.write(
            lambda tx: version_aliases.set_alias(tx, registry.root, target, CHAMPION, seen=seen)
        )
        return row.revision

    assert move(1, 0) == 1
    assert outcome(lambda: move(2, 0)) is AliasMoved
    assert move(2, 1) == 2
    assert outcome(lambda: move(3, 1)) is AliasMoved
    assert move(2, None) == 2
    assert move(3, None) == 3
    registry.db.write(
        lambda tx: version_aliases.remove_alias(tx, registry.root, name_of(model), CHAMPION, seen=3)
    )
    assert (
        outcome(
            lambda: registry.db.read(lambda tx: versions.resolve(tx, registry.root, ref(f"{model}@champion")))
        )
        is AliasNotFound
    )
    assert move(1, 0) == 5
    moves = registry.db.read(lambda tx: version_aliases.list_moves(tx, registry.root, name_of(model), CHAMPION))
    assert [(m.revision, m.from_number, m.to_number) for m in moves] == [
        (5, None, 1),
        (4, 3, None),
        (3, 2, 3),
        (2, 1, 2),
        (1, None, 1),
    ]


def test_alias_moves_under_contention_are_linearizable(registry: Registry, model: str) -> None:
    """Every success moved from exactly what it saw, so the history is one chain without forks."""
    for n in range(4):
        registry.register(registry.root, model, facts={"params": {"n": n}})
    registry.db.write(lambda tx: version_aliases.set_alias(tx, registry.root, ref(f"{model}:1"), CHAMPION))
    done: list[tuple[int, int, int]] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(15):
            _, seen = registry.db.read(
                lambda tx: version_aliases.find_alias(tx, registry.root, name_of(model), CHAMPION)
            )
            target = chance.choice([n for n in (1, 2, 3, 4) if n != seen.number])
            try:
                row = registry.db.write(
                    lambda tx, t=target, s=seen: version_aliases.set_alias(
                        tx, registry.root, ref(f"{model}:{t}"), CHAMPION, seen=s.revision
                    )
                )
            except AliasMoved:
                continue
            done.append((seen.revision, row.revision, target))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    done.sort()
    assert [before for before, _, _ in done] == list(range(1, len(done) + 1))
    assert all(after == before + 1 for before, after, _ in done)
    moves = registry.db.read(
        lambda tx: version_aliases.list_moves(tx, registry.root, name_of(model), CHAMPION, limit=1000)
    )
    chain = [(m.from_number, m.to_number) for m in reversed(moves)]
    assert [to for _, to in chain][1:] == [target for _, _, target in done]
    assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(chain))


# --- references ------------------------------------------------------------------------------------


def test_references_of_every_form(registry: Registry, model: str) -> None:
    first = registry.register(registry.root, model, facts={"params": {"n": 1}}, aliases=("champion",))
    registry.register(registry.root, model, data=b"other", facts={"params": {"n": 2}})

    def number(text: str) -> int:
        return registry.db.read(lambda tx: versions.resolve(tx, registry.root, ref(text))).number

    assert number(model) == 2
    assert number(f"{model}:1") == 1
    assert number(f"{model}@champion") == 1
    assert number(f"{model}@{first.version.digest}") == 1
    for text, error in (
        (f"{model}:9", VersionNotFound),
        (f"{model}@nobody", AliasNotFound),
        (f"{model}@sha256:{'0' * 64}", VersionNotFound),
        (f"{model}x", ModelNotFound),
    ):
        assert outcome(lambda t=text: number(t)) is error


def test_a_renamed_model_is_found_by_its_old_name(registry: Registry, model: str) -> None:
    registry.register(registry.root, model, aliases=("champion",))
    to = name_of(f"{name_of(model).namespace}/better")
    registry.db.write(lambda tx: catalog.rename_model(tx, registry.root, name_of(model), to))
    found = registry.db.read(lambda tx: versions.resolve(tx, registry.root, ref(f"{model}@champion")))
    assert found.model == to
    assert registry.register(registry.root, model, facts={"params": {"n": 2}}).model.name == to
    assert (
        outcome(lambda: registry.db.write(lambda tx: catalog.create_model(tx, registry.root, name_of(model))))
        is AlreadyExists
    )
    registry.db.write(lambda tx: catalog.rename_model(tx, registry.root, to, name_of(model)))
    assert registry.db.read(lambda tx: catalog.find_model(tx, registry.root, to)).name == name_of(model)
