"""Objects of every kind, found by a few letters."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from modelyard.wire.base import Answer, Request, Text


class FindQuery(Request, kw_only=True):
    """q: a part of a name, `model:3`, or the beginning of a digest or a Git commit. limit: at most 100 of each kind."""

    q: Text = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class Found(Answer, kw_only=True):
    """kind: model, version, run, dataset or account. name: of the object, of the model for a version, id of a run."""

    kind: str
    name: str
    words: str
    detail: str
    version: int | None


class FoundList(Answer, kw_only=True):
    items: list[Found]
