"""One request on its way through a handler."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Hashable
from functools import cached_property, partial
from typing import Any, Protocol, TypeVar

from starlette.requests import Request

from modelyard.db.revisions import Revisions
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import InvalidRequest, PreconditionFailed
from modelyard.domain.names import ModelName, Ref
from modelyard.doors.fair_share import LaneName, Runner
from modelyard.doors.guarding import client_of
from modelyard.doors.services import Services
from modelyard.registry import idempotency
from modelyard.registry.catalog.rules import ANY_REVISION
from modelyard.registry.idempotency import Answer
from modelyard.wire.base import encode

T = TypeVar("T")

MANY_ITEMS = 400
"""An answer with more items than this is built off the event loop."""
LARGE_BODY_BYTES = 64 * 1024
"""A body above this size is decoded and checked off the event loop."""


REVISIONS = "modelyard.revisions"
"""Key in the scope of a request: the database's revisions that it asked for."""


class Call:
    """One request on its way through a handler."""

    def __init__(self, request: Request, services: Services, actor: Actor, status: int) -> None:
        self.request = request
        self.services = services
        self._status = status
        self.actor = actor
        self.raw_body = b""
        """The raw body, if the route takes JSON."""

    @property
    def path(self) -> dict[str, str]:
        return self.request.path_params

    def number(self, name: str) -> int:
        """Return a part of the path that the route declares as a number."""
        return int(self.path[name])

    @cached_property
    def model(self) -> ModelName:
        return ModelName.parse(f"{self.path['namespace']}/{self.path['name']}")

    @cached_property
    def ref(self) -> Ref:
        return Ref.parse(f"{self.model}:{self.path['version']}")

    @property
    def request_id(self) -> str:
        return str(self.request.scope["modelyard.request_id"])

    # --- conditional requests ------------------------------------------------------------------

    @property
    def seen_revision(self) -> int | None:
        """Return the revision that the caller saw: from If-Match, 0 for If-None-Match: *; None without either."""
        headers = self.request.headers
        if headers.get("if-none-match") == "*":
            return 0
        match = headers.get("if-match")
        if match is None or match == "*":
            return None
        if match.startswith("W/"):
            # Source: RFC 9110, section 13.1.1: the comparison is strong, so a weak tag cannot match.
            raise PreconditionFailed(reason="a weak ETag in If-Match never matches")
        found = _REVISION_TAG.fullmatch(match)
        if found is None:
            raise InvalidRequest(reason=f"If-Match is {match[:60]!r}", fix='Send the ETag as it came, like "3"')
        return int(found[1])

    @property
    def seen_state(self) -> int | None:
        """Return the same as `seen_revision`, for a PUT that may also create: If-Match: * requires that it exists."""
        return ANY_REVISION if self.request.headers.get("if-match") == "*" else self.seen_revision

    # --- threads -------------------------------------------------------------------------------

    @cached_property
    def client(self) -> Hashable:
        """The client whose share of the server this request uses."""
        return client_of(self.request, self.actor)

    async def in_thread(self, lane: LaneName, fn: Callable[..., T], *args: Any) -> T:
        """Run work in a thread that waits or computes for more than a few milliseconds. Raises ShareUsedUp."""
        return await self.services.lanes[lane].run(self.client, fn, *args)

    async def compute(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a pure function of the request: in a thread if the request's body is large, otherwise directly."""
        if len(self.raw_body) > LARGE_BODY_BYTES:
            return await self.in_thread("views", fn, *args)
        return fn(*args)

    def runner(self, lane: LaneName) -> Runner:
        return partial(self.services.lanes[lane].run, self.client)

    # --- the database --------------------------------------------------------------------------

    async def revisions(self) -> Revisions:
        """Return the database's revisions of a moment since the request began."""
        asked: Revisions | None = self.request.scope.get(REVISIONS)
        return await self.services.db.revisions() if asked is None else asked

    async def read(self, fn: Callable[[Transaction], T]) -> T:
        return await self.services.db.aread(fn, self.runner("exports"))

    async def point(self, fn: Callable[[Transaction], T]) -> T:
        """Read a few rows by key."""
        return await self.services.db.apoint(fn, self.runner("exports"))

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Run one change and return its result, after the commit."""
        return await self.services.db.awrite(
            fn, self.runner("exports"), on_loop=len(self.raw_body) <= LARGE_BODY_BYTES
        )

    async def commit(
        self, fn: Callable[[Transaction], T], *, etag: Callable[[T], str] | None = None
    ) -> Answer[T]:
        """Run one change and answer with its result, after the commit."""

        def change(tx: Transaction) -> Answer[T]:
            value = fn(tx)
            return answer_with(value, self._status, None if etag is None else etag(value))

        return await self.commit_answer(change)

    async def commit_answer(self, fn: Callable[[Transaction], Answer[T]]) -> Answer[T]:
        """Run one change that builds its own answer.

        With an Idempotency-Key header the answer is stored in the same transaction, and returned again when the
        request is repeated.
        """
        key = self.request.headers.get("idempotency-key")
        if key is not None and not 0 < len(key) <= 200:
            raise InvalidRequest(reason="the idempotency key is empty or longer than 200 characters")
        request_hash = self._request_hash() if key else ""

        def unit(tx: Transaction) -> Answer[T]:
            if key:
                stored = idempotency.find_answer(tx, self.actor, key, request_hash)
                if stored is not None:
                    return stored
            answer = fn(tx)
            if key:
                idempotency.store_answer(tx, self.actor, key, request_hash, answer)
            return answer

        return await self.write(unit)

    def _request_hash(self) -> str:
        scope = self.request.scope
        start = f"{scope['method']} {scope['path']}?".encode() + scope["query_string"] + b"\n"
        # Keyed: a body may hold a password, and anyone could test guesses against a plain hash.
        key = self.services.keyring.idempotency_key
        return hmac.new(key, start + self.raw_body, "sha256").hexdigest()


# The tag of a write is the revision; the tag of a read adds a hash of the whole answer.
_REVISION_TAG = re.compile(r'"?([0-9]{1,18})(?:-[0-9a-f]{16})?"?')


class HasRevision(Protocol):
    @property
    def revision(self) -> int: ...


def answer_with(value: T, status: int, etag: str | None = None) -> Answer[T]:
    """Return the answer to a change: JSON of a wire type; None: no body."""
    headers = {} if etag is None else {"etag": etag}
    if value is None:
        return Answer(204, b"", headers)
    return Answer(status, encode(value), headers)


def revision_tag(value: HasRevision) -> str:
    """Return the ETag of the answer to a write, for use in If-Match."""
    return f'"{value.revision}"'
