"""SQL of observations, observed windows, and the need to retrain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.json_columns import dump_json, load_json
from modelyard.db.parameters import named
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    aliases,
    dataset_versions,
    datasets,
    deployment_revisions,
    deployments,
    lineage_edges,
    models,
    monitors,
    namespaces,
    observations,
    observed_windows,
    retraining_states,
    versions,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.monitoring import ColumnFinding, Reason
from modelyard.domain.names import ModelName
from modelyard.domain.times import MICROSECONDS
from modelyard.registry.access.queries import models_with, visible_models
from modelyard.registry.monitoring.nouns import (
    JUDGED,
    Counts,
    MonitorSettings,
    Needing,
    ObservedWindow,
    Part,
    RetrainingState,
    Unwatched,
)

_p = sa.bindparam
_o, _w, _s = observations.c, observed_windows.c, retraining_states.c

# --- settings --------------------------------------------------------------------------------------------


def find_settings(tx: Transaction, deployment_id: int) -> MonitorSettings:
    row = tx.one(_FIND_SETTINGS, deployment_id=deployment_id)
    return MonitorSettings() if row is None else msgspec.json.decode(row[0], type=MonitorSettings)


_FIND_SETTINGS = Statement(
    sa.select(monitors.c.settings).where(monitors.c.deployment_id == _p("deployment_id"))
)


def store_settings(tx: Transaction, deployment_id: int, settings: MonitorSettings) -> None:
    text = dump_json(settings)
    insert = postgresql.insert(monitors).values(deployment_id=deployment_id, settings=text)
    tx.execute(insert.on_conflict_do_update(index_elements=["deployment_id"], set_={"settings": text}))


# --- parts -----------------------------------------------------------------------------------------------

_INSERT_PART = postgresql.insert(observations).values(
    **named("deployment_id", "revision", "start", "part", "length", "counts", "profile"), received_at=_p("now")
)
_STORE_PART = Statement(
    _INSERT_PART.on_conflict_do_update(
        index_elements=["deployment_id", "revision", "start", "part"],
        set_={name: _INSERT_PART.excluded[name] for name in ("length", "received_at", "counts", "profile")},
    )
)
_FIND_PART = Statement(
    sa.select(_o.part).where(
        _o.deployment_id == _p("deployment_id"),
        _o.revision == _p("revision"),
        _o.start == _p("start"),
        _o.part == _p("part"),
    )
)
_COUNT_PARTS = Statement(
    sa.select(sa.func.count()).where(
        _o.deployment_id == _p("deployment_id"), _o.revision == _p("revision"), _o.start == _p("start")
    )
)


def has_part(tx: Transaction, deployment_id: int, revision: int, start: int, part: str) -> bool:
    return (
        tx.one(_FIND_PART, deployment_id=deployment_id, revision=revision, start=start, part=part) is not None
    )


def count_parts(tx: Transaction, deployment_id: int, revision: int, start: int) -> int:
    row = tx.one(_COUNT_PARTS, deployment_id=deployment_id, revision=revision, start=start)
    assert row is not None
    return int(row[0])


def store_part(
    tx: Transaction,
    deployment_id: int,
    revision: int,
    start: int,
    part: str,
    length: int,
    counts: Counts,
    profile: bytes | None,
) -> None:
    """Store a part; one that was stored before is replaced."""
    tx.run(
        _STORE_PART,
        deployment_id=deployment_id,
        revision=revision,
        start=start,
        part=part,
        length=length,
        counts=dump_json(counts),
        profile=profile,
        now=tx.now,
    )


class WaitingWindow(msgspec.Struct, frozen=True):
    """A window with parts that is not judged. newest: when its last part came."""

    deployment_id: int
    revision: int
    start: int
    length: int
    newest: int
    parts: int


_WAITING = Statement(
    sa.select(
        _o.deployment_id,
        _o.revision,
        _o.start,
        sa.func.max(_o.length),
        sa.func.max(_o.received_at),
        sa.func.count(),
    )
    .where(
        _o.start + _o.length <= _p("until"),
        ~sa.exists(
            sa.select(_w.start).where(
                _w.deployment_id == _o.deployment_id, _w.revision == _o.revision, _w.start == _o.start
            )
        ),
    )
    .group_by(_o.deployment_id, _o.revision, _o.start)
    .order_by(_o.start, _o.deployment_id, _o.revision)
    .limit(_p("many"))
)


def list_waiting(tx: Transaction, many: int) -> list[WaitingWindow]:
    """List windows that have ended and were not judged, oldest first."""
    return [WaitingWindow(*row) for row in tx.all(_WAITING, until=tx.now // MICROSECONDS, many=many)]


def list_parts(tx: Transaction, deployment_id: int, revision: int, starts: Sequence[int]) -> list[Part]:
    """List the parts of windows, always in the same order."""
    query = (
        sa.select(*_o["revision", "start", "part", "length", "received_at", "counts", "profile"])
        .where(_o.deployment_id == deployment_id, _o.revision == revision, _o.start.in_(starts))
        .order_by(_o.start, _o.part)
    )
    return [
        Part(
            row[0],
            row[1],
            row[2],
            row[3],
            row[4],
            msgspec.json.decode(row[5], type=Counts),
            None if row[6] is None else bytes(row[6]),
        )
        for row in tx.rows(query)
    ]


def forget_parts(tx: Transaction, deployment_id: int, kept: Iterable[tuple[int, int]]) -> None:
    """Delete the parts of windows that are judged, but for those with these (revision, start)."""
    judged = sa.exists(
        sa.select(_w.start).where(
            _w.deployment_id == _o.deployment_id, _w.revision == _o.revision, _w.start == _o.start
        )
    )
    query = observations.delete().where(_o.deployment_id == deployment_id, judged)
    for revision, start in sorted(set(kept)):
        query = query.where(~sa.and_(_o.revision == revision, _o.start == start))
    tx.execute(query)


# --- windows ---------------------------------------------------------------------------------------------

_WINDOW = (
    *_w["revision", "start"],
    versions.c.number,
    *_w["since", "until", "state", "counts", "over", "judged_at"],
)


def _window(row: Sequence[Any]) -> ObservedWindow:
    columns = () if len(row) < 10 else tuple(ColumnFinding(**each) for each in load_json(row[9]) or ())
    revision, start, version, since, until, state, counts, over, judged_at = row[:9]
    return ObservedWindow(
        revision,
        start,
        version,
        since,
        until,
        state,
        msgspec.json.decode(counts, type=Counts),
        load_json(over),
        judged_at,
        columns,
    )


def insert_window(
    tx: Transaction, deployment_id: int, version_id: int, window: ObservedWindow, *, has_columns: bool
) -> bool:
    """Store what was judged of a window. Returns False if somebody else did so before."""
    columns = [msgspec.to_builtins(each) for each in window.columns] if has_columns else None
    insert = (
        postgresql.insert(observed_windows)
        .values(
            deployment_id=deployment_id,
            revision=window.revision,
            start=window.start,
            version_id=version_id,
            since=window.since,
            until=window.until,
            state=window.state,
            counts=dump_json(window.counts),
            columns=dump_json(columns),
            over=dump_json(dict(window.over)),
            judged_at=tx.now,
        )
        .on_conflict_do_nothing()
        .returning(_w.start)
    )
    return bool(tx.rows(insert))


def list_windows(
    tx: Transaction,
    deployment_id: int,
    limit: int,
    *,
    before: int | None = None,
    version_id: int | None = None,
    state: str | None = None,
    start: int | None = None,
    with_columns: bool = False,
) -> list[ObservedWindow]:
    """List windows, newest first. before: only those that began earlier."""
    query = (
        sa.select(*_WINDOW, *((_w.columns,) if with_columns else ()))
        .join(versions, versions.c.id == _w.version_id)
        .where(_w.deployment_id == deployment_id)
        .order_by(_w.start.desc(), _w.revision.desc())
        .limit(limit)
    )
    for column, value in ((_w.version_id, version_id), (_w.state, state), (_w.start, start)):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(_w.start < before)
    return [_window(row) for row in tx.rows(query)]


def is_judged(tx: Transaction, deployment_id: int, revision: int, start: int) -> bool:
    row = tx.one(_IS_JUDGED, deployment_id=deployment_id, revision=revision, start=start)
    return row is not None


_IS_JUDGED = Statement(
    sa.select(_w.start).where(
        _w.deployment_id == _p("deployment_id"), _w.revision == _p("revision"), _w.start == _p("start")
    )
)


def find_first_judged(tx: Transaction, deployment_id: int, version_id: int) -> ObservedWindow | None:
    query = (
        sa.select(*_WINDOW)
        .join(versions, versions.c.id == _w.version_id)
        .where(_w.deployment_id == deployment_id, _w.version_id == version_id, _w.state == JUDGED)
        .order_by(_w.start, _w.revision)
        .limit(1)
    )
    rows = tx.rows(query)
    return _window(rows[0]) if rows else None


def list_revision_windows(
    tx: Transaction, deployment_id: int, revision: int, before: int, limit: int
) -> list[ObservedWindow]:
    """List the windows of one revision that began before a moment, newest first."""
    query = (
        sa.select(*_WINDOW)
        .join(versions, versions.c.id == _w.version_id)
        .where(_w.deployment_id == deployment_id, _w.revision == revision, _w.start < before)
        .order_by(_w.start.desc())
        .limit(limit)
    )
    return [_window(row) for row in tx.rows(query)]


def find_newest_start(tx: Transaction, deployment_id: int) -> int | None:
    """Return where the newest window with a part or a judgement begins."""
    found = [
        tx.rows(sa.select(sa.func.max(table.c.start)).where(table.c.deployment_id == deployment_id))[0][0]
        for table in (observations, observed_windows)
    ]
    return max((int(each) for each in found if each is not None), default=None)


def forget_windows(tx: Transaction, before: int, many: int) -> int:
    """Delete some windows that ended before a moment in seconds, with their parts. Returns their number."""
    old = tx.rows(
        sa.select(*_w["deployment_id", "revision", "start"])
        .where(_w.until < before)
        .order_by(_w.until)
        .limit(many)
    )
    for deployment_id, revision, start in old:
        for table in (observations, observed_windows):
            c = table.c
            tx.execute(
                table.delete().where(c.deployment_id == deployment_id, c.revision == revision, c.start == start)
            )
    return len(old)


# --- needs retraining ------------------------------------------------------------------------------------


def find_retraining(tx: Transaction, deployment_id: int) -> RetrainingState | None:
    return find_retrainings(tx, [deployment_id]).get(deployment_id)


def find_retrainings(tx: Transaction, ids: Sequence[int]) -> dict[int, RetrainingState]:
    if not ids:
        return {}
    query = sa.select(*_s["deployment_id", "reasons", "since", "left_at", "checked_at"]).where(
        _s.deployment_id.in_(ids)
    )
    return {
        row[0]: RetrainingState([Reason(**each) for each in load_json(row[1])], row[2], row[3], row[4])
        for row in tx.rows(query)
    }


def store_retraining(tx: Transaction, deployment_id: int, state: RetrainingState) -> None:
    values = {
        "reasons": dump_json([msgspec.to_builtins(each) for each in state.reasons]),
        "since": state.since,
        "left_at": state.left_at,
        "checked_at": tx.now,
    }
    insert = postgresql.insert(retraining_states).values(deployment_id=deployment_id, **values)
    tx.execute(insert.on_conflict_do_update(index_elements=["deployment_id"], set_=values))


def count_needing(tx: Transaction) -> int:
    return int(tx.rows(sa.select(sa.func.count(_s.since)))[0][0])


def list_drift(tx: Transaction, limit: int) -> list[tuple[str, int, str, float]]:
    """List (deployment, version, column, PSI) of the columns above their limits in the newest windows, for metrics."""
    newest = (
        sa.select(_w.deployment_id, sa.func.max(_w.start).label("start"))
        .where(_w.state == JUDGED)
        .group_by(_w.deployment_id)
        .subquery()
    )
    query = (
        sa.select(namespaces.c.name, deployments.c.name, versions.c.number, _w.columns)
        .join(newest, sa.and_(newest.c.deployment_id == _w.deployment_id, newest.c.start == _w.start))
        .join(deployments, deployments.c.id == _w.deployment_id)
        .join(namespaces, namespaces.c.id == deployments.c.namespace_id)
        .join(versions, versions.c.id == _w.version_id)
        .where(_w.state == JUDGED)
        .order_by(namespaces.c.name, deployments.c.name)
        .limit(1000)
    )
    found = []
    for namespace, name, number, columns in tx.rows(query):
        found += [
            (f"{namespace}/{name}", number, each["name"], each["psi"])
            for each in (load_json(columns) or [])[:limit]
            if each["psi"] is not None
        ]
    return found


# --- the data of a version -------------------------------------------------------------------------------


class TrainingData(msgspec.Struct, frozen=True):
    """A content that a version was trained on. newer: name and digest of the dataset's newest content, if that is another one."""

    name: str
    digest: Digest
    profile: Digest | None
    newer: Digest | None


