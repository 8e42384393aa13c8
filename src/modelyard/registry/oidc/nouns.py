"""A trusted publisher."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from modelyard.domain.actor import Role


class Publisher(msgspec.Struct, frozen=True):
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
