"""Namespaces and models."""

from __future__ import annotations

from modelyard.wire.base import Answer, Page, PageQuery, Request


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

    name: str
    display_name: str = ""
    description: str = ""
    visibility: str = "private"
    naming_pattern: str | None = None
    reserved_names: list[str] = []


class EditNamespace(Request, kw_only=True):
    """Fields left out stay as they are."""

    display_name: str | None = None
    description: str | None = None
    visibility: str | None = None
    naming_pattern: str | None = None
    reserved_names: list[str] | None = None


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

    name: str
    display_name: str = ""
    description: str = ""
    visibility: str | None = None
    tags: dict[str, str] = {}
    owners: list[str] = []


class EditModel(Request, kw_only=True):
    """Fields left out stay as they are. tags and owners are the whole new set."""

    display_name: str | None = None
    description: str | None = None
    visibility: str | None = None
    owners: list[str] | None = None
    tags: dict[str, str] | None = None
    task: str | None = None
    archived: bool | None = None


class RenameModel(Request, kw_only=True):
    to: str


class ModelQuery(PageQuery, kw_only=True):
    """All given conditions hold at once. tag: `key=value` or `key`; metric: `f1>=0.7`, of the newest version."""

    q: str = ""
    namespace: str | None = None
    tag: list[str] = []
    owner: str | None = None
    framework: str | None = None
    licence: str | None = None
    task: str | None = None
    alias: str | None = None
    metric: list[str] = []
    archived: bool = False
    total: bool = False
