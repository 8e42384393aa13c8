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


_USUAL = "usual"


def _percent(context: click.Context, option: click.Parameter, text: str | None) -> int | None:
    """Read an option that may come without its value. Returns -1 for the usual share."""
    if text is None:
        return None
    if text == _USUAL:
        return -1
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= 100):
        raise click.BadParameter(f"{text[:40]} is not a share in percent, 0 to 100.", context, option)
    return int(text)


# --- deploying -----------------------------------------------------------------------------------------


@command(
    "deploy",
    example="modelyard deploy fraud/scorer@production --wait\n"
    "modelyard deploy fraud/scorer:12 --name cards --reason 'back to the proven one'\n"
    "modelyard deploy fraud/scorer:13 --canary 10 --sticky x-user-id",
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
    "--canary",
    callback=_percent,
    is_flag=False,
    flag_value=_USUAL,
    metavar="[PERCENT]",
    help="Let it answer this share of the requests, next to the version that serves. Default: the first step, or 10.",
)
@click.option(
    "--shadow",
    callback=_percent,
    is_flag=False,
    flag_value=_USUAL,
    metavar="[PERCENT]",
    help="Let it get copies of this share of the requests; its answers are compared and reach no one. Default: 100.",
)
@click.option(
    "--sticky",
    metavar="KEY",
    help="Of a canary: header (x-user-id) or field (body.user_id) that decides who answers. Default: each request by itself.",
)
@click.option(
    "--steps",
    metavar="PERCENTS",
    help="Of a canary: shares that it gets one after the other, each only if it answers as well (for example 1,5,25,100).",
)
@click.option("--step-minutes", type=click.IntRange(1), metavar="N", help="Minutes of each step. Default: 10.")
@click.option("--auto", is_flag=True, help="Of a canary with steps: let it serve after the last one.")
@click.option(
    "--target", metavar="NAME", help="Target that runs it. Default: as it is, the server's first one at first."
)
@click.option("--wait", is_flag=True, help=f"Wait until it serves, for up to {_WAIT}.")
@click.option("--reason", help="Reason, kept with the revision.")
def deploy(
    session: Session,
    ref: str,
    wait: bool,
    canary: int | None,
    shadow: int | None,
    sticky: str | None,
    steps: str | None,
    step_minutes: int | None,
    auto: bool,
    **options: Any,
) -> int:
    """Have a version serve predictions, or try it next to the one that serves. It must be admitted to the stage: be in it, or have
    entered it once; for a shadow, the stage before is enough."""
    wait_seconds = _seconds(_WAIT) if wait else 0.0
    if steps is not None and shadow is None and canary is None:
        canary = -1
    if canary is None and (sticky or step_minutes or auto):
        raise click.UsageError(
            "--sticky, --step-minutes and --auto are for a canary: give --canary or --steps."
        )
    if canary is None and shadow is None:
        found = session.client.deploy(ref, wait_seconds=wait_seconds, **options)
        return _show_result(session, found, waited=wait)
    if canary is not None and shadow is not None:
        raise click.UsageError("A version is either a canary or a shadow.")
    useless = [
        name
        for name in ("follow", "stage", "replicas", "public", "on_recall", "target")
        if options[name] is not None
    ]
    if useless:
        named = ", ".join("--" + name.replace("_", "-") for name in useless)
        raise click.UsageError(
            f"{named}: a version that is tried leaves the options of the deployment as they are."
        )
    common = {name: options[name] for name in ("name", "from_revision", "reason")} | {
        "wait_seconds": wait_seconds
    }
    deployments = session.client.deployments
    if shadow is not None:
        found = deployments.try_shadow(ref, weight=None if shadow < 0 else shadow, **common)
    else:
        weight = None if canary is None or canary < 0 else canary
        percents = _percents(steps)
        found = deployments.try_canary(
            ref, weight=weight, sticky=sticky, steps=percents, step_minutes=step_minutes, auto=auto, **common
        )
    return _show_result(session, found, waited=wait)


def _percents(text: str | None) -> list[int]:
    try:
        return [int(part) for part in (text or "").replace("%", "").split(",") if part.strip()]
    except ValueError:
        raise click.UsageError(f"{text} are not steps. Write them as 1,5,25,100.") from None


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
    for trial in found.trials:
        notes.append(_trial_words(trial))
        if trial.paused:
            notes.append(f"Paused: {trial.paused}")
    if found.alarm is not None:
        notes.append(f"Alarm: {found.alarm}")
    return notes


def _trial_words(trial: wire.Trial) -> str:
    share = f"{trial.weight} % of the requests" if trial.role == "canary" else f"copies of {trial.weight} %"
    plan = f", steps {', '.join(map(str, trial.steps))}" if trial.steps else ""
    key = f", sticky by {trial.sticky}" if trial.sticky else ""
    outcome = f"; {trial.outcome}: {trial.outcome_reason}" if trial.outcome else ""
    return (
        f"{trial.role.capitalize()}: v{trial.version} (revision {trial.revision}), {share}{plan}{key}{outcome}"
    )


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
            if last.generation == found.generation
            else f"{found.name}\tthe canary ended\t{found.version}"
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
        *((trial.role, _trial_words(trial).partition(": ")[2]) for trial in found.trials),
        ("guard", f"{found.guard_minutes} min" if found.guard_minutes else None),
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
            m.kind if m.weight is None else f"{m.kind} {m.weight} %",
            version(m.before),
            version(m.after if m.tried is None else m.tried),
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
@click.option(
    "--guard",
    "guard_minutes",
    type=click.IntRange(0, 60),
    metavar="MINUTES",
    help="Take a new revision back if it answers worse in its first minutes than the one before; 0: do not. Default: unchanged.",
)
@click.option(
    "--least-requests",
    type=click.IntRange(1),
    metavar="N",
    help="Requests that a good canary needs, and the revision next to it. Default: unchanged, 200 at first.",
)
@click.option(
    "--error-difference",
    type=float,
    metavar="SHARE",
    help="Largest difference of the shares of errors, from 0 to 1. Default: unchanged, 0.02 at first.",
)
@click.option(
    "--latency-ratio",
    type=float,
    metavar="RATIO",
    help="Largest ratio of the latencies that 99 % stay below. Default: unchanged, 2 at first.",
)
@click.option(
    "--judge-minutes",
    type=click.IntRange(1, 60),
    metavar="N",
    help="Minutes that a good canary needs. Default: unchanged, 5 at first.",
)
def edit(session: Session, name: str, **options: Any) -> None:
    """Change whether it follows its stage, who may predict, what a recall does, and how canaries and new revisions are judged."""
    _say(session, session.client.deployments.edit(name, **options))


