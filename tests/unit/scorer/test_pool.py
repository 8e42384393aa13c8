"""The queue and the workers of a revision, with real processes whose model does what its input says."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from modelyard.scorer import pool as pools
from modelyard.scorer.columns import Inputs
from modelyard.scorer.frames import Tensor
from modelyard.scorer.launch import Process, Worker
from modelyard.scorer.pool import Pending, Pool
from modelyard.scorer.refusals import Refusal
from modelyard.wire.scorer import ScorerLimits

FAIL, END, HANG, WRONG, GARBAGE, SLOW, COUNT = range(-1, -8, -1)
PROGRAM = f"""
import os, struct, sys, time
from modelyard.scorer import worker
from modelyard.scorer.frames import Tensor

class Model:
    calls = 0
    def described(self):
        return {{}}
    def predict(self, tensors, method):
        self.calls += 1
        values = tensors[0].values()
        if {FAIL} in values:
            raise ValueError("a bad row")
        if {END} in values:
            os._exit(3)
        if {HANG} in values:
            time.sleep(1000)
        if {SLOW} in values:
            time.sleep(0.2)
        if {GARBAGE} in values:
            os.write(NUMBER, b"x" * 100)
        if {COUNT} in values:
            values = [self.calls] * len(values)
        if {WRONG} in values:
            values = values + [1]
        return [Tensor("y", "int64", (), struct.pack(f"<{{len(values)}}q", *[10 * each for each in values]))]

def load(folder, signature):
    if str(folder) == "bad":
        raise ValueError("the file is damaged")
    return Model()

