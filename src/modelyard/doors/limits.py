"""Limits on the number of requests of one client.

A client is a token that this process has verified, from any address; all other requests count for their address. So
a client gains nothing by inventing tokens, and does not affect clients with valid ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from starlette.types import Scope

from modelyard.domain.errors import Unauthenticated
from modelyard.doors.authentication import PROVEN, bearer_token
from modelyard.doors.guarding import client_network
from modelyard.registry.access.secrets import hash_secret

_PRESENTED = "modelyard.limited_token"
"""Key in a request's scope: the hash of its token."""


class Bucket:
    """Requests that one client may still make: a token bucket with a depth of ten seconds."""

    __slots__ = ("at", "left")

    def __init__(self, left: float, at: float) -> None:
        self.left, self.at = left, at

    def take(self, rate: float, now: float) -> bool:
        self.left = min(rate * 10, self.left + (now - self.at) * rate)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class _Buckets:
    """The clients of one kind. Above `most`, the longest idle one is dropped, because it loses least."""

    def __init__(self, rate: float, most: int) -> None:
        self._rate, self._most = rate, most
        self.by_client: OrderedDict[str, Bucket] = OrderedDict()

    def find(self, client: str) -> Bucket | None:
        bucket = self.by_client.get(client)
        if bucket is not None:
            self.by_client.move_to_end(client)
        return bucket

    def add(self, client: str, now: float) -> Bucket:
        bucket = self.by_client[client] = Bucket(self._rate * 10, now)
        if len(self.by_client) > self._most:
            self.by_client.popitem(last=False)
        return bucket


class Limits:
    """The clients of this process. Use it only on the event loop's thread. rate: requests per second, above 0."""

    def __init__(self, rate: float, most: int = 10_000) -> None:
        self.rate = rate
        self._tokens = _Buckets(rate, most)
        self._addresses = _Buckets(rate, most)

    def admit(self, scope: Scope, headers: Mapping[bytes, bytes], now: float) -> bool:
        """Count one request and return whether it may proceed. now: seconds of a monotonic clock."""
        presented = headers.get(b"authorization")
        if presented is not None:
            try:
                token = scope[_PRESENTED] = hash_secret(bearer_token(presented.decode("latin-1")))
            except Unauthenticated:
                pass  # Not a token at all; the error is raised where a token is needed.
            else:
                bucket = self._tokens.find(token)
                if bucket is not None:
                    return bucket.take(self.rate, now)
        address = client_network(scope)
        bucket = self._addresses.find(address) or self._addresses.add(address, now)
        return bucket.take(self.rate, now)

    def learn(self, scope: Scope, now: float) -> None:
        """Record the outcome of an accepted request: its token is valid, is not (any more), or was not checked."""
        token: str | None = scope.get(_PRESENTED)
        proven: bool | None = scope.get(PROVEN)
        if token is None or proven is None:
            return
        known = self._tokens.by_client
        if not proven:
            known.pop(token, None)
        elif token not in known:
            # The request that verified the token is the first one counted.
            self._tokens.add(token, now).take(self.rate, now)

    def clients(self) -> list[str]:
        """Return the remembered clients: hashes of tokens, then addresses."""
        return [*self._tokens.by_client, *self._addresses.by_client]
