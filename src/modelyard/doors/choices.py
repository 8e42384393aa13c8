"""Words that stand for one of a few choices, as forms and JSON bodies carry them."""

from __future__ import annotations

from modelyard.domain.actor import ActorKind, Role, Visibility
from modelyard.domain.errors import Invalid


def parse_role(word: str) -> Role:
    """Raises Invalid."""
    try:
        return Role.from_word(word)
    except KeyError:
        words = "none, auditor, reader, contributor, maintainer or owner"
        raise Invalid(reason=f"{word[:40]!r} is not a role", fix=f"Use {words}") from None


def parse_account_kind(word: str) -> ActorKind:
    """Raises Invalid."""
    try:
        return ActorKind(word)
    except ValueError:
        raise Invalid(
            reason=f"{word[:40]!r} is not a kind of account", fix="Use user, service or group"
        ) from None


def parse_visibility(word: str) -> Visibility:
    """Raises Invalid."""
    try:
        return Visibility(word)
    except ValueError:
        raise Invalid(
            reason=f"{word[:40]!r} is not a visibility", fix="Use private, signed-in or public"
        ) from None


def parse_publisher_role(word: str) -> Role:
    """Raises Invalid."""
    try:
        return Role.from_word(word)
    except KeyError:
        raise Invalid(
            reason=f"{word[:40]!r} is not a role", fix="Use reader, contributor or maintainer"
        ) from None
