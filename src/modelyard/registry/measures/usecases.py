"""Measure how models get into a stage."""

from __future__ import annotations

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.times import month_of, month_start
from modelyard.registry.access.rules import refuse_strangers
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.measures import queries, rules
from modelyard.registry.measures.nouns import Measures, Month, MonthCounts

STAGE = "production"
_LATELY = 3
"""Months whose contributors are counted: the present one and those before it."""
MOST_ROLLBACKS = 200
MOST_MODELS = 50


def show_measures(
    tx: Transaction,
    actor: Actor,
    *,
    since: str | None = None,
    namespace: str | None = None,
    stage: str = STAGE,
) -> Measures:
    """Measure the models that the actor may read. since: the first month, for example 2026-03; None: a year.

    Raises Invalid for another form of it, Unauthenticated for strangers, NamespaceNotFound.
    """
    refuse_strangers(actor)
    if namespace is not None:
        catalog.find_namespace(tx, actor, namespace)
    names = rules.list_months(since, tx.now)
    start = month_start(names[0])
    scope = queries.scope_of(actor, namespace)
    registered = queries.list_registered(tx, scope, names)
    moves = queries.list_moves(tx, scope, stage, start)
    leads = rules.by_month(names, ((move.at, move) for move in moves))
    promoted = rules.by_month(names, ((at, at) for at in queries.list_promoted(tx, scope, stage, start)))
    requests = rules.by_month(
        names, ((each.at, each) for each in queries.list_first_requests(tx, scope, stage, start))
    )
    rollbacks = queries.list_rollbacks(tx, scope, stage, start)
    undone = rules.by_month(names, ((each.at, each) for each in rollbacks))
    months = []
    for n, name in enumerate(names):
        seconds = rules.lead_seconds(leads[n])
        pushed = sum(each.size_bytes for each in registered[n])
        mean, facts = rules.mean_completeness(registered[n])
        months.append(
            Month(
                name=rules.month_name(name),
                registered=sum(each.count for each in registered[n]),
                completeness=mean,
                facts=facts,
                promoted=len(promoted[n]),
                rolled_back=len(undone[n]),
                lead_median=rules.quantile(seconds, 0.5),
                lead_slow=rules.quantile(seconds, 0.9),
                requested=len(requests[n]),
                first_try=sum(each.is_done for each in requests[n]),
                pushed_bytes=pushed,
                reused_bytes=max(0, pushed - sum(each.new_bytes for each in registered[n])),
            )
        )
    since_then = names[-1] - _LATELY + 1
    people, alone, example = queries.list_contributors(tx, scope, since_then, since_then - _LATELY, MOST_MODELS)
    sentence = rules.sentence_of(stage, months, alone, example)
    return Measures(stage, sentence, months, rollbacks[:MOST_ROLLBACKS], people)


def count_this_month(tx: Transaction, actor: Actor, stage: str = STAGE) -> tuple[MonthCounts, MonthCounts]:
    """Count what happened to the models that the actor may read: this month, and in the one before it.

    Raises Unauthenticated for strangers.
    """
    refuse_strangers(actor)
    present = month_of(tx.now)
    names = [present - 1, present]
    start, scope = month_start(names[0]), queries.scope_of(actor, None)
    registered = queries.list_registered(tx, scope, names)
    promoted = rules.by_month(names, ((at, at) for at in queries.list_promoted(tx, scope, stage, start)))
    undone = rules.by_month(
        names, ((each.at, each) for each in queries.list_rollbacks(tx, scope, stage, start))
    )
    before, now = (
        MonthCounts(
            rules.month_name(name),
            sum(each.count for each in registered[n]),
            len(promoted[n]),
            len(undone[n]),
        )
        for n, name in enumerate(names)
    )
    return now, before
