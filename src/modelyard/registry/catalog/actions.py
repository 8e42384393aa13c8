"""What an account may do with a model, so that doors offer nothing that would be refused."""

from __future__ import annotations

import msgspec

from modelyard.domain.actor import Actor, Permission
from modelyard.registry.access import rules as access
from modelyard.registry.catalog.nouns import Model


class ModelActions(msgspec.Struct, frozen=True):
    aliases: bool
    members: bool
    comment: bool
    edit: bool


def find_actions(actor: Actor, model: Model) -> ModelActions:
    """Return the actor's permissions; the use cases check them again."""
    return ModelActions(
        aliases=access.may(actor, Permission.ALIAS_MOVE, model.place),
        members=access.may(actor, Permission.MEMBERS_MANAGE, model.place),
        comment=access.may(actor, Permission.COMMENT_WRITE, model.place),
        edit=access.may(actor, Permission.MODEL_EDIT, model.place) and model.archived_at is None,
    )
