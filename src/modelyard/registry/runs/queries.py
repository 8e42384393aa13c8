"""SQL of single runs. Lists of runs are in list_queries.py, series in series_queries.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.json_columns import JsonText, dump_json, load_json, load_noun
from modelyard.db.parameters import named
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    actors,
    experiments,
    models,
    namespaces,
    run_artifacts,
    run_inputs,
    run_log,
    run_metrics,
    run_params,
    run_points,
    run_tags,
    run_versions,
    run_writers,
    runs,
    versions,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Role, Visibility
from modelyard.domain.record import commit_of
from modelyard.registry.access.queries import namespace_role
from modelyard.registry.access.rules import Place
from modelyard.registry.runs.nouns import Run
from modelyard.registry.runs.rules import Artifact
from modelyard.registry.scan.nouns import Release

_p = sa.bindparam


RUN_COLUMNS = (
    runs.c.id,
    runs.c.uid,
    namespaces.c.name,
    namespaces.c.visibility,
    runs.c.namespace_id,
    runs.c.experiment_id,
    experiments.c.name,
    *runs.c["name", "parent", "status", "exit_code", "started_at", "ended_at"],
    *runs.c["heard_at", "clock_skew", "facts", "notes", "log_bytes", "created_at"],
    actors.c.name,
)
RUNS = (
    runs.join(namespaces, namespaces.c.id == runs.c.namespace_id)
    .join(experiments, experiments.c.id == runs.c.experiment_id)
    .join(actors, actors.c.id == runs.c.created_by)
)


def to_run(row: Sequence[Any]) -> Run:
    """Return the run of a row with RUN_COLUMNS followed by the actor's role on the namespace."""
    place = Place(row[2], None, Role(row[-1]), Visibility(row[3]))
    values = (*row[:2], place, *row[4:15], JsonText(row[15]), JsonText(row[16]), *row[17:20])
    return Run(*values)


_FIND_RUN = Statement(
    sa.select(*RUN_COLUMNS, namespace_role(_p("actor_id"), namespaces.c.id))
    .select_from(RUNS)
    .where(runs.c.uid == _p("uid"))
)


def find_run(tx: Transaction, actor: Actor, uid: str) -> Run | None:
    row = tx.one(_FIND_RUN, actor_id=actor.id, uid=uid)
    return to_run(row) if row else None


# --- experiments -----------------------------------------------------------------------------------------

_ENSURE_EXPERIMENT = Statement(
    postgresql.insert(experiments)
    .values(
        namespace_id=_p("namespace_id"),
        name=_p("name"),
        created_at=_p("now"),
        created_by=_p("actor_id"),
        updated_at=_p("now"),
        run_count=1,
    )
    .on_conflict_do_update(
        index_elements=["namespace_id", "name"],
        set_={"updated_at": _p("now"), "run_count": experiments.c.run_count + 1},
    )
    .returning(experiments.c.id)
)


def count_run_in_experiment(tx: Transaction, actor: Actor, namespace_id: int, name: str) -> int:
    """Return the experiment's id; create the experiment if it is missing."""
    row = tx.one(_ENSURE_EXPERIMENT, namespace_id=namespace_id, name=name, now=tx.now, actor_id=actor.id)
    assert row is not None
    return int(row[0])


_LEAVE_EXPERIMENT = Statement(
    experiments.update()
    .where(experiments.c.id == _p("experiment_id"))
    .values(run_count=experiments.c.run_count - 1, file_bytes=experiments.c.file_bytes - _p("size_bytes"))
)
_SUM_ARTIFACTS = Statement(
    sa.select(sa.func.coalesce(sa.func.sum(run_artifacts.c.size_bytes), 0)).where(
        run_artifacts.c.run_id == _p("run_id")
    )
)
_ADD_FILE_BYTES = Statement(
    experiments.update()
    .where(experiments.c.id == _p("experiment_id"))
    .values(file_bytes=experiments.c.file_bytes + _p("size_bytes"))
)

# --- beginning and ending --------------------------------------------------------------------------------

_INSERT_RUN = Statement(
    runs.insert()
    .values(
        **named("uid", "namespace_id", "experiment_id", "name", "status", "started_at"),
        parent=_p("parent", required=True),
        heard_at=_p("now"),
        created_at=_p("now"),
        created_by=_p("actor_id"),
    )
    .returning(runs.c.id)
)


