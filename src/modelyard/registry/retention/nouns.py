"""Retention rules, the versions that they judge, and the outcome of a run."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from modelyard.domain.names import ModelName


class Rule(msgspec.Struct, frozen=True):
    """Which versions of each model in a namespace stay: those that one of the two conditions keeps."""

    action: str
    """archive or delete: what happens to the others."""
    keep_versions: int | None = None
    """The newest ready versions that stay; None: no condition."""
    keep_for: str | None = None
    """How long every version stays, as 90d; None: no condition."""


class Candidate(msgspec.Struct, frozen=True):
    """A version that is not deleted, and all that may need it."""

    id: int
    number: int
    state: str
    created_at: int
    size_bytes: int
    is_served: bool
    """Ready, not in quarantine and not recalled."""
    kept_because: str | None = None
    """The reason of its keep mark; None: it has none."""
    aliases: tuple[str, ...] = ()
    holds: tuple[tuple[str, str], ...] = ()
    """(kind, name) of further users."""
    children: int = 0
    """Versions that came from it and are not deleted."""
    promotions: tuple[int, ...] = ()
    """Numbers of open promotions of it."""


class Judgement(msgspec.Struct, frozen=True):
    """What the rule does with a version, and why."""

    model: ModelName
    number: int
    size_bytes: int
    stays: bool
    reason: str


class Expired(msgspec.Struct):
    """The result of a run. size_bytes: of the versions that were archived or deleted."""

    action: str
    versions: int = 0
    size_bytes: int = 0

    def note(self, sizes: Sequence[int]) -> None:
        self.versions += len(sizes)
        self.size_bytes += sum(sizes)
