"""SQL of builds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from modelyard.db.json_columns import JsonText, dump_json, load_json, load_noun
from modelyard.db.lists import grouped
from modelyard.db.parameters import named
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    actors,
    blobs,
    build_attempts,
    build_steps,
    builds,
    checks,
    models,
    namespaces,
    promotions,
    runs,
    version_tags,
    versions,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Role, Visibility
from modelyard.domain.names import ModelName
from modelyard.registry.access.queries import model_role, visible_models
from modelyard.registry.access.rules import Place
from modelyard.registry.builds.nouns import (
    SUCCEEDED,
    Build,
    BuildAttempt,
    BuildStep,
    Findings,
    Input,
    OldBuild,
    Pins,
)
from modelyard.registry.builds.rules import BUILD_TAG, OpenBuild

_p = sa.bindparam
NO_PINS = Pins()

_COLUMNS = (
    builds.c.id,
    builds.c.uid,
    namespaces.c.name,
    models.c.name,
    models.c.visibility,
    *builds.c["model_id", "status", "reason", "pool", "bundle", "source", "params", "rerun_of", "schedule_id"],
    *builds.c["reproduces", "parent", "pins", "verdict", "attempt", "step"],
    *builds.c["version_number", "promotion_id"],
    promotions.c.state,
    *builds.c["log_bytes", "revision", "requested_by"],
    actors.c.name,
    *builds.c["created_at", "started_at", "cancel_asked_at", "ended_at", "priority"],
)
_BUILDS = (
    builds.join(models, models.c.id == builds.c.model_id)
    .join(namespaces, namespaces.c.id == models.c.namespace_id)
    .join(actors, actors.c.id == builds.c.requested_by)
    .outerjoin(promotions, promotions.c.id == builds.c.promotion_id)
)


def _build(row: Sequence[Any]) -> Build:
    """Return the build of a row with _COLUMNS, the recipe and the actor's role on the model."""
    place = Place(row[2], row[3], Role(row[-1]), Visibility(row[4]))
    values = (*row[:2], place, *row[5:10], JsonText(row[10]), JsonText(row[11]), *row[12:16], JsonText(row[16]))
    return Build(*values, *row[17:-1])


_FIND = Statement(
    sa.select(*_COLUMNS, builds.c.recipe, model_role(_p("actor_id")))
    .select_from(_BUILDS)
    .where(builds.c.uid == _p("uid"))
)
_FIND_BY_ID = Statement(
    sa.select(*_COLUMNS, builds.c.recipe, model_role(_p("actor_id")))
    .select_from(_BUILDS)
    .where(builds.c.id == _p("build_id"))
)


def find_build(tx: Transaction, actor: Actor, uid: str) -> Build | None:
    row = tx.one(_FIND, actor_id=actor.id, uid=uid)
    return _build(row) if row else None


def find_by_uid(tx: Transaction, uid: str) -> Build | None:
    """Return a build for the server's own work, without anybody's role."""
    row = tx.one(_FIND, actor_id=0, uid=uid)
    return _build(row) if row else None


def find_by_id(tx: Transaction, build_id: int) -> Build | None:
    """Return a build for the server's own work, without anybody's role."""
    row = tx.one(_FIND_BY_ID, actor_id=0, build_id=build_id)
    return _build(row) if row else None


class BuildSearch(msgspec.Struct, frozen=True):
    """All given conditions hold at once."""

    uid: str | None = None
    """What the id begins with."""
    namespace: str | None = None
    model_id: int | None = None
    status: str | None = None
    statuses: Sequence[str] = ()
    """Any of these; empty: all."""
    pool: str | None = None
    ended_after: int | None = None
    schedule_id: int | None = None


