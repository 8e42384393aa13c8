"""What the parts of the client that are about one version have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.sdk.http import at

if TYPE_CHECKING:
    from modelyard.sdk.client import Client


class OfVersion:
    """What all of these have in common: a version and a path below it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._transport = client.transport

    def _at(self, ref: str, *more: object) -> str:
        parsed = self._client.ref(ref)
        number = parsed.selector if isinstance(parsed.selector, int) else self._client.resolve(ref).version
        return at("models", parsed.model.namespace, parsed.model.name, "versions", number, *more)
