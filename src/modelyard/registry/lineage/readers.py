"""Who read a dataset's content, as far as the actor may see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.registry.datasets import queries as dataset_queries
from modelyard.registry.datasets.nouns import DatasetVersion
from modelyard.registry.lineage.usecases import Node, describe_nodes

MAX_READERS = 1_000


@dataclass(frozen=True, slots=True)
class Reader:
    """name None: the actor may not see it."""

    name: str | None
    kind: str
    relation: str
    details: dict[str, Any]
    at: int


def list_readers(tx: Transaction, actor: Actor, content: DatasetVersion) -> list[Reader]:
    """Newest first, at most MAX_READERS."""
    uses = dataset_queries.list_uses(tx, [content.id], MAX_READERS)
    nodes = {use.target: Node(use.target, use.target.partition(":")[0], 1) for use in uses}
    describe_nodes(tx, actor, nodes)
    found = []
    for use in uses:
        node = nodes[use.target]
        details = {} if node.hidden else use.details
        name = None if node.hidden else node.name
        found.append(Reader(name, node.kind, use.relation, details, use.at))
    return found
