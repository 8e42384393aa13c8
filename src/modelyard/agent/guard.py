"""Stands between a cluster and an agent on a node. An agent that is killed can end nothing any more: the guard ends what it left.

```
engine ── guard ── agent ── programs of the steps, which end with the agent
            └───── what these started, once the agent is gone
```
If the guard itself is killed, the agent gets `GUARD_IS_GONE`, and ends its steps. On the server's own machine the executor does
all this, and there is no guard.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from types import FrameType

from modelyard.agent.descendants import adopt_orphans, descendants_of, end_with_parent

GUARD_IS_GONE = signal.SIGUSR1
_KILL_SECONDS = 60.0


def stand_guard(scratch: str) -> None:
    """Go on as the agent in a child process. This process waits for its end, kills what it left, deletes the folder, and ends as
    the agent did: the call returns in the agent alone."""
    guard = os.getpid()
    agent = os.fork()
    if agent == 0:
        end_with_parent(GUARD_IS_GONE)
        # An engine that ends by force ends the group of the guard, and leaves the agent the time to end its steps.
        os.setsid()
        if os.getppid() != guard:
            os._exit(1)
        return
    try:
        status = _wait_for(agent)
        _end_descendants()
        shutil.rmtree(scratch, ignore_errors=True)
        _end_like(status)
    finally:
        os._exit(1)


def _wait_for(agent: int) -> int:
    """Pass the requests to end on to the agent, and return the status of its end."""
    adopt_orphans()

    def pass_on(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(agent, number)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, pass_on)
    while True:
        # Also those that were adopted.
        pid, status = os.waitpid(-1, 0)
        if pid == agent:
            return status


def _end_descendants() -> None:
    # A process that waits in the kernel, for example for a disk, ends when that answers.
    until = time.monotonic() + _KILL_SECONDS
    while (left := descendants_of(os.getpid())) and time.monotonic() < until:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.005)


def _end_like(status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        # The first process of a container cannot do it, and ends as a shell would.
        os.kill(os.getpid(), -code)
        os._exit(128 - code)
    os._exit(code)
