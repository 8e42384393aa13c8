"""Experiments and runs: what a training says of itself, its metrics as series in blocks."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("namespace_id", _id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", _id(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("run_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["actors.id"], name=op.f("fk_experiments_created_by")),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespaces.id"], name=op.f("fk_experiments_namespace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiments")),
        sa.UniqueConstraint("namespace_id", "name", name=op.f("uq_experiments_namespace_id_name")),
    )
    op.create_table(
        "runs",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("namespace_id", _id(), nullable=False),
        sa.Column("experiment_id", _id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.Column("clock_skew", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("facts", sa.Text(), server_default="{}", nullable=False),
        sa.Column("notes", sa.Text(), server_default="[]", nullable=False),
        sa.Column("log_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", _id(), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["actors.id"], name=op.f("fk_runs_created_by")),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_runs_experiment_id")),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespaces.id"], name=op.f("fk_runs_namespace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("uid", name=op.f("uq_runs_uid")),
    )
    op.create_index("ix_runs_experiment_id_id", "runs", ["experiment_id", "id"], unique=False)
    op.create_index("ix_runs_namespace_id_id", "runs", ["namespace_id", "id"], unique=False)
    op.create_index("ix_runs_parent", "runs", ["parent"], unique=False)
    op.create_table(
        "run_artifacts",
        sa.Column("run_id", _id(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_artifacts_run_id")),
        sa.PrimaryKeyConstraint("run_id", "path", name=op.f("pk_run_artifacts")),
    )
    op.create_index(op.f("ix_run_artifacts_digest"), "run_artifacts", ["digest"], unique=False)
    op.create_table(
        "run_inputs",
        sa.Column("run_id", _id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_run_inputs_actor_id")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_inputs_run_id")),
        sa.PrimaryKeyConstraint("run_id", "name", "digest", name=op.f("pk_run_inputs")),
    )
    op.create_index("ix_run_inputs_digest", "run_inputs", ["digest"], unique=False)
    op.create_table(
        "run_log",
        sa.Column("run_id", _id(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_log_run_id")),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_run_log")),
    )
    op.create_table(
        "run_metrics",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("run_id", _id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last_value", sa.Double(), nullable=True),
        sa.Column("last_text", sa.Text(), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("least", sa.Double(), nullable=True),
        sa.Column("most", sa.Double(), nullable=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("special_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("next_chunk", sa.BigInteger(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_metrics_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_metrics")),
        sa.UniqueConstraint("run_id", "name", name=op.f("uq_run_metrics_run_id_name")),
    )
    op.create_index("ix_run_metrics_name_last_value", "run_metrics", ["name", "last_value"], unique=False)
    op.create_table(
        "run_params",
        sa.Column("run_id", _id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_params_run_id")),
        sa.PrimaryKeyConstraint("run_id", "name", name=op.f("pk_run_params")),
    )
    op.create_index("ix_run_params_name", "run_params", ["name"], unique=False)
    op.create_table(
        "run_tags",
        sa.Column("run_id", _id(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_tags_run_id")),
        sa.PrimaryKeyConstraint("run_id", "key", name=op.f("pk_run_tags")),
    )
    op.create_index("ix_run_tags_key", "run_tags", ["key"], unique=False)
    op.create_table(
        "run_versions",
        sa.Column("run_id", _id(), nullable=False),
        sa.Column("version_id", _id(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_versions_run_id")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_run_versions_version_id")),
        sa.PrimaryKeyConstraint("run_id", "version_id", name=op.f("pk_run_versions")),
    )
    op.create_index(op.f("ix_run_versions_version_id"), "run_versions", ["version_id"], unique=False)
    op.create_table(
        "run_writers",
        sa.Column("run_id", _id(), nullable=False),
        sa.Column("writer", sa.Text(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_writers_run_id")),
        sa.PrimaryKeyConstraint("run_id", "writer", name=op.f("pk_run_writers")),
    )
    op.create_table(
        "run_points",
        sa.Column("metric_id", _id(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("special_count", sa.Integer(), nullable=False),
        sa.Column("first_step", sa.BigInteger(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("least", sa.Double(), nullable=True),
        sa.Column("least_step", sa.BigInteger(), nullable=True),
        sa.Column("least_at", sa.BigInteger(), nullable=True),
        sa.Column("most", sa.Double(), nullable=True),
        sa.Column("most_step", sa.BigInteger(), nullable=True),
        sa.Column("most_at", sa.BigInteger(), nullable=True),
        sa.Column("block", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["metric_id"], ["run_metrics.id"], name=op.f("fk_run_points_metric_id")),
        sa.PrimaryKeyConstraint("metric_id", "number", name=op.f("pk_run_points")),
    )


def downgrade() -> None:
    for table in (
        "run_points",
        "run_writers",
        "run_versions",
        "run_tags",
        "run_params",
        "run_metrics",
        "run_log",
        "run_inputs",
        "run_artifacts",
        "runs",
        "experiments",
    ):
        op.drop_table(table)
