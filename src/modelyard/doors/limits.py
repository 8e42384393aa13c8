"""How many requests one client may make.

A client is a token that has been proven here, wherever it comes from; all other requests count for the
address they come from. So a client that invents tokens gains nothing by it, and holds up no client that has one.
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
"""In a request's scope: the hash of the token that it presents."""


class Bucket:
    """How many requests one client may still make: a token bucket of ten seconds' depth."""

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
    """The clients of one kind. Above `most`, the one that was away longest goes: it loses least by it."""

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
    """The clients of this process; on the event loop's thread only. rate: requests a second, above 0."""

    def __init__(self, rate: float, most: int = 10_000) -> None:
        self.rate = rate
        self._tokens = _Buckets(rate, most)
        self._addresses = _Buckets(rate, most)

    def admit(self, scope: Scope, headers: Mapping[bytes, bytes], now: float) -> bool:
        """Count one request and say whether it may go on. now: seconds of a monotonic clock."""
        presented = headers.get(b"authorization")
        if presented is not None:
            try:
                token = scope[_PRESENTED] = hash_secret(bearer_token(presented.decode("latin-1")))
            except Unauthenticated:
                pass  # No token at all; what is wrong with it is said where one is needed.
            else:
                bucket = self._tokens.find(token)
                if bucket is not None:
                    return bucket.take(self.rate, now)
        address = client_network(scope)
        bucket = self._addresses.find(address) or self._addresses.add(address, now)
        return bucket.take(self.rate, now)

    def learn(self, scope: Scope, now: float) -> None:
        """What came of a request that was let in: its token is one, is none (any more), or was not asked for."""
        token: str | None = scope.get(_PRESENTED)
        proven: bool | None = scope.get(PROVEN)
        if token is None or proven is None:
            return
        known = self._tokens.by_client
        if not proven:
            known.pop(token, None)
        elif token not in known:
            # The request that proved it is the first of its count.
            self._tokens.add(token, now).take(self.rate, now)

    def clients(self) -> list[str]:
        """Who is remembered: hashes of tokens, then addresses."""
        return [*self._tokens.by_client, *self._addresses.by_client]
