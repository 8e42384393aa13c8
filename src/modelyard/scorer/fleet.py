"""What is wanted → what runs: revisions are started, the pointer moves to one that is loaded, others rest or are drained.

There is no plan that could be interrupted: at each change (a new order, a revision that is loaded, one that failed) the same
look at what is wanted and what there is decides what to do next. The pointer is one attribute; moving it is the swap.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid
from modelyard.domain.names import ModelName, Ref
from modelyard.scorer.refusals import Refusal, unavailable
from modelyard.scorer.revision import Revision, now
from modelyard.scorer.shadow import Shadow
from modelyard.scorer.split import Split
from modelyard.wire.scorer import ROLES, RevisionState, Swap, Wanted

DRAIN_SECONDS = 30.0
_KEPT_SWAPS = 50
_KEPT_STATES = 10
_SWEEP_SECONDS = 0.1


def checked(wanted: Wanted) -> Wanted:
    """Return what is wanted, if it can be acted upon. Raises Invalid."""
    ModelName.parse(wanted.deployment)
    for revision in wanted.revisions:
        ref = Ref.parse(revision.reference)
        Digest.parse(revision.digest)
        if not isinstance(ref.selector, int):
            raise Invalid(reason=f"{revision.reference} is not a numbered version")
        if revision.role not in ROLES:
            raise Invalid(
                reason=f"revision {revision.number} has the role {revision.role[:20]!r}, which this scorer does not carry out",
                fix=f"Use one of {', '.join(ROLES)}",
            )
        if not 0 <= revision.weight <= 100:
            raise Invalid(reason=f"revision {revision.number} has a weight of {revision.weight} percent")
    numbers = [revision.number for revision in wanted.revisions]
    if len(set(numbers)) != len(numbers):
        raise Invalid(reason="a revision is wanted twice")
    if sum(revision.role == "serving" for revision in wanted.revisions) != 1:
        raise Invalid(reason="exactly one revision must have the role serving")
    for role in ("canary", "shadow"):
        if sum(revision.role == role for revision in wanted.revisions) > 1:
            raise Invalid(reason=f"at most one revision can have the role {role}")
    limits = wanted.limits
    if min(limits.body_bytes, limits.rows, limits.queue, wanted.replicas) < 1 or not limits.timeout_seconds > 0:
        raise Invalid(reason="limits and replicas must be larger than 0")
    return wanted


class Fleet:
    """token: reads the deployment's own token. changed: called when the state is worth writing down."""

    def __init__(
        self, token: Callable[[], str], say: Callable[[str], None], changed: Callable[[], None]
    ) -> None:
        self._token, self._say, self._notify = token, say, changed
        self.wanted: Wanted | None = None
        self.serving: Revision | None = None
        """The pointer: who answers."""
        self.canary: Revision | None = None
        self.shadow: Shadow | None = None
        self._split = Split(0, None, "")
        self.revisions: dict[int, Revision] = {}
        self.ended: deque[RevisionState] = deque(maxlen=_KEPT_STATES)
        """Revisions that are gone."""
        self.swaps: deque[Swap] = deque(maxlen=_KEPT_SWAPS)
        self.swap_count = self.dropped = 0
        self._asked_at = 0.0
        self._refused: set[tuple[int, int]] = set()
        """(generation, revision) of failures that are in the swaps already."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_news = False
        """A revision has changed, and what follows from it is done next."""

    @property
    def is_settled(self) -> bool:
        return not (self._tasks or self._has_news) and not any(
            revision.is_starting for revision in self.revisions.values()
        )

    def choose(self, headers: Mapping[bytes, bytes], body: bytes) -> Revision | None:
        """Return the revision that answers a request."""
        if (
            self.canary is not None
            and self.canary is not self.serving
            and self.canary.is_loaded
            and self._split.takes(headers, body)
        ):
            return self.canary
        return self.serving

    def refusal(self) -> Refusal:
        """Say why no revision answers."""
        for revision in self.revisions.values():
            if revision.is_starting and revision.told.role == "serving":
                return unavailable(
                    f"{revision.told.reference} is starting ({revision.state}). Try again soon", "starting"
                )
        reasons = [revision.reason for revision in self.revisions.values() if revision.reason]
        return unavailable(
            f"no version serves here: {reasons[0] if reasons else 'none is wanted'}", "nothing_serves"
        )

    # --- orders --------------------------------------------------------------------------------------

    def apply(self, wanted: Wanted) -> bool:
        """Act upon an order, if it is newer than the last one. Raises Invalid."""
        if self.wanted is not None and wanted.generation <= self.wanted.generation:
            return False
        self.wanted = checked(wanted)
        self._asked_at = time.monotonic()
        for told in wanted.revisions:
            revision = self.revisions.get(told.number)
            # A new order is a new try for what failed.
            if (
                revision is None
                or revision.state in ("failed", "stopped")
                or revision.told.digest != told.digest
            ):
                self._begin(wanted, told.number)
            else:
                revision.update(wanted, told)
        self._settle()
        return True

    def _begin(self, wanted: Wanted, number: int) -> None:
        told = next(each for each in wanted.revisions if each.number == number)
        revision = Revision(wanted, told, token=self._token, say=self._say, changed=self._changed)
        if earlier := self.revisions.get(number):
            self._forget(earlier)
        self.revisions[number] = revision
        revision.start()

    def _changed(self, revision: Revision) -> None:
        # Not from within: the revision is in the middle of its own work.
        self._has_news = True
        asyncio.get_running_loop().call_soon(self._settle)

    # --- the one look --------------------------------------------------------------------------------

    def _settle(self) -> None:
        self._has_news = False
        if self.wanted is None:
            return
        target = self._target()
        if target is not None and target is not self.serving:
            self._swap(target)
        self._take_trials(self.wanted)
        wanted = {told.number: told for told in self.wanted.revisions}
        for revision in [*self.revisions.values()]:
            # The one that serves stays until another one can.
            if revision.number not in wanted and revision is not self.serving:
                self._forget(revision)
        self._notify()

    def _take_trials(self, wanted: Wanted) -> None:
        """Have the wanted canary and shadow answer, as soon as they are loaded, and those of before rest."""
        found = {
            told.role: self.revisions[told.number]
            for told in wanted.revisions
            if told.role in ("canary", "shadow") and self.revisions[told.number].is_loaded
        }
        canary, shadow = found.get("canary"), found.get("shadow")
        if canary is not None:
            told = canary.told
            self._split = Split(told.weight, told.sticky, f"{wanted.deployment}:{told.number}")
        earlier, self.canary = self.canary, canary
        if self.shadow is None or self.shadow.revision is not shadow:
            self.shadow = None if shadow is None else Shadow(shadow)
        for revision in (canary, shadow):
            if revision is not None and revision.state == "warm":
                revision.serve()
        if earlier is not None and earlier not in (self.serving, canary) and earlier.state == "ready":
            # It is wanted as a warm one, or else forgotten next.
            earlier.rest()

    def _target(self) -> Revision | None:
        """Return the revision that should answer: the wanted one if it is loaded, otherwise the one that does, otherwise any
        that is loaded."""
        assert self.wanted is not None
        number = next(told.number for told in self.wanted.revisions if told.role == "serving")
        wanted = self.revisions[number]
        if wanted.is_loaded:
            return wanted
        if wanted.state == "failed":
            self._note_failure(wanted)
        if self.serving is not None and self.serving.state != "failed":
            return self.serving
        # Not a shadow: its version may be one that must not answer anybody.
        loaded = [
            revision
            for revision in self.revisions.values()
            if revision.is_loaded and revision.told.role != "shadow"
        ]
        return max(loaded, key=lambda revision: revision.number, default=None)

    def _swap(self, target: Revision) -> None:
        assert self.wanted is not None
        before = self.serving
        self.serving = target
        why, since = "wanted", self._asked_at
        if before is not None and before.state == "failed":
            why, since = f"revision {before.number} failed: {before.reason}", max(since, before.failed_at)
        milliseconds = round(1000 * (time.monotonic() - since), 3)
        target.serve()
        swap = Swap(
            before=None if before is None else before.number,
            after=target.number,
            generation=self.wanted.generation,
            at=now(),
            milliseconds=milliseconds,
            why=why,
        )
        self.swaps.append(swap)
        self.swap_count += 1
        self._say(f"revision {target.number} serves, after {milliseconds:g} ms")
        if before is not None and before.is_loaded:
            before.step_back()
            self._do(self._finish_swap(before, swap))

    async def _finish_swap(self, before: Revision, swap: Swap) -> None:
        """Wait for the answers that the earlier revision still owes, and count those that it lost."""
        pool = before.pool
        lost = pool.lost_requests if pool is not None else 0
        until = time.monotonic() + DRAIN_SECONDS
        while pool is not None and not pool.is_idle and time.monotonic() < until:
            await asyncio.sleep(0.01)
        if pool is not None:
            swap.dropped = pool.lost_requests - lost
            self.dropped += swap.dropped
        if before is not self.serving and before.number in self.revisions and before.is_loaded:
            before.rest()

    def _note_failure(self, revision: Revision) -> None:
        assert self.wanted is not None
        key = (self.wanted.generation, revision.number)
        if key in self._refused:
            return
        self._refused.add(key)
        if self.serving is revision:
            return
        self.swaps.append(
            Swap(
                before=None if self.serving is None else self.serving.number,
                after=revision.number,
                generation=self.wanted.generation,
                at=now(),
                milliseconds=round(1000 * (time.monotonic() - self._asked_at), 3),
                why=f"start failed: {revision.reason}",
            )
        )

    def _forget(self, revision: Revision) -> None:
        """End a revision that is not wanted any more, after its last answers."""
        self.revisions.pop(revision.number, None)
        self._do(self._end(revision))

    async def _end(self, revision: Revision) -> None:
        await revision.drain(DRAIN_SECONDS)
        self.ended.append(revision.to_state())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)

        def done(_: object) -> None:
            self._tasks.discard(task)
            self._notify()

        task.add_done_callback(done)

    # --- time ----------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Look after time-outs, for ever."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            for revision in [*self.revisions.values()]:
                revision.sweep()

    async def stop(self, seconds: float) -> None:
        """End all revisions, each after its last answers."""
        await asyncio.gather(*(revision.drain(seconds) for revision in self.revisions.values()))

    def states(self) -> list[RevisionState]:
        """Return what is known of each revision, by number; of one that was started again, the present one."""
        found = {state.number: state for state in self.ended}
        found |= {number: revision.to_state() for number, revision in self.revisions.items()}
        return [found[number] for number in sorted(found)]