def list_training_data(tx: Transaction, version_id: int) -> list[TrainingData]:
    target = f"version:{version_id}"
    c = dataset_versions.c
    query = (
        sa.select(lineage_edges.c.source)
        .where(
            lineage_edges.c.target == target,
            lineage_edges.c.relation == "trained_on",
            lineage_edges.c.source.like("dataset:%"),
        )
        .order_by(lineage_edges.c.source)
    )
    ids = [int(row[0].partition(":")[2]) for row in tx.rows(query)]
    if not ids:
        return []
    newest = sa.select(sa.func.max(c.id).label("id"), c.dataset_id).group_by(c.dataset_id).subquery()
    other = dataset_versions.alias("other")
    rows = tx.rows(
        sa.select(namespaces.c.name, datasets.c.name, c.id, c.digest, c.profile, other.c.id, other.c.digest)
        .select_from(dataset_versions)
        .join(datasets, datasets.c.id == c.dataset_id)
        .join(namespaces, namespaces.c.id == datasets.c.namespace_id)
        .join(newest, newest.c.dataset_id == c.dataset_id)
        .join(other, other.c.id == newest.c.id)
        .where(c.id.in_(ids))
        .order_by(c.id)
    )
    return [
        TrainingData(
            f"{row[0]}/{row[1]}",
            Digest(row[3]),
            Digest(row[4]) if row[4] else None,
            Digest(row[6]) if row[5] != row[2] else None,
        )
        for row in rows
    ]


