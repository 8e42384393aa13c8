"""Requests to the server: one pool of connections, retries of repeatable requests, errors as classes.

Every write has an idempotency key, so that a request whose answer was lost can be sent again.
"""

from __future__ import annotations

import ipaddress
import os
import random
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypedDict, TypeVar, Unpack, overload
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NewConnectionError,
    SSLError,
)

from modelyard import __version__
from modelyard.domain.errors import Invalid, Kind, ModelyardError, ServerUnreachable, UnexpectedAnswer
from modelyard.domain.secrets import mask
from modelyard.sdk.errors import error_from_answer
from modelyard.wire.base import encode

CONNECT_SECONDS = 10.0
BLOCK_BYTES = 1 << 20
_MAX_WAIT_SECONDS = 5.0
_MAX_RETRY_AFTER_SECONDS = 30.0
_UNMET_PATIENCE_SECONDS = 2.0
_LOOK_SECONDS = 0.1

R = TypeVar("R")
Body = bytes | Iterable[bytes | memoryview]


class Interrupted(BaseException):
    """Another thread gave up; this one stops as soon as it notices."""


@dataclass(slots=True)
class Patience:
    """The time for which failures may last before the caller gets the error. Progress restarts it."""

    seconds: float
    is_over: Callable[[], bool] | None = None
    """Asked while waiting; once it returns True, the caller gets the error at once."""
    _since: float | None = None
    _failures: int = 0

    def progress(self) -> None:
        self._since, self._failures = None, 0

    def wait(self, error: ModelyardError, retry_after: float | None = None) -> None:
        """Sleep before the next try. Raises the error if the time is up."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        pause = min(_MAX_WAIT_SECONDS, 0.1 * 2**self._failures) * random.uniform(0.5, 1.0)
        if retry_after is not None:
            pause = max(pause, min(retry_after, _MAX_RETRY_AFTER_SECONDS))
        self._failures += 1
        if now - self._since + pause > self.seconds:
            raise error
        while (left := now + pause - time.monotonic()) > 0:
            if self.is_over is not None and self.is_over():
                raise error
            time.sleep(left if self.is_over is None else min(left, _LOOK_SECONDS))


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer, read completely."""

    status: int
    headers: Any
    data: bytes


@dataclass(slots=True)
class _Failure:
    error: ModelyardError
    repeat: bool
    """Whether the same request may succeed later."""
    never_sent: bool = False
    retry_after: float | None = None
    response: Any = field(default=None)


class Options(TypedDict, total=False):
    """Options of a call other than its path, its body and its answer."""

    query: msgspec.Struct | None
    headers: dict[str, str] | None
    repeatable: bool
    timeout_seconds: float | None


