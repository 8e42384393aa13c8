"""Decide times that are due, and turn events into times of triggers.

Every server process does this; nothing is agreed on between them. One transaction moves the schedule on if its next time is
still the one that was seen, queues the build and records the outcome. A process that is killed at any point leaves either
all of this or nothing; a second process finds the schedule moved on, and does nothing.

A clock that goes back starts nothing again: a schedule only moves to later times, and a time with an outcome is never decided
a second time. If the clock had been far ahead, the next time is computed again from the right one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import SYSTEM, Actor
from modelyard.domain.errors import ModelyardError
from modelyard.domain.names import ModelName
from modelyard.domain.times import seconds
from modelyard.registry.access import usecases as accounts
from modelyard.registry.builds import queries as build_queries
from modelyard.registry.builds import usecases as builds
from modelyard.registry.builds.nouns import CANCELLED, SUCCEEDED, BuildView
from modelyard.registry.builds.pools import Pools
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.datasets import usecases as datasets
from modelyard.registry.deployments.showing import find_deployment
from modelyard.registry.schedules import queries, rules, timing
from modelyard.registry.schedules.nouns import (
    ACTIVE,
    DATASET,
    PAUSED,
    REPLACE,
    RETRAINING,
    SKIP,
    SKIPPED,
    STARTED,
    VERSION,
    Schedule,
)

_AT_ONCE = 100
_AHEAD = seconds(3600)
"""A schedule whose newest time lies further in the future was moved on by a clock that was ahead."""
_LOOK_AT = 2000
_FORGET_AT_ONCE = 1000


def fire_due(db: Database, settings: catalog.CatalogSettings, pools: Pools) -> int:
    """Decide the times that are due, at most a hundred. Returns their number."""
    due = db.read(lambda tx: queries.list_due(tx, _AT_ONCE))
    for schedule_id, seen in due:
        db.write(lambda tx, s=schedule_id, n=seen: decide(tx, settings, pools, s, n))  # type: ignore[misc]
    return len(due)


def decide(
    tx: Transaction, settings: catalog.CatalogSettings, pools: Pools, schedule_id: int, seen: int
) -> None:
    """Decide the time of a schedule that is due, unless somebody else has done it. seen: its `next_at`."""
    schedule = queries.find_schedule(tx, schedule_id)
    if schedule is None or schedule.state != ACTIVE or schedule.next_at != seen or seen > tx.now:
        return
    assert schedule.due_at is not None
    # Its events say if they change rights.
    tx.leaves_rights = True
    due, following = _choose(schedule, tx.now)
    next_at = None if following is None else timing.with_jitter(schedule.id, following, schedule.jitter_seconds)
    if not queries.move_on(tx, schedule.id, seen, following, next_at):
        return
    if due > schedule.due_at:
        why = (
            f"build {schedule.waits_for[:12]} was still running; the latest of the times that waited counts"
            if schedule.waits_for
            else "missed: no server was running, or it was too busy"
        )
        _skip_several(tx, schedule, due, why)
    if queries.is_decided(tx, schedule.id, due):
        return
    late = tx.now - timing.with_jitter(schedule.id, due, schedule.jitter_seconds)
    if (
        schedule.missed == SKIP
        and not schedule.is_trigger
        and schedule.waits_for is None
        and late > rules.LATE_AFTER
    ):
        _skip(tx, schedule, due, "missed: no server was running, or it was too busy")
        return
    _start(tx, settings, pools, schedule, due)


def _choose(schedule: Schedule, now: int) -> tuple[int, int | None]:
    """Return (the time to decide, the time after it). Of several that have passed, the latest counts."""
    assert schedule.due_at is not None
    if schedule.is_trigger:
        return schedule.due_at, None
    clock = rules.timing_of(schedule)
    # Times within the jitter before now may not be due yet.
    due = clock.latest(now - seconds(schedule.jitter_seconds), schedule.due_at)
    return due, clock.after(due)


def _start(
    tx: Transaction, settings: catalog.CatalogSettings, pools: Pools, schedule: Schedule, due: int
) -> None:
    """Start the build of a time, or record why not. The rights of the schedule's account are asked now."""
    account = accounts.find_account(tx, schedule.owner_id)
    if account is None:
        _pause(tx, schedule, due, f"the account {schedule.owner} was disabled or deleted")
        return
    if schedule.depth > rules.MOST_DEPTH:
        _skip(
            tx,
            schedule,
            due,
            f"{rules.MOST_DEPTH} builds have started each other up to this one: the triggers form a circle",
        )
        return
    open_builds = build_queries.list_open_of_schedule(tx, schedule.id)
    if open_builds and schedule.overlap == SKIP:
        _skip(tx, schedule, due, f"build {open_builds[-1][:12]} was still running")
        return
    if open_builds and schedule.overlap != REPLACE:
        _wait(tx, schedule, due, open_builds[-1])
        return
    actor = account.to_actor()
    try:
        view = _submit(tx, settings, pools, schedule, actor, open_builds)
    except ModelyardError as error:
        if rules.pauses_for(error):
            _pause(tx, schedule, due, str(error))
        else:
            _skip(tx, schedule, due, str(error))
        return
    queries.insert_firing(
        tx,
        schedule.id,
        due_at=due,
        last_due_at=due,
        count=1,
        outcome=STARTED,
        cause=schedule.cause,
        build=view.build.uid,
        depth=schedule.depth,
    )


