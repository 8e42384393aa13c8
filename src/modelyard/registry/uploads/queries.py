"""SQL of blobs and uploads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.db.json_columns import JsonText
from modelyard.db.lists import is_one_of
from modelyard.db.parameters import named
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    blob_facts,
    blob_senders,
    blobs,
    manifest_files,
    models,
    terms_acceptances,
    uploads,
    versions,
)
from modelyard.db.tables.uploads import DELETING, LIVE, WITHHELD
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Permission
from modelyard.domain.digest import Digest
from modelyard.domain.scanning.verdicts import RULES_VERSION
from modelyard.registry.access.nouns import ReaderKind
from modelyard.registry.access.queries import reader_kind, visible_models_of
from modelyard.registry.uploads.nouns import BlobRead, Upload
from modelyard.registry.withheld.refusals import bytes_withheld

_p = sa.bindparam
_CHUNK = 5000
OF_ONE_REQUEST = -1
"""Replaces the size of an upload in one request, so that no search for resumable uploads finds it."""


def chunked(values: list[Digest]) -> Iterable[list[Digest]]:
    """Yield pieces that limit the parameters and results of one statement."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


@cache
def _find_known_sizes(
    kind: ReaderKind, is_admin: bool, by_namespace: bool, by_model: bool, narrow: bool
) -> Statement:
    """Match the rows of `blobs` that the actor may read: in a version that they may pull and whose terms of use they
    have accepted, or sent by them.

    A narrow token cannot use bytes that the account sent with another scope, since they may belong elsewhere.
    """
    query = sa.select(blobs.c.digest, blobs.c.size_bytes, blobs.c.state).where(
        is_one_of(blobs.c.digest, "digests")
    )
    if is_admin and not narrow:
        return Statement(query.where(sa.or_(blobs.c.state == LIVE, blobs.c.state == WITHHELD)))
    readable = (
        sa.select(sa.literal(1))
        .select_from(
            manifest_files.join(versions, versions.c.manifest_id == manifest_files.c.manifest_id).join(
                models, models.c.id == versions.c.model_id
            )
        )
        .where(
            manifest_files.c.digest == blobs.c.digest,
            versions.c.state != "deleted",
            # A copy in another model would be a way around the terms of this one.
            sa.or_(
                models.c.terms_digest.is_(None),
                sa.exists().where(
                    terms_acceptances.c.model_id == models.c.id,
                    terms_acceptances.c.actor_id == _p("actor_id"),
                    terms_acceptances.c.digest == models.c.terms_digest,
                ),
            ),
            visible_models_of(
                kind,
                _p("actor_id"),
                _p("namespace") if by_namespace else None,
                _p("model") if by_model else None,
                Permission.MODEL_PULL,
            ),
        )
        .correlate(blobs)
    )
    sent = [blob_senders.c.digest == blobs.c.digest, blob_senders.c.actor_id == _p("actor_id")]
    if narrow:
        sent.append(blob_senders.c.scope == _p("scope"))
    may_read = sa.or_(sa.exists().where(*sent), sa.exists(readable))
    return Statement(query.where(sa.or_(blobs.c.state == WITHHELD, sa.and_(blobs.c.state == LIVE, may_read))))


def find_known_sizes(
    tx: Transaction, actor: Actor, digests: Iterable[Digest], *, refuse_withheld: bool = True
) -> dict[Digest, int]:
    """Return digest → size of those of the bytes that are stored and readable for the actor.

    Raises BytesWithheld if one of them is withheld: no account may send or name it. refuse_withheld False: omit it
    instead.
    """
    scope = actor.scope
    statement = _find_known_sizes(
        reader_kind(actor, Permission.MODEL_PULL),
        actor.is_admin,
        scope.namespace is not None,
        scope.model is not None,
        not scope.is_everything,
    )
    values = {"actor_id": actor.id, "namespace": scope.namespace, "model": scope.model, "scope": scope.key}
    known: dict[Digest, int] = {}
    for some in chunked(list(digests)):
        for digest, size, state in tx.all(statement, digests=",".join(some), **values):
            if state == LIVE:
                known[Digest(digest)] = size
            elif refuse_withheld:
                raise bytes_withheld(tx, Digest(digest))
    return known


