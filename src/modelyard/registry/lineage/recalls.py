"""Recalling a version: it stays where it is, and the person who pulls it is refused or warned."""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import Invalid
from modelyard.domain.names import Ref
from modelyard.registry import edges
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.lineage import queries
from modelyard.registry.versions import alias_queries
from modelyard.registry.versions import queries as version_queries
from modelyard.registry.versions.nouns import Recall, Version
from modelyard.registry.versions.recalled import REFUSE, WARN
from modelyard.registry.versions.rules import DELETED
from modelyard.registry.versions.usecases import VersionView, find_present, find_version, show_version

MODES = (REFUSE, WARN)
MAX_TOLD = 10_000
"""So many versions that came from a recalled one are told of it, the nearest first."""


def recall_version(tx: Transaction, actor: Actor, ref: Ref, *, mode: str, reason: str) -> VersionView:
    """Say that a version is not to be used, and tell the person who depends on it.

    mode: refuse (pulls, new aliases and promotions are refused) or warn. A recall of a recalled version takes
    its place. One event is about the version, with the aliases on it; one is about each version that came from
    it, in any model, so that those who watch that model hear of it. Raises Invalid, VersionDeleted, Denied.
    """
    model, version = find_present(tx, actor, ref, Permission.VERSION_RECALL)
    reference = f"{model.name}:{version.number}"
    if mode not in MODES:
        raise Invalid(reason=f"{mode[:30]!r} is no way to recall", fix=f"Use {' or '.join(MODES)}")
    tx.expect_many_rows()
    reason = catalog_rules.require_reason(reason, "a recall")
    recall = Recall(at=tx.now, by=actor.name, mode=mode, reason=reason)
    version_queries.set_recall(tx, version.id, recall)
    told = _descendants(tx, version.id)
    tx.append(
        events.VersionRecalled(
            **events.about(model.name, version.number),
            digest=version.digest,
            record_digest=version.record_digest,
            mode=mode,
            reason=reason,
            aliases=alias_queries.aliases_at(tx, version.id),
            affected=len(told),
        ),
        actor,
        model.id,
    )
    _tell(tx, actor, told, reference, mode, reason)
    return show_version(tx, actor, Ref(model.name, version.number))


def _descendants(tx: Transaction, version_id: int) -> list[int]:
    """Ids of the versions that came from this one, at whatever distance."""
    start = edges.node(edges.VERSION, version_id)
    walked = queries.list_edges(tx, [start], down=True, depth=None, limit=MAX_TOLD)
    found = dict.fromkeys(edge.target for edge in walked if edge.target != start)
    numbers = [key.partition(":")[2] for key in found if key.startswith(f"{edges.VERSION}:")]
    return [int(number) for number in numbers if number.isdigit()]


def _tell(tx: Transaction, actor: Actor, told: list[int], ancestor: str, mode: str, reason: str) -> None:
    rows = queries.list_versions(tx, told) if told else []
    models = {model.id: model for model in queries.list_models(tx, actor, {row.model_id for row in rows})}
    pointing = queries.list_aliases(tx, [row.id for row in rows]) if rows else {}
    for row in rows:
        model = models[row.model_id]
        if row.state == DELETED or model.deleted:
            continue
        tx.append(
            events.AncestorRecalled(
                namespace=model.place.namespace,
                model=model.name,
                version=row.number,
                digest=row.digest,
                ancestor=ancestor,
                mode=mode,
                reason=reason,
                aliases=pointing.get(row.id, []),
            ),
            actor,
            model.id,
        )


def lift_recall(tx: Transaction, actor: Actor, ref: Ref, reason: str | None = None) -> VersionView:
    """The version may be used again. Nothing happens to one that was not recalled."""
    model, version = find_version(tx, actor, ref, Permission.VERSION_RECALL)
    if version.recall is not None:
        _lift(tx, actor, model, version, reason)
    return show_version(tx, actor, Ref(model.name, version.number))


def _lift(tx: Transaction, actor: Actor, model: Model, version: Version, reason: str | None) -> None:
    checked = catalog_rules.check_reason(reason)
    version_queries.set_recall(tx, version.id, None)
    tx.append(
        events.RecallLifted(
            **events.about(model.name, version.number),
            digest=version.digest,
            record_digest=version.record_digest,
            reason=checked,
        ),
        actor,
        model.id,
    )