def insert_run(
    tx: Transaction,
    actor: Actor,
    *,
    uid: str,
    namespace_id: int,
    experiment_id: int,
    name: str,
    parent: str | None,
    status: str,
    started_at: int,
) -> int:
    row = tx.one(
        _INSERT_RUN,
        uid=uid,
        namespace_id=namespace_id,
        experiment_id=experiment_id,
        name=name,
        parent=parent,
        status=status,
        started_at=started_at,
        now=tx.now,
        actor_id=actor.id,
    )
    assert row is not None
    return int(row[0])


_HEAR = Statement(
    runs.update()
    .where(runs.c.id == _p("run_id"))
    .values(heard_at=_p("now"), clock_skew=_p("clock_skew"), log_bytes=_p("log_bytes"))
)


def hear(tx: Transaction, run_id: int, clock_skew: int, log_bytes: int) -> None:
    tx.run(_HEAR, run_id=run_id, now=tx.now, clock_skew=clock_skew, log_bytes=log_bytes)


def set_status(tx: Transaction, run_id: int, status: str, exit_code: int | None, ended_at: int | None) -> None:
    values = {"status": status, "exit_code": exit_code, "ended_at": ended_at}
    tx.execute(runs.update().where(runs.c.id == run_id).values(values))


def set_facts(tx: Transaction, run_id: int, facts: Mapping[str, Any]) -> None:
    tx.execute(
        runs.update()
        .where(runs.c.id == run_id)
        .values(facts=dump_json(dict(facts)), code_commit=commit_of(facts))
    )


def set_notes(tx: Transaction, run_id: int, notes: Sequence[str]) -> None:
    tx.execute(runs.update().where(runs.c.id == run_id).values(notes=dump_json(list(notes))))


def delete_run(tx: Transaction, run: Run) -> None:
    """Delete a run and everything in it; its bytes are deleted at the next collection."""
    size_bytes = _sum_artifacts(tx, run.id)
    own = sa.select(run_metrics.c.id).where(run_metrics.c.run_id == run.id)
    tx.execute(run_points.delete().where(run_points.c.metric_id.in_(own)))
    for table in (run_metrics, run_params, run_tags, run_inputs, run_artifacts, run_log, run_writers):
        tx.execute(table.delete().where(table.c.run_id == run.id))
    tx.execute(runs.delete().where(runs.c.id == run.id))
    tx.run(_LEAVE_EXPERIMENT, experiment_id=run.experiment_id, size_bytes=size_bytes)


def _sum_artifacts(tx: Transaction, run_id: int) -> int:
    row = tx.one(_SUM_ARTIFACTS, run_id=run_id)
    assert row is not None
    return int(row[0])


# --- writers ---------------------------------------------------------------------------------------------

_FIND_LAST = Statement(
    sa.select(run_writers.c.last_number).where(
        run_writers.c.run_id == _p("run_id"), run_writers.c.writer == _p("writer")
    )
)
_SET_LAST = Statement(
    postgresql.insert(run_writers)
    .values(run_id=_p("run_id"), writer=_p("writer"), last_number=_p("last_number"))
    .on_conflict_do_update(index_elements=["run_id", "writer"], set_={"last_number": _p("last_number")})
)


def find_last_number(tx: Transaction, run_id: int, writer: str) -> int:
    """Return the number of a writer's last frame; 0 if it has sent nothing yet."""
    row = tx.one(_FIND_LAST, run_id=run_id, writer=writer)
    return int(row[0]) if row else 0


def set_last_number(tx: Transaction, run_id: int, writer: str, number: int) -> None:
    tx.run(_SET_LAST, run_id=run_id, writer=writer, last_number=number)


# --- params, tags, inputs, artifacts, log, versions ------------------------------------------------------