_LIST_WITHHELD = Statement(
    sa.select(blobs.c.digest).where(is_one_of(blobs.c.digest, "digests"), blobs.c.state == WITHHELD)
)


def list_withheld_among(tx: Transaction, digests: Iterable[Digest]) -> list[Digest]:
    found: list[Digest] = []
    for some in chunked(list(digests)):
        found += [Digest(row[0]) for row in tx.all(_LIST_WITHHELD, digests=",".join(some))]
    return found


_TOUCH_BLOBS = Statement(
    blobs.update()
    .where(is_one_of(blobs.c.digest, "digests"), blobs.c.state == LIVE)
    .values(touched_at=_p("now"))
)


def touch_blobs(tx: Transaction, digests: Iterable[Digest]) -> None:
    """Restart the collector's grace period of bytes that are needed now."""
    for some in chunked(list(digests)):
        tx.run(_TOUCH_BLOBS, digests=",".join(some), now=tx.now)


_UPSERT_BLOB = Statement(
    postgresql.insert(blobs)
    .values(
        **named("digest", "size_bytes", "scan", "scan_rules"),
        state=LIVE,
        created_at=_p("now"),
        touched_at=_p("now"),
    )
    .on_conflict_do_update(
        index_elements=["digest"],
        set_={"state": LIVE, "touched_at": _p("now")},
        where=sa.and_(blobs.c.state != DELETING, blobs.c.state != WITHHELD),
    )
    .returning(blobs.c.digest)
)
_NOTE_SENDER = Statement(
    postgresql.insert(blob_senders)
    .values(digest=_p("digest"), actor_id=_p("actor_id"), scope=_p("scope"), sent_at=_p("now"))
    .on_conflict_do_update(index_elements=["digest", "actor_id", "scope"], set_={"sent_at": _p("now")})
)


def upsert_blob(tx: Transaction, digest: Digest, size_bytes: int, scan: str | None = None) -> bool:
    """Register bytes; return False for a digest that is withheld or that the collector is just removing.

    scan: the scan of new bytes; None: they were not scanned.
    """
    rules = 0 if scan is None else RULES_VERSION
    row = tx.one(_UPSERT_BLOB, digest=digest, size_bytes=size_bytes, scan=scan, scan_rules=rules, now=tx.now)
    return row is not None


def note_sender(tx: Transaction, digest: Digest, actor: Actor) -> None:
    tx.run(_NOTE_SENDER, digest=digest, actor_id=actor.id, scope=actor.scope.key, now=tx.now)


_FIND_STATE = Statement(sa.select(blobs.c.state, blobs.c.size_bytes).where(blobs.c.digest == _p("digest")))


def find_state(tx: Transaction, digest: Digest) -> tuple[str, int] | None:
    """Return (state, size in bytes) of a known blob."""
    row = tx.one(_FIND_STATE, digest=digest)
    return (row[0], row[1]) if row else None


_INSERT_UPLOAD = Statement(
    uploads.insert().values(
        **named("id", "actor_id", "digest", "size_bytes", "expires_at", "scope"), created_at=_p("now")
    )
)
_UPLOAD = uploads.c["id", "actor_id", "digest", "size_bytes", "expires_at", "scope"]
_FIND_UPLOAD = Statement(sa.select(*_UPLOAD).where(uploads.c.id == _p("id")))
_DELETE_UPLOAD = Statement(uploads.delete().where(uploads.c.id == _p("id")))


def insert_upload(tx: Transaction, upload: Upload) -> None:
    tx.run(
        _INSERT_UPLOAD,
        id=upload.id,
        actor_id=upload.actor_id,
        digest=upload.digest,
        size_bytes=upload.size_bytes,
        now=tx.now,
        expires_at=upload.expires_at,
        scope=upload.scope,
    )


def find_upload(tx: Transaction, upload_id: str) -> Upload | None:
    row = tx.one(_FIND_UPLOAD, id=upload_id)
    return Upload(row[0], row[1], Digest(row[2]), *row[3:]) if row else None


