"""Cite a version: by the citation in its card, otherwise by one that is made of what is known of it."""

from __future__ import annotations

import msgspec

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.citation import Citation, citation_in, make_citation
from modelyard.domain.errors import FileNotFound
from modelyard.domain.names import Ref
from modelyard.domain.times import to_datetime
from modelyard.registry.cards import queries
from modelyard.registry.cards.usecases import find_state, show_card
from modelyard.registry.catalog import queries as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.versions.nouns import Version
from modelyard.registry.versions.usecases import find_version

CARD, GENERATED = "card", "generated"


class Cited(msgspec.Struct, frozen=True):
    """How to cite a version. source: card or generated. licence None: not known."""

    reference: str
    citation: Citation
    source: str
    licence: str | None


def cite_version(db: Database, blobs: BlobStore, actor: Actor, ref: Ref, public_url: str) -> Cited:
    """Return how to cite a version, deleted ones too if their card was set. public_url: address of the server.

    Raises VersionNotFound, VersionDeleted; FileWithheld and FileQuarantined for a card that is not served.
    """

    def read(tx: Transaction) -> tuple[Model, Version, str | None, list[str]]:
        model, version = find_version(tx, actor, ref)
        owners = catalog.list_owners(tx, [model.id]).get(model.id, [])
        return model, version, find_state(tx, model, version, tx.now).licence, owners

    model, version, licence, owners = db.read(read)
    reference = Ref(model.name, version.number)
    try:
        found = citation_in(show_card(db, blobs, actor, reference).text)
    except FileNotFound:
        found = None
    if found is not None:
        return Cited(str(reference), found, CARD, licence)
    made = make_citation(
        model=str(model.name),
        title=model.display_name or model.name.name,
        # Strangers are told no names of accounts; authors who want to be named write their citation into the card.
        authors=[model.name.namespace] if actor.is_anonymous else owners or [version.created_by],
        version=version.semver or str(version.number),
        year=to_datetime(version.created_at).year,
        digest=str(version.digest),
        url=f"{public_url}/models/{model.name}/versions/{version.number}",
    )
    return Cited(str(reference), made, GENERATED, licence)


def find_citation(tx: Transaction, version: Version) -> Citation | None:
    """Return the citation in the version's card, without reading a file; None: its card has none, or is not served."""
    stored = queries.find_card(tx, version.id, tx.now)
    if stored is not None:
        return citation_in(stored.text)
    if version.is_held or version.withheld:
        return None
    return queries.find_file_citation(tx, version.manifest_id)
