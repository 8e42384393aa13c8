"""Give a repeated request with the same idempotency key the same answer.

The key, the request and the answer are stored in the transaction of the change, per token, and kept for a week.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa

from modelyard.db.json_columns import dump_json, load_json
from modelyard.db.parameters import named
from modelyard.db.statement import Statement
from modelyard.db.tables import idempotency_keys
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import IdempotencyConflict
from modelyard.domain.times import MICROSECONDS

KEPT = 7 * 86_400 * MICROSECONDS


T = TypeVar("T")


class Answer(msgspec.Struct, Generic[T], frozen=True):
    """The encoded answer of a door for a value of type T."""

    status: int
    body: bytes
    headers: dict[str, str] = msgspec.field(default_factory=dict)


_p = sa.bindparam
_FIND = Statement(
    sa.select(
        *idempotency_keys.c["request_hash", "status", "body", "headers"],
    ).where(
        idempotency_keys.c.actor_id == _p("actor_id"),
        idempotency_keys.c.token_id == _p("token_id"),
        idempotency_keys.c.key == _p("key"),
    )
)
_STORE = Statement(
    idempotency_keys.insert().values(
        **named("actor_id", "token_id", "key", "request_hash", "status", "headers", "body"),
        created_at=_p("now"),
    )
)


def find_answer(tx: Transaction, actor: Actor, key: str, request_hash: str) -> Answer[Any] | None:
    """Return the stored answer, or None. Raises IdempotencyConflict if the key belongs to another request."""
    row = tx.one(_FIND, actor_id=actor.id, token_id=actor.token_id or 0, key=key)
    if row is None:
        return None
    if row[0] != request_hash:
        raise IdempotencyConflict(key=key)
    return Answer(row[1], row[2].encode(), {**load_json(row[3]), "idempotent-replay": "true"})


def store_answer(tx: Transaction, actor: Actor, key: str, request_hash: str, answer: Answer[Any]) -> None:
    tx.run(
        _STORE,
        actor_id=actor.id,
        token_id=actor.token_id or 0,
        key=key,
        request_hash=request_hash,
        status=answer.status,
        headers=dump_json(answer.headers),
        body=answer.body.decode(),
        now=tx.now,
    )


def forget_old_answers(tx: Transaction) -> None:
    tx.execute(idempotency_keys.delete().where(idempotency_keys.c.created_at < tx.now - KEPT))
