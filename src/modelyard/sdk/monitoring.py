"""Monitoring: what deployments observe, how far it moved, and whether they need retraining."""

from __future__ import annotations

from collections.abc import Mapping

from modelyard.sdk.http import at
from modelyard.sdk.paging import Items
from modelyard.sdk.session import Feature
from modelyard.wire import monitoring as wire


class Monitoring(Feature):
    """`client.monitoring`: what deployments observe, and whether they need retraining."""

    def unwatched(self) -> list[str]:
        """List the production versions that no deployment serves, so that nothing is observed of them.

        Returns:
            References of versions.

        Raises:
            Unauthenticated: You are not signed in.

        Example:
            >>> client.monitoring.unwatched()
            ['fraud/rules:3']
        """
        return self._get(at("monitoring"), wire.MonitorPage, wire.MonitorQuery(limit=1)).unwatched

    def list(
        self, *, namespace: str | None = None, model: str | None = None, limit: int | None = None
    ) -> Items[wire.MonitorSummary]:
        """List what was observed of deployments, by name.

        Args:
            namespace: Only deployments in this namespace; None: in all.
            model: Only deployments of this model; None: of all.
            limit: Return at most this many; None: all.

        Returns:
            One deployment at a time.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> [each.name for each in client.monitoring.list() if each.needs_retraining]
            ['fraud/scorer']
        """
        query = wire.MonitorQuery(namespace=namespace, model=model)
        return self._items(at("monitoring"), query, wire.MonitorPage, limit)

    def get(self, name: str) -> wire.Monitor:
        """Return what was observed of a deployment, how far its columns moved, and whether it needs retraining.

        Args:
            name: `namespace/name` of the deployment.

        Returns:
            The settings, the state with its reasons, the last windows, and the columns of the last judged one.

        Raises:
            DeploymentNotFound: There is no such deployment, or you may not see it.

        Example:
            >>> [each.words for each in client.monitoring.get("fraud/scorer").reasons]
            ['inputs drift: amount']
        """
        return self._get(at("deployments", *name.split("/", 1), "monitor"), wire.Monitor)

    def windows(self, name: str, *, window: int | None = None, limit: int | None = None) -> Items[wire.Window]:
        """List the observed windows of a deployment with their columns, newest first.

        Args:
            name: `namespace/name` of the deployment.
            window: Only the window that begins then, in seconds since 1970; None: all.
            limit: Return at most this many; None: all.

        Returns:
            One window at a time.

        Raises:
            DeploymentNotFound: There is no such deployment, or you may not see it.

        Example:
            >>> next(iter(client.monitoring.windows("fraud/scorer"))).state
            'judged'
        """
        path = at("deployments", *name.split("/", 1), "windows")
        return self._items(path, wire.WindowQuery(window=window), wire.WindowPage, limit)

    def edit(
        self,
        name: str,
        *,
        window: str | None = None,
        least_rows: int | None = None,
        over: int | None = None,
        of: int | None = None,
        limit: float | None = None,
        limits: Mapping[str, float | None] | None = None,
        max_age: str | None = None,
        newer_data: bool | None = None,
        cool_down: str | None = None,
    ) -> wire.Monitor:
        """Change how a deployment is watched. What is None stays as it is.

        Args:
            name: `namespace/name` of the deployment.
            window: Length of the windows, such as `1h`.
            least_rows: A window with fewer rows is judged together with the next one.
            over: So many of the last `of` windows above the limit are drift.
            of: Number of the last windows that decide.
            limit: PSI from which a column is above its limit.
            limits: Limits of single columns; None as a value removes one.
            max_age: Age from which a version needs retraining, such as `90d`; "": none.
            newer_data: Whether newer content of its training data is a reason.
            cool_down: How long it rests after it no longer needs retraining, such as `24h`.

        Returns:
            The deployment's monitor.

        Raises:
            Invalid: A value is not possible.
            Denied: Your role does not allow this.

        Example:
            >>> client.monitoring.edit("fraud/scorer", limits={"amount": 0.1}).limits
            {'amount': 0.1}
        """
        body = wire.EditMonitor(
            window=window,
            least_rows=least_rows,
            over=over,
            of=of,
            limit=limit,
            limits=None if limits is None else dict(limits),
            max_age=max_age,
            newer_data=newer_data,
            cool_down=cool_down,
        )
        path = at("deployments", *name.split("/", 1), "monitor")
        return self._call("PATCH", path, returns=wire.Monitor, body=body)

    def report(
        self, name: str, revision: int, start: int, part: str, observation: wire.Observation
    ) -> wire.Observed:
        """Report a part of a window, as an external monitor does. Sending a part again replaces it.

        Args:
            name: `namespace/name` of the deployment.
            revision: Number of the revision that answered.
            start: Beginning of the window in seconds since 1970, aligned to its length.
            part: Name of the part, `[a-z0-9-]`, the same for the same rows.
            observation: Counts, and the profile of the rows as `describe` makes it.

        Returns:
            Whether it was stored, replaced, or came after the window was judged.

        Raises:
            DeploymentNotFound: There is no such deployment, or you may not see it.
            Denied: Your role does not allow this.
            Invalid: The window cannot exist.

        Example:
            >>> seen = Observation(seconds=3600, requests=900, rows=900, profile=my.describe(frame, name="served").profile)
            >>> client.monitoring.report("fraud/scorer", 3, 1790000000 // 3600 * 3600, "batch-1", seen).outcome
            'stored'
        """
        path = at("deployments", *name.split("/", 1), "observations", str(revision), str(start), part)
        return self._call("PUT", path, returns=wire.Observed, body=observation)
