"""Policies, promotions through their gates, votes and waivers."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, id_column, metadata, moment

# Every text that was ever in force. The highest number is current; an empty text means no policy.
policies = sa.Table(
    "policies",
    metadata,
    id_column(),
    sa.Column("namespace_id", BigId, sa.ForeignKey("namespaces.id"), nullable=False),
    # 0: the policy of the namespace. No foreign key, because 0 is not a model.
    sa.Column("model_id", BigId, nullable=False, server_default="0"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    moment("at"),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    # Gates that are weaker than in the previous text, JSON list; NULL: none.
    sa.Column("weakened", sa.Text),
    # Address of the file in a repository and its commit there; NULL: edited by hand, or the commit is not known.
    sa.Column("source_url", sa.Text),
    sa.Column("source_commit", sa.Text),
    sa.UniqueConstraint("namespace_id", "model_id", "number"),
)

# The effective policies of decisions: canonical JSON by its digest.
effective_policies = sa.Table(
    "effective_policies",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
    moment("at"),
)

# Every request to move a version into a stage, every rollback and every demotion.
promotions = sa.Table(
    "promotions",
    metadata,
    id_column(),
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), nullable=False),
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("record_digest", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    # promote, rollback or demote
    sa.Column("kind", sa.Text, nullable=False),
    # open, done, refused, withdrawn or expired
    sa.Column("state", sa.Text, nullable=False),
    # 1: the version becomes the stage's primary one, which the alias points at.
    sa.Column("primary_wanted", sa.Integer, nullable=False, server_default="1"),
    # Version and revision of the alias at the request; a later change of the revision makes the request stale.
    sa.Column("seen_number", sa.BigInteger),
    sa.Column("seen_revision", sa.Integer, nullable=False),
    sa.Column("policy_digest", sa.Text, sa.ForeignKey("effective_policies.digest"), nullable=False),
    sa.Column("reason", sa.Text),
    moment("opened_at"),
    sa.Column("opened_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
    moment("expires_at", nullable=True),
    moment("closed_at", nullable=True),
    sa.Column("closed_by", BigId, sa.ForeignKey("actors.id")),
    sa.Column("closed_reason", sa.Text),
    # The last verdict and its evidence, canonical JSON.
    sa.Column("verdict", sa.Text),
    sa.Column("evidence", sa.Text),
    # Number of the move in the stage's history, 1, 2, …; None: nothing was moved.
    sa.Column("move", sa.Integer),
    # The stage after the move: the alias's version, and a JSON list of all versions.
    sa.Column("after_primary", sa.BigInteger),
    sa.Column("after_all", sa.Text),
    # The move that this rollback undid.
    sa.Column("undid", BigId),
    sa.UniqueConstraint("model_id", "stage", "move"),
    sa.Index("ix_promotions_model_id_id", "model_id", "id"),
    sa.Index("ix_promotions_state_id", "state", "id"),
    # All that the measures read, so that they do not read verdicts and evidence.
    sa.Index(
        "ix_promotions_stage_kind",
        *("stage", "kind", "state", "opened_at", "closed_at", "version_id", "model_id"),
    ),
)

votes = sa.Table(
    "votes",
    metadata,
    id_column(),
    sa.Column("promotion_id", BigId, sa.ForeignKey("promotions.id"), nullable=False, index=True),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    sa.Column("approves", sa.Integer, nullable=False),
    sa.Column("comment", sa.Text),
    sa.Column("policy_digest", sa.Text, nullable=False),
    moment("at"),
)

waivers = sa.Table(
    "waivers",
    metadata,
    id_column(),
    sa.Column("promotion_id", BigId, sa.ForeignKey("promotions.id"), nullable=False, index=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("policy_digest", sa.Text, nullable=False),
    moment("at"),
)

# Versions in a stage other than the primary one.
stage_occupants = sa.Table(
    "stage_occupants",
    metadata,
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), primary_key=True),
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), primary_key=True),
    moment("since"),
)
