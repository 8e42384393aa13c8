"""Who did what when."""

from __future__ import annotations

from dataclasses import replace

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.names import ModelName
from modelyard.registry.access import rules as access
from modelyard.registry.audit import queries
from modelyard.registry.audit.queries import EventFilter, LoggedEvent
from modelyard.registry.catalog.usecases import find_model


def list_history(
    tx: Transaction, actor: Actor, name: ModelName, chosen: EventFilter, before: int | None, limit: int
) -> list[LoggedEvent]:
    """The events of one model, newest first, under all the names it had."""
    model = find_model(tx, actor, name)
    return queries.list_events(tx, replace(chosen, model_id=model.id), before=before, limit=limit)


def list_log(
    tx: Transaction,
    actor: Actor,
    chosen: EventFilter,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int,
) -> list[LoggedEvent]:
    """The events of the whole registry, for its admins and auditors."""
    access.check(actor, Permission.LOG_READ, access.SERVER)
    return queries.list_events(tx, chosen, before=before, after=after, limit=limit)
