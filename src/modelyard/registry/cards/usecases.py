"""Setting and reading the card of a version."""

from __future__ import annotations

from dataclasses import dataclass

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain import card_sections as rules
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.errors import FileNotFound, TooLarge, VersionDeleted
from modelyard.domain.names import Ref
from modelyard.registry.cards import queries
from modelyard.registry.cards.queries import CARD_PATH, StoredCard
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.versions.usecases import DELETED, find_card_file, find_version


@dataclass(frozen=True, slots=True)
class Card:
    """by, at: of a card that was set after registration; None: it is one of the version's files."""

    text: str
    sections: dict[str, int]
    by: str | None = None
    at: int | None = None


def set_card(tx: Transaction, actor: Actor, ref: Ref, text: str) -> Card:
    """Raises TooLarge, InvalidFact, VersionDeleted, Denied."""
    model, version = find_version(tx, actor, ref, Permission.VERSION_EDIT)
    if version.state == DELETED:
        raise VersionDeleted(reference=f"{model.name}:{version.number}", model=str(model.name))
    catalog_rules.check_text(text, "the card", rules.MAX_CARD_BYTES)
    raw = text.encode()
    if len(raw) > rules.MAX_CARD_BYTES:
        raise TooLarge(what="the card", actual=len(raw), limit=rules.MAX_CARD_BYTES, setting="")
    sections = rules.card_sections(text)
    queries.insert_card(tx, actor, version.id, text, sections)
    tx.append(
        events.CardEdited(
            namespace=model.name.namespace,
            model=str(model.name),
            version=version.number,
            digest=version.digest,
            card_digest=Digest.of(raw),
        ),
        actor,
        model.id,
    )
    return Card(text, sections, actor.name, tx.now)


def find_sections(tx: Transaction, version_id: int, manifest_id: int, until: int) -> dict[str, int] | None:
    """What the card that counted at that moment says; None: there was none."""
    stored = queries.find_card(tx, version_id, until)
    return stored.sections if stored else queries.find_file_sections(tx, manifest_id)


def show_card(db: Database, blobs: BlobStore, actor: Actor, ref: Ref) -> Card:
    """Raises FileNotFound when the version has no card."""

    def find(tx: Transaction) -> tuple[StoredCard | None, Digest | None, str]:
        model, version = find_version(tx, actor, ref, Permission.MODEL_PULL)
        stored = queries.find_card(tx, version.id, tx.now)
        if stored is not None:
            return stored, None, ""
        try:
            if version.state == DELETED:
                raise VersionDeleted(reference=f"{model.name}:{version.number}", model=str(model.name))
            file = find_card_file(tx, model, version)
        except FileNotFound:
            raise FileNotFound(
                reference=f"{model.name}:{version.number}",
                path=CARD_PATH,
                fix=f"Set one with: modelyard card set {model.name}:{version.number} README.md",
            ) from None
        return None, file.digest, file.path

    stored, digest, _ = db.read(find)
    if stored is not None:
        return Card(stored.text, stored.sections, stored.by, stored.at)
    assert digest is not None
    with blobs.open(digest) as reader:
        text = reader.read(0, min(reader.size_bytes, rules.MAX_CARD_BYTES)).decode("utf-8", "replace")
    return Card(text, rules.card_sections(text))
