"""`modelyard run`: an unchanged program as a run."""

from __future__ import annotations

from pathlib import Path

import click

from modelyard.cli.base import Session, command
from modelyard.cli.errors import exit_code


@command(
    "run",
    example="modelyard run --register fraud/scorer --experiment fraud/trees -- python train.py --depth 6",
)
@click.option(
    "--register", metavar="MODEL", help="Register the trained model as the next version of this model."
)
@click.option(
    "--files",
    type=click.Path(path_type=Path),
    help="With --register: the file or folder to register. Default: the model files that were seen.",
)
@click.option("--experiment", default="", help="Experiment of the run, as namespace/name.")
@click.option("--name", default="", help="Name of the run. Default: the name of the program.")
@click.option(
    "--offline", is_flag=True, default=None, help="Only spool the records; send them later with modelyard sync."
)
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- PROGRAM [ARGS]...")
def run(
    session: Session,
    register: str | None,
    files: Path | None,
    experiment: str,
    name: str,
    offline: bool | None,
    program: tuple[str, ...],
) -> int:
    """Run a program and record its training: log, exit code, resources, code, environment, params, metrics.

    The program needs no change. The exit code is the program's own; with --register it is also not 0 when nothing
    could be registered. If the server cannot be reached, the registration is kept until modelyard sync.
    """
    import sys

    from modelyard.sdk.runs.command import run_command
    from modelyard.sdk.runs.registration import words_for, words_for_kept

    outcome = run_command(
        program,
        name=name,
        experiment=experiment,
        register=register,
        files=files,
        offline=offline,
        client=session.client if session.server else None,
        output=sys.stderr.buffer if session.as_json else None,
    )
    if not session.answered(
        {
            "run": outcome.run,
            "name": outcome.name,
            "status": outcome.status,
            "exit_code": outcome.exit_code,
            "seconds": round(outcome.seconds, 3),
            "version": outcome.version,
            "error": str(outcome.error) if outcome.error else None,
            "kept": outcome.kept,
        }
    ):
        session.out.note(f"run {outcome.run[:12]} {outcome.status} after {outcome.seconds:.1f} s")
        if outcome.version is not None:
            session.out.text(words_for(outcome.version))
    if outcome.kept and register is not None:
        session.out.note(words_for_kept(register, outcome.error))
    elif outcome.error is not None:
        session.out.note(f"No version was registered: {outcome.error}")
    for words in outcome.notes:
        session.out.note(words)
    if outcome.error is not None:
        return outcome.exit_code or exit_code(outcome.error)
    return outcome.exit_code
