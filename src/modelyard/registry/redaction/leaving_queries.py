"""SQL of the deletion of an account."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.json_columns import dump_json, load_json
from modelyard.db.tables import (
    actors,
    deliveries,
    events,
    grants,
    group_members,
    identities,
    model_owners,
    models,
    namespaces,
    notifications,
    run_artifacts,
    sessions,
    sign_in_links,
    subscriptions,
    tokens,
    versions,
    watches,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.events import ActorEdited
from modelyard.domain.names import ModelName
from modelyard.registry.access.account_queries import former_name_of

_MADE_BY = (
    *((versions, name) for name in ("deprecation", "released", "recall", "kept")),
    (run_artifacts, "released"),
)
"""Columns with JSON whose `by` names an account."""


def list_pseudonyms(tx: Transaction, actor_id: int) -> set[str]:
    """List the names of accounts that begin like the pseudonym of this one."""
    query = sa.select(actors.c.name).where(actors.c.name.startswith(f"deleted-{actor_id}", autoescape=True))
    return {name for (name,) in tx.rows(query)}


def end_everything(tx: Transaction, actor_id: int, email: str | None) -> dict[str, int]:
    """End all by which the account signs in, may act and is told of events. Returns what → how many ended."""
    ended = _end_tokens(tx, actor_id)
    tx.execute(tokens.update().where(tokens.c.actor_id == actor_id).values(name=""))
    for table in (sessions, sign_in_links, identities, watches, notifications):
        tx.execute(table.delete().where(table.c.actor_id == actor_id))
    roles = tx.execute(grants.delete().where(grants.c.actor_id == actor_id)).rowcount
    groups = tx.execute(group_members.delete().where(group_members.c.actor_id == actor_id)).rowcount
    gone = subscriptions.c.created_by == actor_id
    if email:
        gone = sa.or_(gone, subscriptions.c.target == email)
    ids = [row[0] for row in tx.rows(sa.select(subscriptions.c.id).where(gone))]
    tx.execute(deliveries.delete().where(deliveries.c.subscription_id.in_(ids)))
    tx.execute(subscriptions.delete().where(subscriptions.c.id.in_(ids)))
    return {"tokens": ended, "roles": roles, "groups": groups, "subscriptions": len(ids)}


def _end_tokens(tx: Transaction, actor_id: int) -> int:
    """Revoke the tokens of the account, and those that were made with them. Returns how many."""
    ended = 0
    of_these = tokens.c.actor_id == actor_id
    while ids := [
        row[0] for row in tx.rows(sa.select(tokens.c.id).where(of_these, tokens.c.revoked_at.is_(None)))
    ]:
        tx.execute(tokens.update().where(tokens.c.id.in_(ids)).values(revoked_at=tx.now))
        ended += len(ids)
        of_these = tokens.c.made_with.in_(ids)
    return ended


def rename(tx: Transaction, actor_id: int, name: str, pseudonym: str) -> None:
    tx.execute(
        actors.update()
        .where(actors.c.id == actor_id)
        .values(
            name=pseudonym,
            display_name="",
            email=None,
            password_hash=None,
            is_admin=0,
            is_auditor=0,
            default_namespace=None,
            disabled_at=sa.func.coalesce(actors.c.disabled_at, tx.now),
            deleted_at=tx.now,
            former_name=former_name_of(tx, name),
        )
    )


def replace_makers(tx: Transaction, name: str, pseudonym: str) -> None:
    """Replace the name in what the account said about versions and files of runs."""
    for table, column in _MADE_BY:
        text, key = table.c[column], [*table.primary_key.columns]
        probe = f'"by":{dump_json(name)}'
        for row in tx.rows(sa.select(text, *key).where(text.contains(probe, autoescape=True))):
            value = load_json(row[0])
            if value.get("by") == name:
                where = [each == part for each, part in zip(key, row[1:], strict=True)]
                tx.execute(table.update().where(*where).values({column: dump_json({**value, "by": pseudonym})}))


def replace_owner(tx: Transaction, name: str, pseudonym: str) -> list[ModelName]:
    """Replace the name among the owners that models show. Returns these models."""
    query = (
        sa.select(models.c.id, namespaces.c.name, models.c.name)
        .join(models, models.c.namespace_id == namespaces.c.id)
        .join(model_owners, model_owners.c.model_id == models.c.id)
        .where(model_owners.c.owner == name)
    )
    found = [(model_id, ModelName(namespace, model)) for model_id, namespace, model in tx.rows(query)]
    # The name belongs to the key of the row, and events name rows by their keys.
    tx.execute(model_owners.delete().where(model_owners.c.owner == name))
    for model_id, _ in found:
        tx.execute(model_owners.insert().values(model_id=model_id, owner=pseudonym))
    return [model for _, model in found]


def list_edits(tx: Transaction, name: str) -> list[tuple[int, str]]:
    """List (number, body) of the events in which the account may have got an e-mail address or a display name."""
    query = (
        sa.select(events.c.seq, events.c.body)
        .where(events.c.kind == ActorEdited.kind, events.c.body.contains(dump_json(name), autoescape=True))
        .order_by(events.c.seq)
    )
    return [(row[0], row[1]) for row in tx.rows(query)]
