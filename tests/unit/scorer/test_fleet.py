"""What is wanted → what runs, with workers that are processes and models that do what their input says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.errors import ModelyardError
from modelyard.scorer import pool as pools
from modelyard.scorer import revision as revisions
from modelyard.scorer.fleet import Fleet, checked
from modelyard.scorer.preparing import CannotPrepare, Files, Home
from modelyard.wire.scorer import ScorerLimits, Wanted, WantedRevision
from tests.unit.scorer.test_pool import END, SLOW, launch

DIGEST = "sha256:" + "0" * 64


def wanted(generation: int, *roles: tuple[int, str], **changes: Any) -> Wanted:
    told = [
        WantedRevision(number=number, reference=f"fraud/scorer:{number}", digest=DIGEST, role=role)
        for number, role in roles
    ]
    return Wanted(
        generation=generation,
        deployment="fraud/cards",
        registry=None,
        cache="/nowhere",
        revisions=told,
        **changes,
    )


class Bench:
    """A fleet. gates: revisions whose files do not come before the event. broken: those whose files never come."""

    def __init__(self) -> None:
        self.gates: dict[int, threading.Event] = {}
        self.broken: set[int] = set()
        self.log: list[str] = []
        self.fleet = Fleet(str, self.log.append, lambda: None)

    def bring(self, _: Wanted, told: WantedRevision, *__: Any) -> Files:
        if told.number in self.gates:
            assert self.gates[told.number].wait(20)
        if told.number in self.broken:
            raise CannotPrepare("the disk is full")
        signature = {"inputs": [{"name": "x", "dtype": "int64", "shape": [None]}]}
        return Files(Path("/nowhere"), {"signature": signature})

    async def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(2000):
            if holds():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"it does not come true: {self.states} {self.log}")

    async def apply(self, order: Wanted, serving: int) -> None:
        assert self.fleet.apply(order)
        await self.until(lambda: self.number == serving and self.fleet.is_settled)

    @property
    def number(self) -> int | None:
        return None if self.fleet.serving is None else self.fleet.serving.number

    @property
    def states(self) -> dict[int, str]:
        return {state.number: state.state for state in self.fleet.states()}

    def ask(self, value: int) -> asyncio.Future[Any]:
        from modelyard.scorer.pool import Pending

        serving = self.fleet.serving
        assert serving is not None
        assert serving.pool is not None
        found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        serving.pool.submit(Pending(serving.columns.from_rows([[value]]), "predict", found.set_result))
        return found


def run(monkeypatch: pytest.MonkeyPatch, work: Callable[[Bench], Awaitable[None]]) -> Bench:
    async def main() -> Bench:
        bench = Bench()
        monkeypatch.setattr(revisions, "bring", bench.bring)
        monkeypatch.setattr(revisions, "make_home", lambda *_, **__: Home(Path("/python"), None))
        monkeypatch.setattr(revisions, "launch", lambda *_: launch())
        monkeypatch.setattr(revisions, "working_bwrap", lambda: None)
        monkeypatch.setattr(pools, "_FIRST_PAUSE", 0.001)
        try:
            await asyncio.wait_for(work(bench), 60)
        finally:
            await bench.fleet.stop(0.1)
            await asyncio.sleep(0.05)
        return bench

    return asyncio.run(main())


def test_the_pointer_moves_to_what_is_loaded_and_the_earlier_one_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(bench: Bench) -> None:
        await bench.apply(wanted(1, (1, "serving")), 1)
        slow = bench.ask(SLOW)
        await asyncio.sleep(0.05)
        queued = bench.ask(5)
        await bench.apply(wanted(2, (2, "serving"), (1, "warm")), 2)
        # What the first one had is answered by the first one.
        assert (await slow)[0].values() == [10 * SLOW]
        assert (await queued)[0].values() == [50]
        assert bench.states == {1: "warm", 2: "ready"}
        assert bench.fleet.apply(wanted(3, (1, "serving"), (2, "warm")))
        assert bench.number == 1, "a loaded one takes over at once"
        await bench.apply(wanted(4, (3, "serving"), (1, "warm")), 3)
        await bench.until(lambda: bench.states == {1: "warm", 2: "stopped", 3: "ready"})
        swaps = [(swap.before, swap.after, swap.why, swap.dropped) for swap in bench.fleet.swaps]
        assert swaps == [(None, 1, "wanted", 0), (1, 2, "wanted", 0), (2, 1, "wanted", 0), (1, 3, "wanted", 0)]
        assert not bench.fleet.apply(wanted(4, (1, "serving"))), "an order that is not newer"

    run(monkeypatch, work)


def test_one_that_cannot_start_changes_nothing_until_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(bench: Bench) -> None:
        await bench.apply(wanted(1, (1, "serving")), 1)
        bench.broken.add(2)
        await bench.apply(wanted(2, (2, "serving")), 1)
        await bench.until(lambda: bench.states[2] == "failed")
        assert bench.states == {1: "ready", 2: "failed"}, (
            "the one that serves stays, though it is not wanted any more"
        )
        assert bench.fleet.swaps[-1].why == "start failed: the disk is full"
        assert (await bench.ask(4))[0].values() == [40]
        bench.broken.clear()
        await bench.apply(wanted(3, (2, "serving")), 2)
        await bench.until(lambda: bench.states == {1: "stopped", 2: "ready"})

    run(monkeypatch, work)


def test_a_settled_fleet_has_noted_the_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(bench: Bench) -> None:
        await bench.apply(wanted(1, (1, "serving")), 1)
        bench.broken.add(2)
        assert bench.fleet.apply(wanted(2, (2, "serving"), (1, "warm")))
        while not bench.fleet.is_settled:
            await asyncio.sleep(0)
        assert bench.fleet.swaps[-1].why.startswith("start failed")

    run(monkeypatch, work)


def test_an_order_does_not_wait_for_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(bench: Bench) -> None:
        await bench.apply(wanted(1, (1, "serving")), 1)
        await bench.apply(wanted(2, (2, "serving"), (1, "warm")), 2)
        bench.gates[3] = threading.Event()
        bench.fleet.apply(wanted(3, (3, "serving"), (2, "warm"), (1, "warm")))
        await asyncio.sleep(0.05)
        assert (bench.number, bench.states[3]) == (2, "pulling")
        bench.fleet.apply(wanted(4, (1, "serving"), (2, "warm")))
        assert bench.number == 1
        bench.gates[3].set()
        await bench.until(lambda: bench.fleet.is_settled)
        assert bench.states == {1: "ready", 2: "warm", 3: "stopped"}

    run(monkeypatch, work)


def test_a_crash_loop_hands_over_to_a_warm_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(bench: Bench) -> None:
        await bench.apply(wanted(1, (1, "serving")), 1)
        await bench.apply(wanted(2, (2, "serving"), (1, "warm")), 2)
        for _ in range(pools.CRASHES):
            await bench.ask(END)
        await bench.until(lambda: bench.number == 1)
        assert bench.states == {1: "ready", 2: "failed"}
        swap = bench.fleet.swaps[-1]
        assert (swap.before, swap.after) == (2, 1)
        assert swap.why.startswith("revision 2 failed: its workers ended 5 times in a row")
        assert (await bench.ask(3))[0].values() == [30]

    run(monkeypatch, work)


def test_without_a_revision_that_works_the_refusal_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(bench: Bench) -> None:
        bench.gates[1] = threading.Event()
        bench.broken.add(1)
        bench.fleet.apply(wanted(1, (1, "serving")))
        assert "fraud/scorer:1 is starting (pulling)" in bench.fleet.refusal().text
        bench.gates[1].set()
        await bench.until(lambda: bench.states == {1: "failed"})
        refusal = bench.fleet.refusal()
        assert (refusal.status, refusal.text) == (503, "no version serves here: the disk is full")

    run(monkeypatch, work)


def test_a_canary_answers_its_share_and_then_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(bench: Bench) -> None:
        def weighed(generation: int, weight: int) -> Wanted:
            order = wanted(generation, (1, "serving"), (2, "canary"))
            order.revisions[1].weight, order.revisions[1].sticky = weight, "x-user"
            return order

        def side(user: int) -> int:
            revision = bench.fleet.choose({b"x-user": b"%d" % user}, b"")
            assert revision is not None
            return revision.number

        await bench.apply(weighed(1, 25), 1)
        await bench.until(lambda: bench.states == {1: "ready", 2: "ready"})
        few = {user for user in range(400) if side(user) == 2}
        assert 60 < len(few) < 140
        await bench.apply(weighed(2, 60), 1)
        more = {user for user in range(400) if side(user) == 2}
        assert few < more
        # Always and never, whoever it is.
        assert {bench.fleet.choose({b"x-canary": b"always"}, b"").number for _ in range(50)} == {2}  # type: ignore[union-attr]
        assert {bench.fleet.choose({b"x-canary": b"never"}, b"").number for _ in range(50)} == {1}  # type: ignore[union-attr]
        await bench.apply(wanted(3, (2, "serving"), (1, "warm")), 2)
        await bench.until(lambda: bench.states == {1: "warm", 2: "ready"})
        assert {side(user) for user in range(50)} == {2}

    run(monkeypatch, work)


def test_a_canary_that_fails_leaves_everybody_to_the_stable_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(bench: Bench) -> None:
        order = wanted(1, (1, "serving"), (2, "canary"))
        order.revisions[1].weight = 100
        await bench.apply(order, 1)
        await bench.until(lambda: bench.states == {1: "ready", 2: "ready"})
        canary = bench.fleet.canary
        assert canary is not None
        assert bench.fleet.choose({}, b"") is canary
        canary.fail("its workers ended")
        assert bench.fleet.choose({}, b"") is bench.fleet.serving
        # A shadow never becomes the one that answers.
        order = wanted(2, (3, "serving"), (4, "shadow"))
        bench.broken.add(3)
        bench.fleet.apply(order)
        await bench.until(lambda: bench.states.get(4) == "ready")
        assert bench.fleet.serving is not None
        bench.fleet.serving.fail("lost")
        await asyncio.sleep(0.05)
        assert bench.number != 4

    run(monkeypatch, work)


@pytest.mark.parametrize(
    "order",
    [
        wanted(1),
        wanted(1, (1, "warm")),
        wanted(1, (1, "serving"), (2, "serving")),
        wanted(1, (1, "serving"), (1, "warm")),
        wanted(1, (1, "serving"), (2, "boss")),
        wanted(1, (1, "serving"), (2, "canary"), (3, "canary")),
        wanted(1, (1, "serving"), (2, "shadow"), (3, "shadow")),
        wanted(1, (1, "serving"), replicas=0),
        wanted(1, (1, "serving"), limits=ScorerLimits(queue=0)),
        wanted(1, (1, "serving"), limits=ScorerLimits(timeout_seconds=float("nan"))),
    ],
)
def test_orders_that_make_no_sense_are_refused(order: Wanted) -> None:
    with pytest.raises(ModelyardError):
        checked(order)
