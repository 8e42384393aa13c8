"""Retention rules of namespaces. The collection of unused bytes is in operations.py, with the rest of client.admin."""

from __future__ import annotations

from modelyard.sdk.http import at
from modelyard.sdk.paging import Items
from modelyard.sdk.session import Feature
from modelyard.sdk.streams import LONG_SECONDS
from modelyard.wire import retention as wire
from modelyard.wire.base import PageQuery


class Retention(Feature):
    """`client.retention`."""

    def get(self, namespace: str) -> wire.RetentionRule:
        """Return the retention rule of a namespace.

        Args:
            namespace: Name of the namespace.

        Returns:
            The rule; `action` is None if there is none.

        Raises:
            NamespaceNotFound: There is no such namespace, or you may not see it.

        Example:
            >>> client.retention.get("fraud").keep_versions
            10
        """
        return self._get(self._path(namespace), wire.RetentionRule)

    def set(
        self,
        namespace: str,
        *,
        keep_versions: int | None = None,
        keep_for: str | None = None,
        action: str = "archive",
    ) -> wire.RetentionRule:
        """Set the retention rule of a namespace. The server carries it out once a day, first in an hour.

        A version that meets one of the conditions stays. So does a version that something needs: a stage, an alias,
        a rollback, an open promotion, a version that came from it, or a keep mark.

        Args:
            namespace: Name of the namespace.
            keep_versions: Number of the newest ready versions of each model that stay; None: no condition.
            keep_for: Time for which every version stays, for example `90d`; None: no condition.
            action: What happens to the others: `archive` or `delete`.

        Returns:
            The rule.

        Raises:
            Invalid: The rule has no condition, or a value is not valid.
            NamespaceNotFound: There is no such namespace, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.retention.set("fraud", keep_versions=10, keep_for="90d").action
            'archive'
        """
        body = wire.SetRetentionRule(keep_versions=keep_versions, keep_for=keep_for, action=action)
        return self._put(self._path(namespace), wire.RetentionRule, body)

    def remove(self, namespace: str) -> None:
        """Remove the retention rule of a namespace; every version stays.

        Args:
            namespace: Name of the namespace.

        Raises:
            NamespaceNotFound: There is no such namespace, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.retention.remove("fraud")
        """
        self._call("DELETE", self._path(namespace))

    def plan(self, namespace: str, limit: int | None = None) -> Items[wire.JudgedVersion]:
        """Return which versions the retention rule would keep now, without a change.

        Args:
            namespace: Name of the namespace.
            limit: Return at most this many; None: all.

        Returns:
            One version at a time, by model and newest first: whether it stays, and why.

        Raises:
            NoRetentionRule: The namespace has no rule.
            NamespaceNotFound: There is no such namespace, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> [judged.version for judged in client.retention.plan("fraud") if not judged.stays]
            [2, 1]
        """
        return self._items(self._path(namespace, "plan"), PageQuery(), wire.JudgedPage, limit)

    def run(self, namespace: str) -> wire.RetentionRun:
        """Archive or delete now the versions that the retention rule does not keep.

        Args:
            namespace: Name of the namespace.

        Returns:
            The number of these versions and their size in bytes.

        Raises:
            NoRetentionRule: The namespace has no rule.
            NamespaceNotFound: There is no such namespace, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.retention.run("fraud").versions
            2
        """
        return self._post(self._path(namespace, "run"), wire.RetentionRun, timeout_seconds=LONG_SECONDS)

    @staticmethod
    def _path(namespace: str, *more: str) -> str:
        return at("namespaces", namespace, "retention", *more)
