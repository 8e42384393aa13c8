"""What an account may do with a version, so that doors offer nothing that would be refused."""

from __future__ import annotations

import msgspec

from modelyard.domain.actor import Actor, Permission
from modelyard.registry.access import rules as access
from modelyard.registry.catalog.nouns import Model


class VersionActions(msgspec.Struct, frozen=True):
    edit: bool
    deprecate: bool
    recall: bool
    release: bool
    """From quarantine."""
    trust: bool
    """Globals, for the whole namespace."""
    comment: bool


def find_actions(actor: Actor, model: Model) -> VersionActions:
    """Return the actor's permissions; the use cases check them again, and more."""

    def may(permission: Permission) -> bool:
        return access.may(actor, permission, model.place)

    return VersionActions(
        edit=may(Permission.VERSION_EDIT),
        deprecate=may(Permission.VERSION_DEPRECATE),
        recall=may(Permission.VERSION_RECALL),
        release=may(Permission.QUARANTINE_RELEASE),
        trust=may(Permission.SCAN_TRUST),
        comment=may(Permission.COMMENT_WRITE),
    )