class Transport:
    """Connection to one server, as one account. Safe in threads."""

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        timeout_seconds: float = 60.0,
        patience_seconds: float = 30.0,
        max_connections: int = 16,
        insecure: bool = False,
    ) -> None:
        """timeout_seconds: the longest silence. patience_seconds: how long to retry. insecure: send the token over
        http:// even to another machine.

        Raises Invalid for an address that is not valid, or to which a token would be sent in clear text.
        """
        self.url = checked_url(url)
        if token is not None and not insecure:
            refuse_clear_text(self.url)
        self.patience_seconds = patience_seconds
        self._token = token
        self._timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=timeout_seconds)
        self._pool = _pool_for(self.url, max_connections)
        self._met = False
        self._is_over: Callable[[], bool] | None = None

    def __repr__(self) -> str:
        return f"<Transport to {self.url}>"

    @property
    def has_token(self) -> bool:
        return self._token is not None

    def close(self) -> None:
        self._pool.clear()

    def trust_address(self, is_over: Callable[[], bool]) -> None:
        """Have the full patience with a server that has never answered yet, since its address is right, and none once `is_over`
        returns True."""
        self._met, self._is_over = True, is_over

    def patience(self) -> Patience:
        """Return the patience for one request."""
        return Patience(self.patience_seconds, self._is_over)

    def transfer_patience(self) -> Patience:
        """Return the longer patience for the bytes of one file, where a failure loses more work."""
        return Patience(4 * self.patience_seconds, self._is_over)

    # --- calls -----------------------------------------------------------------------------------

    @overload
    def call(
        self,
        method: str,
        path: str,
        *,
        returns: type[R],
        body: msgspec.Struct | None = None,
        **options: Unpack[Options],
    ) -> R: ...

    @overload
    def call(
        self, method: str, path: str, *, body: msgspec.Struct | None = None, **options: Unpack[Options]
    ) -> None: ...

    def call(
        self,
        method: str,
        path: str,
        *,
        query: msgspec.Struct | None = None,
        body: msgspec.Struct | None = None,
        returns: type[R] | None = None,
        headers: dict[str, str] | None = None,
        repeatable: bool = True,
        timeout_seconds: float | None = None,
    ) -> R | None:
        """Send one request of the API and return a `returns` (None: nothing). Raises the server's errors.

        repeatable False: sent again only if it certainly never arrived.
        """
        raw = None if body is None else encode(body)
        sent = {"content-type": "application/json"} if raw is not None else {}
        if method not in ("GET", "HEAD") and repeatable:
            sent["idempotency-key"] = uuid.uuid4().hex
        reply = self.send(
            method,
            path + query_text(query),
            headers={**sent, **(headers or {})},
            body=None if raw is None else (lambda: raw),
            repeatable=repeatable,
            timeout_seconds=timeout_seconds,
        )
        return None if returns is None else self.decode(reply, returns, path)

    def decode(self, reply: Reply, wanted: type[R], path: str) -> R:
        """Decode the body of a reply. Raises UnexpectedAnswer if it does not have the shape."""
        try:
            return _decoder(wanted).decode(reply.data)
        except msgspec.MsgspecError as exc:
            raise UnexpectedAnswer(url=self.url + path, status=reply.status) from exc

    def send(
        self,
        method: str,
        target: str,
        *,
        headers: dict[str, str] | None = None,
        body: Callable[[], Body] | None = None,
        repeatable: bool = True,
        timeout_seconds: float | None = None,
        patience: Patience | None = None,
    ) -> Reply:
        """Send one request, with retries. body: called for each try, so that a stream starts from the beginning."""
        patience = patience or self.patience()
        while True:
            outcome = self._try(method, self.url + target, headers, body, timeout_seconds, keep_open=False)
            if not isinstance(outcome, _Failure):
                return Reply(outcome.status, outcome.headers, outcome.data)
            self._wait_or_raise(outcome, patience, repeatable)

    def _wait_or_raise(self, failure: _Failure, patience: Patience, repeatable: bool) -> None:
        if not failure.repeat or not (repeatable or failure.never_sent):
            raise failure.error
        if failure.never_sent and not self._met:
            # No server has ever answered: a wrong address should not take half a minute.
            patience.seconds = min(patience.seconds, _UNMET_PATIENCE_SECONDS)
        patience.wait(failure.error, failure.retry_after)

    @contextmanager
    def open(self, target: str, headers: dict[str, str], *, foreign: bool = False) -> Iterator[Any]:
        """Open a GET whose body the caller reads, without retries. The caller follows redirects.

        target: a path of this server; with `foreign`, a complete address elsewhere, which gets no token.
        Raises ModelyardError; the caller catches failures while reading (`BROKEN`).
        """
        url = target if foreign else self.url + target
        with self._opened(self._try("GET", url, headers, None, None, keep_open=True, foreign=foreign)) as found:
            yield found

    @contextmanager
    def stream(
        self, method: str, target: str, timeout_seconds: float, headers: dict[str, str] | None = None
    ) -> Iterator[Any]:
        """Open an answer that is read while the server produces it, without retries."""
        tried = self._try(method, self.url + target, headers, None, timeout_seconds, keep_open=True)
        with self._opened(tried) as found:
            yield found

    @contextmanager
    def _opened(self, outcome: Any) -> Iterator[Any]:
        if isinstance(outcome, _Failure):
            raise outcome.error
        try:
            yield outcome
        finally:
            # A connection whose body was not read completely cannot be reused.
            if outcome.length_remaining == 0:
                outcome.release_conn()
            else:
                outcome.close()

    def _try(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None,
        body: Callable[[], Body] | None,
        timeout_seconds: float | None,
        *,
        keep_open: bool,
        foreign: bool = False,
    ) -> Any:
        sent = {"user-agent": f"modelyard/{__version__}", **(headers or {})}
        if self._token is not None and not foreign:
            sent["authorization"] = f"Bearer {self._token}"
        timeout = self._timeout
        if timeout_seconds is not None:
            timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=timeout_seconds)
        try:
            response = self._pool.request(
                method,
                url,
                headers=sent,
                body=body() if body is not None else None,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=not keep_open,
                decode_content=False,
            )
            if response.status < 400 and (keep_open or response.status < 300 or response.status == 304):
                self._met = self._met or not foreign
                return response
            data = response.data
        except BROKEN as exc:
            return self._failure_of(exc, url)
        content_type = response.headers.get("content-type", "")
        error = error_from_answer(_without_query(url), response.status, content_type, data)
        if not isinstance(error, UnexpectedAnswer) and not foreign:
            self._met = True
        repeat = error.kind in (Kind.BUSY, Kind.UNAVAILABLE) and response.status in (429, 502, 503, 504)
        return _Failure(error, repeat, retry_after=_seconds(response.headers.get("retry-after")))

    def _failure_of(self, exc: BaseException, url: str) -> _Failure:
        if isinstance(exc, LocationParseError):
            raise Invalid(reason=f"{_without_query(url)} is not an address", fix="Correct the address") from exc
        error = ServerUnreachable(url=_origin(url), reason=_reason(exc))
        error.__cause__ = exc
        never_sent = isinstance(exc, NewConnectionError | ConnectTimeoutError)
        return _Failure(error, not isinstance(exc, SSLError), never_sent=never_sent)


