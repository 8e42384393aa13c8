"""How tokens came to be, who made an account, auditors, and answers to repeated requests by token."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def _big_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # Tokens from before are 'unknown': nobody knows whether a full sign-in made them.
    op.add_column("tokens", sa.Column("origin", sa.Text(), server_default="unknown", nullable=False))
    op.add_column("tokens", sa.Column("made_with", _big_id(), nullable=True))
    op.create_index(op.f("ix_tokens_made_with"), "tokens", ["made_with"], unique=False)
    op.execute(
        "UPDATE tokens SET origin = 'exchange' WHERE actor_id IN (SELECT actor_id FROM trusted_publishers)"
    )
    op.add_column("actors", sa.Column("is_auditor", sa.Integer(), server_default="0", nullable=False))
    op.add_column("actors", sa.Column("made_by", _big_id(), nullable=True))
    op.add_column("uploads", sa.Column("scope", sa.Text(), server_default="", nullable=False))
    _remake_senders(sa.Column("scope", sa.Text(), nullable=False))
    _note_makers()
    _narrow_publishers()
    # The answers go: their hashes of requests were not keyed, and nobody knows which token asked.
    op.drop_table("idempotency_keys")
    _make_idempotency_keys(sa.Column("token_id", _big_id(), autoincrement=False, nullable=False))


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    _make_idempotency_keys()
    _remake_senders()
    op.drop_column("uploads", "scope")
    op.drop_column("actors", "made_by")
    op.drop_column("actors", "is_auditor")
    op.drop_index(op.f("ix_tokens_made_with"), "tokens")
    op.drop_column("tokens", "made_with")
    op.drop_column("tokens", "origin")


def _make_idempotency_keys(*by: sa.Column[int]) -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("actor_id", _big_id(), autoincrement=False, nullable=False),
        *by,
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "actor_id", *[column.name for column in by], "key", name=op.f("pk_idempotency_keys")
        ),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)


def _remake_senders(*by: sa.Column[str]) -> None:
    """Neither SQLite nor a table in use takes another key, so the rows are copied. What is there has scope ''."""
    op.rename_table("blob_senders", "old_blob_senders")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE old_blob_senders RENAME CONSTRAINT pk_blob_senders TO pk_old_blob_senders")
        op.execute(
            "ALTER TABLE old_blob_senders"
            " RENAME CONSTRAINT fk_blob_senders_actor_id TO fk_old_blob_senders_actor_id"
        )
    op.create_table(
        "blob_senders",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("actor_id", _big_id(), nullable=False),
        *by,
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_blob_senders_actor_id")),
        sa.PrimaryKeyConstraint(
            "digest", "actor_id", *[column.name for column in by], name=op.f("pk_blob_senders")
        ),
    )
    if by:
        op.execute(
            "INSERT INTO blob_senders (digest, actor_id, scope, sent_at)"
            " SELECT digest, actor_id, '', sent_at FROM old_blob_senders"
        )
    else:
        op.execute(
            "INSERT INTO blob_senders (digest, actor_id, sent_at)"
            " SELECT digest, actor_id, max(sent_at) FROM old_blob_senders WHERE scope = ''"
            " GROUP BY digest, actor_id"
        )
    op.drop_table("old_blob_senders")


def _note_makers() -> None:
    """By what the log says of accounts, and by whose publishers they are."""
    database = op.get_bind()
    told = database.execute(
        sa.text("SELECT actor_id, body FROM events WHERE kind = 'actor.created' AND actor_id > 0")
    )
    for maker, body in told.all():
        name = json.loads(body)["data"]["name"]
        database.execute(
            sa.text("UPDATE actors SET made_by = :maker WHERE name = :name AND id <> :maker"),
            {"maker": maker, "name": name},
        )
    op.execute(
        "UPDATE actors SET made_by = (SELECT max(created_by) FROM trusted_publishers"
        " WHERE trusted_publishers.actor_id = actors.id)"
        " WHERE id IN (SELECT actor_id FROM trusted_publishers)"
    )


def _narrow_publishers() -> None:
    """The role of a publisher for one model is held on that model, where there is one."""
    database = op.get_bind()
    found = database.execute(
        sa.text(
            "SELECT p.actor_id, p.namespace_id, m.id FROM trusted_publishers p"
            " JOIN models m ON m.namespace_id = p.namespace_id AND m.name = p.model"
        )
    )
    for actor, namespace, model in found.all():
        database.execute(
            sa.text(
                "UPDATE grants SET model_id = :model"
                " WHERE actor_id = :actor AND namespace_id = :namespace AND model_id = 0"
            ),
            {"actor": actor, "namespace": namespace, "model": model},
        )
