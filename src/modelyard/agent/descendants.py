"""The processes below this one, as far as the kernel of Linux tells: found, adopted, and ended with their parent.

Only the standard library is used, since the guard of an agent needs no more.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36

# Loaded here, since a program that has just been forked may not do it.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

CAN_ADOPT = _libc is not None
"""Whether `adopt_orphans` has an effect on this system."""


def adopt_orphans(adopt: bool = True) -> None:
    """Become the parent of descendants whose own parent ends, so that those that left their group are found too.

    adopt: False: no longer."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)


def end_with_parent(number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when its parent ends, even by SIGKILL."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def children_of(pid: int) -> Iterator[int]:
    """Yield the children of a process, as far as the system tells."""
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                yield from map(int, (thread / "children").read_text().split())


def descendants_of(pid: int, but: set[int] | None = None) -> list[int]:
    """Return the processes below a process, parents first. but: children of it that are left out, with all below them."""
    found: list[int] = []
    todo = [each for each in children_of(pid) if each not in (but or ())]
    while todo:
        child = todo.pop()
        found.append(child)
        todo += children_of(child)
    return found
