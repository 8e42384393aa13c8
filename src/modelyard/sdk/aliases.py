"""Aliases: where they stand, moving them, and where they stood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from modelyard.domain.names import Alias, ModelName
from modelyard.sdk.catalog import if_match
from modelyard.sdk.http import at
from modelyard.sdk.paging import items
from modelyard.wire import versions as wire
from modelyard.wire.base import Reason

if TYPE_CHECKING:
    from modelyard.sdk.client import Client


class Aliases:
    """`client.aliases`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._transport = client.transport

    def _at(self, model: ModelName, *more: object) -> str:
        return at("models", model.namespace, model.name, "aliases", *more)

    def list(self, model: str) -> Sequence[wire.Alias]:
        found: wire.AliasList = self._transport.call(
            "GET", self._at(self._client.model_name(model)), returns=wire.AliasList
        )
        return found.items

    def get(self, model: str, alias: str) -> wire.Alias:
        """Its `revision` is what `set` and `remove` take to notice a move in between."""
        path = self._at(self._client.model_name(model), Alias.parse(alias))
        found: wire.Alias = self._transport.call("GET", path, returns=wire.Alias)
        return found

    def set(
        self, ref: str, alias: str, *, seen_revision: int | None = None, reason: str | None = None
    ) -> wire.Alias:
        """Point `alias` at the version that `ref` means now.

        seen_revision: move it only while it stands at that revision, 0: only when it is not set; otherwise
        AliasMoved. None: move it in any case.
        """
        parsed = self._client.ref(ref)
        number = parsed.selector if isinstance(parsed.selector, int) else self._client.resolve(ref).version
        headers = {"if-none-match": "*"} if seen_revision == 0 else if_match(seen_revision)
        found: wire.Alias = self._transport.call(
            "PUT",
            self._at(parsed.model, Alias.parse(alias)),
            body=wire.SetAlias(version=number, reason=reason),
            headers=headers,
            returns=wire.Alias,
        )
        return found

    def remove(
        self, model: str, alias: str, *, seen_revision: int | None = None, reason: str | None = None
    ) -> None:
        self._transport.call(
            "DELETE",
            self._at(self._client.model_name(model), Alias.parse(alias)),
            query=Reason(reason=reason),
            headers=if_match(seen_revision),
        )

    def history(
        self, model: str, alias: str, *, at_time: datetime | str | None = None, limit: int | None = None
    ) -> Iterator[wire.AliasMove]:
        """Its moves, newest first. at_time: those made until then, so the first one says where it stood."""
        moment = at_time.isoformat() if isinstance(at_time, datetime) else at_time
        path = self._at(self._client.model_name(model), Alias.parse(alias), "history")
        return items(self._transport, path, wire.MoveQuery(at=moment), wire.AliasMovePage, limit)
