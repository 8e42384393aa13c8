"""What came from what, as the features below lineage write it down: source, target and how they are related.

A node is text, its kind and its key: `dataset:12` (a row of dataset_versions), `version:7`, `run:<uid>`, later
`deployment:<id>`, and `outside:<text>` for what no row here stands for (a base model from elsewhere). The person who
adds a kind adds no table. The graph is read by `registry.lineage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.json_columns import dump_json
from modelyard.db.statement import Statement
from modelyard.db.tables import lineage_edges
from modelyard.db.transaction import Transaction

_p = sa.bindparam

DATASET, RUN, VERSION, DEPLOYMENT, OUTSIDE = "dataset", "run", "version", "deployment", "outside"
MAX_KEY_LENGTH = 500


def node(kind: str, key: int | str) -> str:
    """The text of a node."""
    return f"{kind}:{str(key)[:MAX_KEY_LENGTH]}"


@dataclass(frozen=True, slots=True)
class Edge:
    source: str
    target: str
    relation: str
    """trained_on, evaluated_on or read (from a dataset), produced (by a run), finetune, adapter, quantized, merge
    (of a parent version), deployed."""
    details: Mapping[str, Any] | None = None


_INSERT = Statement(
    postgresql.insert(lineage_edges)
    .values(
        source=_p("source"),
        target=_p("target"),
        relation=_p("relation"),
        details=_p("details"),
        created_at=_p("now"),
    )
    .on_conflict_do_nothing()
)


def add_edges(tx: Transaction, edges: Iterable[Edge]) -> None:
    """What is known already stays as it was."""
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
    """Forget the edges of what is deleted without a trace."""
    tx.run(_REMOVE, the_node=gone)
