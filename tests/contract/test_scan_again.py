"""Scanning again takes nothing out of service until a worse verdict is there, and the worker takes turns."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from modelyard.db.tables import blobs as blobs_table
from modelyard.db.tables import manifests
from modelyard.domain.digest import Digest
from modelyard.domain.names import Ref
from modelyard.domain.scanning.verdicts import RULES_VERSION, not_scanned
from modelyard.registry.quarantine import scanning
from modelyard.registry.scan import queries as scans
from modelyard.registry.scan.process import ScanProcess
from modelyard.registry.scan.rules import scan_text
from modelyard.registry.scan.usecases import Patience
from modelyard.registry.uploads import queries as uploads
from modelyard.registry.versions import inspect
from modelyard.registry.versions import usecases as versions
from tests.support import model_files
from tests.support.bad_files import trap, zipped
from tests.support.door import Door, assert_problem, digest_of
from tests.support.jobs import finish_scans, first_tries, open_jobs, slow_scans
from tests.support.registry import Registry, unique


def finish(registry: Registry) -> None:
    finish_scans(registry.db, registry.blobs)


@pytest.fixture(autouse=True)
def nothing_waits(registry: Registry) -> Iterator[None]:
    finish(registry)
    yield
    finish(registry)


def set_scan(registry: Registry, data: bytes, scan: str | None, rules: int) -> None:
    digest = Digest.of(data)

    def work(tx: Any) -> None:
        if scan is not None:
            uploads.set_scan(tx, digest, scan)
        tx.execute(blobs_table.update().where(blobs_table.c.digest == digest).values(scan_rules=rules))

    registry.db.write(work)


def path_of(made: dict[str, Any]) -> str:
    return f"models/{made['model']}/versions/{made['version']}"


def distinct(data: bytes) -> bytes:
    return zipped(data, f"{unique('m')}.pkl")


class Slow:
    """A scanner for which every scan takes too long; counts what it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *_: Any) -> None:
        self.calls += 1