worker.flavour_of = load
worker.main(NUMBER)
"""


def launch() -> Worker:
    ours, theirs = socket.socketpair()
    with theirs:
        number = theirs.fileno()
        program = PROGRAM.replace("NUMBER", str(number))
        # Without site and packages, so that it starts at once; workers need the standard library only.
        source = str(Path(pools.__file__).parents[2])
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", program], pass_fds=(number,), env={"PYTHONPATH": source}
        )
    return Worker(Process(process, "limits"), ours)


class Bench:
    """A pool, and what it said."""

    def __init__(self, **limits: Any) -> None:
        self.failures: list[str] = []
        self.rows: list[int] = []
        self.folder = "good"
        self.pool = Pool(launch, {}, ScorerLimits(**limits), 1, self.failures.append, 20.0)
        self.pool.batch_rows = self.rows.append

    async def start(self, folder: str = "good") -> None:
        self.pool.start_with = {"folder": folder}
        link, _ = await self.pool.add_worker()
        self.pool.idle(link)

    def ask(self, *values: int, method: str = "predict") -> asyncio.Future[Any]:
        found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(answer: Any) -> None:
            assert not found.done(), "answered twice"
            found.set_result(answer if isinstance(answer, Refusal) else answer[0].values())

        tensor = Tensor("x", "int64", (), struct.pack(f"<{len(values)}q", *values))
        self.pool.submit(Pending(Inputs([tensor], len(values), ("x",)), method, done))
        return found


def run(work: Callable[[Bench], Awaitable[None]], **limits: Any) -> Bench:
    async def main() -> Bench:
        bench = Bench(**limits)

        async def sweep() -> None:
            while True:
                await asyncio.sleep(0.02)
                bench.pool.sweep()

        sweeping = asyncio.create_task(sweep())
        try:
            await asyncio.wait_for(work(bench), 60)
        finally:
            sweeping.cancel()
            bench.pool.close()
            await asyncio.sleep(0.05)
        return bench

    return asyncio.run(main())


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_FIRST_PAUSE", 0.01)


def test_what_comes_while_a_batch_runs_is_the_next_batch() -> None:
    async def work(bench: Bench) -> None:
        await bench.start()
        first = bench.ask(SLOW)
        await asyncio.sleep(0.05)
        others = [bench.ask(n, n + 1) for n in range(5)]
        assert await first == [10 * SLOW]
        assert await asyncio.gather(*others) == [[10 * n, 10 * n + 10] for n in range(5)]

    assert run(work).rows == [1, 10]


def test_requests_of_one_turn_share_a_batch_up_to_the_limit_and_only_with_their_like() -> None:
    async def work(bench: Bench) -> None:
        await bench.start()
        found = [bench.ask(1), bench.ask(2), bench.ask(3, 3), bench.ask(4), bench.ask(5)]
        await asyncio.gather(*found)
        bench.pool.scale(1)

    assert run(work, rows=4).rows == [4, 2]

    async def methods(bench: Bench) -> None:
        await bench.start()
        found = [bench.ask(1), bench.ask(2, method="predict_proba"), bench.ask(3)]
        assert [await each for each in found] == [[10], [20], [30]]

    assert run(methods).rows == [1, 1, 1]


def test_a_bad_row_does_not_fail_its_neighbours() -> None:
    async def work(bench: Bench) -> None:
        await bench.start()
        one, bad, two = await asyncio.gather(bench.ask(1), bench.ask(2, FAIL), bench.ask(3))
        assert (one, two) == ([10], [30])
        assert (bad.status, bad.code) == (500, "model_failed")
        assert "ValueError: a bad row" in bad.text

    assert run(work).rows == [4], "they were one batch"


@pytest.mark.parametrize("value", [WRONG, GARBAGE])
def test_garbage_is_an_error_and_never_an_answer(value: int) -> None:
    async def work(bench: Bench) -> None:
        await bench.start()
        for answer in await asyncio.gather(bench.ask(1), bench.ask(value)):
            assert answer.status == 500
        assert await bench.ask(7) == [70]

    run(work)


def test_a_crash_costs_one_batch_and_one_worker() -> None:
    async def work(bench: Bench) -> None:
        await bench.start()
        lost = bench.ask(END)
        await asyncio.sleep(0)
        waiting = bench.ask(5)
        answer = await lost
        assert (answer.status, answer.code) == (500, "lost")
        assert "exit code 3" in answer.text
        assert await waiting == [50]
        assert (bench.pool.restarts, bench.pool.lost_requests, bench.failures) == (1, 1, [])

    run(work)


def test_a_worker_that_hangs_is_killed_and_its_batch_is_never_sent_again() -> None:
    async def work(bench: Bench) -> None:
        await bench.start()
        hanging = bench.ask(HANG)
        await asyncio.sleep(0)
        bench.pool.limits.timeout_seconds = 0.2
        answer = await hanging
        assert answer.code in ("timed_out", "lost")
        bench.pool.limits.timeout_seconds = 20
        assert await bench.ask(COUNT) == [10], "a new process, whose first call this is"
        assert bench.pool.restarts == 1

    assert run(work).rows == [1, 1]


def test_too_many_crashes_in_a_row_are_the_end() -> None:
    async def work(bench: Bench) -> None:
        await bench.start()
        for _ in range(pools.CRASHES):
            assert (await bench.ask(END)).status == 500
        assert len(bench.failures) == 1
        assert "ended 5 times in a row" in bench.failures[0]
        assert bench.pool.restarts == pools.CRASHES
        with pytest.raises(Refusal):
            bench.ask(1)

    run(work)


def test_a_full_queue_refuses_at_once_and_an_old_request_is_given_up() -> None:
    async def work(bench: Bench) -> None:
        await bench.start()
        hanging = bench.ask(SLOW)
        await asyncio.sleep(0.05)
        waiting = [bench.ask(1), bench.ask(2)]
        with pytest.raises(Refusal) as caught:
            bench.ask(3)
        assert (caught.value.status, caught.value.code, caught.value.retry_after) == (503, "queue_full", 1)
        bench.pool.limits.timeout_seconds = 0.01
        assert [answer.status for answer in await asyncio.gather(*waiting)] == [504, 504]
        bench.pool.limits.timeout_seconds = 20
        await hanging

    run(work, queue=2)


def test_a_model_that_does_not_load_says_why() -> None:
    async def work(bench: Bench) -> None:
        with pytest.raises(Refusal, match="ValueError: the file is damaged"):
            await bench.start("bad")

    assert run(work).failures == []


def test_more_workers_and_fewer() -> None:
    async def work(bench: Bench) -> None:
        await bench.start()
        bench.pool.scale(3)
        until = time.monotonic() + 20
        while len(bench.pool._idle) < 3 and time.monotonic() < until:
            await asyncio.sleep(0.01)
        assert len(bench.pool.links) == 3
        pids = [link.process.pid for link in bench.pool.links]
        bench.pool.scale(1)
        assert await bench.ask(1) == [10]
        while sum(os.path.exists(f"/proc/{pid}/exe") for pid in pids) > 1 and time.monotonic() < until:
            await asyncio.sleep(0.01)
        assert len(bench.pool.links) == 1

    run(work)
