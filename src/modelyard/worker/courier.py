"""Delivers what subscriptions ask for: a thread that looks for work, and a few that send.

In every server process; leases in the database keep two from sending the same at once.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from modelyard.domain.errors import ModelyardError
from modelyard.registry.outbox import delivery
from modelyard.registry.outbox.delivery import Run
from modelyard.registry.outbox.senders import Sender

logger = logging.getLogger(__name__)

_THREADS = 8
_PER_SUBSCRIPTION = 3
"""Runs of one subscription at once in this process: a slow receiver must not hold up the others."""
_IDLE_SECONDS = 0.5


class Courier:
    """Runs until it is stopped; what is being sent then is finished or left to its lease."""

    def __init__(self, sender: Sender, *, idle_seconds: float = _IDLE_SECONDS) -> None:
        self._sender = sender
        self._db = sender.db
        self._idle_seconds = idle_seconds
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._sending: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_THREADS, "courier")
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=15)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def work(self) -> bool:
        """One look: derive deliveries, start sending what is due. False: there was nothing."""
        derived = delivery.derive_deliveries(self._db)
        with self._lock:
            free = _THREADS - self._sending.total()
            busy = [each for each, count in self._sending.items() if count >= _PER_SUBSCRIPTION]
        if free <= 0:
            return derived
        runs = delivery.claim_runs(self._db, busy, free)
        for run in runs:
            with self._lock:
                self._sending[run.subscription.id] += 1
            self._pool.submit(self._logged, lambda run=run: self._send(run))  # type: ignore[misc]
        return derived or bool(runs)

    def _run(self) -> None:
        while not self._stop.is_set():
            # Before the look, so that a run that ends during it is not slept through.
            self._wake.clear()
            if not self._logged(self.work) and not self._stop.is_set():
                self._wake.wait(self._idle_seconds)

    def _send(self, run: Run) -> bool:
        try:
            with self._sender.open(run.subscription) as send:
                return delivery.send_run(self._db, run, send, self._stop.is_set) > 0
        finally:
            with self._lock:
                self._sending[run.subscription.id] -= 1
                if not self._sending[run.subscription.id]:
                    del self._sending[run.subscription.id]
            self._wake.set()

    def _logged(self, fn: Callable[[], bool]) -> bool:
        """Whatever fails is tried again: leases run out, and cursors have not moved."""
        try:
            return fn()
        except ModelyardError as error:
            logger.warning("delivering events: %s", error)
        except Exception:
            logger.exception("delivering events failed")
        return False