_SET_PARAM = Statement(
    postgresql.insert(run_params)
    .values(run_id=_p("run_id"), name=_p("name"), value=_p("value"))
    .on_conflict_do_update(index_elements=["run_id", "name"], set_={"value": _p("value")})
)
_SET_TAG = Statement(
    postgresql.insert(run_tags)
    .values(run_id=_p("run_id"), key=_p("key"), value=_p("value"))
    .on_conflict_do_update(index_elements=["run_id", "key"], set_={"value": _p("value")})
)
_DELETE_TAG = Statement(run_tags.delete().where(run_tags.c.run_id == _p("run_id"), run_tags.c.key == _p("key")))
_SAME_BYTES = run_artifacts.c.digest == _p("digest")
_SET_ARTIFACT = Statement(
    postgresql.insert(run_artifacts)
    .values(
        **named("run_id", "path", "digest", "size_bytes", "media_type"), at=_p("now"), logged_by=_p("actor_id")
    )
    .on_conflict_do_update(
        index_elements=["run_id", "path"],
        set_={
            "digest": _p("digest"),
            "size_bytes": _p("size_bytes"),
            "media_type": _p("media_type"),
            # The release was for the earlier bytes.
            "released": sa.case((_SAME_BYTES, run_artifacts.c.released), else_=None),
            "logged_by": sa.case((_SAME_BYTES, run_artifacts.c.logged_by), else_=_p("actor_id")),
            "at": _p("now"),
        },
    )
)
_SET_INPUT = Statement(
    postgresql.insert(run_inputs)
    .values(**named("run_id", "name", "digest", "entry", "actor_id"), at=_p("now"))
    .on_conflict_do_update(index_elements=["run_id", "name", "digest"], set_={"entry": _p("entry")})
)
_ADD_LOG = Statement(run_log.insert().values(run_id=_p("run_id"), position=_p("position"), text=_p("text")))
_ADD_VERSION = Statement(
    postgresql.insert(run_versions)
    .values(run_id=_p("run_id"), version_id=_p("version_id"))
    .on_conflict_do_nothing()
)


def count_names(tx: Transaction, table: sa.Table, run_id: int) -> int:
    query = sa.select(sa.func.count()).select_from(table).where(table.c.run_id == run_id)
    return int(tx.execute(query).scalar_one())


def set_params(tx: Transaction, run_id: int, params: Mapping[str, str]) -> None:
    """Set params: name → JSON."""
    tx.run_many(_SET_PARAM, [{"run_id": run_id, "name": n, "value": v} for n, v in params.items()])


def set_tags(tx: Transaction, run_id: int, tags: Mapping[str, str | None]) -> None:
    """Set tags; None removes a tag."""
    for key, value in tags.items():
        if value is None:
            tx.run(_DELETE_TAG, run_id=run_id, key=key)
        else:
            tx.run(_SET_TAG, run_id=run_id, key=key, value=value)


def set_artifacts(tx: Transaction, actor: Actor, run: Run, artifacts: Sequence[Artifact]) -> None:
    """Store files of a run, and count their bytes; a path that is logged again counts once."""
    if not artifacts:
        return
    before = _sum_artifacts(tx, run.id)
    for each in artifacts:
        tx.run(
            _SET_ARTIFACT,
            run_id=run.id,
            path=each.path,
            digest=each.digest,
            size_bytes=each.size_bytes,
            media_type=each.media_type,
            now=tx.now,
            actor_id=actor.id,
        )
    added = _sum_artifacts(tx, run.id) - before
    tx.run(_ADD_FILE_BYTES, experiment_id=run.experiment_id, size_bytes=added)


def set_input(tx: Transaction, actor: Actor, run_id: int, name: str, digest: str, entry: str) -> None:
    tx.run(_SET_INPUT, run_id=run_id, name=name, digest=digest, entry=entry, now=tx.now, actor_id=actor.id)


_LAST_LOG = Statement(
    sa.select(run_log.c.position, run_log.c.text)
    .where(run_log.c.run_id == _p("run_id"))
    .order_by(run_log.c.position.desc())
    .limit(1)
)
_SET_LOG = Statement(
    run_log.update()
    .where(run_log.c.run_id == _p("of_run"), run_log.c.position == _p("at"))
    .values(text=_p("new_text"))
)


def find_last_log(tx: Transaction, run_id: int) -> tuple[int, str] | None:
    """Return (position, text) of the last piece of the log; None if there is none."""
    row = next(iter(tx.run(_LAST_LOG, run_id=run_id)), None)
    return (row[0], row[1]) if row else None


def set_log(tx: Transaction, run_id: int, position: int, text: str) -> None:
    """Replace the piece at a position by one of the same length in bytes."""
    tx.run(_SET_LOG, of_run=run_id, at=position, new_text=text)


def add_log(tx: Transaction, run_id: int, position: int, text: str) -> None:
    tx.run(_ADD_LOG, run_id=run_id, position=position, text=text)


