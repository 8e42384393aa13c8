"""Mark versions that must be kept: no one deletes them, and no retention rule touches them."""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.names import Ref
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.versions import dependents, queries
from modelyard.registry.versions.nouns import Keep
from modelyard.registry.versions.usecases import VersionView, find_present, show_version


def keep_version(tx: Transaction, actor: Actor, ref: Ref, reason: str | None) -> VersionView:
    """Mark a version as one that must be kept; a second mark replaces the reason.

    Raises VersionNotFound, VersionDeleted, Denied; Invalid without a reason.
    """
    model, version = find_present(tx, actor, ref, Permission.VERSION_KEEP)
    why = catalog_rules.require_reason(reason, "keeping a version")
    queries.set_keep(tx, version.id, Keep(at=tx.now, by=actor.name, reason=why))
    dependents.add_hold(tx, version.id, dependents.KEEP, dependents.KEEP)
    tx.append(
        events.VersionKept(**events.about(model.name, version.number), digest=version.digest, reason=why),
        actor,
        model.id,
    )
    return show_version(tx, actor, Ref(model.name, version.number))


def end_keep(tx: Transaction, actor: Actor, ref: Ref, reason: str | None) -> VersionView:
    """Remove the mark, if the version has it. Raises VersionNotFound, VersionDeleted, Denied; Invalid without a reason."""
    model, version = find_present(tx, actor, ref, Permission.VERSION_KEEP)
    why = catalog_rules.require_reason(reason, "removing the mark that a version must be kept")
    if version.kept is not None:
        queries.set_keep(tx, version.id, None)
        dependents.remove_hold(tx, version.id, dependents.KEEP, dependents.KEEP)
        tx.append(
            events.VersionKeepEnded(
                **events.about(model.name, version.number), digest=version.digest, reason=why
            ),
            actor,
            model.id,
        )
    return show_version(tx, actor, Ref(model.name, version.number))