BROKEN = (HTTPError, OSError)
"""Errors of a broken connection, including in the middle of a body."""


def _reason(exc: BaseException) -> str:
    """Return a short reason for people, without the connection objects in urllib3's messages."""
    text = str(exc)
    if isinstance(exc, NewConnectionError | ConnectTimeoutError):
        text = text.rpartition(": ")[2]
    return mask(re.sub(r"<[^<>]*>:? ?", "", text))[:200] or type(exc).__name__


def _without_query(url: str) -> str:
    return url.partition("?")[0]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def checked_url(url: str) -> str:
    """Return the server's address without a closing slash; the default is https://, and on this machine http://.

    Raises Invalid.
    """
    if "://" not in url:
        url = f"{'http' if _is_local(f'http://{url}') else 'https'}://{url}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise Invalid(
            reason=f"{mask(_without_query(url))!r} is not the address of a server",
            fix="Write for example https://registry.example.org or http://127.0.0.1:8470",
        )
    return url.rstrip("/")


def refuse_clear_text(url: str) -> None:
    """Refuse an address to which a token would be readable in transit. Raises Invalid."""
    if url.startswith("http://") and not _is_local(url):
        raise Invalid(
            reason=f"{url} is not encrypted, so others could read a token in transit",
            fix=f"Use {url.replace('http://', 'https://', 1)}; or allow it with modelyard login URL --insecure, or with"
            " MODELYARD_INSECURE=1",
        )


def _is_local(url: str) -> bool:
    """Return whether the address means this machine, judged by its form without a lookup."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _pool_for(url: str, max_connections: int) -> Any:
    """Return a connection pool, through the proxy that the environment names for this address. Raises Invalid."""
    options: dict[str, Any] = {"maxsize": max_connections, "blocksize": BLOCK_BYTES, "retries": False}
    if not any(name.lower().endswith("_proxy") for name in os.environ) and sys.platform == "linux":
        return urllib3.PoolManager(**options)
    from modelyard.sdk.proxies import find_proxy

    proxy = find_proxy(url)
    if proxy is None:
        return urllib3.PoolManager(**options)
    return urllib3.ProxyManager(proxy.url, proxy_headers=proxy.headers, **options)


_decoders: dict[object, msgspec.json.Decoder[Any]] = {}


def _decoder(wanted: type[R]) -> msgspec.json.Decoder[R]:
    if wanted not in _decoders:
        _decoders[wanted] = msgspec.json.Decoder(wanted)
    return _decoders[wanted]


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None


def query_text(query: msgspec.Struct | None) -> str:
    """Return `?a=1&b=2` of a wire query: lists repeat their name; None and defaults are omitted."""
    if query is None:
        return ""
    pairs: list[tuple[str, str]] = []
    for name, value in msgspec.to_builtins(query).items():
        given = value if isinstance(value, list) else [value]
        pairs += [
            (name, str(item).lower() if isinstance(item, bool) else str(item))
            for item in given
            if item is not None
        ]
    return f"?{urlencode(pairs)}" if pairs else ""


def if_match(revision: int | None) -> dict[str, str] | None:
    """Return the header that allows a write only while the object has this revision; None: always."""
    return None if revision is None else {"if-match": f'"{revision}"'}


def if_state(revision: int | None) -> dict[str, str] | None:
    """Return the same as if_match for an object that may not exist; 0: only if it does not."""
    return {"if-none-match": "*"} if revision == 0 else if_match(revision)


def at(*parts: object) -> str:
    """Return a path of the API from its parts, each one fully quoted."""
    return "/api/v1/" + "/".join(quote(str(part), safe="") for part in parts)
