"""Collection takes what nothing needs and no more, whatever goes on next to it; on both databases."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from modelyard.db.tables import uploads as upload_rows
from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    MissingBlobs,
    ModelyardError,
)
from modelyard.registry.audit import proofs
from modelyard.registry.retention import usecases as retention
from modelyard.registry.uploads import usecases as uploads
from modelyard.registry.versions import usecases as versions
from tests.support.registry import Registry, ref, unique


def test_collection_takes_what_nothing_needs_and_no_more(registry: Registry, model: str) -> None:
    keep = registry.register(registry.root, model, data=b"keep me")
    gone = registry.send(registry.root, b"no one names me")
    deleted = registry.register(registry.root, model, data=b"of a deleted version")
    registry.db.write(
        lambda tx: versions.delete_version(tx, registry.root, ref(f"{model}:{deleted.version.number}"))
    )

    def collect(dry_run: bool, grace: int = -1) -> retention.Collection:
        return retention.collect(registry.db, registry.blobs, registry.root, grace=grace, dry_run=dry_run)

    assert collect(True, grace=3600_000_000).blobs == 0
    orphan = b"bytes that no row knows"
    registry.blobs.put([orphan], Digest.of(orphan))
    plan = collect(True)
    done = collect(False)
    assert (done.blobs, done.size_bytes) == (plan.blobs, plan.size_bytes)
    assert done.orphans == 1
    assert registry.blobs.stat(gone.digest) is None
    assert registry.blobs.stat(Digest.of(orphan)) is None
    assert registry.blobs.stat(Digest.of(b"of a deleted version")) is None
    assert registry.blobs.stat(Digest.of(b"keep me")) is not None
    assert retention.verify_version(registry.db, registry.blobs, registry.root, ref(f"{model}:1")) == []
    assert keep.version.number == 1


def test_damaged_bytes_are_asked_for_again_and_healed(registry: Registry, model: str) -> None:
    data = unique("lost").encode()
    view = registry.register(registry.root, model, data=data)
    digest, place = Digest.of(data), ref(f"{model}:{view.version.number}")

    def missing() -> list[Digest]:
        return registry.db.write(lambda tx: uploads.find_missing(tx, registry.root, {digest: len(data)}))

    def scrub() -> list[Digest]:
        *_, last = retention.scrub(registry.db, registry.blobs, registry.root)
        return [damage.digest for damage in last.damage if damage.digest == digest]

    assert (scrub(), missing()) == ([], [])
    registry.blobs.delete(digest)
    assert missing() == []
    assert scrub() == [digest]
    assert missing() == [digest]
    again, is_new = registry.try_register(registry.root, model, data=data)
    assert (again.version.number, is_new) == (view.version.number, False)
    assert (scrub(), missing()) == ([], [])

    # Found by looking at one version, and put back by hand.
    registry.blobs.delete(digest)
    checked = retention.verify_version(registry.db, registry.blobs, registry.root, place)
    assert [problem for _, problem in checked] == ["missing"]
    assert missing() == [digest]
    registry.blobs.put([data], digest)
    assert (scrub(), missing()) == ([], [])


def test_damaged_bytes_that_nothing_needs_are_collected(registry: Registry) -> None:
    data = unique("lost").encode()
    digest = registry.send(registry.root, data).digest
    registry.blobs.delete(digest)
    *_, last = retention.scrub(registry.db, registry.blobs, registry.root)
    assert digest in [damage.digest for damage in last.damage]
    retention.collect(registry.db, registry.blobs, registry.root, grace=-1, dry_run=False)
    *_, last = retention.scrub(registry.db, registry.blobs, registry.root)
    assert digest not in [damage.digest for damage in last.damage]


def test_an_upload_on_its_way_protects_its_bytes(registry: Registry) -> None:
    data = b"on the way"
    digest = Digest.of(data)
    registry.send(registry.root, data)
    upload = uploads.start_upload(registry.db, registry.root, digest, len(data), 1 << 30)
    retention.collect(registry.db, registry.blobs, registry.root, grace=-1, dry_run=False)
    assert registry.blobs.stat(digest) is not None
    uploads.discard_upload(registry.db, registry.blobs, upload)
    retention.collect(registry.db, registry.blobs, registry.root, grace=-1, dry_run=False)
    assert registry.blobs.stat(digest) is None


def test_a_dry_run_counts_the_uploads_that_are_over(registry: Registry) -> None:
    data = unique("abandoned").encode()
    upload = uploads.start_upload(registry.db, registry.root, Digest.of(data), len(data), 1 << 30)

    def collect(dry_run: bool) -> int:
        done = retention.collect(registry.db, registry.blobs, registry.root, grace=-1, dry_run=dry_run)
        return done.uploads

    before = collect(True)
    over = upload_rows.update().where(upload_rows.c.id == upload.id).values(expires_at=0)
    registry.db.write(lambda tx: tx.execute(over))
    assert collect(True) == before + 1
    assert collect(False) == before + 1
    assert collect(True) == 0


def test_push_and_collection_at_once_lose_nothing(registry: Registry) -> None:
    """Clients send and register while the collector runs without any grace."""
    stop = []
    failures: list[BaseException] = []

    def sweep() -> None:
        while not stop:
            retention.collect(registry.db, registry.blobs, registry.root, grace=-1, dry_run=False)
            # Without any pause and any grace, bytes hardly ever live until they are registered.
            time.sleep(0.05)

    def push(worker: int) -> None:
        for n in range(10):
            for _ in range(500):
                try:
                    registry.register(
                        registry.root,
                        f"{space}/m{worker}",
                        data=f"{space}{worker}{n % 3}".encode(),
                        facts={"params": {"n": n}},
                    )
                    break
                except (MissingBlobs, ModelyardError) as error:
                    if error.kind not in ("busy", "invalid"):
                        failures.append(error)
            else:
                failures.append(AssertionError("never came through"))

    space = unique("storm")
    with ThreadPoolExecutor(5) as pool:
        sweeping = pool.submit(sweep)
        list(pool.map(push, range(4)))
        stop.append(True)
        sweeping.result(timeout=60)
    assert failures == []
    for worker in range(4):
        for number in range(1, 11):
            damaged = retention.verify_version(
                registry.db, registry.blobs, registry.root, ref(f"{space}/m{worker}:{number}")
            )
            assert damaged == []


def test_the_tables_say_what_the_log_says_after_all_this(registry: Registry) -> None:
    *_, last = proofs.check_log(registry.db, registry.root)
    assert (last.finished, last.damage) == (True, [])
