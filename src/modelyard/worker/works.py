"""Handler, threads and lease of each kind of job."""

from __future__ import annotations

from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.doors.services import Services
from modelyard.registry.audit.checking import CHECK_LOG, run_check
from modelyard.registry.builds.endings import BUILD
from modelyard.registry.builds.pools import Pools
from modelyard.registry.builds.running import carry_on, note_failure
from modelyard.registry.deployments import running as deployments
from modelyard.registry.deployments.moving import DEPLOYING
from modelyard.registry.deployments.targets import Targets
from modelyard.registry.outbox.delivery import deliver
from modelyard.registry.outbox.lanes import DELIVER
from modelyard.registry.outbox.senders import Sender
from modelyard.registry.quarantine.scanning import run_scan, run_slow_scan
from modelyard.registry.retention.expiry import RETENTION, run_job
from modelyard.registry.scan.waiting import SCAN, SLOW_SCAN
from modelyard.worker.runner import Work

_DELIVERIES = 8
_OF_ONE_SUBSCRIPTION = 3
"""A slow receiver must not delay the others."""
_BUILD_POLLS = 4
"""Short looks at builds; the builds themselves are processes of their own. A cluster that hangs must not hold up the other pools."""

_DEPLOYMENT_LOOKS = 2
"""Short looks at deployments; what answers requests is a process of its own."""
_DEPLOYMENT_LEASE_SECONDS = 5.0
"""After a server that was killed in a look, the next one goes on within seconds: somebody may wait for a rollback."""


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


def retention_works(db: Database) -> list[Work]:
    return [Work(RETENTION.name, lambda job, heartbeat: run_job(db, job, heartbeat))]


def check_works(db: Database) -> list[Work]:
    return [Work(CHECK_LOG.name, lambda _, heartbeat: run_check(db, heartbeat))]


def build_works(db: Database, blobs: BlobStore, pools: Pools) -> list[Work]:
    return [
        Work(
            BUILD.name,
            lambda job, _: carry_on(db, blobs, pools, job),
            threads=_BUILD_POLLS,
            failed=note_failure,
        )
    ]


def deployment_works(db: Database, targets: Targets) -> list[Work]:
    return [
        Work(
            DEPLOYING.name,
            lambda job, _: deployments.carry_on(db, targets, job),
            threads=_DEPLOYMENT_LOOKS,
            lease_seconds=_DEPLOYMENT_LEASE_SECONDS,
            failed=deployments.note_failure,
        )
    ]


def standard_works(services: Services) -> list[Work]:
    return [
        *scan_works(services.db, services.blobs),
        *delivery_works(services.sender()),
        *retention_works(services.db),
        *check_works(services.db),
        *build_works(services.db, services.blobs, services.pools),
        *deployment_works(services.db, services.targets),
    ]
