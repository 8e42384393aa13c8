"""The figures of /metrics, summed over all processes of this server.

They are counted in plain dictionaries and converted to the library's form on request: the library's own counters lock
at every step, which would slow down the most frequent requests. Processes exchange figures as `ProcessFigures`.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from modelyard.db.engine import PoolFigures
from modelyard.domain.times import MICROSECONDS
from modelyard.doors.services import Services
from modelyard.registry.jobs.nouns import QueueFigures, RunFigures

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_ADDED = (
    ("batches", "Commits of the database writer"),
    ("units", "Changes that the database writer ran"),
    ("failed_units", "Changes that were refused or failed"),
)
_LONGEST = (
    ("longest_unit_seconds", "Longest run of one change"),
    ("longest_loop_unit_seconds", "Longest time that one change blocked all other requests"),
)


class ProcessFigures(msgspec.Struct):
    """Figures of one process, or of several together."""

    requests: dict[str, dict[str, dict[int, int]]] = {}
    """Method → route → status → number of answers."""
    seconds: dict[str, list[float]] = {}
    """Route → one cell per bucket, then "above all", then the sum."""
    in_flight: int = 0
    database: dict[str, float] = {}
    """Keyed by the names of `_ADDED` and `_LONGEST`."""
    runs: RunFigures = msgspec.field(default_factory=RunFigures)
    pool: PoolFigures = msgspec.field(default_factory=PoolFigures)
    processes: int = 1

    def add(self, other: ProcessFigures) -> None:
        """Add the figures of another process."""
        for method, routes in other.requests.items():
            for route, statuses in routes.items():
                own = self.requests.setdefault(method, {}).setdefault(route, {})
                for status, count in statuses.items():
                    own[status] = own.get(status, 0) + count
        for route, cells in other.seconds.items():
            known = self.seconds.get(route, [0.0] * len(cells))
            self.seconds[route] = [a + b for a, b in zip(known, cells, strict=True)]
        self.in_flight += other.in_flight
        for name, _ in _ADDED:
            self.database[name] = self.database.get(name, 0.0) + other.database.get(name, 0.0)
        for name, _ in _LONGEST:
            self.database[name] = max(self.database.get(name, 0.0), other.database.get(name, 0.0))
        for mine, theirs in (
            (self.runs.runs, other.runs.runs),
            (self.runs.seconds, other.runs.seconds),
            (self.runs.failures, other.runs.failures),
        ):
            for kind, value in theirs.items():
                mine[kind] = mine.get(kind, 0) + value  # type: ignore[assignment]
        self.pool = self.pool.plus(other.pool)
        self.processes += other.processes


class Inventory(msgspec.Struct, frozen=True):
    """What the registry holds, for all processes together."""

    versions: dict[str, int]
    """State → number."""
    stored_files: int
    stored_bytes: int
    deliveries: dict[str, int]
    """pending or dead → number."""
    uses: Sequence[tuple[str, int, int | None]] = ()
    """(namespace, bytes that count towards its quota, quota in bytes)."""
    builds: dict[str, int] = {}
    schedules: dict[str, int] = {}
    """State → number."""
    deployments: tuple[dict[str, int], int, int] = ({}, 0, 0)
    """State → number; the number of those that are held, and of those with an alarm."""
    retraining: int = 0
    """Deployments that need it."""
    drift: Sequence[tuple[str, int, str, float]] = ()
    """(deployment, version, column, PSI) of the columns that moved most in the newest windows."""
    backup_seconds: float | None = None
    """Age of the last backup; None: there was none yet."""


class Metrics(Collector):
    """The figures of this process and of the others."""

    def __init__(self, services: Services) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.in_flight = 0
        self._requests: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[str, list[float]] = {}
        self._db = services.db
        self._figures = services.db.figures
        self._runs = services.run_figures
        self._release = services.release
        self.others: Iterable[ProcessFigures] = ()
        """Figures of the other processes, read when the metrics are requested."""
        self.queue: QueueFigures | None = None
        """Read from the database when the metrics are requested; None: it did not answer."""
        self.inventory: Inventory | None = None
        """Likewise."""

    def observe(self, method: str, route: str, status: int, elapsed: float) -> None:
        """Count one request. Call it only on the event loop's thread."""
        key = (method, route, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        cells = self._seconds.get(route)
        if cells is None:
            cells = self._seconds[route] = [0.0] * (len(_BUCKETS) + 2)
        cells[bisect_left(_BUCKETS, elapsed)] += 1
        cells[-1] += elapsed

    def own(self) -> ProcessFigures:
        """Return a copy of the figures of this process."""
        requests: dict[str, dict[str, dict[int, int]]] = {}
        for (method, route, status), count in list(self._requests.items()):
            requests.setdefault(method, {}).setdefault(route, {})[status] = count
        runs = self._runs
        return ProcessFigures(
            requests=requests,
            seconds={route: [*cells] for route, cells in list(self._seconds.items())},
            in_flight=self.in_flight,
            database={name: float(getattr(self._figures, name)) for name, _ in (*_ADDED, *_LONGEST)},
            pool=self._db.pool_figures(),
            runs=RunFigures(dict(runs.runs), dict(runs.seconds), dict(runs.failures)),
        )

    def collect(self) -> Iterator[Metric]:
        figures = self.own()
        for other in self.others:
            figures.add(other)
        yield InfoMetricFamily("modelyard_build", "The running release", {"release": self._release})
        yield GaugeMetricFamily("modelyard_processes", "Server processes on this machine", figures.processes)
        yield from _collect_requests(figures)
        for name, meaning in _ADDED:
            yield CounterMetricFamily(f"modelyard_database_{name}", meaning, figures.database[name])
        for name, meaning in _LONGEST:
            yield GaugeMetricFamily(f"modelyard_database_{name}", meaning, figures.database[name])
        yield from _collect_pool(figures.pool)
        yield from _collect_runs(figures.runs)
        if self.queue is not None:
            yield from _collect_queue(self.queue)
        if self.inventory is not None:
            yield from _collect_inventory(self.inventory)


def _collect_requests(figures: ProcessFigures) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "modelyard_requests", "Requests answered", labels=["method", "route", "status"]
    )
    for method, routes in figures.requests.items():
        for route, statuses in routes.items():
            for status, count in statuses.items():
                requests.add_metric([method, route, str(status)], count)
    yield requests
    seconds = HistogramMetricFamily(
        "modelyard_request_seconds", "Time to the end of the answer", labels=["route"]
    )
    for route, cells in figures.seconds.items():
        bounds = [*map(str, _BUCKETS), "+Inf"]
        sums = list(itertools.accumulate(cells[:-1]))
        seconds.add_metric([route], list(zip(bounds, sums, strict=True)), cells[-1])
    yield seconds
    yield GaugeMetricFamily("modelyard_requests_in_flight", "Requests being answered", figures.in_flight)


