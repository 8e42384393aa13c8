"""Redacting a text, and seeing what was redacted."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid
from modelyard.domain.names import ModelName
from modelyard.registry.catalog import queries as catalog_queries
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.redaction import queries, rules
from modelyard.registry.redaction.queries import TEXT_COLUMNS, Form
from modelyard.registry.versions.inspect import card_words

_TAKE_OUT = {
    Form.PLAIN: rules.take_out,
    Form.JSON: rules.take_out_of_json,
    Form.TOLD: rules.take_out_of_free_texts,
}
_SEARCHED = frozenset({"models", "model_tags", "model_owners"})
"""Tables whose first key is the model that is found by their words."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """What one redaction did. seq and by are None until its event is in the log."""

    id: str
    reason: str
    places: dict[str, int]
    """`table.column` → how many rows of it held the text."""
    events: tuple[int, ...]
    seq: int | None = None
    by: str | None = None
    at: str | None = None


def redact_text(tx: Transaction, actor: Actor, namespace: str, text: str, reason: str) -> Redaction:
    """Take a text out of everything that the namespace keeps but the bytes of files, for good.

    Neither the text nor a hash of what held it is kept. Raises Invalid for a text that is too short or stands
    nowhere, Denied.
    """
    found = catalog.find_namespace(tx, actor, namespace, Permission.CONTENT_REDACT)
    secret = rules.check_secret(text)
    words = catalog_rules.require_reason(reason, "a redaction")
    if secret in reason:
        raise Invalid(reason="the reason has the text in it", fix="Write one that does not give it away")
    tx.expect_many_rows()
    redaction = secrets.token_hex(4)
    mark = rules.mark_of(redaction)
    rows = _redact_rows(tx, found.id, secret, mark)
    rows += _redact_logs(tx, found.id, secret)
    names = queries.list_models_of(tx, found.id)
    changed = _redact_events(tx, found.name, names, secret, mark)
    if not rows and not changed:
        raise Invalid(
            reason=f"the text stands nowhere in {found.name}",
            fix="Compare it with what is shown; the bytes of files are not searched, and are withheld by name: "
            f"modelyard redact {found.name}/MODEL:VERSION --file PATH",
        )
    if len(rows) + len(changed) > rules.MOST_PLACES:
        raise Invalid(
            reason=f"the text stands in more than {rules.MOST_PLACES} places, so it is no secret but a common word",
            fix="Give the whole secret",
        )
    queries.forget_answers(tx, rules.escaped(secret))
    for model_id in {row["key"][0] for row in rows if row["table"] in _SEARCHED}:
        model = catalog_queries.find_model(tx, actor, ModelName(found.name, names[model_id]))
        assert model is not None
        catalog.refresh_words(tx, model)
    tx.append(
        events.ContentRedacted(
            namespace=found.name,
            redaction=redaction,
            reason=words,
            rows=rows,
            events={str(seq): told for seq, told in changed.items()},
        ),
        actor,
    )
    return Redaction(redaction, words, _counted(rows), tuple(changed))


def _redact_rows(tx: Transaction, namespace_id: int, secret: str, mark: str) -> list[dict[str, Any]]:
    done: list[dict[str, Any]] = []
    # What is searched of a card has lost its markup.
    words = card_words(secret.encode())
    for place in TEXT_COLUMNS:
        forms = (
            {secret, words} if place.column == "card_text" and len(words) >= rules.SHORTEST_TEXT else {secret}
        )
        for form in forms:
            probe = form if place.form is Form.PLAIN else rules.escaped(form)
            for key, text in queries.list_rows(tx, place, namespace_id, probe):
                left = _TAKE_OUT[place.form](text, form, mark)
                if left != text:
                    queries.set_text(tx, place, key, left)
                    done.append(_told(place.table.name, place.column, key, left))
    return done


def _redact_logs(tx: Transaction, namespace_id: int, secret: str) -> list[dict[str, Any]]:
    done: list[dict[str, Any]] = []
    for run_id in queries.list_logging_runs(tx, namespace_id, secret):
        for position, left in rules.blacken(queries.list_log(tx, run_id), secret):
            queries.set_log(tx, run_id, position, left)
            done.append(_told("run_log", "text", (run_id, position), left))
    return done


def _told(table: str, column: str, key: tuple[Any, ...], left: str) -> dict[str, Any]:
    """What the event says of a row: where it is, and the digest of what is left."""
    return {"table": table, "column": column, "key": list(key), "left": Digest.of(left.encode())}


def _redact_events(
    tx: Transaction, namespace: str, model_ids: Iterable[int], secret: str, mark: str
) -> dict[int, dict[str, str]]:
    """Number → the leaf that stays in the tree, and the digest of what is left of the event."""
    done: dict[int, dict[str, str]] = {}
    bodies: dict[int, str] = {}
    for seq, body in queries.list_events(tx, namespace, model_ids, rules.escaped(secret)):
        left = rules.take_out_of_event(body, secret, mark)
        leaf = queries.find_leaf(tx, seq)
        if left != body and leaf is not None:
            bodies[seq] = left
            done[seq] = {"leaf": leaf.hex(), "left": Digest.of(left.encode())}
    queries.set_events(tx, bodies)
    return done


def _counted(rows: list[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(f"{row['table']}.{row['column']}" for row in rows))


def list_redactions(tx: Transaction, actor: Actor, namespace: str) -> list[Redaction]:
    """Newest first, for everybody who may read the namespace."""
    found = catalog.find_namespace(tx, actor, namespace)
    return [
        Redaction(
            id=event["data"]["redaction"],
            reason=event["data"]["reason"],
            places=_counted(event["data"]["rows"]),
            events=tuple(int(number) for number in event["data"]["events"]),
            seq=seq,
            by=event["actor"]["name"],
            at=event["at"],
        )
        for seq, event in queries.list_redactions(tx, found.name)
    ]
