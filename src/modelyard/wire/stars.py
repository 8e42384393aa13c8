"""Starred models."""

from __future__ import annotations

from modelyard.wire.base import Answer


class StarList(Answer, kw_only=True):
    items: list[str]
