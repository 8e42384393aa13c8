"""A registry without a door: a database, a store in memory, and actors to try things with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from modelyard.blobs.memory import MemoryStore
from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, ActorKind
from modelyard.domain.digest import Digest
from modelyard.domain.errors import ModelyardError
from modelyard.domain.manifest import File, Manifest
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.domain.record import Record
from modelyard.registry.access import usecases as access
from modelyard.registry.catalog.usecases import CatalogSettings
from modelyard.registry.uploads import usecases as uploads
from modelyard.registry.versions import registering
from modelyard.registry.versions.inspect import inspect_files
from modelyard.registry.versions.registering import Registration
from modelyard.registry.versions.usecases import VersionView

_names = itertools.count(1)


def unique(prefix: str = "n") -> str:
    """A name that no other test of this run uses."""
    return f"{prefix}{next(_names)}"


def ref(text: str) -> Ref:
    return Ref.parse(text)


def name_of(model: str) -> ModelName:
    return ModelName.parse(model)


def outcome(fn: Callable[[], object]) -> type[ModelyardError] | None:
    """The error that it ends with; None: it does not."""
    try:
        fn()
    except ModelyardError as error:
        return type(error)
    return None


@dataclass
class Registry:
    db: Database
    blobs: BlobStore = field(default_factory=MemoryStore)
    settings: CatalogSettings = field(default_factory=CatalogSettings)

    def __post_init__(self) -> None:
        made = self.db.write(lambda tx: access.create_first_owner(tx, "root", "test"))
        found = self.db.read(lambda tx: access.account_queries.find_actor(tx, "root"))
        assert found is not None
        self.root: Actor = found.to_actor(is_full_sign_in=True)
        self.root_token = made.secret if made else ""
        # Who makes an account counts as the same person, so root makes none of those that act next to it. The
        # office is an admin in no row, so that root is the only one.
        if self.db.read(lambda tx: access.account_queries.find_actor(tx, "office")) is None:
            self.db.write(self._make_office)
        self.office = replace(self.find("office"), is_admin=True)

    @staticmethod
    def _make_office(tx: Transaction) -> None:
        """As for somebody whom a sign-in provider names: no account made theirs."""
        access.account_queries.insert_actor(tx, name="office", kind=ActorKind.USER, made_by=None)

    def user(self, name: str | None = None, **options: Any) -> Actor:
        wanted = name or unique("user")
        row = self.db.write(lambda tx: access.create_actor(tx, self.office, name=wanted, **options))
        return row.to_actor(is_full_sign_in=True)

    def find(self, name: str) -> Actor:
        """The account, as after a full sign-in."""
        row = self.db.read(lambda tx: access.account_queries.find_actor(tx, name))
        assert row is not None
        return row.to_actor(is_full_sign_in=True)

    def group(self, *members: Actor) -> str:
        name = unique("group")
        self.db.write(lambda tx: access.create_actor(tx, self.root, name=name, kind=ActorKind.GROUP))
        for member in members:
            self.db.write(lambda tx, m=member: access.add_group_member(tx, self.root, name, m.name))
        return name

    def send(self, actor: Actor, data: bytes) -> File:
        """Upload bytes; returns them as a file named by their digest."""
        digest = Digest.of(data)
        uploads.receive_blob(self.db, self.blobs, actor, digest, [data], len(data), 1 << 40)
        return File(f"{digest.hex[:8]}.bin", digest, len(data))

    def register(
        self,
        actor: Actor,
        model: str,
        *,
        data: bytes = b"weights",
        facts: Mapping[str, Any] | None = None,
        aliases: tuple[str, ...] = (),
        **options: Any,
    ) -> VersionView:
        view, _ = self.try_register(actor, model, data=data, facts=facts, aliases=aliases, **options)
        return view

    def try_register(
        self,
        actor: Actor,
        model: str,
        *,
        data: bytes = b"weights",
        facts: Mapping[str, Any] | None = None,
        aliases: tuple[str, ...] = (),
        **options: Any,
    ) -> tuple[VersionView, bool]:
        file = self.send(actor, data)
        wanted = Registration(
            model=ModelName.parse(model),
            manifest=Manifest.of([file]),
            record=Record.of(facts or {}),
            aliases=[Alias.parse(alias) for alias in aliases],
            **options,
        )
        return self.register_wanted(actor, wanted)

    def register_wanted(self, actor: Actor, wanted: Registration) -> tuple[VersionView, bool]:
        inspect = partial(inspect_files, self.db, self.blobs)
        found = self.db.write(
            lambda tx: registering.register_version(tx, actor, self.settings, wanted, inspect)
        )
        return found.view, found.is_new
