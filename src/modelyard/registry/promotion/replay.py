"""Judge past promotions again under another policy, and find the differences."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.names import ModelName
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import queries as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.promotion import policy_queries, queries
from modelyard.registry.promotion.evidence import gather
from modelyard.registry.promotion.nouns import DONE, OPEN, PROMOTE, REFUSED, Promotion, PromotionFilter
from modelyard.registry.promotion.policies import checked_text, find_owner
from modelyard.registry.promotion.policy import Policy, effective
from modelyard.registry.promotion.rules import Outcome, Verdict, judge
from modelyard.registry.versions import queries as versions

MAX_REPLAYED = 2000
_JUDGED = (DONE, REFUSED, OPEN)


class Change(msgspec.Struct, frozen=True):
    """A rule that has a different result, was added or was removed; None: there was, or is, no such rule."""

    rule: str
    before: Outcome | None
    after: Outcome | None
    reason: str


class Replayed(msgspec.Struct, frozen=True):
    """One past promotion under the other policy."""

    promotion: Promotion
    allowed_then: bool
    verdict: Verdict | None
    """None: the other policy has no such stage."""
    changes: Sequence[Change]

    @property
    def differs(self) -> bool:
        return self.verdict is None or self.verdict.allows != self.allowed_then


def replay(
    tx: Transaction,
    actor: Actor,
    namespace: str,
    model: str | None,
    text: str,
    *,
    since: int,
) -> list[Replayed]:
    """Replay the promotions decided or judged since a time, oldest first; nothing is written.

    Each is judged on the reports up to the time of its decision; tags and owners are the present ones.
    Raises InvalidPolicy.
    """
    owner = find_owner(tx, actor, namespace, model)
    wanted = checked_text(tx, text, is_namespace=owner.model is None)
    concerned = [owner.model] if owner.model else _readable(tx, actor, owner.namespace.id, owner.namespace.name)
    results: list[Replayed] = []
    for found in concerned:
        above, own = policy_queries.find_policies(tx, found.namespace_id, found.id)
        names = policy_queries.names_of(tx, found)
        if owner.model is None:
            own_file = policy_queries.parsed(own.text, False).file if own else None
            policy = effective(names, wanted.file, own_file)
        else:
            above_file = policy_queries.parsed(above.text, True).file if above else None
            policy = effective(names, above_file, wanted.file)
        chosen = PromotionFilter(model_id=found.id, since=since)
        rows = queries.list_promotions(tx, chosen, None, MAX_REPLAYED)
        judged = [r for r in rows if r.kind == PROMOTE and r.verdict is not None and r.state in _JUDGED]
        results.extend(_replay_one(tx, found, policy, row) for row in judged)
    return sorted(results, key=lambda r: r.promotion.id)


def _readable(tx: Transaction, actor: Actor, namespace_id: int, namespace: str) -> list[Model]:
    found = []
    for names in policy_queries.list_models_in(tx, namespace_id).values():
        model = catalog.find_model(tx, actor, ModelName(namespace, names[0]))
        if (
            model is not None
            and model.deleted_at is None
            and access.may(actor, Permission.MODEL_READ, model.place)
        ):
            found.append(model)
    return found


def _replay_one(tx: Transaction, model: Model, policy: Policy, row: Promotion) -> Replayed:
    before = row.verdict
    assert before is not None
    entry = policy.gates.get(row.stage)
    version = versions.find_by_number(tx, model.id, row.number)
    assert version is not None
    if entry is None:
        return Replayed(row, before.allows, None, [])
    evidence = gather(
        tx,
        model,
        version,
        row.stage,
        entry,
        champion=row.seen_number,
        requester=row.opened_by,
        promoter=row.closed_by or row.opened_by,
        policy=policy,
        promotion=row,
        # An open one was last judged at the time of its evidence, and stages may have moved since.
        at=row.closed_at or queries.find_judged_at(tx, row.id),
        any_policy=True,
    )
    after = judge(entry.gate, evidence)
    return Replayed(row, before.allows, after, _changes(before, after))


def _changes(before: Verdict, after: Verdict) -> list[Change]:
    then = {r.rule: r for r in before.results}
    now = {r.rule: r for r in after.results}
    found = []
    for rule in [*then, *(r for r in now if r not in then)]:
        old, new = then.get(rule), now.get(rule)
        if old is not None and new is not None and old.outcome is new.outcome:
            continue
        reason = f"{new.measured}; needed: {new.needed}" if new else "the rule is gone"
        found.append(Change(rule, old.outcome if old else None, new.outcome if new else None, reason))
    return found
