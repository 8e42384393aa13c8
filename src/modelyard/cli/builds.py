"""Builds from the command line: `modelyard build`, `modelyard builds`, `modelyard recipe` and `modelyard pool`."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.arguments import BUILD, MODEL, PARAMS, REF
from modelyard.cli.base import Session, command, command_group
from modelyard.cli.errors import FAILED, INTERRUPTED, OK, REFUSED, USAGE
from modelyard.cli.output import key_values, param_values
from modelyard.domain.sizes import size_words

if TYPE_CHECKING:
    from modelyard.wire import builds as wire

RECIPE = "modelyard.yaml"
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_WAIT = click.option(
    "--wait/--detach",
    default=True,
    help="Follow the build to its end, or only start it. Default: follow it.",
)


@command(
    "build",
    example="modelyard build\nmodelyard build ./fraud --param depth=4 --detach",
)
@click.argument("folder", type=_FOLDER, default=".")
@PARAMS
@click.option(
    "--model", type=MODEL, help="Model whose next version the build registers. Default: the recipe's."
)
@click.option(
    "--pool", metavar="POOL", help="Pool in which it runs. Default: the recipe's, then the server's first."
)
@click.option(
    "--priority",
    type=click.Choice(["low", "normal", "high"]),
    help="Place in the queue of the pool; `high` is for maintainers. Default: the recipe's, then the pool's.",
)
@_WAIT
def build(
    session: Session,
    folder: Path,
    params: tuple[str, ...],
    model: str | None,
    pool: str | None,
    priority: str | None,
    wait: bool,
) -> int:
    """Build a folder by its recipe, modelyard.yaml: train, test, evaluate, register and promote.

    The source is sent as it is on disk, without what git ignores and what .modelyardignore lists. Ctrl-C detaches; the
    build goes on. The exit code is 0 when it succeeded, 1 when it did not, and 3 when the version was registered but the
    gate refused its promotion.
    """
    submitted = session.client.builds.submit(
        folder,
        model=model,
        params=param_values(params),
        pool=pool,
        priority=priority,
        progress=session.progress,
    )
    return _started(session, submitted, wait)


def _started(session: Session, submitted: wire.Build, wait: bool) -> int:
    short = submitted.id[:12]
    words = f"build {short} of {submitted.model} in the pool {submitted.pool}"
    if not wait:
        if not session.answered(submitted):
            session.out.text(short)
            session.out.note(f"Started {words}. {_next_steps(short)}")
        return OK
    session.out.note(words)
    return _follow(session, submitted.id)


def _next_steps(build: str) -> str:
    return f"Follow it with: modelyard builds log {build} --follow; cancel it with: modelyard builds cancel {build}"


def _follow(session: Session, build: str) -> int:
    """Print the steps and the log of a build until it ends, then its result, and return the exit code."""
    details = _watch(session, build)
    if details is None:
        return INTERRUPTED
    if not session.answered(details):
        _show_end(session, details)
    return exit_code_of(details)


def _watch(session: Session, build: str) -> wire.BuildDetails | None:
    """Print the steps and the log of a build until it ends. None: a person detached from it."""
    details: wire.BuildDetails | None = None
    waits_for = ""
    try:
        for news in session.client.builds.follow(build):
            details = news.build
            if news.text:
                session.out.note(_plain(news.text).rstrip("\n"))
            elif news.step is not None:
                session.out.note(_step_line(details, news.step))
            elif details.status == "queued" and details.reason != waits_for:
                waits_for = details.reason
                session.out.note(f"queued: {waits_for}")
    except KeyboardInterrupt:
        session.out.note(f"\nDetached; the build goes on. {_next_steps(build[:12])}")
        return None
    assert details is not None
    return details


def exit_code_of(build: wire.Build) -> int:
    """Return the exit code of a build that has ended."""
    if build.status != "succeeded":
        return FAILED
    return REFUSED if build.promotion_state in ("refused", "withdrawn") else OK


def _plain(text: str) -> str:
    # A progress bar returns to the beginning of its line; here each of its states gets a line.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _to_millisecond(at: str | None) -> str:
    return f"{at[:23]}Z" if at else ""


def _last_state(line: str) -> str:
    """Return the last state of a progress bar, and any other line as it is."""
    return line.rstrip("\r").rpartition("\r")[2]


def _step_line(details: wire.BuildDetails, step: wire.BuildStep) -> str:
    names = [each.name for each in details.steps]
    place = f"[{names.index(step.name) + 1}/{len(names)}] {step.name}"
    if step.state == "running":
        return place
    seconds = _seconds(step.started_at, step.ended_at)
    took = f" after {seconds}" if seconds and step.state != "skipped" else ""
    return f"{place} {step.state}{took}{f': {step.reason}' if step.reason else ''}"


def _seconds(started: str | None, ended: str | None) -> str:
    if started is None or ended is None:
        return ""
    from datetime import datetime

    return f"{(datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds():.1f} s"


def _show_end(session: Session, build: wire.BuildDetails) -> None:
    took = _seconds(build.started_at, build.ended_at)
    words = f"build {build.id[:12]} {build.status}" + (f" after {took}" if took else "")
    session.out.note(words + (f": {build.reason}" if build.reason else ""))
    if build.promotion_state is not None:
        gate = next((step.reason for step in build.steps if step.name == "gate"), "")
        session.out.note(gate or f"promotion {build.promotion}: {build.promotion_state}")
        if build.promotion_state != "done":
            session.out.note(f"See it with: modelyard promotions show {build.promotion}")
    if build.version is not None:
        session.out.text(build.version)


# --- from the record of a version ------------------------------------------------------------------------


@command(
    "reproduce", example="modelyard reproduce fraud/scorer:12\nmodelyard reproduce fraud/scorer@production"
)
@click.argument("ref", type=REF)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    help="Largest relative difference at which two values of a metric are equal. Default: 0.000001.",
)
@_WAIT
def reproduce(session: Session, ref: str, tolerance: float | None, wait: bool) -> int:
    """Build a version once more from its record, and compare the result with it.

    The verdict is identical, equal (within the tolerance), different, not-deterministic or impossible, and becomes the
    check "reproduced" of the version. No version is registered. If the result differs, it is built a second time, to tell
    whether the training is deterministic. The exit code is 0 for identical and equal, otherwise 1.
    """
    started = session.client.builds.reproduce(ref, tolerance=tolerance)
    if started.build is None:
        if not session.answered(started):
            session.out.text(f"{started.verdict}: {'; '.join(started.missing)}")
        return FAILED
    if not wait:
        return _started(session, started.build, wait)
    following: str | None = started.build.id
    ended: wire.BuildDetails | None = None
    while following is not None:
        session.out.note(f"build {following[:12]} repeats {started.build.reproduces}")
        details = _watch(session, following)
        if details is None:
            return INTERRUPTED
        ended, findings = details, details.findings
        following = None if findings is None else findings.second
    assert ended is not None
    if not session.answered(ended):
        _show_verdict(session, ended)
    return OK if ended.verdict in ("identical", "equal") else FAILED


def _show_verdict(session: Session, build: wire.BuildDetails) -> None:
    session.out.text(build.reason if build.verdict else f"no verdict: build {build.id[:12]} {build.status}")
    if build.findings is None:
        return
    found = [*build.findings.differences, *build.findings.causes]
    if found:
        session.out.table(
            ("what", "name", "recorded", "repeated"),
            [(each.kind, each.name, each.recorded, each.repeated) for each in found],
        )


@command(
    "retrain",
    example="modelyard retrain fraud/scorer:12 --param depth=8\n"
    "modelyard retrain fraud/scorer@production --data transactions=fraud/transactions --warm",
)
@click.argument("ref", type=REF)
@PARAMS
@click.option(
    "--data",
    multiple=True,
    metavar="NAME=DATASET",
    help="Dataset in place of the recorded one, for example transactions=fraud/transactions; may be repeated. "
    "Default: the recorded content of each.",
)
@click.option(
    "--warm",
    is_flag=True,
    help="Give the files of the version to the training, in the folder that MODELYARD_PARENT names. Default: no.",
)
@_WAIT
def retrain(
    session: Session, ref: str, params: tuple[str, ...], data: tuple[str, ...], warm: bool, wait: bool
) -> int:
    """Build from the record of a version with other params or data. The new version names this one as its parent.

    Source, lock and everything that is not changed are those of the version; no folder is needed.
    """
    given = key_values(data, "--data")
    build = session.client.builds.retrain(ref, params=param_values(params), data=given, warm=warm)
    return _started(session, build, wait)


# --- builds ----------------------------------------------------------------------------------------------


@command_group("builds")
def builds() -> None:
    """List, show, follow, cancel and repeat builds. Name a build by its id, or by the beginning of its id."""


@command("ls", group=builds, example="modelyard builds ls --model fraud/scorer --status failed")
@click.option("--namespace", help="Only in this namespace.")
@click.option("--model", type=MODEL, help="Only builds of this model.")
@click.option(
    "--status",
    type=click.Choice(
        [
            "queued",
            "starting",
            "running",
            "cancelling",
            "succeeded",
            "failed",
            "cancelled",
            "timed-out",
            "lost",
        ]
    ),
    help="Only builds in this state.",
)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Show at most this many.")
def list_builds(session: Session, **conditions: Any) -> None:
    """List builds, newest first."""
    session.out.page(
        session.client.builds.list(**conditions),
        ("id", "model", "status", "step", "created", "by", "version", "reason"),
        lambda b: (
            b.id[:12],
            b.model,
            b.status,
            b.step or "",
            b.created_at[:19],
            b.requested_by,
            b.version or "",
            b.reason,
        ),
        empty="No builds match. Start one in a folder with a recipe: modelyard build",
    )


@command("show", group=builds, example="modelyard builds show 1f0a9c3e7d52")
@click.argument("build", type=BUILD)
def show(session: Session, build: str) -> None:
    """Show a build: its steps, its attempts, its result, and the last lines of a step that failed."""
    details = session.client.builds.get(build)
    if session.answered(details):
        return
    session.out.pairs(_rows(details))
    session.out.table(
        ("step", "state", "time", "processors", "memory", "reason"),
        [
            (s.name, s.state, _seconds(s.started_at, s.ended_at), *_peaks(s.resources), s.reason)
            for s in details.steps
        ],
    )
    if details.last_lines:
        session.out.heading(f"Last lines of {details.step}")
        session.out.text("\n".join(details.last_lines))


def _peaks(resources: dict[str, Any]) -> tuple[str, str]:
    """Return (most processors at once, most memory) of a step; "": not measured."""
    cores, memory = resources.get("peak_cpu"), resources.get("peak_memory_bytes")
    return (
        f"{cores:.2g}" if isinstance(cores, int | float) else "",
        size_words(memory) if isinstance(memory, int) and memory else "",
    )


def _rows(build: wire.BuildDetails) -> list[tuple[str, Any]]:
    commit = str(build.source.get("commit", ""))[:12]
    rows = [
        ("build", build.id),
        ("model", build.model),
        ("status", build.status),
        ("reason", build.reason),
        ("pool", build.pool),
        ("priority", build.priority if build.priority != "normal" else None),
        ("attempt", build.attempt),
        ("network", build.network),
        ("requested", f"{build.created_at} by {build.requested_by}"),
        ("started", build.started_at),
        ("ended", build.ended_at),
        ("commit", f"{commit}{' with changes' if build.source.get('dirty') else ''}" if commit else ""),
        ("source", build.bundle),
        *[(f"param {name}", value) for name, value in build.params.items()],
        *[(f"metric {name}", value) for name, value in build.metrics.items()],
        ("run", build.run),
        ("version", build.version),
        ("promotion", f"{build.promotion} {build.promotion_state}" if build.promotion is not None else None),
        ("repeats", build.rerun_of),
        ("schedule", build.schedule),
        ("reproduces", build.reproduces),
        ("verdict", build.verdict),
        ("parent", build.parent),
    ]
    return [(name, value) for name, value in rows if value not in (None, "")]


@command(
    "log",
    group=builds,
    example="modelyard builds log 1f0a9c3e7d52 --step train --follow\nmodelyard builds log 1f0a9c3e7d52 --search warning",
)
@click.argument("build", type=BUILD)
@click.option("--step", metavar="STEP", help="Only this step. Default: all steps.")
@click.option("--follow", is_flag=True, help="Go on until the build ends; without --step, with its steps.")
@click.option(
    "--search",
    "words",
    metavar="WORDS",
    help="Only the lines of the newest attempt that have these words, with their numbers.",
)
@click.option(
    "--timestamps",
    is_flag=True,
    help="With the time of each line in UTC, to half a second; without --step, with its step too.",
)
def log(
    session: Session, build: str, step: str | None, follow: bool, words: str | None, timestamps: bool
) -> int:
    """Print the log of a build, as far as it has arrived."""
    if follow and words is not None:
        raise click.UsageError("--search looks at what has arrived. Leave out --follow.")
    if words is not None:
        return _search_log(session, build, words, step)
    if timestamps:
        return _print_lines(session, build, step, follow)
    if follow and step is not None:
        return _follow_step(session, build, step)
    if follow:
        return _follow(session, build)
    text = "".join(session.client.builds.log(build, step))
    if session.as_json:
        session.out.json({"text": text})
    else:
        session.out.text(_plain(text).rstrip("\n"))
    return OK


def _print_lines(session: Session, build: str, step: str | None, follow: bool) -> int:
    """Print the lines of the log with their times, and return the exit code of a build that was followed."""
    lines = session.client.builds.log_lines(build, step, follow=follow)
    if session.as_json:
        session.out.json({"lines": [asdict(line) for line in lines]})
    else:
        try:
            for line in lines:
                of = "" if step else f"{line.step}  "
                session.out.text(f"{_to_millisecond(line.at):24}  {of}{_last_state(line.text)}")
        except KeyboardInterrupt:
            return INTERRUPTED
    return exit_code_of(session.client.builds.get(build)) if follow else OK


def _follow_step(session: Session, build: str, step: str) -> int:
    """Print the log of one step until the build ends, and return the exit code of the build."""
    try:
        for text in session.client.builds.follow_log(build, step):
            session.out.text(_plain(text).rstrip("\n"))
    except KeyboardInterrupt:
        return INTERRUPTED
    return exit_code_of(session.client.builds.get(build))


def _search_log(session: Session, build: str, words: str, step: str | None) -> int:
    found = session.client.builds.search_log(build, words, step)
    if not session.answered(found):
        for line in found.items:
            session.out.text(f"{line.step}:{line.line}\t{line.text}")
        if not found.complete:
            session.out.note("There are more lines. Give more words, or one --step.")
    return OK if found.items else FAILED


@command("cancel", group=builds, example="modelyard builds cancel 1f0a9c3e7d52")
@click.argument("build", type=BUILD)
def cancel(session: Session, build: str) -> None:
    """Cancel a build. One that runs is cancelling until its steps have ended."""
    done = session.client.builds.cancel(build)
    session.say(done, f"{done.id[:12]}\t{done.status}")


@command("rerun", group=builds, example="modelyard builds rerun 1f0a9c3e7d52 --detach")
@click.argument("build", type=BUILD)
@_WAIT
def rerun(session: Session, build: str, wait: bool) -> int:
    """Start a new build of the same recipe, source and params."""
    return _started(session, session.client.builds.rerun(build), wait)


# --- recipes ---------------------------------------------------------------------------------------------


@command_group("recipe")
def recipe() -> None:
    """Write and check the recipe of a folder: the file modelyard.yaml."""


@command("init", group=recipe, example="modelyard recipe init --model fraud/scorer")
@click.argument("folder", type=_FOLDER, default=".")
@click.option(
    "--model",
    type=MODEL,
    help="Model that the recipe builds. Default: named like the folder, in your namespace.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(session: Session, folder: Path, model: str | None, force: bool) -> None:
    """Write a commented recipe for what is in the folder: its lock, its training script and its tests."""
    path = folder / RECIPE
    if path.exists() and not force:
        raise click.UsageError(f"{path} already exists. Overwrite it with --force.")
    path.write_text(
        first_recipe(folder.resolve(), model or _model_named_like(session, folder)), encoding="utf-8"
    )
    session.say({"file": str(path)}, f"Wrote {path}. Next: modelyard recipe check, then modelyard build")


def _model_named_like(session: Session, folder: Path) -> str:
    from modelyard.domain.errors import ModelyardError

    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "model"
    try:
        namespace = session.client.default_namespace
    except ModelyardError:
        # A recipe can be written before anyone has signed in.
        namespace = None
    return f"{namespace or 'default'}/{name}"


_SCRIPTS = ("train.py", "training.py", "src/train.py", "scripts/train.py", "main.py")


def first_recipe(folder: Path, model: str) -> str:
    """Return the text of a recipe for what is in a folder."""
    script = next((name for name in _SCRIPTS if (folder / name).is_file()), None)
    notebook = next(iter(sorted(path.name for path in folder.glob("*.ipynb"))), None)
    if script is not None:
        train = f"train: python {script}"
    elif notebook is not None:
        train = f"train: jupyter nbconvert --to notebook --execute --stdout {notebook} > /dev/null"
    else:
        train = "train: python train.py   # there was no train.py; write your own command"
    tests = next((name for name in ("tests", "test") if (folder / name).is_dir()), None)
    if tests is None and any(folder.glob("test_*.py")):
        tests = "."
    test = f"test: python -m pytest {tests}" if tests else "# test: python -m pytest tests"
    return f"""# The recipe of this model. Check it with: modelyard recipe check. Build it with: modelyard build