def _submit(
    tx: Transaction,
    settings: catalog.CatalogSettings,
    pools: Pools,
    schedule: Schedule,
    actor: Actor,
    open_builds: list[str],
) -> BuildView:
    # A model that was deleted meanwhile must not be created again.
    catalog.find_open_model(tx, actor, schedule.model, rules.MANAGE)
    if schedule.kind == DATASET:
        namespace, _, name = schedule.expression.partition("/")
        datasets.find_content(tx, actor, namespace, name, None)
    elif schedule.kind == VERSION:
        catalog.find_model(tx, actor, ModelName.parse(rules.parse_parent(schedule.expression)[0]))
    elif schedule.kind == RETRAINING:
        namespace, _, name = schedule.expression.partition("/")
        find_deployment(tx, actor, namespace, name)
    request = builds.BuildRequest(
        schedule.recipe,
        schedule.bundle,
        str(schedule.model),
        schedule.params.value,
        schedule.pool,
        schedule.source.value,
    )
    recipe = builds.parse_request(request)
    view = builds.start_build(tx, actor, settings, pools, request, recipe, schedule=schedule.id)
    for uid in open_builds:
        builds.cancel_build(tx, actor, uid)
    return view


def _wait(tx: Transaction, schedule: Schedule, due: int, build: str) -> None:
    """Let a time wait for the end of a build. Later ones join it, and only one build follows."""
    queries.update_schedule(
        tx,
        schedule.id,
        due_at=due,
        next_at=tx.now + rules.LOOK_AGAIN,
        waits_for=build,
        cause=schedule.cause,
        depth=schedule.depth,
    )


# --- what became of a time -------------------------------------------------------------------------------


def free_due(tx: Transaction, schedule_id: int, at: int) -> int:
    """Return a moment for an outcome that no time of the schedule has, at or after `at`."""
    return (
        max(at, queries.find_newest_time(tx, schedule_id) + 1)
        if queries.is_decided(tx, schedule_id, at)
        else at
    )


def _skip(
    tx: Transaction, schedule: Schedule, due: int, reason: str, *, last: int | None = None, count: int = 1
) -> None:
    """Record that a time, or several, started no build. The same reason twice in a row is one entry with a count."""
    reason, last = rules.reason_text(reason), due if last is None else last
    before = queries.find_last(tx, schedule.id)
    if before is not None and (before.outcome, before.reason, before.cause) == (
        SKIPPED,
        reason,
        schedule.cause,
    ):
        queries.extend_firing(tx, before.id, last, before.count + count)
        return
    queries.insert_firing(
        tx,
        schedule.id,
        due_at=due,
        last_due_at=last,
        count=count,
        outcome=SKIPPED,
        reason=reason,
        cause=schedule.cause,
        depth=schedule.depth,
    )


def _skip_several(tx: Transaction, schedule: Schedule, end: int, reason: str) -> None:
    """Record that the times before `end` start no build of their own."""
    assert schedule.due_at is not None
    start = schedule.due_at
    count, last = rules.timing_of(schedule).count(start, end)
    if queries.is_decided(tx, schedule.id, start):
        return
    _skip(tx, schedule, start, reason, last=last, count=count)


def _pause(tx: Transaction, schedule: Schedule, due: int | None, reason: str) -> None:
    """Pause a schedule in the name of the server. due: the time that starts no build for it; None: none does."""
    reason = rules.reason_text(reason)
    if due is not None:
        _skip(tx, schedule, due, reason)
    queries.pause(tx, schedule.id, reason)
    tx.append(
        events.SchedulePaused(**events.about(schedule.model), schedule=schedule.id, reason=reason),
        SYSTEM,
        schedule.model_id,
    )


# --- events ----------------------------------------------------------------------------------------------


def begin_events(db: Database) -> None:
    """Look at all events from now on. Without it, events before the first `follow_events` would be left out."""
    db.write(queries.begin_cursor)


def follow_events(db: Database) -> bool:
    """Look at the next events: triggers wait for them, and schedules for the ends of their builds. Returns whether there
    may be more."""

    def look(tx: Transaction) -> tuple[int | None, int, bool]:
        cursor, size = queries.find_cursor(tx), queries.find_log_size(tx)
        if cursor is None or cursor >= size:
            return cursor, size, False
        end = min(size, cursor + _LOOK_AT)
        return cursor, end, bool(queries.list_events(tx, cursor, end))

    cursor, end, concerns_us = db.read(look)
    if cursor is None:
        begin_events(db)
        return False
    # Other events are passed over together, which saves a write for each.
    if not concerns_us and end - cursor < _LOOK_AT:
        return False
    db.write(lambda tx: _follow(tx, cursor, end))
    return True


