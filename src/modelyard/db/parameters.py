"""Parameters of a `Statement` with the names of their columns."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def named(*columns: str) -> dict[str, sa.BindParameter[Any]]:
    """Return a parameter for each column, in the form that `values` accepts."""
    return {column: sa.bindparam(column) for column in columns}
