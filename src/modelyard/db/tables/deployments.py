"""Deployments: what they serve, their revisions, and how they moved from one to another."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, id_column, metadata, moment

deployments = sa.Table(
    "deployments",
    metadata,
    id_column(),
    sa.Column("namespace_id", BigId, sa.ForeignKey("namespaces.id"), nullable=False),
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    # What runs it, and where that is: the machine of a local target; NULL: it was not applied yet.
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("place", sa.Text),
    # The stage to which its versions must be admitted; 1: it also follows that stage.
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("follows", sa.Integer, nullable=False, server_default="0"),
    sa.Column("replicas", sa.Integer, nullable=False, server_default="1"),
    # 1: anybody who reaches it may predict.
    sa.Column("is_public", sa.Integer, nullable=False, server_default="0"),
    # swap or alarm: what happens when the version that serves is recalled or held in quarantine.
    sa.Column("on_recall", sa.Text, nullable=False, server_default="alarm"),
    sa.Column("is_stopped", sa.Integer, nullable=False, server_default="0"),
    # Number of the revision that is to serve, and of the one that stays warm for a rollback.
    sa.Column("serving", sa.Integer, nullable=False),
    sa.Column("warm", sa.Integer),
    # Grows with each change of what is wanted.
    sa.Column("generation", sa.Integer, nullable=False),
    moment("held_at", nullable=True),
    # NULL although it is held: the server holds it.
    sa.Column("held_by", BigId, sa.ForeignKey("actors.id")),
    sa.Column("held_reason", sa.Text, nullable=False, server_default=""),
    # Why what serves should not: it was recalled, held in quarantine or archived. NULL: nothing is wrong.
    sa.Column("alarm", sa.Text),
    # The account in whose name its program reads the model.
    sa.Column("owner_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    # No foreign key: the row of a token outlives neither.
    sa.Column("token_id", BigId, index=True),
    moment("token_expires_at", nullable=True),
    # starting, serving, failed, stopping, stopped; as the target last said.
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("state_reason", sa.Text, nullable=False, server_default=""),
    # The last state of the program that serves, JSON; NULL: it never said one.
    sa.Column("reported", sa.Text),
    moment("seen_at", nullable=True),
    moment("created_at"),
    sa.Column("created_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
    # Since when the wanted revision is the same one.
    moment("since"),
    # 1: it is to be removed when its program has ended.
    sa.Column("is_removed", sa.Integer, nullable=False, server_default="0"),
    # Limits by which canaries and new revisions are judged, JSON; NULL: the usual ones.
    sa.Column("judging", sa.Text),
    sa.UniqueConstraint("namespace_id", "name"),
    sa.Index("ix_deployments_model_id_stage", "model_id", "stage"),
)

# They never change, but for what became of them.
deployment_revisions = sa.Table(
    "deployment_revisions",
    metadata,
    sa.Column("deployment_id", BigId, sa.ForeignKey("deployments.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), nullable=False, index=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("record_digest", sa.Text, nullable=False),
    # Replicas and access at the time, JSON.
    sa.Column("settings", sa.Text, nullable=False),
    # deploy or promote: what made it. The promotion, if one did.
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("promotion_id", BigId, sa.ForeignKey("promotions.id")),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    moment("created_at"),
    # Key of the environment in which the target runs it; NULL: not known yet.
    sa.Column("environment", sa.Text),
    # new, good (it was ready once), bad (it answered worse than another one) or failed
    sa.Column("state", sa.Text, nullable=False, server_default="new"),
    sa.Column("state_reason", sa.Text, nullable=False, server_default=""),
    moment("good_at", nullable=True),
)

# Each change of what a deployment is to serve, and how long the swap took.
deployment_moves = sa.Table(
    "deployment_moves",
    metadata,
    sa.Column("deployment_id", BigId, sa.ForeignKey("deployments.id"), primary_key=True),
    sa.Column("generation", sa.Integer, primary_key=True),
    # deploy, promote, rollback, recall, return (the start failed), release, scale, stop, start; of trials: canary, shadow, weight,
    # finish, drop or judged
    sa.Column("kind", sa.Text, nullable=False),
    # Numbers of the revisions; NULL: none served before.
    sa.Column("before", sa.Integer),
    sa.Column("after", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    # NULL: the server did it by itself.
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id")),
    moment("at"),
    # When the target had swapped, how long that took, and how many requests it lost. NULL: it has not yet.
    moment("swapped_at", nullable=True),
    sa.Column("milliseconds", sa.Float),
    sa.Column("dropped", sa.Integer),
    # Of a move of a trial: its revision, and its share in percent afterwards.
    sa.Column("tried", sa.Integer),
    sa.Column("weight", sa.Integer),
)

# Revisions next to the one that serves: at most one canary and one shadow.
deployment_trials = sa.Table(
    "deployment_trials",
    metadata,
    sa.Column("deployment_id", BigId, sa.ForeignKey("deployments.id"), primary_key=True),
    # canary or shadow
    sa.Column("role", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    # Percent of the requests.
    sa.Column("weight", sa.Integer, nullable=False),
    # A header, or body. and a field, whose value decides the side; NULL: each request by itself.
    sa.Column("sticky", sa.Text),
    # Shares that it gets one after the other, JSON; NULL: its share changes by hand only.
    sa.Column("steps", sa.Text),
    sa.Column("step_minutes", sa.Integer, nullable=False, server_default="10"),
    # 1: it serves after the last step.
    sa.Column("is_auto", sa.Integer, nullable=False, server_default="0"),
    moment("started_at"),
    # Since when it has this share.
    moment("weighed_at"),
    # Why it does not get its next share; '': it does when its time has come.
    sa.Column("paused", sa.Text, nullable=False, server_default=""),
    # good, bad or inconclusive, and why, when it was compared last. NULL: it was not yet.
    sa.Column("outcome", sa.Text),
    sa.Column("outcome_reason", sa.Text, nullable=False, server_default=""),
    moment("judged_at", nullable=True),
)
