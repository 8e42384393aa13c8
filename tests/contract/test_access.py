"""Who may what: roles, visibility, tokens, sign-in links; on both databases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from modelyard.db.engine import Database
from modelyard.db.schema import ensure_schema
from modelyard.domain.actor import ANONYMOUS, Actor, Permission, Role, Scope, Visibility
from modelyard.domain.errors import (
    Conflict,
    Denied,
    FullSignInNeeded,
    ModelNotFound,
    ModelyardError,
    NotFound,
    TokenExpired,
    TokenInvalid,
    Unauthenticated,
)
from modelyard.domain.names import Alias
from modelyard.registry.access import usecases as access
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.usecases import ModelEdit
from modelyard.registry.search import usecases as search
from modelyard.registry.search.rules import ModelSearch
from modelyard.registry.versions import aliases as version_aliases
from modelyard.registry.versions import usecases as versions
from modelyard.server.bootstrap import make_rescue_token
from modelyard.settings import Settings
from tests.support.registry import Registry, name_of, outcome, ref, unique


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
            lambda: registry.db.write(
                lambda tx: version_aliases.set_alias(tx, actor, ref(model), Alias("champion"))
            )
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
    assert wide is FullSignInNeeded
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
    stored = registry.db.read(lambda tx: tx.rows(access.token_queries.tokens.select()))
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


def test_an_admin_is_rescued_by_who_holds_the_data(fresh_url: str, tmp_path: Path) -> None:
    db = Database(fresh_url)
    settings = Settings(data=str(tmp_path / "data"), database_url=fresh_url, blobs_url=str(tmp_path / "blobs"))
    with pytest.raises(Conflict if not db.is_sqlite else NotFound):
        make_rescue_token(settings, "root")
    ensure_schema(db)
    registry = Registry(db)
    ada = registry.user()
    with pytest.raises(Conflict, match="is not an admin") as refused:
        make_rescue_token(settings, ada.name)
    assert refused.value.fix == "Name one of: root"
    made = make_rescue_token(settings, "root")
    found = db.read(lambda tx: access.authenticate(tx, made.secret))
    assert (found.actor.is_admin, found.expires_at) == (True, made.expires_at)
    assert made.expires_at is not None
    db.close()
