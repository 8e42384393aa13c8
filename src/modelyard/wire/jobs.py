"""Background jobs, for operators of the server."""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import Answer, Page, PageQuery, Text


class Job(Answer, kw_only=True):
    id: int
    kind: str
    state: str
    """waiting, running, done, failed or cancelled"""
    namespace: str | None
    key: str | None
    """Key of the job; unique among the open jobs of its kind."""
    priority: int
    attempt: int
    """Number of attempts."""
    failures: int
    """Consecutive failures."""
    max_failures: int | None
    """This many failures end the job as failed; None: it is tried until it succeeds."""
    failure: str | None
    """Reason of the last failure."""
    progress: float
    """0 to 1"""
    note: str
    holder: str | None
    """Process that runs it, by host and number."""
    cancel_asked: bool
    due_at: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    payload: Any
    result: Any = None


class JobPage(Page, kw_only=True):
    items: list[Job]


class JobQuery(PageQuery, kw_only=True):
    """Without a filter: all jobs, newest first."""

    kind: Text | None = None
    state: Text | None = None
    namespace: Text | None = None
