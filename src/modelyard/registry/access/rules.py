"""Decide whether an actor may do something in a place. Pure, so that its test is a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence

import msgspec

from modelyard.domain.actor import (
    IDENTITY_PERMISSIONS,
    MAX_DISPLAY_NAME_LENGTH,
    MAX_EMAIL_LENGTH,
    NEEDED_ROLE,
    READ_PERMISSIONS,
    SHARED_PERMISSIONS,
    Actor,
    ActorKind,
    Permission,
    Role,
    Visibility,
)
from modelyard.domain.errors import (
    Denied,
    FullSignInNeeded,
    InvalidName,
    NotFound,
    TokenScopeTooNarrow,
    Unauthenticated,
)
from modelyard.domain.texts import check_text

MAX_TOKEN_NAME_LENGTH = 200


def check_display_name(value: str) -> str:
    return check_text(value, "the display name", MAX_DISPLAY_NAME_LENGTH)


_PSEUDONYM = re.compile(r"deleted-[0-9]+(?:-[0-9]+)?")


def pseudonym_of(actor_id: int, taken: Container[str] = ()) -> str:
    """Return the name of a deleted account that takes the place of its own. taken: names that accounts have."""
    names = (f"deleted-{actor_id}", *(f"deleted-{actor_id}-{number}" for number in range(2, 1000)))
    return next(name for name in names if name not in taken)


def check_not_pseudonym(name: str) -> str:
    """Return the name of a new account. Raises InvalidName for one that looks like that of a deleted account."""
    if _PSEUDONYM.fullmatch(name):
        raise InvalidName(
            value=name,
            what="account name",
            reason="names like this one stand for deleted accounts",
            proposal=f"{name}-x",
        )
    return name


def check_email(value: str) -> str:
    return check_text(value, "the e-mail address", MAX_EMAIL_LENGTH)


def check_token_name(value: str) -> str:
    return check_text(value, "the name of the token", MAX_TOKEN_NAME_LENGTH)


class Place(msgspec.Struct, frozen=True):
    """The place of an action, and the actor's role there."""

    namespace: str | None
    """None: the whole server."""
    model: str | None
    role: Role
    """Held by grants to the actor or its groups; `role_with` adds the roles on the whole server."""
    visibility: Visibility

    def __str__(self) -> str:
        if self.namespace is None:
            return "this server"
        return f"{self.namespace}/{self.model}" if self.model else f"namespace {self.namespace}"


def same_people(makers: Mapping[str, tuple[ActorKind, Sequence[str]]]) -> dict[str, list[str]]:
    """Map each account to those of the others that count as the same person.

    makers: account → (its kind, who made it, who made them, …). The person who makes an account can act as it, so it
    counts as its maker. A service account has no person of its own, so two of one maker are the same; two people
    whose accounts one admin made are two people.
    """
    stands_for = {
        name: (made_by[0] if kind is ActorKind.SERVICE and made_by else name)
        for name, (kind, made_by) in makers.items()
    }

    def same(one: str, other: str) -> bool:
        return (
            stands_for[one] == stands_for[other]
            or stands_for[one] in (other, *makers[other][1])
            or stands_for[other] in (one, *makers[one][1])
        )

    found = {one: sorted(other for other in makers if other != one and same(one, other)) for one in makers}
    return {name: others for name, others in found.items() if others}


SERVER = Place(None, None, Role.NONE, Visibility.SIGNED_IN)


def role_with(actor: Actor, held: Role) -> Role:
    """Return the actor's role at a place. held: its role there by grants."""
    if actor.is_admin:
        return Role.ADMIN
    return max(held, Role.AUDITOR) if actor.is_auditor else held


def holds(actor: Actor, permission: Permission, place: Place) -> bool:
    """Return whether the actor's own rights include the permission, before its token narrows them."""
    if actor.is_anonymous and permission in IDENTITY_PERMISSIONS:
        return False
    if role_with(actor, place.role) >= NEEDED_ROLE[permission]:
        return True
    if permission in SHARED_PERMISSIONS:
        return place.visibility is not Visibility.PRIVATE and not actor.is_anonymous
    if permission not in READ_PERMISSIONS:
        return False
    if place.visibility is Visibility.PUBLIC:
        return True
    return place.visibility is Visibility.SIGNED_IN and not actor.is_anonymous


def may(actor: Actor, permission: Permission, place: Place) -> bool:
    if permission in IDENTITY_PERMISSIONS and not actor.is_full_sign_in:
        return False
    return holds(actor, permission, place) and actor.scope.allows(permission, place.namespace, place.model)


def check(
    actor: Actor,
    permission: Permission,
    place: Place,
    missing: Callable[[], NotFound] | None = None,
) -> None:
    """Return if the actor has the permission; otherwise raise.

    missing: builds the error for an absent place; it is raised for an account that may not even read the place.
    Raises that; Unauthenticated; Denied with the role needed and who can grant it; TokenScopeTooNarrow;
    FullSignInNeeded if only a token from a full sign-in is accepted.
    """
    if may(actor, permission, place):
        return
    if missing is not None and not _may_read(actor, place):
        if actor.is_anonymous:
            raise Unauthenticated()
        raise missing()
    if actor.is_anonymous:
        raise Unauthenticated()
    if holds(actor, permission, place):
        if permission in IDENTITY_PERMISSIONS:
            raise FullSignInNeeded(actor=actor.name, permission=permission.value)
        raise TokenScopeTooNarrow(actor=actor.name, permission=permission.value, where=str(place))
    needed = NEEDED_ROLE[permission]
    raise Denied(
        actor=actor.name,
        permission=permission.value,
        where=str(place),
        role=needed.word,
        who="an admin" if place.namespace is None or needed is Role.ADMIN else f"an owner of {place.namespace}",
    )


def refuse_strangers(actor: Actor) -> None:
    """Raise Unauthenticated for a caller without an account.

    Everybody sees the contents of a public model; only signed-in accounts see its people and its history."""
    if actor.is_anonymous:
        raise Unauthenticated()


def _may_read(actor: Actor, place: Place) -> bool:
    if place.namespace is None:
        return not actor.is_anonymous
    permission = Permission.MODEL_READ if place.model else Permission.NAMESPACE_READ
    return may(actor, permission, place)
