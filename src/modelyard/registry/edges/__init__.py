"""The edges of lineage, as the features below it record them: source, target and relation.

A node is text, its kind and its key: `dataset:12` (a row of dataset_versions), `version:7`, `run:<uid>`, later
`deployment:<id>`, and `outside:<text>` for things without a row here (a base model from elsewhere). A new kind needs
no new table. The graph is read by `registry.lineage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.json_columns import dump_json
from modelyard.db.parameters import named
from modelyard.db.statement import Statement
from modelyard.db.tables import lineage_edges
from modelyard.db.transaction import Transaction

_p = sa.bindparam

DATASET, RUN, VERSION, DEPLOYMENT, OUTSIDE = "dataset", "run", "version", "deployment", "outside"
MAX_KEY_LENGTH = 500


def node(kind: str, key: int | str) -> str:
    """Return the text of a node."""
    return f"{kind}:{str(key)[:MAX_KEY_LENGTH]}"


class Edge(msgspec.Struct, frozen=True):
    source: str
    target: str
    relation: str
    """trained_on, evaluated_on or read (from a dataset), produced (by a run), finetune, adapter, quantized, merge
    or retrained (of a parent version), deployed."""
    details: Mapping[str, Any] | None = None


_INSERT = Statement(
    postgresql.insert(lineage_edges)
    .values(**named("source", "target", "relation", "details"), created_at=_p("now"))
    .on_conflict_do_nothing()
)


def add_edges(tx: Transaction, edges: Iterable[Edge]) -> None:
    """Add edges; known ones stay unchanged."""
    tx.run_many(
        _INSERT,
        [
            {
                "source": edge.source,
                "target": edge.target,
                "relation": edge.relation,
                "details": dump_json(dict(edge.details)) if edge.details else None,
                "now": tx.now,
            }
            for edge in edges
        ],
    )


_REMOVE = Statement(
    lineage_edges.delete().where(
        sa.or_(lineage_edges.c.source == _p("the_node"), lineage_edges.c.target == _p("the_node"))
    )
)


def remove_node(tx: Transaction, gone: str) -> None:
    """Remove the edges of a node that is deleted without a trace."""
    tx.run(_REMOVE, the_node=gone)
