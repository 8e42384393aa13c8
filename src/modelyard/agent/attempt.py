"""One attempt of a build, from its claim to its end: the steps of the plan, in order, until one fails."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING

from modelyard.agent.processes import Ended
from modelyard.agent.workplace import StepFailed, Workplace
from modelyard.domain.errors import ModelyardError
from modelyard.domain.secrets import mask
from modelyard.wire import builds as wire

if TYPE_CHECKING:
    from modelyard.agent.steps import Steps

_GONE = ("superseded", "away", "abandoned")


class Attempt:
    """One attempt: its steps by their kinds, and how it ends."""

    def __init__(self, place: Workplace) -> None:
        self._place, self._stop = place, place.stop
        self._steps: Steps | None = None

    def carry_out(self) -> int:
        """Carry out the attempt and return 0 if the server knows how it ended."""
        self._place.claim()
        end = self._carry_out_steps()
        since = time.monotonic()
        if end.status != "succeeded":
            self._place.make_room()
        if self._steps is not None:
            self._steps.training.end_run()
        if self._stop.cause in _GONE:
            return 1
        self._place.reports.end(end)
        return 0 if self._place.reports.close(lambda: self._stop.is_late(since)) else 1

    def _carry_out_steps(self) -> wire.AttemptEnd:
        place = self._place
        end: wire.AttemptEnd | None = None
        for step in place.plan.steps:
            end = end or self._asked_end()
            if end is not None:
                place.reports.event(step.name, "skipped")
                continue
            place.step, place.ended = step.name, None
            if step is not place.plan.steps[0]:
                # The first frame says it of the first step.
                place.reports.event(step.name, "running")
            reason = ""
            try:
                state, reason = self._carry_out_step(step)
            except StepFailed as failure:
                state, reason = "failed", str(failure)
                place.ended = failure.ended or place.ended
            except (ModelyardError, OSError) as error:
                state, reason = "failed", str(error)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong, the attempt says so and ends
                place.say("".join(traceback.format_exception(error)))
                state, reason = "failed", f"{type(error).__name__}: {error}"
            reason = place.hidden.mask(reason)
            resources = place.ended.resources if place.ended is not None else {}
            code = place.ended.exit_code if place.ended is not None else None
            place.reports.event(step.name, state, reason=reason, exit_code=code, resources=resources)
            if state == "failed":
                end = self._asked_end(place.ended) or wire.AttemptEnd(
                    status="failed", reason=mask(f"step {step.name}: {reason}")[:2000]
                )
        end = end or wire.AttemptEnd(status="succeeded")
        if self._steps is not None:
            made = self._steps.registration
            end.version, end.promotion, end.result = made.version, made.promotion, made.result
        return end

    def _asked_end(self, ended: Ended | None = None) -> wire.AttemptEnd | None:
        """Return the end that somebody or a time limit asked for; None: the attempt goes on."""
        if (
            not self._stop.asked
            and self._place.deadline is not None
            and time.monotonic() > self._place.deadline
        ):
            self._stop.ask("timed-out", "the build ran for longer than its timeout")
        cause, reason = self._stop.cause, self._stop.reason
        if not cause and ended is not None and ended.cause == "timed-out":
            cause, reason = ended.cause, f"step {self._place.step}: {ended.reason}"
        if not cause:
            return None
        status = cause if cause in ("cancelled", "timed-out") else "failed"
        return wire.AttemptEnd(status=status, reason=mask(reason)[:2000])

    def _carry_out_step(self, step: wire.PlannedStep) -> tuple[str, str]:
        """Return (state, reason) of a step that did not fail."""
        if step.kind == "provision":
            self._place.describe_machine()
            return "ok", ""
        if self._steps is None:
            # Only now, since loading them takes longer than everything before the first lines of the log.
            from modelyard.agent.steps import Steps

            self._steps = Steps(self._place)
        if step.kind not in self._steps.kinds:
            raise StepFailed(
                f"this agent knows no step of the kind {step.kind!r}; install the server's release"
            )
        return self._steps.kinds[step.kind](step) or ("ok", "")
