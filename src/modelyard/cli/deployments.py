"""Deployments from the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.arguments import DEPLOYMENT, MODEL, REF, STAGE
from modelyard.cli.base import Session, asks, command, command_group, confirm
from modelyard.cli.errors import FAILED, OK
from modelyard.domain.errors import DeploymentNotFound, ServerUnreachable
from modelyard.domain.times import parse_duration

if TYPE_CHECKING:
    from modelyard.wire import deployments as wire

_WAIT = "10m"
_PATIENCE_SECONDS = 2.0


def _seconds(text: str | None) -> float:
    return 0.0 if text is None else parse_duration(text).total_seconds()


# --- deploying -----------------------------------------------------------------------------------------


@command(
    "deploy",
    example="modelyard deploy fraud/scorer@production --wait\n"
    "modelyard deploy fraud/scorer:12 --name cards --reason 'back to the proven one'",
)
@click.argument("ref", type=REF)
@click.option(
    "--name", help="Name of the deployment, in the namespace of the model. Default: that of the model."
)
@click.option(
    "--follow/--no-follow",
    default=None,
    help="Serve each version that enters the stage. Default: as it is; a new one follows if REF is a stage.",
)
@click.option(
    "--stage",
    type=STAGE,
    help="Stage to which its versions must be admitted. Default: that of REF, then the last one of the policy.",
)
@click.option(
    "--replicas", type=click.IntRange(1), metavar="N", help="Number of workers. Default: as it is, 1 at first."
)
@click.option(
    "--public/--no-public",
    default=None,
    help="Let anybody who reaches it predict. Default: as it is, not at first.",
)
@click.option(
    "--on-recall",
    type=click.Choice(["alarm", "swap"]),
    help="When what serves is recalled or held in quarantine: only raise an alarm, or swap to the last good revision "
    "as well. Default: alarm.",
)
@click.option(
    "--from",
    "from_revision",
    type=int,
    metavar="N",
    help="Deploy only if this revision serves now, so that two people do not undo each other's work.",
)
@click.option(
    "--target", metavar="NAME", help="Target that runs it. Default: as it is, the server's first one at first."
)
@click.option("--wait", is_flag=True, help=f"Wait until it serves, for up to {_WAIT}.")
@click.option("--reason", help="Reason, kept with the revision.")
def deploy(session: Session, ref: str, wait: bool, **options: Any) -> int:
    """Have a version serve predictions. It must be admitted to the stage: be in it, or have entered it once."""
    found = session.client.deploy(ref, wait_seconds=_seconds(_WAIT) if wait else 0.0, **options)
    return _show_result(session, found, waited=wait)


def _show_result(session: Session, found: wire.Deployment, *, waited: bool) -> int:
    """Print what became of a change. Returns FAILED if it did not come into force while we waited."""
    fell_back = found.last is not None and found.last.kind == "return"
    has_failed = found.state == "failed" or (waited and (fell_back or not found.settled))
    if not session.answered(found):
        session.out.text(f"{found.name}\t{found.version}\trevision {found.revision.number}\t{_state_of(found)}")
        for words in _notes(found):
            session.out.note(words)
        if found.url is not None and found.settled:
            session.out.note(f"It answers at {found.url}")
        elif not waited and not has_failed:
            session.out.note(f"See how it goes with: modelyard deployment show {found.name}")
        from modelyard.sdk.pages import deployment_page

        session.link(deployment_page(session.client.url, found.name))
    return FAILED if has_failed else OK


def _state_of(found: wire.Deployment) -> str:
    return f"{found.state}: {found.state_reason}" if found.state_reason else found.state


def _held(found: wire.Deployment) -> str:
    if not found.held:
        return ""
    by = found.held_by or "the server"
    return f"by {by}: {found.held_reason}" if found.held_reason else f"by {by}"


def _notes(found: wire.Deployment) -> list[str]:
    """Return what people must know about a deployment, in sentences."""
    notes = []
    if found.held:
        standing = f"v{found.standing}" if found.standing else "no version"
        notes.append(
            f"Held {_held(found)}. {found.stage} is at {standing}; follow it again with: modelyard deployment release "
            f"{found.name}"
        )
    if found.alarm is not None:
        notes.append(f"Alarm: {found.alarm}")
    return notes


def _swap_words(move: wire.DeploymentMove) -> str:
    if move.milliseconds is None:
        return ""
    took = f"{move.milliseconds / 1000:.1f} s" if move.milliseconds >= 1000 else f"{move.milliseconds:.3g} ms"
    return f"{took}, {move.dropped} dropped"


# --- the way back --------------------------------------------------------------------------------------


def roll_back(
    session: Session,
    name: str,
    to: int | None,
    from_revision: int | None,
    with_stage: bool,
    dry_run: bool,
    reason: str,
    wait: str,
    data: str | None,
    yes: bool,
) -> int:
    """Roll back a deployment, for `modelyard rollback`."""
    here = Path(data or os.environ.get("MODELYARD_DATA") or "modelyard-data")
    is_here = (here / "deployments").is_dir()
    try:
        if is_here:
            # Where the way back works without the server, waiting long for it helps no one.
            session.client.transport.patience_seconds = _PATIENCE_SECONDS
        deployments = session.client.deployments
        if dry_run or asks(session, yes):
            plan = deployments.preview_rollback(name, to=to)
            if dry_run and session.answered(plan):
                return OK
            _show_plan(session, plan)
            if dry_run:
                return OK
            click.confirm("Roll back?", abort=True, err=True)
            from_revision = plan.before.number if from_revision is None else from_revision
        found = deployments.rollback(
            name,
            reason=reason,
            to=to,
            from_revision=from_revision,
            stage=with_stage,
            wait_seconds=_seconds(wait),
        )
    except DeploymentNotFound as missing:
        raise DeploymentNotFound(
            deployment=name,
            fix=f"List them with: modelyard deployment ls. For a stage of a model: modelyard rollback {name} STAGE",
        ) from missing
    except ServerUnreachable:
        if not is_here or with_stage or dry_run:
            raise
        return _roll_back_here(session, here, name, to, from_revision, reason)
    if session.answered(found):
        return OK if found.state != "failed" else FAILED
    last = found.last
    if last is not None:
        session.out.text(
            f"{found.name}\trevision {last.before} → {last.after}\t{found.version}\t{_swap_words(last)}"
        )
    for words in _notes(found):
        session.out.note(words)
    if not found.settled:
        session.out.note(f"It has not swapped yet ({_state_of(found)}): modelyard deployment show {found.name}")
    return FAILED if found.state == "failed" else OK


def _roll_back_here(
    session: Session, folder: Path, name: str, to: int | None, from_revision: int | None, reason: str
) -> int:
    """Roll back on the deployment's own machine, while the registry is away."""
    from modelyard.sdk.away import roll_back_here

    found = roll_back_here(folder, name, reason=reason, to=to, from_revision=from_revision)
    if not session.answered(found):
        took = "" if found.milliseconds is None else f"{found.milliseconds:.3g} ms, {found.dropped} dropped"
        session.out.text(
            f"{found.deployment}\trevision {found.before} → {found.after}\t{found.version}\t{took}"
        )
        session.out.note("The registry is away; it records this when it is back")
    return OK


