"""SQL of trials: the canary and the shadow of a deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from modelyard.db.json_columns import JsonText, dump_json
from modelyard.db.statement import Statement
from modelyard.db.tables import deployment_revisions, deployment_trials, deployments, versions
from modelyard.db.transaction import Transaction
from modelyard.registry.deployments.nouns import Trial

_p = sa.bindparam
_t, _r, _d = deployment_trials.c, deployment_revisions.c, deployments.c
_COLUMNS = (
    *_t["role", "revision"],
    versions.c.number,
    versions.c.id,
    *_t["weight", "sticky", "steps", "step_minutes", "is_auto", "started_at", "weighed_at", "paused"],
    *_t["outcome", "outcome_reason", "judged_at"],
)
_JOINED = deployment_trials.join(
    deployment_revisions, sa.and_(_r.deployment_id == _t.deployment_id, _r.number == _t.revision)
).join(versions, versions.c.id == _r.version_id)


def _trial(row: Sequence[Any]) -> Trial:
    values = dict(zip(Trial.__struct_fields__, row, strict=True))
    values["steps"] = () if values["steps"] is None else tuple(JsonText(values["steps"]).value)
    values["is_auto"] = bool(values["is_auto"])
    return Trial(**values)


_LIST = Statement(
    sa.select(*_COLUMNS).select_from(_JOINED).where(_t.deployment_id == _p("deployment_id")).order_by(_t.role)
)
_LIST_TRYING = Statement(
    sa.select(_t.deployment_id, _t.role)
    .select_from(_JOINED.join(deployments, _d.id == _t.deployment_id))
    .where(_d.model_id == _p("model_id"), versions.c.number == _p("number"), _d.is_removed == 0)
    .order_by(_t.deployment_id, _t.role)
)


def list_trials(tx: Transaction, deployment_id: int) -> list[Trial]:
    """List the canary and the shadow of a deployment, as far as there are any."""
    return [_trial(row) for row in tx.all(_LIST, deployment_id=deployment_id)]


def find_trial(tx: Transaction, deployment_id: int, role: str) -> Trial | None:
    return next((each for each in list_trials(tx, deployment_id) if each.role == role), None)


def list_trials_of(tx: Transaction, deployment_ids: Sequence[int]) -> dict[int, list[Trial]]:
    """Return deployment id → its trials, if it has any."""
    query = (
        sa.select(_t.deployment_id, *_COLUMNS)
        .select_from(_JOINED)
        .where(_t.deployment_id.in_(deployment_ids))
        .order_by(_t.deployment_id, _t.role)
    )
    found: dict[int, list[Trial]] = {}
    for row in tx.rows(query) if deployment_ids else ():
        found.setdefault(row[0], []).append(_trial(row[1:]))
    return found


def list_trying(tx: Transaction, model_id: int, number: int) -> list[tuple[int, str]]:
    """List (deployment id, role) of the trials of a version."""
    return [(row[0], row[1]) for row in tx.all(_LIST_TRYING, model_id=model_id, number=number)]


def insert_trial(tx: Transaction, deployment_id: int, steps: Sequence[int], **values: Any) -> None:
    tx.execute(
        deployment_trials.insert().values(
            deployment_id=deployment_id,
            steps=dump_json([*steps]) if steps else None,
            started_at=tx.now,
            weighed_at=tx.now,
            **values,
        )
    )


def update_trial(tx: Transaction, deployment_id: int, role: str, **values: Any) -> None:
    tx.execute(
        deployment_trials.update().where(_t.deployment_id == deployment_id, _t.role == role).values(**values)
    )


def delete_trial(tx: Transaction, deployment_id: int, role: str) -> None:
    tx.execute(deployment_trials.delete().where(_t.deployment_id == deployment_id, _t.role == role))
