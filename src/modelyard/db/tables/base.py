"""What all tables share.

Columns hold numbers, text and bytes alone, so that a row costs no conversion and reads the same in both
databases: times are whole microseconds since 1970 UTC (`*_at`), JSON and canonical bytes are text, truth is
0 or 1. What has no foreign key says why.
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

# SQLite counts up by itself only for a column of type INTEGER.
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def id_column() -> sa.Column[int]:
    return sa.Column("id", BigId, primary_key=True, autoincrement=True)


def moment(name: str, *, nullable: bool = False) -> sa.Column[int]:
    """Whole microseconds since 1970 UTC."""
    return sa.Column(name, sa.BigInteger, nullable=nullable)
