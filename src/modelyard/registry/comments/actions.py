"""What an actor may do with a comment, for doors that show it."""

from __future__ import annotations

import msgspec

from modelyard.domain.actor import Actor, Permission
from modelyard.registry.access import rules as access
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.comments.nouns import Comment


class CommentActions(msgspec.Struct, frozen=True):
    edit: bool
    delete: bool

    @property
    def any(self) -> bool:
        return self.edit or self.delete


def find_actions(actor: Actor, model: Model, comment: Comment) -> CommentActions:
    """Return the actor's permissions; the use cases check them again."""
    may_write = access.may(actor, Permission.COMMENT_WRITE, model.place) and comment.deleted_at is None
    is_author = comment.author_id == actor.id
    may_moderate = access.may(actor, Permission.COMMENT_MODERATE, model.place)
    return CommentActions(may_write and is_author, may_write and (is_author or may_moderate))
