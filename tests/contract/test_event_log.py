"""The event log proves itself: tree, checkpoints, exports, tampering by SQL; on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import sqlalchemy.exc

from modelyard.db import log as event_log
from modelyard.db.engine import Database
from modelyard.db.tables import events
from modelyard.db.transaction import PendingEvent, Transaction
from modelyard.domain.actor import ANONYMOUS, Role
from modelyard.domain.bundle import Report
from modelyard.domain.errors import (
    Conflict,
    Denied,
    EventNotFound,
    Invalid,
    LogDamaged,
    ModelNotFound,
    Unauthenticated,
)
from modelyard.domain.events import NamespaceCreated
from modelyard.domain.merkle import Frontier, leaf_hash, node_place
from modelyard.domain.names import ModelName
from modelyard.registry.access import usecases as access
from modelyard.registry.audit import proofs
from modelyard.registry.audit.nouns import EventFilter
from modelyard.registry.audit.proofs import CheckProgress
from modelyard.registry.audit.usecases import LogScope
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.keyring import Keyring, open_keyring
from modelyard.sdk.audit import verify_log
from tests.support.registry import Registry, unique

KEYRING = Keyring(b"k" * 32, "registry.test/log")


@pytest.fixture
def own(own_url: str) -> Iterator[Registry]:
    """A registry of this test alone, with 600 events: two full blocks and a half."""
    db = Database(own_url)
    registry = Registry(db)
    fill(registry, 300)
    registry.register(registry.root, "fraud/scorer", aliases=("champion",))
    fill(registry, 600 - size(registry))
    yield registry
    db.close()


def fill(registry: Registry, count: int) -> None:
    def work(tx: Transaction) -> None:
        for _ in range(count):
            tx.append(NamespaceCreated(namespace=unique("made")), registry.root)

    registry.db.write(work)


def size(registry: Registry) -> int:
    return registry.db.read(lambda tx: proofs.latest_checkpoint(tx, KEYRING)).size


def export(
    registry: Registry,
    to: Path,
    chosen: EventFilter | None = None,
    scope: LogScope = LogScope(),  # noqa: B008 - frozen
    **options: object,
) -> Path:
    lines = proofs.export_log(registry.db, registry.root, KEYRING, chosen or EventFilter(), scope, **options)  # type: ignore[arg-type]
    to.write_bytes(b"".join(lines))
    return to


def note(registry: Registry, to: Path) -> Path:
    to.write_text(registry.db.read(lambda tx: proofs.latest_checkpoint(tx, KEYRING)).note, encoding="utf-8")
    return to


def found(report: Report) -> list[tuple[str, int | None]]:
    return [(problem.kind, problem.seq) for problem in report.problems]


def check(registry: Registry) -> CheckProgress:
    *_, last = proofs.check_log(registry.db, registry.root)
    assert last.finished
    return last


def tamper(db: Database, *statements: str) -> None:
    """As somebody who owns the database: the guards are no hindrance to them."""
    with db.connect_for_migration() as connection:
        if connection.dialect.name == "sqlite":
            for table in ("events", "event_nodes"):
                for verb in ("update", "delete"):
                    connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_keep_{verb}")
        else:
            for table in ("events", "event_nodes"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_keep ON {table}")
        for statement in statements:
            assert connection.execute(sa.text(statement)).rowcount > 0


def test_an_untouched_log_verifies(own: Registry, tmp_path: Path) -> None:
    report = verify_log(export(own, tmp_path / "log"), key=KEYRING.log_key.text())
    assert (report.ok, report.whole, report.checked, report.signed) == (True, True, 600, True)
    assert check(own).damage == []


def test_the_tree_is_that_of_the_bodies(own: Registry) -> None:
    bodies = own.db.read(lambda tx: tx.rows(sa.text("SELECT body FROM events ORDER BY seq")))  # type: ignore[arg-type]
    tree = Frontier()
    for (body,) in bodies:
        tree.push(leaf_hash(body.encode()))
    assert own.db.read(lambda tx: proofs.latest_checkpoint(tx, KEYRING)).root == tree.root()


def test_no_event_is_dated_before_the_one_in_front_of_it(own: Registry, tmp_path: Path) -> None:
    """A clock that goes back, and a row that says so by SQL."""
    day = 86_400_000_000
    clock = own.db.clock
    last = own.db.read(lambda tx: tx.execute(sa.text("SELECT max(at) FROM events")).scalar_one())
    try:
        own.db.clock = lambda: clock() - 400 * day  # type: ignore[method-assign]
        fill(own, 3)
    finally:
        own.db.clock = clock  # type: ignore[method-assign]
    times = own.db.read(lambda tx: tx.rows(sa.text("SELECT at FROM events ORDER BY seq")))  # type: ignore[arg-type]
    assert [row[0] for row in times[-3:]] == [last] * 3
    assert verify_log(export(own, tmp_path / "log"), key=KEYRING.log_key.text()).ok
    assert check(own).damage == []


def test_an_event_that_was_logged_with_an_earlier_time_is_named(own: Registry, tmp_path: Path) -> None:
    """As an earlier release logged it."""

    def work(tx: Transaction) -> None:
        end = event_log.lock_head(tx.connection)
        end.at = 0
        event = NamespaceCreated(namespace=unique("made"))
        past = tx.now - 400 * 86_400_000_000
        pending = [PendingEvent(event, own.root.id, own.root.name, 0, past)]
        event_log.store_events(tx.connection, end, pending, may_change_rights=True)

    own.db.write(work)
    assert found(verify_log(export(own, tmp_path / "log"))) == [("time", 600)]
    some = EventFilter(kinds=("namespace.created",))
    assert found(verify_log(export(own, tmp_path / "some", some))) == [("time", 600)]
    assert [(d.seq, d.problem) for d in check(own).damage] == [
        (600, "it is dated earlier than the event before it")
    ]


EDIT = 'UPDATE events SET body = replace(body, \'"name":"root"\', \'"name":"eve"\') WHERE seq = {seq}'


@pytest.mark.parametrize("seq", [0, 255, 256, 305, 599])
def test_one_row_edited_by_sql_is_named(own: Registry, tmp_path: Path, seq: int) -> None:
    tamper(own.db, EDIT.format(seq=seq))
    assert found(verify_log(export(own, tmp_path / "log"))) == [("edited", seq)]
    assert [(d.seq, d.problem) for d in check(own).damage] == [
        (seq, "the event was changed after it was logged")
    ]


def test_one_row_removed_by_sql_is_named(own: Registry, tmp_path: Path) -> None:
    tamper(own.db, "DELETE FROM events WHERE seq = 77")
    assert found(verify_log(export(own, tmp_path / "log"))) == [("removed", 77)]
    assert [d.seq for d in check(own).damage] == [77]


def test_two_rows_exchanged_by_sql_are_named(own: Registry, tmp_path: Path) -> None:
    tamper(
        own.db,
        "UPDATE events SET seq = -1 WHERE seq = 40",
        "UPDATE events SET seq = 40 WHERE seq = 41",
        "UPDATE events SET seq = 41 WHERE seq = -1",
    )
    assert ("reordered", 40) in found(verify_log(export(own, tmp_path / "log")))
    assert [d.seq for d in check(own).damage] == [40, 41]


def test_rows_cut_off_by_sql_are_named(own: Registry, tmp_path: Path) -> None:
    tamper(own.db, "DELETE FROM events WHERE seq >= 590")
    assert found(verify_log(export(own, tmp_path / "log"))) == [("truncated", 590)]
    assert [d.seq for d in check(own).damage] == list(range(590, 600))


def event_of_a_model(own: Registry) -> int:
    """The number of some event in the middle of the log that speaks of a model."""
    query = sa.select(sa.func.min(events.c.seq)).where(events.c.seq >= 300, events.c.model_id != 0)
    found: int = own.db.read(lambda tx: tx.execute(query).scalar_one())
    return found


def test_an_edited_column_beside_the_body_is_named(own: Registry) -> None:
    of_model = event_of_a_model(own)
    tamper(
        own.db,
        "UPDATE events SET actor = 'eve' WHERE seq = 9",
        f"UPDATE events SET model_id = 0 WHERE seq = {of_model}",
    )
    assert [(d.seq, d.problem.split(" was ")[0]) for d in check(own).damage] == [
        (9, "its column actor"),
        (of_model, "its column model_id"),
    ]


def test_an_edited_stored_hash_is_found_by_the_server_and_harms_no_export(
    own: Registry, tmp_path: Path
) -> None:
    zeros = "zeroblob(32)" if own.db.is_sqlite else "decode(repeat('00', 32), 'hex')"
    tamper(own.db, f"UPDATE event_nodes SET hash = {zeros} WHERE place = {node_place(0, 12)}")
    assert verify_log(export(own, tmp_path / "log")).ok
    assert check(own).damage[0].seq == 12


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE versions SET digest = 'sha256:' || substr(record_digest, 8)", "names other files"),
        ("UPDATE versions SET record = '[]'", "holds other facts"),
        ("UPDATE versions SET record = '{}', record_digest = '{}'", "holds other facts"),
        ("UPDATE manifests SET body = replace(body, 'layers', 'loyers')", "the list of files"),
        ("UPDATE aliases SET version_id = NULL", "points at nothing, the log says version 1"),
        ("UPDATE aliases SET alias = 'canary'", "alias canary of fraud/scorer was set by no event"),
        ("UPDATE versions SET number = 7", "fraud/scorer:1, which it tells of, is gone"),
        (
            "INSERT INTO versions (model_id, number, manifest_id, digest, record_digest, record, state,"
            " description, created_at, created_by, updated_at) SELECT model_id, 2, manifest_id, digest,"
            " record_digest, record, state, '', created_at, created_by, updated_at FROM versions",
            "version fraud/scorer:2 was registered by no event",
        ),
    ],
)
def test_one_row_of_the_registry_edited_by_sql_is_named(own: Registry, statement: str, problem: str) -> None:
    """Also where the log itself was left as it is."""
    assert check(own).damage == []
    tamper(own.db, statement)
    assert problem in check(own).damage[0].problem


def test_a_head_that_is_set_back_is_found(own: Registry, tmp_path: Path) -> None:
    old = note(own, tmp_path / "old")
    shorter = Frontier()
    for (body,) in own.db.read(
        lambda tx: tx.rows(sa.text("SELECT body FROM events WHERE seq < 500 ORDER BY seq"))
    ):  # type: ignore[arg-type]
        shorter.push(leaf_hash(body.encode()))
    tamper(own.db, f"UPDATE event_head SET size = 500, peaks = '{shorter.to_text()}'")
    assert [d.seq for d in check(own).damage] == [500]
    assert found(verify_log(export(own, tmp_path / "log"), against=old)) == [("truncated", 500)]


def test_a_head_that_cannot_be_right_stops_writing(own: Registry) -> None:
    tamper(own.db, "UPDATE event_head SET size = 500")
    with pytest.raises(LogDamaged):
        fill(own, 1)
    with pytest.raises(LogDamaged):
        size(own)


def rewrite_everything(db: Database) -> None:
    """Edit event 77 and mend every hash, node and the head, as a patient owner of the database would."""
    tamper(
        db,
        EDIT.format(seq=77),
        "UPDATE events SET actor = 'eve' WHERE seq = 77",
        "DELETE FROM event_nodes",
    )
    with db.connect_for_migration() as connection:
        tree = Frontier()
        for (body,) in connection.execute(sa.text("SELECT body FROM events ORDER BY seq")).all():
            for node in tree.append(leaf_hash(body.encode())):
                connection.execute(
                    sa.text("INSERT INTO event_nodes VALUES (:p, :h)"),
                    {"p": node_place(node.level, node.position), "h": node.hash},
                )
        connection.execute(sa.text("UPDATE event_head SET peaks = :p"), {"p": tree.to_text()})


def test_a_log_written_anew_is_found_by_a_checkpoint_that_left_the_machine(
    own: Registry, tmp_path: Path
) -> None:
    old, old_export = note(own, tmp_path / "old"), export(own, tmp_path / "old-log")
    fill(own, 5)
    assert verify_log(export(own, tmp_path / "log"), against=old).since == 600
    rewrite_everything(own.db)
    now = export(own, tmp_path / "log")
    assert check(own).damage == []
    assert verify_log(now).ok
    assert found(verify_log(now, against=old)) == [("rewritten", None)]
    assert found(verify_log(now, against=old_export))[0] == ("rewritten", 77)


def test_the_guards_refuse_mistakes(own: Registry) -> None:
    for statement in (
        "UPDATE events SET actor = 'eve' WHERE seq = 1",
        "DELETE FROM events WHERE seq = 1",
        "UPDATE event_nodes SET place = 9",
        "DELETE FROM event_nodes",
    ):
        with (
            pytest.raises(sa.exc.DBAPIError, match="append-only"),
            own.db.connect_for_migration() as connection,
        ):
            connection.execute(sa.text(statement))
    assert check(own).damage == []


# --- chosen events -----------------------------------------------------------------------------------


def test_chosen_events_come_with_their_proof(own: Registry, tmp_path: Path) -> None:
    old = note(own, tmp_path / "old")
    fill(own, 3)
    model = ModelName.parse("fraud/scorer")
    file = export(own, tmp_path / "model", scope=LogScope(model=model), since_size=600)
    report = verify_log(file, against=old)
    assert (report.ok, report.whole, report.since) == (True, False, 600)
    kinds = [json.loads(line)["kind"] for line in file.read_bytes().splitlines() if b'"kind"' in line]
    assert kinds == ["model.created", "version.registered", "alias.moved"]
    assert report.checked == 3
    many = export(own, tmp_path / "many", EventFilter(kinds=("namespace.created",)))
    assert verify_log(many).checked > 590


def test_a_filtered_export_of_an_edited_row_names_it(own: Registry, tmp_path: Path) -> None:
    tamper(own.db, EDIT.format(seq=305))
    file = export(own, tmp_path / "chosen", EventFilter(kinds=("namespace.created", "model.created")))
    assert found(verify_log(file)) == [("edited", 305)]


@pytest.mark.parametrize("harm", ["proof", "event"])
def test_one_event_is_proved_by_itself(own: Registry, tmp_path: Path, harm: str) -> None:
    file = tmp_path / "one"
    file.write_bytes(own.db.read(lambda tx: proofs.prove_event(tx, own.root, KEYRING, 305)))
    assert verify_log(file).checked == 1
    lines = file.read_bytes().splitlines()
    # The first character of the event, or of the first digest of its proof.
    line, place = (1, lines[1].index(b":") + 1) if harm == "event" else (2, lines[2].index(b'["') + 2)
    other = b"B" if lines[line][place : place + 1] == b"A" else b"A"
    lines[line] = lines[line][:place] + other + lines[line][place + 1 :]
    file.write_bytes(b"\n".join(lines))
    assert not verify_log(file).ok


def test_a_log_without_events_is_a_log(own_url: str, tmp_path: Path) -> None:
    db = Database(own_url)
    state = db.read(lambda tx: proofs.latest_checkpoint(tx, KEYRING))
    assert state.size == 0
    db.close()


# --- who may -----------------------------------------------------------------------------------------


def test_rights_on_the_log(own: Registry) -> None:
    ada, eve = own.user(), own.user()
    scorer = ModelName.parse("fraud/scorer")
    own.db.write(
        lambda tx: access.grant_role(
            tx, own.root, catalog.namespace_holding(tx, own.root, "fraud"), ada.name, Role.READER
        )
    )

    def whole(actor: object) -> object:
        return proofs.export_log(own.db, actor, KEYRING, EventFilter())  # type: ignore[arg-type]

    def of_model(actor: object) -> object:
        return proofs.export_log(own.db, actor, KEYRING, EventFilter(), LogScope(model=scorer))  # type: ignore[arg-type]

    def one(actor: object, seq: int) -> Callable[[Transaction], bytes]:
        return lambda tx: proofs.prove_event(tx, actor, KEYRING, seq)  # type: ignore[arg-type]

    for actor, error in ((ada, Denied), (eve, Denied), (ANONYMOUS, Unauthenticated)):
        with pytest.raises(error):
            whole(actor)
        with pytest.raises(error):
            proofs.check_log(own.db, actor)
    assert list(of_model(ada))  # type: ignore[call-overload]
    with pytest.raises(ModelNotFound):
        of_model(eve)
    seen = event_of_a_model(own)
    assert own.db.read(one(ada, seen))
    for actor, seq in ((ada, 3), (eve, seen), (eve, 10_000), (own.root, 10_000)):
        with pytest.raises(EventNotFound):
            own.db.read(one(actor, seq))
    assert own.db.read(lambda tx: proofs.show_checkpoint(tx, eve, KEYRING)).size > 600
    with pytest.raises(Unauthenticated):
        own.db.read(lambda tx: proofs.show_checkpoint(tx, ANONYMOUS, KEYRING))
    with pytest.raises(Invalid):
        own.db.read(lambda tx: proofs.prove_consistency(tx, eve, 5, 10_000))


# --- the key -----------------------------------------------------------------------------------------


def test_the_secret_key_is_made_once_and_kept(own: Registry, tmp_path: Path) -> None:
    first = open_keyring(own.db, folder=tmp_path, host="registry.test")
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    assert first.origin.startswith("registry.test/log-")
    again = open_keyring(own.db, folder=tmp_path, host="elsewhere.test")
    assert again.log_key == first.log_key
    assert again.unseal(first.seal("whsec_x", "webhook 1"), "webhook 1") == "whsec_x"
    with pytest.raises(Conflict, match="webhook 2"):
        again.unseal(first.seal("whsec_x", "webhook 1"), "webhook 2")


def test_another_key_is_refused_unless_the_loss_is_admitted(own: Registry, tmp_path: Path) -> None:
    first = open_keyring(own.db, folder=tmp_path, host="registry.test")
    (tmp_path / "secret.key").unlink()
    for _ in range(2):
        with pytest.raises(Conflict, match="a different secret key"):
            open_keyring(own.db, folder=tmp_path, host="registry.test")
        # No other key lies where the right one is to be put back.
        assert not (tmp_path / "secret.key").exists()
    second = open_keyring(own.db, folder=tmp_path, host="registry.test", replace_lost=True)
    assert (second.origin, second.log_key == first.log_key) == (first.origin, False)
    assert open_keyring(own.db, folder=tmp_path, host="x").log_key == second.log_key
    logged = own.db.read(lambda tx: tx.rows(sa.text("SELECT body FROM events WHERE kind = 'log.key_replaced'")))  # type: ignore[arg-type]
    assert json.loads(logged[0][0])["data"] == {"before": first.log_key.text(), "after": second.log_key.text()}


def test_processes_without_a_common_folder_share_the_key(own: Registry) -> None:
    first = open_keyring(own.db, host="registry.test")
    assert open_keyring(own.db, host="registry.test").log_key == first.log_key
    with pytest.raises(Invalid, match="fewer than"):
        open_keyring(own.db, given="short", host="registry.test")


def test_a_given_key_is_stronger_than_the_file(own: Registry, tmp_path: Path) -> None:
    first = open_keyring(own.db, given="x" * 40, folder=tmp_path, host="registry.test")
    assert open_keyring(own.db, given="x" * 40, host="registry.test").log_key == first.log_key
    assert not (tmp_path / "secret.key").exists()
