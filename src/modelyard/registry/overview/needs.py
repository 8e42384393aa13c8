"""What waits for an account: votes, gates that its versions do not pass, quarantined versions, deployments that need
retraining, production versions that nothing watches, paused schedules, models with gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.names import ModelName
from modelyard.domain.times import MICROSECONDS
from modelyard.registry.access import rules as access
from modelyard.registry.monitoring.nouns import Needing, Unwatched
from modelyard.registry.monitoring.usecases import list_needing, list_own_unwatched
from modelyard.registry.overview import queries
from modelyard.registry.promotion import queries as promotions
from modelyard.registry.promotion.nouns import OPEN, PROMOTE, REFUSED, Promotion, PromotionFilter
from modelyard.registry.promotion.reading import list_to_review
from modelyard.registry.quarantine.usecases import list_releasable
from modelyard.registry.schedules.nouns import Schedule
from modelyard.registry.schedules.usecases import list_stopped
from modelyard.registry.stars.queries import list_starred

VOTE, GATE, QUARANTINE, RETRAINING, UNWATCHED = "vote", "gate", "quarantine", "retraining", "unwatched"
SCHEDULE, GAP = "schedule", "gap"
"""Kinds of needs, the most urgent first."""
_MOST_OF_A_KIND = 20
_GATE_DAYS = 30
_LOOK_AT = 200


class Need(msgspec.Struct, frozen=True):
    """One thing that waits for the account, with the reason in words."""

    kind: str
    model: ModelName
    version: int | None
    """None: the need is about the model."""
    promotion: int | None
    words: str
    why: str
    at: int
    schedule: int | None = None
    deployment: str | None = None


def list_needs(tx: Transaction, actor: Actor, limit: int) -> list[Need]:
    """List what waits for the actor, the most urgent kind first, newest first in each. Raises Unauthenticated."""
    access.refuse_strangers(actor)
    reviews = list_to_review(tx, actor, _MOST_OF_A_KIND, None)
    asked = {row.id for row in reviews}
    found = [
        *map(_vote, reviews),
        *(_gate(row) for row in _unmet(tx, actor) if row.id not in asked),
        *_quarantined(tx, actor),
        *map(_drifted, list_needing(tx, actor, _MOST_OF_A_KIND)),
        *map(_unwatched, list_own_unwatched(tx, actor, _MOST_OF_A_KIND)),
        *map(_paused, list_stopped(tx, actor, _MOST_OF_A_KIND)),
        *_gaps(tx, actor),
    ]
    return found[:limit]


def _vote(row: Promotion) -> Need:
    reason = f": {row.reason}" if row.reason else ""
    words = f"{row.model} v{row.number} to {row.stage} waits for you"
    return Need(VOTE, row.model, row.number, row.id, words, f"asked by {row.opened_by}{reason}", row.opened_at)


def _unmet(tx: Transaction, actor: Actor) -> Iterator[Promotion]:
    """Return the last request for each stage of the actor's own models, or by the actor, that its gate held back."""
    mine = {*queries.list_owned(tx, actor, _LOOK_AT), *list_starred(tx, actor)}
    since = tx.now - _GATE_DAYS * 24 * 3600 * MICROSECONDS
    seen: set[tuple[int, str]] = set()
    count = 0
    for row in promotions.list_promotions(tx, PromotionFilter(reader=actor, since=since), None, _LOOK_AT):
        place = row.model_id, row.stage
        if row.kind != PROMOTE or place in seen or count == _MOST_OF_A_KIND:
            continue
        seen.add(place)
        is_own = row.opened_by_id == actor.id or row.model in mine
        if is_own and row.state in (OPEN, REFUSED) and row.verdict is not None and not row.verdict.allows:
            count += 1
            yield row


def _gate(row: Promotion) -> Need:
    assert row.verdict is not None
    open_rules = row.verdict.refusals
    of = len(row.verdict.results)
    state = "was refused at" if row.state == REFUSED else "does not pass the gate to"
    words = f"{row.model} v{row.number} {state} {row.stage}"
    why = f"{len(open_rules)} of {of} rules: " + "; ".join(
        f"{result.rule} {result.measured}, needed {result.needed}" for result in open_rules[:2]
    )
    return Need(GATE, row.model, row.number, row.id, words, why[:300], row.closed_at or row.opened_at)


def _quarantined(tx: Transaction, actor: Actor) -> Iterator[Need]:
    for row in list_releasable(tx, actor, _MOST_OF_A_KIND):
        words = f"{row.model} v{row.number} is in quarantine"
        yield Need(QUARANTINE, row.model, row.number, None, words, f"scan: {row.verdict}, by {row.by}", row.at)


def _drifted(row: Needing) -> Need:
    words = f"{row.deployment} needs retraining"
    why = "; ".join(f"{each.words}, {each.value}" for each in row.reasons[:2])
    return Need(
        RETRAINING, row.model, row.version, None, words, why[:300], row.since, deployment=row.deployment
    )


def _unwatched(row: Unwatched) -> Need:
    words = f"{row.model} v{row.version} in {row.stage} is not watched"
    why = "no deployment serves it, so nothing is observed of it"
    return Need(UNWATCHED, row.model, row.version, None, words, why, row.since)


def _paused(row: Schedule) -> Need:
    words = f"Schedule {row.id} of {row.model} was paused"
    at = row.paused_at or row.created_at
    return Need(SCHEDULE, row.model, None, None, words, row.state_reason[:300], at, row.id)


def _gaps(tx: Transaction, actor: Actor) -> Iterator[Need]:
    for _, name, at, has_owner, has_card, has_policy in queries.list_edited(tx, actor, _MOST_OF_A_KIND):
        facts: Sequence[tuple[bool, str]] = (
            (has_owner, "no owner"),
            (has_card, "no card"),
            (has_policy, "no policy"),
        )
        missing = [words for present, words in facts if not present]
        if missing:
            yield Need(GAP, name, None, None, f"{name} has {_and(missing)}", "", at)


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
