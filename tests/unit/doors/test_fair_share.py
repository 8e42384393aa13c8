"""Places in lanes: how many a client has, whose turn it is, and that none is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from modelyard.domain.errors import ShareUsedUp
from modelyard.doors.fair_share import Lane, Lanes, Places


def run(test: Callable[[Lane], Awaitable[None]], lane: Lane) -> None:
    try:
        asyncio.run(asyncio.wait_for(test(lane), 30))  # type: ignore[arg-type]
    finally:
        lane.close()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_one_client_cannot_take_all_places() -> None:
    async def test(lane: Lane) -> None:
        go_on = threading.Event()
        held = [asyncio.ensure_future(lane.run("bob", go_on.wait, 20)) for _ in range(20)]
        await until(lambda: lane.taken_by("bob") == 3)
        assert lane.taken == 3
        assert await lane.run("alice", lambda: "mine") == "mine"
        go_on.set()
        assert await asyncio.gather(*held) == [True] * 20
        await until(lambda: lane.taken == 0)

    run(test, Lane("test", threads=4, per_client=3, waiting_per_client=50))


def test_those_who_wait_have_their_turns_client_by_client() -> None:
    async def test(lane: Lane) -> None:
        order: list[str] = []
        go_on = threading.Event()
        first = asyncio.ensure_future(lane.run("bob", go_on.wait, 20))
        await until(lambda: lane.taken == 1)
        waiting = [
            asyncio.ensure_future(lane.run(who, order.append, who)) for who in ["bob"] * 5 + ["ann", "eve"]
        ]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(first, *waiting)
        assert order == ["bob", "ann", "eve", "bob", "bob", "bob", "bob"]

    run(test, Lane("test", threads=1, per_client=1, waiting_per_client=50))


def test_who_waits_for_too_much_is_told_so() -> None:
    async def test(lane: Lane) -> None:
        go_on = threading.Event()
        held = [asyncio.ensure_future(lane.run("bob", go_on.wait, 20)) for _ in range(4)]
        await until(lambda: lane.taken == 1)
        with pytest.raises(ShareUsedUp):
            await lane.run("bob", lambda: None)
        go_on.set()
        await asyncio.gather(*held)

    run(test, Lane("test", threads=1, per_client=1, waiting_per_client=3))


def test_no_place_is_lost_by_failures_and_cancelled_requests() -> None:
    async def test(lane: Lane) -> None:
        def fail() -> None:
            raise ZeroDivisionError

        for _ in range(5):
            with pytest.raises(ZeroDivisionError):
                await lane.run("bob", fail)
        go_on = threading.Event()
        held = [asyncio.ensure_future(lane.run("bob", go_on.wait, 20)) for _ in range(6)]
        await until(lambda: lane.taken == 2)
        for each in held:
            each.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        # A thread that is at work keeps its place until it has done.
        assert lane.taken == 2
        go_on.set()
        await until(lambda: lane.taken == 0)
        assert await lane.run("ann", lambda: 7) == 7

    run(test, Lane("test", threads=2, per_client=2, waiting_per_client=50))


def test_a_place_for_a_stream_is_given_back() -> None:
    places = Places(per_client=2)
    with places.take("bob"), places.take("bob"):
        with pytest.raises(ShareUsedUp):
            places.check("bob")
        places.check("ann")
    places.check("bob")


def test_no_lane_is_so_wide_that_one_client_fills_it() -> None:
    lanes = Lanes()
    try:
        for lane in lanes._lanes.values():
            assert lane._per_client * 2 <= lane._threads
    finally:
        lanes.close()
