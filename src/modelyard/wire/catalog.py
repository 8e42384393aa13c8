"""Namespaces and models."""

from __future__ import annotations

from modelyard.wire.base import Answer, Items, Mapped, Page, PageQuery, Request, Text, Whole


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
    """Role of the caller."""
    naming_mode: str = "refuse"
    """What happens to a model name that the pattern or the reserved names do not accept: refuse or warn."""
    quota_bytes: int | None = None
    """Most bytes that its versions may have together; null: there is no quota, or the caller has no role in it."""
    used_bytes: int | None = None
    """Sum of the sizes of its versions that are not deleted, of the files of its runs and the profiles of its datasets; null:
    the caller has no role in it."""
    warning: str | None = None
    """In the answer to an edit of the visibility: what becomes visible, and to whom."""


class NamespacePage(Page, kw_only=True):
    items: list[Namespace]


class CreateNamespace(Request, kw_only=True):
    """visibility: private, signed-in or public. naming_mode: refuse or warn."""

    name: Text
    display_name: Text = ""
    description: Text = ""
    visibility: Text = "private"
    naming_pattern: Text | None = None
    reserved_names: Items[Text] = []
    naming_mode: Text = "refuse"


class EditNamespace(Request, kw_only=True):
    """Fields left out stay unchanged. quota_bytes: 0 removes the quota; only admins set it."""

    display_name: Text | None = None
    description: Text | None = None
    visibility: Text | None = None
    naming_pattern: Text | None = None
    reserved_names: Items[Text] | None = None
    naming_mode: Text | None = None
    quota_bytes: Whole | None = None


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
    """Role of the caller."""
    terms_digest: str | None = None
    """Of the terms of use that an account accepts before its first pull; null: there are none."""
    warning: str | None = None
    """In the answer to an edit of the visibility: what becomes visible, and to whom. In that to a new name, in a
    namespace that only warns: why its naming rules do not accept the name."""


class ModelPage(Page, kw_only=True):
    items: list[Model]


class CreateModel(Request, kw_only=True):
    """visibility None: the visibility of its namespace."""

    name: Text
    display_name: Text = ""
    description: Text = ""
    visibility: Text | None = None
    tags: Mapped[Text] = {}
    owners: Items[Text] = []


class EditModel(Request, kw_only=True):
    """Fields left out stay unchanged. tags and owners replace the old sets."""

    display_name: Text | None = None
    description: Text | None = None
    visibility: Text | None = None
    owners: Items[Text] | None = None
    tags: Mapped[Text] | None = None
    task: Text | None = None
    archived: bool | None = None
    reason: Text | None = None
    """Reason, kept in the history."""


class RenameModel(Request, kw_only=True):
    to: Text


class ModelQuery(PageQuery, kw_only=True):
    """All given conditions must hold. tag: `key=value` or `key`, of the model, its newest version or a version with an
    alias; metric: `f1>=0.7`, of the newest version; licence: in upper or lower case; stage: a version is in it;
    semver: `2.1.0` or a beginning such as `2.1`, and pull_request: its address, of any of its versions."""

    q: Text = ""
    namespace: Text | None = None
    tag: Items[Text] = []
    owner: Text | None = None
    framework: Text | None = None
    licence: Text | None = None
    task: Text | None = None
    alias: Text | None = None
    metric: Items[Text] = []
    stage: Text | None = None
    semver: Text | None = None
    pull_request: Text | None = None
    archived: bool = False
    total: bool = False


class FacetValue(Answer, kw_only=True):
    value: str
    count: int


class Facets(Answer, kw_only=True):
    """Number of models per value, over all models that a search finds, most frequent first.

    facets: namespace, framework, licence (in lower case), task, alias (stages too) and tag (`key=value`).
    """

    facets: dict[str, list[FacetValue]]