def _show_plan(session: Session, plan: wire.RollbackPlan) -> None:
    before, after = plan.before, plan.after
    session.out.text(
        f"{plan.name}\trevision {before.number} (v{before.version}) → revision {after.number} (v{after.version})"
    )
    for words in plan.passed_over:
        session.out.note(f"Skipped: {words}")
    if plan.holds:
        session.out.note(f"It is then held: {plan.stage} stays at v{plan.standing}")
    if not plan.is_warm:
        session.out.note("Its workers are not warm, so that they start first")


# --- one and all ---------------------------------------------------------------------------------------


@command_group("deployment")
def deployment() -> None:
    """Show, scale, stop and release deployments."""


@command("ls", group=deployment, example="modelyard deployment ls --namespace fraud")
@click.option("--namespace", help="Only in this namespace.")
@click.option("--model", type=MODEL, help="Only deployments of this model.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Show at most this many.")
def list_deployments(session: Session, **conditions: Any) -> None:
    """List deployments: what runs, since when, and who holds it."""
    session.out.page(
        session.client.deployments.list(**conditions),
        ("deployment", "version", "state", "since", "held", "alarm"),
        lambda d: (d.name, d.version, _state_of(d), d.since[:19], _held(d), d.alarm or ""),
        empty="No deployments match. Make one with: modelyard deploy MODEL@production",
    )


