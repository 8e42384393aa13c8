"""What happens to every request, whatever the door: a request id, the host check, limits, logs, metrics.

Plain ASGI around the routes, because the hottest request spends more in layers than in its work.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, MutableMapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelyard.domain.errors import (
    Internal,
    InvalidRequest,
    Misdirected,
    ModelyardError,
    RateLimited,
    RouteNotFound,
    SlowBody,
    UnsupportedEncoding,
)
from modelyard.domain.times import MICROSECONDS
from modelyard.doors.errors import problem_response
from modelyard.doors.limits import Limits
from modelyard.doors.services import Services
from modelyard.registry.jobs.nouns import QueueFigures

logger = logging.getLogger("modelyard.requests")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_SLOW_BODY_GRACE_SECONDS = 10.0
_SLOW_BODY_WINDOW_SECONDS = 30.0
_LIVENESS = "/health"
"""Never limited: it costs nothing, and a process whose probe is refused is restarted."""
_BODILESS = frozenset({"GET", "HEAD", "DELETE"})

BODY_HAS_COME = "modelyard.body_has_come"
"""A web server's extension of the scope: asked, it says whether `receive` would return at once."""

SECURITY_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]


_GIVEN_ONCE = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
        b"last-event-id",
        b"origin",
        b"range",
    }
)
"""Headers of which two would leave open which one counts."""


