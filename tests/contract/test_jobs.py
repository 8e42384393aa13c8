"""The durable queue, on both databases."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from modelyard.db.engine import Database
from modelyard.db.tables import events as events_table
from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor
from modelyard.domain.errors import Denied, DiskFull, Invalid, JobNotFound, JobNotOpen, JobOpen
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.heartbeat import Heartbeat
from modelyard.registry.jobs.nouns import (
    Again,
    Done,
    Ending,
    Job,
    JobKind,
    Lease,
    LeaseLost,
    RunFigures,
    Standing,
)
from modelyard.registry.jobs.usecases import Beat
from modelyard.worker.runner import Runner, Work
from tests.support.clock import Clock
from tests.support.door import Door, assert_problem
from tests.support.registry import Registry, unique


class Task(msgspec.Struct):
    text: str = ""


class Found(msgspec.Struct):
    count: int


WORK = JobKind("work", Task, max_failures=3)
OTHER = JobKind("other", Task)
LEASE = 60.0


@dataclass
class Queue:
    registry: Registry
    clock: Clock

    @property
    def db(self) -> Database:
        return self.registry.db

    @property
    def root(self) -> Actor:
        return self.registry.root

    def add(self, text: str = "", *, kind: JobKind[Task] = WORK, **options: Any) -> int:
        return self.db.write(lambda tx: jobs.enqueue(tx, kind, Task(text), **options))

    def take(self, limit: int = 1, *, kind: str = "work", holder: str = "one", **options: Any) -> list[Job]:
        """As a process does: it looks first, and takes only where there is something."""
        most = options.get("most_per_share")
        if not self.db.read(lambda tx: jobs.may_take(tx, kind, most)):
            return []
        return self.db.write(
            lambda tx: jobs.take(tx, kind, holder=holder, lease_seconds=LEASE, limit=limit, **options)
        )

    def take_one(self, **options: Any) -> Job:
        (job,) = self.take(**options)
        return job

    def texts(self, taken: list[Job]) -> list[str]:
        return [WORK.read(job).text for job in taken]

    def finish(self, job: Job, ending: Callable[[Transaction], Done | Again] = lambda _: Done()) -> None:
        self.db.write(lambda tx: jobs.finish(tx, job.lease, ending))

    def fail(self, job: Job, reason: str = "no luck") -> None:
        self.db.write(lambda tx: jobs.fail(tx, job.lease, reason))

    def beat(self, job: Job, progress: float = 0.0, note: str = "") -> Standing:
        given = [Beat(job.lease, LEASE, progress, note)]
        return self.db.write(lambda tx: jobs.beat(tx, given))[job.lease]

    def show(self, job_id: int) -> Job:
        return self.db.read(lambda tx: jobs.find_job(tx, self.root, job_id))

    def list(self, **chosen: Any) -> list[int]:
        found = self.db.read(lambda tx: jobs.list_jobs(tx, self.root, None, 99, **chosen))
        return [job.id for job in found]

    def events(self) -> list[str]:
        query = (
            sa.select(events_table.c.kind)
            .where(events_table.c.kind.startswith("job."))
            .order_by(events_table.c.seq)
        )
        return [row[0] for row in self.db.read(lambda tx: tx.rows(query))]


@pytest.fixture
def queue(own_url: str) -> Iterator[Queue]:
    clock = Clock()
    db = Database(own_url, clock=clock)
    yield Queue(Registry(db), clock)
    db.close()


# --- one job ------------------------------------------------------------------------------------------


def test_a_job_is_taken_once_and_ends_with_a_result(queue: Queue) -> None:
    number = queue.add("hello", namespace="fraud")
    job = queue.take_one(holder="host:1")
    assert (job.id, WORK.read(job), job.state, job.attempt, job.holder) == (
        number,
        Task("hello"),
        "running",
        1,
        "host:1",
    )
    assert queue.take() == []
    queue.finish(job, lambda _: Done(Found(3)))
    found = queue.show(number)
    assert (found.state, found.result, found.progress, found.holder) == ("done", '{"count":3}', 1.0, None)
    assert queue.take() == []
    assert queue.events() == []


def test_effects_are_written_with_the_end_or_not_at_all(queue: Queue) -> None:
    queue.add()
    job = queue.take_one()

    def ending(tx: Transaction) -> Done:
        jobs.enqueue(tx, OTHER, Task("follows"))
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        queue.finish(job, ending)
    assert queue.list(kind="other") == []
    assert queue.show(job.id).state == "running"


def test_kinds_are_apart(queue: Queue) -> None:
    queue.add(kind=OTHER)
    assert queue.take() == []
    assert len(queue.take(kind="other")) == 1


def test_a_job_runs_again_when_its_ending_says_so(queue: Queue) -> None:
    queue.add()
    job = queue.take_one()
    queue.finish(job, lambda tx: Again(tx.now + 5_000_000))
    assert queue.take() == []
    queue.clock.pass_seconds(6)
    again = queue.take_one()
    assert (again.id, again.attempt, again.failures) == (job.id, 2, 0)


def test_a_job_waits_for_its_time(queue: Queue) -> None:
    queue.add("later", at=queue.clock() + 10_000_000)
    queue.add("now")
    assert queue.texts(queue.take(5)) == ["now"]
    queue.clock.pass_seconds(11)
    assert queue.texts(queue.take(5)) == ["later"]


# --- leases -------------------------------------------------------------------------------------------


def test_a_heartbeat_keeps_the_lease_and_tells_how_far_the_work_is(queue: Queue) -> None:
    queue.add()
    job = queue.take_one()
    for part in range(1, 4):
        queue.clock.pass_seconds(LEASE - 1)
        assert queue.beat(job, part / 4, f"step {part}") is Standing.HELD
        assert queue.take() == []
    found = queue.show(job.id)
    assert (found.progress, found.note) == (0.75, "step 3")


def test_a_job_whose_holder_died_goes_back_when_its_lease_ends(queue: Queue) -> None:
    queue.add()
    dead = queue.take_one(holder="dead")
    queue.clock.pass_seconds(LEASE - 1)
    assert queue.take() == []
    queue.clock.pass_seconds(2)
    job = queue.take_one(holder="alive")
    assert (job.id, job.attempt, job.failures) == (dead.id, 2, 1)
    assert job.failure == "its holder dead went silent"


def test_a_stale_holder_changes_nothing(queue: Queue) -> None:
    queue.add()
    stale = queue.take_one()
    queue.clock.pass_seconds(LEASE + 1)
    job = queue.take_one()
    ran: list[str] = []

    def ending(_: Transaction) -> Done:
        ran.append("stale")
        return Done()

    for refused in (
        lambda tx: jobs.finish(tx, stale.lease, ending),
        lambda tx: jobs.fail(tx, stale.lease, "late"),
        lambda tx: jobs.give_back(tx, stale.lease),
        lambda tx: jobs.end_cancelled(tx, stale.lease),
    ):
        with pytest.raises(LeaseLost):
            queue.db.write(refused)
    assert queue.beat(stale) is Standing.LOST
    assert ran == []
    assert (queue.show(job.id).state, queue.show(job.id).attempt) == ("running", 2)
    queue.finish(job)
    assert queue.beat(job) is Standing.LOST
    assert queue.db.read(lambda tx: jobs.find_standings(tx, [Lease(10**9, 1)])) == {
        Lease(10**9, 1): Standing.LOST
    }


def test_a_late_holder_that_no_other_one_followed_may_end_its_job(queue: Queue) -> None:
    queue.add()
    job = queue.take_one()
    queue.clock.pass_seconds(LEASE + 1)
    queue.finish(job)
    assert queue.show(job.id).state == "done"


def test_a_lease_that_is_given_back_counts_as_no_failure(queue: Queue) -> None:
    queue.add()
    job = queue.take_one()
    queue.db.write(lambda tx: jobs.give_back(tx, job.lease))
    again = queue.take_one()
    assert (again.attempt, again.failures, again.failure) == (2, 0, None)
    with pytest.raises(LeaseLost):
        queue.finish(job)


def test_a_job_that_kills_its_holders_is_given_up(queue: Queue) -> None:
    number = queue.add()
    assert queue.take_one().attempt == 1
    queue.clock.pass_seconds(LEASE + 1)
    assert queue.take_one().attempt == 2
    queue.clock.pass_seconds(LEASE + 1)
    # Behind the second death it waits longer than the lease.
    assert queue.take() == []
    queue.clock.pass_seconds(4)
    assert queue.take_one().attempt == 3
    queue.clock.pass_seconds(LEASE + 1)
    assert queue.take() == []
    assert queue.show(number).state == "failed"
    assert queue.events() == ["job.failed"]


# --- failures -------------------------------------------------------------------------------------------


def test_a_failed_job_is_tried_again_with_growing_pauses_and_then_given_up(queue: Queue) -> None:
    number = queue.add()
    waits = []
    for _ in range(2):
        job = queue.take_one()
        queue.fail(job, "the bucket does not answer")
        assert queue.take() == []
        waits.append((queue.show(number).due_at - queue.clock()) / 1_000_000)
        queue.clock.pass_seconds(waits[-1] + 0.1)
    assert 1 <= waits[0] <= 3
    assert 2 <= waits[1] <= 6
    queue.fail(queue.take_one(), "x" * 5000)
    found = queue.show(number)
    assert (found.state, found.failures, found.attempt) == ("failed", 3, 3)
    assert found.failure == "x" * 1000
    assert queue.events() == ["job.failed"]
    queue.clock.pass_seconds(10_000)
    assert queue.take() == []


def test_success_forgets_earlier_failures(queue: Queue) -> None:
    number = queue.add()
    for _ in range(5):
        queue.fail(queue.take_one())
        queue.clock.pass_seconds(5)
        queue.finish(queue.take_one(), lambda tx: Again(tx.now))
    assert queue.show(number).state == "waiting"
    assert queue.show(number).failure is None


def test_a_kind_without_a_limit_is_never_given_up(queue: Queue) -> None:
    number = queue.add(kind=OTHER)
    for _ in range(30):
        queue.fail(queue.take_one(kind="other"))
        queue.clock.pass_seconds(5500)
    assert (queue.show(number).state, queue.show(number).failures) == ("waiting", 30)


# --- keys ----------------------------------------------------------------------------------------------


def test_an_open_key_answers_with_the_first_job(queue: Queue) -> None:
    first = queue.add("a", key="k")
    assert queue.add("b", key="k") == first
    assert queue.add("c", key="other") != first
    assert queue.add("d", kind=OTHER, key="k") != first
    job = queue.take_one()
    assert queue.add("e", key="k") == first
    queue.finish(job)
    assert queue.add("f", key="k") != first
    assert queue.add("g") != queue.add("g")


def test_a_waiting_job_takes_over_an_earlier_time_and_a_higher_priority(queue: Queue) -> None:
    now = queue.clock()
    number = queue.add(key="k", priority=-1, at=now + 10_000_000)
    queue.add(key="k", priority=-5, at=now + 20_000_000, namespace="fraud")
    assert (queue.show(number).priority, queue.show(number).due_at) == (-1, now + 10_000_000)
    queue.add(key="k", namespace="fraud")
    found = queue.show(number)
    assert (found.priority, found.due_at, found.namespace, found.share) == (0, now, "fraud", "fraud")


# --- turns ----------------------------------------------------------------------------------------------


def test_higher_priority_first_then_the_oldest(queue: Queue) -> None:
    for text, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5), ("background", -1)):
        queue.add(text, priority=priority)
    assert queue.texts(queue.take(3)) == ["b", "d", "a"]
    assert queue.texts(queue.take(3)) == ["c", "background"]


def test_the_namespace_with_the_fewest_running_jobs_comes_first(queue: Queue) -> None:
    for n in range(6):
        queue.add(f"bob{n}", namespace="bob")
    for n in range(2):
        queue.add(f"alice{n}", namespace="alice")
    assert queue.texts(queue.take(3)) == ["bob0", "alice0", "bob1"]
    queue.add("carol0", namespace="carol")
    assert queue.texts(queue.take(2)) == ["carol0", "alice1"]
    assert queue.texts(queue.take(9)) == ["bob2", "bob3", "bob4", "bob5"]


def test_namespaces_take_turns_when_one_job_runs_at_a_time(queue: Queue) -> None:
    for name, count in (("bob", 4), ("alice", 1), ("carol", 2)):
        for n in range(count):
            queue.add(f"{name}{n}", namespace=name)
    order = []
    for _ in range(7):
        job = queue.take_one()
        order += queue.texts([job])
        queue.clock.pass_seconds(1)
        queue.finish(job)
    assert order == ["bob0", "alice0", "carol0", "bob1", "carol1", "bob2", "bob3"]


def test_a_share_may_have_a_most(queue: Queue) -> None:
    for n in range(5):
        queue.add(f"slow{n}", share="slow")
    assert queue.texts(queue.take(9, most_per_share=2)) == ["slow0", "slow1"]
    assert queue.take(9, most_per_share=2) == []
    queue.add("quick", share="quick")
    assert queue.texts(queue.take(9, most_per_share=2)) == ["quick"]


def test_two_processes_never_take_the_same_job(own_url: str) -> None:
    """Each has a database object of its own, as processes have."""
    databases = [Database(own_url) for _ in range(2)]
    count = 120

    def fill(tx: Transaction) -> None:
        for n in range(count):
            jobs.enqueue(tx, WORK, Task(str(n)), namespace=f"space{n % 7}")

    databases[0].write(fill)
    start, taken = threading.Barrier(4), []

    def run(db: Database, holder: str) -> None:
        start.wait(30)
        while found := db.write(lambda tx: jobs.take(tx, "work", holder=holder, lease_seconds=LEASE, limit=3)):
            for job in found:
                taken.append(job.id)
                db.write(lambda tx, job=job: jobs.finish(tx, job.lease, lambda _: Done()))  # type: ignore[misc]

    threads = [
        threading.Thread(target=run, args=(db, f"{number}-{copy}"))
        for number, db in enumerate(databases)
        for copy in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(taken) == count
    assert len(set(taken)) == count
    for db in databases:
        db.close()


# --- what admins do -------------------------------------------------------------------------------------


def cancel(queue: Queue, number: int) -> Job:
    return queue.db.write(lambda tx: jobs.cancel(tx, queue.root, number))


def test_a_waiting_job_is_cancelled_at_once(queue: Queue) -> None:
    number = queue.add()
    assert cancel(queue, number).state == "cancelled"
    assert queue.take() == []
    with pytest.raises(JobNotOpen, match="already cancelled"):
        cancel(queue, number)
    assert queue.events() == ["job.cancelled"]


def test_the_holder_of_a_cancelled_job_learns_it_by_its_heartbeat(queue: Queue) -> None:
    queue.add()
    job = queue.take_one()
    assert cancel(queue, job.id).state == "running"
    assert queue.beat(job) is Standing.CANCELLED
    queue.db.write(lambda tx: jobs.end_cancelled(tx, job.lease))
    assert queue.show(job.id).state == "cancelled"


@pytest.mark.parametrize("way", ["fails", "dies", "stops"])
def test_a_cancelled_job_is_not_tried_again(queue: Queue, way: str) -> None:
    queue.add()
    job = queue.take_one()
    cancel(queue, job.id)
    if way == "fails":
        queue.fail(job)
    elif way == "stops":
        queue.db.write(lambda tx: jobs.give_back(tx, job.lease))
    else:
        queue.clock.pass_seconds(LEASE + 1)
        assert queue.take() == []
    assert queue.show(job.id).state == "cancelled"


def test_a_job_that_is_done_before_its_holder_learns_of_it_is_done(queue: Queue) -> None:
    queue.add()
    job = queue.take_one()
    cancel(queue, job.id)
    queue.finish(job)
    assert queue.show(job.id).state == "done"


def test_a_job_that_ended_or_waits_is_tried_at_once_on_request(queue: Queue) -> None:
    def retry(number: int) -> Job:
        return queue.db.write(lambda tx: jobs.retry(tx, queue.root, number))

    number = queue.add(key="k")
    job = queue.take_one()
    with pytest.raises(JobOpen, match="it is running"):
        retry(number)
    for _ in range(2):
        queue.fail(job)
        queue.clock.pass_seconds(100)
        job = queue.take_one()
    queue.fail(job)
    assert queue.show(number).state == "failed"
    other = queue.add(key="k")
    with pytest.raises(JobOpen, match=f"job {other} does the same work"):
        retry(number)
    cancel(queue, other)
    assert (retry(number).state, retry(number).failures) == ("waiting", 0)
    job = queue.take_one()
    assert job.id == number
    queue.fail(job)
    assert queue.take() == []
    retry(number)
    queue.finish(queue.take_one())
    with pytest.raises(JobOpen, match="it is done"):
        retry(number)
    with pytest.raises(JobNotFound):
        retry(10**9)


def test_lists_by_kind_state_and_namespace_page_by_page(queue: Queue) -> None:
    numbers = [queue.add(namespace=name, kind=kind) for name in ("fraud", "churn") for kind in (WORK, OTHER)]
    assert queue.list() == numbers[::-1]
    assert queue.list(kind="work") == [numbers[2], numbers[0]]
    assert queue.list(namespace="fraud") == [numbers[1], numbers[0]]
    job = queue.take_one()
    assert queue.list(state="running") == [job.id]
    page = queue.db.read(lambda tx: jobs.list_jobs(tx, queue.root, numbers[2], 1))
    assert [each.id for each in page] == [numbers[1]]
    with pytest.raises(Invalid, match="'lost' is not a state of a job"):
        queue.list(state="lost")


def test_only_who_operates_the_server_sees_and_changes_jobs(queue: Queue) -> None:
    user, number = queue.registry.user(), queue.add()
    for use in (
        lambda tx: jobs.find_job(tx, user, number),
        lambda tx: jobs.list_jobs(tx, user, None, 1),
        lambda tx: jobs.cancel(tx, user, number),
        lambda tx: jobs.retry(tx, user, number),
    ):
        with pytest.raises(Denied):
            queue.db.write(use)
    assert queue.show(number).state == "waiting"


def test_old_jobs_that_ended_are_forgotten(queue: Queue) -> None:
    done, failed, waiting = queue.add(), queue.add(), queue.add(at=queue.clock() + 10**15)
    first, second = queue.take(2)
    queue.finish(first)
    assert second.id == failed
    for _ in range(2):
        queue.fail(second)
        queue.clock.pass_seconds(100)
        second = next(job for job in queue.take(2) if job.id == failed)
    queue.fail(second)
    queue.clock.pass_seconds(2 * 86_400)
    assert not queue.db.write(jobs.forget_finished)
    assert queue.list() == [waiting, failed]
    assert done not in queue.list()
    queue.clock.pass_seconds(31 * 86_400)
    queue.db.write(jobs.forget_finished)
    assert queue.list() == [waiting]


def test_figures_count_what_waits_runs_and_failed(queue: Queue) -> None:
    for _ in range(3):
        queue.add(kind=OTHER)
    queue.add(kind=OTHER, at=queue.clock() + 60_000_000)
    queue.take(kind="other")
    queue.clock.pass_seconds(5)
    found = queue.db.read(jobs.count_jobs)
    assert found.counts == {("other", "waiting"): 3, ("other", "running"): 1}
    assert found.now - found.oldest_due_at["other"] == 5_000_000


# --- the process that runs them -------------------------------------------------------------------------


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


@contextmanager
def running(queue: Queue, *works: Work, figures: RunFigures | None = None) -> Iterator[Runner]:
    """With the true clock, since the runner waits by it."""
    runner = Runner(queue.db, works, figures, idle_seconds=0.02)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


def add_now(queue: Queue, **options: Any) -> int:
    queue.clock.now = time.time_ns() // 1000
    return queue.add(**options)


def test_a_runner_runs_jobs_and_writes_their_effects_with_their_end(queue: Queue) -> None:
    def run(job: Job, heartbeat: Heartbeat) -> Ending:
        heartbeat(0.5, "half of it")
        return lambda tx: Done(Found(jobs.enqueue(tx, OTHER, WORK.read(job))))

    number = add_now(queue, text="hello")
    figures = RunFigures()
    with running(queue, Work("work", run), figures=figures):
        wait_for(lambda: queue.show(number).state == "done")
    (follows,) = queue.list(kind="other")
    assert (OTHER.read(queue.show(follows)), queue.show(number).result) == (
        Task("hello"),
        f'{{"count":{follows}}}',
    )
    assert (figures.runs, figures.failures) == ({"work": 1}, {"work": 0})


def test_a_slow_kind_holds_up_no_quick_one(queue: Queue) -> None:
    go_on = threading.Event()

    def slow(_: Job, __: Heartbeat) -> Ending:
        assert go_on.wait(30)
        return lambda _: Done()

    slow_ones = [add_now(queue, kind=OTHER) for _ in range(3)]
    quick = [add_now(queue) for _ in range(5)]
    with running(queue, Work("other", slow), Work("work", lambda *_: lambda _: Done(), threads=2)):
        wait_for(lambda: all(queue.show(number).state == "done" for number in quick))
        assert [queue.show(number).state for number in slow_ones] == ["running", "waiting", "waiting"]
        go_on.set()
        wait_for(lambda: all(queue.show(number).state == "done" for number in slow_ones))


@pytest.mark.parametrize(
    ("error", "reason"),
    [(DiskFull(what="the bucket"), "no space left for the bucket"), (RuntimeError("a\0b"), "RuntimeError: ab")],
    ids=["ours", "a mistake"],
)
def test_what_fails_is_noted_with_its_reason_and_counted(queue: Queue, error: Exception, reason: str) -> None:
    def run(_: Job, __: Heartbeat) -> Ending:
        raise error

    number, figures = add_now(queue), RunFigures()
    with running(queue, Work("work", run), figures=figures):
        wait_for(lambda: queue.show(number).failures == 1)
    found = queue.show(number)
    assert found.state == "waiting"
    assert reason in (found.failure or "")
    assert figures.failures == {"work": 1}


def test_a_lease_is_renewed_while_a_handler_is_silent_and_progress_is_passed_on(queue: Queue) -> None:
    go_on = threading.Event()

    def run(_: Job, heartbeat: Heartbeat) -> Ending:
        heartbeat(0.25, "reading")
        assert go_on.wait(30)
        return lambda _: Done()

    number = add_now(queue)
    with running(queue, Work("work", run, lease_seconds=6)):
        wait_for(lambda: queue.show(number).note == "reading")
        before = queue.show(number)
        assert (before.progress, before.state) == (0.25, "running")
        queue.clock.pass_seconds(1)
        wait_for(lambda: (queue.show(number).leased_until or 0) > (before.leased_until or 0))
        go_on.set()
        wait_for(lambda: queue.show(number).state == "done")
    assert queue.show(number).attempt == 1


def test_a_running_job_that_is_cancelled_ends_soon(queue: Queue) -> None:
    begun = threading.Event()

    def run(_: Job, heartbeat: Heartbeat) -> Ending:
        begun.set()
        while True:
            heartbeat()
            time.sleep(0.02)

    number = add_now(queue)
    with running(queue, Work("work", run)):
        assert begun.wait(30)
        cancel(queue, number)
        wait_for(lambda: queue.show(number).state == "cancelled", 10)


def test_a_process_that_is_asked_to_end_gives_its_jobs_back(queue: Queue) -> None:
    """One whose handler looks at the heartbeat, and one that hears nothing."""
    begun, never = threading.Semaphore(0), threading.Event()

    def attentive(_: Job, heartbeat: Heartbeat) -> Ending:
        begun.release()
        while True:
            heartbeat()
            time.sleep(0.02)

    def deaf(_: Job, __: Heartbeat) -> Ending:
        begun.release()
        never.wait(60)
        return lambda _: Done(Found(1))

    numbers = [add_now(queue), add_now(queue, kind=OTHER)]
    runner = Runner(queue.db, [Work("work", attentive), Work("other", deaf)], idle_seconds=0.02)
    runner.start()
    for _ in numbers:
        assert begun.acquire(timeout=30)
    runner.stop(0.5)
    for number in numbers:
        found = queue.show(number)
        assert (found.state, found.failures, found.holder) == ("waiting", 0, None)
    # What the deaf one brings later is not kept.
    never.set()
    runner.wait()
    assert queue.show(numbers[1]).state == "waiting"


def test_a_process_that_is_killed_loses_no_job_and_leaves_no_effect_twice(own_url: str) -> None:
    db = Database(own_url)
    queue = Queue(Registry(db), Clock())
    number = queue.add()
    command = [sys.executable, "-m", "tests.support.kill_holder", own_url, "6"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{number}\n"
        # Longer than the lease: it lives as long as its holder does.
        time.sleep(8)
        assert (queue.show(number).state, queue.show(number).attempt) == ("running", 1)
        held = queue.show(number)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()

    effects: list[int] = []

    def run(job: Job, _: Heartbeat) -> Ending:
        effects.append(job.attempt)
        return lambda tx: Done(Found(jobs.enqueue(tx, OTHER, Task())))

    with running(queue, Work("work", run)):
        wait_for(lambda: queue.show(number).state == "done")
    found = queue.show(number)
    assert (effects, found.attempt, found.failures) == ([2], 2, 0)
    assert len(queue.list(kind="other")) == 1
    # What the dead one might still bring is refused.
    with pytest.raises(LeaseLost):
        queue.finish(held)
    db.close()


# --- through the native door ----------------------------------------------------------------------------


def test_admins_see_and_steer_jobs_and_metrics_count_them(door: Door) -> None:
    kind, space = JobKind(unique("kind"), Task, max_failures=1), unique("space")
    db = door.registry.db
    number = db.write(lambda tx: jobs.enqueue(tx, kind, Task("hello"), namespace=space, key="k"))
    (job,) = db.write(lambda tx: jobs.take(tx, kind.name, holder="h:1", lease_seconds=60))
    shown = door.get(f"jobs/{number}").json()
    assert (shown["state"], shown["holder"], shown["payload"]) == ("running", "h:1", {"text": "hello"})
    db.write(lambda tx: jobs.fail(tx, job.lease, "no luck"))
    listed = door.get("jobs", params={"state": "failed", "namespace": space}).json()["items"]
    assert [(each["id"], each["failure"]) for each in listed] == [(number, "no luck")]
    metrics = door.get("/metrics").text
    assert f'modelyard_jobs{{kind="{kind.name}",state="failed"}} 1.0' in metrics
    assert door.call("POST", f"jobs/{number}/retry").json()["state"] == "waiting"
    assert f'modelyard_job_oldest_due_seconds{{kind="{kind.name}"}}' in door.get("/metrics").text
    assert door.call("POST", f"jobs/{number}/cancel").json()["state"] == "cancelled"
    assert_problem(door.call("POST", f"jobs/{number}/cancel"), 409, "job_not_open")
    assert_problem(door.get("jobs/999999999"), 404, "job_not_found")
    assert_problem(door.get("jobs", params={"state": "lost"}), 400, "invalid")
    stranger = door.as_(door.token_of(door.registry.user()))
    for refused in (
        stranger.get(f"jobs/{number}"),
        stranger.get("jobs"),
        stranger.call("POST", f"jobs/{number}/retry"),
    ):
        assert_problem(refused, 403, "denied")
    kinds = [event["kind"] for event in door.get("audit/events", params={"kind": "job.*"}).json()["items"]]
    assert kinds[:3] == ["job.cancelled", "job.retried", "job.failed"]
