"""Short periodic chores, in every server process: each is safe to run in several at once.

Work that takes long or must not be lost is a job of the queue (runner.py).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from modelyard.domain.errors import ModelyardError
from modelyard.doors.services import Services
from modelyard.registry import idempotency
from modelyard.registry.access import usecases as access
from modelyard.registry.builds import retiring
from modelyard.registry.builds import running as builds
from modelyard.registry.comments import usecases as comments
from modelyard.registry.deployments import running as deployments
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.monitoring import judging as monitoring
from modelyard.registry.oidc import usecases as oidc
from modelyard.registry.outbox import delivery
from modelyard.registry.promotion import usecases as promotion_usecases
from modelyard.registry.quarantine import scanning
from modelyard.registry.retention import expiry
from modelyard.registry.schedules import firing as schedules
from modelyard.registry.uploads import usecases as uploads

logger = logging.getLogger(__name__)

_TICK_SECONDS = 0.5


@dataclass(slots=True)
class Chore:
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
    """Complete promotions that the policy completes, and expire those that waited too long."""
    for promotion in services.db.read(lambda tx: promotion_usecases.list_ready(tx)):
        services.db.write(lambda tx, promotion=promotion: promotion_usecases.settle(tx, promotion))  # type: ignore[misc]


def queue_scans(services: Services) -> None:
    """Queue scans that registrations had no time for, including those of processes that ended early."""
    scanning.queue_scans(services.db)


def derive_deliveries(services: Services) -> None:
    while delivery.derive_deliveries(services.db) and not services.stopping.is_set():
        pass


def queue_retention(services: Services) -> None:
    """Queue the runs of retention rules that nothing else has queued."""
    expiry.queue_rules(services.db)


def queue_builds(services: Services) -> None:
    """Queue the jobs of builds that lost theirs."""
    builds.queue_builds(services.db)


def fire_schedules(services: Services) -> None:
    """Start the builds that are due by a schedule or a trigger."""
    while schedules.follow_events(services.db) and not services.stopping.is_set():
        pass
    while schedules.fire_due(services.db, services.catalog, services.pools) and not services.stopping.is_set():
        pass


def set_schedules_right(services: Services) -> None:
    schedules.set_right(services.db)


def forget_firings(services: Services) -> None:
    while services.db.write(schedules.forget_firings):
        pass


def retire_builds(services: Services) -> None:
    """Delete the logs of old builds, and the records that no version needs."""
    keep = services.settings.keep_builds_days
    while services.db.write(lambda tx: retiring.retire_builds(tx, keep)) and not services.stopping.is_set():
        pass


def watch_deployments(services: Services) -> None:
    """Compare what is wanted of the deployments with what their targets do."""
    deployments.watch_deployments(services.db, services.targets)


def judge_windows(services: Services) -> None:
    """Judge the windows of deployments that have closed."""
    while monitoring.judge_windows(services.db, services.blobs) and not services.stopping.is_set():
        pass


def review_deployments(services: Services) -> None:
    """Look at the reasons to retrain that come without a window."""
    monitoring.review_deployments(services.db)


def forget_windows(services: Services) -> None:
    while services.db.write(monitoring.forget_windows) and not services.stopping.is_set():
        pass


def forget_finished_jobs(services: Services) -> None:
    while services.db.write(jobs.forget_finished):
        pass


def forget_old_deliveries(services: Services) -> None:
    services.db.write(delivery.forget_old_deliveries)


def forget_id_tokens(services: Services) -> None:
    services.db.write(oidc.forget_id_tokens)


def notify(services: Services) -> None:
    while comments.derive_notifications(services.db):
        pass


def standard_chores() -> list[list[Chore]]:
    """Each list has a thread of its own, so that a long one does not delay the chores of another."""
    return [
        [
            Chore("notify", 1, notify, due=1),
            Chore("note token use", 30, note_token_use, due=30),
            Chore("settle promotions", 3, settle_promotions, due=3),
            Chore("sweep uploads", 3600, sweep_uploads, due=60),
            Chore("forget old answers", 3600, forget_old_answers, due=90),
            Chore("forget old deliveries", 3600, forget_old_deliveries, due=120),
            Chore("forget used identity tokens", 3600, forget_id_tokens, due=150),
            Chore("forget finished jobs", 3600, forget_finished_jobs, due=180),
            Chore("queue builds", 30, queue_builds, due=30),
            Chore("set schedules right", 60, set_schedules_right, due=60),
            Chore("forget firings", 3600, forget_firings, due=165),
            Chore("retire builds", 3600, retire_builds, due=195),
            Chore("queue retention", 3600, queue_retention, due=210),
        ],
        [Chore("derive deliveries", 0.5, derive_deliveries)],
        [Chore("fire schedules", 0.5, fire_schedules)],
        [Chore("queue scans", 1, queue_scans, due=1)],
        [Chore("watch deployments", 2, watch_deployments, due=1)],
        [
            Chore("judge windows", 2, judge_windows, due=2),
            Chore("review deployments", 30, review_deployments, due=15),
            Chore("forget windows", 3600, forget_windows, due=225),
        ],
    ]


class Worker:
    """Run chores in a thread until stopped. A failed chore is logged and tried again when due."""

    def __init__(self, services: Services, chores: list[Chore]) -> None:
        self._services = services
        self._chores = chores
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
            for chore in self._chores:
                if elapsed < chore.due:
                    continue
                chore.due = elapsed + chore.every_seconds
                try:
                    chore.run(self._services)
                except ModelyardError as error:
                    logger.warning("chore %s: %s", chore.name, error)
                except Exception:
                    logger.exception("chore %s failed", chore.name)
