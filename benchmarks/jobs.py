"""How long the database's writer is held by one take from a long queue, and how many jobs a second go through.

    python benchmarks/jobs.py [--jobs 100000] [--shares 1000] [--database-url postgresql://…]

Without a database URL: SQLite in a temporary folder. The budget of one take is 50 ms.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import msgspec

from modelyard.db.engine import Database
from modelyard.db.schema import ensure_schema
from modelyard.db.transaction import Transaction
from modelyard.registry.jobs import usecases as jobs
from modelyard.registry.jobs.nouns import Done, Job, JobKind


class Nothing(msgspec.Struct):
    pass


KIND = JobKind("bench", Nothing)


def fill(db: Database, count: int, shares: int) -> None:
    for start in range(0, count, 1000):

        def some(tx: Transaction, start: int = start) -> None:
            for n in range(start, min(start + 1000, count)):
                jobs.enqueue(tx, KIND, Nothing(), key=str(n), share=f"share {n % shares}")

        db.write(some)


def cycle(db: Database, limit: int) -> tuple[float, float]:
    """Milliseconds that (a take, the ends of what it took) held the writer."""
    taken: list[Job] = []
    times: list[float] = []

    def take(tx: Transaction) -> None:
        started = time.perf_counter()
        taken.extend(jobs.take(tx, "bench", holder="bench", lease_seconds=60, limit=limit))
        times.append(time.perf_counter() - started)

    def end(tx: Transaction) -> None:
        started = time.perf_counter()
        for job in taken:
            jobs.finish(tx, job.lease, lambda _: Done())
        times.append(time.perf_counter() - started)

    db.write(take)
    db.write(end)
    return times[0] * 1000, times[1] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--shares", type=int, default=1000)
    parser.add_argument("--database-url", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jobs-") as folder:
        db = Database(options.database_url or f"sqlite:///{Path(folder) / 'modelyard.db'}")
        ensure_schema(db)
        started = time.perf_counter()
        fill(db, options.jobs, options.shares)
        print(
            f"{options.jobs} jobs of {options.shares} shares enqueued in {time.perf_counter() - started:.1f} s"
        )
        for limit in (1, 8):
            times = [cycle(db, limit) for _ in range(50)]
            takes, ends = ([each[n] for each in times] for n in (0, 1))
            print(
                f"take {limit}: median {statistics.median(takes):.1f} ms, most {max(takes):.1f} ms; "
                f"ending them: median {statistics.median(ends):.1f} ms"
            )
        db.close()


if __name__ == "__main__":
    main()
