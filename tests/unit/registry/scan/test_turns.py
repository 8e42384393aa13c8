"""Places are handed out by turns between shares; told by order and counts, never by the clock."""

from __future__ import annotations

import threading
import time

from modelyard.registry.scan.turns import MOST_WAITING, Turns


class Crowd:
    """Threads that wait for a place, one started after the other, and the order in which they got one."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[str] = []
        self._threads: list[threading.Thread] = []

    def join(self, share: str) -> None:
        thread = threading.Thread(target=self._wait, args=(share,))
        before = len(self.turns._waiting) + len(self.order)
        thread.start()
        self._threads.append(thread)
        while len(self.turns._waiting) + len(self.order) == before:
            time.sleep(0.001)

    def _wait(self, share: str) -> None:
        if self.turns.take(share, 30):
            self.order.append(share)

    def served(self, count: int) -> list[str]:
        while len(self.order) < count:
            time.sleep(0.001)
        return self.order

    def end(self) -> None:
        """Everybody who has a place gives it back, until no one waits."""
        done = 0
        while done < len(self._threads):
            self.served(done + 1)
            self.turns.give_back(self.order[done])
            done += 1
        for thread in self._threads:
            thread.join()


def test_one_share_leaves_a_place_for_others() -> None:
    crowd = Crowd(Turns(2))
    for _ in range(3):
        crowd.join("bob")
    assert crowd.served(1) == ["bob"]
    crowd.join("alice")
    assert crowd.served(2) == ["bob", "alice"]
    crowd.end()
    assert crowd.order == ["bob", "alice", "bob", "bob"]


def test_shares_take_turns_whoever_came_first() -> None:
    turns = Turns(1)
    assert turns.take("first", 1)
    crowd = Crowd(turns)
    for share in ("bob", "bob", "bob", "alice", "carol"):
        crowd.join(share)
    turns.give_back("first")
    crowd.end()
    assert crowd.order[:3] == ["bob", "alice", "carol"]
    assert crowd.order[3:] == ["bob", "bob"]


def test_too_many_of_one_share_are_turned_away_at_once() -> None:
    turns = Turns(1)
    assert turns.take("first", 1)
    crowd = Crowd(turns)
    for _ in range(MOST_WAITING):
        crowd.join("bob")
    assert not turns.take("bob", 3600)
    crowd.join("alice")
    turns.give_back("first")
    crowd.end()
    assert crowd.order.index("alice") <= 1


def test_who_waited_in_vain_leaves_nothing_behind() -> None:
    turns = Turns(1)
    assert turns.take("first", 1)
    for number in range(100):
        assert not turns.take(f"share {number}", 0)
    turns.give_back("first")
    assert turns.take("next", 1)
    assert not turns._waiting
    assert turns._order == ["next"]
