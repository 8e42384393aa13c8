"""Deprecated versions: still usable, but whoever resolves or pulls one is warned."""

from __future__ import annotations

from modelyard.db.json_columns import dump_json, load_json
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import Invalid, VersionDeleted, VersionNotFound
from modelyard.domain.names import Ref
from modelyard.domain.times import time_text
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.versions import queries
from modelyard.registry.versions.usecases import DELETED, READY, VersionView, find_version, show_version


def deprecate_version(
    tx: Transaction,
    actor: Actor,
    ref: Ref,
    *,
    replacement: int | None = None,
    ends_at: int | None = None,
    reason: str | None = None,
) -> VersionView:
    """Warn whoever resolves or pulls the version; it stays usable.

    replacement: the number of the version to use instead, which must be ready. ends_at: when it will be
    taken away, in microseconds. Raises Invalid, VersionNotFound, VersionDeleted.
    """
    model, version = find_version(tx, actor, ref, Permission.VERSION_DEPRECATE)
    if version.state == DELETED:
        raise VersionDeleted(reference=f"{model.name}:{version.number}", model=str(model.name))
    if replacement is not None:
        other = queries.find_by_number(tx, model.id, replacement)
        if other is None:
            raise VersionNotFound(model=str(model.name), version=replacement)
        if other.id == version.id or other.state != READY:
            raise Invalid(reason=f"version {replacement} cannot replace it: it is the same one, or not ready")
    if ends_at is not None and ends_at <= tx.now:
        raise Invalid(
            reason="the date lies in the past", fix="Choose a date to come, or archive the version now"
        )
    said = {
        "replacement": replacement,
        "ends_at": time_text(ends_at) if ends_at is not None else None,
        "reason": catalog_rules.check_text(reason, "the reason") if reason else None,
    }
    stored = dump_json({k: v for k, v in said.items() if v is not None} | {"by": actor.name, "at": tx.now})
    queries.update_version(tx, version.id, {"deprecation": stored})
    tx.append(
        events.VersionDeprecated(
            namespace=model.name.namespace,
            model=str(model.name),
            version=version.number,
            digest=version.digest,
            **said,  # type: ignore[arg-type]
        ),
        actor,
        model.id,
    )
    return show_version(tx, actor, Ref(model.name, version.number))


def undeprecate_version(tx: Transaction, actor: Actor, ref: Ref) -> VersionView:
    model, version = find_version(tx, actor, ref, Permission.VERSION_DEPRECATE)
    if version.deprecation is not None:
        queries.update_version(tx, version.id, {"deprecation": None})
        tx.append(
            events.VersionUndeprecated(
                namespace=model.name.namespace,
                model=str(model.name),
                version=version.number,
                digest=version.digest,
            ),
            actor,
            model.id,
        )
    return show_version(tx, actor, Ref(model.name, version.number))


def deprecation_warning(reference: str, deprecation: str | None) -> str | None:
    """Words for whoever uses a deprecated version; None for one that is not."""
    said = load_json(deprecation)
    if said is None:
        return None
    model = reference.partition(":")[0]
    parts = [f"{reference} is deprecated"]
    if said.get("ends_at"):
        parts.append(f"and will be taken away at {said['ends_at']}")
    if said.get("reason"):
        parts.append(f"({said['reason']})")
    if said.get("replacement"):
        parts.append(f"; use {model}:{said['replacement']} instead")
    return " ".join(parts).replace(" ;", ";")