@command("show", group=deployment, example="modelyard deployment show fraud/scorer")
@click.argument("name", type=DEPLOYMENT)
def show(session: Session, name: str) -> None:
    """Show a deployment: what it serves and where, its figures, and where a rollback would go."""
    found = session.client.deployments.get(name)
    if session.answered(found):
        return
    session.out.pairs(_rows(found))
    for words in _notes(found):
        session.out.note(words)


def _rows(found: wire.Deployment) -> list[tuple[str, Any]]:
    revision, back = found.revision, found.back
    why = revision.reason or {"promote": f"promoted to {found.stage}"}.get(revision.cause, revision.cause)
    rows = [
        ("deployment", found.name),
        ("serves", f"{found.version} {found.digest}"),
        ("revision", f"{revision.number}, by {revision.by}: {why}"),
        ("state", _state_of(found)),
        ("since", found.since),
        ("url", found.url),
        ("may predict", "anybody" if found.public else "readers of the model"),
        ("stage", f"{found.stage} (followed)" if found.follows else found.stage),
        ("in the stage", found.standing),
        ("held", _held(found)),
        ("alarm", found.alarm),
        ("on recall", found.on_recall),
        ("rollback to", f"revision {back.number} (v{back.version})" if back is not None else "nothing"),
        ("target", f"{found.target} on {found.machine}" if found.machine else found.target),
        ("replicas", found.replicas),
        ("isolation", found.isolation),
        ("requests", found.requests),
        ("errors", found.errors),
        ("dropped", found.dropped),
        ("p50, p99", None if found.p50_ms is None else f"{found.p50_ms:.3g} ms, {found.p99_ms or 0:.3g} ms"),
        ("figures of", found.seen_at),
    ]
    return [(name, value) for name, value in rows if value not in (None, "")]


@command("history", group=deployment, example="modelyard deployment history fraud/scorer")
@click.argument("name", type=DEPLOYMENT)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Show at most this many.")
def history(session: Session, name: str, limit: int) -> None:
    """Show what a deployment served, who moved it and why, and how long each swap took."""
    revisions = {each.number: each for each in session.client.deployments.revisions(name)}

    def version(number: int | None) -> str:
        return "-" if number is None else f"{number} (v{revisions[number].version})"

    session.out.page(
        session.client.deployments.moves(name, limit=limit),
        ("at", "what", "from", "to", "by", "reason", "swap"),
        lambda m: (
            m.at[:19],
            m.kind,
            version(m.before),
            version(m.after),
            m.by or "the server",
            m.reason,
            _swap_words(m),
        ),
        empty="It has not moved yet.",
    )


@command("scale", group=deployment, example="modelyard deployment scale fraud/scorer 4")
@click.argument("name", type=DEPLOYMENT)
@click.argument("replicas", type=click.IntRange(1))
def scale(session: Session, name: str, replicas: int) -> None:
    """Change the number of workers."""
    _say(session, session.client.deployments.edit(name, replicas=replicas))


def _say(session: Session, found: wire.Deployment) -> None:
    noun = "replica" if found.replicas == 1 else "replicas"
    session.say(found, f"{found.name} serves {found.version} with {found.replicas} {noun}: {_state_of(found)}")


