"""A process that takes jobs and is killed while it holds one: python -m tests.support.kill_holder DATABASE_URL

It prints the number of the job it holds, and works at it for ever.
"""

from __future__ import annotations

import sys
import time

from modelyard.db.engine import Database
from modelyard.registry.jobs.heartbeat import Heartbeat
from modelyard.registry.jobs.nouns import Ending, Job
from modelyard.worker.runner import Runner, Work


def hold(job: Job, heartbeat: Heartbeat) -> Ending:
    print(job.id, flush=True)
    while True:
        heartbeat()
        time.sleep(0.05)


if __name__ == "__main__":
    Runner(Database(sys.argv[1]), [Work("work", hold, lease_seconds=float(sys.argv[2]))]).start()
    time.sleep(600)
