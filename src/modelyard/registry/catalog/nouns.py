"""Namespaces and models."""

from __future__ import annotations

import msgspec

from modelyard.domain.actor import Role, Visibility
from modelyard.domain.names import ModelName
from modelyard.registry.access.rules import Place


class Namespace(msgspec.Struct, frozen=True):
    id: int
    name: str
    display_name: str
    description: str
    visibility: Visibility
    naming_pattern: str | None
    reserved_names: tuple[str, ...]
    revision: int
    created_at: int
    role: Role
    naming_mode: str
    """refuse or warn: what happens to a model name that its naming rules do not accept."""
    quota_bytes: int | None = None
    """Most bytes that its versions, files of runs and profiles may have together; None: there is no quota."""
    used_bytes: int = 0
    """Sum of the sizes of its versions that are not deleted, of the files of its runs and the profiles of its datasets."""

    @property
    def place(self) -> Place:
        return Place(self.name, None, self.role, self.visibility)


class Model(msgspec.Struct, frozen=True):
    # No dataclass: a page makes a thousand of them, and a frozen dataclass takes fifteen times as long.
    id: int
    namespace_id: int
    name: ModelName
    display_name: str
    description: str
    visibility: Visibility
    newest_version: int | None
    version_count: int
    framework: str | None
    licence: str | None
    task: str | None
    revision: int
    created_at: int
    updated_at: int
    archived_at: int | None
    deleted_at: int | None
    role: Role
    protected_aliases: tuple[str, ...]
    """Names of its stages: aliases that only promotion moves."""
    serves_unknown: bool = False
    """Whether its namespace serves files that name unknown code, with a warning."""
    terms_digest: str | None = None
    """Of the terms of use that an account accepts before its first pull; None: there are none."""
    quota_bytes: int | None = None
    """Most bytes that the versions of its namespace may have together; None: there is no quota."""

    @property
    def place(self) -> Place:
        return Place(self.name.namespace, self.name.name, self.role, self.visibility)
