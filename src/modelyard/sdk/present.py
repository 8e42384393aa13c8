"""The run that is going on, for code that stands below runs: a push notes its version on it.

Runs say how to find it once they are in use, so that asking costs nothing where they are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class PresentRun(Protocol):
    """The part of a run that a push needs."""

    def facts(self) -> dict[str, Any]: ...

    def log_version(self, reference: str) -> None: ...


_finders: list[Callable[[], PresentRun | None]] = []


def find_with(finder: Callable[[], PresentRun | None]) -> None:
    """Ask this function for the present run from now on."""
    _finders[:] = [finder]


def present_run() -> PresentRun | None:
    """Return the innermost run that is going on here; None outside of every run."""
    return _finders[0]() if _finders else None
