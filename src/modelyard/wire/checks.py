"""Checks: named results about a version."""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import Answer, Mapped, Request, Text


class ReportCheck(Request, kw_only=True):
    """state: pass, fail, error or pending."""

    name: Text
    state: Text
    url: Text = ""
    summary: Text = ""
    details: Mapped[Any] = {}


class Check(Answer, kw_only=True):
    name: str
    state: str
    url: str
    summary: str
    details: dict[str, Any]
    at: str
    by: str
    build: str | None = None
    """For the server's own verdict about a repetition: the build that repeated the version, empty if none could. null: `by`
    reported the check."""


class CheckList(Answer, kw_only=True):
    """Newest first; the first of each name counts."""

    reference: str
    items: list[Check]