def test_the_same_rules_and_bytes_are_not_scanned_again(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    made = door.register(f"{unique('space')}/scorer", distinct(model_files.pickle_file(5)))
    assert made["scan"] == "allowlisted"
    slow = Slow()
    monkeypatch.setattr(inspect, "scan_blob", slow)
    again = door.call("POST", f"{path_of(made)}/scan")
    assert (again.json()["verdict"], slow.calls) == ("allowlisted", 0)


def test_scanning_again_leaves_other_tenants_in_service(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """With older rules behind the verdict, and a scan that takes too long: the old verdict counts for everybody."""
    data = distinct(model_files.pickle_file(5))
    alice = door.register(f"{unique('beta')}/prod", data, aliases=["champion"])
    bob = door.register(f"{unique('bob')}/same", data)
    set_scan(door.registry, data, None, RULES_VERSION - 1)
    slow = Slow()
    monkeypatch.setattr(inspect, "scan_blob", slow)
    for _ in range(3):
        again = door.call("POST", f"{path_of(bob)}/scan")
        assert (again.status_code, again.json()["verdict"]) == (200, "allowlisted")
        for made in (alice, bob):
            assert door.get(f"{path_of(made)}/manifest").status_code == 200
    assert slow.calls == 3
    assert open_jobs(door.registry.db, "scan") == [digest_of(data)]
    assert first_tries(door.registry.db, door.registry.blobs) == 1
    assert open_jobs(door.registry.db, "slow-scan") == [digest_of(data)]
    monkeypatch.undo()
    # What the first try did not finish is taken up with more time.
    assert slow_scans(door.registry.db, door.registry.blobs) == 1
    read = door.registry.db.read(lambda tx: uploads.find_read(tx, [Digest.of(data)]))
    assert read[Digest.of(data)].scan_rules == RULES_VERSION
    assert door.get(f"{path_of(alice)}/manifest").status_code == 200


def test_a_worse_verdict_reaches_all_who_have_the_bytes(door: Door) -> None:
    data = distinct(trap())
    sent = door.send(data)
    set_scan(door.registry, data, "", RULES_VERSION - 1)
    made = [door.register(f"{unique('space')}/scorer", data) for _ in range(2)]
    assert [each["scan"] for each in made] == ["no_code", "no_code"]
    assert door.call("POST", f"{path_of(made[0])}/scan").json()["verdict"] == "dangerous"
    for each in made:
        assert_problem(door.get(f"{path_of(each)}/files/{sent['path']}"), 409, "version_quarantined")


def test_a_better_verdict_of_newer_rules_lets_out_what_was_held(door: Door) -> None:
    data = distinct(model_files.pickle_file(5))
    door.send(data)
    set_scan(door.registry, data, scan_text(not_scanned("older rules"), ()), RULES_VERSION - 1)
    made = door.register(f"{unique('space')}/scorer", data)
    assert made["quarantined"]
    finish(door.registry)
    shown = door.get(path_of(made)).json()
    assert (shown["scan"], shown["quarantined"]) == ("allowlisted", False)
    kinds = [event["kind"] for event in door.get(f"models/{made['model']}/history").json()["items"]]
    assert (kinds.count("version.quarantined"), kinds.count("version.released")) == (1, 1)


def test_what_could_not_be_scanned_may_be_tried_again(door: Door) -> None:
    data = distinct(model_files.pickle_file(5))
    door.send(data)
    set_scan(door.registry, data, scan_text(not_scanned("no time"), ()), RULES_VERSION)
    made = door.register(f"{unique('space')}/scorer", data)
    assert made["scan"] == "not_scanned"
    assert door.call("POST", f"{path_of(made)}/scan").json()["verdict"] == "allowlisted"
    assert door.get(f"{path_of(made)}/manifest").status_code == 200


# --- turns -------------------------------------------------------------------------------------------


def pending(door: Door, monkeypatch: pytest.MonkeyPatch, space: str, count: int) -> list[str]:
    """Digests of files of so many versions that wait for the worker."""
    found = []
    with monkeypatch.context() as hurried:
        hurried.setattr(inspect, "REGISTRATION_SECONDS", -1.0)
        for _ in range(count):
            data = distinct(model_files.pickle_file(5))
            assert door.register(f"{space}/scorer", data)["scan"] == "pending"
            found.append(digest_of(data))
    return found


def test_namespaces_take_turns_and_the_oldest_comes_first(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = pending(door, monkeypatch, unique("bob"), 4)
    alice = pending(door, monkeypatch, unique("alice"), 1)
    carol = pending(door, monkeypatch, unique("carol"), 2)
    order: list[str] = []

    def note(db: Any, blobs: Any, digest: Digest, patience: Any) -> bool:
        order.append(digest)
        return real(db, blobs, digest, patience)

    real = scanning.scan_bytes
    monkeypatch.setattr(scanning, "scan_bytes", note)
    assert finish_scans(door.registry.db, door.registry.blobs) == 7
    assert {*order[:3]} == {bob[0], alice[0], carol[0]}
    assert {*order[3:5]} == {bob[1], carol[1]}
    assert order[5:] == bob[2:]


def test_a_slow_file_is_set_aside_and_holds_up_nobody(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first try of three slow files ends soon, and a file that comes later is done before they are taken up."""
    slow = pending(door, monkeypatch, unique("bob"), 3)
    quick = pending(door, monkeypatch, unique("alice"), 1)
    real = inspect.scan_blob
    tried: list[bool] = []

    def scan(reader: Any, patience: Any) -> str | None:
        assert patience.is_last or patience.left <= 10
        is_slow = any(Digest.of(reader.read(0, reader.size_bytes)) == digest for digest in slow)
        tried.append(is_slow)
        return None if is_slow and not patience.is_last else real(reader, patience)

    monkeypatch.setattr(inspect, "scan_blob", scan)
    scanning.queue_scans(door.registry.db)
    assert first_tries(door.registry.db, door.registry.blobs) == 4
    assert tried.index(False) <= 1
    assert door.registry.db.read(lambda tx: scans.find_scan(tx, Digest.parse(quick[0])))[0] is not None
    # Not tried again by the quick ones, and finished one by one.
    scanning.queue_scans(door.registry.db)
    assert first_tries(door.registry.db, door.registry.blobs) == 0
    assert tried.count(True) == 3
    assert slow_scans(door.registry.db, door.registry.blobs) == 3


def test_new_rules_wait_until_nobody_else_waits(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    old = distinct(model_files.pickle_file(5))
    door.register(f"{unique('space')}/scorer", old)
    set_scan(door.registry, old, None, RULES_VERSION - 1)
    waits = pending(door, monkeypatch, unique("alice"), 2)
    scanning.queue_scans(door.registry.db)
    assert open_jobs(door.registry.db, "scan") == waits


def test_only_a_deleted_versions_files_are_given_up(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = f"{unique('space')}/scorer"
    monkeypatch.setattr(inspect, "REGISTRATION_SECONDS", -1.0)
    view = registry.register(registry.root, model, data=distinct(trap()))
    registry.db.write(lambda tx: versions.delete_version(tx, registry.root, Ref.parse(f"{model}:1"), "wrong"))
    finish(registry)
    state = registry.db.read(
        lambda tx: tx.rows(manifests.select().where(manifests.c.id == view.version.manifest_id))
    )
    assert "not_scanned" in state[0]


def test_large_files_of_one_account_do_not_delay_a_small_one_of_another(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While three registrations of one account are being scanned, another account's is scanned and done."""
    bob, alice = (door.as_(door.token_of(door.registry.user())) for _ in range(2))
    go_on, begun = threading.Event(), threading.Semaphore(0)
    real = ScanProcess.scan

    def scan(process: ScanProcess, source: Any, patience_seconds: float) -> Any:
        if source.size_bytes > 100_000:
            begun.release()
            assert go_on.wait(60)
        return real(process, source, patience_seconds)

    monkeypatch.setattr(ScanProcess, "scan", scan)
    monkeypatch.setattr(inspect, "REGISTRATION_SECONDS", 60.0)
    spaces = [unique("bob") for _ in range(3)]
    large = [pickle.dumps([unique(), bytes(200_000)]) for _ in spaces]
    with ThreadPoolExecutor(3) as pool:
        waiting = [
            pool.submit(bob.register, f"{space}/scorer", data)
            for space, data in zip(spaces, large, strict=True)
        ]
        assert begun.acquire(timeout=60)
        try:
            made = alice.register(f"{unique('alice')}/scorer", pickle.dumps([unique()]))
            assert made["scan"] == "allowlisted"
            assert not any(each.done() for each in waiting)
        finally:
            go_on.set()
        assert [each.result()["scan"] for each in waiting] == ["allowlisted"] * 3


def test_an_end_in_the_middle_of_following_a_verdict_is_made_good(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after kill -9 when the verdict is stored and no version follows it yet."""
    data = distinct(trap())
    door.send(data)
    set_scan(door.registry, data, scan_text(not_scanned("older rules"), ()), RULES_VERSION)
    made = door.register(f"{unique('space')}/scorer", data)
    assert made["scan"] == "not_scanned"

    def end(*_: Any, **__: Any) -> None:
        raise RuntimeError("ended")

    with monkeypatch.context() as interrupted:
        interrupted.setattr(scanning, "settle_manifest", end)
        with pytest.raises(RuntimeError, match="ended"):
            scanning.scan_bytes(door.registry.db, door.registry.blobs, Digest.of(data), Patience(60))
    assert door.get(path_of(made)).json()["scan"] == "not_scanned"
    finish(door.registry)
    assert door.get(path_of(made)).json()["scan"] == "dangerous"
