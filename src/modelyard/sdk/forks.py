"""Support programs that fork while our threads run.

A child of a fork gets the modules as they are at that moment: a module that another thread is just importing stays
incomplete forever. So our threads hold `importing` while they do something for the first time, and a fork waits for
that, but not for long.
"""

from __future__ import annotations

import os
import threading

_LONGEST_WAIT_SECONDS = 5.0

importing = threading.RLock()
_waited: list[bool] = []


def _before() -> None:
    _waited.append(importing.acquire(timeout=_LONGEST_WAIT_SECONDS))


def _after_in_parent() -> None:
    if _waited.pop():
        importing.release()


def _after_in_child() -> None:
    global importing
    importing = threading.RLock()
    _waited.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
