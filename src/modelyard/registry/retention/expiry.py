"""Set retention rules, show what they would do, and carry them out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import SYSTEM, Actor, Permission
from modelyard.domain.errors import NoRetentionRule
from modelyard.domain.names import ModelName
from modelyard.domain.times import MICROSECONDS
from modelyard.registry.catalog import queries as catalog_queries
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.heartbeat import Heartbeat
from modelyard.registry.jobs.nouns import Again, Done, Ending, Job, JobKind, Outcome
from modelyard.registry.retention import expiry_queries, rules
from modelyard.registry.retention.nouns import Candidate, Expired, Judgement, Rule
from modelyard.registry.versions.rules import ARCHIVED
from modelyard.registry.versions.usecases import retire_versions

EVERY = 86_400 * MICROSECONDS
"""Time between two runs by the queue."""
FIRST_WAIT = 3_600 * MICROSECONDS
"""Time between setting a rule and its first run by the queue, for a look at what it would do."""
_RETIRED_AT_ONCE = 10
"""Versions in one transaction, so that the writer is free in between."""


class Retire(msgspec.Struct, frozen=True):
    namespace_id: int


RETENTION = JobKind("retention", Retire)


# --- the rule ----------------------------------------------------------------------------------------


def set_rule(
    tx: Transaction,
    actor: Actor,
    name: str,
    *,
    action: str = rules.ARCHIVE,
    keep_versions: int | None = None,
    keep_for: str | None = None,
) -> Rule:
    """Set the retention rule of a namespace; it replaces an earlier one. Its first run by the queue is in an hour.

    Raises Invalid, NamespaceNotFound, Denied.
    """
    namespace = catalog.find_namespace(tx, actor, name, Permission.VERSION_DELETE)
    rules.check_rule(action, keep_versions, keep_for)
    rule = Rule(action, keep_versions, keep_for)
    if expiry_queries.find_rule(tx, namespace.id) != rule:
        expiry_queries.set_rule(tx, namespace.id, rule)
        tx.append(
            events.RetentionRuleSet(
                namespace=namespace.name, action=action, keep_versions=keep_versions, keep_for=keep_for
            ),
            actor,
        )
    _enqueue(tx, namespace.id, namespace.name, tx.now + FIRST_WAIT)
    return rule


def show_rule(tx: Transaction, actor: Actor, name: str) -> Rule | None:
    """Return the retention rule of a namespace; None: it has none. Raises NamespaceNotFound."""
    return expiry_queries.find_rule(tx, catalog.find_namespace(tx, actor, name).id)


def remove_rule(tx: Transaction, actor: Actor, name: str) -> None:
    """Remove the retention rule, if there is one. Raises NamespaceNotFound, Denied."""
    namespace = catalog.find_namespace(tx, actor, name, Permission.VERSION_DELETE)
    if expiry_queries.find_rule(tx, namespace.id) is not None:
        expiry_queries.set_rule(tx, namespace.id, None)
        tx.append(events.RetentionRuleRemoved(namespace=namespace.name), actor)


def _find_rule(tx: Transaction, actor: Actor, name: str) -> tuple[int, str, Rule]:
    """Return (id of the namespace, its name, its rule) for those who may carry it out. Raises NoRetentionRule."""
    namespace = catalog.find_namespace(tx, actor, name, Permission.VERSION_DELETE)
    rule = expiry_queries.find_rule(tx, namespace.id)
    if rule is None:
        raise NoRetentionRule(namespace=namespace.name)
    return namespace.id, namespace.name, rule


# --- judging -----------------------------------------------------------------------------------------


def plan(
    tx: Transaction, actor: Actor, name: str, after: tuple[str, int] | None, count: int
) -> list[Judgement]:
    """Judge the versions of a namespace, by name of the model and newest first, without a change.

    after: (name of the model, number) of the last one of the page before. Raises NoRetentionRule, Denied.
    """
    namespace_id, namespace, rule = _find_rule(tx, actor, name)
    start, below = after or ("", 0)
    found: list[Judgement] = []
    for model_id, model in expiry_queries.list_models(tx, namespace_id, start):
        judged = judge_model(tx, rule, model_id, ModelName(namespace, model))
        found += [each for each in judged if not (after and model == start and each.number >= below)]
        if len(found) >= count:
            break
    return found[:count]


def judge_model(tx: Transaction, rule: Rule, model_id: int, model: ModelName) -> Iterator[Judgement]:
    """Judge the versions of a model that are not deleted, newest first."""
    candidates = expiry_queries.list_candidates(tx, model_id)
    stages = expiry_queries.list_stages(tx, model_id) if candidates else ()
    newer = 0
    for version in candidates:
        why = _reason_to_stay(rule, version, stages, newer, tx.now)
        unmet = rules.unmet_words(rule.keep_versions, rule.keep_for)
        yield Judgement(model, version.number, version.size_bytes, why is not None, why or f"it is {unmet}")
        newer += version.is_served


def _reason_to_stay(
    rule: Rule, version: Candidate, stages: tuple[str, ...], newer: int, now: int
) -> str | None:
    needs = rules.needs_of(
        version.aliases, version.holds, stages, version.children, version.promotions, version.kept_because
    )
    need = next(needs, None) or rules.condition_met(
        rule.keep_versions, rule.keep_for, newer, version.created_at, now
    )
    if need is None and rule.action == rules.ARCHIVE and version.state == ARCHIVED:
        return "it is archived already"
    return need


# --- carrying it out ---------------------------------------------------------------------------------


def run_rule(db: Database, actor: Actor, name: str) -> Expired:
    """Archive or delete now what the rule of a namespace does not keep. Raises NoRetentionRule, Denied."""
    namespace_id, namespace, rule = db.read(lambda tx: _find_rule(tx, actor, name))
    return _run(db, actor, namespace_id, namespace, rule, Heartbeat())


def _run(
    db: Database, actor: Actor, namespace_id: int, namespace: str, rule: Rule, heartbeat: Heartbeat
) -> Expired:
    done = Expired(rule.action)
    listed = db.read(partial(expiry_queries.list_models, namespace_id=namespace_id, start=""))
    for at, (model_id, name) in enumerate(listed):
        model = ModelName(namespace, name)
        heartbeat(at / len(listed), str(model))
        has_more = bool(db.read(partial(_going, rule=rule, model_id=model_id, model=model)))
        while has_more:
            retired, has_more = db.write(
                partial(_retire, actor=actor, rule=rule, model_id=model_id, model=model)
            )
            done.note(retired)
            heartbeat()
    return done


def _going(tx: Transaction, rule: Rule, model_id: int, model: ModelName) -> dict[int, str]:
    """Return number → reason of the versions of a model that go."""
    judged = judge_model(tx, rule, model_id, model)
    return {each.number: f"retention rule: {each.reason}" for each in judged if not each.stays}


def _retire(
    tx: Transaction, actor: Actor, rule: Rule, model_id: int, model: ModelName
) -> tuple[list[int], bool]:
    """Judge a model again and retire some of its versions. Returns their sizes, and whether more of them go."""
    present = catalog_queries.find_model(tx, actor, model)
    if present is None or present.id != model_id:
        # It was renamed or deleted in the meantime; the next run judges it.
        return [], False
    if expiry_queries.find_rule(tx, present.namespace_id) != rule:
        return [], False
    going = [*_going(tx, rule, model_id, model).items()]
    deletes = rule.action == rules.DELETE
    retired = retire_versions(tx, actor, present, dict(going[:_RETIRED_AT_ONCE]), deletes=deletes)
    return [version.size_bytes for version in retired], bool(retired) and len(going) > len(retired)


# --- by the queue ------------------------------------------------------------------------------------


def queue_rules(db: Database) -> None:
    """Queue a run for each namespace with a rule that has none, for example after a cancelled job."""

    def find(tx: Transaction) -> list[tuple[int, str]]:
        ruled = expiry_queries.list_ruled(tx)
        known = jobs.list_open_keys(tx, [RETENTION], [str(namespace_id) for namespace_id, _ in ruled])
        return [(namespace_id, name) for namespace_id, name in ruled if str(namespace_id) not in known]

    def queue(tx: Transaction) -> None:
        for namespace_id, name in find(tx):
            _enqueue(tx, namespace_id, name, tx.now + EVERY)

    if db.read(find):
        db.write(queue)


def _enqueue(tx: Transaction, namespace_id: int, name: str, at: int) -> None:
    jobs.enqueue(tx, RETENTION, Retire(namespace_id), key=str(namespace_id), namespace=name, at=at)


def run_job(db: Database, job: Job, heartbeat: Heartbeat) -> Ending:
    """Carry out the rule of a namespace; the job waits a day for its next run while the namespace has a rule."""
    namespace_id = RETENTION.read(job).namespace_id
    rule = db.read(partial(expiry_queries.find_rule, namespace_id=namespace_id))
    if rule is not None:
        assert job.namespace is not None
        _run(db, SYSTEM, namespace_id, job.namespace, rule, heartbeat)

    def end(tx: Transaction) -> Outcome:
        return Done() if expiry_queries.find_rule(tx, namespace_id) is None else Again(tx.now + EVERY)

    return end
