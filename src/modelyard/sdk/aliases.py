"""Aliases: reading and moving them, and their history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from modelyard.domain.names import Alias
from modelyard.sdk.http import at, if_match
from modelyard.sdk.session import Feature
from modelyard.sdk.values import moment
from modelyard.wire import versions as wire
from modelyard.wire.base import Reason


class Aliases(Feature):
    """`client.aliases`."""

    def list(self, model: str) -> Sequence[wire.Alias]:
        """Return all aliases of a model.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.

        Returns:
            The aliases, each with the version it points at.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> {alias.alias: alias.version for alias in client.aliases.list("fraud/scorer")}
            {'champion': 12, 'canary': 13}
        """
        return self._get(self._model(model, "aliases"), wire.AliasList).items

    def get(self, model: str, alias: str) -> wire.Alias:
        """Return one alias.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            alias: Name of the alias.

        Returns:
            The alias; pass its `revision` to `set` or `remove` to detect a concurrent move.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.
            AliasNotFound: The model has no such alias.

        Example:
            >>> client.aliases.get("fraud/scorer", "champion").version
            12
        """
        path = self._model(model, "aliases", Alias.parse(alias))
        return self._get(path, wire.Alias)

    def set(
        self, ref: str, alias: str, *, seen_revision: int | None = None, reason: str | None = None
    ) -> wire.Alias:
        """Point an alias at the version that a reference means now.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            alias: Name of the alias, which need not exist yet.
            seen_revision: Move the alias only while it has this revision; 0: only when it does not exist;
                None: in any case.
            reason: Reason, kept in the event log.

        Returns:
            The alias as it is now.

        Raises:
            AliasMoved: The alias has another revision than `seen_revision`.
            ProtectedAlias: The alias is a stage; use `client.promotions.promote`.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.aliases.set("fraud/scorer:13", "champion", reason="better recall").version
            13
        """
        model, number = self._session.version_of(ref)
        headers = {"if-none-match": "*"} if seen_revision == 0 else if_match(seen_revision)
        return self._put(
            at("models", model.namespace, model.name, "aliases", Alias.parse(alias)),
            wire.Alias,
            wire.SetAlias(version=number, reason=reason),
            headers=headers,
        )

    def remove(
        self, model: str, alias: str, *, seen_revision: int | None = None, reason: str | None = None
    ) -> None:
        """Remove an alias; the version stays.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            alias: Name of the alias.
            seen_revision: Remove the alias only while it has this revision; None: in any case.
            reason: Reason, kept in the event log.

        Raises:
            AliasNotFound: The model has no such alias.
            AliasMoved: The alias has another revision than `seen_revision`.
            ProtectedAlias: The alias is a stage; use `client.promotions.demote`.
            Denied: Your role does not allow this.

        Example:
            >>> client.aliases.remove("fraud/scorer", "canary")
        """
        self._call(
            "DELETE",
            self._model(model, "aliases", Alias.parse(alias)),
            query=Reason(reason=reason),
            headers=if_match(seen_revision),
        )

    def history(
        self, model: str, alias: str, *, at_time: datetime | str | None = None, limit: int | None = None
    ) -> Iterator[wire.AliasMove]:
        """Return the moves of an alias, newest first.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            alias: Name of the alias.
            at_time: Return the moves made until this time, so that the first one shows the alias at that
                time.
            limit: Return at most this many; None: all.

        Returns:
            One move at a time.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.
            AliasNotFound: The model has no such alias.

        Example:
            >>> next(client.aliases.history("fraud/scorer", "champion", at_time="2026-05-01T00:00:00Z")).to_version
            11
        """
        path = self._model(model, "aliases", Alias.parse(alias), "history")
        return self._items(path, wire.MoveQuery(at=moment(at_time)), wire.AliasMovePage, limit)