def add_version(tx: Transaction, run_id: int, version_id: int) -> None:
    tx.run(_ADD_VERSION, run_id=run_id, version_id=version_id)


_LIST_PARAMS = Statement(
    sa.select(run_params.c.name, run_params.c.value)
    .where(run_params.c.run_id == _p("run_id"))
    .order_by(run_params.c.name)
)
_LIST_TAGS = Statement(
    sa.select(run_tags.c.key, run_tags.c.value)
    .where(run_tags.c.run_id == _p("run_id"))
    .order_by(run_tags.c.key)
)
_LIST_INPUTS = Statement(
    sa.select(run_inputs.c.entry)
    .where(run_inputs.c.run_id == _p("run_id"))
    .order_by(run_inputs.c.at, run_inputs.c.name)
)
_ARTIFACT = (
    *run_artifacts.c["path", "digest", "size_bytes", "media_type", "released"],
    actors.c.name,
)
_ARTIFACTS = run_artifacts.outerjoin(actors, actors.c.id == run_artifacts.c.logged_by)
_LIST_ARTIFACTS = Statement(
    sa.select(*_ARTIFACT)
    .select_from(_ARTIFACTS)
    .where(run_artifacts.c.run_id == _p("run_id"))
    .order_by(run_artifacts.c.path)
)
_FIND_ARTIFACT = Statement(
    sa.select(*_ARTIFACT)
    .select_from(_ARTIFACTS)
    .where(run_artifacts.c.run_id == _p("run_id"), run_artifacts.c.path == _p("path"))
)
_LIST_LOG = Statement(
    sa.select(run_log.c.position, run_log.c.text)
    .where(run_log.c.run_id == _p("run_id"), run_log.c.position >= _p("position"))
    .order_by(run_log.c.position)
    .limit(_p("limit"))
)
_LIST_VERSIONS = Statement(
    sa.select(namespaces.c.name, models.c.name, versions.c.number)
    .select_from(
        run_versions.join(versions, versions.c.id == run_versions.c.version_id)
        .join(models, models.c.id == versions.c.model_id)
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
    )
    .where(run_versions.c.run_id == _p("run_id"))
    .order_by(run_versions.c.version_id)
)


def list_params(tx: Transaction, run_id: int) -> dict[str, Any]:
    return {name: load_json(value) for name, value in tx.all(_LIST_PARAMS, run_id=run_id)}


def list_tags(tx: Transaction, run_id: int) -> dict[str, str]:
    return {row[0]: row[1] for row in tx.all(_LIST_TAGS, run_id=run_id)}


def list_inputs(tx: Transaction, run_id: int) -> list[dict[str, Any]]:
    return [load_json(row[0]) for row in tx.all(_LIST_INPUTS, run_id=run_id)]


def _artifact(row: Sequence[Any]) -> Artifact:
    return Artifact(row[0], row[1], row[2], row[3], load_noun(row[4], Release), row[5])


def list_artifacts(tx: Transaction, run_id: int) -> list[Artifact]:
    return [_artifact(row) for row in tx.all(_LIST_ARTIFACTS, run_id=run_id)]


def find_artifact(tx: Transaction, run_id: int, path: str) -> Artifact | None:
    row = tx.one(_FIND_ARTIFACT, run_id=run_id, path=path)
    return _artifact(row) if row else None


def list_log(tx: Transaction, run_id: int, position: int, limit: int) -> list[tuple[int, str]]:
    """List (start, text) of the pieces from `position` on."""
    return [(row[0], row[1]) for row in tx.all(_LIST_LOG, run_id=run_id, position=position, limit=limit)]


def list_log_before(tx: Transaction, run_id: int, end: int, limit: int) -> list[tuple[int, str]]:
    """List (start, text) of the last pieces that start before `end`, in the order of the log."""
    query = (
        sa.select(run_log.c.position, run_log.c.text)
        .where(run_log.c.run_id == run_id, run_log.c.position < end)
        .order_by(run_log.c.position.desc())
        .limit(limit)
    )
    return [(row[0], row[1]) for row in reversed(tx.rows(query))]


def list_versions(tx: Transaction, run_id: int) -> list[str]:
    """List the references of the versions that the run produced."""
    return [f"{row[0]}/{row[1]}:{row[2]}" for row in tx.all(_LIST_VERSIONS, run_id=run_id)]
