"""SQL of manifests and versions; that of pages of versions is in page_queries.py, of aliases in alias_queries.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from modelyard.db.json_columns import JsonText, dump_json, load_noun
from modelyard.db.lists import ids_text, is_among
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    actors,
    aliases,
    blobs,
    manifest_files,
    manifests,
    models,
    namespaces,
    version_tags,
    versions,
)
from modelyard.db.tables.uploads import DAMAGED, WITHHELD
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Role, Visibility
from modelyard.domain.digest import Digest
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.registry.access.queries import model_role, visible_models
from modelyard.registry.access.rules import Place
from modelyard.registry.scan.nouns import Release
from modelyard.registry.versions.nouns import Deprecation, Image, Keep, Recall, Resolved, Version

_p = sa.bindparam


VERSION_COLUMNS = (
    versions.c.id,
    versions.c.model_id,
    versions.c.number,
    versions.c.digest,
    versions.c.record_digest,
    versions.c.state,
    versions.c.description,
    versions.c.revision,
    versions.c.created_at,
    versions.c.updated_at,
    actors.c.name,
    versions.c.manifest_id,
    manifests.c.size_bytes,
    manifests.c.file_count,
    manifests.c.format_facts,
    versions.c.record,
    versions.c.deprecation,
    manifests.c.scan,
    versions.c.quarantined,
    versions.c.released,
    versions.c.recall,
    manifests.c.withheld,
    versions.c.semver,
    versions.c.pull_request,
    versions.c.kept,
    versions.c.build,
    versions.c.image,
)
VERSIONS = versions.join(manifests, manifests.c.id == versions.c.manifest_id).join(
    actors, actors.c.id == versions.c.created_by
)


def to_version(row: Sequence[Any]) -> Version:
    """Return the version of a row with VERSION_COLUMNS."""
    return Version(
        row[0],
        row[1],
        row[2],
        Digest(row[3]),
        Digest(row[4]),
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
        row[10],
        row[11],
        row[12],
        row[13],
        JsonText(row[14]),
        JsonText(row[15]),
        load_noun(row[16], Deprecation),
        row[17],
        row[18],
        load_noun(row[19], Release),
        load_noun(row[20], Recall),
        row[21],
        row[22],
        row[23],
        load_noun(row[24], Keep),
        row[25],
        load_noun(row[26], Image),
    )


_BY_NUMBER = Statement(
    sa.select(*VERSION_COLUMNS)
    .select_from(VERSIONS)
    .where(versions.c.model_id == _p("model_id"), versions.c.number == _p("number"))
)
_BY_NUMBERS = Statement(
    sa.select(*VERSION_COLUMNS)
    .select_from(VERSIONS)
    .where(versions.c.model_id == _p("model_id"), is_among(versions.c.number, "numbers"))
)
_BY_DIGEST = Statement(
    sa.select(*VERSION_COLUMNS)
    .select_from(VERSIONS)
    .where(versions.c.model_id == _p("model_id"), versions.c.digest == _p("digest"))
    .order_by(versions.c.number.desc())
    .limit(1)
)
_BY_ALIAS = Statement(
    sa.select(*VERSION_COLUMNS)
    .select_from(VERSIONS.join(aliases, aliases.c.version_id == versions.c.id))
    .where(aliases.c.model_id == _p("model_id"), aliases.c.alias == _p("alias"))
)


_AUTHORS = Statement(
    sa.select(actors.c.name)
    .join(versions, versions.c.created_by == actors.c.id)
    .where(versions.c.digest == sa.bindparam("digest"), versions.c.created_at <= sa.bindparam("until"))
    .distinct()
    .order_by(actors.c.name)
)


def list_authors(tx: Transaction, digest: str, until: int) -> list[str]:
    """List the accounts that registered a version with these files, in any model, up to that time."""
    return [row[0] for row in tx.all(_AUTHORS, digest=digest, until=until)]


def find_by_number(tx: Transaction, model_id: int, number: int) -> Version | None:
    row = tx.one(_BY_NUMBER, model_id=model_id, number=number)
    return to_version(row) if row else None


def list_by_number(tx: Transaction, model_id: int, numbers: Iterable[int]) -> list[Version]:
    """List versions in no particular order; numbers without a version are omitted."""
    return [to_version(row) for row in tx.all(_BY_NUMBERS, model_id=model_id, numbers=ids_text(numbers))]


def find_by_digest(tx: Transaction, model_id: int, digest: Digest) -> Version | None:
    """Return the newest version with these files."""
    row = tx.one(_BY_DIGEST, model_id=model_id, digest=digest)
    return to_version(row) if row else None


def find_by_alias(tx: Transaction, model_id: int, alias: Alias) -> Version | None:
    row = tx.one(_BY_ALIAS, model_id=model_id, alias=alias)
    return to_version(row) if row else None


# --- resolve: the hottest read ---------------------------------------------------------------------


_RESOLVED = (
    namespaces.c.name,
    models.c.name,
    versions.c.number,
    versions.c.digest,
    versions.c.record_digest,
    versions.c.state,
    manifests.c.size_bytes,
    versions.c.created_at,
    models.c.visibility,
    models.c.deleted_at,
    model_role(_p("actor_id")),
    versions.c.deprecation,
    manifests.c.scan,
    versions.c.quarantined,
    versions.c.recall,
    manifests.c.id,
    manifests.c.withheld,
    namespaces.c.serve_unknown,
)
_MODEL_VERSIONS = (
    namespaces.join(models, models.c.namespace_id == namespaces.c.id)
    .join(versions, versions.c.model_id == models.c.id)
    .join(manifests, manifests.c.id == versions.c.manifest_id)
)
_NAMED = (namespaces.c.name == _p("namespace"), models.c.name == _p("name"))

_RESOLVE_ALIAS = Statement(
    sa.select(*_RESOLVED, aliases.c.revision)
    .select_from(
        namespaces.join(models, models.c.namespace_id == namespaces.c.id)
        .join(aliases, aliases.c.model_id == models.c.id)
        .join(versions, versions.c.id == aliases.c.version_id)
        .join(manifests, manifests.c.id == versions.c.manifest_id)
    )
    .where(*_NAMED, aliases.c.alias == _p("selector"))
)
_RESOLVE_NUMBER = Statement(
    sa.select(*_RESOLVED, sa.null())
    .select_from(_MODEL_VERSIONS)
    .where(*_NAMED, versions.c.number == _p("selector"))
)
_RESOLVE_DIGEST = Statement(
    sa.select(*_RESOLVED, sa.null())
    .select_from(_MODEL_VERSIONS)
    .where(*_NAMED, versions.c.digest == _p("selector"))
    .order_by(versions.c.number.desc())
    .limit(1)
)
_RESOLVE_NEWEST = Statement(
    sa.select(*_RESOLVED, sa.null())
    .select_from(_MODEL_VERSIONS)
    .where(*_NAMED, versions.c.number == models.c.newest_version)
)


def resolve(tx: Transaction, actor: Actor, ref: Ref) -> Resolved | None:
    """Resolve names and selector to the version and the actor's role there, in one statement.

    None: there is no such version; redirects of renamed models are not followed here.
    """
    named: dict[str, Any] = {"actor_id": actor.id, "namespace": ref.model.namespace, "name": ref.model.name}
    match ref.selector:
        case None:
            row = tx.one(_RESOLVE_NEWEST, **named)
        case int():
            row = tx.one(_RESOLVE_NUMBER, selector=ref.selector, **named)
        case Digest():
            row = tx.one(_RESOLVE_DIGEST, selector=ref.selector, **named)
        case _:
            row = tx.one(_RESOLVE_ALIAS, selector=ref.selector, **named)
    if row is None:
        return None
    place = Place(row[0], row[1], Role(row[10]), Visibility(row[8]))
    return Resolved(
        ModelName(row[0], row[1]),
        row[2],
        Digest(row[3]),
        Digest(row[4]),
        row[5],
        row[6],
        row[7],
        row[18],
        place,
        row[9] is not None,
        load_noun(row[11], Deprecation),
        row[12],
        bool(row[13]),
        load_noun(row[14], Recall),
        row[15],
        row[16],
        bool(row[17]),
    )


_FIND_ID = Statement(
    sa.select(versions.c.id)
    .select_from(
        versions.join(models, models.c.id == versions.c.model_id).join(
            namespaces, namespaces.c.id == models.c.namespace_id
        )
    )
    .where(*_NAMED, versions.c.number == _p("number"))
)


def find_id(tx: Transaction, model: ModelName, number: int) -> int | None:
    row = tx.one(_FIND_ID, namespace=model.namespace, name=model.name, number=number)
    return int(row[0]) if row else None


def find_readable_by_digest(tx: Transaction, actor: Actor, digest: Digest) -> int | None:
    """Return the first version with these files that the actor may read."""
    query = (
        sa.select(versions.c.id)
        .join(models, models.c.id == versions.c.model_id)
        .where(versions.c.digest == digest, versions.c.state != "deleted", visible_models(actor))
        .order_by(versions.c.id)
        .limit(1)
    )
    found = tx.execute(query).scalar_one_or_none()
    return None if found is None else int(found)


# --- reading ---------------------------------------------------------------------------------------


_MANIFEST_BODY = Statement(sa.select(manifests.c.body).where(manifests.c.id == _p("manifest_id")))


def find_manifest_body(tx: Transaction, manifest_id: int) -> bytes:
    row = tx.one(_MANIFEST_BODY, manifest_id=manifest_id)
    assert row is not None
    return bytes(row[0].encode())


_FIND_FILE = Statement(
    sa.select(manifest_files.c.digest, manifest_files.c.size_bytes, blobs.c.state)
    .select_from(manifest_files.outerjoin(blobs, blobs.c.digest == manifest_files.c.digest))
    .where(manifest_files.c.manifest_id == _p("manifest_id"), manifest_files.c.path == _p("path"))
)


def find_file(tx: Transaction, manifest_id: int, path: str) -> tuple[Digest, int, bool] | None:
    """Return (digest, size in bytes, whether the bytes are withheld)."""
    row = tx.one(_FIND_FILE, manifest_id=manifest_id, path=path)
    return (Digest(row[0]), row[1], row[2] == WITHHELD) if row else None


# It goes from the few damaged bytes to their versions, not from the many files to their bytes.
_LIST_DAMAGED = Statement(
    sa.select(manifest_files.c.manifest_id)
    .select_from(blobs.join(manifest_files, manifest_files.c.digest == blobs.c.digest))
    .where(blobs.c.state == DAMAGED, is_among(manifest_files.c.manifest_id, "manifest_ids"))
    .distinct()
)


def list_damaged(tx: Transaction, manifest_ids: Iterable[int]) -> set[int]:
    """Return the manifests for which a check found stored bytes missing or wrong."""
    return {row[0] for row in tx.all(_LIST_DAMAGED, manifest_ids=ids_text(manifest_ids))}


_LIST_TAGS = Statement(
    sa.select(version_tags.c.version_id, version_tags.c.key, version_tags.c.value)
    .where(is_among(version_tags.c.version_id, "version_ids"))
    .order_by(version_tags.c.version_id, version_tags.c.key)
)


def list_tags(tx: Transaction, version_ids: Iterable[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for version_id, key, value in tx.all(_LIST_TAGS, version_ids=ids_text(version_ids)):
        found.setdefault(version_id, {})[key] = value
    return found


def set_tags(tx: Transaction, version_id: int, tags: Mapping[str, str]) -> None:
    tx.execute(version_tags.delete().where(version_tags.c.version_id == version_id))
    insert_tags(tx, version_id, tags)


_INSERT_TAG = Statement(
    version_tags.insert().values(version_id=_p("version_id"), key=_p("key"), value=_p("value"))
)


def insert_tags(tx: Transaction, version_id: int, tags: Mapping[str, str]) -> None:
    tx.run_many(_INSERT_TAG, [{"version_id": version_id, "key": k, "value": v} for k, v in tags.items()])


_FIND_SEMVER = Statement(
    sa.select(versions.c.number).where(
        versions.c.model_id == _p("model_id"), versions.c.semver == _p("semver"), versions.c.state != "deleted"
    )
)


def find_semver(tx: Transaction, model_id: int, semver: str) -> int | None:
    """Return the number of the version with that semantic version; None if no version has it."""
    row = tx.one(_FIND_SEMVER, model_id=model_id, semver=semver)
    return int(row[0]) if row else None


def update_version(tx: Transaction, version_id: int, values: Mapping[str, Any]) -> None:
    tx.execute(
        versions.update()
        .where(versions.c.id == version_id)
        .values(**values, revision=versions.c.revision + 1, updated_at=tx.now)
    )


def set_deprecation(tx: Transaction, version_id: int, deprecation: Deprecation | None) -> None:
    update_version(tx, version_id, {"deprecation": dump_json(deprecation)})


def set_recall(tx: Transaction, version_id: int, recall: Recall | None) -> None:
    update_version(tx, version_id, {"recall": dump_json(recall)})


def set_keep(tx: Transaction, version_id: int, keep: Keep | None) -> None:
    update_version(tx, version_id, {"kept": dump_json(keep)})


def set_image(tx: Transaction, version_id: int, image: Image) -> None:
    update_version(tx, version_id, {"image": dump_json(image)})


def refresh_newest(tx: Transaction, model_id: int) -> None:
    """Update the model's newest version and number of versions, after a version became ready or stopped being ready."""
    newest = (
        sa.select(sa.func.max(versions.c.number))
        .where(versions.c.model_id == model_id, versions.c.state == "ready", versions.c.quarantined == 0)
        .scalar_subquery()
    )
    count = (
        sa.select(sa.func.count())
        .where(versions.c.model_id == model_id, versions.c.state != "deleted")
        .scalar_subquery()
    )
    tx.execute(
        models.update()
        .where(models.c.id == model_id)
        .values(newest_version=newest, version_count=count, updated_at=tx.now)
    )


_SET_CARD = Statement(models.update().where(models.c.id == _p("the_model")).values(card_text=_p("card_text")))


_SET_LICENCE = Statement(models.update().where(models.c.id == _p("the_model")).values(licence=_p("licence")))


def set_licence(tx: Transaction, model_id: int, licence: str | None) -> None:
    """Set the licence that a search finds the model by."""
    tx.run(_SET_LICENCE, the_model=model_id, licence=licence)


def set_card_text(tx: Transaction, model_id: int, card_text: str) -> None:
    tx.run(_SET_CARD, the_model=model_id, card_text=card_text)
