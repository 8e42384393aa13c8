"""Applied to every request, at any door: a request id, the host check, limits, logs, metrics.

Plain ASGI around the routes, because the hottest request spends more in layers than in its work.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time
from collections.abc import Iterable, MutableMapping, Sequence

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
from modelyard.doors.answers import SEND_WHOLE, SendWhole
from modelyard.doors.errors import problem_response
from modelyard.doors.limits import Limits
from modelyard.doors.metrics import Metrics
from modelyard.doors.services import Services

logger = logging.getLogger("modelyard.requests")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_SLOW_BODY_GRACE_SECONDS = 10.0
_SLOW_BODY_WINDOW_SECONDS = 30.0
_LIVENESS = "/health"
"""Never limited: it costs nothing, and a process with a refused probe is restarted."""
_PROBED = frozenset({_LIVENESS, "/ready"})
_BODILESS = frozenset({"GET", "HEAD", "DELETE"})

BODY_HAS_COME = "modelyard.body_has_come"
"""Extension of the scope by the web server: a function that tells whether `receive` would return at once."""

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
"""Headers that must not be repeated, because it would be unclear which one counts."""


def _given_twice(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in _GIVEN_ONCE and name in seen:
            return name.decode()
        seen.add(name)
    return None


def _never() -> bool:
    return False


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
        watch = _Watch(send, request_id, scope.get("extensions", {}).get(SEND_WHOLE))
        scope[SEND_WHOLE] = watch.send_whole
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
        # Half of the answer has been sent; breaking the connection is the only honest end.
        logger.error("answer %s broken off: %s", scope["modelyard.request_id"], error)
        raise error

    def _refusal(self, scope: Scope, headers: MutableMapping[bytes, bytes]) -> ModelyardError | None:
        if len(headers) != len(scope["headers"]):
            twice = _given_twice(scope["headers"])
            if twice is not None:
                return InvalidRequest(reason=f"the header {twice} is given twice", fix="Send it once")
        if scope["http_version"] not in ("1.0", "1.1"):
            return InvalidRequest(reason="the request does not use HTTP/1.0 or 1.1", fix="Use HTTP/1.1")
        encoding = headers.get(b"content-encoding", b"identity")
        if encoding.lower() != b"identity":
            return UnsupportedEncoding(encoding=encoding.decode("latin-1")[:60])
        # Probes name a machine by its IP address, and learn only that it answers.
        if self._hosts is not None and scope["path"] not in _PROBED:
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
        """Wrap receive so that a slow body is cut off: ten seconds and a minimum rate are allowed.

        The remaining time grows with each byte, up to one window, so that a fast beginning does not allow the client
        to hold the connection for hours. Bytes that have already arrived need no timer, if the web server says so.
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
            _log(
                msg=f"{method} {scope['path']} {status}",
                request_id=request_id,
                milliseconds=round(elapsed * 1000, 2),
                route=path,
            )


_RECORD = vars(logging.makeLogRecord({"name": logger.name, "levelno": logging.INFO, "levelname": "INFO"}))


def _log(**fields: object) -> None:
    """Log a line at level INFO. To find out what a record usually has, as `Logger.info` does, takes longer than the line."""
    if logger.isEnabledFor(logging.INFO):
        record = logging.LogRecord.__new__(logging.LogRecord)
        record.__dict__ = {**_RECORD, "created": time.time(), **fields}
        logger.handle(record)


class _Watch:
    """Wrap send so that it also records the status and adds the headers of every answer."""

    __slots__ = ("_request_id", "_send", "_whole", "started", "status")

    def __init__(self, send: Send, request_id: str, whole: SendWhole | None) -> None:
        self._send = send
        self._whole = whole
        self._request_id = request_id.encode()
        self.status = 499
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-request-id", self._request_id), *SECURITY_HEADERS]
        await self._send(message)

    def send_whole(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send the whole answer at once if the server can; see SendWhole."""
        if self._whole is None or self.started:
            return False
        if not self._whole(status, [*headers, (b"x-request-id", self._request_id), *SECURITY_HEADERS], body):
            return False
        self.started, self.status = True, status
        return True


def _allowed_hosts(services: Services) -> frozenset[str] | None:
    """None: any name is accepted, because the operator bound a public address and listed no names."""
    settings = services.settings
    if settings.allowed_hosts:
        named = {name.strip().lower() for name in settings.allowed_hosts.split(",")}
        # No page of another site can have these names, and commands on this machine use them.
        return frozenset(named | {"localhost", "127.0.0.1", "[::1]"}) - {""}
    if not settings.is_loopback:
        return None
    own = services.public_url.partition("://")[2].partition("/")[0].lower()
    names = {"localhost", "127.0.0.1", "[::1]", settings.host, own, own.rpartition(":")[0]}
    # An address without a port has nothing before its last colon, and an empty name would match every name.
    return frozenset(names - {""})


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    error = RouteNotFound(method=scope["method"], path=scope["path"][:200])
    response: Response = problem_response(error, scope["modelyard.request_id"])
    await response(scope, receive, send)