def _follow(tx: Transaction, start: int, end: int) -> None:
    tx.leaves_rights = True
    if not queries.move_cursor(tx, start, end):
        return
    for seq, at, model_id, actor_id, body in queries.list_events(tx, start, end):
        event = body.value
        kind, data = event["kind"], event["data"]
        if kind == events.BuildEnded.kind:
            _note_end(tx, data)
            continue
        if kind == events.DeploymentNeedsRetraining.kind:
            found = queries.list_triggers(tx, RETRAINING, seq, expression=data["deployment"])
            cause = f"{data['deployment']} needs retraining: {'; '.join(data['reasons'])}"[: rules.MAX_REASON]
        elif kind == events.DatasetNoted.kind:
            name = f"{event['namespace']}/{data['dataset']}"
            found = queries.list_triggers(tx, DATASET, seq, expression=name)
            cause = f"{name}@{data['digest'][:19]}"
        else:
            reached = data.get("alias") or data.get("stage") or ""
            wanted = [
                (i, rules.parse_parent(e)[1])
                for i, e in queries.list_triggers(tx, VERSION, seq, parent_id=model_id)
            ]
            found = [(i, alias) for i, alias in wanted if alias == reached]
            cause = f"{event['model']}:{event['version']}" + (f" at @{reached}" if reached else "")
        if found:
            depth = 1 + queries.find_depth(
                tx,
                at=at,
                actor_id=actor_id,
                namespace=event.get("namespace"),
                model_id=model_id,
                version=event.get("version"),
            )
            for schedule_id, _ in found:
                _trigger(tx, schedule_id, cause, depth)


def _trigger(tx: Transaction, schedule_id: int, cause: str, depth: int) -> None:
    """Have a trigger start a build once its debounce has passed. If it already waits to do so, the build is for both."""
    schedule = queries.find_schedule(tx, schedule_id)
    if schedule is None or schedule.state != ACTIVE:
        return
    values: dict[str, Any] = {"cause": cause, "depth": depth}
    if schedule.next_at is None:
        at = tx.now + seconds(schedule.debounce_seconds)
        values |= {"due_at": free_due(tx, schedule_id, at), "next_at": at}
    else:
        values["depth"] = max(depth, schedule.depth)
    queries.update_schedule(tx, schedule_id, **values)


def _note_end(tx: Transaction, data: Mapping[str, Any]) -> None:
    """Wake the time that waits for the build, count its failure, and pause its schedule after too many in a row."""
    queries.wake_waiting(tx, data["build"])
    schedule_id = queries.find_schedule_of(tx, data["build"])
    schedule = None if schedule_id is None else queries.find_schedule(tx, schedule_id)
    if schedule is None or schedule.state == PAUSED or data["status"] == CANCELLED:
        return
    failures = 0 if data["status"] == SUCCEEDED else schedule.failures + 1
    if failures != schedule.failures:
        queries.update_schedule(tx, schedule.id, failures=failures)
    if schedule.pause_after and failures >= schedule.pause_after:
        last = f"{data['build'][:12]} {data['status']}" + (f": {data['reason']}" if data["reason"] else "")
        many = "its last build" if failures == 1 else f"its last {failures} builds"
        _pause(tx, schedule, None, f"{many} did not succeed ({last})")


# --- now and then ----------------------------------------------------------------------------------------


def set_right(db: Database) -> None:
    """Compute the next times again of schedules that a clock far ahead has moved on, from the time of now."""
    ahead = db.read(lambda tx: queries.list_moved_ahead(tx, tx.now + _AHEAD))
    for schedule_id in ahead:
        db.write(lambda tx, each=schedule_id: _set_right(tx, each))  # type: ignore[misc]


def _set_right(tx: Transaction, schedule_id: int) -> None:
    tx.leaves_rights = True
    schedule = queries.find_schedule(tx, schedule_id)
    if schedule is None or schedule.state != ACTIVE or schedule.is_trigger or schedule.next_at is None:
        return
    due = rules.timing_of(schedule).after(tx.now)
    if due is not None and due < (schedule.due_at or 0):
        next_at = timing.with_jitter(schedule.id, due, schedule.jitter_seconds)
        if queries.move_on(tx, schedule.id, schedule.next_at, due, next_at):
            queries.forget_future_skips(tx, schedule.id)


def forget_firings(tx: Transaction) -> bool:
    """Delete some outcomes that are old enough. Returns whether there may be more."""
    tx.leaves_rights = True
    return queries.forget_firings(tx, tx.now - rules.KEEP_FIRINGS, _FORGET_AT_ONCE) >= _FORGET_AT_ONCE
