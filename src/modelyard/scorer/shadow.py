"""A shadow gets copies of answered requests. Its answers are compared with those given, and reach no one.

The copy is made after the answer was written, and only so many are open at a time: what is too much is dropped and counted,
so that a shadow that hangs never delays an answer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from modelyard.scorer.frames import JSON, Tensor
from modelyard.scorer.pool import Answer, Pending
from modelyard.scorer.protocols.base import Call, Target, Told
from modelyard.scorer.refusals import Refusal
from modelyard.scorer.revision import Revision
from modelyard.wire.scorer import ShadowFigures

MOST_OPEN = 64
CLOSE = 1e-6
"""Numbers are equal if they differ by at most this part of the larger one."""


class Shadow:
    """Of one revision. read: the request in its own columns."""

    def __init__(self, revision: Revision) -> None:
        self.revision = revision
        self._open = 0

    def offer(self, told: Told, read: Callable[[Told, Target], Call], given: list[Tensor]) -> None:
        """Copy a request that was answered, if it is its turn. given: the answer."""
        revision = self.revision
        weight = revision.told.weight
        if weight < 100 and 100 * random.random() >= weight:
            return
        figures = revision.shadow_figures
        if self._open >= MOST_OPEN:
            figures.dropped += 1
            return
        self._open += 1
        # After the answer, which is written in this turn of the loop.
        asyncio.get_running_loop().call_soon(self._send, told, read, given)

    def _send(self, told: Told, read: Callable[[Told, Target], Call], given: list[Tensor]) -> None:
        revision = self.revision
        figures = revision.shadow_figures
        began = asyncio.get_running_loop().time()

        def done(answer: Answer) -> None:
            self._open -= 1
            is_error = isinstance(answer, Refusal)
            seconds = asyncio.get_running_loop().time() - began
            revision.figures.add(answer.status if isinstance(answer, Refusal) else 200, seconds)
            figures.errors += is_error
            if not isinstance(answer, Refusal):
                compare(figures, given, answer)

        try:
            if revision.pool is None:
                raise Refusal(503, "not_loaded", "the shadow is not loaded")
            call = read(told, revision)
            revision.pool.submit(Pending(call.inputs, call.method, done))
            figures.sent += 1
        except Refusal as refusal:
            figures.sent += 1
            done(refusal)


def compare(figures: ShadowFigures, given: list[Tensor], answer: list[Tensor]) -> None:
    """Count rows that agree. Answers of another form are counted once, and agree in no row."""
    rows = given[0].rows if given else 0
    figures.compared += rows
    if [each.tail for each in given] != [each.tail for each in answer]:
        figures.different += 1
        return
    agree = [True] * rows
    for ours, theirs in zip(given, answer, strict=True):
        if theirs.rows != rows:
            figures.different += 1
            return
        values, others = ours.values(), theirs.values()
        width = len(values) // rows if rows else 0
        if ours.dtype == JSON or theirs.dtype == JSON:
            width = 1
            values, others = ours.nested(), theirs.nested()
        for at, (value, other) in enumerate(zip(values, others, strict=True)):
            if isinstance(value, int | float) and isinstance(other, int | float):
                difference = abs(value - other)
                if difference == difference and difference > (figures.largest_difference or -1.0):
                    figures.largest_difference = float(difference)
                is_equal = difference <= CLOSE * max(abs(value), abs(other), 1e-300) or (
                    value != value and other != other
                )
            else:
                is_equal = value == other
            if not is_equal:
                agree[at // width] = False
    figures.agreed += sum(agree)
