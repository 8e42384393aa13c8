"""Progress bars, on a terminal only."""

from __future__ import annotations

import sys
import threading
from typing import Any

from modelyard.sdk.progress import Progress, Silent

_WORDS = {"hash": "reading", "upload": "sending", "download": "receiving"}
_SMALL_BYTES = 4 << 20


class Bar:
    """Show one bar per phase, for work that takes a while."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._lock = threading.Lock()

    def begin(self, phase: str, total_bytes: int) -> None:
        if total_bytes < _SMALL_BYTES:
            return
        from tqdm import tqdm

        self._bar = tqdm(
            total=total_bytes,
            desc=_WORDS.get(phase, phase),
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            leave=False,
            file=sys.stderr,
            mininterval=0.2,
        )

    def advance(self, size_bytes: int) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.update(size_bytes)

    def end(self) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.close()
                self._bar = None


def progress_for(as_json: bool) -> Progress:
    return Silent() if as_json or not sys.stderr.isatty() else Bar()
