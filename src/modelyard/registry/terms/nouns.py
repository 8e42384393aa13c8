"""Terms of use, and their acceptances."""

from __future__ import annotations

import msgspec

from modelyard.domain.names import ModelName


class Terms(msgspec.Struct, frozen=True):
    """The present terms of use of a model. text "" and digest None: it has none.

    accepted_at: when the reader accepted them; None: not yet.
    """

    model: ModelName
    text: str = ""
    digest: str | None = None
    set_at: int | None = None
    set_by: str | None = None
    accepted_at: int | None = None


class Acceptance(msgspec.Struct, frozen=True):
    id: int
    account: str
    digest: str
    at: int
