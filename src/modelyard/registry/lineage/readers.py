"""List the readers of a dataset's content, as far as the actor may see them."""

from __future__ import annotations

from typing import Any

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.registry.datasets import queries as dataset_queries
from modelyard.registry.datasets.nouns import DatasetVersion
from modelyard.registry.lineage.usecases import Node, describe_nodes

MAX_READERS = 1_000


class Reader(msgspec.Struct, frozen=True):
    """A reader of a content. name None: the actor may not see it. by: who started the run or registered the version; None:
    not known, or hidden too."""

    name: str | None
    kind: str
    relation: str
    details: dict[str, Any]
    at: int
    by: str | None


def list_readers(tx: Transaction, actor: Actor, content: DatasetVersion) -> list[Reader]:
    """List the readers, newest first, at most MAX_READERS."""
    uses = dataset_queries.list_uses(tx, [content.id], MAX_READERS)
    nodes = {use.target: Node(use.target, use.target.partition(":")[0], 1) for use in uses}
    describe_nodes(tx, actor, nodes)
    found = []
    for use in uses:
        node = nodes[use.target]
        details = {} if node.hidden else use.details
        name = None if node.hidden else node.name
        by = None if node.hidden else node.created_by
        found.append(Reader(name, node.kind, use.relation, details, use.at, by))
    return found
