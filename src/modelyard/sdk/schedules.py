"""Schedules: builds that start at times, or when something happens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.sdk.builds import Builds, send_folder
from modelyard.sdk.http import at
from modelyard.sdk.paging import Items
from modelyard.sdk.progress import Progress
from modelyard.sdk.session import Feature
from modelyard.wire import builds as build_wire
from modelyard.wire import schedules as wire
from modelyard.wire.base import PageQuery, Reason


class Schedules(Feature):
    """`client.schedules`: builds without a person."""

    def add(
        self,
        folder: str | Path | None = None,
        *,
        build: str | None = None,
        cron: str | None = None,
        zone: str | None = None,
        every: str | None = None,
        on_dataset: str | None = None,
        on_version: str | None = None,
        on_retraining: str | None = None,
        model: str | None = None,
        params: Mapping[str, Any] | None = None,
        pool: str | None = None,
        missed: str | None = None,
        overlap: str | None = None,
        jitter: str | None = None,
        debounce: str | None = None,
        pause_after: int | None = None,
        progress: Progress | None = None,
    ) -> wire.Schedule:
        """Start builds at times, or when something happens, in your name.

        Args:
            folder: The folder to build, sent as it is now. Give it or `build`.
            build: Id of a build to repeat, or the beginning of its id.
            cron: Cron expression of five fields, or `@daily` and the like. Give one of the four.
            zone: IANA time zone of the cron expression; None: UTC.
            every: Interval such as `6h`, counted from now.
            on_dataset: Dataset (`namespace/name`) whose new content starts a build.
            on_version: Model whose new version starts a build; with `@stage` or `@alias`: a version that gets there.
            on_retraining: Deployment (`namespace/name`) that starts a build when it needs retraining.
            model: The model whose next versions it makes; None: the recipe's.
            params: Values in place of the recipe's params, by name.
            pool: Where the builds run; None: the recipe's pool, otherwise the server's first.
            missed: `latest` (default): if times passed without a server, one build starts for the latest of them; `skip`: none.
            overlap: If the last build still runs: `skip` (default of times), `queue` (default of events) or `replace` it.
            jitter: Start up to this much later, for example `5m`; the same for each time on every server.
            debounce: Wait this long after an event, so that several of them start one build.
            pause_after: Pause after this many builds in a row that did not succeed (default 3); 0: never.
            progress: Receives the bytes of the source that are sent; None: no progress is reported.

        Returns:
            The schedule, with its next times.

        Raises:
            Invalid: An option is not valid, or its times never come.
            InvalidRecipe: The recipe is not valid; the error has the line and the reason.
            Denied: Your role does not allow builds of the model.

        Example:
            >>> client.schedules.add("fraud", cron="30 2 * * *", zone="Europe/Berlin").next
            'next in 6 h: 2026-12-01 02:30 Europe/Berlin'
        """
        recipe, bundle, source = self._source(folder, progress)
        wanted = wire.CreateSchedule(
            model=model,
            cron=cron,
            zone=zone,
            every=every,
            on_dataset=on_dataset,
            on_version=on_version,
            on_retraining=on_retraining,
            missed=missed,
            overlap=overlap,
            jitter=jitter,
            debounce=debounce,
            pause_after=pause_after,
            build=build,
            recipe=recipe,
            bundle=bundle,
            source=source,
            params=None if params is None else dict(params),
            pool=pool,
        )
        return self._post(at("schedules"), wire.Schedule, wanted)

    def _source(
        self, folder: str | Path | None, progress: Progress | None
    ) -> tuple[str | None, str | None, dict[str, Any]]:
        if folder is None:
            return None, None, {}
        return send_folder(Builds(self._session), folder, None, progress)

    def list(
        self, *, namespace: str | None = None, model: str | None = None, limit: int | None = None
    ) -> Items[wire.Schedule]:
        """List schedules, newest first.

        Args:
            namespace: Only schedules of models in this namespace; None: of all.
            model: Only schedules of this model; None: of all.
            limit: Return at most this many; None: all.

        Returns:
            One schedule at a time.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> [schedule.words for schedule in client.schedules.list(model="fraud/scorer")]
            ['every day at 02:30 Europe/Berlin']
        """
        query = wire.ScheduleQuery(namespace=namespace, model=model)
        return self._items(at("schedules"), query, wire.SchedulePage, limit)

    def get(self, schedule: int) -> wire.Schedule:
        """Return a schedule with its next times.

        Args:
            schedule: Its number.

        Returns:
            The schedule.

        Raises:
            ScheduleNotFound: There is no such schedule, or you may not see it.

        Example:
            >>> client.schedules.get(3).state
            'active'
        """
        return self._get(at("schedules", schedule), wire.Schedule)

    def firings(self, schedule: int, *, limit: int | None = None) -> Items[wire.Firing]:
        """List what became of the times of a schedule, newest first: builds that started, and reasons why none did.

        Args:
            schedule: Its number.
            limit: Return at most this many; None: all that are kept, of 90 days.

        Returns:
            One at a time.

        Raises:
            ScheduleNotFound: There is no such schedule, or you may not see it.

        Example:
            >>> [(firing.outcome, firing.reason) for firing in client.schedules.firings(3, limit=2)]
            [('started', ''), ('skipped', 'build 1f0a9c3e7d52 was still running')]
        """
        return self._items(at("schedules", schedule, "firings"), PageQuery(), wire.FiringPage, limit)

    def edit(
        self,
        schedule: int,
        folder: str | Path | None = None,
        *,
        build: str | None = None,
        cron: str | None = None,
        zone: str | None = None,
        every: str | None = None,
        on_dataset: str | None = None,
        on_version: str | None = None,
        on_retraining: str | None = None,
        params: Mapping[str, Any] | None = None,
        pool: str | None = None,
        missed: str | None = None,
        overlap: str | None = None,
        jitter: str | None = None,
        debounce: str | None = None,
        pause_after: int | None = None,
        progress: Progress | None = None,
    ) -> wire.Schedule:
        """Change a schedule. Its next time counts from now, and its builds run in your name from now on.

        Args:
            schedule: Its number.
            folder: The folder to build from now on; None: unchanged, as with all options.
            build: Id of a build to repeat from now on.
            cron: As in `add`; it takes the place of what started builds before, as do the next ones.
            zone: IANA time zone of the cron expression.
            every: As in `add`.
            on_dataset: As in `add`.
            on_version: As in `add`.
            on_retraining: As in `add`.
            params: Values in place of those of the same names.
            pool: As in `add`.
            missed: As in `add`.
            overlap: As in `add`.
            jitter: As in `add`; `0`: none.
            debounce: As in `add`; `0`: none.
            pause_after: As in `add`.
            progress: Receives the bytes of the source that are sent; None: no progress is reported.

        Returns:
            The schedule as it is now.

        Raises:
            ScheduleNotFound: There is no such schedule, or you may not see it.
            Invalid: An option is not valid, or none is given.
            Denied: Your role does not allow builds of the model.

        Example:
            >>> client.schedules.edit(3, zone="America/New_York").words
            'every day at 02:30 America/New_York'
        """
        recipe, bundle, source = self._source(folder, progress)
        wanted = wire.EditSchedule(
            cron=cron,
            zone=zone,
            every=every,
            on_dataset=on_dataset,
            on_version=on_version,
            on_retraining=on_retraining,
            missed=missed,
            overlap=overlap,
            jitter=jitter,
            debounce=debounce,
            pause_after=pause_after,
            build=build,
            recipe=recipe,
            bundle=bundle,
            source=source,
            params=None if params is None else dict(params),
            pool=pool,
        )
        return self._call("PATCH", at("schedules", schedule), returns=wire.Schedule, body=wanted)

    def pause(self, schedule: int, reason: str | None = None) -> wire.Schedule:
        """Start no builds until the schedule is resumed.

        Args:
            schedule: Its number.
            reason: Why; it is shown with the schedule.

        Returns:
            The schedule as it is now.

        Raises:
            ScheduleNotFound: There is no such schedule, or you may not see it.
            Denied: Your role does not allow builds of the model.

        Example:
            >>> client.schedules.pause(3, "the data moves").state
            'paused'
        """
        return self._post(at("schedules", schedule, "pause"), wire.Schedule, Reason(reason=reason))

    def resume(self, schedule: int) -> wire.Schedule:
        """Start builds again from the next time on, in your name.

        Args:
            schedule: Its number.

        Returns:
            The schedule as it is now.

        Raises:
            ScheduleNotFound: There is no such schedule, or you may not see it.
            Denied: Your role does not allow builds of the model.

        Example:
            >>> client.schedules.resume(3).next
            'next in 6 h: 2026-12-01 02:30 Europe/Berlin'
        """
        return self._post(at("schedules", schedule, "resume"), wire.Schedule)

    def fire(self, schedule: int) -> build_wire.Build:
        """Start a build of a schedule now, in your name, whether it is paused or not.

        Args:
            schedule: Its number.

        Returns:
            The build, queued.

        Raises:
            ScheduleNotFound: There is no such schedule, or you may not see it.
            Denied: Your role does not allow builds of the model.

        Example:
            >>> client.schedules.fire(3).status
            'queued'
        """
        return self._post(at("schedules", schedule, "fire"), build_wire.Build)

    def remove(self, schedule: int) -> None:
        """Delete a schedule and the record of its times. Its builds stay.

        Args:
            schedule: Its number.

        Raises:
            ScheduleNotFound: There is no such schedule, or you may not see it.
            Denied: Your role does not allow builds of the model.

        Example:
            >>> client.schedules.remove(3)
        """
        self._call("DELETE", at("schedules", schedule))
