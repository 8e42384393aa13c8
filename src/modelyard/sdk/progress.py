"""Progress reports of transfers."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called from several threads at once; must return quickly."""

    def begin(self, phase: str, total_bytes: int) -> None:
        """Begin a phase: `hash`, `upload`, `download` or `write`."""
        ...

    def advance(self, size_bytes: int) -> None:
        """Add this many bytes; negative if some must be sent again."""
        ...

    def end(self) -> None:
        """End the phase, done or not."""
        ...


class Silent:
    """Reports nothing."""

    def begin(self, phase: str, total_bytes: int) -> None:
        del phase, total_bytes

    def advance(self, size_bytes: int) -> None:
        del size_bytes

    def end(self) -> None:
        return
