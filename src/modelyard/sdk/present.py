"""The current run, for code below runs: a push notes its version on it.

The runs module registers how to find it on first use, so that a lookup costs nothing in programs without runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class PresentRun(Protocol):
    """The part of a run that a push needs."""

    def keep_code(self) -> None: ...

    def facts(self) -> dict[str, Any]: ...

    def log_version(self, reference: str) -> None: ...


_finders: list[Callable[[], PresentRun | None]] = []


def find_with(finder: Callable[[], PresentRun | None]) -> None:
    """Use this function to find the current run from now on."""
    _finders[:] = [finder]


def present_run() -> PresentRun | None:
    """Return the innermost active run; None outside any run."""
    return _finders[0]() if _finders else None
