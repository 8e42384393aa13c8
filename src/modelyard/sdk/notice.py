"""State of autologging: the last fitted model, and whether it is on.

Autologgers write it; the registration of a run's model reads it, without knowing any autologger.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from modelyard.sdk.values import now

# --- the last fitted model -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Noticed:
    model: Any
    example: Any
    """A few rows of its input, None when there are none."""
    at: int
    """Microseconds since 1970."""


_noticed: list[Noticed] = []


def notice_model(model: Any, example: Any = None) -> None:
    """Note the last fitted model, which `register` registers."""
    _noticed[:] = [Noticed(model, example, now())]


def last_model(since: int = 0) -> Noticed | None:
    """Return the last fitted model; None if there is none since that moment (microseconds)."""
    return _noticed[0] if _noticed and _noticed[0].at >= since else None


class _State(threading.local):
    depth = 0


class _Switch:
    on = False


switch = _Switch()
"""Turned by `autolog`, for all autologgers at once."""


_state = _State()


@contextmanager
def paused() -> Iterator[None]:
    """Note nothing inside a call that is itself noted."""
    _state.depth += 1
    try:
        yield
    finally:
        _state.depth -= 1


def is_paused() -> bool:
    return _state.depth > 0 or not switch.on
