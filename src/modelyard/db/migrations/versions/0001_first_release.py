"""The tables of the first release.

Written once from db/tables/ by Alembic's autogeneration. Later changes are migrations of their own; a data folder
that this one made is kept in tests/migrations/.
"""

import sqlalchemy as sa
from alembic import op

from modelyard.db import row_notes, schema

revision = "0001"
down_revision = None


def _id() -> sa.types.TypeEngine[int]:
    """SQLite numbers rows by itself only in a column of type INTEGER."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "actors",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), server_default="", nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("is_admin", sa.Integer(), server_default="0", nullable=False),
        sa.Column("default_namespace", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.Column("is_auditor", sa.Integer(), server_default="0", nullable=False),
        sa.Column("made_by", _id(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actors")),
        sa.UniqueConstraint("name", name=op.f("uq_actors_name")),
    )
    op.create_table(
        "blob_facts",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "reader", name=op.f("pk_blob_facts")),
    )
    op.create_table(
        "blobs",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("layout", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("touched_at", sa.BigInteger(), nullable=False),
        sa.Column("scan", sa.Text(), nullable=True),
        sa.Column("scan_rules", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_blobs")),
    )
    op.create_index("ix_blobs_scan_rules", "blobs", ["scan_rules"], unique=False)
    op.create_index("ix_blobs_state_touched_at", "blobs", ["state", "touched_at"], unique=False)
    op.create_table(
        "effective_policies",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_effective_policies")),
    )
    op.create_table(
        "event_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("peaks", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_head")),
    )
    op.create_table(
        "event_nodes",
        sa.Column("place", _id(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_event_nodes")),
    )
    op.create_table(
        "events",
        sa.Column("seq", _id(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=True),
        sa.Column("model_id", _id(), server_default="0", nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
    )
    op.create_index("ix_events_actor_id_seq", "events", ["actor_id", "seq"], unique=False)
    op.create_index("ix_events_kind_seq", "events", ["kind", "seq"], unique=False)
    op.create_index("ix_events_model_id_seq", "events", ["model_id", "seq"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("actor_id", _id(), autoincrement=False, nullable=False),
        sa.Column("token_id", _id(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("actor_id", "token_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("namespace", sa.Text(), nullable=True),
        sa.Column("share", sa.Text(), server_default="", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_failures", sa.Integer(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("progress", sa.Float(), server_default="0", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("cancel_asked", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_finished_at", "jobs", ["finished_at"], unique=False)
    op.create_index(
        "ix_jobs_last_turn",
        "jobs",
        ["share", "kind", "started_at"],
        unique=False,
        sqlite_where=sa.text("started_at IS NOT NULL"),
        postgresql_where=sa.text("started_at IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_open_key",
        "jobs",
        ["key", "kind"],
        unique=True,
        sqlite_where=sa.text("state IN ('waiting', 'running')"),
        postgresql_where=sa.text("state IN ('waiting', 'running')"),
    )
    op.create_index(
        "ix_jobs_turns", "jobs", ["kind", "state", "share", "priority", "due_at", "id"], unique=False
    )
    op.create_table(
        "lineage_edges",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "target", "relation", name=op.f("pk_lineage_edges")),
    )
    op.create_index("ix_lineage_edges_target_source", "lineage_edges", ["target", "source"], unique=False)
    op.create_table(
        "manifests",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_count", sa.Integer(), nullable=False),
        sa.Column("format_facts", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("scan", sa.Text(), server_default="pending", nullable=False),
        sa.Column("withheld", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_manifests")),
        sa.UniqueConstraint("digest", name=op.f("uq_manifests_digest")),
    )
    op.create_index("ix_manifests_scan_id", "manifests", ["scan", "id"], unique=False)
    op.create_table(
        "server_facts",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_server_facts")),
    )
    op.create_table(
        "used_id_tokens",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "token", name=op.f("pk_used_id_tokens")),
    )
    op.create_index("ix_used_id_tokens_expires_at", "used_id_tokens", ["expires_at"], unique=False)
    op.create_table(
        "blob_senders",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_blob_senders_actor_id")),
        sa.PrimaryKeyConstraint("digest", "actor_id", "scope", name=op.f("pk_blob_senders")),
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", _id(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_group_members_actor_id")),
        sa.ForeignKeyConstraint(["group_id"], ["actors.id"], name=op.f("fk_group_members_group_id")),
        sa.PrimaryKeyConstraint("group_id", "actor_id", name=op.f("pk_group_members")),
    )
    op.create_index(op.f("ix_group_members_actor_id"), "group_members", ["actor_id"], unique=False)
    op.create_table(
        "identities",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_sign_in_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_identities_actor_id")),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_actor_id"), "identities", ["actor_id"], unique=False)
    op.create_table(
        "manifest_files",
        sa.Column("manifest_id", _id(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["manifest_id"], ["manifests.id"], name=op.f("fk_manifest_files_manifest_id")),
        sa.PrimaryKeyConstraint("manifest_id", "position", name=op.f("pk_manifest_files")),
    )
    op.create_index(op.f("ix_manifest_files_digest"), "manifest_files", ["digest"], unique=False)
    op.create_table(
        "namespaces",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("naming_pattern", sa.Text(), nullable=True),
        sa.Column("reserved_names", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", _id(), nullable=False),
        sa.Column("protected_aliases", sa.Text(), nullable=True),
        sa.Column("serve_unknown", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["actors.id"], name=op.f("fk_namespaces_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_namespaces")),
        sa.UniqueConstraint("name", name=op.f("uq_namespaces_name")),
    )
    op.create_table(
        "notifications",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_notifications_actor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("actor_id", "seq", name=op.f("uq_notifications_actor_id_seq")),
    )
    op.create_table(
        "sessions",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_sessions_actor_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_actor_id"), "sessions", ["actor_id"], unique=False)
    op.create_table(
        "sign_in_links",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_sign_in_links_actor_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sign_in_links")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=True),
        sa.Column("model_id", _id(), server_default="0", nullable=False),
        sa.Column("event_kinds", sa.Text(), nullable=True),
        sa.Column("stages", sa.Text(), nullable=True),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("former_secret", sa.Text(), nullable=True),
        sa.Column("former_secret_until", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("paused_until", sa.BigInteger(), nullable=True),
        sa.Column("next_seq", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", _id(), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["actors.id"], name=op.f("fk_subscriptions_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
    )
    op.create_index(op.f("ix_subscriptions_namespace"), "subscriptions", ["namespace"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("permissions", sa.Text(), nullable=True),
        sa.Column("namespace", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("origin", sa.Text(), server_default="unknown", nullable=False),
        sa.Column("made_with", _id(), nullable=True),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_tokens_actor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
    )
    op.create_index(op.f("ix_tokens_actor_id"), "tokens", ["actor_id"], unique=False)
    op.create_index(op.f("ix_tokens_made_with"), "tokens", ["made_with"], unique=False)
    op.create_table(
        "uploads",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("scope", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_uploads_actor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index(op.f("ix_uploads_digest"), "uploads", ["digest"], unique=False)
    op.create_table(
        "withheld_bytes",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_withheld_bytes_actor_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_withheld_bytes")),
    )
    op.create_index(op.f("ix_withheld_bytes_namespace"), "withheld_bytes", ["namespace"], unique=False)
    op.create_table(
        "datasets",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("namespace_id", _id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespaces.id"], name=op.f("fk_datasets_namespace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("namespace_id", "name", name=op.f("uq_datasets_namespace_id_name")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("subscription_id", _id(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("lane", _id(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_deliveries_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("subscription_id", "seq", name=op.f("uq_deliveries_subscription_id_seq")),
    )
    op.create_index("ix_deliveries_state_due_at", "deliveries", ["state", "due_at"], unique=False)
    op.create_index(
        "ix_deliveries_subscription_id_lane_state_seq",
        "deliveries",
        ["subscription_id", "lane", "state", "seq"],
        unique=False,
    )
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
        "grants",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("namespace_id", _id(), nullable=False),
        sa.Column("model_id", _id(), server_default="0", nullable=False),
        sa.Column("role", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_grants_actor_id")),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespaces.id"], name=op.f("fk_grants_namespace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.UniqueConstraint(
            "actor_id", "namespace_id", "model_id", name=op.f("uq_grants_actor_id_namespace_id_model_id")
        ),
    )
    op.create_index("ix_grants_namespace_id_model_id", "grants", ["namespace_id", "model_id"], unique=False)
    op.create_table(
        "models",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("namespace_id", _id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("next_version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("newest_version", sa.BigInteger(), nullable=True),
        sa.Column("version_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("framework", sa.Text(), nullable=True),
        sa.Column("licence", sa.Text(), nullable=True),
        sa.Column("task", sa.Text(), nullable=True),
        sa.Column("card_text", sa.Text(), server_default="", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", _id(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.Column("protected_aliases", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["actors.id"], name=op.f("fk_models_created_by")),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespaces.id"], name=op.f("fk_models_namespace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("namespace_id", "name", name=op.f("uq_models_namespace_id_name")),
    )
    op.create_index(op.f("ix_models_framework"), "models", ["framework"], unique=False)
    op.create_index("ix_models_updated_at_id", "models", ["updated_at", "id"], unique=False)
    op.create_table(
        "policies",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("namespace_id", _id(), nullable=False),
        sa.Column("model_id", _id(), server_default="0", nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("weakened", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_policies_actor_id")),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespaces.id"], name=op.f("fk_policies_namespace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policies")),
        sa.UniqueConstraint(
            "namespace_id", "model_id", "number", name=op.f("uq_policies_namespace_id_model_id_number")
        ),
    )
    op.create_table(
        "scan_trusts",
        sa.Column("namespace_id", _id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("alone", sa.Integer(), server_default="0", nullable=False),
        sa.Column("confirmed_by", _id(), nullable=True),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_scan_trusts_actor_id")),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespaces.id"], name=op.f("fk_scan_trusts_namespace_id")),
        sa.PrimaryKeyConstraint("namespace_id", "name", name=op.f("pk_scan_trusts")),
    )
    op.create_table(
        "trusted_publishers",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("namespace_id", _id(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("claims", sa.Text(), nullable=False),
        sa.Column("role", sa.Integer(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", _id(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_trusted_publishers_actor_id")),
        sa.ForeignKeyConstraint(["created_by"], ["actors.id"], name=op.f("fk_trusted_publishers_created_by")),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["namespaces.id"], name=op.f("fk_trusted_publishers_namespace_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trusted_publishers")),
    )
    op.create_index(op.f("ix_trusted_publishers_issuer"), "trusted_publishers", ["issuer"], unique=False)
    op.create_index(
        op.f("ix_trusted_publishers_namespace_id"), "trusted_publishers", ["namespace_id"], unique=False
    )
    op.create_table(
        "alias_moves",
        sa.Column("model_id", _id(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("from_number", sa.BigInteger(), nullable=True),
        sa.Column("to_number", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_alias_moves_actor_id")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_alias_moves_model_id")),
        sa.PrimaryKeyConstraint("model_id", "alias", "revision", name=op.f("pk_alias_moves")),
    )
    op.create_table(
        "dataset_versions",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("dataset_id", _id(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", _id(), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["actors.id"], name=op.f("fk_dataset_versions_created_by")),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_versions_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_versions")),
        sa.UniqueConstraint("dataset_id", "digest", name=op.f("uq_dataset_versions_dataset_id_digest")),
    )
    op.create_index("ix_dataset_versions_digest", "dataset_versions", ["digest"], unique=False)
    op.create_index(op.f("ix_dataset_versions_profile"), "dataset_versions", ["profile"], unique=False)
    op.create_table(
        "model_owners",
        sa.Column("model_id", _id(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_model_owners_model_id")),
        sa.PrimaryKeyConstraint("model_id", "owner", name=op.f("pk_model_owners")),
    )
    op.create_index(op.f("ix_model_owners_owner"), "model_owners", ["owner"], unique=False)
    op.create_table(
        "model_redirects",
        sa.Column("namespace_id", _id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model_id", _id(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_model_redirects_model_id")),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["namespaces.id"], name=op.f("fk_model_redirects_namespace_id")
        ),
        sa.PrimaryKeyConstraint("namespace_id", "name", name=op.f("pk_model_redirects")),
    )
    op.create_index(op.f("ix_model_redirects_model_id"), "model_redirects", ["model_id"], unique=False)
    op.create_table(
        "model_tags",
        sa.Column("model_id", _id(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_model_tags_model_id")),
        sa.PrimaryKeyConstraint("model_id", "key", name=op.f("pk_model_tags")),
    )
    op.create_index("ix_model_tags_key_value", "model_tags", ["key", "value"], unique=False)
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
        "versions",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("model_id", _id(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("manifest_id", _id(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("record_digest", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", _id(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deprecation", sa.Text(), nullable=True),
        sa.Column("quarantined", sa.Integer(), server_default="0", nullable=False),
        sa.Column("released", sa.Text(), nullable=True),
        sa.Column("recall", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["actors.id"], name=op.f("fk_versions_created_by")),
        sa.ForeignKeyConstraint(["manifest_id"], ["manifests.id"], name=op.f("fk_versions_manifest_id")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_versions_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_versions")),
        sa.UniqueConstraint("model_id", "number", name=op.f("uq_versions_model_id_number")),
    )
    op.create_index("ix_versions_digest", "versions", ["digest"], unique=False)
    op.create_index(op.f("ix_versions_manifest_id"), "versions", ["manifest_id"], unique=False)
    op.create_index(
        "ix_versions_model_id_digest_record_digest",
        "versions",
        ["model_id", "digest", "record_digest", "number"],
        unique=False,
    )
    op.create_table(
        "watches",
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("model_id", _id(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_watches_actor_id")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_watches_model_id")),
        sa.PrimaryKeyConstraint("actor_id", "model_id", name=op.f("pk_watches")),
    )
    op.create_index(op.f("ix_watches_model_id"), "watches", ["model_id"], unique=False)
    op.create_table(
        "aliases",
        sa.Column("model_id", _id(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("version_id", _id(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", _id(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_aliases_model_id")),
        sa.ForeignKeyConstraint(["updated_by"], ["actors.id"], name=op.f("fk_aliases_updated_by")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_aliases_version_id")),
        sa.PrimaryKeyConstraint("model_id", "alias", name=op.f("pk_aliases")),
    )
    op.create_index(op.f("ix_aliases_version_id"), "aliases", ["version_id"], unique=False)
    op.create_table(
        "attestations",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("version_id", _id(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_attestations_actor_id")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_attestations_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attestations")),
    )
    op.create_index("ix_attestations_version_id_id", "attestations", ["version_id", "id"], unique=False)
    op.create_table(
        "cards",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("version_id", _id(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sections", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_cards_actor_id")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_cards_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cards")),
    )
    op.create_index("ix_cards_version_id_id", "cards", ["version_id", "id"], unique=False)
    op.create_table(
        "checks",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("version_id", _id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), server_default="", nullable=False),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_checks_actor_id")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_checks_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checks")),
    )
    op.create_index("ix_checks_version_id_id", "checks", ["version_id", "id"], unique=False)
    op.create_table(
        "evaluations",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("version_id", _id(), nullable=False),
        sa.Column("split", sa.Text(), server_default="", nullable=False),
        sa.Column("dataset", sa.Text(), server_default="", nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_evaluations_actor_id")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_evaluations_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluations")),
    )
    op.create_index("ix_evaluations_version_id_id", "evaluations", ["version_id", "id"], unique=False)
    op.create_table(
        "promotions",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("model_id", _id(), nullable=False),
        sa.Column("version_id", _id(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("record_digest", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("primary_wanted", sa.Integer(), server_default="1", nullable=False),
        sa.Column("seen_number", sa.BigInteger(), nullable=True),
        sa.Column("seen_revision", sa.Integer(), nullable=False),
        sa.Column("policy_digest", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("opened_by", _id(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", _id(), nullable=True),
        sa.Column("closed_reason", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("move", sa.Integer(), nullable=True),
        sa.Column("after_primary", sa.BigInteger(), nullable=True),
        sa.Column("after_all", sa.Text(), nullable=True),
        sa.Column("undid", _id(), nullable=True),
        sa.ForeignKeyConstraint(["closed_by"], ["actors.id"], name=op.f("fk_promotions_closed_by")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_promotions_model_id")),
        sa.ForeignKeyConstraint(["opened_by"], ["actors.id"], name=op.f("fk_promotions_opened_by")),
        sa.ForeignKeyConstraint(
            ["policy_digest"], ["effective_policies.digest"], name=op.f("fk_promotions_policy_digest")
        ),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_promotions_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotions")),
        sa.UniqueConstraint("model_id", "stage", "move", name=op.f("uq_promotions_model_id_stage_move")),
    )
    op.create_index("ix_promotions_model_id_id", "promotions", ["model_id", "id"], unique=False)
    op.create_index("ix_promotions_state_id", "promotions", ["state", "id"], unique=False)
    op.create_table(
        "run_artifacts",
        sa.Column("run_id", _id(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("released", sa.Text(), nullable=True),
        sa.Column("logged_by", _id(), nullable=True),
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
        "stage_occupants",
        sa.Column("model_id", _id(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("version_id", _id(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_stage_occupants_model_id")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_stage_occupants_version_id")),
        sa.PrimaryKeyConstraint("model_id", "stage", "version_id", name=op.f("pk_stage_occupants")),
    )
    op.create_table(
        "version_holds",
        sa.Column("version_id", _id(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_version_holds_version_id")),
        sa.PrimaryKeyConstraint("version_id", "kind", "name", name=op.f("pk_version_holds")),
    )
    op.create_table(
        "version_metrics",
        sa.Column("version_id", _id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), server_default="", nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_version_metrics_version_id")),
        sa.PrimaryKeyConstraint("version_id", "name", "split", name=op.f("pk_version_metrics")),
    )
    op.create_index("ix_version_metrics_name_value", "version_metrics", ["name", "value"], unique=False)
    op.create_table(
        "version_tags",
        sa.Column("version_id", _id(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_version_tags_version_id")),
        sa.PrimaryKeyConstraint("version_id", "key", name=op.f("pk_version_tags")),
    )
    op.create_index("ix_version_tags_key_value", "version_tags", ["key", "value"], unique=False)
    op.create_table(
        "comments",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("model_id", _id(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("promotion_id", _id(), nullable=True),
        sa.Column("author_id", _id(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("edited_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted_by", _id(), nullable=True),
        sa.ForeignKeyConstraint(["author_id"], ["actors.id"], name=op.f("fk_comments_author_id")),
        sa.ForeignKeyConstraint(["deleted_by"], ["actors.id"], name=op.f("fk_comments_deleted_by")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_comments_model_id")),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotions.id"], name=op.f("fk_comments_promotion_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comments")),
    )
    op.create_index("ix_comments_model_id_id", "comments", ["model_id", "id"], unique=False)
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
    op.create_table(
        "votes",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("promotion_id", _id(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("approves", sa.Integer(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("policy_digest", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_votes_actor_id")),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotions.id"], name=op.f("fk_votes_promotion_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_votes")),
    )
    op.create_index(op.f("ix_votes_promotion_id"), "votes", ["promotion_id"], unique=False)
    op.create_table(
        "waivers",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("promotion_id", _id(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("policy_digest", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_waivers_actor_id")),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotions.id"], name=op.f("fk_waivers_promotion_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waivers")),
    )
    op.create_index(op.f("ix_waivers_promotion_id"), "waivers", ["promotion_id"], unique=False)
    op.create_table(
        "comment_revisions",
        sa.Column("comment_id", _id(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["comment_id"], ["comments.id"], name=op.f("fk_comment_revisions_comment_id")),
        sa.PrimaryKeyConstraint("comment_id", "revision", name=op.f("pk_comment_revisions")),
    )
    connection = op.get_bind()
    op.bulk_insert(sa.table("event_head", sa.column("id"), sa.column("size")), [{"id": 1, "size": 0}])
    schema.create_search_table(connection)
    schema.create_log_guards(connection)
    row_notes.create_key(connection)
