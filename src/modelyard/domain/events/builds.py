"""Builds."""

from __future__ import annotations

from modelyard.domain.events.base import Event


class BuildSubmitted(Event, kind="build.submitted", may_change_rights=False):
    build: str
    pool: str
    rerun_of: str | None = None
    schedule: int | None = None
    """Number of the one that started it."""


class BuildStarted(Event, kind="build.started"):
    """An attempt of the build started; it has a token of its own."""

    build: str
    attempt: int


class BuildCancelled(Event, kind="build.cancelled", may_change_rights=False):
    """Somebody asked to end the build."""

    build: str


class BuildEnded(Event, kind="build.ended"):
    """number: of the version that it registered."""

    build: str
    attempt: int
    status: str
    reason: str
    number: int | None = None


class BuildForgotten(Event, kind="build.forgotten", may_change_rights=False):
    """The record of an old build was deleted; no version was made by it."""

    build: str


class BuildSecretSet(Event, kind="build.secret_set", may_change_rights=False):
    """A secret of the namespace's builds was set or replaced. Its value is not in the log."""

    name: str


class BuildSecretRemoved(Event, kind="build.secret_removed", may_change_rights=False):
    name: str
