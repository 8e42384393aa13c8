"""Note the rows that a change wrote, so that its event can name each with a digest of its contents.

Triggers see every write of every statement, so no use case can forget one. They work only on the writer's
connection: a write from outside this program leaves no note, and `audit check` finds it. On SQLite they are
temporary and call into this process; on PostgreSQL they belong to the schema and send a notice, which comes with the
answer of the statement. Decision records 0022 and 0041.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa

from modelyard.db.statement import Statement
from modelyard.db.tables import metadata, server_facts
from modelyard.domain.canonical import canonical_json

NOT_COVERED: dict[str, str] = {
    "alembic_version": "the schema's own number",
    "blob_senders": "senders of bytes that are not in a version yet",
    "blobs": "bytes prove themselves by their digest; `doctor` reads them again",
    "build_attempts": "work in progress; its effects have their own events",
    "build_log_chunks": "written without an event during a build",
    "build_logs": "written without an event during a build",
    "build_steps": "written without an event during a build",
    "builds": "work in progress; its effects have their own events",
    "deliveries": "state of the outbox",
    "deployment_moves.dropped": "as the target reports it; the swap has its own event",
    "deployment_moves.milliseconds": "as the target reports it; the swap has its own event",
    "deployment_moves.swapped_at": "as the target reports it; the swap has its own event",
    "deployment_revisions.environment": "as the target reports it",
    "deployment_revisions.good_at": "as the target reports it",
    "deployment_revisions.state": "as the target reports it; a failure has its own event",
    "deployment_revisions.state_reason": "as the target reports it; a failure has its own event",
    "deployments.place": "as the target reports it",
    "deployments.reported": "as the target reports it",
    "deployments.seen_at": "as the target reports it",
    "deployments.state": "as the target reports it; a failure has its own event",
    "deployments.state_reason": "as the target reports it; a failure has its own event",
    "deployments.token_expires_at": "the token itself is covered",
    "deployments.token_id": "the token itself is covered",
    "effective_policies": "proves itself: the key is the digest of the body",
    "event_head": "proved by the tree",
    "event_nodes": "proved by the tree",
    "events": "proved by the tree",
    "idempotency_keys": "stored answers to repeated requests",
    "jobs": "work in progress; its effects have their own events",
    "lineage_edges": "derived from the records of versions, which are covered",
    "manifest_files": "derived from the manifest's body",
    "manifests": "proves itself: the body is compared with its digest, and everything else is derived from the files",
    "notifications": "derived from events",
    "observations": "written without an event by the programs of deployments; what is judged of them has its own events",
    "observed_windows": "derived from observations",
    "retraining_states": "derived from observed windows; entering and leaving have their own events",
    "run_artifacts": "written without an event during a run; a version's record freezes the values that it uses",
    "run_inputs": "written without an event during a run; a version's record freezes the values that it uses",
    "run_log": "written without an event during a run",
    "run_metrics": "written without an event during a run; a version's record freezes the values that it uses",
    "run_params": "written without an event during a run; a version's record freezes the values that it uses",
    "run_points": "written without an event during a run",
    "run_tags": "written without an event during a run",
    "run_writers": "written without an event during a run",
    "schedule_firings": "what became of each time of a schedule; the builds have their own events",
    "server_facts": "leases and identity of this server",
    "sessions": "short-lived sign-ins",
    "sign_in_links": "short-lived sign-ins; creating one for somebody else is an event",
    "stars": "short lists of models, which change no right",
    "uploads": "uploads in progress",
    "used_id_tokens": "short-lived",
    "version_months": "counted",
    "version_scores": "derived from records and evaluations, which are covered",
    "watches": "wishes to be notified",
    "datasets.profile_bytes": "counted",
    "datasets.updated_at": "order of lists",
    "experiments.file_bytes": "counted",
    "experiments.run_count": "counted",
    "experiments.updated_at": "order of lists",
    "identities.last_sign_in_at": "changes with every sign-in",
    "models.build_bytes": "counted",
    "models.card_text": "derived from the newest card",
    "models.framework": "derived from the newest version",
    "models.licence": "derived from the newest version",
    "models.newest_version": "derived from the versions",
    "models.next_version": "a counter",
    "models.revision": "a counter",
    "models.updated_at": "order of lists",
    "models.version_count": "counted",
    "models.version_bytes": "counted",
    "runs.clock_skew": "measured during a run",
    "runs.code_commit": "derived from the facts",
    "runs.facts": "written without an event during a run; a version's record freezes the values that it uses",
    "runs.heard_at": "changes during a run",
    "runs.log_bytes": "counted",
    "runs.notes": "written without an event during a run",
    "schedules.cause": "what a trigger waits to start a build for",
    "schedules.depth": "what a trigger waits to start a build for",
    "schedules.due_at": "changes with every firing",
    "schedules.failures": "counted",
    "schedules.from_seq": "place in the event log",
    "schedules.next_at": "changes with every firing",
    "schedules.waits_for": "changes with every firing",
    "subscriptions.failures": "state of the outbox",
    "subscriptions.next_seq": "state of the outbox",
    "subscriptions.paused_until": "state of the outbox",
    "tokens.last_used_at": "changes with every use",
    "versions.code_commit": "derived from the record",
    "versions.revision": "a counter",
    "versions.updated_at": "order of lists",
}
"""Tables and columns that no event vouches for, with the reasons. All others are covered, even in later releases."""

Key = tuple[Any, ...]


@cache
def covered_columns(table: sa.Table) -> tuple[str, ...]:
    """Return the columns that events vouch for; none if the table is not covered."""
    if table.name in NOT_COVERED:
        return ()
    return tuple(c.name for c in table.columns if f"{table.name}.{c.name}" not in NOT_COVERED)


@cache
def covered_tables() -> tuple[sa.Table, ...]:
    return tuple(table for table in metadata.sorted_tables if covered_columns(table))


@cache
def key_names(table: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.primary_key.columns)


@cache
def _covered_defaults(table: sa.Table) -> tuple[tuple[str, str | None], ...]:
    """Return the covered columns, each with the text of its default; None: it has none."""
    defaults = ((name, table.columns[name].server_default) for name in covered_columns(table))
    return tuple((name, str(d.arg) if isinstance(d, sa.DefaultClause) else None) for name, d in defaults)


KEY_FACT = "rows.key"
"""The fact of the server with the key of row digests. No export contains it: without a key, a short redacted secret
could be guessed from the digest."""


def create_key(connection: sa.Connection) -> None:
    connection.execute(server_facts.insert().values(key=KEY_FACT, value=secrets.token_hex(32)))


def find_key(connection: sa.Connection) -> bytes:
    query = sa.select(server_facts.c.value).where(server_facts.c.key == KEY_FACT)
    return bytes.fromhex(connection.execute(query).scalar_one())


def row_digest(key: bytes, table: sa.Table, values: Mapping[str, Any]) -> str:
    """Return the digest of a row's covered columns. NULL and defaults are omitted, so that a column added by a later
    release does not change it."""
    told = {
        name: value
        for name, default in _covered_defaults(table)
        if (value := values.get(name)) is not None and (default is None or str(value) != default)
    }
    return hmac.digest(key, canonical_json(told), "sha256").hex()


class RowNote(msgspec.Struct, frozen=True):
    """A written row. digest None: the row was deleted."""

    table: str
    key: Key
    digest: str | None

    def to_json(self) -> list[Any]:
        return [self.table, list(self.key), self.digest]


_NOTICE = "modelyard.row"


_SEND_NOTES = Statement(
    sa.text(
        "SELECT set_config('modelyard.row_notes', 'on', true), set_config('client_min_messages', 'notice', true)"
    )
)


class RowNotes:
    """The notes of one writing connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._is_sqlite = connection.dialect.name == "sqlite"
        self._rows: dict[tuple[str, Key], Mapping[str, Any] | None] = {}
        self._heard: list[str] = []
        self._key = find_key(connection)
        driver: Any = connection.connection.driver_connection
        if self._is_sqlite:
            driver.create_function("note_row", -1, self._note)
            for statement in _sqlite_triggers():
                connection.exec_driver_sql(statement)
        else:
            driver.add_notice_handler(self._hear)

    def begin(self, run_later: Callable[[Statement], None]) -> None:
        """Begin to note what a batch writes. run_later: runs a statement of its transaction. On PostgreSQL it is for this
        transaction alone: behind a pooler the next one may run in another session."""
        if not self._is_sqlite:
            run_later(_SEND_NOTES)

    def _note(self, name: str, is_gone: int, *values: Any) -> None:
        table = metadata.tables[name]
        row = dict(zip(covered_columns(table), values, strict=True))
        self._rows[name, tuple(row[c] for c in key_names(table))] = None if is_gone else row

    def _hear(self, notice: Any) -> None:
        """Keep a notice of PostgreSQL. The driver would swallow an exception here, so it is read later."""
        if notice.message_primary == _NOTICE:
            self._heard.append(notice.message_detail)

    def clear(self) -> None:
        """Discard the notes of a change that was undone."""
        self._rows.clear()
        self._heard.clear()

    def take(self) -> list[RowNote]:
        """Return the rows written since the last call, in their present state."""
        for text in self._heard:
            name, is_gone, held = msgspec.json.decode(text)
            self._note(name, is_gone, *map(held.get, covered_columns(metadata.tables[name])))
        self._heard.clear()
        rows, self._rows = self._rows, {}
        return [
            RowNote(name, key, None if row is None else row_digest(self._key, metadata.tables[name], row))
            for (name, key), row in rows.items()
        ]


