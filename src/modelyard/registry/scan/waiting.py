"""Bytes that wait for a scan, as jobs of the queue."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from modelyard.db.transaction import Transaction
from modelyard.domain.digest import Digest
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.nouns import Job, JobKind

BACKGROUND = -1
"""The priority of bytes that no version waits for, because they have a verdict by older rules."""


class ScanBytes(msgspec.Struct):
    digest: str


SCAN = JobKind("scan", ScanBytes)
"""A first try, which is short so that the next file does not wait long."""
SLOW_SCAN = JobKind("slow-scan", ScanBytes)
"""A scan of bytes that the first try did not finish."""


def ask_for_scans(
    tx: Transaction, digests: Sequence[Digest], namespace: str | None, since: int | None = None
) -> None:
    """Queue scans of bytes; namespaces take turns. Bytes that wait already keep their place in the queue, unless no
    namespace waited for them.

    namespace: the one that waits; None: none. since: the beginning of the wait; None: now.
    """
    set_aside = jobs.list_open_keys(tx, [SLOW_SCAN], digests)
    for digest in digests:
        if digest not in set_aside:
            jobs.enqueue(
                tx,
                SCAN,
                ScanBytes(str(digest)),
                key=digest,
                namespace=namespace,
                priority=BACKGROUND if namespace is None else 0,
                at=since,
            )


def set_aside(tx: Transaction, job: Job) -> None:
    """Queue the bytes of a first try for a scan with more time."""
    payload = SCAN.read(job)
    jobs.enqueue(
        tx,
        SLOW_SCAN,
        payload,
        key=payload.digest,
        namespace=job.namespace,
        priority=job.priority,
        at=job.due_at,
    )


def list_waiting(tx: Transaction, digests: Sequence[Digest]) -> set[str]:
    """Return the bytes that wait already, or are being scanned."""
    return jobs.list_open_keys(tx, [SCAN, SLOW_SCAN], digests)
