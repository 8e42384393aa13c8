"""SQL of jumping to an object by a few letters."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables import datasets, models, namespaces, runs, versions
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.names import ModelName
from modelyard.registry.access.queries import readable_namespaces, visible_models


def list_versions(tx: Transaction, actor: Actor, digest: str, limit: int) -> list[tuple[ModelName, int, str]]:
    """List (model, number, digest) of versions whose digest begins so, newest first."""
    return _versions_by(tx, actor, versions.c.digest, digest, limit)


def list_versions_of_commit(
    tx: Transaction, actor: Actor, commit: str, limit: int
) -> list[tuple[ModelName, int, str]]:
    """List (model, number, commit) of versions whose Git commit begins so, newest first."""
    return _versions_by(tx, actor, versions.c.code_commit, commit, limit)


def _versions_by(
    tx: Transaction, actor: Actor, column: sa.Column[str], beginning: str, limit: int
) -> list[tuple[ModelName, int, str]]:
    query = (
        sa.select(namespaces.c.name, models.c.name, versions.c.number, column)
        .select_from(
            versions.join(models, models.c.id == versions.c.model_id).join(
                namespaces, namespaces.c.id == models.c.namespace_id
            )
        )
        .where(*_begins(column, beginning), versions.c.state != "deleted", visible_models(actor))
        .order_by(versions.c.id.desc())
        .limit(limit)
    )
    return [(ModelName(row[0], row[1]), row[2], row[3]) for row in tx.rows(query)]


def list_runs_of_commit(tx: Transaction, actor: Actor, commit: str, limit: int) -> list[tuple[str, str, str]]:
    """List (uid, name, commit) of runs whose Git commit begins so, newest first."""
    query = (
        sa.select(runs.c.uid, runs.c.name, runs.c.code_commit)
        .select_from(runs.join(namespaces, namespaces.c.id == runs.c.namespace_id))
        .where(*_begins(runs.c.code_commit, commit), readable_namespaces(actor))
        .order_by(runs.c.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1] or row[0], row[2]) for row in tx.rows(query)]


def _begins(column: sa.Column[str], digits: str) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions that a value of lowercase hex digits begins so.

    A range uses the index on both databases, whatever their collation.
    """
    return column >= digits, column <= digits + "g"


def list_runs(tx: Transaction, actor: Actor, text: str, limit: int) -> list[tuple[str, str, str]]:
    """List (uid, name, status) of runs whose uid or name begins so, newest first."""
    begins = sa.or_(
        runs.c.uid.startswith(text.lower(), autoescape=True), runs.c.name.startswith(text, autoescape=True)
    )
    query = (
        sa.select(runs.c.uid, runs.c.name, runs.c.status)
        .select_from(runs.join(namespaces, namespaces.c.id == runs.c.namespace_id))
        .where(begins, readable_namespaces(actor))
        .order_by(runs.c.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1] or row[0], row[2]) for row in tx.rows(query)]


def list_datasets(tx: Transaction, actor: Actor, text: str, limit: int) -> list[str]:
    """List the names of datasets that contain the text, by name."""
    query = (
        sa.select(namespaces.c.name, datasets.c.name)
        .select_from(datasets.join(namespaces, namespaces.c.id == datasets.c.namespace_id))
        .where(
            sa.or_(
                sa.func.lower(datasets.c.name).contains(text.lower(), autoescape=True),
                namespaces.c.name.startswith(text.lower(), autoescape=True),
            ),
            readable_namespaces(actor),
        )
        .order_by(namespaces.c.name, datasets.c.name)
        .limit(limit)
    )
    return [f"{row[0]}/{row[1]}" for row in tx.rows(query)]
