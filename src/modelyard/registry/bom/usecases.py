"""The bill of materials of a version."""

from __future__ import annotations

import contextlib
from typing import Any

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.card_sections import section_texts
from modelyard.domain.errors import FileWithheld, NotFound
from modelyard.domain.manifest import Manifest
from modelyard.domain.names import Ref
from modelyard.domain.times import time_text
from modelyard.registry.access import rules as access
from modelyard.registry.bom import queries
from modelyard.registry.bom.rules import Material, build_bom
from modelyard.registry.cards import usecases as cards
from modelyard.registry.quarantine import usecases as quarantine
from modelyard.registry.versions import queries as versions
from modelyard.registry.versions.usecases import find_version


def show_bom(db: Database, blobs: BlobStore, actor: Actor, ref: Ref, release: str) -> dict[str, Any]:
    """Return the bill in CycloneDX 1.6, even for a quarantined version, whose content people want to inspect."""
    sections: dict[str, str] = {}
    # The version has no card, or it is withheld; or there is no such version, which is reported below.
    with contextlib.suppress(NotFound, FileWithheld):
        sections = section_texts(cards.show_card(db, blobs, actor, ref).text)
    return db.read(lambda tx: build_bom(_material(tx, actor, ref, release, sections)))


def _material(tx: Transaction, actor: Actor, ref: Ref, release: str, sections: dict[str, str]) -> Material:
    model, version = find_version(tx, actor, ref)
    access.refuse_strangers(actor)
    facts = version.record.value
    digests = {str(entry["digest"]) for entry in facts.get("data", []) if entry.get("digest")}
    return Material(
        model=str(model.name),
        version=version.number,
        digest=version.digest,
        record_digest=version.record_digest,
        registered_by=version.created_by,
        registered_at=time_text(version.created_at),
        made_at=time_text(tx.now),
        release=release,
        facts=facts,
        said=version.format_facts.value,
        files=Manifest.from_bytes(versions.find_manifest_body(tx, version.manifest_id)).files,
        scan=quarantine.view_scan(tx, model, version).verdict,
        description=version.description or model.description,
        task=model.task,
        sections=sections,
        known_data=queries.find_profiled(tx, model.name.namespace, digests) if digests else frozenset(),
    )
