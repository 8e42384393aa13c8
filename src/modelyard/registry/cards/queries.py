"""SQL of cards."""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa

from modelyard.db.tables import actors, blobs, cards, manifest_files
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor

CARD_PATH = "README.md"


@dataclass(frozen=True, slots=True)
class StoredCard:
    text: str
    sections: dict[str, int]
    at: int
    by: str


def find_card(tx: Transaction, version_id: int, until: int) -> StoredCard | None:
    """The newest that was set up to that moment; None: the files' own card counts."""
    query = (
        sa.select(cards.c.text, cards.c.sections, cards.c.at, actors.c.name)
        .join(actors, actors.c.id == cards.c.actor_id)
        .where(cards.c.version_id == version_id, cards.c.at <= until)
        .order_by(cards.c.id.desc())
        .limit(1)
    )
    row = tx.execute(query).first()
    return StoredCard(row[0], json.loads(row[1]), row[2], row[3]) if row else None


def insert_card(tx: Transaction, actor: Actor, version_id: int, text: str, sections: dict[str, int]) -> None:
    tx.execute(
        cards.insert().values(
            version_id=version_id, text=text, sections=json.dumps(sections), at=tx.now, actor_id=actor.id
        )
    )


def find_file_sections(tx: Transaction, manifest_id: int) -> dict[str, int] | None:
    """Sections of the card among the files, as they were read at registration; None: there is none."""
    query = (
        sa.select(blobs.c.facts)
        .join(manifest_files, manifest_files.c.digest == blobs.c.digest)
        .where(manifest_files.c.manifest_id == manifest_id, manifest_files.c.path == CARD_PATH)
    )
    row = tx.execute(query).first()
    if row is None or not row[0]:
        return None
    found: dict[str, int] | None = json.loads(row[0]).get("sections")
    return found
