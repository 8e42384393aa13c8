"""Accounts, tokens and credentials."""

from __future__ import annotations

import enum

import msgspec

from modelyard.domain.actor import (
    Actor,
    ActorKind,
    Scope,
)


class ReaderKind(enum.Enum):
    """The properties of an actor that decide the text of a condition, apart from its values."""

    NOBODY = enum.auto()
    """The token's permissions leave it out."""
    ANONYMOUS = enum.auto()
    SIGNED_IN = enum.auto()
    ALL = enum.auto()


class Account(msgspec.Struct, frozen=True):
    id: int
    name: str
    kind: ActorKind
    display_name: str
    email: str | None
    is_admin: bool
    default_namespace: str | None
    created_at: int
    disabled_at: int | None
    is_auditor: bool = False
    made_by: str | None = None
    deleted_at: int | None = None

    def to_actor(self, *, is_full_sign_in: bool = False) -> Actor:
        """Return the account as an actor. is_full_sign_in: only for callers that hold proof of identity."""
        return Actor(
            self.id,
            self.name,
            self.kind,
            self.is_admin,
            self.default_namespace,
            is_auditor=self.is_auditor,
            is_full_sign_in=is_full_sign_in,
        )


class Token(msgspec.Struct, frozen=True):
    id: int
    name: str
    hint: str
    owner: str
    scope: Scope
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    revoked_at: int | None


class Credential(msgspec.Struct, frozen=True):
    """An actor as a token or session proves it."""

    actor: Actor
    expires_at: int | None
    last_used_at: int | None
