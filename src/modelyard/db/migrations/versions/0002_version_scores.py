"""What pages read by an index: the newest value of each metric of a version, and the versions in quarantine."""

import json
import math
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_BATCH = 1000


def upgrade() -> None:
    big = sa.Integer() if op.get_bind().dialect.name == "sqlite" else sa.BigInteger()
    op.create_table(
        "version_scores",
        sa.Column("version_id", big, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False, server_default=""),
        sa.Column("model_id", big, nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False, server_default=""),
        sa.Column("value", sa.Float()),
        sa.Column("evaluated_at", sa.BigInteger()),
        sa.Column("in_record", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("recorded", sa.Float()),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_version_scores_version_id"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_version_scores_model_id"),
        sa.PrimaryKeyConstraint("version_id", "name", "split", name="pk_version_scores"),
    )
    op.create_index("ix_version_scores_name_value", "version_scores", ["name", "value"])
    op.create_index(
        "ix_version_scores_model_id_name_split_value", "version_scores", ["model_id", "name", "split", "value"]
    )
    _fill(op.get_bind())
    op.drop_table("version_metrics")
    is_held = sa.text("quarantined = 1")
    op.create_index(
        "ix_versions_quarantined", "versions", ["id"], sqlite_where=is_held, postgresql_where=is_held
    )


def _fill(connection: sa.Connection) -> None:
    """What records say, then what was evaluated later, in the order of the reports."""
    connection.execute(
        sa.text(
            "INSERT INTO version_scores (version_id, name, split, model_id, value) "
            "SELECT m.version_id, m.name, m.split, v.model_id, m.value "
            "FROM version_metrics m JOIN versions v ON v.id = m.version_id"
        )
    )
    reported = connection.execute(
        sa.text(
            "SELECT e.version_id, v.model_id, e.split, e.dataset, e.metrics, e.at "
            "FROM evaluations e JOIN versions v ON v.id = e.version_id ORDER BY e.id"
        )
    ).all()
    newest: dict[tuple[int, str, str], dict[str, Any]] = {}
    for version_id, model_id, split, dataset, metrics, at in reported:
        for metric in reversed(json.loads(metrics)):  # Of several with one name and split the first counts.
            name, of_split = metric["name"], split or str(metric.get("split") or "")
            value = metric["value"]
            is_finite = isinstance(value, int | float) and math.isfinite(value)
            newest[version_id, name, of_split] = {
                "version_id": version_id,
                "name": name,
                "split": of_split,
                "model_id": model_id,
                "dataset": dataset or str(metric.get("dataset") or ""),
                "value": float(value) if is_finite else None,
                "evaluated_at": at,
            }
    keep = sa.text(
        "INSERT INTO version_scores (version_id, name, split, model_id, dataset, value, evaluated_at, in_record) "
        "VALUES (:version_id, :name, :split, :model_id, :dataset, :value, :evaluated_at, 0) "
        "ON CONFLICT (version_id, name, split) DO UPDATE SET dataset = excluded.dataset, value = excluded.value, "
        "evaluated_at = excluded.evaluated_at, recorded = version_scores.value"
    )
    rows = list(newest.values())
    for begin in range(0, len(rows), _BATCH):
        connection.execute(keep, rows[begin : begin + _BATCH])