# --- what is not watched ---------------------------------------------------------------------------------


def list_needing(tx: Transaction, actor: Actor, limit: int) -> list[Needing]:
    """List the deployments that need retraining, of models whose deployments the actor may change, newest first."""
    query = (
        sa.select(namespaces.c.name, deployments.c.name, models.c.name, versions.c.number, _s.reasons, _s.since)
        .select_from(retraining_states)
        .join(deployments, deployments.c.id == _s.deployment_id)
        .join(models, models.c.id == deployments.c.model_id)
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .join(
            deployment_revisions,
            sa.and_(
                deployment_revisions.c.deployment_id == deployments.c.id,
                deployment_revisions.c.number == deployments.c.serving,
            ),
        )
        .join(versions, versions.c.id == deployment_revisions.c.version_id)
        .where(
            _s.since.is_not(None),
            deployments.c.is_removed == 0,
            deployments.c.is_stopped == 0,
            models_with(actor, Permission.DEPLOYMENT_WRITE),
        )
        .order_by(_s.since.desc(), deployments.c.id)
        .limit(limit)
    )
    return [
        Needing(
            f"{space}/{name}",
            ModelName(space, model),
            number,
            [Reason(**each) for each in load_json(reasons)],
            since,
        )
        for space, name, model, number, reasons, since in tx.rows(query)
    ]


