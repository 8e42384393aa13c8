"""Which versions were in a stage at a moment, over all models that a reader may see."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.names import ModelName, fold
from modelyard.registry.access import rules as access
from modelyard.registry.promotion import standing_queries


class StoodThen(msgspec.Struct, frozen=True):
    """The primary version of a stage at the moment."""

    model: ModelName
    version: int
    promotion: int
    """The move that put it there."""
    since: int
    until: int | None
    """None: it is still there."""
    now: int | None
    """The version that is there now; None: none."""
    by: str
    approved_by: Sequence[str]


def list_stood(
    tx: Transaction,
    actor: Actor,
    stage: str,
    at: int,
    *,
    namespace: str | None = None,
    after: str = "",
    limit: int,
) -> list[StoodThen]:
    """List what stood in the stage at that moment, by the model's name, after the given one."""
    access.refuse_strangers(actor)
    rows = standing_queries.list_stood(
        tx, actor, fold(stage.removeprefix("@")), at, fold(namespace) if namespace else None, after, limit
    )
    approved = standing_queries.list_approvers(tx, [row.promotion for row in rows])
    return [
        StoodThen(
            row.model,
            row.version,
            row.promotion,
            row.since,
            row.until,
            row.now,
            row.by,
            approved.get(row.promotion, []),
        )
        for row in rows
    ]