def _given_twice(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in _GIVEN_ONCE and name in seen:
            return name.decode()
        seen.add(name)
    return None


def _never() -> bool:
    return False


_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Metrics(Collector):
    """What /metrics shows of this process.

    Counted in plain dictionaries and put into the library's form when it is asked for: its own counters
    lock at every step, which the hottest request would feel.
    """

    def __init__(self, services: Services) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.in_flight = 0
        self._requests: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[str, list[float]] = {}
        self._figures = services.db.figures
        self._runs = services.run_figures
        self.queue: QueueFigures | None = None
        """Read from the database by who asks for the metrics; None: it did not answer."""

    def observe(self, method: str, route: str, status: int, elapsed: float) -> None:
        """On the event loop's thread only."""
        key = (method, route, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        # One cell per bucket, then "above all", then the sum.
        cells = self._seconds.get(route)
        if cells is None:
            cells = self._seconds[route] = [0.0] * (len(_BUCKETS) + 2)
        cells[bisect_left(_BUCKETS, elapsed)] += 1
        cells[-1] += elapsed

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "modelyard_requests", "Requests answered", labels=["method", "route", "status"]
        )
        for (method, route, status), count in list(self._requests.items()):
            requests.add_metric([method, route, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            "modelyard_request_seconds", "Time to the end of the answer", labels=["route"]
        )
        for route, cells in list(self._seconds.items()):
            bounds = [*map(str, _BUCKETS), "+Inf"]
            sums = list(itertools.accumulate(cells[:-1]))
            seconds.add_metric([route], list(zip(bounds, sums, strict=True)), cells[-1])
        yield seconds
        yield GaugeMetricFamily("modelyard_requests_in_flight", "Requests being answered", self.in_flight)
        for name, meaning in (
            ("batches", "Commits of the database writer"),
            ("units", "Changes that the database writer ran"),
            ("failed_units", "Changes that were refused or failed"),
        ):
            value = float(getattr(self._figures, name))
            yield CounterMetricFamily(f"modelyard_database_{name}", meaning, value)
        for name, meaning in (
            ("longest_unit_seconds", "The longest that one change ran"),
            ("longest_loop_unit_seconds", "The longest that one change held up all other requests"),
        ):
            yield GaugeMetricFamily(f"modelyard_database_{name}", meaning, getattr(self._figures, name))
        yield from self._collect_runs()
        if self.queue is not None:
            yield from _collect_queue(self.queue)

    def _collect_runs(self) -> Iterator[Metric]:
        seconds = SummaryMetricFamily(
            "modelyard_job_run_seconds", "Time that attempts of background jobs took here", labels=["kind"]
        )
        failures = CounterMetricFamily(
            "modelyard_job_failures", "Attempts of background jobs that failed here", labels=["kind"]
        )
        for kind, count in list(self._runs.runs.items()):
            seconds.add_metric([kind], count, self._runs.seconds[kind])
            failures.add_metric([kind], self._runs.failures[kind])
        yield seconds
        yield failures


def _collect_queue(queue: QueueFigures) -> Iterator[Metric]:
    """Of all processes together: each of them tells the same."""
    jobs = GaugeMetricFamily(
        "modelyard_jobs", "Background jobs that wait, run or were given up", labels=["kind", "state"]
    )
    for (kind, state), count in queue.counts.items():
        jobs.add_metric([kind, state], count)
    yield jobs
    oldest = GaugeMetricFamily(
        "modelyard_job_oldest_due_seconds", "How long the oldest job that is due waits", labels=["kind"]
    )
    for kind, due_at in queue.oldest_due_at.items():
        oldest.add_metric([kind], (queue.now - due_at) / MICROSECONDS)
    yield oldest


class Edge:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services
        self._settings = services.settings
        self.metrics = Metrics(services)
        self._hosts = _allowed_hosts(services)
        self._ids = map(f"{secrets.token_hex(6)}-{{:x}}".format, itertools.count(1))
        rate = services.settings.rate_limit
        self._limits = Limits(rate) if rate > 0 else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"").decode("latin-1")
        if not request_id or not _REQUEST_ID.match(request_id):
            request_id = next(self._ids)
        scope["modelyard.request_id"] = request_id
        scope["modelyard.headers"] = headers
        watch = _Watch(send, request_id)
        self.metrics.in_flight += 1
        try:
            refusal = self._refusal(scope, headers)
            if refusal is not None:
                await problem_response(refusal, request_id)(scope, receive, watch)
            else:
                body_expected = scope["method"] not in _BODILESS
                await self._app(scope, self._timed(scope, receive) if body_expected else receive, watch)
        except ModelyardError as error:
            await self._fail(error, scope, receive, watch)
        except Exception:
            logger.exception("request %s failed", request_id)
            await self._fail(Internal(request_id=request_id), scope, receive, watch)
        finally:
            self.metrics.in_flight -= 1
            if self._limits is not None:
                self._limits.learn(scope, time.monotonic())
            elapsed = time.perf_counter() - started
            self._note(scope, watch.status, elapsed, request_id)

    async def _fail(self, error: ModelyardError, scope: Scope, receive: Receive, watch: _Watch) -> None:
        if not watch.started:
            await problem_response(error, scope["modelyard.request_id"])(scope, receive, watch)
            return
        # Half an answer is out; breaking the connection is the only honest end.
        logger.error("answer %s broken off: %s", scope["modelyard.request_id"], error)
        raise error

    def _refusal(self, scope: Scope, headers: MutableMapping[bytes, bytes]) -> ModelyardError | None:
        if len(headers) != len(scope["headers"]):
            twice = _given_twice(scope["headers"])
            if twice is not None:
                return InvalidRequest(reason=f"the header {twice} is given twice", fix="Send it once")
        if scope["http_version"] not in ("1.0", "1.1"):
            return InvalidRequest(reason="the request is not of HTTP/1.0 or 1.1", fix="Speak HTTP/1.1")
        encoding = headers.get(b"content-encoding", b"identity")
        if encoding.lower() != b"identity":
            return UnsupportedEncoding(encoding=encoding.decode("latin-1")[:60])
        if self._hosts is not None:
            host = headers.get(b"host", b"").decode("latin-1").lower()
            if host not in self._hosts and host.rpartition(":")[0] not in self._hosts:
                return Misdirected(host=host[:100])
        limits = self._limits
        if limits is None or scope["path"] == _LIVENESS:
            return None
        if not limits.admit(scope, headers, time.monotonic()):
            return RateLimited(limit=limits.rate, setting="rate_limit")
        return None

    def _timed(self, scope: Scope, receive: Receive) -> Receive:
        """receive, but a body that trickles in is cut off: ten seconds and a minimal rate are allowed.

        The time that is left grows with each byte, up to that of a window, so that what came fast at first is no
        reason to hold the connection for hours. What has come already costs no timer, where the web server says so.
        """
        rate = self._settings.slow_body_bytes_per_second
        has_come = scope.get("extensions", {}).get(BODY_HAS_COME, _never)
        left, done = _SLOW_BODY_GRACE_SECONDS, False

        async def timed() -> Message:
            nonlocal left, done
            if done:
                return await receive()
            if has_come():
                message = await receive()
            else:
                started = time.monotonic()
                try:
                    async with asyncio.timeout(max(0.1, left)):
                        message = await receive()
                except TimeoutError:
                    raise SlowBody() from None
                left -= time.monotonic() - started
            left = min(_SLOW_BODY_WINDOW_SECONDS, left + len(message.get("body", b"")) / rate)
            done = not message.get("more_body", False)
            return message

        return timed

    def _note(self, scope: Scope, status: int, elapsed: float, request_id: str) -> None:
        route = scope.get("route")
        path = getattr(route, "path", "unknown")
        method = scope["method"]
        self.metrics.observe(method, path, status, elapsed)
        wanted = self._settings.access_log
        if wanted == "none":
            return
        if wanted == "all" or status >= 400 or method not in ("GET", "HEAD"):
            logger.info(
                "%s %s %s",
                method,
                scope["path"],
                status,
                extra={"request_id": request_id, "milliseconds": round(elapsed * 1000, 2), "route": path},
            )


class _Watch:
    """send, which also notes the status and adds what every answer carries."""

    __slots__ = ("_request_id", "_send", "started", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id.encode()
        self.status = 499
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-request-id", self._request_id), *SECURITY_HEADERS]
        await self._send(message)


def _allowed_hosts(services: Services) -> frozenset[str] | None:
    """None: any name will do, because the operator bound a public address and named none."""
    settings = services.settings
    if settings.allowed_hosts:
        return frozenset(name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip())
    if not settings.is_loopback:
        return None
    own = services.public_url.partition("://")[2].partition("/")[0].lower()
    names = {"localhost", "127.0.0.1", "[::1]", settings.host, own, own.rpartition(":")[0]}
    # An address without a port has nothing before its last colon, and nothing would then match every name.
    return frozenset(names - {""})


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    error = RouteNotFound(method=scope["method"], path=scope["path"][:200])
    response: Response = problem_response(error, scope["modelyard.request_id"])
    await response(scope, receive, send)