def find_upload_of(tx: Transaction, actor: Actor, digest: Digest, size_bytes: int) -> Upload | None:
    """Return the newest open upload of the same bytes that the actor began with the same scope."""
    query = (
        sa.select(*_UPLOAD)
        .where(
            uploads.c.actor_id == actor.id,
            uploads.c.scope == actor.scope.key,
            uploads.c.digest == digest,
            uploads.c.size_bytes == size_bytes,
            uploads.c.expires_at > tx.now,
        )
        .order_by(uploads.c.created_at.desc())
    )
    row = tx.execute(query).first()
    return Upload(row[0], row[1], Digest(row[2]), *row[3:]) if row else None


def extend_upload(tx: Transaction, upload_id: str, expires_at: int) -> None:
    tx.execute(uploads.update().where(uploads.c.id == upload_id).values(expires_at=expires_at))


def delete_upload(tx: Transaction, upload_id: str) -> None:
    tx.run(_DELETE_UPLOAD, id=upload_id)


def list_expired_uploads(tx: Transaction) -> list[str]:
    query = sa.select(uploads.c.id).where(uploads.c.expires_at <= tx.now).limit(1000)
    return [row[0] for row in tx.rows(query)]


# --- facts and scans of bytes --------------------------------------------------------------------


_FIND_READ = Statement(
    sa.select(blobs.c.digest, blobs.c.scan, blobs.c.scan_rules, blob_facts.c.reader, blob_facts.c.facts)
    .select_from(blobs.outerjoin(blob_facts, blob_facts.c.digest == blobs.c.digest))
    .where(is_one_of(blobs.c.digest, "digests"), blobs.c.state != WITHHELD)
)


def find_read(tx: Transaction, digests: Iterable[Digest]) -> dict[Digest, BlobRead]:
    """Return the stored facts of bytes that are stored and not withheld."""
    found: dict[Digest, BlobRead] = {}
    for some in chunked(list(digests)):
        for digest, scan, scan_rules, reader, facts in tx.all(_FIND_READ, digests=",".join(some)):
            read = found.get(Digest(digest)) or BlobRead(scan, scan_rules, {})
            if reader is not None:
                read = BlobRead(scan, scan_rules, {**read.facts, reader: JsonText(facts) if facts else None})
            found[Digest(digest)] = read
    return found


_SET_FIRST_SCAN = Statement(
    blobs.update()
    .where(blobs.c.digest == _p("the_digest"), blobs.c.scan.is_(None))
    .values(scan=_p("scan"), scan_rules=_p("scan_rules"))
)
_SET_SCAN = Statement(
    blobs.update().where(blobs.c.digest == _p("the_digest")).values(scan=_p("scan"), scan_rules=0)
)
_NOTE_FOLLOWED = Statement(
    blobs.update().where(blobs.c.digest == _p("the_digest")).values(scan_rules=_p("scan_rules"))
)
_SET_FACTS = Statement(
    postgresql.insert(blob_facts)
    .values(digest=_p("digest"), reader=_p("reader"), facts=_p("facts"))
    .on_conflict_do_nothing(index_elements=["digest", "reader"])
)


def set_first_scan(tx: Transaction, digest: Digest, scan: str) -> None:
    """Store the first scan of bytes; an existing verdict stays."""
    tx.run(_SET_FIRST_SCAN, the_digest=digest, scan=scan, scan_rules=RULES_VERSION)


def set_scan(tx: Transaction, digest: Digest, scan: str) -> None:
    """Replace the scan of bytes. It counts as one by old rules, which is repeated, until `note_followed` records that all
    versions follow it."""
    tx.run(_SET_SCAN, the_digest=digest, scan=scan)


def note_followed(tx: Transaction, digest: Digest) -> None:
    tx.run(_NOTE_FOLLOWED, the_digest=digest, scan_rules=RULES_VERSION)


def set_facts(tx: Transaction, digest: Digest, facts: Mapping[str, str]) -> None:
    """Store facts of bytes. facts: by reader."""
    tx.run_many(_SET_FACTS, [{"digest": digest, "reader": r, "facts": text} for r, text in facts.items()])


def sum_stored(tx: Transaction) -> tuple[int, int]:
    """Return (number, bytes) of the blobs that the registry keeps, each counted once."""
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(blobs.c.size_bytes), 0))
    count, size_bytes = tx.rows(query.where(blobs.c.state == LIVE))[0]
    return int(count), int(size_bytes)
