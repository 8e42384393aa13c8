"""Background jobs, for who operates the server."""

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
    """No two open jobs of a kind have the same."""
    priority: int
    attempt: int
    """How often it was taken."""
    failures: int
    """In a row."""
    max_failures: int | None
    """So many end it as failed; None: it is tried until it is done."""
    failure: str | None
    """The reason of the last one."""
    progress: float
    """0 to 1"""
    note: str
    holder: str | None
    """The process that runs it, by host and number."""
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
    """Without a filter: all, the newest first."""

    kind: Text | None = None
    state: Text | None = None
    namespace: Text | None = None