_ROLE = click.option(
    "--role",
    type=click.Choice(["canary", "shadow"]),
    default="canary",
    show_default=True,
    help="Which of the two.",
)


@command("weight", group=deployment, example="modelyard deployment weight fraud/scorer 25")
@click.argument("name", type=DEPLOYMENT)
@click.argument("percent", type=click.IntRange(0, 100))
@click.option(
    "--from",
    "from_weight",
    type=int,
    metavar="PERCENT",
    help="Only if it has this share now, so that two people do not undo each other's work.",
)
@_ROLE
@click.option("--reason", help="Reason, kept in the event log.")
def weight(
    session: Session, name: str, percent: int, from_weight: int | None, role: str, reason: str | None
) -> None:
    """Give the canary another share of the requests."""
    _tell(
        session,
        session.client.deployments.set_weight(name, percent, role=role, from_weight=from_weight, reason=reason),
    )


@command("finish", group=deployment, example="modelyard deployment finish fraud/scorer --reason 'as good'")
@click.argument("name", type=DEPLOYMENT)
@click.option("--reason", help="Reason, kept in the event log.")
@click.option("--wait", is_flag=True, help=f"Wait until it serves, for up to {_WAIT}.")
def finish(session: Session, name: str, reason: str | None, wait: bool) -> int:
    """Have the canary serve from now on. What served stays warm for a rollback."""
    seconds = _seconds(_WAIT) if wait else 0.0
    found = session.client.deployments.finish(name, reason=reason, wait_seconds=seconds)
    return _show_result(session, found, waited=wait)


@command("drop", group=deployment, example="modelyard deployment drop fraud/scorer --reason 'too slow'")
@click.argument("name", type=DEPLOYMENT)
@_ROLE
@click.option("--reason", help="Reason, kept in the event log.")
def drop(session: Session, name: str, role: str, reason: str | None) -> None:
    """End the canary. The revision that serves answers everything again."""
    _tell(session, session.client.deployments.drop(name, role=role, reason=reason))


def _tell(session: Session, found: wire.Deployment) -> None:
    if not session.answered(found):
        session.out.text(f"{found.name}\t{found.version}\trevision {found.revision.number}\t{_state_of(found)}")
        for words in _notes(found):
            session.out.note(words)


@command("compare", group=deployment, example="modelyard deployment compare fraud/scorer --json")
@click.argument("name", type=DEPLOYMENT)
@click.option(
    "--role",
    type=click.Choice(["canary", "shadow"]),
    help="Which of the two. Default: the canary if there is one.",
)
def compare(session: Session, name: str, role: str | None) -> None:
    """Compare the canary, or the shadow, with the revision that serves, in the same minutes."""
    found = session.client.deployments.compare(name, role=role)
    if session.answered(found):
        return
    stable, tried = found.stable, found.tried
    session.out.table(
        ("", f"v{tried.version} ({tried.role})", f"v{stable.version} (serving)"),
        [
            ("share", f"{tried.weight} %", f"{stable.weight} %"),
            ("requests", str(tried.requests), str(stable.requests)),
            ("errors", _interval_words(tried, "error"), _interval_words(stable, "error")),
            ("p50", _interval_words(tried, "p50"), _interval_words(stable, "p50")),
            ("p99", _interval_words(tried, "p99"), _interval_words(stable, "p99")),
        ],
    )
    session.out.note(f"{found.minutes} min, since {found.since}; figures of {found.seen_at}")
    if found.outcome is not None:
        session.out.note(f"{found.outcome.capitalize()}: {found.reason}")
    if found.agreement is not None:
        session.out.note(_agreement_words(found.agreement))


def _interval_words(side: wire.ComparedSide, what: str) -> str:
    unit, scale, names = ("%", 100.0, "share") if what == "error" else ("ms", 1.0, "ms")
    value, low, high = (getattr(side, f"{what}_{name}") for name in (names, "low", "high"))
    if value is None:
        return "-"
    return f"{scale * value:.3g} {unit} ({scale * low:.3g} to {scale * high:.3g})"


def _agreement_words(found: wire.Agreement) -> str:
    words = f"{found.sent} copies sent, {found.dropped} dropped, {found.errors} errors"
    if found.share is not None:
        words += (
            f"; {100 * found.share:.4g} % of {found.compared} rows agree "
            f"({100 * (found.low or 0):.4g} to {100 * (found.high or 0):.4g})"
        )
    if found.largest_difference is not None:
        words += f", largest difference {found.largest_difference:.4g}"
    return words


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
