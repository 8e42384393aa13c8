"""Progress bars, on a terminal only."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import click

from modelyard.sdk.progress import Progress, Silent

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

_WORDS = {"hash": "reading", "upload": "sending", "download": "receiving"}
_SMALL_BYTES = 4 << 20
_DRAWINGS = 200


class Bar:
    """Show one bar per phase, for work that takes a while."""

    def __init__(self) -> None:
        self._bar: ProgressBar[int] | None = None
        self._lock = threading.Lock()

    def begin(self, phase: str, total_bytes: int) -> None:
        if total_bytes < _SMALL_BYTES:
            return
        self._bar = click.progressbar(
            length=total_bytes,
            label=_WORDS.get(phase, phase),
            file=sys.stderr,
            update_min_steps=total_bytes // _DRAWINGS,
        )
        self._bar.render_progress()

    def advance(self, size_bytes: int) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.update(size_bytes)

    def end(self) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.render_finish()
                self._bar = None


def progress_for(as_json: bool) -> Progress:
    return Silent() if as_json or not sys.stderr.isatty() else Bar()