def _sqlite_triggers() -> Iterator[str]:
    for table in covered_tables():
        columns = covered_columns(table)
        for verb, row, is_gone in (("INSERT", "NEW", 0), ("UPDATE OF {}", "NEW", 0), ("DELETE", "OLD", 1)):
            values = ", ".join(f"{row}.{name}" for name in columns)
            yield (
                f"CREATE TEMP TRIGGER note_{table.name}_{verb[:6].lower()} "
                f"AFTER {verb.format(', '.join(columns))} ON main.{table.name} "
                f"BEGIN SELECT note_row('{table.name}', {is_gone}, {values}); END"
            )


def create_note_triggers(connection: sa.Connection) -> None:
    """Create PostgreSQL's triggers, again after each migration. On SQLite each connection creates its own."""
    if connection.dialect.name == "sqlite":
        return
    connection.exec_driver_sql(
        "CREATE OR REPLACE FUNCTION note_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF current_setting('modelyard.row_notes', true) = 'on' THEN "
        f"RAISE NOTICE USING MESSAGE = '{_NOTICE}', DETAIL = json_build_array(TG_TABLE_NAME, TG_OP = 'DELETE', "
        "CASE WHEN TG_OP = 'DELETE' THEN to_json(OLD) ELSE to_json(NEW) END)::text; END IF; RETURN NULL; END $$"
    )
    present = set(sa.inspect(connection).get_table_names())
    for table in covered_tables():
        if table.name not in present:
            continue
        columns = ", ".join(covered_columns(table))
        for verb in ("INSERT OR DELETE", f"UPDATE OF {columns}"):
            connection.exec_driver_sql(
                f"CREATE OR REPLACE TRIGGER note_{table.name}_{verb[:6].lower()} AFTER {verb} ON {table.name} "
                "FOR EACH ROW EXECUTE FUNCTION note_row()"
            )


def list_rows(
    connection: sa.Connection, key: bytes, table: sa.Table, names: Iterable[str]
) -> Iterator[tuple[Key, str]]:
    """Yield (key, digest) of every row, read in blocks. names: the columns of the table in this database."""
    read = tuple(dict.fromkeys((*key_names(table), *names)))
    query = sa.select(*(table.c[name] for name in read))
    for row in connection.execute(query, execution_options={"yield_per": 1000}):
        values = dict(zip(read, row, strict=True))
        yield tuple(values[name] for name in key_names(table)), row_digest(key, table, values)
