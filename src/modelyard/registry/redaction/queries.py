"""SQL of redactions: the places of texts in a namespace."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from modelyard.db.json_columns import load_json
from modelyard.db.schema import REDACTING
from modelyard.db.tables import (
    SEARCH_TABLE,
    alias_moves,
    blobs,
    build_attempts,
    build_log_chunks,
    build_logs,
    build_steps,
    builds,
    cards,
    checks,
    comment_revisions,
    comments,
    dataset_versions,
    datasets,
    deployment_moves,
    deployment_revisions,
    deployments,
    event_nodes,
    events,
    experiments,
    idempotency_keys,
    model_owners,
    model_tags,
    model_terms,
    models,
    namespaces,
    promotions,
    run_inputs,
    run_log,
    run_params,
    run_tags,
    runs,
    scan_trusts,
    schedule_firings,
    schedules,
    server_facts,
    version_tags,
    versions,
    votes,
    waivers,
    withheld_bytes,
)
from modelyard.db.tables.uploads import DELETING
from modelyard.db.transaction import Transaction
from modelyard.domain.digest import Digest
from modelyard.domain.events import ContentRedacted
from modelyard.domain.merkle import node_place
from modelyard.registry.builds import log_queries
from modelyard.registry.builds.nouns import LogChunk, LogPiece
from modelyard.registry.uploads.queries import upsert_blob


class Form(enum.Enum):
    PLAIN = "plain"
    JSON = "json"
    """People may have written any string in it."""
    TOLD = "told"
    """JSON of recorded facts, with some free texts."""


class TextColumn(msgspec.Struct, frozen=True):
    """A column with texts of people and programs, and the way from its rows to their namespace."""

    table: sa.Table
    column: str
    form: Form
    joins: tuple[tuple[sa.Table, Any], ...]
    """(table, condition) from the table up to the one that names the namespace."""
    namespace_id: Any

    @property
    def key(self) -> list[sa.Column[Any]]:
        return list(self.table.primary_key.columns)


def _of_model(table: sa.Table) -> tuple[tuple[sa.Table, Any], ...]:
    return ((models, models.c.id == table.c.model_id),)


def _of_version(table: sa.Table) -> tuple[tuple[sa.Table, Any], ...]:
    return ((versions, versions.c.id == table.c.version_id), *_of_model(versions))


def _of_promotion(table: sa.Table) -> tuple[tuple[sa.Table, Any], ...]:
    return ((promotions, promotions.c.id == table.c.promotion_id), *_of_model(promotions))


def _of_run(table: sa.Table) -> tuple[tuple[sa.Table, Any], ...]:
    return ((runs, runs.c.id == table.c.run_id),)


_OF_BUILD = ((builds, builds.c.id == build_attempts.c.build_id), *_of_model(builds))
_OF_STEP = ((build_attempts, build_attempts.c.id == build_steps.c.attempt_id), *_OF_BUILD)
_IN_MODEL, _IN_RUN = models.c.namespace_id, runs.c.namespace_id
_REVISED = ((comments, comments.c.id == comment_revisions.c.comment_id), *_of_model(comments))


def _of_deployment(table: sa.Table) -> tuple[tuple[sa.Table, Any], ...]:
    return ((deployments, deployments.c.id == table.c.deployment_id), *_of_model(deployments))


TEXT_COLUMNS: tuple[TextColumn, ...] = (
    *(
        TextColumn(namespaces, name, Form.PLAIN, (), namespaces.c.id)
        for name in ("display_name", "description")
    ),
    *(
        TextColumn(models, name, Form.PLAIN, (), _IN_MODEL)
        for name in ("display_name", "description", "card_text", "task")
    ),
    TextColumn(model_tags, "value", Form.PLAIN, _of_model(model_tags), _IN_MODEL),
    TextColumn(model_terms, "text", Form.PLAIN, _of_model(model_terms), _IN_MODEL),
    TextColumn(model_owners, "owner", Form.PLAIN, _of_model(model_owners), _IN_MODEL),
    *(
        TextColumn(versions, name, Form.PLAIN, _of_model(versions), _IN_MODEL)
        for name in ("description", "semver", "pull_request", "code_commit")
    ),
    TextColumn(versions, "record", Form.JSON, _of_model(versions), _IN_MODEL),
    *(
        TextColumn(versions, name, Form.TOLD, _of_model(versions), _IN_MODEL)
        for name in ("deprecation", "released", "recall", "kept", "image")
    ),
    TextColumn(version_tags, "value", Form.PLAIN, _of_version(version_tags), _IN_MODEL),
    TextColumn(cards, "text", Form.PLAIN, _of_version(cards), _IN_MODEL),
    TextColumn(cards, "sections", Form.JSON, _of_version(cards), _IN_MODEL),
    *(TextColumn(checks, name, Form.PLAIN, _of_version(checks), _IN_MODEL) for name in ("summary", "url")),
    TextColumn(checks, "details", Form.JSON, _of_version(checks), _IN_MODEL),
    TextColumn(comments, "body", Form.PLAIN, _of_model(comments), _IN_MODEL),
    TextColumn(comment_revisions, "body", Form.PLAIN, _REVISED, _IN_MODEL),
    TextColumn(alias_moves, "reason", Form.PLAIN, _of_model(alias_moves), _IN_MODEL),
    *(
        TextColumn(promotions, name, Form.PLAIN, _of_model(promotions), _IN_MODEL)
        for name in ("reason", "closed_reason")
    ),
    *(
        TextColumn(promotions, name, Form.TOLD, _of_model(promotions), _IN_MODEL)
        for name in ("verdict", "evidence")
    ),
    TextColumn(votes, "comment", Form.PLAIN, _of_promotion(votes), _IN_MODEL),
    TextColumn(waivers, "reason", Form.PLAIN, _of_promotion(waivers), _IN_MODEL),
    TextColumn(scan_trusts, "reason", Form.PLAIN, (), scan_trusts.c.namespace_id),
    TextColumn(
        withheld_bytes,
        "reason",
        Form.PLAIN,
        ((namespaces, namespaces.c.name == withheld_bytes.c.namespace),),
        namespaces.c.id,
    ),
    TextColumn(experiments, "description", Form.PLAIN, (), experiments.c.namespace_id),
    *(TextColumn(runs, name, Form.PLAIN, (), _IN_RUN) for name in ("name", "code_commit")),
    *(TextColumn(runs, name, Form.JSON, (), _IN_RUN) for name in ("facts", "notes")),
    TextColumn(run_params, "value", Form.JSON, _of_run(run_params), _IN_RUN),
    TextColumn(run_tags, "value", Form.PLAIN, _of_run(run_tags), _IN_RUN),
    TextColumn(run_inputs, "entry", Form.JSON, _of_run(run_inputs), _IN_RUN),
    *(TextColumn(builds, name, Form.PLAIN, _of_model(builds), _IN_MODEL) for name in ("recipe", "reason")),
    *(
        TextColumn(builds, name, Form.JSON, _of_model(builds), _IN_MODEL)
        for name in ("source", "params", "pins", "findings")
    ),
    *(
        TextColumn(schedules, name, Form.PLAIN, _of_model(schedules), _IN_MODEL)
        for name in ("recipe", "state_reason")
    ),
    *(TextColumn(schedules, name, Form.JSON, _of_model(schedules), _IN_MODEL) for name in ("source", "params")),
    TextColumn(
        schedule_firings,
        "reason",
        Form.PLAIN,
        ((schedules, schedules.c.id == schedule_firings.c.schedule_id), *_of_model(schedules)),
        _IN_MODEL,
    ),
    *(
        TextColumn(deployments, name, Form.PLAIN, _of_model(deployments), _IN_MODEL)
        for name in ("held_reason", "alarm", "state_reason")
    ),
    TextColumn(deployments, "reported", Form.JSON, _of_model(deployments), _IN_MODEL),
    *(
        TextColumn(deployment_revisions, name, Form.PLAIN, _of_deployment(deployment_revisions), _IN_MODEL)
        for name in ("reason", "state_reason")
    ),
    TextColumn(deployment_moves, "reason", Form.PLAIN, _of_deployment(deployment_moves), _IN_MODEL),
    TextColumn(build_attempts, "reason", Form.PLAIN, _OF_BUILD, _IN_MODEL),
    *(TextColumn(build_steps, name, Form.PLAIN, _OF_STEP, _IN_MODEL) for name in ("reason", "open_line")),
    TextColumn(
        dataset_versions,
        "entry",
        Form.JSON,
        ((datasets, datasets.c.id == dataset_versions.c.dataset_id),),
        datasets.c.namespace_id,
    ),
)
"""All texts of people and programs, except logs of runs, events, and policies, whose text defines their rules."""


def list_rows(
    tx: Transaction, place: TextColumn, namespace_id: int, probe: str
) -> list[tuple[tuple[Any, ...], str]]:
    """List (primary key, text) of the rows that may hold the probe."""
    column = place.table.c[place.column]
    source: Any = place.table
    for table, condition in place.joins:
        source = source.join(table, condition)
    query = (
        sa.select(column, *place.key)
        .select_from(source)
        .where(place.namespace_id == namespace_id, column.contains(probe, autoescape=True))
    )
    return [(tuple(row[1:]), row[0]) for row in tx.rows(query)]


def set_text(tx: Transaction, place: TextColumn, key: tuple[Any, ...], text: str) -> None:
    where = [column == value for column, value in zip(place.key, key, strict=True)]
    tx.execute(place.table.update().where(*where).values({place.column: text}))


def list_models_of(tx: Transaction, namespace_id: int) -> dict[int, str]:
    """Return model id → present name."""
    query = sa.select(models.c.id, models.c.name).where(models.c.namespace_id == namespace_id)
    return {row[0]: row[1] for row in tx.rows(query)}


# --- logs of runs ------------------------------------------------------------------------------------


def list_logging_runs(tx: Transaction, namespace_id: int, probe: str) -> list[int]:
    """List the runs of the namespace whose log may hold the probe, or part of it at the border of two pieces."""
    ends = sa.or_(
        run_log.c.text.contains(probe, autoescape=True),
        *(run_log.c.text.endswith(probe[:size], autoescape=True) for size in range(1, min(len(probe), 64))),
    )
    query = (
        sa.select(run_log.c.run_id)
        .join(runs, runs.c.id == run_log.c.run_id)
        .where(runs.c.namespace_id == namespace_id, ends)
        .distinct()
    )
    return [row[0] for row in tx.rows(query)]


def list_log(tx: Transaction, run_id: int) -> list[tuple[int, str]]:
    query = (
        sa.select(run_log.c.position, run_log.c.text)
        .where(run_log.c.run_id == run_id)
        .order_by(run_log.c.position)
    )
    return [(row[0], row[1]) for row in tx.rows(query)]


def set_log(tx: Transaction, run_id: int, position: int, text: str) -> None:
    where = (run_log.c.run_id == run_id, run_log.c.position == position)
    tx.execute(run_log.update().where(*where).values(text=text))


def list_logging_builds(tx: Transaction, namespace_id: int, probe: str) -> list[int]:
    """List the builds of the namespace whose log may hold the probe, or part of it at the border of two pieces."""
    text = build_logs.c.text
    ends = sa.or_(
        text.contains(probe, autoescape=True),
        *(text.endswith(probe[:size], autoescape=True) for size in range(1, min(len(probe), 64))),
    )
    query = (
        sa.select(build_logs.c.build_id)
        .join(builds, builds.c.id == build_logs.c.build_id)
        .join(models, models.c.id == builds.c.model_id)
        .where(models.c.namespace_id == namespace_id, ends)
        .distinct()
    )
    return [row[0] for row in tx.rows(query)]


def list_chunked_logs(tx: Transaction, namespace_id: int) -> dict[int, list[LogChunk | LogPiece]]:
    """Return id of the build → its log in order, of the builds of which parts are in the blob store."""
    query = (
        sa.select(build_log_chunks.c.build_id)
        .join(builds, builds.c.id == build_log_chunks.c.build_id)
        .join(models, models.c.id == builds.c.model_id)
        .where(models.c.namespace_id == namespace_id)
        .distinct()
    )
    return {
        build_id: sorted(
            [*log_queries.list_chunks(tx, build_id), *log_queries.list_pieces(tx, build_id)],
            key=lambda part: part.position,
        )
        for (build_id,) in tx.rows(query)
    }


def replace_chunk(tx: Transaction, build_id: int, position: int, digest: Digest, packed_bytes: int) -> None:
    """Put redacted bytes in the place of a chunk, and have the old ones collected at once if nothing else has them."""
    where = (build_log_chunks.c.build_id == build_id, build_log_chunks.c.position == position)
    old = tx.execute(sa.select(build_log_chunks.c.digest).where(*where)).scalar_one()
    upsert_blob(tx, digest, packed_bytes)
    log_queries.set_chunk(tx, build_id, position, digest)
    is_used = sa.exists().where(build_log_chunks.c.digest == old)
    tx.execute(blobs.update().where(blobs.c.digest == old, ~is_used).values(state=DELETING))


def list_build_log(tx: Transaction, build_id: int) -> list[tuple[int, str]]:
    query = (
        sa.select(build_logs.c.position, build_logs.c.text)
        .where(build_logs.c.build_id == build_id)
        .order_by(build_logs.c.position)
    )
    return [(row[0], row[1]) for row in tx.rows(query)]


def set_build_log(tx: Transaction, build_id: int, position: int, text: str) -> None:
    where = (build_logs.c.build_id == build_id, build_logs.c.position == position)
    tx.execute(build_logs.update().where(*where).values(text=text))


# --- events and stored answers -------------------------------------------------------------------------


def list_events(tx: Transaction, namespace: str, model_ids: Iterable[int], probe: str) -> list[tuple[int, str]]:
    """List (number, body) of the events of a namespace and of its models, under any name, that hold the probe."""
    query = (
        sa.select(events.c.seq, events.c.body)
        .where(
            sa.or_(events.c.namespace == namespace, events.c.model_id.in_(list(model_ids))),
            events.c.body.contains(probe, autoescape=True),
        )
        .order_by(events.c.seq)
    )
    return [(row[0], row[1]) for row in tx.rows(query)]


def set_events(tx: Transaction, bodies: Mapping[int, str]) -> None:
    """Replace the bodies of events, which the guards of the log otherwise refuse."""
    if not bodies:
        return
    tx.execute(server_facts.insert().values(key=REDACTING, value=""))
    for seq, body in bodies.items():
        tx.execute(events.update().where(events.c.seq == seq).values(body=body))
    tx.execute(server_facts.delete().where(server_facts.c.key == REDACTING))


def find_leaf(tx: Transaction, seq: int) -> bytes | None:
    """Return the hash of the event as it was logged."""
    query = sa.select(event_nodes.c.hash).where(event_nodes.c.place == node_place(0, seq))
    row = tx.execute(query).first()
    return bytes(row[0]) if row else None


def list_redactions(tx: Transaction, namespace: str) -> list[tuple[int, dict[str, Any]]]:
    """List (number, body) of the redaction events of a namespace, newest first."""
    query = (
        sa.select(events.c.seq, events.c.body)
        .where(events.c.kind == ContentRedacted.kind, events.c.namespace == namespace)
        .order_by(events.c.seq.desc())
        .limit(1000)
    )
    return [(row[0], load_json(row[1])) for row in tx.rows(query)]


def forget_answers(tx: Transaction, probe: str) -> None:
    """Delete answers that are kept for repeated requests and hold the probe."""
    tx.execute(idempotency_keys.delete().where(idempotency_keys.c.body.contains(probe, autoescape=True)))


_SEARCH = sa.table(SEARCH_TABLE, sa.column("rowid"), sa.column("words"))


def list_models_found_by(tx: Transaction, namespace_id: int, texts: Iterable[str]) -> list[int]:
    """List the models of the namespace whose searched text contains one of the texts."""
    query = (
        sa.select(models.c.id)
        .join(_SEARCH, _SEARCH.c.rowid == models.c.id)
        .where(
            models.c.namespace_id == namespace_id,
            models.c.deleted_at.is_(None),
            sa.or_(*(_SEARCH.c.words.contains(text, autoescape=True) for text in texts)),
        )
    )
    return [row[0] for row in tx.rows(query)]