def list_builds(
    tx: Transaction, actor: Actor, search: BuildSearch, before: int | None, limit: int
) -> list[Build]:
    """List the builds of models that the actor may read, newest first."""
    query = (
        sa.select(*_COLUMNS, sa.literal(""), model_role(actor.id))
        .select_from(_BUILDS)
        .where(visible_models(actor))
        .order_by(builds.c.id.desc())
        .limit(limit)
    )
    if search.uid is not None:
        # A range, which both databases look up in the index; ids have no digit after f.
        query = query.where(builds.c.uid >= search.uid, builds.c.uid < f"{search.uid}g")
    if search.namespace is not None:
        query = query.where(namespaces.c.name == search.namespace)
    if search.model_id is not None:
        query = query.where(builds.c.model_id == search.model_id)
    if search.status is not None:
        query = query.where(builds.c.status == search.status)
    if search.statuses:
        query = query.where(builds.c.status.in_(search.statuses))
    if search.pool is not None:
        query = query.where(builds.c.pool == search.pool)
    if search.ended_after is not None:
        query = query.where(builds.c.ended_at > search.ended_after)
    if search.schedule_id is not None:
        query = query.where(builds.c.schedule_id == search.schedule_id)
    if before is not None:
        query = query.where(builds.c.id < before)
    return [_build(row) for row in tx.rows(query)]


