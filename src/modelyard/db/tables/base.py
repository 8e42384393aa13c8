"""The common parts of all tables.

Columns hold only numbers, text and bytes, so that a row needs no conversion and is the same in both
databases: times are whole microseconds since 1970 UTC (`*_at`), JSON and canonical bytes are text, truth values
are 0 or 1. A comment explains each missing foreign key.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite generates ids only in a column of type INTEGER.
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def id_column() -> sa.Column[int]:
    return sa.Column("id", BigId, primary_key=True, autoincrement=True)


def moment(name: str, *, nullable: bool = False) -> sa.Column[int]:
    """Return a column for whole microseconds since 1970 UTC."""
    return sa.Column(name, sa.BigInteger, nullable=nullable)
