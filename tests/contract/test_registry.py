"""Catalogue, uploads, versions and aliases, on both databases."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from modelyard.domain.actor import ANONYMOUS, Actor, Permission, Role, Scope, Visibility
from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    AliasMoved,
    AliasNotFound,
    AlreadyExists,
    Conflict,
    Denied,
    EditConflict,
    HasDependents,
    Invalid,
    InvalidName,
    MissingBlobs,
    ModelArchived,
    ModelNotFound,
    ModelyardError,
    SizeMismatch,
    TokenExpired,
    TokenInvalid,
    Unauthenticated,
    VersionArchived,
    VersionDeleted,
    VersionNotFound,
)
from modelyard.domain.manifest import File, Manifest
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.domain.record import Record
from modelyard.registry.access import usecases as access
from modelyard.registry.audit import proofs
from modelyard.registry.audit import usecases as audit
from modelyard.registry.audit.queries import EventFilter
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.usecases import ModelEdit, NamespaceEdit
from modelyard.registry.retention import usecases as retention
from modelyard.registry.search import usecases as search
from modelyard.registry.search.rules import ModelSearch, parse_words
from modelyard.registry.uploads import usecases as uploads
from modelyard.registry.versions import aliases as version_aliases
from modelyard.registry.versions import registering
from modelyard.registry.versions import usecases as versions
from modelyard.registry.versions.registering import Registration
from modelyard.registry.versions.usecases import VersionEdit, VersionFilter
from tests.support.registry import Registry, unique

CHAMPION = Alias("champion")


def ref(text: str) -> Ref:
    return Ref.parse(text)


def name_of(model: str) -> ModelName:
    return ModelName.parse(model)


@pytest.fixture
def model() -> str:
    return f"{unique('team')}/scorer"


def outcome(fn: Callable[[], object]) -> type[ModelyardError] | None:
    try:
        fn()
    except ModelyardError as error:
        return type(error)
    return None


# --- versions ----------------------------------------------------------------------------------------


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
                assert (
                    outcome(
                        lambda m=missing: registering.register_version(
                            registry.db, registry.blobs, registry.root, registry.settings, m
                        )
                    )
                    is MissingBlobs
                )
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
        return registering.register_version(registry.db, registry.blobs, eve, registry.settings, stolen)

    assert outcome(steal) is MissingBlobs
    missing = registry.db.write(lambda tx: uploads.find_missing(tx, eve, {file.digest: file.size_bytes}))
    assert missing == [file.digest]
    registry.send(eve, b"secret of ada")
    assert outcome(steal) is None


def test_a_wrong_size_is_refused(registry: Registry, model: str) -> None:
    file = registry.send(registry.root, b"12345")
    wrong = Registration(name_of(model), Manifest.of([replace(file, size_bytes=4)]), Record.of({}))
    assert (
        outcome(
            lambda: registering.register_version(
                registry.db, registry.blobs, registry.root, registry.settings, wrong
            )
        )
        is SizeMismatch
    )
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
    assert numbers(VersionFilter(metrics=[("f1", ">=", 0.3), ("f1", "<", 0.5)])) == [4, 3]
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


# --- aliases -----------------------------------------------------------------------------------------


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


# --- references ----------------------------------------------------------------------------------------


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


# --- catalogue -----------------------------------------------------------------------------------------


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


# --- rights --------------------------------------------------------------------------------------------


def test_roles_are_inherited_overridden_and_held_by_groups(registry: Registry, model: str) -> None:
    owner, ada, bob = registry.user(), registry.user(), registry.user()
    registry.register(owner, model)
    namespace = name_of(model).namespace
    group = registry.group(ada)

    def role(actor: Actor) -> Role | None:
        try:
            return registry.db.read(lambda tx: catalog.find_model(tx, actor, name_of(model))).role
        except ModelNotFound:
            return None

    def grant(who: str, wanted: Role, on_model: bool = False) -> None:
        def work(tx: object) -> None:
            if on_model:
                at = catalog.model_holding(tx, owner, name_of(model))  # type: ignore[arg-type]
            else:
                at = catalog.namespace_holding(tx, owner, namespace)  # type: ignore[arg-type]
            access.grant_role(tx, owner, at, who, wanted)  # type: ignore[arg-type]

        registry.db.write(work)

    assert role(ada) is None
    grant(group, Role.READER)
    assert (role(ada), role(bob)) == (Role.READER, None)
    grant(ada.name, Role.MAINTAINER)
    assert role(ada) is Role.MAINTAINER
    grant(ada.name, Role.NONE, on_model=True)
    assert role(ada) is None
    grant(bob.name, Role.CONTRIBUTOR, on_model=True)
    assert role(bob) is Role.CONTRIBUTOR
    assert outcome(lambda: grant(owner.name, Role.READER)) is Conflict
    found = registry.db.read(
        lambda tx: search.search_models(tx, ada, ModelSearch(namespace=namespace), None, 10)
    )
    assert found == []
    found = registry.db.read(
        lambda tx: search.search_models(tx, bob, ModelSearch(namespace=namespace), None, 10)
    )
    assert len(found) == 1


def test_visibility_opens_reading_only(registry: Registry, model: str) -> None:
    owner, eve = registry.user(), registry.user()
    registry.register(owner, model)

    def show(visibility: Visibility) -> None:
        registry.db.write(
            lambda tx: catalog.edit_model(tx, owner, name_of(model), ModelEdit(visibility=visibility))
        )

    def read(actor: Actor) -> type[ModelyardError] | None:
        return outcome(lambda: registry.db.read(lambda tx: versions.resolve(tx, actor, ref(model))))

    def change(actor: Actor) -> type[ModelyardError] | None:
        return outcome(
            lambda: registry.db.write(lambda tx: version_aliases.set_alias(tx, actor, ref(model), CHAMPION))
        )

    assert (read(eve), read(ANONYMOUS), change(eve)) == (ModelNotFound, Unauthenticated, ModelNotFound)
    show(Visibility.SIGNED_IN)
    assert (read(eve), read(ANONYMOUS), change(eve)) == (None, Unauthenticated, Denied)
    show(Visibility.PUBLIC)
    assert (read(eve), read(ANONYMOUS), change(ANONYMOUS)) == (None, None, Unauthenticated)


def test_tokens_expire_are_revoked_and_never_widen(registry: Registry) -> None:
    ada = registry.user()

    def make(**options: object) -> access.NewToken:
        return registry.db.write(lambda tx: access.create_token(tx, ada, name="t", **options))  # type: ignore[arg-type]

    def use(secret: str) -> Actor:
        return registry.db.read(lambda tx: access.authenticate(tx, secret)).actor

    token = make(permissions=["model.read"])
    narrow = use(token.secret)
    assert narrow.scope.permissions == frozenset({Permission.MODEL_READ})
    wide = outcome(lambda: registry.db.write(lambda tx: access.create_token(tx, narrow, name="wider")))
    assert wide is Denied
    hugging = make(form="hf").secret
    assert hugging.startswith("hf_")
    assert use(hugging).name == ada.name
    assert outcome(lambda: use(token.secret[:-1] + "!")) is TokenInvalid
    assert outcome(lambda: use("mdy_user_" + "x" * 49)) is TokenInvalid
    registry.db.write(lambda tx: access.revoke_token(tx, ada, token.id))
    assert outcome(lambda: use(token.secret)) is TokenInvalid
    short = make(expires_in_days=1e-9)
    assert outcome(lambda: use(short.secret)) is TokenExpired
    assert outcome(lambda: make(expires_in_days=None)) is Denied
    stored = registry.db.read(lambda tx: tx.rows(access.queries.tokens.select()))
    assert not any(hugging in str(row) for row in stored)


def test_a_scoped_token_sees_only_its_namespace(registry: Registry, model: str) -> None:
    registry.register(registry.root, model)
    other = f"{unique('team')}/other"
    registry.register(registry.root, other)
    scoped = replace(registry.root, scope=Scope(namespace=name_of(model).namespace))
    found = registry.db.read(lambda tx: search.search_models(tx, scoped, ModelSearch(), None, 1000))
    assert [str(row.model.name) for row in found] == [model]
    assert (
        outcome(lambda: registry.db.read(lambda tx: versions.resolve(tx, scoped, ref(other)))) is ModelNotFound
    )


def test_sign_in_links_work_once(registry: Registry) -> None:
    ada = registry.user()
    link = registry.db.write(lambda tx: access.make_sign_in_link(tx, ada, ada.name))
    session = registry.db.write(lambda tx: access.sign_in_by_link(tx, link))
    assert registry.db.read(lambda tx: access.authenticate_session(tx, session)).name == ada.name
    assert outcome(lambda: registry.db.write(lambda tx: access.sign_in_by_link(tx, link))) is not None
    registry.db.write(lambda tx: access.sign_out(tx, session))
    assert registry.db.read(lambda tx: access.authenticate_session(tx, session)).is_anonymous
    eve = registry.user()
    assert outcome(lambda: registry.db.write(lambda tx: access.make_sign_in_link(tx, eve, ada.name))) is Denied


# --- collection ----------------------------------------------------------------------------------------


def test_collection_takes_what_nothing_needs_and_no_more(registry: Registry, model: str) -> None:
    keep = registry.register(registry.root, model, data=b"keep me")
    gone = registry.send(registry.root, b"nobody names me")
    deleted = registry.register(registry.root, model, data=b"of a deleted version")
    registry.db.write(
        lambda tx: versions.delete_version(tx, registry.root, ref(f"{model}:{deleted.version.number}"))
    )

    def collect(dry_run: bool, grace: int = -1) -> retention.Collection:
        return retention.collect(registry.db, registry.blobs, registry.root, grace=grace, dry_run=dry_run)

    assert collect(True, grace=3600_000_000).blobs == 0
    orphan = b"bytes that no row knows"
    registry.blobs.put([orphan], Digest.of(orphan))
    plan = collect(True)
    done = collect(False)
    assert (done.blobs, done.size_bytes) == (plan.blobs, plan.size_bytes)
    assert done.orphans == 1
    assert registry.blobs.stat(gone.digest) is None
    assert registry.blobs.stat(Digest.of(orphan)) is None
    assert registry.blobs.stat(Digest.of(b"of a deleted version")) is None
    assert registry.blobs.stat(Digest.of(b"keep me")) is not None
    assert retention.verify_version(registry.db, registry.blobs, registry.root, ref(f"{model}:1")) == []
    assert keep.version.number == 1


def test_an_upload_on_its_way_protects_its_bytes(registry: Registry) -> None:
    data = b"on the way"
    digest = Digest.of(data)
    registry.send(registry.root, data)
    upload = uploads.start_upload(registry.db, registry.root, digest, len(data), 1 << 30)
    retention.collect(registry.db, registry.blobs, registry.root, grace=-1, dry_run=False)
    assert registry.blobs.stat(digest) is not None
    uploads.discard_upload(registry.db, registry.blobs, upload)
    retention.collect(registry.db, registry.blobs, registry.root, grace=-1, dry_run=False)
    assert registry.blobs.stat(digest) is None


def test_push_and_collection_at_once_lose_nothing(registry: Registry) -> None:
    """Clients send and register while the collector runs without any grace."""
    stop = []
    failures: list[BaseException] = []

    def sweep() -> None:
        while not stop:
            retention.collect(registry.db, registry.blobs, registry.root, grace=-1, dry_run=False)
            # Without any pause and any grace, bytes hardly ever live until they are registered.
            time.sleep(0.05)

    def push(worker: int) -> None:
        for n in range(10):
            for _ in range(500):
                try:
                    registry.register(
                        registry.root,
                        f"{space}/m{worker}",
                        data=f"{space}{worker}{n % 3}".encode(),
                        facts={"params": {"n": n}},
                    )
                    break
                except (MissingBlobs, ModelyardError) as error:
                    if error.kind not in ("busy", "invalid"):
                        failures.append(error)
            else:
                failures.append(AssertionError("never came through"))

    space = unique("storm")
    with ThreadPoolExecutor(5) as pool:
        sweeping = pool.submit(sweep)
        list(pool.map(push, range(4)))
        stop.append(True)
        sweeping.result(timeout=60)
    assert failures == []
    for worker in range(4):
        for number in range(1, 11):
            damaged = retention.verify_version(
                registry.db, registry.blobs, registry.root, ref(f"{space}/m{worker}:{number}")
            )
            assert damaged == []


def test_the_tables_say_what_the_log_says_after_all_this(registry: Registry) -> None:
    *_, last = proofs.check_log(registry.db, registry.root)
    assert (last.finished, last.damage) == (True, [])
