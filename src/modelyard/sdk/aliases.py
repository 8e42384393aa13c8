"""Aliases: where they stand, moving them, and where they stood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from modelyard.domain.names import Alias
from modelyard.sdk.http import at, if_match
from modelyard.sdk.paging import items
from modelyard.sdk.session import Feature
from modelyard.sdk.values import moment
from modelyard.wire import versions as wire
from modelyard.wire.base import Reason


class Aliases(Feature):
    """`client.aliases`."""

    def list(self, model: str) -> Sequence[wire.Alias]:
        return self._transport.call(
            "GET", self._session.model_path(model, "aliases"), returns=wire.AliasList
        ).items

    def get(self, model: str, alias: str) -> wire.Alias:
        """Its `revision` is what `set` and `remove` take to notice a move in between."""
        path = self._session.model_path(model, "aliases", Alias.parse(alias))
        return self._transport.call("GET", path, returns=wire.Alias)

    def set(
        self, ref: str, alias: str, *, seen_revision: int | None = None, reason: str | None = None
    ) -> wire.Alias:
        """Point `alias` at the version that `ref` means now.

        seen_revision: move it only while it stands at that revision, 0: only when it is not set; otherwise
        AliasMoved. None: move it in any case.
        """
        model, number = self._session.version_of(ref)
        headers = {"if-none-match": "*"} if seen_revision == 0 else if_match(seen_revision)
        return self._transport.call(
            "PUT",
            at("models", model.namespace, model.name, "aliases", Alias.parse(alias)),
            body=wire.SetAlias(version=number, reason=reason),
            headers=headers,
            returns=wire.Alias,
        )

    def remove(
        self, model: str, alias: str, *, seen_revision: int | None = None, reason: str | None = None
    ) -> None:
        self._transport.call(
            "DELETE",
            self._session.model_path(model, "aliases", Alias.parse(alias)),
            query=Reason(reason=reason),
            headers=if_match(seen_revision),
        )

    def history(
        self, model: str, alias: str, *, at_time: datetime | str | None = None, limit: int | None = None
    ) -> Iterator[wire.AliasMove]:
        """Its moves, newest first. at_time: those made until then, so the first one says where it stood."""
        path = self._session.model_path(model, "aliases", Alias.parse(alias), "history")
        return items(self._transport, path, wire.MoveQuery(at=moment(at_time)), wire.AliasMovePage, limit)
