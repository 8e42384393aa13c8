"""Register files and facts as a model's next version, or find the equal existing one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec
from msgspec.structs import replace

from modelyard.db.json_columns import JsonText
from modelyard.db.transaction import Transaction
from modelyard.domain import events
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.errors import (
    MissingBlobs,
    SizeMismatch,
)
from modelyard.domain.manifest import Manifest
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.domain.record import Record, commit_of, known_facts
from modelyard.registry.access import rules as access
from modelyard.registry.catalog import rules as catalog_rules
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.catalog.nouns import Model
from modelyard.registry.catalog.usecases import CatalogSettings
from modelyard.registry.scan import queries as scans
from modelyard.registry.scan.rules import read_files
from modelyard.registry.scan.serving import is_held
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.versions import alias_queries, queries, registering_queries, score_queries
from modelyard.registry.versions.aliases import move_to, refuse_protected
from modelyard.registry.versions.inspect import CARD_PATH, summarise_files, unread_files
from modelyard.registry.versions.labels import Labels, check_labels, missing_labels, refuse_taken
from modelyard.registry.versions.nouns import StoredManifest, Version
from modelyard.registry.versions.origins import check_parents, note_origins
from modelyard.registry.versions.rules import READY
from modelyard.registry.versions.serving import append_quarantined, append_unknown_served
from modelyard.registry.versions.usecases import VersionEdit, VersionView, edit_version, view_of
from modelyard.registry.withheld.queries import list_files as list_withheld_files
from modelyard.registry.withheld.refusals import bytes_withheld


class Registration(msgspec.Struct, frozen=True):
    """A client's request to register a version."""

    model: ModelName
    manifest: Manifest
    record: Record
    description: str = ""
    tags: Mapping[str, str] = msgspec.field(default_factory=dict)
    aliases: Sequence[Alias] = ()
    labels: Labels = Labels()
    force_new: bool = False
    """Create a new version even if one with the same files and record exists."""


class Registered(msgspec.Struct, frozen=True):
    view: VersionView
    is_new: bool


def register_version(
    tx: Transaction,
    actor: Actor,
    settings: CatalogSettings,
    wanted: Registration,
    inspect: Callable[[Manifest, str], None],
) -> Registered:
    """Freeze files and facts under the model's next number.

    The model and its namespace are created if they are missing and the actor may create them. The same files with the
    same record return the existing version; aliases are moved to it all the same.
    inspect: reads facts from the files' bytes and stores them, outside the transaction.
    Raises MissingBlobs, BytesWithheld, SizeMismatch, Denied, ModelArchived, InvalidFact, InvalidName.
    """
    tx.expect_rows(len(wanted.manifest.files))
    # Checked before anything is written, so that a refusal costs no rollback.
    tags = catalog_rules.check_tags(wanted.tags)
    description = catalog_rules.check_text(wanted.description, "the description")
    labels = check_labels(wanted.labels)
    check_parents(wanted.record.facts)
    model, note = catalog.ensure_model(tx, actor, settings, wanted.model)
    if wanted.aliases:
        access.check(actor, Permission.ALIAS_MOVE, model.place)
        for alias in wanted.aliases:
            refuse_protected(model, alias, "NUMBER")
    manifest, record = wanted.manifest, wanted.record
    same = registering_queries.find_same(tx, model.id, manifest.digest, record.digest)
    if same is not None and same.record_digest == record.digest and not wanted.force_new:
        version = queries.find_by_number(tx, model.id, same.number)
        assert version is not None
        if missing_labels(model, version, labels):
            edit = VersionEdit(semver=labels.semver, pull_request=labels.pull_request)
            version = edit_version(tx, actor, Ref(model.name, version.number), edit).version
        if version.is_held and wanted.aliases:
            view = view_of(tx, model, version)
            return Registered(replace(view, not_moved=[str(a) for a in wanted.aliases]), is_new=False)
        _point(tx, actor, model, version, wanted.aliases)
        return Registered(view_of(tx, model, version), is_new=False)
    refuse_taken(tx, model, labels)
    if same is not None:
        if same.withheld:
            first = list_withheld_files(tx, same.manifest_id)[0]
            raise bytes_withheld(tx, first.withheld.digest)
        said = same.format_facts.value
        framework, licence = said.get("framework"), said.get("licence")
        is_newest = same.manifest_id == same.newest_manifest_id
        card = None if is_newest else _find_card(tx, same.manifest_id)
        stored = StoredManifest(same.manifest_id, same.format_facts, framework, licence, same.scan, card)
        new_bytes = 0
    else:
        stored = _ensure_manifest(tx, actor, manifest, inspect)
        new_bytes = registering_queries.sum_new_bytes(tx, model.namespace_id, manifest)
    version, is_other_card = _insert(tx, actor, model, replace(wanted, labels=labels), stored, description)
    registering_queries.count_version(
        tx,
        actor,
        model_id=model.id,
        facts=known_facts(record.facts),
        size_bytes=manifest.size_bytes,
        new_bytes=new_bytes,
    )
    score_queries.insert_recorded(tx, score_queries.VersionKey(version.id, model.id), record.metrics)
    queries.insert_tags(tx, version.id, tags)
    if is_other_card or (
        not version.quarantined and (description or tags or labels.semver or labels.pull_request)
    ):
        catalog.refresh_words(tx, model)
    note_origins(tx, actor, model, version.id, version.number, record.facts)
    tx.append(
        events.VersionRegistered(
            **events.about(model.name, version.number),
            digest=manifest.digest,
            record_digest=record.digest,
            size_bytes=manifest.size_bytes,
        ),
        actor,
        model.id,
    )
    append_unknown_served(tx, model, version, actor)
    if version.is_held:
        # It is registered, so that people see it and its reasons; aliases never move to a version that is not served.
        append_quarantined(tx, model, version, actor)
        view = VersionView(model, version, tags, [], [str(a) for a in wanted.aliases], note=note)
        return Registered(view, is_new=True)
    _point(tx, actor, model, version, wanted.aliases)
    view = VersionView(model, version, tags, [str(a) for a in wanted.aliases], note=note)
    return Registered(view, is_new=True)


