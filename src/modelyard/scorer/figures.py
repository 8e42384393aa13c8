"""Figures of a scorer: counts and histograms, and their text for Prometheus.

Labels are deployment, revision, version and code; never a caller or a request. The bounds of durations are those of
OpenTelemetry's `http.server.request.duration`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from time import time

from modelyard.domain.judging import KEPT_MINUTES, latency_bucket
from modelyard.wire.scorer import MinuteFigures

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
ROW_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_RECENT = 1024
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    def __init__(self, bounds: Iterable[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Minute:
    """Figures of one clock minute, so that two revisions can be compared in the same ones."""

    __slots__ = ("errors", "latency", "requests", "start")

    def __init__(self, start: int) -> None:
        self.start, self.requests, self.errors = start, 0, 0
        self.latency: Counter[int] = Counter()


class Figures:
    """Of one revision."""

    def __init__(self) -> None:
        self.codes: Counter[int] = Counter()
        self.durations = Histogram(BOUNDS)
        self.batch_rows = Histogram(ROW_BOUNDS)
        self.requests = self.errors = 0
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self.minutes: deque[Minute] = deque([Minute(0)], maxlen=KEPT_MINUTES)

    def add(self, code: int, seconds: float) -> None:
        """Count an answer. Errors are those of the revision, not of its callers."""
        self.requests += 1
        self.errors += code >= 500
        self.codes[code] += 1
        self.durations.add(seconds)
        self._recent.append(seconds)
        minute, present = self.minutes[-1], int(time()) // 60
        if minute.start != present:
            minute = Minute(present)
            self.minutes.append(minute)
        minute.requests += 1
        minute.errors += code >= 500
        minute.latency[latency_bucket(seconds)] += 1

    def last_minutes(self) -> list[MinuteFigures]:
        """Return the minutes of the last hour that had requests, oldest first."""
        first = int(time()) // 60 - KEPT_MINUTES
        return [
            MinuteFigures(
                start=each.start,
                requests=each.requests,
                errors=each.errors,
                latency={str(bucket): count for bucket, count in each.latency.items()},
            )
            for each in self.minutes
            if each.start > first
        ]

    def milliseconds(self, share: float) -> float | None:
        """Return the latency that this share of the last requests stayed below."""
        if not self._recent:
            return None
        ordered = sorted(self._recent)
        return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


class Text:
    """Prometheus' text format. Source: "Exposition formats"."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def head(self, name: str, kind: str, words: str) -> None:
        self._lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]

    def value(self, name: str, labels: Mapping[str, object], value: float) -> None:
        told = ",".join(f'{key}="{_escaped(str(each))}"' for key, each in labels.items())
        self._lines.append(
            f"{name}{{{told}}} {value:g}" if isinstance(value, float) else f"{name}{{{told}}} {value}"
        )

    def histogram(self, name: str, labels: Mapping[str, object], histogram: Histogram) -> None:
        total = 0
        for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts, strict=True):
            total += count
            self.value(f"{name}_bucket", {**labels, "le": bound}, total)
        self.value(f"{name}_sum", labels, histogram.total)
        self.value(f"{name}_count", labels, total)

    def encode(self) -> bytes:
        return "\n".join([*self._lines, ""]).encode()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
