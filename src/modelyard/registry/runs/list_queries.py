"""SQL of lists of runs and experiments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from modelyard.db.json_columns import dump_json, load_json
from modelyard.db.tables import (
    actors,
    experiments,
    namespaces,
    run_inputs,
    run_metrics,
    run_params,
    run_tags,
    runs,
)
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.metric_names import SPLIT_BEGINNINGS, MetricName
from modelyard.registry.access.queries import namespace_role, readable_namespaces
from modelyard.registry.runs.nouns import Experiment, Run
from modelyard.registry.runs.queries import RUN_COLUMNS, RUNS, to_run
from modelyard.registry.runs.rules import RUNNING, SILENT_MICROSECONDS, STALE, RunSearch

SHOWN = 20
"""Number of params and metrics of each run in a list."""


def list_runs(tx: Transaction, actor: Actor, search: RunSearch, before: int | None, limit: int) -> list[Run]:
    """List runs, newest first. before: id of the last run of the previous page."""
    allowed = sa.select(namespaces.c.id).where(readable_namespaces(actor))
    if search.namespace is not None:
        allowed = allowed.where(namespaces.c.name == search.namespace)
    chosen = sa.select(runs.c.id).where(runs.c.namespace_id.in_(allowed), *_conditions(tx, search))
    if before is not None:
        chosen = chosen.where(runs.c.id < before)
    # First the page of ids, then the joins: the planner would otherwise join everything and sort.
    page = chosen.order_by(runs.c.id.desc()).limit(limit).subquery()
    query = (
        sa.select(*RUN_COLUMNS, namespace_role(actor.id, namespaces.c.id))
        .select_from(RUNS)
        .where(runs.c.id.in_(sa.select(page.c.id)))
        .order_by(runs.c.id.desc())
    )
    return [to_run(row) for row in tx.rows(query)]


# With the word in its text: a partial index does not fit a parameter.
_IS_RUNNING = runs.c.status == sa.literal_column(f"'{RUNNING}'")


def _conditions(tx: Transaction, search: RunSearch) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if search.uid is not None:
        # A range, which both databases look up in the index; ids have no digit after f.
        found += [runs.c.uid >= search.uid, runs.c.uid < f"{search.uid}g"]
    if search.experiment is not None:
        found.append(
            runs.c.experiment_id.in_(sa.select(experiments.c.id).where(experiments.c.name == search.experiment))
        )
    silent = runs.c.heard_at < tx.now - SILENT_MICROSECONDS
    if search.status == STALE:
        found += [_IS_RUNNING, silent]
    elif search.status == RUNNING:
        found += [_IS_RUNNING, ~silent]
    elif search.status is not None:
        found.append(runs.c.status == search.status)
    if search.name is not None:
        found.append(sa.func.lower(runs.c.name).startswith(search.name.lower(), autoescape=True))
    if search.parent is not None:
        found.append(runs.c.parent == search.parent if search.parent else runs.c.parent.is_(None))
    if search.created_by is not None:
        found.append(runs.c.created_by.in_(sa.select(actors.c.id).where(actors.c.name == search.created_by)))
    for key, value in search.tags:
        tag = sa.exists().where(run_tags.c.run_id == runs.c.id, run_tags.c.key == key)
        found.append(tag if value is None else tag.where(run_tags.c.value == value))
    for name, text in search.params:
        param = sa.exists().where(run_params.c.run_id == runs.c.id, run_params.c.name == name)
        # The value may be a number, a truth value or text.
        found.append(param if text is None else param.where(run_params.c.value.in_([text, dump_json(text)])))
    for each in search.metrics:
        metric = sa.exists().where(
            run_metrics.c.run_id == runs.c.id, _is_named(run_metrics.c.name, each.metric)
        )
        found.append(metric.where(_compared(run_metrics.c.last_value, each.comparison, each.bound)))
    if search.dataset is not None:
        found.append(sa.exists().where(run_inputs.c.run_id == runs.c.id, run_inputs.c.digest == search.dataset))
    return found


def _is_named(column: sa.ColumnElement[str], metric: MetricName) -> sa.ColumnElement[bool]:
    """Match a metric. A run stores its full name; a metric without a split matches every split."""
    name = MetricName(metric.name)
    if metric.split:
        whole = MetricName(metric.name, metric.split)
        with_dataset = sa.and_(
            column.startswith(f"{metric.split}@", autoescape=True), column.endswith(f":{name}", autoescape=True)
        )
        return sa.or_(column == str(whole), with_dataset)
    begins = [sa.func.lower(column).startswith(word, autoescape=True) for word in (*SPLIT_BEGINNINGS, "@", '"')]
    return sa.or_(column == str(name), sa.and_(column.endswith(f":{name}", autoescape=True), sa.or_(*begins)))


def _compared(value: sa.ColumnElement[Any], comparison: str, bound: float) -> sa.ColumnElement[bool]:
    return {
        "<": value < bound,
        "<=": value <= bound,
        ">": value > bound,
        ">=": value >= bound,
        "=": value == bound,
    }[comparison]


def list_shown(tx: Transaction, run_ids: Sequence[int]) -> tuple[dict[int, dict[str, Any]], ...]:
    """Return (params, metrics, tags) by run, the first few of each by name; metrics that are not finite as text."""
    found: list[dict[int, dict[str, Any]]] = []
    for table, name, columns in (
        (run_params, run_params.c.name, (run_params.c.value,)),
        (run_metrics, run_metrics.c.name, (run_metrics.c.last_value, run_metrics.c.last_text)),
        (run_tags, run_tags.c.key, (run_tags.c.value,)),
    ):
        other = table.alias()
        first = (
            sa.select(other.c[name.name])
            .where(other.c.run_id == runs.c.id)
            .order_by(other.c[name.name])
            .limit(SHOWN)
            .correlate(runs)
        )
        query = (
            sa.select(table.c.run_id, name, *columns)
            .select_from(runs.join(table, sa.and_(table.c.run_id == runs.c.id, name.in_(first))))
            .where(runs.c.id.in_(run_ids))
            .order_by(table.c.run_id, name)
        )
        by_run: dict[int, dict[str, Any]] = {}
        for row in tx.rows(query) if run_ids else []:
            value = load_json(row[2]) if table is run_params else row[2] if row[2] is not None else row[-1]
            by_run.setdefault(row[0], {})[row[1]] = value
        found.append(by_run)
    return tuple(found)


# --- experiments -----------------------------------------------------------------------------------------


_EXPERIMENT = (
    experiments.c.id,
    namespaces.c.name,
    *experiments.c["name", "description", "run_count", "created_at"],
    actors.c.name,
    experiments.c.updated_at,
)
_EXPERIMENTS = experiments.join(namespaces, namespaces.c.id == experiments.c.namespace_id).join(
    actors, actors.c.id == experiments.c.created_by
)


def list_experiments(
    tx: Transaction, actor: Actor, namespace: str | None, before: tuple[int, int] | None, limit: int
) -> list[Experiment]:
    """List experiments, those with the newest runs first. before: (updated_at, id) at the end of the previous page."""
    query = (
        sa.select(*_EXPERIMENT)
        .select_from(_EXPERIMENTS)
        .where(readable_namespaces(actor))
        .order_by(experiments.c.updated_at.desc(), experiments.c.id.desc())
        .limit(limit)
    )
    if namespace is not None:
        query = query.where(namespaces.c.name == namespace)
    if before is not None:
        query = query.where(
            sa.tuple_(experiments.c.updated_at, experiments.c.id) < sa.tuple_(*map(sa.literal, before))
        )
    return [Experiment(*row) for row in tx.rows(query)]


def find_experiment(tx: Transaction, namespace_id: int, name: str) -> Experiment | None:
    query = (
        sa.select(*_EXPERIMENT)
        .select_from(_EXPERIMENTS)
        .where(experiments.c.namespace_id == namespace_id, experiments.c.name == name)
    )
    rows = tx.rows(query)
    return Experiment(*rows[0]) if rows else None


def set_description(tx: Transaction, experiment_id: int, description: str) -> None:
    tx.execute(experiments.update().where(experiments.c.id == experiment_id).values(description=description))
