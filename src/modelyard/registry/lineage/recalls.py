"""Recall a version: it stays in place, and pulls of it are refused or get a warning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import Invalid
from modelyard.domain.names import Ref
from modelyard.registry import edges
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.lineage import queries
from modelyard.registry.lineage.usecases import DOWN, Graph, Node, trace_from
from modelyard.registry.versions import alias_queries
from modelyard.registry.versions import queries as version_queries
from modelyard.registry.versions.nouns import Recall, Version
from modelyard.registry.versions.recalled import REFUSE, WARN
from modelyard.registry.versions.rules import DELETED
from modelyard.registry.versions.usecases import VersionView, find_present, find_version, show_version

MODES = (REFUSE, WARN)
MAX_TOLD = 10_000
"""How many descendants of a recalled version get an event about it, the nearest first."""


def recall_version(tx: Transaction, actor: Actor, ref: Ref, *, mode: str, reason: str) -> VersionView:
    """Mark a version as not to be used, and notify the people who depend on it.

    mode: refuse (pulls, new aliases and promotions are refused) or warn. Recalling a recalled version replaces the
    first recall. There is one event about the version, with its aliases, and one about each of its descendants in any
    model, so that the watchers of that model are notified. Raises Invalid, VersionDeleted, Denied.
    """
    model, version = find_present(tx, actor, ref, Permission.VERSION_RECALL)
    reference = f"{model.name}:{version.number}"
    if mode not in MODES:
        raise Invalid(reason=f"{mode[:30]!r} is not a recall mode", fix=f"Use {' or '.join(MODES)}")
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


class Reach(msgspec.Struct, frozen=True):
    """What a recall of a version reaches, as far as the actor may see it."""

    graph: Graph
    """Its descendants."""
    versions: Sequence[Node]
    """The descending versions, the nearest first."""
    serving: Sequence[Node]
    """Those of them that an alias or a stage points at, and the version itself."""
    others: Mapping[str, int]
    """Number of other descendants by kind; `hidden`: those that the actor may not see."""
    people: Sequence[str]
    """Owners of the models."""


def preview_recall(tx: Transaction, actor: Actor, ref: Ref) -> Reach:
    """Return what a recall of the version would reach; nothing is written. Raises VersionDeleted, Denied."""
    _, version = find_present(tx, actor, ref, Permission.VERSION_RECALL)
    start = edges.node(edges.VERSION, version.id)
    graph = trace_from(tx, actor, [start], direction=DOWN)
    below = [node for node in graph.nodes if node.key != start]
    seen = [node for node in below if node.kind == edges.VERSION and not node.hidden]
    others = Counter("hidden" if node.hidden else node.kind for node in below if node not in seen)
    itself = [node for node in graph.nodes if node.key == start]
    people = sorted({owner for node in [*itself, *seen] for owner in node.owners})
    return Reach(graph, seen, [node for node in [*itself, *seen] if node.aliases], others, people)


def _descendants(tx: Transaction, version_id: int) -> list[int]:
    """Return the ids of the version's descendants, at any distance."""
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
    """Allow a recalled version to be used again; do nothing if it was not recalled."""
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
