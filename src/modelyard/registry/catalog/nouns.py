"""Namespaces and models."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from modelyard.domain.actor import Role, Visibility
from modelyard.domain.names import ModelName
from modelyard.registry.access.rules import Place


@dataclass(frozen=True, slots=True)
class Namespace:
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

    @property
    def place(self) -> Place:
        return Place(self.name.namespace, self.name.name, self.role, self.visibility)
