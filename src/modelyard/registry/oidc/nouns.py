"""A trusted publisher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from modelyard.domain.actor import Role


@dataclass(frozen=True, slots=True)
class Publisher:
    id: int
    namespace_id: int
    namespace: str
    model: str | None
    kind: str
    issuer: str
    claims: Mapping[str, str]
    role: Role
    actor_id: int
    account: str
    created_at: int
