"""Promotion from the command line. A refusal prints a command for each unmet rule, and exits with 3."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from modelyard.cli.arguments import DEPLOYMENT_OR_MODEL, MODEL, REF, STAGE
from modelyard.cli.base import Session, asks, command, command_group
from modelyard.cli.errors import OK, REFUSED
from modelyard.cli.times import moment
from modelyard.domain.errors import Refused
from modelyard.domain.times import parse_duration

if TYPE_CHECKING:
    from modelyard.wire.promotion import Attempt, Promotion, RollbackPreview, RuleResult, Stage, Verdict

_STATES = ("open", "done", "refused", "withdrawn", "expired")
_SIGNS = {"pass": "pass", "fail": "FAIL", "unknown": "missing", "waived": "waived"}


# --- promoting -----------------------------------------------------------------------------------------


@command(
    "promote",
    example="modelyard promote fraud/scorer:12 production --dry-run\n"
    "modelyard promote fraud/scorer:12 production --wait 15m",
)
@click.argument("ref", type=REF)
@click.argument("stage", type=STAGE)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only judge: show each rule, its value, the requirement, and who can meet it.",
)
@click.option("--request", is_flag=True, help="Open a request; a maintainer, or the policy, completes it.")
@click.option(
    "--wait",
    metavar="TIME",
    help="Wait up to this long for pending checks and approvals (for example 15m). Default: do not wait.",
)
@click.option(
    "--beside", is_flag=True, help="Add it next to the primary version, in a stage with room for several."
)
@click.option(
    "--close",
    "final",
    is_flag=True,
    help="Close the request if it is refused. Default: keep it open until the rules are met.",
)
@click.option(
    "--if-revision",
    "seen",
    type=int,
    metavar="N",
    help="Move it only if the stage is at this revision (see: modelyard stages).",
)
@click.option("--reason", help="Reason, kept in the history.")
def promote(
    session: Session,
    ref: str,
    stage: str,
    dry_run: bool,
    request: bool,
    wait: str | None,
    beside: bool,
    final: bool,
    seen: int | None,
    reason: str | None,
) -> int:
    """Move a version into a stage, if the gate allows it."""
    from modelyard.sdk.promotion import attempt_of

    promotions = session.client.promotions
    seconds = parse_duration(wait).total_seconds() if wait else 0.0
    try:
        if dry_run:
            attempt = promotions.explain(ref, stage)
        elif request:
            attempt = promotions.request(ref, stage, reason=reason, primary=not beside)
        else:
            attempt = promotions.promote(
                ref,
                stage,
                reason=reason,
                primary=not beside,
                keep_open=not final,
                seen_revision=seen,
                wait_seconds=seconds,
                on_wait=lambda waiting: _say_waiting(session, waiting),
            )
    except Refused as refused:
        attempt = attempt_of(refused)
    _show_attempt(session, attempt)
    refused_now = attempt.outcome == "refused" or (attempt.outcome == "dry-run" and not attempt.verdict.allowed)
    return REFUSED if refused_now else OK


def _say_waiting(session: Session, attempt: Attempt) -> None:
    """Print at once who must act, so that they can be asked."""
    number = attempt.promotion.id if attempt.promotion is not None else "-"
    session.out.note(f"Promotion {number} of {attempt.reference} to {attempt.stage} is waiting:")
    for result in _unmet(attempt.verdict):
        session.out.note(
            f"  {result.rule}: {result.who or 'no one'}" + (f" ({result.fix})" if result.fix else "")
        )


def _show_attempt(session: Session, attempt: Attempt) -> None:
    if session.answered(attempt):
        return
    _show_verdict(session, attempt.verdict)
    number = attempt.promotion.id if attempt.promotion else None
    place = f"{attempt.reference} → {attempt.stage}"
    if attempt.outcome == "done":
        word = "promoted" if attempt.changed else "already there"
        session.out.text(f"{place}: {word}")
        _show_role_warning(session, attempt.promotion)
        _show_warnings(session, attempt.verdict)
    elif attempt.outcome == "dry-run":
        session.out.text(f"{place}: would be {'promoted' if attempt.verdict.allowed else 'refused'}")
    elif attempt.outcome == "open":
        session.out.text(f"{place}: promotion {number} is open")
    else:
        session.out.text(f"{place}: refused")
        if attempt.promotion is not None and attempt.promotion.state == "open":
            session.out.note(
                f"Promotion {number} stays open until {attempt.promotion.expires_at}. When the rules are met:\n"
                f"  modelyard promote {attempt.reference} {attempt.stage}"
            )
    _show_fixes(session, attempt.verdict)
    from modelyard.sdk.pages import promotion_page

    if attempt.promotion is not None and attempt.outcome != "dry-run":
        session.link(promotion_page(session.client.url, attempt.promotion.id))


def _show_role_warning(session: Session, promotion: Promotion | None) -> None:
    if promotion is not None and promotion.warning:
        session.out.note(f"Warning: {promotion.warning}")


def _show_verdict(session: Session, verdict: Verdict) -> None:
    session.out.table(
        ("rule", "result", "measured", "needed"),
        [(r.rule, _SIGNS.get(r.outcome, r.outcome), r.measured, r.needed) for r in verdict.results],
        empty=f"The gate to {verdict.stage} has no rules.",
        whole=True,
    )
    for words in verdict.notes:
        session.out.note(f"Note: {words}")


def _unmet(verdict: Verdict) -> list[RuleResult]:
    return [r for r in verdict.results if r.outcome in ("fail", "unknown")]


def _show_fixes(session: Session, verdict: Verdict) -> None:
    """Print how to meet each unmet rule, and who can do it."""
    unmet = [] if verdict.passed else _unmet(verdict)
    for result in unmet:
        words = f" ({result.say})" if result.say else ""
        session.out.note(f"{result.rule}{words}: {result.who or 'no one'}")
        if result.fix:
            session.out.note(f"  {result.fix}")


def _show_warnings(session: Session, verdict: Verdict) -> None:
    if not verdict.passed:
        session.out.note(f"Warning: the gate only warns; not met: {', '.join(r.rule for r in _unmet(verdict))}")


# --- open promotions -----------------------------------------------------------------------------------


@command("approve", example="modelyard approve 7 --reason 'bias report read'")
@click.argument("promotion", type=int)
@click.option("--reason", "comment", help="Reason, kept with the vote.")
def approve(session: Session, promotion: int, comment: str | None) -> None:
    """Vote for a promotion. The vote counts only for this version under this policy."""
    client = session.client
    voted = client.promotions.approve(promotion, comment)
    _show_promotion(session, voted)
    me = client.whoami().name
    own = [vote for vote in voted.votes if vote.by == me and vote.approves]
    if own and not any(vote.counts for vote in own):
        session.out.note(f"Your vote does not count: {own[-1].why_not}")


@command("reject", example="modelyard reject 7 --reason 'trained on leaked data'")
@click.argument("promotion", type=int)
@click.option("--reason", "comment", help="Reason, kept with the vote.")
def reject(session: Session, promotion: int, comment: str | None) -> None:
    """Vote against a promotion, and close it for good."""
    _show_promotion(session, session.client.promotions.reject(promotion, comment))


@command("waive", example="modelyard waive 7 check-bias-report --reason 'tooling is down, done by hand'")
@click.argument("promotion", type=int)
@click.argument("rule")
@click.option("--reason", required=True, help="Reason, kept with the promotion.")
def waive(session: Session, promotion: int, rule: str, reason: str) -> None:
    """Waive one rule for one promotion; you cannot waive a rule for your own work."""
    _show_promotion(session, session.client.promotions.waive(promotion, rule, reason))


@command("withdraw", example="modelyard withdraw 7 --reason 'a better one comes'")
@click.argument("promotion", type=int)
@click.option("--reason", help="Reason, kept in the history.")
def withdraw(session: Session, promotion: int, reason: str | None) -> None:
    """Withdraw an open promotion."""
    _show_promotion(session, session.client.promotions.withdraw(promotion, reason))


@command_group("promotions")
def promotions() -> None:
    """List and show promotions."""


@command(
    "ls",
    group=promotions,
    example="modelyard promotions ls fraud/scorer --state open\nmodelyard promotions ls --namespace fraud",
)
@click.argument("model", type=MODEL, required=False)
@click.option("--namespace", help="Without MODEL: only models in this namespace.")
@click.option("--stage", help="Only promotions into this stage.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(_STATES),
    help="Only promotions in this state; may be repeated.",
)
@click.option("--since", metavar="TIME", help="Only since this time: 2026-03-03, 2026-03-03T14:00Z or 90d.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Show at most this many.")
def list_promotions(
    session: Session, model: str | None, namespace: str | None, since: str | None, **conditions: Any
) -> None:
    """List the promotions, rollbacks and demotions of a model, or of all models you may read, newest first."""
    client = session.client.promotions
    if model is not None and namespace is not None:
        raise click.UsageError("Give MODEL or --namespace, not both.")
    if model is None:
        listed = client.list_all(namespace=namespace, since=moment(since), **conditions)
    else:
        listed = client.list(model, since=moment(since), **conditions)
    _show_list(session, listed, "No promotions match.")


@command("review", group=promotions, example="modelyard promotions review")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Show at most this many.")
def review(session: Session, limit: int) -> None:
    """List the open promotions that need your vote, or that you can complete."""
    _show_list(session, session.client.promotions.to_review(limit), "No promotion is waiting for you.")


def _show_list(session: Session, found: Iterable[Promotion], empty: str) -> None:
    session.out.page(
        found,
        ("id", "state", "kind", "version", "stage", "opened", "by", "reason"),
        lambda p: (p.id, p.state, p.kind, p.reference, p.stage, p.opened_at, p.opened_by, p.reason or ""),
        empty=empty,
    )


@command("show", group=promotions, example="modelyard promotions show 7")
@click.argument("promotion", type=int)
def show_promotion(session: Session, promotion: int) -> None:
    """Show a promotion; an open one with its current verdict."""
    _show_promotion(session, session.client.promotions.get(promotion))


def _show_promotion(session: Session, found: Promotion) -> None:
    if session.answered(found):
        return
    session.out.pairs(_promotion_rows(found))
    _show_role_warning(session, found)
    if found.verdict is not None:
        _show_verdict(session, found.verdict)
        if found.state == "open":
            _show_fixes(session, found.verdict)
    if found.next_step:
        session.out.note(found.next_step)


def _promotion_rows(found: Promotion) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("promotion", f"{found.id} ({found.kind})"),
        ("version", f"{found.reference} {found.digest}"),
        ("stage", found.stage),
        ("state", found.state + (f": {found.closed_reason}" if found.closed_reason else "")),
        ("stale", found.stale),
        ("opened", f"{found.opened_at} by {found.opened_by}"),
        ("reason", found.reason),
        ("closed", f"{found.closed_at} by {found.closed_by}" if found.closed_at else None),
        ("reviewers", ", ".join(found.reviewers)),
        ("votes", ", ".join(_vote_text(v.by, v.approves, v.why_not) for v in found.votes)),
        (
            "waived",
            ", ".join(
                f"{w.rule} by {w.by}: {w.reason}{'' if w.counts else ' (not used)'}" for w in found.waivers
            ),
        ),
        ("in the stage", found.after_primary if found.state == "done" else None),
    ]
    return [(name, value) for name, value in rows if value not in (None, "")]


def _vote_text(by: str, approves: bool, why_not: str | None) -> str:
    return f"{by} {'approves' if approves else 'rejects'}" + (
        f" (does not count: {why_not})" if why_not else ""
    )


# --- stages --------------------------------------------------------------------------------------------


@command(
    "stages",
    example="modelyard stages fraud/scorer\nmodelyard stages --stage production --at 2026-03-03T14:00:00Z",
)
@click.argument("model", type=MODEL, required=False)
@click.option(
    "--at", metavar="TIME", help="Show all models at this time: 2026-03-03T14:00:00Z, or 90d for 90 days ago."
)
@click.option(
    "--stage", type=STAGE, default="production", show_default=True, help="The stage to show for all models."
)
@click.option("--namespace", metavar="NAME", help="Only models of this namespace.")
@click.option(
    "--limit", type=click.IntRange(1), default=200, show_default=True, help="Show at most this many models."
)
def stages(
    session: Session, model: str | None, at: str | None, stage: str, namespace: str | None, limit: int
) -> None:
    """Show the stages of a model in order, or the versions that are or were in one stage of all models."""
    if model is None:
        _show_standing(session, stage, at, namespace, limit)
        return
    if at is not None or namespace is not None:
        raise click.UsageError(
            f"--at and --namespace show all models. For one: modelyard history {model} --stage {stage} --at TIME"
        )
    shown = session.client.promotions.stages(model)
    if session.answered(shown):
        return
    session.out.table(
        ("stage", "version", "state", "also", "since", "by", "gate"),
        [
            (
                s.name,
                s.primary or "-",
                _flags_of(s, s.primary),
                ", ".join(_with_flags(s, number) for number in s.versions if number != s.primary),
                s.since or "",
                s.by or "",
                f"{len(s.rules)} rules ({s.mode})" if s.rules else "open",
            )
            for s in shown.items
        ],
    )


def _show_standing(session: Session, stage: str, at: str | None, namespace: str | None, limit: int) -> None:
    session.out.page(
        session.client.promotions.standing(stage, at_time=moment(at), namespace=namespace, limit=limit),
        ("model", "version", "since", "by", "approved by", "until", "now"),
        lambda s: (
            s.model,
            s.version,
            s.since,
            s.by,
            ", ".join(s.approved_by),
            s.until or "still",
            "-" if s.now is None else s.now,
        ),
        empty=f"No model that you may see had a version in {stage} then.",
    )


def _flags_of(stage: Stage, version: int | None) -> str:
    """Return the state of a version in the stage; "" if it is not there."""
    return next((", ".join(one.flags) or "ready" for one in stage.standing if one.version == version), "")


def _with_flags(stage: Stage, version: int) -> str:
    state = _flags_of(stage, version)
    return f"{version}" if state == "ready" else f"{version} ({state})"


@command(
    "rollback",
    example="modelyard rollback fraud/scorer --reason 'error rate doubled'\n"
    "modelyard rollback fraud/scorer production --from 12 --yes",
)
@click.argument("name", type=DEPLOYMENT_OR_MODEL, metavar="DEPLOYMENT|MODEL")
@click.argument("stage", type=STAGE, required=False)
@click.option(
    "--to",
    type=int,
    metavar="N",
    help="Go back to this revision of the deployment, or version in the stage. Default: the last good one.",
)
@click.option(
    "--from",
    "seen_number",
    type=int,
    metavar="N",
    help="Roll back only if this revision serves, or this is the primary version, so that two people do not roll back twice.",
)
@click.option(
    "--stage", "with_stage", is_flag=True, help="Of a deployment: also move its stage back to the same version."
)
@click.option("--dry-run", is_flag=True, help="Only show the result, and change nothing.")
@click.option(
    "--reason",
    default="rolled back from the command line",
    show_default=True,
    help="Reason, kept in the history.",
)
@click.option(
    "--if-revision",
    "seen",
    type=int,
    metavar="N",
    help="Of a stage: move it only if it is at this revision (see: modelyard stages).",
)
@click.option(
    "--wait",
    metavar="TIME",
    default="30s",
    show_default=True,
    help="Of a deployment: wait up to this long until it has swapped; 0s: do not wait.",
)
@click.option(
    "--data",
    metavar="DIR",
    help="Of a deployment of this machine, while the registry is away: data folder of the server. Default: MODELYARD_DATA, "
    "then ./modelyard-data.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def rollback(
    session: Session,
    name: str,
    stage: str | None,
    to: int | None,
    seen_number: int | None,
    with_stage: bool,
    dry_run: bool,
    reason: str,
    seen: int | None,
    wait: str,
    data: str | None,
    yes: bool,
) -> int:
    """Go back to what served before. With one name: a deployment. With a model and a stage: the versions in that stage.

    A deployment serves its last good revision again, and is held there if it follows a stage. A stage undoes its last move, or goes
    back to an earlier version; gates and freezes do not apply. What was recalled, deleted, archived or is held in quarantine is
    skipped. On a terminal it shows the result and asks for confirmation.
    """
    if stage is None:
        from modelyard.cli.deployments import roll_back

        if seen is not None:
            raise click.UsageError("--if-revision is for a stage: modelyard rollback MODEL STAGE")
        return roll_back(session, name, to, seen_number, with_stage, dry_run, reason, wait, data, yes)
    if with_stage:
        raise click.UsageError("--stage is for a deployment: modelyard rollback DEPLOYMENT --stage")
    promotions = session.client.promotions
    if dry_run or asks(session, yes):
        preview = promotions.preview_rollback(name, stage, to=to)
        seen = preview.revision if seen is None else seen
        if not dry_run:
            _show_preview(session, name, preview)
            click.confirm("Roll back?", abort=True, err=True)
        elif not session.answered(preview):
            _show_preview(session, name, preview)
        if dry_run:
            return OK
    move = promotions.rollback(name, stage, reason=reason, to=to, from_version=seen_number, seen_revision=seen)
    if not session.answered(move):
        undid = f" (undid promotion {move.undid})" if move.undid else ""
        session.out.text(f"{move.model}@{move.stage}\t{move.from_version or '-'} → {move.version}{undid}")
        _show_role_warning(session, move)
    return OK


def _show_preview(session: Session, model: str, preview: RollbackPreview) -> None:
    before, after = (", ".join(map(str, numbers)) or "none" for numbers in (preview.before, preview.after))
    session.out.text(f"{model}@{preview.stage}\t{before} → {after}")
    for words in preview.passed_over:
        session.out.note(f"Skipped: {words}")
    if preview.restored:
        session.out.note(f"Restored from the archive: {', '.join(map(str, preview.restored))}")


@command("demote", example="modelyard demote fraud/scorer production --reason 'recalled'")
@click.argument("model", type=MODEL)
@click.argument("stage", type=STAGE)
@click.option("--version", type=int, help="Version to take out. Default: the primary version.")
@click.option(
    "--next-primary", type=int, metavar="VERSION", help="Remaining version that becomes the primary one."
)
@click.option("--reason", help="Reason, kept in the history.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def demote(session: Session, model: str, stage: str, yes: bool, **options: Any) -> None:
    """Take a version out of a stage. On a terminal it shows the stage and asks for confirmation."""
    promotions = session.client.promotions
    if asks(session, yes):
        here = next(
            (s for s in promotions.stages(model).items if s.name == stage.removeprefix("@").lower()), None
        )
        if here is not None and here.versions:
            leaving = options["version"] or here.primary
            stay = ", ".join(str(n) for n in here.versions if n != leaving) or "no version"
            click.confirm(
                f"{model}:{leaving} leaves {here.name}; {stay} stays there. Demote it?", abort=True, err=True
            )
    move = promotions.demote(model, stage, **options)
    if not session.answered(move):
        left = (
            f"its primary version is now {move.after_primary}"
            if move.after_primary
            else "it has no primary version now"
        )
        session.out.text(f"{move.reference} left {move.stage}; {left}")
        _show_role_warning(session, move)


def show_stage_history(session: Session, model: str, stage: str, at: str | None, limit: int) -> None:
    """Print the history of a stage, for `modelyard history MODEL --stage STAGE`: versions, approvals, votes."""
    moves = session.client.promotions.history(model, stage, at_time=at, limit=1 if at else min(limit, 500))
    if session.answered([*moves]):
        return
    session.out.table(
        ("at", "in the stage", "what", "by", "approved by", "let through", "reason"),
        [
            (
                p.closed_at,
                ", ".join(f"{p.model}:{n}" for n in p.after_versions or ()) or "no version",
                f"{p.kind} {p.id} of {p.version}",
                p.closed_by,
                ", ".join(v.by for v in p.votes if v.approves and v.counts) or "-",
                _let_through(p),
                p.reason or "",
            )
            for p in moves
        ],
        empty="The stage was empty until then.",
    )


def _let_through(found: Promotion) -> str:
    """Return unmet rules that blocked nothing: waived, or in a gate that only warns."""
    if found.verdict is None:
        return ""
    waived = [f"{r.rule} (waived)" for r in found.verdict.results if r.outcome == "waived"]
    return ", ".join([*waived, *(f"{r.rule} (the gate only warned)" for r in _unmet(found.verdict))])


@command("deprecate", example="modelyard deprecate fraud/scorer:3 --replacement 5 --date 2027-01-01T00:00:00Z")
@click.argument("ref", type=REF)
@click.option("--replacement", type=int, metavar="VERSION", help="Version to use instead.")
@click.option(
    "--date", "ends_at", metavar="TIME", help="Time of its removal, for example 2027-01-01T00:00:00Z."
)
@click.option("--reason", help="Reason, shown to everyone who uses it.")
@click.option("--undo", is_flag=True, help="Stop warning.")
def deprecate(session: Session, ref: str, undo: bool, **options: Any) -> None:
    """Warn everyone who resolves or pulls a version; it stays usable."""
    client = session.client.promotions
    if undo:
        version = client.undeprecate(ref)
    else:
        version = client.deprecate(ref, **options)
    session.say(version, version.warning or f"{version.reference} is not deprecated")
