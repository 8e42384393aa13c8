"""Deprecate versions: they stay usable, but resolving or pulling one gives a warning."""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import Invalid, VersionNotFound
from modelyard.domain.names import Ref
from modelyard.domain.times import time_text
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.versions import queries
from modelyard.registry.versions.nouns import Deprecation
from modelyard.registry.versions.rules import READY
from modelyard.registry.versions.usecases import VersionView, find_present, find_version, show_version


def deprecate_version(
    tx: Transaction,
    actor: Actor,
    ref: Ref,
    *,
    replacement: int | None = None,
    ends_at: int | None = None,
    reason: str | None = None,
) -> VersionView:
    """Warn everyone who resolves or pulls the version; it stays usable.

    replacement: the number of the version to use instead, which must be ready. ends_at: the time of its removal, in
    microseconds. Raises Invalid, VersionNotFound, VersionDeleted.
    """
    model, version = find_present(tx, actor, ref, Permission.VERSION_DEPRECATE)
    if replacement is not None:
        other = queries.find_by_number(tx, model.id, replacement)
        if other is None:
            raise VersionNotFound(model=str(model.name), version=replacement)
        if other.id == version.id or other.state != READY:
            raise Invalid(
                reason=f"version {replacement} cannot replace it: it is the same version, or it is not ready"
            )
    if ends_at is not None and ends_at <= tx.now:
        raise Invalid(reason="the date is in the past", fix="Choose a future date, or archive the version now")
    deprecation = Deprecation(
        by=actor.name,
        at=tx.now,
        replacement=replacement,
        ends_at=time_text(ends_at) if ends_at is not None else None,
        reason=catalog_rules.check_text(reason, "the reason") if reason else None,
    )
    queries.set_deprecation(tx, version.id, deprecation)
    tx.append(
        events.VersionDeprecated(
            **events.about(model.name, version.number),
            digest=version.digest,
            replacement=deprecation.replacement,
            ends_at=deprecation.ends_at,
            reason=deprecation.reason,
        ),
        actor,
        model.id,
    )
    return show_version(tx, actor, Ref(model.name, version.number))


def undeprecate_version(tx: Transaction, actor: Actor, ref: Ref) -> VersionView:
    model, version = find_version(tx, actor, ref, Permission.VERSION_DEPRECATE)
    if version.deprecation is not None:
        queries.set_deprecation(tx, version.id, None)
        tx.append(
            events.VersionUndeprecated(
                **events.about(model.name, version.number),
                digest=version.digest,
            ),
            actor,
            model.id,
        )
    return show_version(tx, actor, Ref(model.name, version.number))
