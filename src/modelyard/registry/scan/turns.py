"""Share a few places between many waiting threads, in turn between their shares."""

from __future__ import annotations

import threading
from collections import Counter

import msgspec

MOST_WAITING = 16
"""Most waiting threads of one share; others are refused at once."""


class _Waiter(msgspec.Struct, eq=False):
    share: str
    has_place: threading.Event = msgspec.field(default_factory=threading.Event)


class Turns:
    """Gives places to waiting threads: shares take turns, and within a share the oldest thread is first.

    One share never holds all of several places, so that its long work leaves room for others.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._most_of_one = max(1, places - 1)
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()
        self._waiting: list[_Waiter] = []
        self._order: list[str] = []
        """Shares in the order in which they last had a turn, as long as they hold or want a place."""

    def take(self, share: str, seconds: float) -> bool:
        """Wait for a place up to this long; return False if there was none, or too many of the share wait already."""
        waiter = _Waiter(share)
        with self._lock:
            if sum(each.share == share for each in self._waiting) >= MOST_WAITING:
                return False
            self._waiting.append(waiter)
            self._hand_out()
        if waiter.has_place.wait(max(seconds, 0)):
            return True
        with self._lock:
            # A place may have become free in this very moment.
            if waiter.has_place.is_set():
                return True
            self._waiting.remove(waiter)
        return False

    def give_back(self, share: str) -> None:
        with self._lock:
            self._free += 1
            self._held[share] -= 1
            self._hand_out()

    def _hand_out(self) -> None:
        while self._free and (waiter := self._next()) is not None:
            self._waiting.remove(waiter)
            self._free -= 1
            self._held[waiter.share] += 1
            self._note_turn(waiter.share)
            waiter.has_place.set()

    def _next(self) -> _Waiter | None:
        able = [each for each in self._waiting if self._held[each.share] < self._most_of_one]
        return min(able, key=lambda each: (self._held[each.share], self._last_turn(each.share)), default=None)

    def _last_turn(self, share: str) -> int:
        return self._order.index(share) if share in self._order else -1

    def _note_turn(self, share: str) -> None:
        wanted = {each.share for each in self._waiting} | {s for s, held in self._held.items() if held > 0}
        self._order = [each for each in self._order if each != share and each in wanted]
        self._order.append(share)
        self._held = +self._held
