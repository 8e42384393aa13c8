"""What the proof costs: per event, per registered version, and for an auditor who checks a million events.

    python benchmarks/audit.py [--rounds 60] [--events 1000000] [--database URL]

The same registry writes with the tree and with the plain log (the tree's hashes and nodes left out), taking
turns in one process, so that a busy machine harms both alike; the figures are medians. Budgets: the tree
adds at most 15 % to registering a version; a million events are verified in at most 10 s on one core.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import sqlalchemy as sa

from modelyard.blobs.filesystem import FilesystemStore
from modelyard.db import log
from modelyard.db.engine import Database
from modelyard.db.schema import ensure_schema
from modelyard.db.transaction import PendingEvent, Transaction
from modelyard.domain.actor import ANONYMOUS
from modelyard.domain.bundle import bundle_header, tile_line, verify_bundle
from modelyard.domain.canonical import canonical_json
from modelyard.domain.checkpoint import Checkpoint, LogKey, sign_line
from modelyard.domain.digest import Digest
from modelyard.domain.events import NamespaceCreated
from modelyard.domain.manifest import File, Manifest
from modelyard.domain.merkle import Frontier, leaf_hash
from modelyard.domain.names import ModelName
from modelyard.domain.record import Record
from modelyard.registry.access import usecases as access
from modelyard.registry.catalog.usecases import CatalogSettings
from modelyard.registry.uploads import usecases as uploads
from modelyard.registry.versions import registering
from modelyard.registry.versions.registering import Registration


def plain_store(
    connection: sa.Connection, head: Frontier, pending: Sequence[PendingEvent], *, may_change_rights: bool
) -> None:
    """As store_events, without the tree."""
    tx = Transaction(connection, 0)
    tx.run_many(
        log._INSERT_EVENT,
        [
            {
                "seq": seq,
                "at": item.at,
                "kind": item.event.kind,
                "actor_id": item.actor_id,
                "actor": item.actor,
                "namespace": item.event.namespace,
                "model_id": item.model_id,
                "version": item.event.version,
                "body": item.body(seq),
            }
            for seq, item in enumerate(pending, start=head.size)
        ],
    )
    tx.run(log._MOVE_HEAD, new_size=head.size + len(pending), new_peaks="")


def plain_head(connection: sa.Connection) -> Frontier:
    row = Transaction(connection, 0).one(log._LOCK_HEAD)
    assert row is not None
    head = Frontier()
    head.size = row[0]
    return head


class Subject:
    """A registry of its own, with or without the tree."""

    def __init__(self, url: str, folder: Path, *, tree: bool) -> None:
        self.db = Database(url)
        ensure_schema(self.db)
        self.tree = tree
        self.store = FilesystemStore(folder)
        self.run(lambda: self.db.write(lambda tx: access.create_first_owner(tx, "root", "bench")))
        found = self.db.read(lambda tx: access.account_queries.find_actor(tx, "root"))
        assert found is not None
        self.actor = found.to_actor()
        data = b"weights" * 100
        self.file = File("model.bin", Digest.of(data), len(data))
        self.run(
            lambda: uploads.receive_blob(
                self.db, self.store, self.actor, self.file.digest, [data], len(data), 1 << 30
            )
        )
        self.count = 0

    def run(self, fn: Callable[[], Any]) -> Any:
        if self.tree:
            return fn()
        with (
            mock.patch.object(log, "store_events", plain_store),
            mock.patch.object(log, "lock_head", plain_head),
        ):
            return fn()

    def event(self) -> None:
        self.db.write(lambda tx: tx.append(NamespaceCreated(namespace="fraud"), ANONYMOUS))

    def hundred_events(self) -> None:
        def work(tx: Transaction) -> None:
            for _ in range(100):
                tx.append(NamespaceCreated(namespace="fraud"), ANONYMOUS)

        self.db.write(work)

    def register(self) -> None:
        self.count += 1
        wanted = Registration(
            model=ModelName.parse("fraud/scorer"),
            manifest=Manifest.of([self.file]),
            record=Record.of({"metrics": {"f1": 0.9}, "params": {"n": str(self.count)}}),
        )
        registering.register_version(self.db, self.store, self.actor, CatalogSettings(), wanted)


def per_call(subject: Subject, task: Callable[[], None], calls: int) -> float:
    def work() -> float:
        started = time.perf_counter()
        for _ in range(calls):
            task()
        return (time.perf_counter() - started) / calls

    return float(subject.run(work))


def measure_writes(url: str | None, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="audit-") as name:
        folder = Path(name)
        plain = Subject(
            f"sqlite:///{folder / 'plain.db'}" if url is None else f"{url}_plain", folder / "a", tree=False
        )
        tree = Subject(
            f"sqlite:///{folder / 'tree.db'}" if url is None else f"{url}_tree", folder / "b", tree=True
        )
        for label, calls, task in (
            ("one event, one commit", 20, Subject.event),
            ("100 events in one commit", 2, Subject.hundred_events),
            ("register a version", 5, Subject.register),
        ):
            figures: dict[bool, list[float]] = {False: [], True: []}
            for _ in range(rounds):
                for subject in (plain, tree):
                    figures[subject.tree].append(per_call(subject, lambda s=subject, t=task: t(s), calls))
            without, with_tree = statistics.median(figures[False]), statistics.median(figures[True])
            print(
                f"{label:26} plain {without * 1e6:8.0f} µs   tree {with_tree * 1e6:8.0f} µs   "
                f"added {(with_tree - without) * 1e6:6.0f} µs = {100 * (with_tree / without - 1):5.1f} %"
            )
        plain.db.close()
        tree.db.close()


def measure_verification(count: int) -> None:
    tree, lines, tile = Frontier(), [], bytearray()
    for seq in range(count):
        body = canonical_json(
            {
                "actor": {"id": 7, "name": "ada"},
                "at": "2026-03-03T14:00:00.000000Z",
                "data": {
                    "digest": "sha256:" + "ab" * 32,
                    "record_digest": "sha256:" + "cd" * 32,
                    "size_bytes": 7,
                },
                "kind": "version.registered",
                "model": "fraud/scorer",
                "namespace": "fraud",
                "seq": seq,
                "version": seq,
            }
        )
        leaf = leaf_hash(body)
        tree.push(leaf)
        tile += leaf
        lines.append(body + b"\n")
        if len(tile) == 8192 or seq == count - 1:
            lines.append(tile_line(0, seq >> 8, bytes(tile)))
            tile.clear()
    key = LogKey("bench", bytes(32))
    note = Checkpoint("bench", count, tree.root()).text()
    header = bundle_header(f"{note}\n{sign_line(key, bytes(64))}", key, {}, whole=True)
    started, cpu = time.perf_counter(), time.process_time()
    report = verify_bundle(lambda: iter([header, *lines]), lambda _key, _note: True)
    assert report.ok, report
    print(
        f"verify {count} events: {time.perf_counter() - started:.2f} s "
        f"({time.process_time() - cpu:.2f} s of one core)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--database", help="postgresql://…/NAME; uses the databases NAME_plain and NAME_tree")
    options = parser.parse_args()
    measure_writes(options.database, options.rounds)
    measure_verification(options.events)


if __name__ == "__main__":
    main()