def _insert(
    tx: Transaction,
    actor: Actor,
    model: Model,
    wanted: Registration,
    stored: StoredManifest,
    description: str,
) -> tuple[Version, bool]:
    """Insert the version; return it, and whether the searched card of the model changed."""
    manifest, record = wanted.manifest, wanted.record
    quarantined = is_held(
        tx,
        model.name.namespace,
        actor.name,
        stored.scan,
        lambda: read_files(scans.list_files(tx, stored.id)),
    )
    catalog.refuse_above_quota(tx, model, manifest.size_bytes)
    number = catalog.next_number(tx, actor, model) + registering_queries.count_waiting(tx, model.id)
    registering_queries.count_in_model(
        tx, model.id, number, stored, manifest.size_bytes, is_served=not quarantined
    )
    text = record.canonical_bytes.decode()
    build = registering_queries.find_build(tx, actor)
    version_id = registering_queries.insert_version(
        tx,
        actor,
        model_id=model.id,
        number=number,
        manifest_id=stored.id,
        digest=manifest.digest,
        record_digest=record.digest,
        record=text,
        state=READY,
        description=description,
        quarantined=quarantined,
        labels=wanted.labels,
        code_commit=commit_of(record.facts),
        build=build,
    )
    is_other_card = False
    if not quarantined and stored.card is not None and stored.card != catalog.card_text(tx, model.id):
        queries.set_card_text(tx, model.id, stored.card)
        is_other_card = True
    # The written values, without reading them back.
    version = Version(
        id=version_id,
        model_id=model.id,
        number=number,
        digest=manifest.digest,
        record_digest=record.digest,
        state=READY,
        description=description,
        revision=1,
        created_at=tx.now,
        updated_at=tx.now,
        created_by=actor.name,
        manifest_id=stored.id,
        size_bytes=manifest.size_bytes,
        file_count=len(manifest.files),
        format_facts=stored.format_facts,
        record=JsonText(text),
        scan=stored.scan,
        quarantined=int(quarantined),
        semver=wanted.labels.semver or None,
        pull_request=wanted.labels.pull_request or None,
        build=build,
    )
    return version, is_other_card


def _ensure_manifest(
    tx: Transaction, actor: Actor, manifest: Manifest, inspect: Callable[[Manifest, str], None]
) -> StoredManifest:
    """Return the manifest's row, created if it is new. Raises MissingBlobs, SizeMismatch.

    The actor must be allowed to read all the bytes; otherwise a digest would give access to other teams' files.
    """
    sizes = {file.digest: file.size_bytes for file in manifest.files}
    known = uploads.find_known_sizes(tx, actor, sizes)
    missing = [digest for digest in sizes if digest not in known]
    if missing:
        raise MissingBlobs(count=len(missing), first=missing[0], digests=missing[:1000])
    for digest, size in sizes.items():
        if known[digest] != size:
            raise SizeMismatch(actual=known[digest], expected=size, digest=digest)
    read = uploads.find_read(tx, sizes)
    if unread_files(manifest, read):
        # Deleted bytes and long scans stay unread.
        tx.outside(("inspected", manifest.digest), partial(inspect, manifest, actor.name))
    uploads.touch_blobs(tx, sizes)
    summary, card, scan = summarise_files(manifest, read)
    found = registering_queries.find_manifest(tx, manifest.digest)
    if found is None:
        text = json.dumps(summary, ensure_ascii=False, separators=(",", ":"))
        found = registering_queries.insert_manifest(tx, manifest, text, scan), text, scan
    return StoredManifest(
        found[0], JsonText(found[1]), summary.get("framework"), summary.get("licence"), found[2], card
    )


def _find_card(tx: Transaction, manifest_id: int) -> str:
    """Return the searched text of a manifest's card."""
    manifest = Manifest.from_bytes(queries.find_manifest_body(tx, manifest_id))
    card = [file for file in manifest.files if file.path == CARD_PATH]
    return summarise_files(manifest, uploads.find_read(tx, [file.digest for file in card]))[1]


def _point(tx: Transaction, actor: Actor, model: Model, version: Version, aliases: Sequence[Alias]) -> None:
    for alias in aliases:
        present = alias_queries.find_alias(tx, model.id, alias)
        if present is None or present.number != version.number:
            move_to(tx, actor, model, alias, present, version, None)
