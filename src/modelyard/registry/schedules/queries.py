"""SQL of schedules and their firings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.json_columns import JsonText, dump_json
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    actors,
    builds,
    event_head,
    events,
    models,
    namespaces,
    schedule_firings,
    schedules,
    server_facts,
)
from modelyard.db.transaction import Transaction
from modelyard.domain import events as told
from modelyard.domain.actor import Actor, Role, Visibility
from modelyard.registry.access.queries import model_role, visible_models
from modelyard.registry.access.rules import Place
from modelyard.registry.schedules.nouns import (
    ACTIVE,
    DATASET,
    PAUSED,
    RETRAINING,
    SKIPPED,
    VERSION,
    Firing,
    Schedule,
)

_p = sa.bindparam
_s, _f = schedules.c, schedule_firings.c
_COLUMNS = (
    _s.id,
    namespaces.c.name,
    models.c.name,
    models.c.visibility,
    *_s["model_id", "owner_id"],
    actors.c.name,
    *_s["kind", "expression", "zone", "parent_id", "missed", "overlap", "jitter_seconds", "debounce_seconds"],
    *_s["pause_after", "bundle", "source", "params", "pool", "state", "state_reason", "paused_at"],
    *_s["failures", "due_at", "next_at", "waits_for", "cause", "depth", "created_at"],
)
_SCHEDULES = (
    schedules.join(models, models.c.id == _s.model_id)
    .join(namespaces, namespaces.c.id == models.c.namespace_id)
    .join(actors, actors.c.id == _s.owner_id)
)


def _schedule(row: Sequence[Any]) -> Schedule:
    """Return the schedule of a row with _COLUMNS, the recipe and the actor's role on the model."""
    place = Place(row[1], row[2], Role(row[-1]), Visibility(row[3]))
    values = (row[0], place, *row[4:17], JsonText(row[17]), JsonText(row[18]), *row[19:-1])
    return Schedule(*values)


_FIND = Statement(
    sa.select(*_COLUMNS, _s.recipe, model_role(_p("actor_id")))
    .select_from(_SCHEDULES)
    .where(_s.id == _p("schedule_id"))
)


def find_schedule(tx: Transaction, schedule_id: int, actor: Actor | None = None) -> Schedule | None:
    """Return a schedule. actor None: for the server's own work, without anybody's role."""
    row = tx.one(_FIND, actor_id=0 if actor is None else actor.id, schedule_id=schedule_id)
    return _schedule(row) if row else None


def list_schedules(
    tx: Transaction,
    actor: Actor,
    before: int | None,
    limit: int,
    *,
    namespace: str | None = None,
    model_id: int | None = None,
) -> list[Schedule]:
    """List the schedules of models that the actor may read, newest first."""
    query = (
        sa.select(*_COLUMNS, sa.literal(""), model_role(actor.id))
        .select_from(_SCHEDULES)
        .where(visible_models(actor))
        .order_by(_s.id.desc())
        .limit(limit)
    )
    if namespace is not None:
        query = query.where(namespaces.c.name == namespace)
    if model_id is not None:
        query = query.where(_s.model_id == model_id)
    if before is not None:
        query = query.where(_s.id < before)
    return [_schedule(row) for row in tx.rows(query)]


def list_paused_of(tx: Transaction, actor: Actor, limit: int) -> list[Schedule]:
    """List the actor's own schedules that are paused, and whose models it may still read."""
    query = (
        sa.select(*_COLUMNS, sa.literal(""), model_role(actor.id))
        .select_from(_SCHEDULES)
        .where(visible_models(actor), _s.owner_id == actor.id, _s.state == PAUSED)
        .order_by(_s.paused_at.desc())
        .limit(limit)
    )
    return [_schedule(row) for row in tx.rows(query)]


def count_of_model(tx: Transaction, model_id: int) -> int:
    return int(tx.execute(sa.select(sa.func.count()).where(_s.model_id == model_id)).scalar_one())


def insert_schedule(tx: Transaction, **values: Any) -> int:
    if tx.is_sqlite:
        # SQLite would give the number of a deleted schedule again, whose builds are still there.
        used = [sa.select(sa.func.max(column)).scalar_subquery() for column in (_s.id, builds.c.schedule_id)]
        values["id"] = max(0, *(number or 0 for number in tx.rows(sa.select(*used))[0])) + 1
    insert = schedules.insert().values(**_stored(values), created_at=tx.now)
    return int(tx.execute(insert.returning(_s.id)).scalar_one())


def update_schedule(tx: Transaction, schedule_id: int, **values: Any) -> None:
    tx.execute(schedules.update().where(_s.id == schedule_id).values(**_stored(values)))


def pause(tx: Transaction, schedule_id: int, reason: str) -> None:
    update_schedule(
        tx,
        schedule_id,
        state=PAUSED,
        state_reason=reason,
        paused_at=tx.now,
        due_at=None,
        next_at=None,
        waits_for=None,
        cause="",
    )


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dump_json(value) if isinstance(value, dict) else value for name, value in values.items()}


