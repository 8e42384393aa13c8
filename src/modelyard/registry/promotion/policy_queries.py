"""SQL of policies, and their combination for a model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace

from modelyard.db.json_columns import dump_json
from modelyard.db.statement import Statement
from modelyard.db.tables import actors, model_redirects, models, namespaces, policies
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.promotion.nouns import PolicyVersion
from modelyard.registry.promotion.policy import (
    ParsedPolicy,
    Policy,
    StageGate,
    effective,
    is_for,
    parse_policy,
)
from modelyard.registry.promotion.rules import PolicyAge
from modelyard.registry.promotion.source import PolicySource
from modelyard.registry.promotion.weakening import Weakening

_p = sa.bindparam


_COLUMNS = (
    *policies.c["model_id", "number", "digest", "text", "reason", "at"],
    actors.c.name,
    *policies.c["source_url", "source_commit"],
)
_newer = policies.alias("newer")
_FIND_BOTH = Statement(
    sa.select(*_COLUMNS)
    .join(actors, actors.c.id == policies.c.actor_id)
    .where(
        policies.c.namespace_id == _p("namespace_id"),
        policies.c.model_id.in_([0, _p("model_id")]),
        policies.c.at <= _p("until"),
        ~sa.exists().where(
            _newer.c.namespace_id == policies.c.namespace_id,
            _newer.c.model_id == policies.c.model_id,
            _newer.c.number > policies.c.number,
            _newer.c.at <= _p("until"),
        ),
    )
)


def _policy_version(row: Sequence[Any]) -> PolicyVersion:
    *columns, url, commit = row
    return PolicyVersion(*columns, *[PolicySource(url, commit) if url else None])


def find_policies(
    tx: Transaction, namespace_id: int, model_id: int, until: int | None = None
) -> tuple[PolicyVersion | None, PolicyVersion | None]:
    """Return (the namespace's policy, the model's own) in force at that time; None: none."""
    rows = tx.all(
        _FIND_BOTH, namespace_id=namespace_id, model_id=model_id, until=tx.now if until is None else until
    )
    found = {row[0]: _policy_version(row) for row in rows if row[3]}
    return found.get(0), found.get(model_id) if model_id else None


def list_policies(
    tx: Transaction, namespace_id: int, model_id: int, before: int | None, limit: int
) -> list[PolicyVersion]:
    """List the texts of a policy, newest first."""
    query = (
        sa.select(*_COLUMNS)
        .join(actors, actors.c.id == policies.c.actor_id)
        .where(policies.c.namespace_id == namespace_id, policies.c.model_id == model_id)
        .order_by(policies.c.number.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(policies.c.number < before)
    return [_policy_version(row) for row in tx.rows(query)]


def insert_policy(
    tx: Transaction,
    actor: Actor,
    *,
    namespace_id: int,
    model_id: int,
    text: str,
    digest: str,
    reason: str | None,
    weakened: Sequence[Weakening],
    source: PolicySource | None,
) -> int:
    """Store a policy and return its number."""
    newest = sa.select(sa.func.coalesce(sa.func.max(policies.c.number), 0)).where(
        policies.c.namespace_id == namespace_id, policies.c.model_id == model_id
    )
    number = int(tx.execute(newest).scalar_one()) + 1
    tx.execute(
        policies.insert().values(
            namespace_id=namespace_id,
            model_id=model_id,
            number=number,
            digest=digest,
            text=text,
            reason=reason,
            at=tx.now,
            actor_id=actor.id,
            weakened=dump_json(msgspec.to_builtins(weakened)) if weakened else None,
            source_url=source.url if source else None,
            source_commit=source.commit if source else None,
        )
    )
    return number


@lru_cache(maxsize=500)
def parsed(text: str, is_namespace: bool) -> ParsedPolicy:
    """Parse a stored text, which was valid when it was stored."""
    return parse_policy(text, is_namespace=is_namespace)


@lru_cache(maxsize=2000)
def _combined(names: tuple[str, ...], namespace: tuple[int, str] | None, own: tuple[int, str] | None) -> Policy:
    sources = (
        *((f"namespace {namespace[0]}",) if namespace else ()),
        *((f"model {own[0]}",) if own else ()),
    )
    above = parsed(namespace[1], True) if namespace else None
    beside = parsed(own[1], False) if own else None
    policy = effective(names, above.file if above else None, beside.file if beside else None, sources)
    return replace(policy, text_digests=tuple(text.digest for text in (above, beside) if text))


def combine(names: Sequence[str], namespace: PolicyVersion | None, own: PolicyVersion | None) -> Policy:
    """Combine both for the model that has or had these names; the result for the same texts is remembered."""
    return _combined(
        tuple(names),
        (namespace.number, namespace.text) if namespace else None,
        (own.number, own.text) if own else None,
    )


_EARLIER_NAMES = Statement(
    sa.select(model_redirects.c.name)
    .where(model_redirects.c.model_id == _p("model_id"))
    .order_by(model_redirects.c.name)
)


def names_of(tx: Transaction, model: Model) -> list[str]:
    """Return every name that the model has or had, the present one first."""
    return [model.name.name, *(row[0] for row in tx.all(_EARLIER_NAMES, model_id=model.id))]


def effective_policy(tx: Transaction, model: Model, until: int | None = None) -> Policy:
    """Return the policy in force for a model, now or at that time."""
    namespace, own = find_policies(tx, model.namespace_id, model.id, until)
    return combine(names_of(tx, model), namespace, own)


_WEAKENED = Statement(
    sa.select(policies.c.at, actors.c.name, policies.c.weakened)
    .join(actors, actors.c.id == policies.c.actor_id)
    .where(
        policies.c.namespace_id == _p("namespace_id"),
        policies.c.model_id.in_([0, _p("model_id")]),
        policies.c.weakened.is_not(None),
        policies.c.at <= _p("until"),
    )
    .order_by(policies.c.id.desc())
)
_NEWEST_TEXT = Statement(
    sa.select(sa.func.max(policies.c.at)).where(
        policies.c.namespace_id == _p("namespace_id"),
        policies.c.model_id.in_([0, _p("model_id")]),
        policies.c.at <= _p("until"),
    )
)


def find_policy_age(
    tx: Transaction, namespace_id: int, model_id: int, names: Sequence[str], entry: StageGate, until: int
) -> PolicyAge:
    """Return how long a gate of the model has been unchanged, and who weakened it last.

    names: all that the model has or had; model_id 0 and "*" ask for the namespace's own gate.
    """
    place = {"namespace_id": namespace_id, "model_id": model_id, "until": until}
    newest = tx.one(_NEWEST_TEXT, **place)
    if newest is None or newest[0] is None:
        return PolicyAge(asks_for_approval=entry.has_approvals)
    for at, by, text in tx.all(_WEAKENED, **place):
        found = [
            each
            for each in msgspec.json.decode(text, type=list[Weakening])
            if each.stage == entry.gate.stage and is_for(each.models, names)
        ]
        if found:
            return PolicyAge(
                since=newest[0],
                weakened_at=at,
                weakened_by=by,
                weaker=list(dict.fromkeys(what for each in found for what in each.what)),
                asks_for_approval=entry.has_approvals or any(each.had_approvals for each in found),
            )
    return PolicyAge(since=newest[0], asks_for_approval=entry.has_approvals)


# --- stages, which the versions feature reads as protected aliases -------------------------------------


def set_namespace_stages(tx: Transaction, namespace_id: int, stages: Sequence[str] | None) -> None:
    tx.execute(
        namespaces.update()
        .where(namespaces.c.id == namespace_id)
        .values(protected_aliases=dump_json(list(stages)) if stages is not None else None)
    )


def set_model_stages(tx: Transaction, model_id: int, stages: Sequence[str] | None) -> None:
    tx.execute(
        models.update()
        .where(models.c.id == model_id)
        .values(protected_aliases=dump_json(list(stages)) if stages is not None else None)
    )


def list_models_in(tx: Transaction, namespace_id: int) -> dict[int, list[str]]:
    """Return every name of each model of a namespace by its id, the present one first; tombstones included."""
    query = sa.select(models.c.id, models.c.name).where(models.c.namespace_id == namespace_id)
    found = {row[0]: [row[1]] for row in tx.rows(query)}
    earlier = sa.select(model_redirects.c.model_id, model_redirects.c.name).where(
        model_redirects.c.namespace_id == namespace_id
    )
    for model_id, name in tx.rows(earlier.order_by(model_redirects.c.name)):
        found[model_id].append(name)
    return found
