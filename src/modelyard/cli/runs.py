"""Runs from the command line: `modelyard runs …` and `modelyard sync`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.base import LazyGroup, Session, command, confirm
from modelyard.cli.output import is_terminal

if TYPE_CHECKING:
    from modelyard.sdk.client import Client
    from modelyard.sdk.runs.reading import RunDetails
    from modelyard.wire import runs as wire

_HERE = "modelyard.cli.runs"


@click.group(
    "runs",
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:list_runs", "List runs, the newest first."),
        "show": (f"{_HERE}:show_run", "Show all that a run holds."),
        "series": (f"{_HERE}:series", "Print a metric of a run by step or time."),
        "log": (f"{_HERE}:log", "Print what a run printed."),
        "pull": (f"{_HERE}:pull", "Put the files of a run into a folder."),
        "delete": (f"{_HERE}:delete", "Delete a run that no version came out of."),
        "experiments": (f"{_HERE}:experiments", "List experiments, or say what one is about."),
    },
)
def runs() -> None:
    """See what trainings said of themselves. A run is named by its id or the beginning of it."""


@command("ls", example="modelyard runs ls --experiment fraud/trees --metric 'f1>=0.7' --status finished")
@click.option("--namespace", help="Only of this namespace.")
@click.option("--experiment", help="Only of this experiment, as fraud/trees.")
@click.option(
    "--status",
    type=click.Choice(["running", "finished", "failed", "killed", "stale"]),
    help="Only in this state; stale ones should be running and say nothing.",
)
@click.option("--name", help="Only names that begin so.")
@click.option("--parent", help="Only those nested in this run; none: top-level ones.")
@click.option("--tag", "tags", multiple=True, metavar="K[=V]", help="Only with this tag.")
@click.option("--param", "params", multiple=True, metavar="K[=V]", help="Only with this param.")
@click.option("--metric", "metrics", multiple=True, metavar="K>=V", help="Only with a newest value so.")
@click.option("--dataset", metavar="DIGEST", help="Only those that read this dataset.")
@click.option("--by", "created_by", metavar="ACCOUNT", help="Only of this account.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
def list_runs(
    session: Session,
    tags: tuple[str, ...],
    params: tuple[str, ...],
    metrics: tuple[str, ...],
    limit: int,
    **conditions: Any,
) -> None:
    """List runs, the newest first."""
    if conditions["parent"] not in (None, "none"):
        conditions["parent"] = find_id(session.client, conditions["parent"])
    session.out.page(
        session.client.runs.list(tags=tags, params=params, metrics=metrics, limit=limit, **conditions),
        ("id", "name", "experiment", "status", "started", "by", "metrics"),
        lambda r: (
            r.id[:12],
            r.name,
            r.experiment,
            "stale" if r.stale else r.status,
            r.started_at[:19],
            r.created_by,
            ", ".join(f"{name}={_number(value)}" for name, value in list(r.metrics.items())[:5]),
        ),
        empty="No run yet. Begin one with: modelyard run -- python train.py",
    )


def _number(value: float | str) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def find_id(client: Client, text: str) -> str:
    """The whole id of a run whose id begins so. Raises RunNotFound, UsageError."""
    from modelyard.domain.errors import RunNotFound

    if len(text) == 32:
        return text
    if len(text) < 4:
        raise click.UsageError("The beginning of a run's id needs at least 4 digits.")
    found = [run.id for run in client.runs.list(id=text, limit=2)]
    if len(found) > 1:
        raise click.UsageError(f"Several runs begin with {text}; write more of the id.")
    if not found:
        raise RunNotFound(run=text)
    return found[0]


@command("show", example="modelyard runs show 1f0a9c3e7d52")
@click.argument("run")
def show_run(session: Session, run: str) -> None:
    """Show all that a run holds but its points, its log and its files."""
    found = session.client.runs.get(find_id(session.client, run))
    if session.as_json:
        session.out.json(found)
        return
    session.out.pairs(_rows(found))
    for words in found.notes:
        session.out.note(words)


def _rows(run: RunDetails) -> list[tuple[str, str]]:
    seconds = "" if run.seconds is None else f" after {run.seconds:.1f} s"
    code, environment = run.facts.get("code", {}), run.facts.get("environment", {})
    rows = [
        ("run", run.id),
        ("name", run.name),
        ("experiment", run.experiment),
        ("status", f"{'stale' if run.stale else run.status}{seconds}"),
        ("exit code", "" if run.exit_code is None else str(run.exit_code)),
        ("started", f"{run.started_at} by {run.created_by}"),
        ("parent", run.parent or ""),
        ("code", _code(code)),
        ("environment", f"Python {environment['python']}" if "python" in environment else ""),
        *[(f"resource {name}", str(value)) for name, value in run.facts.get("resources", {}).items()],
        *[(f"param {name}", str(value)) for name, value in run.params.items()],
        *[(f"metric {m.name}", f"{_number(m.value)} at step {m.step}, {m.count} points") for m in run.series],
        *[(f"tag {key}", value) for key, value in run.tags.items()],
        *[(f"input {entry.get('name')}", str(entry.get("digest"))) for entry in run.inputs],
        *[(f"file {artifact.path}", f"{artifact.size} bytes") for artifact in run.artifacts],
        ("versions", " ".join(run.versions)),
        ("clock", f"{run.clock_skew_seconds:+.0f} s to the server's" if run.clock_skew_seconds else ""),
    ]
    return [(name, text) for name, text in rows if text]


def _code(code: dict[str, Any]) -> str:
    commit = str(code.get("commit", ""))[:12]
    return " ".join(
        part
        for part in (str(code.get("entry_point", "")), commit, "dirty" if code.get("dirty") else "")
        if part
    )


@command("series", example="modelyard runs series 1f0a9c3e7d52 loss --points 20")
@click.argument("run")
@click.argument("metric")
@click.option("--from", "from_step", type=int, help="From this step on.")
@click.option("--to", "to_step", type=int, help="Up to this step.")
@click.option(
    "--points", type=click.IntRange(2, 5000), default=1000, show_default=True, help="At most so many."
)
@click.option(
    "--by", type=click.Choice(["step", "time"]), default="step", show_default=True, help="In this order."
)
def series(
    session: Session, run: str, metric: str, from_step: int | None, to_step: int | None, points: int, by: str
) -> None:
    """Print a metric of a run; of a long one the points that draw the same picture."""
    client = session.client
    found = client.runs.series(
        find_id(client, run), metric, from_step=from_step, to_step=to_step, points=points, by=by
    )
    if session.as_json:
        session.out.json(found)
        return
    rows = zip(found.steps, found.times, found.values, strict=True)
    session.out.table(("step", "time", "value"), [(s, _time(t), _number(v)) for s, t, v in rows])
    if found.sampled:
        session.out.note(f"{len(found.values)} of {found.count} points.")


def _time(moment: int) -> str:
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(moment / 1_000_000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return str(moment)


@command("log", example="modelyard runs log 1f0a9c3e7d52")
@click.argument("run")
def log(session: Session, run: str) -> None:
    """Print what a run printed, as far as it is there."""
    text = "".join(session.client.runs.log(find_id(session.client, run)))
    if session.as_json:
        session.out.json({"text": text})
    else:
        # A progress bar goes back to the beginning of its line; here each of its states has a line.
        session.out.text(text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n"))


@command("pull", example="modelyard runs pull 1f0a9c3e7d52 ./plots plots/roc.png")
@click.argument("run")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("paths", nargs=-1)
def pull(session: Session, run: str, folder: Path, paths: tuple[str, ...]) -> None:
    """Put the files of a run, or some of them, into a folder, every byte verified."""
    from modelyard.sdk.runs.files import pull_files

    client = session.client
    left_out = pull_files(client, client.runs.get(find_id(client, run)), folder, paths)
    if session.as_json:
        session.out.json({"folder": str(folder), "withheld": [str(each.fields["path"]) for each in left_out]})
        return
    session.out.text(str(folder))
    for each in left_out:
        session.out.note(f"Left out: {each.message}")


@command("delete", example="modelyard runs delete 1f0a9c3e7d52 --yes")
@click.argument("run")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(session: Session, run: str, yes: bool) -> None:
    """Delete a run with all that it holds. One that a version came out of stays."""
    uid = find_id(session.client, run)
    confirm(session, f"Delete run {uid}?", yes)
    session.client.runs.delete(uid)
    session.out.json({"deleted": uid}) if session.as_json else session.out.text(f"{uid}\tdeleted")


@command("experiments", example="modelyard runs experiments --namespace fraud")
@click.option("--namespace", help="Only of this namespace.")
@click.option("--describe", "name", metavar="EXPERIMENT", help="Say what this experiment is about.")
@click.option("--words", default="", help="With --describe: the words.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
def experiments(session: Session, namespace: str | None, name: str | None, words: str, limit: int) -> None:
    """List experiments, those with the newest runs first."""
    found: Any
    if name is not None:
        found = [session.client.runs.describe_experiment(name, words)]
    else:
        found = session.client.runs.experiments(namespace, limit)

    def row(experiment: wire.Experiment) -> tuple[object, ...]:
        return experiment.name, experiment.runs, experiment.updated_at[:19], experiment.description

    session.out.page(found, ("experiment", "runs", "newest", "description"), row, empty="No experiment yet.")


@command("sync", example="modelyard sync")
def sync(session: Session) -> int:
    """Send what runs said, and register what they made, while the server could not be reached, or offline.

    Nothing is sent twice. What the server does not take stays where it is. Runs that are going on send by themselves.
    """
    from modelyard.sdk.client import Client
    from modelyard.sdk.runs.offline import sync as send

    def connect(server: str | None) -> Client:
        return Client(session.server or server, patience_seconds=5)

    done = send(connect)
    session.out.page(
        done,
        ("run", "outcome", "records", "version or reason"),
        lambda s: (s.run, s.outcome, s.records, s.version or s.reason),
        empty="There is nothing to send.",
    )
    if not session.as_json and is_terminal():
        # A table cuts what is too long for its line.
        for each in done:
            if each.reason:
                session.out.note(f"{each.run}: {each.reason}")
    return 6 if any(each.outcome == "kept" for each in done) else 0