def delete_schedule(tx: Transaction, schedule_id: int) -> None:
    tx.execute(schedule_firings.delete().where(_f.schedule_id == schedule_id))
    tx.execute(schedules.delete().where(_s.id == schedule_id))


# --- times that are due ----------------------------------------------------------------------------------

_LIST_DUE = Statement(
    sa.select(_s.id, _s.next_at).where(_s.next_at <= _p("now")).order_by(_s.next_at).limit(_p("most"))
)
_MOVE = Statement(
    schedules.update()
    .where(_s.id == _p("of_schedule"), _s.next_at == _p("seen"))
    .values(
        due_at=_p("new_due", required=True),
        next_at=_p("new_next", required=True),
        waits_for=None,
        cause="",
        depth=1,
    )
)


def list_due(tx: Transaction, limit: int) -> list[tuple[int, int]]:
    """List (id, time to start the build) of schedules that are due, the longest due first."""
    return [(row[0], row[1]) for row in tx.all(_LIST_DUE, now=tx.now, most=limit)]


def list_moved_ahead(tx: Transaction, after: int) -> list[int]:
    """List the active schedules for whose times later than a moment it is already decided what became of them."""
    newest = sa.select(_f.schedule_id).where(_f.last_due_at > after)
    query = sa.select(_s.id).where(_s.next_at > after, _s.waits_for.is_(None), _s.id.in_(newest))
    return [row[0] for row in tx.rows(query)]


def move_on(tx: Transaction, schedule_id: int, seen: int, due_at: int | None, next_at: int | None) -> bool:
    """Move a schedule on to its next time, if it still has the one that was seen. Returns False if somebody else moved it."""
    done = tx.run(_MOVE, of_schedule=schedule_id, seen=seen, new_due=due_at, new_next=next_at)
    return bool(done.rowcount > 0)


def wake_waiting(tx: Transaction, build: str) -> None:
    """Have the time of a schedule that waits for a build start now."""
    tx.execute(schedules.update().where(_s.waits_for == build, _s.next_at > tx.now).values(next_at=tx.now))


# --- firings ---------------------------------------------------------------------------------------------

_FIRING = (
    *_f["id", "due_at", "last_due_at", "count", "outcome", "reason", "cause", "build", "depth"],
    _f.decided_at,
)
_LAST = Statement(
    sa.select(*_FIRING).where(_f.schedule_id == _p("schedule_id")).order_by(_f.id.desc()).limit(1)
)
_DECIDED = Statement(
    sa.select(_f.id)
    .where(_f.schedule_id == _p("schedule_id"), _f.due_at <= _p("due"), _f.last_due_at >= _p("due"))
    .limit(1)
)


def find_last(tx: Transaction, schedule_id: int) -> Firing | None:
    row = tx.one(_LAST, schedule_id=schedule_id)
    return Firing(*row) if row else None


def find_lasts(tx: Transaction, ids: Sequence[int]) -> dict[int, Firing]:
    """Return the newest firing of each of the schedules that have one."""
    newest = sa.select(sa.func.max(_f.id)).where(_f.schedule_id.in_(ids)).group_by(_f.schedule_id)
    rows = tx.rows(sa.select(*_FIRING, _f.schedule_id).where(_f.id.in_(newest)))
    return {row[-1]: Firing(*row[:-1]) for row in rows}


def is_decided(tx: Transaction, schedule_id: int, due_at: int) -> bool:
    """Return whether it was decided before what becomes of a time."""
    return tx.one(_DECIDED, schedule_id=schedule_id, due=due_at) is not None


def find_newest_time(tx: Transaction, schedule_id: int) -> int:
    query = sa.select(sa.func.max(_f.last_due_at)).where(_f.schedule_id == schedule_id)
    return int(tx.execute(query).scalar_one() or 0)


def insert_firing(tx: Transaction, schedule_id: int, **values: Any) -> None:
    tx.execute(schedule_firings.insert().values(schedule_id=schedule_id, decided_at=tx.now, **values))


def extend_firing(tx: Transaction, firing_id: int, last_due_at: int, count: int) -> None:
    tx.execute(
        schedule_firings.update()
        .where(_f.id == firing_id)
        .values(last_due_at=last_due_at, count=count, decided_at=tx.now)
    )


def forget_future_skips(tx: Transaction, schedule_id: int) -> None:
    """Delete the record of skipped times that have not come yet: a clock that was ahead passed over them."""
    tx.execute(
        schedule_firings.delete().where(
            _f.schedule_id == schedule_id, _f.outcome == SKIPPED, _f.last_due_at > tx.now
        )
    )


def list_firings(tx: Transaction, schedule_id: int, before: int | None, limit: int) -> list[Firing]:
    query = sa.select(*_FIRING).where(_f.schedule_id == schedule_id).order_by(_f.id.desc()).limit(limit)
    if before is not None:
        query = query.where(_f.id < before)
    return [Firing(*row) for row in tx.rows(query)]


def forget_firings(tx: Transaction, before: int, limit: int) -> int:
    some = sa.select(_f.id).where(_f.decided_at < before).limit(limit)
    return int(tx.execute(schedule_firings.delete().where(_f.id.in_(some))).rowcount)