def _collect_pool(pool: PoolFigures) -> Iterator[Metric]:
    connections = GaugeMetricFamily(
        "modelyard_database_connections", "Open connections to the database, by state", labels=["state"]
    )
    connections.add_metric(["in_use"], pool.in_use)
    connections.add_metric(["idle"], pool.idle)
    yield connections
    yield GaugeMetricFamily("modelyard_database_connections_limit", "Most connections", pool.limit)
    waiting = GaugeMetricFamily(
        "modelyard_database_waiting", "Reads and changes that wait for their turn", labels=["kind"]
    )
    waiting.add_metric(["read"], pool.waiting_reads)
    waiting.add_metric(["change"], pool.waiting_changes)
    yield waiting


def _collect_runs(runs: RunFigures) -> Iterator[Metric]:
    seconds = SummaryMetricFamily(
        "modelyard_job_run_seconds", "Time that attempts of background jobs took here", labels=["kind"]
    )
    failures = CounterMetricFamily(
        "modelyard_job_failures", "Attempts of background jobs that failed here", labels=["kind"]
    )
    for kind, count in runs.runs.items():
        seconds.add_metric([kind], count, runs.seconds[kind])
        failures.add_metric([kind], runs.failures[kind])
    yield seconds
    yield failures


def _collect_inventory(inventory: Inventory) -> Iterator[Metric]:
    versions = GaugeMetricFamily("modelyard_versions", "Versions of all models, by state", labels=["state"])
    for state, count in inventory.versions.items():
        versions.add_metric([state], count)
    yield versions
    yield GaugeMetricFamily("modelyard_stored_files", "Different files in the store", inventory.stored_files)
    yield GaugeMetricFamily("modelyard_stored_bytes", "Bytes of these files", inventory.stored_bytes)
    deliveries = GaugeMetricFamily(
        "modelyard_deliveries", "Messages to subscribers that wait or were given up", labels=["state"]
    )
    for state, count in inventory.deliveries.items():
        deliveries.add_metric([state], count)
    yield deliveries
    builds = GaugeMetricFamily("modelyard_builds", "Builds of all models, by state", labels=["state"])
    for state, count in inventory.builds.items():
        builds.add_metric([state], count)
    yield builds
    schedules = GaugeMetricFamily("modelyard_schedules", "Schedules of all models, by state", labels=["state"])
    for state, count in inventory.schedules.items():
        schedules.add_metric([state], count)
    yield schedules
    by_state, held, alarmed = inventory.deployments
    deployments = GaugeMetricFamily(
        "modelyard_deployments", "Deployments of all models, by state", labels=["state"]
    )
    for state, count in by_state.items():
        deployments.add_metric([state], count)
    yield deployments
    yield GaugeMetricFamily(
        "modelyard_deployments_held", "Deployments that stay on a revision against their stage", held
    )
    yield GaugeMetricFamily(
        "modelyard_deployments_alarmed", "Deployments that serve what is not admitted any more", alarmed
    )
    yield GaugeMetricFamily(
        "modelyard_deployments_needing_retraining", "Deployments that need retraining", inventory.retraining
    )
    drift = GaugeMetricFamily(
        "modelyard_deployment_drift_psi",
        "PSI of the columns that moved most, in the newest judged window",
        labels=["deployment", "version", "column"],
    )
    for deployment, version, column, psi in inventory.drift:
        drift.add_metric([deployment, str(version), column], psi)
    yield drift
    used = GaugeMetricFamily(
        "modelyard_namespace_bytes",
        "Bytes of the versions, runs and profiles of a namespace",
        labels=["namespace"],
    )
    quotas = GaugeMetricFamily(
        "modelyard_namespace_quota_bytes",
        "Most bytes that they may have, where a quota is set",
        labels=["namespace"],
    )
    for namespace, used_bytes, quota_bytes in inventory.uses:
        used.add_metric([namespace], used_bytes)
        if quota_bytes is not None:
            quotas.add_metric([namespace], quota_bytes)
    yield used
    yield quotas
    if inventory.backup_seconds is not None:
        yield GaugeMetricFamily(
            "modelyard_last_backup_age_seconds", "Time since the last backup", inventory.backup_seconds
        )


def _collect_queue(queue: QueueFigures) -> Iterator[Metric]:
    """Figures of all processes together; each process reports the same."""
    jobs = GaugeMetricFamily(
        "modelyard_jobs", "Background jobs that are waiting, running or abandoned", labels=["kind", "state"]
    )
    for (kind, state), count in queue.counts.items():
        jobs.add_metric([kind, state], count)
    yield jobs
    oldest = GaugeMetricFamily("modelyard_job_oldest_due_seconds", "Age of the oldest due job", labels=["kind"])
    for kind, due_at in queue.oldest_due_at.items():
        oldest.add_metric([kind], (queue.now - due_at) / MICROSECONDS)
    yield oldest
