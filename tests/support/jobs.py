"""Background work as a server process does it, until nothing is due; when the call returns, it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.tables import jobs
from modelyard.registry.quarantine import scanning
from modelyard.registry.scan.waiting import SCAN, SLOW_SCAN
from modelyard.worker.runner import Runner, Work
from modelyard.worker.works import scan_works


def work_off(db: Database, works: Sequence[Work]) -> int:
    """Returns the number of attempts."""
    runner, count = Runner(db, works), 0
    while found := runner.look():
        count += found
        runner.wait()
    return count


def finish_scans(db: Database, blobs: BlobStore) -> int:
    """All scans that wait, those of older rules too. Returns the number of attempts."""
    count = 0
    while True:
        scanning.queue_scans(db)
        done = work_off(db, scan_works(db, blobs))
        if not done:
            return count
        count += done


def first_tries(db: Database, blobs: BlobStore) -> int:
    """As finish_scans, without what is set aside for more time, and of what waits in the queue already."""
    return work_off(db, [work for work in scan_works(db, blobs) if work.kind == SCAN.name])


def slow_scans(db: Database, blobs: BlobStore) -> int:
    """The scans that were set aside."""
    return work_off(db, [work for work in scan_works(db, blobs) if work.kind == SLOW_SCAN.name])


def open_jobs(db: Database, kind: str) -> list[Any]:
    """The keys of the jobs that wait or run, the oldest first."""
    query = (
        jobs.select()
        .with_only_columns(jobs.c.key)
        .where(jobs.c.kind == kind, jobs.c.state.in_(["waiting", "running"]))
        .order_by(jobs.c.id)
    )
    return [row[0] for row in db.read(lambda tx: tx.rows(query))]
