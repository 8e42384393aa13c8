"""Write the origins in a version's record into the lineage graph at registration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid, ModelyardError
from modelyard.domain.names import Ref
from modelyard.registry import edges
from modelyard.registry.access import rules as access
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.datasets import rules as dataset_rules
from modelyard.registry.datasets import usecases as datasets
from modelyard.registry.versions import queries
from modelyard.registry.versions.dependents import RELATIONS

TRAINED_ON, EVALUATED_ON, PRODUCED = "trained_on", "evaluated_on", "produced"
_EVALUATION_SPLITS = ("test", "eval", "evaluation", "validation", "valid", "val", "dev", "holdout")


def check_parents(facts: Mapping[str, Any]) -> None:
    """Raise Invalid for an unknown relation, before anything is written."""
    for parent in facts.get("parents", ()):
        relation = parent.get("relation")
        if relation is not None and relation not in RELATIONS:
            raise Invalid(
                reason=f"{str(relation)[:40]!r} is not a relation to a parent",
                fix=f"Use {', '.join(RELATIONS)}",
            )


def note_origins(
    tx: Transaction, actor: Actor, model: Model, version_id: int, number: int, facts: Mapping[str, Any]
) -> None:
    """Add edges from datasets, the run and the parents to the new version. This never fails a valid registration: an
    unknown name becomes a node outside this registry."""
    here = edges.node(edges.VERSION, version_id)
    for entry in dataset_rules.find_entries(facts.get("data")):
        datasets.note_use(tx, actor, model.name.namespace, entry, here, _use_of(entry))
    found = []
    run = facts.get("run") or {}
    if isinstance(run.get("id"), str):
        found.append(edges.Edge(edges.node(edges.RUN, run["id"]), here, PRODUCED))
    for parent in facts.get("parents", ()):
        parent_id = _find_parent(tx, actor, parent)
        if parent_id == version_id:
            continue
        relation = parent.get("relation") or RELATIONS[0]
        if parent_id is not None:
            found.append(edges.Edge(edges.node(edges.VERSION, parent_id), here, relation))
        elif said := parent.get("ref") or parent.get("digest"):
            found.append(edges.Edge(edges.node(edges.OUTSIDE, str(said)), here, relation))
    edges.add_edges(tx, found)


def _use_of(entry: dataset_rules.Entry) -> str:
    """Return the kind of use, by its role or by the name of its split."""
    said = str(entry.said.get("role") or entry.said.get("split") or "").lower()
    return EVALUATED_ON if said in _EVALUATION_SPLITS else TRAINED_ON


def _find_parent(tx: Transaction, actor: Actor, parent: Mapping[str, Any]) -> int | None:
    """Return the id of a version that the actor may read; None if there is none."""
    ref, digest = parent.get("ref"), parent.get("digest")
    if isinstance(ref, str):
        try:
            parsed = Ref.parse(ref, actor.default_namespace)
        except ModelyardError:
            return None
        found = queries.resolve(tx, actor, parsed)
        if found is None or found.deleted or not access.may(actor, Permission.MODEL_READ, found.place):
            return None
        return queries.find_id(tx, found.model, found.number)
    if isinstance(digest, str):
        try:
            wanted = Digest.parse(digest)
        except ModelyardError:
            return None
        return queries.find_readable_by_digest(tx, actor, wanted)
    return None
