"""SQL of cards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from modelyard.db.tables import actors, blob_facts, cards, manifest_files
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.citation import Citation
from modelyard.registry.cards.nouns import StoredCard
from modelyard.registry.versions.inspect import CARD_PATH, CARD_READER


def _cards(version_id: int) -> sa.Select[tuple[str, str, int, str, int]]:
    """Select the cards, newest first."""
    earlier = cards.alias("earlier")
    number = (
        sa.select(sa.func.count())
        .where(earlier.c.version_id == version_id, earlier.c.id <= cards.c.id)
        .correlate(cards)
        .scalar_subquery()
    )
    return (
        sa.select(cards.c.text, cards.c.sections, cards.c.at, actors.c.name, number)
        .join(actors, actors.c.id == cards.c.actor_id)
        .where(cards.c.version_id == version_id)
        .order_by(cards.c.id.desc())
    )


def _card(row: Sequence[Any]) -> StoredCard:
    return StoredCard(row[0], json.loads(row[1]), *row[2:])


def find_card(tx: Transaction, version_id: int, until: int) -> StoredCard | None:
    """Return the newest card set up to that time; None: the card among the files counts."""
    row = tx.execute(_cards(version_id).where(cards.c.at <= until).limit(1)).first()
    return _card(row) if row else None


def find_nth_card(tx: Transaction, version_id: int, number: int) -> StoredCard | None:
    query = (
        sa.select(cards.c.id)
        .where(cards.c.version_id == version_id)
        .order_by(cards.c.id)
        .offset(number - 1)
        .limit(1)
    )
    row = tx.execute(_cards(version_id).where(cards.c.id == query.scalar_subquery())).first()
    return _card(row) if row else None


def list_cards(tx: Transaction, version_id: int, limit: int = 200) -> list[StoredCard]:
    """List the cards, newest first."""
    return [_card(row) for row in tx.rows(_cards(version_id).limit(limit))]


def count_cards(tx: Transaction, version_id: int) -> int:
    query = sa.select(sa.func.count()).where(cards.c.version_id == version_id)
    return int(tx.execute(query).scalar_one())


def insert_card(tx: Transaction, actor: Actor, version_id: int, text: str, sections: dict[str, int]) -> None:
    tx.execute(
        cards.insert().values(
            version_id=version_id, text=text, sections=json.dumps(sections), at=tx.now, actor_id=actor.id
        )
    )


def find_file_sections(tx: Transaction, manifest_id: int) -> dict[str, int] | None:
    """Return the sections of the card among the files, as read at registration; None if there is no card."""
    found: dict[str, int] | None = _find_file_card(tx, manifest_id).get("sections")
    return found


def find_file_citation(tx: Transaction, manifest_id: int) -> Citation | None:
    """Return the citation in the card among the files, as read at registration; None if there is none."""
    found = _find_file_card(tx, manifest_id).get("citation")
    return None if found is None else Citation(*found)


def _find_file_card(tx: Transaction, manifest_id: int) -> dict[str, Any]:
    query = (
        sa.select(blob_facts.c.facts)
        .join(manifest_files, manifest_files.c.digest == blob_facts.c.digest)
        .where(
            manifest_files.c.manifest_id == manifest_id,
            manifest_files.c.path == CARD_PATH,
            blob_facts.c.reader == CARD_READER,
        )
    )
    row = tx.execute(query).first()
    found: dict[str, Any] = json.loads(row[0]) if row is not None and row[0] else {}
    return found
