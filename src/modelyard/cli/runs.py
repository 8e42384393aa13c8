"""Runs from the command line: `modelyard runs` and `modelyard sync`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.arguments import RUN
from modelyard.cli.base import Session, command, command_group, confirm
from modelyard.cli.output import is_terminal

if TYPE_CHECKING:
    from modelyard.sdk.client import Client
    from modelyard.sdk.runs.reading import RunDetails
    from modelyard.wire import runs as wire


@command_group("runs")
def runs() -> None:
    """List and inspect training runs. Name a run by its id, or by the beginning of its id."""


@command(
    "ls", group=runs, example="modelyard runs ls --experiment fraud/trees --metric 'f1>=0.7' --status finished"
)
@click.option("--namespace", help="Only in this namespace.")
@click.option("--experiment", help="Only runs of this experiment, for example fraud/trees.")
@click.option(
    "--status",
    type=click.Choice(["running", "finished", "failed", "killed", "stale"]),
    help="Only runs in this state; stale: running, but without a heartbeat.",
)
@click.option("--name", help="Only runs whose name begins with this.")
@click.option("--parent", help="Only runs nested in this run; none: only top-level runs.")
@click.option("--tag", "tags", multiple=True, metavar="K[=V]", help="Only runs with this tag; may be repeated.")
@click.option(
    "--param", "params", multiple=True, metavar="K[=V]", help="Only runs with this param; may be repeated."
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="K>=V",
    help="Only runs whose newest value meets this condition; may be repeated.",
)
@click.option("--dataset", metavar="DIGEST", help="Only runs that read this dataset.")
@click.option("--actor", "created_by", metavar="ACCOUNT", help="Only runs created by this account.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Show at most this many.")
def list_runs(session: Session, **conditions: Any) -> None:
    """List runs, newest first."""
    experiment = conditions.get("experiment")
    session.out.page(
        session.client.runs.list(**conditions),
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
        empty=f"No runs in the experiment {experiment}. List experiments with: modelyard runs experiments"
        if experiment
        else "No runs match. Start one with: modelyard run -- python train.py",
    )


def _number(value: float | str) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@command("show", group=runs, example="modelyard runs show 1f0a9c3e7d52")
@click.argument("run", type=RUN)
def show_run(session: Session, run: str) -> None:
    """Show a run, without its points, its log and the contents of its files."""
    details = session.client.runs.get(run)
    if session.answered(details):
        return
    session.out.pairs(_rows(details))
    for words in details.notes:
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
        *[(f"file {artifact.path}", f"{artifact.size_bytes} bytes") for artifact in run.artifacts],
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


@command("series", group=runs, example="modelyard runs series 1f0a9c3e7d52 loss --points 20")
@click.argument("run", type=RUN)
@click.argument("metric")
@click.option("--from", "from_step", type=int, help="First step to print.")
@click.option("--to", "to_step", type=int, help="Last step to print.")
@click.option(
    "--points", type=click.IntRange(2, 5000), default=1000, show_default=True, help="Show at most this many."
)
@click.option(
    "--order",
    "by",
    type=click.Choice(["step", "time"]),
    default="step",
    show_default=True,
    help="Order of the points.",
)
def series(session: Session, run: str, metric: str, **options: Any) -> None:
    """Print a metric of a run; a long one is sampled so that its chart looks the same."""
    client = session.client
    points = client.runs.series(run, metric, **options)
    if session.answered(points):
        return
    rows = zip(points.steps, points.times, points.values, strict=True)
    session.out.table(("step", "time", "value"), [(s, _time(t), _number(v)) for s, t, v in rows])
    if points.sampled:
        session.out.note(f"{len(points.values)} of {points.count} points.")


def _time(moment: int) -> str:
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(moment / 1_000_000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return str(moment)


@command("log", group=runs, example="modelyard runs log 1f0a9c3e7d52")
@click.argument("run", type=RUN)
def log(session: Session, run: str) -> None:
    """Print the log of a run, as far as it has arrived."""
    text = "".join(session.client.runs.log(run))
    if session.as_json:
        session.out.json({"text": text})
    else:
        # A progress bar returns to the beginning of its line; here each of its states gets a line.
        session.out.text(text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n"))


@command("pull", group=runs, example="modelyard runs pull 1f0a9c3e7d52 ./plots plots/roc.png")
@click.argument("run", type=RUN)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("paths", nargs=-1)
def pull(session: Session, run: str, folder: Path, paths: tuple[str, ...]) -> None:
    """Download the files of a run, or some of them, into a folder; every byte is verified."""
    from modelyard.sdk.runs.files import pull_files

    client = session.client
    left_out = pull_files(client, client.runs.get(run), folder, paths)
    if session.answered({"folder": str(folder), "withheld": [str(each.fields["path"]) for each in left_out]}):
        return
    session.out.text(str(folder))
    for each in left_out:
        session.out.note(f"Left out: {each.message}")


@command("delete", group=runs, example="modelyard runs delete 1f0a9c3e7d52 --yes")
@click.argument("run", type=RUN)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete(session: Session, run: str, yes: bool) -> None:
    """Delete a run with everything it holds. A run that produced a version cannot be deleted."""
    uid = session.client.runs.get(run).id
    confirm(session, f"Delete run {uid}?", yes)
    session.client.runs.delete(uid)
    session.say({"deleted": uid}, f"{uid}\tdeleted")


@command("experiments", group=runs, example="modelyard runs experiments --namespace fraud")
@click.option("--namespace", help="Only in this namespace.")
@click.option("--describe", "name", metavar="EXPERIMENT", help="Describe this experiment.")
@click.option("--words", default="", help="With --describe: the description.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Show at most this many.")
def experiments(session: Session, namespace: str | None, name: str | None, words: str, limit: int) -> None:
    """List experiments, with the newest runs first."""
    listed: Any
    if name is not None:
        listed = [session.client.runs.describe_experiment(name, words)]
    else:
        listed = session.client.runs.experiments(namespace, limit)

    def row(experiment: wire.Experiment) -> tuple[object, ...]:
        return experiment.name, experiment.runs, experiment.updated_at[:19], experiment.description

    session.out.page(listed, ("experiment", "runs", "newest", "description"), row, empty="No experiments yet.")


@command("sync", example="modelyard sync")
def sync(session: Session) -> int:
    """Send the records and registrations of runs that were kept while the server could not be reached, or offline.

    Nothing is sent twice. Records that the server refuses are kept. Active runs send their own records.
    """
    import os

    from modelyard.sdk.client import Client
    from modelyard.sdk.runs.offline import sync as send

    def connect(server: str | None) -> Client:
        # The address given now takes precedence over the one the run began with: a server may have moved.
        return Client(session.server or os.environ.get("MODELYARD_URL") or server, patience_seconds=5)

    done = send(connect)
    session.out.page(
        done,
        ("run", "outcome", "records", "version or reason"),
        lambda s: (s.run, s.outcome, s.records, s.version or s.reason),
        empty="There is nothing to send.",
    )
    if not session.as_json and is_terminal():
        # A table cuts reasons that are too long for the line.
        for each in done:
            if each.reason:
                session.out.note(f"{each.run}: {each.reason}")
    return 6 if any(each.outcome == "kept" for each in done) else 0
