"""What deployments observe, what is judged of it, and which of them need retraining."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, metadata, moment

# How a deployment is watched; without a row, by the defaults.
monitors = sa.Table(
    "monitors",
    metadata,
    sa.Column("deployment_id", BigId, sa.ForeignKey("deployments.id"), primary_key=True),
    # Length of its windows, limits and the rule of m of n, JSON.
    sa.Column("settings", sa.Text, nullable=False),
)

# Parts of windows until they are judged, and after that of the windows with which later ones are compared.
observations = sa.Table(
    "observations",
    metadata,
    sa.Column("deployment_id", BigId, sa.ForeignKey("deployments.id"), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    # Seconds since 1970 at which the window begins.
    sa.Column("start", BigId, primary_key=True),
    sa.Column("part", sa.Text, primary_key=True),
    # Length of the window in seconds.
    sa.Column("length", sa.Integer, nullable=False),
    moment("received_at"),
    # Counts of requests, errors, rows, codes and durations, JSON.
    sa.Column("counts", sa.Text, nullable=False),
    # NULL: rows were not described.
    sa.Column("profile", sa.LargeBinary),
)

observed_windows = sa.Table(
    "observed_windows",
    metadata,
    sa.Column("deployment_id", BigId, sa.ForeignKey("deployments.id"), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("start", BigId, primary_key=True),
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), nullable=False, index=True),
    # Seconds since 1970; from where its rows are, which is earlier if small windows before it were judged with it.
    sa.Column("since", BigId, nullable=False),
    sa.Column("until", BigId, nullable=False),
    # judged, small (judged with the next one) or counted (without a profile)
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("counts", sa.Text, nullable=False),
    # What the columns did, JSON; NULL: they were not judged.
    sa.Column("columns", sa.Text),
    # PSI of the columns above their limit by name, JSON.
    sa.Column("over", sa.Text, nullable=False, server_default="{}"),
    moment("judged_at"),
)

retraining_states = sa.Table(
    "retraining_states",
    metadata,
    sa.Column("deployment_id", BigId, sa.ForeignKey("deployments.id"), primary_key=True),
    # JSON; also those that were found while it may not be entered again.
    sa.Column("reasons", sa.Text, nullable=False),
    # NULL: it does not need retraining.
    moment("since", nullable=True),
    moment("left_at", nullable=True),
    moment("checked_at"),
)
