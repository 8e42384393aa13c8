"""SQL of evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from modelyard.db.json_columns import dump_json, load_json
from modelyard.db.statement import Statement
from modelyard.db.tables import actors, evaluations
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.registry.evaluations.nouns import Evaluation

_p = sa.bindparam


_LIST = Statement(
    sa.select(
        evaluations.c.split, evaluations.c.dataset, evaluations.c.metrics, evaluations.c.at, actors.c.name
    )
    .join(actors, actors.c.id == evaluations.c.actor_id)
    .where(evaluations.c.version_id == _p("version_id"), evaluations.c.at <= _p("until"))
    .order_by(evaluations.c.id.desc())
    .limit(_p("limit"))
)


def list_evaluations(tx: Transaction, version_id: int, until: int, limit: int = 1000) -> list[Evaluation]:
    """List the evaluations reported up to that time, newest first."""
    return [
        Evaluation(row[0], row[1], load_json(row[2]), row[3], row[4])
        for row in tx.all(_LIST, version_id=version_id, until=until, limit=limit)
    ]


def insert_evaluation(
    tx: Transaction,
    actor: Actor,
    version_id: int,
    *,
    split: str,
    dataset: str,
    metrics: Sequence[dict[str, Any]],
) -> None:
    tx.execute(
        evaluations.insert().values(
            version_id=version_id,
            split=split,
            dataset=dataset,
            metrics=dump_json(metrics),
            at=tx.now,
            actor_id=actor.id,
        )
    )
