"""Limit how fast passwords, links and tokens can be guessed. The counts are kept in this process, in bounded memory.

A stranger slows down their own network first. Many networks together slow down an account, but never the
networks from which it recently signed in, and never a sign-in by link, which cannot be guessed; so no account is
locked out for good. Decision record: docs/decisions/0019-identity.md.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable

import msgspec

FREE_OF_PAIR = 5
"""Failures from one network with one account that have no effect."""
FREE_OF_NETWORK = 30
FREE_OF_ACCOUNT = 50
LONGEST_WAIT_SECONDS = 60.0
FORGOTTEN_AFTER_SECONDS = 900.0
LONGEST_DELAY_SECONDS = 1.0
"""How long the answer to a wrong token or link is held back once there have been many."""
_MOST_KEYS = 10_000
_MOST_TOLD_AN_HOUR = 20


class _Failures(msgspec.Struct):
    count: int
    at: float


class LimitCrossed(msgspec.Struct, frozen=True):
    """Reported as an event: the failures of a key crossed its limit, or ten times that, and so on."""

    attempts: int


class Attempts:
    """Failed attempts by account and network. For the event loop's thread only. now: seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._failures: OrderedDict[Hashable, _Failures] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._told: list[float] = []

    def wait_seconds(self, account: str, network: str, now: float) -> float:
        """Return the seconds until a password may be tried again; 0: now."""
        waits = [
            self._wait(("pair", account, network), FREE_OF_PAIR, now),
            self._wait(("network", network), FREE_OF_NETWORK, now),
        ]
        if (account, network) not in self._known:
            waits.append(self._wait(("account", account), FREE_OF_ACCOUNT, now))
        return max(waits)

    def begin(self, account: str, network: str, now: float) -> LimitCrossed | None:
        """Count an attempt as failed until `succeed` says otherwise, so that many at once gain nothing."""
        crossed = [
            self._add(("pair", account, network), FREE_OF_PAIR, now),
            self._add(("network", network), FREE_OF_NETWORK, now),
            self._add(("account", account), FREE_OF_ACCOUNT, now),
        ]
        return self._worth_telling(max(crossed), now)

    def succeed(self, account: str, network: str) -> None:
        """Forget the account's failures from this network, and remember the network for it."""
        self._failures.pop(("pair", account, network), None)
        for key in (("network", network), ("account", account)):
            failures = self._failures.get(key)
            if failures is not None:
                failures.count -= 1
        self._known[account, network] = None
        self._known.move_to_end((account, network))
        if len(self._known) > _MOST_KEYS:
            self._known.popitem(last=False)

    def fail_unguessable(self, network: str, now: float) -> tuple[float, LimitCrossed | None]:
        """Return (how long to hold the answer back, the limits crossed) after a wrong token or link."""
        crossed = self._add(("secret", network), FREE_OF_NETWORK, now)
        over = self._failures["secret", network].count - FREE_OF_NETWORK
        delay = min(LONGEST_DELAY_SECONDS, 0.05 * over) if over > 0 else 0.0
        return delay, self._worth_telling(crossed, now)

    def __len__(self) -> int:
        return len(self._failures)

    def _wait(self, key: Hashable, free: int, now: float) -> float:
        failures = self._failures.get(key)
        if failures is None or failures.count < free or now - failures.at > FORGOTTEN_AFTER_SECONDS:
            return 0.0
        pause = min(LONGEST_WAIT_SECONDS, 2.0 ** min(failures.count - free, 10))
        return max(0.0, failures.at + pause - now)

    def _add(self, key: Hashable, free: int, now: float) -> int:
        """Return the count if it crosses the limit, ten times the limit, and so on; otherwise 0."""
        failures = self._failures.get(key)
        if failures is None or now - failures.at > FORGOTTEN_AFTER_SECONDS:
            failures = self._failures[key] = _Failures(0, now)
        failures.count += 1
        failures.at = now
        self._failures.move_to_end(key)
        if len(self._failures) > _MOST_KEYS:
            self._failures.popitem(last=False)
        steps = math.log10(failures.count / free) if failures.count >= free else 0.5
        return failures.count if steps.is_integer() else 0

    def _worth_telling(self, crossed: int, now: float) -> LimitCrossed | None:
        self._told = [at for at in self._told if now - at < 3600]
        if not crossed or len(self._told) >= _MOST_TOLD_AN_HOUR:
            return None
        self._told.append(now)
        return LimitCrossed(crossed)
