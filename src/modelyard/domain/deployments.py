"""Rules of deployments that need no database: the way back, and when a deployment is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DEPLOY, PROMOTE = "deploy", "promote"
"""What makes a revision: somebody deployed a version, or one entered the stage that the deployment follows."""
ROLLBACK, STAGE, RECALL, RETURN = "rollback", "stage", "recall", "return"
"""Moves to an earlier revision: by a person, with the stage, away from a version that was recalled or held in quarantine, and away
from one that could not start."""
RELEASE, SCALE, STOP, START = "release", "scale", "stop", "start"
"""Moves that leave the revision as it is, except a release, which goes on to the version in the stage."""
CANARY, SHADOW = "canary", "shadow"
"""Trials: a revision next to the one that serves, which answers a share of the requests, or gets copies of them."""
TRIALS = (CANARY, SHADOW)
WEIGHT, FINISH, DROP, JUDGED = "weight", "finish", "drop", "judged"
"""Moves of trials: another share, the canary serves from now on, the trial ends, and the server ended it by itself. JUDGED is also the
move away from a new revision that answered worse than the one before."""
FORWARD = (DEPLOY, PROMOTE, RELEASE, FINISH)
BACKWARD = (ROLLBACK, STAGE, RECALL, RETURN, JUDGED)
STAYING = (SCALE, STOP, START, CANARY, SHADOW, WEIGHT, DROP)
"""Moves that leave the revision that serves as it is."""

SWAP, ALARM = "swap", "alarm"
ON_RECALL = (ALARM, SWAP)
"""What happens when the version that serves is recalled or held in quarantine: only an alarm, or the last good revision takes
over as well."""

NEW, GOOD, BAD, FAILED = "new", "good", "bad", "failed"
"""States of a revision: it never answered, it was ready once, it answered worse than another one, it could not start."""

STARTING, SERVING, STOPPING, STOPPED = "starting", "serving", "stopping", "stopped"
STATES = (STARTING, SERVING, FAILED, STOPPING, STOPPED)
"""States of a deployment; FAILED: nothing of it answers."""

MAX_REPLICAS = 64
MAX_STEPS = 20
MAX_STEP_MINUTES = 7 * 24 * 60
MAX_GUARD_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Step:
    """One move, as far as the way back needs it."""

    kind: str
    after: int


def undo_stack(steps: Sequence[Step]) -> list[int]:
    """Return the revisions that rollbacks go through, the present one last. steps: oldest first.

    A new revision goes on top. A move back removes everything above the revision that it returned to; if that one had been
    removed before, it is put on top again.
    """
    stack: list[int] = []
    for step in steps:
        if stack and stack[-1] == step.after:
            continue
        if step.kind in BACKWARD and step.after in stack:
            stack = stack[: stack.index(step.after) + 1]
        else:
            stack.append(step.after)
    return stack


def ways_back(steps: Sequence[Step]) -> list[int]:
    """List the revisions to which rollbacks without a target return, the nearest first, each once."""
    stack = undo_stack(steps)
    return [number for number in dict.fromkeys(reversed(stack)) if number != stack[-1]]


def must_hold(follows: bool, standing: int | None, served: int) -> bool:
    """Return whether a deployment that is to serve a version stays there, against its stage.

    standing: number of the stage's version; None: there is none. served: number of the version that is to serve.
    """
    return follows and standing is not None and standing != served
