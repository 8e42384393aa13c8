"""Delete the account of a person: take its name, display name and e-mail address away.

Everything that the account did stays, under a pseudonym. Events are proved by their hashes, so the name under which
the account acted stays in them; its e-mail addresses and display names are removed from them like leaked texts.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from msgspec.structs import replace

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor
from modelyard.domain.canonical import canonical_json
from modelyard.domain.digest import Digest
from modelyard.registry.access import rules as access_rules
from modelyard.registry.access import usecases as access
from modelyard.registry.access.nouns import Account
from modelyard.registry.catalog import queries as catalog_queries
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.redaction import leaving_queries, queries, rules

_PRIVATE = ("display_name", "email")


def delete_account(tx: Transaction, actor: Actor, name: str) -> Account:
    """Delete an account, and return what is left of it. Its tokens, sessions, roles, memberships and subscriptions end.

    Raises ActorNotFound, Denied, FullSignInNeeded; Invalid for a service account or a group; Conflict for the last
    admin and for the last owner of a namespace.
    """
    target = access.find_to_delete(tx, actor, name)
    tx.expect_many_rows()
    pseudonym = access_rules.pseudonym_of(target.id, leaving_queries.list_pseudonyms(tx, target.id))
    ended = leaving_queries.end_everything(tx, target.id, target.email)
    leaving_queries.rename(tx, target.id, target.name, pseudonym)
    leaving_queries.replace_makers(tx, target.name, pseudonym)
    for model in leaving_queries.replace_owner(tx, target.name, pseudonym):
        present = catalog_queries.find_model(tx, actor, model)
        if present is not None and present.deleted_at is None:
            catalog.refresh_words(tx, present)
    queries.forget_answers(tx, f'"{rules.escaped(target.name)}"')
    # A person who deletes their own account acts under the pseudonym already.
    author = _renamed(actor, pseudonym) if actor.id == target.id else actor
    _redact_events(tx, author, target.name, pseudonym)
    tx.append(
        events.ActorDeleted(
            name=pseudonym,
            tokens=ended["tokens"],
            roles=ended["roles"],
            groups=ended["groups"],
            subscriptions=ended["subscriptions"],
        ),
        author,
    )
    return replace(
        target,
        name=pseudonym,
        display_name="",
        email=None,
        is_admin=False,
        is_auditor=False,
        default_namespace=None,
        disabled_at=tx.now,
        deleted_at=tx.now,
    )


def _renamed(actor: Actor, name: str) -> Actor:
    return Actor(actor.id, name, actor.kind)


def _redact_events(tx: Transaction, author: Actor, name: str, pseudonym: str) -> None:
    """Remove e-mail addresses and display names from the events that set them."""
    redaction = secrets.token_hex(4)
    mark = rules.mark_of(redaction)
    bodies: dict[int, str] = {}
    told: dict[str, dict[str, str]] = {}
    for seq, body in leaving_queries.list_edits(tx, name):
        left = _without_private(body, name, mark)
        leaf = queries.find_leaf(tx, seq)
        if left != body and leaf is not None:
            bodies[seq] = left
            told[str(seq)] = {"leaf": leaf.hex(), "left": Digest.of(left.encode())}
    if not bodies:
        return
    queries.set_events(tx, bodies)
    tx.append(
        events.ContentRedacted(
            redaction=redaction, reason=f"the account {pseudonym} was deleted", rows=[], events=told
        ),
        author,
    )


def _without_private(body: str, name: str, mark: str) -> str:
    value: dict[str, Any] = json.loads(body)
    data = value.get("data", {})
    changes = data.get("changes", {})
    if data.get("name") != name or not any(changes.get(key) for key in _PRIVATE):
        return body
    data["changes"] = {key: mark if key in _PRIVATE and text else text for key, text in changes.items()}
    return canonical_json(value).decode()
