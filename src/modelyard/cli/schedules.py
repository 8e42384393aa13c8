"""Schedules from the command line: builds that start at times, or when something happens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from modelyard.cli.arguments import BUILD, MODEL, PARAMS
from modelyard.cli.base import Session, command, command_group, confirm
from modelyard.cli.output import param_values

if TYPE_CHECKING:
    from modelyard.wire import schedules as wire

F = TypeVar("F", bound=Callable[..., Any])
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_SHOWN = 20
_OPTIONS = (
    click.option(
        "--cron",
        metavar="CRON",
        help="Cron expression of five fields, for example '30 2 * * *', or @daily and the like.",
    ),
    click.option("--zone", metavar="ZONE", help="IANA time zone of the cron expression. Default: UTC."),
    click.option("--every", metavar="TIME", help="Interval, for example 6h, counted from now."),
    click.option("--on-dataset", metavar="DATASET", help="Start a build when this dataset has new content."),
    click.option(
        "--on-version",
        metavar="MODEL[@STAGE]",
        help="Start a build when this model has a new version, or one gets to a stage or an alias.",
    ),
    click.option(
        "--on-retraining",
        metavar="DEPLOYMENT",
        help="Start a build when this deployment needs retraining, for example by drift.",
    ),
    click.option(
        "--build",
        type=BUILD,
        help="Repeat this build instead of sending a folder: its id, or the beginning of it.",
    ),
    PARAMS,
    click.option(
        "--pool", metavar="POOL", help="Pool of the builds. Default: the recipe's, then the server's first."
    ),
    click.option(
        "--missed",
        type=click.Choice(["latest", "skip"]),
        help="After times without a server: start one build for the latest, or none. Default: latest.",
    ),
    click.option(
        "--overlap",
        type=click.Choice(["skip", "queue", "replace"]),
        help="If the last build still runs: skip the time, wait, or cancel the build. Default: skip; for events: queue.",
    ),
    click.option("--jitter", metavar="TIME", help="Start up to this much later, for example 5m. Default: 0."),
    click.option(
        "--debounce",
        metavar="TIME",
        help="Wait this long after an event, so that several start one build. Default: 0.",
    ),
    click.option(
        "--pause-after",
        type=click.IntRange(0),
        metavar="N",
        help="Pause after N builds in a row that did not succeed; 0: never. Default: 3.",
    ),
)


def _options(function: F) -> F:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@command_group("schedule")
def schedule() -> None:
    """Start builds without a person: at times, on new data, or on a new version of another model."""


@command(
    "add",
    group=schedule,
    example="modelyard schedule add --cron '30 2 * * *' --zone Europe/Berlin\n"
    "modelyard schedule add ./fraud --on-dataset fraud/transactions --debounce 10m\n"
    "modelyard schedule add --build 1f0a9c3e7d52 --every 6h --jitter 5m",
)
@click.argument("folder", type=_FOLDER, default=".")
@click.option("--model", type=MODEL, help="Model whose next versions it makes. Default: the recipe's.")
@_options
def add(
    session: Session,
    folder: Path,
    model: str | None,
    build: str | None,
    params: tuple[str, ...],
    **options: Any,
) -> None:
    """Build a folder at times or on events, in your name. Its source is sent now, as it is on disk."""
    made = session.client.schedules.add(
        None if build else folder,
        build=build,
        model=model,
        params=param_values(params) or None,
        progress=session.progress,
        **options,
    )
    if session.answered(made):
        return
    session.out.text(str(made.id))
    session.out.note(f"Schedule {made.id} builds {made.model} {made.words}; {made.next}")
    session.out.note(f"Start a first build now with: modelyard schedule fire {made.id}")


@command("ls", group=schedule, example="modelyard schedule ls --model fraud/scorer")
@click.option("--namespace", help="Only in this namespace.")
@click.option("--model", type=MODEL, help="Only schedules of this model.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Show at most this many.")
def list_schedules(session: Session, **conditions: Any) -> None:
    """List schedules, newest first."""
    session.out.page(
        session.client.schedules.list(**conditions),
        ("id", "model", "when", "next", "owner", "last"),
        lambda s: (s.id, s.model, s.words, s.next, s.owner, _outcome(s.last)),
        empty="No schedules match. Add one in a folder with a recipe: modelyard schedule add --cron '30 2 * * *'",
    )


def _outcome(firing: wire.Firing | None) -> str:
    if firing is None:
        return ""
    if firing.build is not None:
        return f"started build {firing.build[:12]}"
    return f"skipped: {firing.reason}"


@command("show", group=schedule, example="modelyard schedule show 3")
@click.argument("number", type=int)
def show(session: Session, number: int) -> None:
    """Show a schedule: its next times, and what became of the last ones."""
    found = session.client.schedules.get(number)
    firings = [*session.client.schedules.firings(number, limit=_SHOWN)]
    if session.as_json:
        session.out.json({**_plain(found), "firings": [_plain(firing) for firing in firings]})
        return
    session.out.pairs(_rows(found))
    session.out.table(
        ("time", "times", "outcome", "for"),
        [(f.last_due_at[:19], f.count, _outcome(f), f.cause) for f in firings],
    )


def _plain(answer: Any) -> dict[str, Any]:
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(answer)
    return found


def _rows(found: wire.Schedule) -> list[tuple[str, Any]]:
    rows = [
        ("schedule", found.id),
        ("model", found.model),
        ("when", found.words),
        ("next", found.next),
        ("after that", ", ".join(time[:16].replace("T", " ") + " UTC" for time in found.times[1:])),
        ("in the name of", found.owner),
        ("missed times", found.missed),
        ("while one runs", found.overlap),
        ("jitter", f"{found.jitter_seconds} s" if found.jitter_seconds else ""),
        ("debounce", f"{found.debounce_seconds} s" if found.debounce_seconds else ""),
        ("pauses after", f"{found.pause_after} failures in a row" if found.pause_after else "never"),
        ("failures", found.failures or ""),
        ("pool", found.pool),
        ("source", found.bundle),
        *[(f"param {name}", value) for name, value in found.params.items()],
    ]
    return [(name, value) for name, value in rows if value not in (None, "")]


@command(
    "edit",
    group=schedule,
    example="modelyard schedule edit 3 --zone America/New_York\nmodelyard schedule edit 3 --folder ./fraud",
)
@click.argument("number", type=int)
@click.option("--folder", type=_FOLDER, help="Folder whose source is built from now on. Default: unchanged.")
@_options
def edit(session: Session, number: int, folder: Path | None, params: tuple[str, ...], **options: Any) -> None:
    """Change a schedule. Its next time counts from now, and its builds run in your name from now on."""
    _say(
        session,
        session.client.schedules.edit(
            number, folder, params=param_values(params) or None, progress=session.progress, **options
        ),
    )


def _say(session: Session, found: wire.Schedule) -> None:
    session.say(found, f"Schedule {found.id} builds {found.model} {found.words}; {found.next}")


@command("pause", group=schedule, example='modelyard schedule pause 3 --reason "the data moves"')
@click.argument("number", type=int)
@click.option("--reason", help="Why; it is shown with the schedule.")
def pause(session: Session, number: int, reason: str | None) -> None:
    """Start no builds until the schedule is resumed."""
    _say(session, session.client.schedules.pause(number, reason))


@command("resume", group=schedule, example="modelyard schedule resume 3")
@click.argument("number", type=int)
def resume(session: Session, number: int) -> None:
    """Start builds again from the next time on, in your name."""
    _say(session, session.client.schedules.resume(number))


@command("fire", group=schedule, example="modelyard schedule fire 3")
@click.argument("number", type=int)
def fire(session: Session, number: int) -> None:
    """Start a build of a schedule now, in your name, whether it is paused or not."""
    build = session.client.schedules.fire(number)
    if not session.answered(build):
        session.out.text(build.id[:12])
        session.out.note(f"Follow it with: modelyard builds log {build.id[:12]} --follow")


@command("rm", group=schedule, example="modelyard schedule rm 3 --yes")
@click.argument("number", type=int)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def remove(session: Session, number: int, yes: bool) -> None:
    """Delete a schedule and the record of its times. Its builds stay."""
    confirm(session, f"Delete schedule {number}?", yes)
    session.client.schedules.remove(number)
    session.say({"removed": number}, f"Deleted schedule {number}")
