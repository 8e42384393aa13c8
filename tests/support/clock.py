"""A clock that tests move on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Microseconds since 1970, from the present time."""

    now: int = field(default_factory=lambda: time.time_ns() // 1000)

    def __call__(self) -> int:
        return self.now

    def pass_seconds(self, amount: float) -> None:
        self.now += round(amount * 1_000_000)
