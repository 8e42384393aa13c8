"""Namespaces and models."""

from __future__ import annotations

from modelyard.wire.base import Answer, Items, Mapped, Page, PageQuery, Request, Text


class Namespace(Answer, kw_only=True):
    name: str
    display_name: str
    description: str
    visibility: str
    naming_pattern: str | None
    reserved_names: list[str]
    created_at: str
    revision: int
    role: str
    """The caller's own."""
    warning: str | None = None
    """What an edit of the visibility shows to whom."""


class NamespacePage(Page, kw_only=True):
    items: list[Namespace]


class CreateNamespace(Request, kw_only=True):
    """visibility: private, signed-in or public."""

    name: Text
    display_name: Text = ""
    description: Text = ""
    visibility: Text = "private"
    naming_pattern: Text | None = None
    reserved_names: Items[Text] = []


class EditNamespace(Request, kw_only=True):
    """Fields left out stay as they are."""

    display_name: Text | None = None
    description: Text | None = None
    visibility: Text | None = None
    naming_pattern: Text | None = None
    reserved_names: Items[Text] | None = None


class Model(Answer, kw_only=True):
    name: str
    """namespace/name"""
    display_name: str
    description: str
    visibility: str
    owners: list[str]
    tags: dict[str, str]
    aliases: dict[str, int]
    """alias → version"""
    newest_version: int | None
    version_count: int
    framework: str | None
    licence: str | None
    task: str | None
    archived: bool
    created_at: str
    updated_at: str
    revision: int
    role: str
    """The caller's own."""
    warning: str | None = None
    """What an edit of the visibility shows to whom."""


class ModelPage(Page, kw_only=True):
    items: list[Model]


class CreateModel(Request, kw_only=True):
    """visibility None: as its namespace."""

    name: Text
    display_name: Text = ""
    description: Text = ""
    visibility: Text | None = None
    tags: Mapped[Text] = {}
    owners: Items[Text] = []


class EditModel(Request, kw_only=True):
    """Fields left out stay as they are. tags and owners are the whole new set."""

    display_name: Text | None = None
    description: Text | None = None
    visibility: Text | None = None
    owners: Items[Text] | None = None
    tags: Mapped[Text] | None = None
    task: Text | None = None
    archived: bool | None = None


class RenameModel(Request, kw_only=True):
    to: Text


class ModelQuery(PageQuery, kw_only=True):
    """All given conditions hold at once. tag: `key=value` or `key`; metric: `f1>=0.7`, of the newest version."""

    q: Text = ""
    namespace: Text | None = None
    tag: Items[Text] = []
    owner: Text | None = None
    framework: Text | None = None
    licence: Text | None = None
    task: Text | None = None
    alias: Text | None = None
    metric: Items[Text] = []
    archived: bool = False
    total: bool = False