version: 1
model: {model}

# {_environment_words(folder)}
{_environment(folder)}

# The training is recorded; the script needs no change. {{depth}} in a command is the param of this name.
# params: {{depth: 6}}
{train}

# Tests of the code and of the model: if they fail, no version is registered.
{test}

# A measurement on data that the training did not see: the command writes metrics.json, name -> number.
# evaluate: python evaluate.py

# Registered datasets; their digests are verified before the training.
# data:
#   transactions: {{ref: fraud/transactions, path: data/transactions.parquet}}

# The file or folder that becomes the version. If omitted: the model that was fitted last, otherwise model files.
# result: model

# The stage to which a version is proposed. The policy decides; a refused promotion is a successful build.
# promote: {{to: staging}}

# resources: {{memory: 8GB, timeout: 2h}}
"""


def _environment_words(folder: Path) -> str:
    if (folder / "uv.lock").is_file() or _has_hashes(folder / "requirements.txt"):
        return "What the steps run in: exactly the packages of the lock."
    if (folder / "requirements.txt").is_file() or _is_project(folder):
        return "What the steps run in; a lock with hashes is made of it and kept with the run."
    return "What the steps run in; without a lock, the Python of the machine on which the build runs."


def _environment(folder: Path) -> str:
    if (folder / "uv.lock").is_file():
        return "environment: {lock: uv.lock}"
    if (folder / "requirements.txt").is_file():
        word = "lock" if _has_hashes(folder / "requirements.txt") else "requirements"
        return f"environment: {{{word}: requirements.txt}}"
    if _is_project(folder):
        return "environment: {project: pyproject.toml}"
    return "# environment: {lock: uv.lock}"


def _has_hashes(path: Path) -> bool:
    return path.is_file() and "--hash=" in path.read_text(encoding="utf-8", errors="replace")


def _is_project(folder: Path) -> bool:
    path = folder / "pyproject.toml"
    return path.is_file() and "[project]" in path.read_text(encoding="utf-8", errors="replace")


@command("check", group=recipe, example="modelyard recipe check\nmodelyard recipe check ./fraud/modelyard.yaml")
@click.argument("file", type=click.Path(path_type=Path), default=RECIPE)
def check(session: Session, file: Path) -> int:
    """Check a recipe: show the steps of its build, or each problem with its line."""
    path = file / RECIPE if file.is_dir() else file
    checked = session.client.builds.check(path.read_text(encoding="utf-8"))
    code = USAGE if checked.problems else OK
    if session.answered(checked):
        return code
    for problem in checked.problems:
        fix = f". {problem.fix}" if problem.fix else ""
        session.out.note(f"{path}:{problem.line}: {problem.reason}{fix}")
    if not checked.problems:
        session.out.text(
            f"{path} is valid; a build of {checked.model} has the steps {', '.join(checked.steps)}"
        )
    return code


# --- pools -----------------------------------------------------------------------------------------------


@command_group("pool")
def pool() -> None:
    """List the pools: where builds run."""


@command("ls", group=pool, example="modelyard pool ls")
def list_pools(session: Session) -> None:
    """List the pools, with the builds that run and wait in each."""
    session.out.page(
        session.client.builds.pools(),
        ("pool", "executor", "at once", "running", "waiting", "isolated", "note"),
        lambda p: (
            p.name,
            p.executor,
            p.most,
            p.running,
            p.waiting,
            "yes" if p.isolated else "no",
            p.note,
        ),
        empty="The server has no pools, so it takes no builds.",
    )