def list_step_states(tx: Transaction, build_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return id → states of the steps of its newest attempt, of the builds that have begun one."""
    query = (
        sa.select(builds.c.id, build_steps.c.state)
        .join(
            build_attempts,
            sa.and_(build_attempts.c.build_id == builds.c.id, build_attempts.c.number == builds.c.attempt),
        )
        .join(build_steps, build_steps.c.attempt_id == build_attempts.c.id)
        .where(builds.c.id.in_(build_ids))
        .order_by(builds.c.id, build_steps.c.position)
    )
    return grouped(tx.rows(query)) if build_ids else {}


def count_ended(
    tx: Transaction, actor: Actor, start: int, end: int, limit: int
) -> list[tuple[str, int | None, int]]:
    """List (status, started_at, ended_at) of the newest builds that the actor may read and that ended in a time."""
    query = (
        sa.select(*builds.c["status", "started_at", "ended_at"])
        .select_from(_BUILDS)
        .where(visible_models(actor), builds.c.ended_at > start, builds.c.ended_at <= end)
        .order_by(builds.c.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in tx.rows(query)]


def find_previous(tx: Transaction, actor: Actor, build: Build) -> Build | None:
    """Return the last build of the same model before this one that succeeded, otherwise the one before it, with its recipe."""
    before = sa.select(builds.c.uid).where(builds.c.model_id == build.model_id, builds.c.id < build.id)
    for query in (before.where(builds.c.status == SUCCEEDED), before):
        rows = tx.rows(query.order_by(builds.c.id.desc()).limit(1))
        if rows:
            return find_build(tx, actor, rows[0][0])
    return None


_LIST_OPEN = Statement(
    sa.select(builds.c.id, builds.c.uid, namespaces.c.name, builds.c.status, builds.c.priority)
    .select_from(_BUILDS)
    .where(builds.c.ended_at.is_(None), builds.c.pool == _p("pool"))
    .order_by(builds.c.id)
)


def list_open(tx: Transaction, pool: str) -> list[OpenBuild]:
    """List the builds of a pool that have not ended, oldest first."""
    return [OpenBuild(*row) for row in tx.all(_LIST_OPEN, pool=pool)]


_OPEN_OF_SCHEDULE = Statement(
    sa.select(builds.c.uid)
    .where(builds.c.schedule_id == _p("schedule_id"), builds.c.ended_at.is_(None))
    .order_by(builds.c.id)
)


def list_open_of_schedule(tx: Transaction, schedule_id: int) -> list[str]:
    """List the uids of the builds of a schedule that have not ended, oldest first."""
    return [row[0] for row in tx.all(_OPEN_OF_SCHEDULE, schedule_id=schedule_id)]


def count_open(tx: Transaction, namespace: str) -> int:
    query = (
        sa.select(sa.func.count())
        .select_from(_BUILDS)
        .where(builds.c.ended_at.is_(None), namespaces.c.name == namespace)
    )
    return int(tx.execute(query).scalar_one())


def count_by_status(tx: Transaction) -> dict[str, int]:
    query = sa.select(builds.c.status, sa.func.count()).group_by(builds.c.status)
    return {row[0]: row[1] for row in tx.rows(query)}


def list_unfinished(tx: Transaction) -> list[tuple[int, str, str]]:
    """List (id, uid, namespace) of the builds that have not ended, or whose newest attempt leaves something behind."""
    left = sa.exists().where(build_attempts.c.build_id == builds.c.id, build_attempts.c.cleaned_at.is_(None))
    query = (
        sa.select(builds.c.id, builds.c.uid, namespaces.c.name)
        .select_from(_BUILDS)
        .where(sa.or_(builds.c.ended_at.is_(None), left))
        .order_by(builds.c.id)
    )
    return [(row[0], row[1], row[2]) for row in tx.rows(query)]


def list_old(tx: Transaction, ended_before: int, limit: int, *, with_log: bool) -> list[OldBuild]:
    """List builds that ended before a time, oldest first: those that still have a log, or those that nothing needs."""
    names = [sa.exists().where(versions.c.build == builds.c.uid, versions.c.state != "deleted")]
    names.append(
        sa.exists().where(
            checks.c.build == builds.c.uid,
            versions.c.id == checks.c.version_id,
            versions.c.state != "deleted",
        )
    )
    left = sa.exists().where(build_attempts.c.build_id == builds.c.id, build_attempts.c.cleaned_at.is_(None))
    wanted = [builds.c.log_bytes > 0] if with_log else [~sa.or_(*names), ~left]
    query = (
        sa.select(
            builds.c.id,
            builds.c.uid,
            namespaces.c.name,
            models.c.name,
            builds.c.model_id,
            builds.c.log_bytes,
            builds.c.counted_bytes,
        )
        .select_from(_BUILDS)
        .where(builds.c.ended_at < ended_before, *wanted)
        .order_by(builds.c.id)
        .limit(limit)
    )
    return [OldBuild(row[0], row[1], ModelName(row[2], row[3]), *row[4:]) for row in tx.rows(query)]


_OF_BUILD = build_steps.c.attempt_id.in_(
    sa.select(build_attempts.c.id).where(build_attempts.c.build_id == _p("of_build"))
)
_FORGET_COURSE = Statement(build_steps.update().where(_OF_BUILD).values(resources="{}", log_bytes=0))
_DELETE_STEPS = Statement(build_steps.delete().where(_OF_BUILD))


def forget_course(tx: Transaction, build_id: int) -> None:
    """Forget the log's size and what the steps used; the log itself is deleted."""
    tx.run(_FORGET_COURSE, of_build=build_id)
    update_build(tx, build_id, log_bytes=0)


def delete_build(tx: Transaction, build_id: int) -> None:
    """Delete a build that has no log any more, with its attempts and steps."""
    tx.run(_DELETE_STEPS, of_build=build_id)
    tx.execute(build_attempts.delete().where(build_attempts.c.build_id == build_id))
    tx.execute(builds.delete().where(builds.c.id == build_id))


_INSERT = Statement(
    builds.insert()
    .values(
        **named("uid", "model_id", "status", "pool", "priority", "recipe", "source", "params", "pins"),
        **{name: _p(name, required=True) for name in ("reproduces", "parent")},
        bundle=_p("bundle", required=True),
        counted_bytes=sa.select(
            sa.func.coalesce(
                sa.select(blobs.c.size_bytes).where(blobs.c.digest == _p("bundle")).scalar_subquery(), 0
            )
        ).scalar_subquery(),
        rerun_of=_p("rerun_of", required=True),
        schedule_id=_p("schedule_id", required=True),
        requested_by=_p("actor_id"),
        created_at=_p("now"),
    )
    .returning(builds.c.id, builds.c.counted_bytes)
)


def insert_build(
    tx: Transaction,
    actor: Actor,
    *,
    uid: str,
    model_id: int,
    status: str,
    pool: str,
    priority: int,
    recipe: str,
    bundle: str | None,
    source: Mapping[str, Any],
    params: Mapping[str, Any],
    rerun_of: str | None,
    schedule_id: int | None,
    reproduces: int | None = None,
    parent: int | None = None,
    pins: Pins = NO_PINS,
) -> int:
    row = tx.one(
        _INSERT,
        uid=uid,
        model_id=model_id,
        status=status,
        pool=pool,
        priority=priority,
        recipe=recipe,
        bundle=bundle,
        source=dump_json(dict(source)),
        params=dump_json(dict(params)),
        rerun_of=rerun_of,
        schedule_id=schedule_id,
        reproduces=reproduces,
        parent=parent,
        pins=dump_json(pins),
        actor_id=actor.id,
        now=tx.now,
    )
    assert row is not None
    _count(tx, model_id, row[1])
    return int(row[0])


def _count(tx: Transaction, model_id: int, size_bytes: int) -> None:
    """Add to what the builds of a model count towards the quota."""
    if size_bytes:
        more = {"build_bytes": models.c.build_bytes + size_bytes}
        tx.execute(models.update().where(models.c.id == model_id).values(more))


def count_more(tx: Transaction, build_id: int, size_bytes: int) -> None:
    """Add to what a build counts towards the quota of its namespace; negative: take away."""
    if size_bytes:
        more = {"counted_bytes": builds.c.counted_bytes + size_bytes}
        row = tx.execute(
            builds.update().where(builds.c.id == build_id).values(more).returning(builds.c.model_id)
        ).first()
        if row is not None:
            _count(tx, row[0], size_bytes)


_FINDINGS = Statement(sa.select(builds.c.findings).where(builds.c.id == _p("build_id")))


def find_findings(tx: Transaction, build_id: int) -> Findings | None:
    row = tx.one(_FINDINGS, build_id=build_id)
    return None if row is None else load_noun(row[0], Findings)


def set_findings(tx: Transaction, build_id: int, findings: Findings) -> None:
    update_build(tx, build_id, findings=dump_json(findings), verdict=findings.verdict or None)


def update_build(tx: Transaction, build_id: int, **values: Any) -> None:
    """Change a build; its revision grows."""
    tx.execute(builds.update().where(builds.c.id == build_id).values(**values, revision=builds.c.revision + 1))


_REVISION = Statement(sa.select(builds.c.revision).where(builds.c.id == _p("build_id")))


def find_revision(tx: Transaction, build_id: int) -> int:
    row = tx.one(_REVISION, build_id=build_id)
    return int(row[0]) if row else 0


def find_runs(tx: Transaction, uids: Iterable[str]) -> dict[str, int]:
    """Return uid → id of those of the runs that have begun."""
    rows = tx.rows(sa.select(runs.c.uid, runs.c.id).where(runs.c.uid.in_(list(uids))))
    return {row[0]: row[1] for row in rows}


_MADE_BY = Statement(
    sa.select(versions.c.number)
    .select_from(version_tags.join(versions, versions.c.id == version_tags.c.version_id))
    .where(
        version_tags.c.key == BUILD_TAG,
        version_tags.c.value == _p("uid"),
        versions.c.model_id == _p("model_id"),
        versions.c.created_by == _p("requester_id"),
        versions.c.created_at >= _p("since"),
    )
    .order_by(versions.c.number)
    .limit(1)
)


def find_version_made_by(tx: Transaction, build: Build) -> int | None:
    """Return the number of the version that an attempt of the build has registered."""
    row = tx.one(
        _MADE_BY,
        uid=build.uid,
        model_id=build.model_id,
        requester_id=build.requester_id,
        since=build.created_at,
    )
    return int(row[0]) if row else None


def belongs_to(tx: Transaction, promotion_id: int, model_id: int) -> bool:
    query = sa.select(sa.literal(1)).where(promotions.c.id == promotion_id, promotions.c.model_id == model_id)
    return tx.execute(query).first() is not None


# --- attempts --------------------------------------------------------------------------------------------

_ATTEMPT = tuple(build_attempts.c)
"""In the order of the fields of `BuildAttempt`."""


def _attempt(row: Sequence[Any]) -> BuildAttempt:
    inputs = tuple(msgspec.convert(load_json(row[8]), list[Input]))
    values = (*row[:8], inputs, *row[9:])
    return BuildAttempt(*values)


_FIND_ATTEMPT = Statement(
    sa.select(*_ATTEMPT).where(
        build_attempts.c.build_id == _p("build_id"), build_attempts.c.number == _p("number")
    )
)


def find_attempt(tx: Transaction, build_id: int, number: int) -> BuildAttempt | None:
    row = tx.one(_FIND_ATTEMPT, build_id=build_id, number=number)
    return _attempt(row) if row else None


def list_attempts(tx: Transaction, build_id: int) -> list[BuildAttempt]:
    query = sa.select(*_ATTEMPT).where(build_attempts.c.build_id == build_id).order_by(build_attempts.c.number)
    return [_attempt(row) for row in tx.rows(query)]


def insert_attempt(
    tx: Transaction,
    build_id: int,
    *,
    number: int,
    status: str,
    host: str,
    token_id: int,
    inputs: Sequence[Input],
    steps: Sequence[tuple[str, str]],
) -> None:
    """Store an attempt, and its steps as (name, state) in their order."""
    insert = build_attempts.insert().values(
        build_id=build_id,
        number=number,
        status=status,
        host=host,
        token_id=token_id,
        inputs=dump_json(msgspec.to_builtins(list(inputs), enc_hook=str)),
        created_at=tx.now,
    )
    attempt_id = int(tx.execute(insert.returning(build_attempts.c.id)).scalar_one())
    tx.execute(
        build_steps.insert(),
        [
            {"attempt_id": attempt_id, "position": position, "name": name, "state": state}
            for position, (name, state) in enumerate(steps)
        ],
    )


def update_attempt(tx: Transaction, attempt_id: int, **values: Any) -> None:
    tx.execute(build_attempts.update().where(build_attempts.c.id == attempt_id).values(**values))


_HEAR = Statement(
    build_attempts.update()
    .where(build_attempts.c.id == _p("attempt_id"))
    .values(heard_at=_p("now"), last_number=_p("last"))
)


def hear(tx: Transaction, attempt_id: int, last: int) -> None:
    tx.run(_HEAR, attempt_id=attempt_id, now=tx.now, last=last)


# --- steps -----------------------------------------------------------------------------------------------

_LIST_STEPS = Statement(
    sa.select(
        *build_steps.c[
            "position", "name", "state", "reason", "exit_code", "started_at", "ended_at", "resources"
        ],
        *build_steps.c["log_bytes", "log_lines", "open_line", "in_key"],
    )
    .where(build_steps.c.attempt_id == _p("attempt_id"))
    .order_by(build_steps.c.position)
)
_SET_STEP = Statement(
    build_steps.update()
    .where(build_steps.c.attempt_id == _p("of_attempt"), build_steps.c.position == _p("at"))
    .values(
        state=_p("to_state"),
        reason=_p("words"),
        exit_code=_p("code", required=True),
        started_at=_p("began_at", required=True),
        ended_at=_p("over_at", required=True),
        resources=_p("used"),
        log_bytes=_p("size"),
        log_lines=_p("lines"),
        open_line=_p("rest"),
        in_key=_p("key"),
    )
)


def list_steps(tx: Transaction, attempt_id: int) -> list[BuildStep]:
    return [_step(row) for row in tx.all(_LIST_STEPS, attempt_id=attempt_id)]


def _step(row: Sequence[Any]) -> BuildStep:
    values = (*row[:7], load_json(row[7]), *row[8:11], bool(row[11]))
    return BuildStep(*values)


def set_step(tx: Transaction, attempt_id: int, step: BuildStep) -> None:
    tx.run(
        _SET_STEP,
        of_attempt=attempt_id,
        at=step.position,
        to_state=step.state,
        words=step.reason,
        code=step.exit_code,
        began_at=step.started_at,
        over_at=step.ended_at,
        used=dump_json(step.resources),
        size=step.log_bytes,
        lines=step.log_lines,
        rest=step.open_line,
        key=int(step.in_key),
    )
