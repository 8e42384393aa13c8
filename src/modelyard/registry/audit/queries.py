"""SQL that reads the event log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import sqlalchemy as sa

from modelyard.db.json_columns import JsonText
from modelyard.db.statement import Statement
from modelyard.db.tables import (
    actors,
    aliases,
    blobs,
    event_head,
    event_nodes,
    events,
    manifest_files,
    manifests,
    models,
    namespaces,
    versions,
    withheld_bytes,
)
from modelyard.db.tables.uploads import WITHHELD
from modelyard.db.transaction import Transaction
from modelyard.domain.events import ContentRedacted, all_events
from modelyard.domain.merkle import node_count, node_place
from modelyard.domain.names import ModelName
from modelyard.registry.access.queries import model_role
from modelyard.registry.audit.nouns import AliasState, EventFilter, FrozenFacts, LoggedEvent, Redacted


def matching_kinds(patterns: Sequence[str]) -> list[str]:
    """Return the known kinds of events that match a pattern."""
    return sorted(kind for kind in all_events() if any(fnmatchcase(kind, each) for each in patterns))


def count_events(tx: Transaction, chosen: EventFilter) -> int:
    """Count the events of the model or namespace, or of the whole log, regardless of other conditions."""
    scope = EventFilter(model_id=chosen.model_id, namespace=chosen.namespace, hidden=chosen.hidden)
    if scope == EventFilter():
        return find_head(tx)[0]
    return int(tx.execute(_chosen(sa.select(sa.func.count()).select_from(events), scope)).scalar_one())


def is_known_actor(tx: Transaction, name: str) -> bool:
    """Return whether an account of that name exists or ever caused an event."""
    account = sa.select(actors.c.id).where(actors.c.name == name)
    acted = sa.select(events.c.seq).where(events.c.actor == name)
    return any(tx.execute(query.limit(1)).first() is not None for query in (account, acted))


def list_actor_names(tx: Transaction) -> list[str]:
    return [row[0] for row in tx.rows(sa.select(actors.c.name).order_by(actors.c.name))]


def list_models_of(tx: Transaction, actor_id: int, namespace: str) -> list[tuple[int, str, int, str]]:
    """List (id, name, the actor's role by grants, visibility) of all models of a namespace, deleted ones included."""
    query = (
        sa.select(models.c.id, models.c.name, model_role(actor_id), models.c.visibility)
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .where(namespaces.c.name == namespace)
    )
    return [(row[0], row[1], row[2], row[3]) for row in tx.rows(query)]


def list_events(
    tx: Transaction, chosen: EventFilter, *, before: int | None = None, after: int | None = None, limit: int
) -> list[LoggedEvent]:
    """List events below `before`, newest first; or, with `after`, the ones above it, oldest first."""
    query = sa.select(events.c.seq, events.c.body).limit(limit)
    query = query.order_by(events.c.seq if after is not None else events.c.seq.desc())
    query = _chosen(query, chosen)
    if before is not None:
        query = query.where(events.c.seq < before)
    if after is not None:
        query = query.where(events.c.seq > after)
    return [LoggedEvent(seq, json.loads(body)) for seq, body in tx.rows(query)]


def list_chosen_bodies(
    tx: Transaction, chosen: EventFilter, after: int, end: int, limit: int
) -> list[tuple[int, str]]:
    """List (seq, body) as stored, oldest first, above `after` and below `end`."""
    query = sa.select(events.c.seq, events.c.body).order_by(events.c.seq).limit(limit)
    query = _chosen(query, chosen).where(events.c.seq > after, events.c.seq < end)
    return [(row[0], row[1]) for row in tx.rows(query)]


def _chosen(query: Any, chosen: EventFilter) -> Any:
    conditions = []
    if chosen.model_id is not None:
        conditions.append(events.c.model_id == chosen.model_id)
    if chosen.version is not None:
        conditions.append(events.c.version == chosen.version)
    if chosen.actor is not None:
        conditions.append(events.c.actor == chosen.actor)
    if chosen.namespace is not None:
        conditions.append(events.c.namespace == chosen.namespace)
    if chosen.hidden:
        conditions.append(events.c.model_id.not_in(list(chosen.hidden)))
    if chosen.kinds:
        conditions.append(events.c.kind.in_(matching_kinds(chosen.kinds)))
    if chosen.since is not None:
        conditions.append(events.c.at >= chosen.since)
    if chosen.until is not None:
        conditions.append(events.c.at < chosen.until)
    if not conditions:
        return query
    if chosen.also:
        return query.where(sa.or_(sa.and_(*conditions), events.c.seq.in_(list(chosen.also))))
    return query.where(*conditions)


def find_redacted(tx: Transaction) -> Redacted:
    """Return all redactions of the log; the newest one of each place counts."""
    found = Redacted()
    query = (
        sa.select(events.c.seq, events.c.body)
        .where(events.c.kind == ContentRedacted.kind)
        .order_by(events.c.seq)
    )
    for seq, body in tx.rows(query):
        data = json.loads(body)["data"]
        for number, told in data["events"].items():
            found.events[int(number)] = told["leaf"], told["left"]
            found.seqs.setdefault(seq, []).append(int(number))
        for row in data["rows"]:
            found.rows[row["table"], row["column"], tuple(row["key"])] = row["left"]
    return found


def list_matching(tx: Transaction, chosen: EventFilter, seqs: Iterable[int]) -> list[int]:
    """Return those of these events that match the filter."""
    query = _chosen(sa.select(events.c.seq).where(events.c.seq.in_(list(seqs))), chosen)
    return [row[0] for row in tx.rows(query)]


# --- the tree ------------------------------------------------------------------------------------

_HEAD = Statement(sa.select(event_head.c.size, event_head.c.peaks).where(event_head.c.id == 1))
_BODIES = Statement(
    sa.select(events.c.seq, events.c.body)
    .where(events.c.seq >= sa.bindparam("start"), events.c.seq < sa.bindparam("end"))
    .order_by(events.c.seq)
)
_ROWS = Statement(
    sa.select(
        events.c.seq,
        events.c.at,
        events.c.kind,
        events.c.actor_id,
        events.c.actor,
        events.c.namespace,
        events.c.model_id,
        events.c.version,
        events.c.body,
    )
    .where(events.c.seq >= sa.bindparam("start"), events.c.seq < sa.bindparam("end"))
    .order_by(events.c.seq)
)
_NODES = Statement(
    sa.select(event_nodes.c.place, event_nodes.c.hash)
    .where(event_nodes.c.place >= sa.bindparam("start"), event_nodes.c.place < sa.bindparam("end"))
    .order_by(event_nodes.c.place)
)


def find_head(tx: Transaction) -> tuple[int, str]:
    """Return (number of events, peaks of their tree in hexadecimal)."""
    row = tx.one(_HEAD)
    return (int(row[0]), str(row[1])) if row else (0, "")


def list_bodies(tx: Transaction, start: int, end: int) -> list[tuple[int, str]]:
    """List (seq, body) as stored; missing rows are omitted."""
    return [(row[0], row[1]) for row in tx.run(_BODIES, start=start, end=end)]


def list_rows(tx: Transaction, start: int, end: int) -> list[tuple[Any, ...]]:
    """List whole rows, in the order of StoredEvent; the body is a JsonText, since few checks need to parse it."""
    return [(*row[:8], JsonText[dict[str, Any]](row[8])) for row in tx.run(_ROWS, start=start, end=end)]


def list_nodes(tx: Transaction, start: int, end: int) -> dict[tuple[int, int], bytes]:
    """Return the stored nodes that the leaves from `start` to before `end` completed, by (level, position)."""
    places = {
        node_place(level, leaf >> level): (level, leaf >> level)
        for leaf in range(start, end)
        for level in range((leaf ^ leaf + 1).bit_length())
    }
    found = tx.run(_NODES, start=node_count(start), end=node_count(end))
    return {places[place]: bytes(value) for place, value in found}


def find_nodes(tx: Transaction, wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """Return stored nodes by (level, position)."""
    places = {node_place(level, position): (level, position) for level, position in wanted}
    query = sa.select(event_nodes.c.place, event_nodes.c.hash).where(event_nodes.c.place.in_(list(places)))
    return {places[place]: bytes(value) for place, value in tx.rows(query)}


def find_first_beyond(tx: Transaction, size: int) -> int | None:
    """Return an event that is stored although the log ends before it according to the head.

    Events appended in the meantime moved the head with them, so the head is read once more.
    """
    query = sa.select(sa.func.min(events.c.seq)).where(
        events.c.seq >= size,
        events.c.seq >= sa.select(event_head.c.size).where(event_head.c.id == 1).scalar_subquery(),
    )
    found: int | None = tx.execute(query).scalar_one()
    return found


def find_model_of(tx: Transaction, seq: int) -> tuple[int, ModelName | None] | None:
    """Return (model id, its present name) of one event; None if there is no such event."""
    query = (
        sa.select(events.c.model_id, namespaces.c.name, models.c.name)
        .select_from(
            events.outerjoin(models, models.c.id == events.c.model_id).outerjoin(
                namespaces, namespaces.c.id == models.c.namespace_id
            )
        )
        .where(events.c.seq == seq)
    )
    row = tx.execute(query).first()
    if row is None:
        return None
    return row[0], ModelName(row[1], row[2]) if row[1] is not None else None


# --- the rows that the log describes -------------------------------------------------------------


def find_frozen(tx: Transaction, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], FrozenFacts]:
    """Return the frozen facts of versions. places: (model id, number)."""
    v = versions.c
    query = sa.select(v.model_id, v.number, v.digest, v.record_digest, v.record, v.id).where(
        sa.tuple_(v.model_id, v.number).in_(places)
    )
    return {(row[0], row[1]): FrozenFacts(*row[2:]) for row in tx.rows(query)}


def list_alias_rows(tx: Transaction) -> list[AliasState]:
    """List every present and former alias."""
    query = (
        sa.select(
            aliases.c.model_id,
            aliases.c.alias,
            aliases.c.revision,
            versions.c.number,
            namespaces.c.name + "/" + models.c.name,
        )
        .select_from(aliases)
        .join(models, models.c.id == aliases.c.model_id)
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .outerjoin(versions, versions.c.id == aliases.c.version_id)
        .order_by(aliases.c.model_id, aliases.c.alias)
    )
    return [AliasState(*row) for row in tx.rows(query)]


def count_versions(tx: Transaction) -> int:
    return int(tx.execute(sa.select(sa.func.count()).select_from(versions)).scalar_one())


def list_unregistered(tx: Transaction, limit: int = 100) -> list[str]:
    """List the references of versions that no event records."""
    told = sa.exists().where(
        events.c.model_id == versions.c.model_id,
        events.c.version == versions.c.number,
        events.c.kind == "version.registered",
    )
    query = (
        sa.select(namespaces.c.name, models.c.name, versions.c.number)
        .select_from(versions)
        .join(models, models.c.id == versions.c.model_id)
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .where(~told)
        .order_by(versions.c.id)
        .limit(limit)
    )
    return [f"{namespace}/{name}:{number}" for namespace, name, number in tx.rows(query)]


def list_strange_withheld(tx: Transaction, limit: int = 100) -> list[tuple[str, bool]]:
    """List (digest, whether `withheld_bytes` has a row for it) of bytes whose state contradicts that row."""
    kept = blobs.c.state == WITHHELD
    row = withheld_bytes.c.digest
    unheld = (
        sa.select(row)
        .select_from(withheld_bytes.outerjoin(blobs, blobs.c.digest == row))
        .where(sa.or_(blobs.c.state.is_(None), ~kept))
        .order_by(row)
        .limit(limit)
    )
    unexplained = (
        sa.select(blobs.c.digest)
        .select_from(blobs.outerjoin(withheld_bytes, blobs.c.digest == row))
        .where(kept, row.is_(None))
        .order_by(blobs.c.digest)
        .limit(limit)
    )
    return [(found[0], True) for found in tx.rows(unheld)] + [
        (found[0], False) for found in tx.rows(unexplained)
    ]


def list_lost_files(tx: Transaction, limit: int = 100) -> list[tuple[str, str]]:
    """List (reference, path) of files whose bytes have no row although no event removed them."""
    query = (
        sa.select(namespaces.c.name, models.c.name, versions.c.number, manifest_files.c.path)
        .select_from(manifest_files)
        .join(versions, versions.c.manifest_id == manifest_files.c.manifest_id)
        .join(models, models.c.id == versions.c.model_id)
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .outerjoin(blobs, blobs.c.digest == manifest_files.c.digest)
        .where(blobs.c.digest.is_(None), versions.c.state != "deleted")
        .order_by(versions.c.id, manifest_files.c.position)
        .limit(limit)
    )
    return [(f"{row[0]}/{row[1]}:{row[2]}", row[3]) for row in tx.rows(query)]


def list_manifest_bodies(tx: Transaction, after: int, limit: int) -> list[tuple[int, str, str]]:
    """List (id, digest, body) of manifests with ids above `after`."""
    m = manifests.c
    query = sa.select(m.id, m.digest, m.body).where(m.id > after).order_by(m.id).limit(limit)
    return [(row[0], row[1], row[2]) for row in tx.rows(query)]
