"""A target in memory: it swaps at the next look, and does wrong what a test asks for."""

from __future__ import annotations

from dataclasses import dataclass, field

from modelyard.domain.errors import TargetUnavailable
from modelyard.engines.targets import Sight
from modelyard.wire.deployments import AwayRollback
from modelyard.wire.scorer import MinuteFigures, RevisionState, ScorerState, Swap, Wanted

STARTED = "2026-12-01T12:00:00Z"


@dataclass
class ScriptedTarget:
    kind: str = "local"
    name: str = "local"
    needs_images: bool = False
    place: str = "here"
    cache: str = "/cache"
    wanted: dict[str, Wanted] = field(default_factory=dict)
    states: dict[str, ScorerState] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    fails: dict[str, str] = field(default_factory=dict)
    """Reference of a version → why it does not start."""
    away: AwayRollback | None = None
    is_away: bool = False
    dies: bool = False
    """Whether its programs end as soon as they are started."""
    minutes: dict[int, list[MinuteFigures]] = field(default_factory=dict)
    """Number of a revision → what it reports of its minutes."""

    def _answer(self) -> None:
        if self.is_away:
            raise TargetUnavailable(target=self.kind, reason="it is away")

    def apply(self, deployment: str, wanted: Wanted, token: str | None = None) -> None:
        self._answer()
        self.calls.append(f"apply {deployment} {wanted.generation}")
        if token is not None:
            self.tokens[deployment] = token
        present = self.wanted.get(deployment)
        if present is not None and present.generation > wanted.generation:
            wanted = present
        self.wanted[deployment] = wanted
        if self.dies:
            return
        if deployment not in self.running:
            self.running.add(deployment)
            swaps = self.states[deployment].swaps if deployment in self.states else []
            self.states[deployment] = ScorerState(
                generation=0,
                host="127.0.0.1",
                port=4100 + int(deployment),
                pid=1,
                started_at=STARTED,
                swaps=swaps,
            )
        self._act(deployment)

    def _act(self, deployment: str) -> None:
        wanted, state = self.wanted[deployment], self.states[deployment]
        if state.generation >= wanted.generation:
            return
        before, found = state.serving, []
        for each in wanted.revisions:
            reason = self.fails.get(each.reference)
            word = "failed" if reason else "warm" if each.role == "warm" else "ready"
            found.append(
                RevisionState(
                    number=each.number,
                    state=word,
                    reference=each.reference,
                    digest=each.digest,
                    role=each.role,
                    weight=each.weight,
                    minutes=self.minutes.get(each.number, []),
                    reason=reason,
                    environment=f"env-{each.number}",
                )
            )
        serving = next(each for each in found if each.role == "serving")
        why = "wanted" if serving.reason is None else f"start failed: {serving.reason}"
        if serving.reason is None:
            state.serving = serving.number
        if before != serving.number:
            state.swaps = [
                *state.swaps,
                Swap(
                    before=before,
                    after=serving.number,
                    generation=wanted.generation,
                    at=STARTED,
                    milliseconds=1.5,
                    why=why,
                ),
            ]
        state.revisions, state.generation = found, wanted.generation

    def look(self, deployment: str) -> Sight:
        self._answer()
        runs = deployment in self.running
        if runs and self.minutes:
            for each in self.states[deployment].revisions:
                each.minutes = self.minutes.get(each.number, [])
        return Sight(runs=runs, answers=runs, state=self.states.get(deployment), away=self.away)

    def stop(self, deployment: str) -> None:
        self._answer()
        self.calls.append(f"stop {deployment}")
        self.running.discard(deployment)

    def clean(self, deployment: str) -> None:
        self._answer()
        self.calls.append(f"clean {deployment}")
        self.states.pop(deployment, None)
        self.wanted.pop(deployment, None)

    def log_tail(self, deployment: str, lines: int) -> str:
        return f"the log of {deployment}"

    # --- for tests -----------------------------------------------------------------------------------

    def kill(self, deployment: str) -> None:
        """As if its process had ended."""
        self.running.discard(deployment)
        self.states[deployment].serving = None
        self.states[deployment].generation = 0
