"""Runs and datasets."""

from __future__ import annotations

from modelyard.domain.events.base import Event


class RunStarted(Event, kind="run.started"):
    run: str
    name: str
    experiment: str
    parent: str | None = None


class RunEnded(Event, kind="run.ended"):
    run: str
    name: str
    experiment: str
    status: str
    exit_code: int | None = None


class RunDeleted(Event, kind="run.deleted"):
    run: str
    name: str
    experiment: str


class DatasetNoted(Event, kind="dataset.noted"):
    """New content of a dataset was seen for the first time."""

    dataset: str
    digest: str
    profile: str | None = None
