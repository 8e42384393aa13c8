"""Due jobs, in every server process: each is safe to run in several at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from modelyard.domain.errors import ModelyardError
from modelyard.doors.services import Services
from modelyard.registry import idempotency
from modelyard.registry.access import usecases as access
from modelyard.registry.comments import usecases as comments
from modelyard.registry.oidc import usecases as oidc
from modelyard.registry.outbox import delivery
from modelyard.registry.promotion import usecases as promotion_usecases
from modelyard.registry.quarantine import scanning as quarantine
from modelyard.registry.uploads import usecases as uploads

logger = logging.getLogger(__name__)

_TICK_SECONDS = 1.0


@dataclass(slots=True)
class Job:
    name: str
    every_seconds: float
    run: Callable[[Services], None]
    due: float = 0.0


def note_token_use(services: Services) -> None:
    """Store which tokens were used; one small write for all of them."""
    used, services.used_tokens = services.used_tokens, set()
    if used:
        services.db.write(lambda tx: access.note_token_use(tx, used))


def sweep_uploads(services: Services) -> None:
    uploads.sweep_uploads(services.db, services.blobs)


def forget_old_answers(services: Services) -> None:
    services.db.write(idempotency.forget_old_answers)


def settle_promotions(services: Services) -> None:
    """Complete what the policy completes by itself, and expire what waited too long."""
    for promotion in services.db.read(lambda tx: promotion_usecases.list_ready(tx)):
        services.db.write(lambda tx, promotion=promotion: promotion_usecases.settle(tx, promotion))  # type: ignore[misc]


def finish_scans(services: Services) -> None:
    """What registrations had no time for, also of processes that ended in the middle of it."""
    quarantine.finish_scans(services.db, services.blobs)


def finish_slow_scan(services: Services) -> None:
    quarantine.finish_slow_scan(services.db, services.blobs)


def forget_old_deliveries(services: Services) -> None:
    services.db.write(delivery.forget_old_deliveries)


def forget_id_tokens(services: Services) -> None:
    services.db.write(oidc.forget_id_tokens)


def notify(services: Services) -> None:
    while comments.derive_notifications(services.db):
        pass


def standard_jobs() -> list[Job]:
    return [
        Job("notify", 1, notify, due=1),
        Job("note token use", 30, note_token_use, due=30),
        Job("settle promotions", 3, settle_promotions, due=3),
        Job("sweep uploads", 3600, sweep_uploads, due=60),
        Job("forget old answers", 3600, forget_old_answers, due=90),
        Job("forget old deliveries", 3600, forget_old_deliveries, due=120),
        Job("forget used identity tokens", 3600, forget_id_tokens, due=150),
    ]


def scan_jobs() -> list[list[Job]]:
    """Each list runs in a thread of its own: a scan may take long, and a slow one holds up neither quick ones nor
    other jobs."""
    return [
        [Job("finish scans", 1, finish_scans, due=1)],
        [Job("finish slow scan", 1, finish_slow_scan, due=1)],
    ]


class Worker:
    """Runs jobs in a thread until it is stopped. A job that fails is logged and tried again when due."""

    def __init__(self, services: Services, jobs: list[Job] | None = None) -> None:
        self._services = services
        self._jobs = standard_jobs() if jobs is None else jobs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stop.set()

    def stop(self) -> None:
        self.ask_to_stop()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        elapsed = 0.0
        while not self._stop.wait(_TICK_SECONDS):
            elapsed += _TICK_SECONDS
            for job in self._jobs:
                if elapsed < job.due:
                    continue
                job.due = elapsed + job.every_seconds
                try:
                    job.run(self._services)
                except ModelyardError as error:
                    logger.warning("job %s: %s", job.name, error)
                except Exception:
                    logger.exception("job %s failed", job.name)