def list_unwatched(
    tx: Transaction, actor: Actor, stage: str, limit: int, *, own: bool = False
) -> list[Unwatched]:
    """List the versions in a stage that no deployment serves, of models that the actor may read.

    own: only of models whose deployments the actor may change, in namespaces that have deployments.
    """
    serves = sa.exists(
        sa.select(deployments.c.id)
        .join(
            deployment_revisions,
            sa.and_(
                deployment_revisions.c.deployment_id == deployments.c.id,
                deployment_revisions.c.number == deployments.c.serving,
            ),
        )
        .where(
            deployment_revisions.c.version_id == aliases.c.version_id,
            deployments.c.is_removed == 0,
            deployments.c.is_stopped == 0,
        )
    )
    used = deployments.alias("used")
    has_others = sa.exists().where(used.c.namespace_id == namespaces.c.id, used.c.is_removed == 0)
    mine = [models_with(actor, Permission.DEPLOYMENT_WRITE), has_others] if own else [visible_models(actor)]
    query = (
        sa.select(namespaces.c.name, models.c.name, versions.c.number, aliases.c.updated_at)
        .select_from(aliases)
        .join(models, models.c.id == aliases.c.model_id)
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .join(versions, versions.c.id == aliases.c.version_id)
        .where(*mine, aliases.c.alias == stage, ~serves)
        .order_by(namespaces.c.name, models.c.name)
        .limit(limit)
    )
    return [Unwatched(ModelName(row[0], row[1]), row[2], stage, row[3]) for row in tx.rows(query)]
