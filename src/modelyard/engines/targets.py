"""The protocol of targets: what runs the deployments.

The server calls `apply` with all that is wanted of a deployment, then `look` again and again. Both may be repeated at any
time: a program that runs already is adopted, and an older generation changes nothing. What answers requests goes on
without the server. While a target does not answer, nothing is known, and nothing is decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from modelyard.wire.deployments import AwayRollback
from modelyard.wire.scorer import ScorerState, Wanted


@dataclass(frozen=True, slots=True)
class Sight:
    """What a target sees of a deployment. runs: its program does. answers: it said the state just now; otherwise the state is the
    last one that it kept. state None: it never said one. away: the last rollback that somebody made at the target itself while the
    server was away; None: there was none."""

    runs: bool
    answers: bool = False
    state: ScorerState | None = None
    away: AwayRollback | None = None


class Target(Protocol):
    """Safe to use from several threads. deployment: `[a-z0-9-]{1,80}`, the same for the same deployment, for ever."""

    @property
    def kind(self) -> str:
        """Return the word for this sort of target."""

    @property
    def place(self) -> str:
        """Return the machine or cluster; a target sees only deployments of its own place."""

    @property
    def cache(self) -> str:
        """Return the folder of models and environments that the deployments of the place share, as they see it."""

    def apply(self, deployment: str, wanted: Wanted, token: str | None = None) -> None:
        """Have a deployment serve what is wanted; start its program if none runs. Returns when the order is safe, not when it is
        carried out. token: its new one; None: it keeps the one it has. Raises TargetUnavailable."""

    def look(self, deployment: str) -> Sight:
        """Return what a deployment does. Raises TargetUnavailable."""

    def stop(self, deployment: str) -> None:
        """Ask the program to answer what it has accepted and to end; by force some time after the first request. Returns at once:
        call it again until `look` says that it does not run. Raises TargetUnavailable."""

    def clean(self, deployment: str) -> None:
        """Delete all that is left of a deployment. Only for one that does not run. Raises TargetUnavailable."""

    def log_tail(self, deployment: str, lines: int) -> str:
        """Return the last lines that the program wrote; "": none."""
