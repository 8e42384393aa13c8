"""How a server process runs each kind of job: the handler, its threads and its lease."""

from __future__ import annotations

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.doors.services import Services
from modelyard.registry.outbox.delivery import deliver
from modelyard.registry.outbox.lanes import DELIVER
from modelyard.registry.outbox.senders import Sender
from modelyard.registry.quarantine.scanning import run_scan, run_slow_scan
from modelyard.registry.scan.waiting import SCAN, SLOW_SCAN
from modelyard.worker.runner import Work

_DELIVERIES = 8
_OF_ONE_SUBSCRIPTION = 3
"""A slow receiver must not hold up the others."""


def scan_works(db: Database, blobs: BlobStore) -> list[Work]:
    return [
        Work(SCAN.name, lambda job, _: run_scan(db, blobs, job)),
        Work(SLOW_SCAN.name, lambda job, _: run_slow_scan(db, blobs, job)),
    ]


def delivery_works(sender: Sender) -> list[Work]:
    return [
        Work(
            DELIVER.name,
            lambda job, heartbeat: deliver(sender.db, sender.open, job, heartbeat),
            threads=_DELIVERIES,
            most_per_share=_OF_ONE_SUBSCRIPTION,
        )
    ]


def standard_works(services: Services) -> list[Work]:
    return [*scan_works(services.db, services.blobs), *delivery_works(services.sender())]
