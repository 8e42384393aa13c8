"""A measurement of a version."""

from __future__ import annotations

import msgspec


class Measurement(msgspec.Struct, frozen=True):
    """The value of a metric of one version. at: when the version was registered or the evaluation was reported."""

    version: int
    at: int
    split: str
    dataset: str
    value: float | None
    evaluated: bool
    state: str
    recalled: bool
    flags: tuple[str, ...] = ()
    """Problems of the version, gravest first."""
