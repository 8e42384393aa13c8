"""SQL of facts about this registry itself."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables import server_facts
from modelyard.db.transaction import Transaction


def find_fact(tx: Transaction, key: str) -> str | None:
    return tx.execute(sa.select(server_facts.c.value).where(server_facts.c.key == key)).scalar_one_or_none()


def set_fact(tx: Transaction, key: str, value: str) -> None:
    tx.execute(server_facts.delete().where(server_facts.c.key == key))
    tx.execute(server_facts.insert().values(key=key, value=value))
