"""The agent: carry out one attempt, and end in time when the machine asks for that."""

from __future__ import annotations

import math
import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

from modelyard.agent.attempt import Attempt
from modelyard.agent.descendants import adopt_orphans
from modelyard.agent.guard import GUARD_IS_GONE
from modelyard.agent.opening import Opening
from modelyard.agent.processes import GRACE_SECONDS, LAST_SECONDS, Stop
from modelyard.agent.workplace import Workplace
from modelyard.domain.errors import ModelyardError
from modelyard.sdk.locations import cache_folder
from modelyard.sdk.session import Session

CLAIM_SECONDS = 110.0
"""How long the server may be away before the attempt has begun; ten seconds later the server takes it for lost."""


def _say(text: str) -> None:
    print(f"modelyard.agent: {text}", file=sys.stderr, flush=True)


def carry_out(opening: Opening, url: str, ticket: str, folder: str) -> int:
    """Carry out an attempt in a folder. ticket: begins the attempt. Return 0 if the server knows how it ended."""
    workspace = Path(folder).absolute()
    workspace.mkdir(parents=True, exist_ok=True)
    named = os.environ.get("MODELYARD_ENVIRONMENTS")
    environments = Path(named).absolute() if named else cache_folder() / "environments"
    # The records of the run are spooled in the workspace, and no other account's token is found.
    os.environ["MODELYARD_HOME"] = str(workspace / "home" / ".modelyard")
    stop = Stop()
    session = Session(url, ticket, patience_seconds=CLAIM_SECONDS)
    session.transport.trust_address(lambda: stop.asked)
    place = Workplace(session, opening, workspace, environments, stop)

    def end(number: int, _frame: FrameType | None) -> None:
        if number == GUARD_IS_GONE:
            # The engine says how it went.
            stop.ask("abandoned", "what the cluster had started is gone")
        else:
            stop.ask("ended", f"the agent was ended by {signal.Signals(number).name}")
        stop.hurry()
        # Whatever it waits for, it ends.
        signal.alarm(math.ceil(GRACE_SECONDS + LAST_SECONDS) + 1)

    def give_up(_number: int, _frame: FrameType | None) -> None:
        _say(f"the time after the signal is over; {place.unsent or 'everything was sent'}")
        os._exit(1)

    for each in (signal.SIGTERM, signal.SIGINT, GUARD_IS_GONE):
        signal.signal(each, end)
    signal.signal(signal.SIGALRM, give_up)
    adopt_orphans()
    try:
        code = Attempt(place).carry_out()
        if place.unsent:
            _say(f"{place.unsent}, since the server did not answer")
        return code
    except ModelyardError as error:
        _say(str(error))
        return 1
    finally:
        # The server cannot delete it on a cluster. The guard does if this program is killed.
        if scratch := os.environ.get("MODELYARD_SCRATCH"):
            shutil.rmtree(scratch, ignore_errors=True)
