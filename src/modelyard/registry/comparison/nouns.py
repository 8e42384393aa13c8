"""A measurement of a version."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value of a metric of one version. at: when the version was registered, or the evaluation reported."""

    version: int
    at: int
    split: str
    dataset: str
    value: float | None
    evaluated: bool
    state: str
    recalled: bool
