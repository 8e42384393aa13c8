"""`client.runs`: runs, their series, logs and files, as the server has them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from modelyard.sdk.http import at
from modelyard.sdk.paging import items
from modelyard.sdk.session import Feature
from modelyard.sdk.views import run_table
from modelyard.wire import runs as wire


class RunInfo(wire.Run, kw_only=True):
    """A run as lists show it."""

    def _repr_html_(self) -> str:
        return run_table(self.name, self.id, _status(self), self.experiment, self.params, self.metrics)


class RunDetails(wire.RunDetails, kw_only=True):
    """A run with all that it holds but its points, its log and the bytes of its files."""

    def _repr_html_(self) -> str:
        return run_table(self.name, self.id, _status(self), self.experiment, self.params, self.metrics)


class RunInfoPage(wire.RunPage, kw_only=True):
    items: list[RunInfo]  # type: ignore[assignment]


class Runs(Feature):
    """`client.runs`."""

    def list(
        self,
        *,
        id: str | None = None,
        namespace: str | None = None,
        experiment: str | None = None,
        status: str | None = None,
        name: str | None = None,
        parent: str | None = None,
        tags: Sequence[str] = (),
        params: Sequence[str] = (),
        metrics: Sequence[str] = (),
        dataset: str | None = None,
        created_by: str | None = None,
        limit: int | None = None,
    ) -> Iterator[RunInfo]:
        """The newest first. tags, params: `key=value` or `key`; metrics: `f1>=0.7`, of the newest value.

        status: running, finished, failed, killed or stale. parent: a run's id, or "none" for top-level runs.
        id, name: what it begins with. dataset: digest of an input.
        """
        query = wire.RunQuery(
            id=id,
            namespace=namespace,
            experiment=experiment,
            status=status,
            name=name,
            parent=parent,
            tag=[*tags],
            param=[*params],
            metric=[*metrics],
            dataset=dataset,
            created_by=created_by,
        )
        return items(self._transport, at("runs"), query, RunInfoPage, limit)

    def get(self, run: str) -> RunDetails:
        """run: its whole id. Raises RunNotFound."""
        return self._transport.call("GET", at("runs", run), returns=RunDetails)

    def series(
        self,
        run: str,
        metric: str,
        *,
        from_step: int | None = None,
        to_step: int | None = None,
        points: int = 1000,
        by: str = "step",
    ) -> wire.Series:
        """A metric by step or time, at most so many points, chosen so that a chart of them looks the same."""
        query = wire.SeriesQuery(metric=metric, from_step=from_step, to_step=to_step, points=points, by=by)
        return self._transport.call("GET", at("runs", run, "series"), query=query, returns=wire.Series)

    def log(self, run: str) -> Iterator[str]:
        """What the run printed, piece by piece, as far as it is there now."""
        position = 0
        while True:
            query = wire.LogQuery(position=position)
            part: wire.LogPart = self._transport.call(
                "GET", at("runs", run, "log"), query=query, returns=wire.LogPart
            )
            if not part.text:
                return
            yield part.text
            position = part.end

    def pull(self, run: str, to: str | Path, paths: Sequence[str] = ()) -> Path:
        """Put the run's files, or those of these paths, into a folder, every byte verified; returns the folder.

        Without paths, files that are withheld are left out, with a warning for each.
        """
        from modelyard.sdk.runs.files import pull_files

        for left_out in pull_files(self._session, self.get(run), Path(to), paths):
            warnings.warn(left_out.message, stacklevel=2)
        return Path(to)

    def delete(self, run: str) -> None:
        """Raises HasDependents for a run that a version came out of."""
        self._transport.call("DELETE", at("runs", run))

    def experiments(self, namespace: str | None = None, limit: int | None = None) -> Iterator[wire.Experiment]:
        """Those with the newest runs first."""
        query = wire.ExperimentQuery(namespace=namespace)
        return items(self._transport, at("experiments"), query, wire.ExperimentPage, limit)

    def describe_experiment(self, experiment: str, description: str) -> wire.Experiment:
        """Say what an experiment is about."""
        name = self._session.model_name(experiment)
        return self._transport.call(
            "PATCH",
            at("experiments", name.namespace, name.name),
            body=wire.DescribeExperiment(description=description),
            returns=wire.Experiment,
        )


def _status(run: wire.Run) -> str:
    return "stale (it says nothing any more)" if run.stale else run.status
