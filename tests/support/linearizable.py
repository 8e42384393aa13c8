"""Tell whether a history of one register is linearizable: as if each operation had happened at one moment of its own.

Every write has a value of its own. Then each value with its write and its reads is one zone of time, and it is enough to
compare zones. Source: Gibbons and Korach, Testing Shared Memories, SIAM Journal on Computing 26 (1997), theorem 4.1.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """is_write: else a read. ended: infinite for a write of which no answer came, which may happen at any later time."""

    is_write: bool
    value: int
    began: float
    ended: float


def initially(value: int) -> Operation:
    """The write of the value that was there from the beginning."""
    return Operation(True, value, -math.inf, -math.inf)


def contradiction(history: Iterable[Operation]) -> str | None:
    """Why the history is not linearizable; None: it is. No two times of different operations may be equal."""
    of_value: dict[int, list[Operation]] = defaultdict(list)
    for operation in history:
        of_value[operation.value].append(operation)
    forward: list[tuple[float, float, int]] = []
    backward: list[tuple[float, float, int]] = []
    for value, operations in of_value.items():
        writes = [each for each in operations if each.is_write]
        if len(writes) != 1:
            return f"{value} was written {len(writes)} times"
        if any(each.ended < writes[0].began for each in operations):
            return f"{value} was read before it was written"
        if len(operations) == 1 and writes[0].ended == math.inf:
            # Perhaps it never happened.
            continue
        first_end = min(each.ended for each in operations)
        last_begin = max(each.began for each in operations)
        if first_end < last_begin:
            forward.append((first_end, last_begin, value))
        else:
            backward.append((last_begin, first_end, value))
    forward.sort()
    for (_, end, value), (begin, _, other) in itertools.pairwise(forward):
        if begin < end:
            return f"{value} was still read after {other} was there, which was there before"
    for begin, end, value in backward:
        for first, last, other in forward:
            if first < begin and end < last:
                return f"{other} was there before and after {value}"
    return None
