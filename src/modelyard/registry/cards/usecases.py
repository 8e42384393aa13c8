"""Set and read the card of a version."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.card_sections import MAX_CARD_BYTES, card_sections
from modelyard.domain.digest import Digest
from modelyard.domain.errors import EditConflict, FileNotFound, TooLarge
from modelyard.domain.formats.card import licence_in
from modelyard.domain.names import Ref
from modelyard.domain.record import missing_facts
from modelyard.domain.texts import diff_lines
from modelyard.registry.cards import queries, rules
from modelyard.registry.cards.nouns import CardState, StoredCard
from modelyard.registry.cards.template import write_template
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.inspect import CARD_PATH, card_words
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.rules import refuse_deleted
from modelyard.registry.versions.usecases import find_card_file, find_present, find_version


class Card(msgspec.Struct, frozen=True):
    """A card. by, at: set for a card that came after registration; None: it is one of the version's files.

    number: 0 for the file, then 1, 2, … as they were set.
    """

    text: str
    sections: dict[str, int]
    by: str | None = None
    at: int | None = None
    number: int = 0


def set_card(tx: Transaction, actor: Actor, ref: Ref, text: str, seen: int | None = None) -> Card:
    """Set a new card.

    seen: number of the card that the author saw; any other raises EditConflict. Raises TooLarge, InvalidFact,
    VersionDeleted, Denied.
    """
    model, version = find_present(tx, actor, ref, Permission.VERSION_EDIT)
    if seen is not None and seen != (newest := queries.count_cards(tx, version.id)):
        raise EditConflict(
            what=f"the card of {model.name}:{version.number}",
            revision=newest,
            fix=f"Compare the two with: modelyard card show {model.name}:{version.number}; then save again",
        )
    text = catalog_rules.check_text(text, "the card", MAX_CARD_BYTES)
    raw = text.encode()
    if len(raw) > MAX_CARD_BYTES:
        raise TooLarge(what="the card", actual=len(raw), limit=MAX_CARD_BYTES, setting="")
    sections = card_sections(text)
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
        # The search uses the card of the model's newest version.
        versions.set_card_text(tx, model.id, card_words(raw))
        versions.set_licence(tx, model.id, licence_in(text) or version.format_facts.value.get("licence"))
    catalog.refresh_words(tx, model)
    return Card(text, sections, actor.name, tx.now, queries.count_cards(tx, version.id))


def find_state(tx: Transaction, model: Model, version: Version, until: int) -> CardState:
    """Return the card in effect at that time, and the licence. Gates and lists of facts ask only here."""
    stored = queries.find_card(tx, version.id, until)
    sections = stored.sections if stored else queries.find_file_sections(tx, version.manifest_id)
    by_files = version.format_facts.value.get("licence")
    return CardState(
        sections,
        sections is not None
        and rules.has_own_words(sections, lambda: card_sections(_template(tx, model, version))),
        (licence_in(stored.text) if stored else None) or by_files,
    )


FindVersion = Callable[[Transaction, Actor, Ref, Permission], tuple[Model, Version]]


def show_card(
    db: Database,
    blobs: BlobStore,
    actor: Actor,
    ref: Ref,
    number: int | None = None,
    find_version: FindVersion = find_version,
) -> Card:
    """Return the newest card, or the one with that number (0: the file). Raises FileNotFound if there is no such card.

    find_version: decides who may read the version, for features above that know more ways to grant it.
    """

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
        text = reader.read(0, min(reader.size_bytes, MAX_CARD_BYTES)).decode("utf-8", "replace")
    return Card(text, card_sections(text))


def list_cards(tx: Transaction, actor: Actor, ref: Ref) -> list[StoredCard]:
    """List the cards that were set, newest first."""
    _, version = find_version(tx, actor, ref, Permission.MODEL_PULL)
    return queries.list_cards(tx, version.id)


def compare_cards(
    db: Database, blobs: BlobStore, actor: Actor, ref: Ref, before: int, after: int | None
) -> list[str] | None:
    """Return the lines of a unified difference of two cards by number (after None: the newest); None: too long."""
    one = show_card(db, blobs, actor, ref, before)
    two = show_card(db, blobs, actor, ref, after)
    return diff_lines(one.text, two.text, f"card {one.number}", f"card {two.number}")


def card_template(tx: Transaction, actor: Actor, ref: Ref) -> str:
    """Return a first card, filled with the known facts of the version."""
    model, version = find_version(tx, actor, ref)
    return _template(tx, model, version)


def _template(tx: Transaction, model: Model, version: Version) -> str:
    facts = version.record.value
    return write_template(
        reference=f"{model.name}:{version.number}",
        title=model.display_name or model.name.name,
        task=model.task,
        description=model.description or version.description,
        tags=versions.list_tags(tx, [version.id]).get(version.id, {}),
        facts=facts,
        said=version.format_facts.value,
        missing=missing_facts(version.facts()),
    )
