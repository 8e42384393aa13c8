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
from modelyard.domain.errors import FileNotFound, TooLarge
from modelyard.domain.names import Ref
from modelyard.domain.record import missing_facts
from modelyard.registry.cards import queries
from modelyard.registry.cards.nouns import StoredCard
from modelyard.registry.cards.template import write_template
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.inspect import CARD_PATH, card_words
from modelyard.registry.versions.rules import refuse_deleted
from modelyard.registry.versions.usecases import find_card_file, find_present, find_version


@dataclass(frozen=True, slots=True)
class Card:
    """by, at: of a card that was set after registration; None: it is one of the version's files.

    number: 0 for the file, then 1, 2, … as they were set.
    """

    text: str
    sections: dict[str, int]
    by: str | None = None
    at: int | None = None
    number: int = 0


def set_card(tx: Transaction, actor: Actor, ref: Ref, text: str) -> Card:
    """Raises TooLarge, InvalidFact, VersionDeleted, Denied."""
    model, version = find_present(tx, actor, ref, Permission.VERSION_EDIT)
    text = catalog_rules.check_text(text, "the card", rules.MAX_CARD_BYTES)
    raw = text.encode()
    if len(raw) > rules.MAX_CARD_BYTES:
        raise TooLarge(what="the card", actual=len(raw), limit=rules.MAX_CARD_BYTES, setting="")
    sections = rules.card_sections(text)
    queries.insert_card(tx, actor, version.id, text, sections)
    tx.append(
        events.CardEdited(
            **events.about(model.name, version.number),
            digest=version.digest,
            card_digest=Digest.of(raw),
        ),
        actor,
        model.id,
    )
    if model.newest_version == version.number:
        # What people find the model by is the card of its newest version.
        versions.set_card_text(tx, model.id, card_words(raw))
        catalog.refresh_words(tx, model)
    return Card(text, sections, actor.name, tx.now, queries.count_cards(tx, version.id))


def find_sections(tx: Transaction, version_id: int, manifest_id: int, until: int) -> dict[str, int] | None:
    """What the card that counted at that moment says; None: there was none."""
    stored = queries.find_card(tx, version_id, until)
    return stored.sections if stored else queries.find_file_sections(tx, manifest_id)


def show_card(db: Database, blobs: BlobStore, actor: Actor, ref: Ref, number: int | None = None) -> Card:
    """The newest, or the one of that number (0: the file). Raises FileNotFound when there is no such card."""

    def find(tx: Transaction) -> tuple[StoredCard | None, Digest | None]:
        model, version = find_version(tx, actor, ref, Permission.MODEL_PULL)
        stored = None
        if number is None:
            stored = queries.find_card(tx, version.id, tx.now)
        elif number > 0:
            stored = queries.find_nth_card(tx, version.id, number)
        if stored is not None:
            return stored, None
        try:
            refuse_deleted(model.name, version)
            if number:
                raise FileNotFound(reference=f"{model.name}:{version.number}", path=f"card {number}")
            file = find_card_file(tx, model, version)
        except FileNotFound:
            raise FileNotFound(
                reference=f"{model.name}:{version.number}",
                path=f"card {number}" if number else CARD_PATH,
                fix=f"Set one with: modelyard card edit {model.name}:{version.number}",
            ) from None
        return None, file.digest

    stored, digest = db.read(find)
    if stored is not None:
        return Card(stored.text, stored.sections, stored.by, stored.at, stored.number)
    assert digest is not None
    with blobs.open(digest) as reader:
        text = reader.read(0, min(reader.size_bytes, rules.MAX_CARD_BYTES)).decode("utf-8", "replace")
    return Card(text, rules.card_sections(text))


def list_cards(tx: Transaction, actor: Actor, ref: Ref) -> list[StoredCard]:
    """The cards that were set, newest first."""
    _, version = find_version(tx, actor, ref, Permission.MODEL_PULL)
    return queries.list_cards(tx, version.id)


def card_template(tx: Transaction, actor: Actor, ref: Ref) -> str:
    """A card to begin with, filled with what is known of the version."""
    model, version = find_version(tx, actor, ref)
    facts = version.record.value
    return write_template(
        reference=f"{model.name}:{version.number}",
        title=model.display_name or model.name.name,
        task=model.task,
        description=model.description or version.description,
        tags=versions.list_tags(tx, [version.id]).get(version.id, {}),
        facts=facts,
        said=version.format_facts.value,
        missing=missing_facts(facts),
    )
