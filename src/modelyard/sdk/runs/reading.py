"""`client.runs`: runs, their series, logs and files, as the server has them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from modelyard.sdk.http import at
from modelyard.sdk.paging import Items
from modelyard.sdk.session import Feature
from modelyard.sdk.views import run_table
from modelyard.wire import runs as wire


class RunInfo(wire.Run, kw_only=True):
    """A run as lists show it."""

    def _repr_html_(self) -> str:
        return run_table(self.name, self.id, _status(self), self.experiment, self.params, self.metrics)

    def cells(self) -> dict[str, object]:
        """Return the cells of a row in a list.

        Never raises.

        Returns:
            Name and value of each cell.

        Example:
            >>> next(client.runs.list()).cells()["status"]
            'finished'
        """
        metrics = ", ".join(f"{name}={value}" for name, value in list(self.metrics.items())[:5])
        return {
            "id": self.id[:12],
            "name": self.name,
            "experiment": self.experiment,
            "status": _status(self),
            "started": self.started_at[:19],
            "by": self.created_by,
            "metrics": metrics,
        }


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
    ) -> Items[RunInfo]:
        """Find runs, newest first; all conditions must hold.

        Args:
            id: The id begins with this text.
            namespace: Only runs of this namespace.
            experiment: Only runs of this experiment.
            status: `running`, `finished`, `failed`, `killed` or `stale`.
            name: The name begins with this text.
            parent: Id of the parent run, or `none` for runs without one.
            tags: `key=value`, or `key` for any value.
            params: `name=value`, or `name` for any value.
            metrics: Conditions such as `f1>=0.7`, on the newest value of the metric.
            dataset: Digest of an input.
            created_by: Only runs of this account.
            limit: Return at most this many; None: all.

        Returns:
            One run at a time.

        Raises:
            Invalid: A condition cannot be read.

        Example:
            >>> [run.name for run in client.runs.list(experiment="fraud/trees", metrics=["f1>=0.9"])]
            ['first']
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
        return self._items(at("runs"), query, RunInfoPage, limit)

    def get(self, run: str) -> RunDetails:
        """Return one run, without its points, its log and the bytes of its files.

        Args:
            run: The full id of the run.

        Returns:
            The run.

        Raises:
            RunNotFound: There is no such run, or you may not see it.

        Example:
            >>> client.runs.get(run_id).metrics
            {'f1': 0.93}
        """
        return self._get(at("runs", run), RunDetails)

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
        """Return a metric of a run by step or by time.

        Args:
            run: The full id of the run.
            metric: Name of the metric.
            from_step: First step; None: from the beginning.
            to_step: Last step; None: to the end.
            points: Return at most this many points, chosen so that a chart of them looks the same.
            by: `step` or `time`.

        Returns:
            The points; `sampled` says whether some were left out.

        Raises:
            SeriesNotFound: The run has no such metric.
            RunNotFound: There is no such run, or you may not see it.

        Example:
            >>> client.runs.series(run_id, "loss").values
            [0.9, 0.5, 0.31]
        """
        query = wire.SeriesQuery(metric=metric, from_step=from_step, to_step=to_step, points=points, by=by)
        return self._get(at("runs", run, "series"), wire.Series, query)

    def log(self, run: str) -> Iterator[str]:
        """Return the log of a run, as far as it has arrived.

        Args:
            run: The full id of the run.

        Returns:
            The text, piece by piece.

        Raises:
            RunNotFound: There is no such run, or you may not see it.

        Example:
            >>> print("".join(client.runs.log(run_id)))
        """
        position = 0
        while True:
            query = wire.LogQuery(position=position)
            part: wire.LogPart = self._get(at("runs", run, "log"), wire.LogPart, query)
            if not part.text:
                return
            yield part.text
            position = part.end

    def pull(self, run: str, to: str | Path, paths: Sequence[str] = ()) -> Path:
        """Put the files of a run into a folder, with every byte verified.

        Without `paths`, files that are withheld are left out, with a warning for each.

        Args:
            run: The full id of the run.
            to: The folder.
            paths: Only these files; empty: all.

        Returns:
            The folder.

        Raises:
            FileNotFound: The run has no file of one of these paths.
            FileWithheld: A file in `paths` is withheld.
            DownloadCorrupt: The bytes that arrived are not those that the run names.
            RunNotFound: There is no such run, or you may not see it.

        Example:
            >>> client.runs.pull(run_id, "./files", ["report.html"])
            PosixPath('files')
        """
        from modelyard.sdk.runs.files import pull_files

        for left_out in pull_files(self._session, self.get(run), Path(to), paths):
            warnings.warn(left_out.message, stacklevel=2)
        return Path(to)

    def delete(self, run: str) -> None:
        """Delete a run.

        Args:
            run: The full id of the run.

        Raises:
            HasDependents: The run produced a version.
            RunNotFound: There is no such run, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.runs.delete(run_id)
        """
        self._call("DELETE", at("runs", run))

    def experiments(self, namespace: str | None = None, limit: int | None = None) -> Iterator[wire.Experiment]:
        """Return experiments, with the newest runs first.

        Args:
            namespace: Only experiments of this namespace; None: of all that you may see.
            limit: Return at most this many; None: all.

        Returns:
            One experiment at a time.

        Raises:
            ServerUnreachable: The server does not answer.

        Example:
            >>> [experiment.name for experiment in client.runs.experiments("fraud")]
            ['fraud/trees']
        """
        query = wire.ExperimentQuery(namespace=namespace)
        return self._items(at("experiments"), query, wire.ExperimentPage, limit)

    def describe_experiment(self, experiment: str, description: str) -> wire.Experiment:
        """Describe an experiment.

        Args:
            experiment: `namespace/name`, or a name in your default namespace.
            description: What the experiment is about.

        Returns:
            The experiment as it is now.

        Raises:
            ExperimentNotFound: There is no such experiment, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.runs.describe_experiment("fraud/trees", "Gradient-boosted trees").runs
            14
        """
        name = self._session.model_name(experiment)
        return self._call(
            "PATCH",
            at("experiments", name.namespace, name.name),
            body=wire.DescribeExperiment(description=description),
            returns=wire.Experiment,
        )


def _status(run: wire.Run) -> str:
    return "stale (no heartbeat)" if run.stale else run.status
