"""Redact a text, and list redactions."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from modelyard.blobs.store import BlobStore
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid
from modelyard.domain.names import ModelName
from modelyard.registry.builds import packing
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


class Redaction(msgspec.Struct, frozen=True):
    """The result of one redaction. seq and by are None until its event is in the log."""

    id: str
    reason: str
    places: dict[str, int]
    """`table.column` → how many rows of it held the text."""
    events: tuple[int, ...]
    seq: int | None = None
    by: str | None = None
    at: str | None = None


def redact_text(
    tx: Transaction, blobs: BlobStore, actor: Actor, namespace: str, text: str, reason: str
) -> Redaction:
    """Remove a text for good from everything that the namespace keeps except the bytes of files.

    Neither the text nor a hash of its former place is kept. Raises Invalid for a text that is too short or does not
    occur; Denied.
    """
    found = catalog.find_namespace(tx, actor, namespace, Permission.CONTENT_REDACT)
    secret = rules.check_secret(text)
    words = catalog_rules.require_reason(reason, "a redaction")
    if secret in reason:
        raise Invalid(
            reason="the reason contains the text to redact", fix="Give a reason that does not contain the text"
        )
    tx.expect_many_rows()
    redaction = secrets.token_hex(4)
    mark = rules.mark_of(redaction)
    rows = _redact_rows(tx, found.id, secret, mark)
    rows += _redact_logs(tx, found.id, secret) + _redact_chunks(tx, blobs, found.id, secret)
    names = queries.list_models_of(tx, found.id)
    changed = _redact_events(tx, found.name, names, secret, mark)
    if not rows and not changed:
        raise Invalid(
            reason=f"the text does not occur in {found.name}",
            fix="Compare it with the shown text; the bytes of files are not searched, and can be withheld by name: "
            f"modelyard redact {found.name}/MODEL:VERSION --file PATH",
        )
    if len(rows) + len(changed) > rules.MOST_PLACES:
        raise Invalid(
            reason=f"the text occurs in more than {rules.MOST_PLACES} places, so it is a common word and not a secret",
            fix="Give the whole secret",
        )
    queries.forget_answers(tx, rules.escaped(secret))
    for model_id in queries.list_models_found_by(tx, found.id, [secret, card_words(secret.encode()) or secret]):
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
    # The searched text of a card has no markup.
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
    for build_id in queries.list_logging_builds(tx, namespace_id, secret):
        for position, left in rules.blacken(queries.list_build_log(tx, build_id), secret):
            queries.set_build_log(tx, build_id, position, left)
            done.append(_told("build_logs", "text", (build_id, position), left))
    return done


def _redact_chunks(tx: Transaction, blobs: BlobStore, namespace_id: int, secret: str) -> list[dict[str, Any]]:
    """Redact the logs of builds of which parts are in the blob store; those parts are replaced, and the old bytes collected."""
    parts = queries.list_chunked_logs(tx, namespace_id)
    if not parts:
        return []
    # The result depends on the rows and the bytes, not on when it is computed.
    key = Digest.of(repr(parts).encode())

    def work() -> dict[int, list[packing.Changed]]:
        return {build_id: packing.blacken(blobs, found, secret) for build_id, found in parts.items()}

    done: list[dict[str, Any]] = []
    for build_id, changes in tx.outside(("redacted logs", namespace_id, key), work).items():
        for each in changes:
            if each.digest is None:
                queries.set_build_log(tx, build_id, each.position, each.text)
                done.append(_told("build_logs", "text", (build_id, each.position), each.text))
            else:
                queries.replace_chunk(tx, build_id, each.position, Digest(each.digest), each.packed_bytes)
                done.append(_told("build_log_chunks", "digest", (build_id, each.position), each.digest))
    return done


def _told(table: str, column: str, key: tuple[Any, ...], left: str) -> dict[str, Any]:
    """Return the event's entry for a row: its place, and the digest of the remaining content."""
    return {"table": table, "column": column, "key": list(key), "left": Digest.of(left.encode())}


def _redact_events(
    tx: Transaction, namespace: str, model_ids: Iterable[int], secret: str, mark: str
) -> dict[int, dict[str, str]]:
    """Return number → the leaf that stays in the tree, and the digest of the remaining event."""
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
    """List redactions, newest first, for everybody who may read the namespace."""
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