def count_by_state(tx: Transaction) -> dict[str, int]:
    """Return state → number of schedules."""
    query = sa.select(_s.state, sa.func.count()).group_by(_s.state)
    return {row[0]: row[1] for row in tx.rows(query)}


# --- events ----------------------------------------------------------------------------------------------

_CURSOR = "schedules.next_seq"
_FIND_CURSOR = Statement(sa.select(server_facts.c.value).where(server_facts.c.key == _CURSOR))
_SIZE = Statement(sa.select(event_head.c.size).where(event_head.c.id == 1))


def find_log_size(tx: Transaction) -> int:
    row = tx.one(_SIZE)
    return int(row[0]) if row else 0


def find_cursor(tx: Transaction) -> int | None:
    row = tx.one(_FIND_CURSOR)
    return None if row is None else int(row[0])


def begin_cursor(tx: Transaction) -> None:
    """Look at events from now on, unless somebody began before."""
    insert = postgresql.insert(server_facts).values(key=_CURSOR, value=str(find_log_size(tx)))
    tx.execute(insert.on_conflict_do_nothing(index_elements=["key"]))


def move_cursor(tx: Transaction, before: int, after: int) -> bool:
    """Move the cursor. Returns False if somebody else has moved it."""
    update = (
        server_facts.update()
        .where(server_facts.c.key == _CURSOR, server_facts.c.value == str(before))
        .values(value=str(after))
    )
    return tx.execute(update).rowcount > 0


_e = events.c
_OF_VERSIONS = sa.or_(
    *(_e.kind == event.kind for event in (told.VersionRegistered, told.AliasMoved, told.VersionPromoted))
)
_PARENTS = sa.select(_s.parent_id).where(_s.kind == VERSION, _s.state == ACTIVE)
_LIST_EVENTS = Statement(
    sa.select(_e.seq, _e.at, _e.model_id, _e.actor_id, _e.body)
    .where(
        _e.seq >= _p("start"),
        _e.seq < _p("end"),
        sa.or_(
            sa.and_(_OF_VERSIONS, _e.model_id.in_(_PARENTS)),
            sa.and_(
                _e.kind == told.DatasetNoted.kind,
                sa.exists().where(_s.kind == DATASET, _s.state == ACTIVE).correlate(None),
            ),
            sa.and_(
                _e.kind == told.DeploymentNeedsRetraining.kind,
                sa.exists().where(_s.kind == RETRAINING, _s.state == ACTIVE).correlate(None),
            ),
            sa.and_(_e.kind == told.BuildEnded.kind, sa.exists().where(_s.id > 0).correlate(None)),
        ),
    )
    .order_by(_e.seq)
)


def list_events(
    tx: Transaction, start: int, end: int
) -> list[tuple[int, int, int, int, JsonText[dict[str, Any]]]]:
    """List (seq, time, model id, actor id, body) of the events that some schedule may wait for. Most are not among them: a busy
    server registers a thousand versions a second, and its writer reads this."""
    rows = tx.all(_LIST_EVENTS, start=start, end=end)
    return [(row[0], row[1], row[2], row[3], JsonText(row[4])) for row in rows]


def list_triggers(
    tx: Transaction, kind: str, seq: int, *, expression: str | None = None, parent_id: int | None = None
) -> list[tuple[int, str]]:
    """List (id, expression) of the active triggers that look at an event about a dataset, or about a model."""
    query = sa.select(_s.id, _s.expression).where(_s.kind == kind, _s.state == ACTIVE).order_by(_s.id)
    query = query.where(_s.from_seq <= seq)
    query = query.where(_s.parent_id == parent_id if expression is None else _s.expression == expression)
    return [(row[0], row[1]) for row in tx.rows(query)]


def find_depth(
    tx: Transaction, *, at: int, actor_id: int, namespace: str | None, model_id: int, version: int | None
) -> int:
    """Return how many builds had started each other up to the one behind an event; 0: no schedule started one.

    The build that registered the version, or else any that the same account had running in the namespace then: an event does not
    name the build whose agent caused it, and an unrelated one only makes the number larger.
    """
    b = builds.c
    running = sa.and_(
        b.requested_by == actor_id,
        namespaces.c.name == namespace,
        b.created_at <= at,
        sa.or_(b.ended_at.is_(None), b.ended_at >= at),
    )
    caused = running
    if version is not None:
        caused = sa.or_(running, sa.and_(b.model_id == model_id, b.version_number == version))
    query = (
        sa.select(sa.func.max(_f.depth))
        .select_from(
            builds.join(models, models.c.id == b.model_id)
            .join(namespaces, namespaces.c.id == models.c.namespace_id)
            .join(schedule_firings, _f.build == b.uid)
        )
        .where(b.schedule_id.is_not(None), caused)
    )
    return int(tx.execute(query).scalar_one() or 0)


def find_schedule_of(tx: Transaction, build: str) -> int | None:
    """Return the schedule that started a build; None: none did."""
    rows = tx.rows(sa.select(builds.c.schedule_id).where(builds.c.uid == build))
    return rows[0][0] if rows else None