@command(
    "edit", group=deployment, example="modelyard deployment edit fraud/scorer --no-follow --on-recall swap"
)
@click.argument("name", type=DEPLOYMENT)
@click.option(
    "--follow/--no-follow", default=None, help="Serve each version that enters the stage. Default: unchanged."
)
@click.option(
    "--public/--no-public", default=None, help="Let anybody who reaches it predict. Default: unchanged."
)
@click.option(
    "--on-recall", type=click.Choice(["alarm", "swap"]), help="What a recall does. Default: unchanged."
)
def edit(session: Session, name: str, **options: Any) -> None:
    """Change whether it follows its stage, who may predict, and what a recall does."""
    _say(session, session.client.deployments.edit(name, **options))


@command(
    "release", group=deployment, example="modelyard deployment release fraud/scorer --reason 'fixed in v13'"
)
@click.argument("name", type=DEPLOYMENT)
@click.option("--reason", help="Reason, kept in the event log.")
def release(session: Session, name: str, reason: str | None) -> None:
    """Let a held deployment follow its stage again."""
    _say(session, session.client.deployments.release(name, reason=reason))


@command(
    "stop", group=deployment, example="modelyard deployment stop fraud/scorer --reason 'not used any more'"
)
@click.argument("name", type=DEPLOYMENT)
@click.option("--reason", help="Reason, kept in the event log.")
def stop(session: Session, name: str, reason: str | None) -> None:
    """Serve nothing until it is started again. Requests that it has accepted are answered first."""
    _say(session, session.client.deployments.stop(name, reason=reason))


@command("start", group=deployment, example="modelyard deployment start fraud/scorer")
@click.argument("name", type=DEPLOYMENT)
@click.option("--reason", help="Reason, kept in the event log.")
def start(session: Session, name: str, reason: str | None) -> None:
    """Serve again what it served when it was stopped."""
    _say(session, session.client.deployments.start(name, reason=reason))


@command("log", group=deployment, example="modelyard deployment log fraud/scorer --lines 50")
@click.argument("name", type=DEPLOYMENT)
@click.option(
    "--lines",
    type=click.IntRange(1, 1000),
    default=100,
    show_default=True,
    help="Show at most this many lines.",
)
def log(session: Session, name: str, lines: int) -> None:
    """Print the last lines that the program of a deployment wrote."""
    text = session.client.deployments.log(name, lines=lines)
    if not session.answered({"text": text}):
        session.out.text(text)


@command(
    "export",
    group=deployment,
    example="modelyard deployment export fraud/scorer --as kubernetes --out deploy\n"
    "modelyard deployment export fraud/scorer --as knative | kubectl apply -f -",
)
@click.argument("name", type=DEPLOYMENT)
@click.option(
    "--as",
    "form",
    type=click.Choice(["kubernetes", "kserve", "knative", "compose"]),
    default="kubernetes",
    show_default=True,
    help="Form of the files.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files into this folder, over earlier ones. Default: print them.",
)
def export(session: Session, name: str, form: str, out: Path | None) -> None:
    """Write a deployment as files for a cluster, with the image of its version by digest; nothing is applied.

    The files name a Secret with the token that reads the model, and hold none.
    """
    made = session.client.deployments.export(name, form)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for file in made.files:
            (out / Path(file.path).name).write_text(file.text, encoding="utf-8")
    if not session.answered(made):
        for file in made.files:
            session.out.text(file.text.rstrip("\n") if out is None else str(out / Path(file.path).name))
    for words in made.notes:
        session.out.note(words)


@command("rm", group=deployment, example="modelyard deployment rm fraud/scorer --yes")
@click.argument("name", type=DEPLOYMENT)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def remove(session: Session, name: str, yes: bool) -> None:
    """End a deployment and delete its record. The event log keeps what it served."""
    confirm(session, f"End the deployment {name} and delete its record?", yes)
    session.client.deployments.remove(name)
    session.say({"removed": name}, f"Ended {name}")
