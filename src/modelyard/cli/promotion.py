"""Promotion from the command line. A refusal prints, for each rule, the command that meets it, and exits with 3."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from modelyard.cli.base import LazyGroup, Session, command
from modelyard.cli.errors import OK, REFUSED
from modelyard.domain.errors import Refused
from modelyard.domain.times import parse_duration

if TYPE_CHECKING:
    from modelyard.wire.promotion import Attempt, Promotion, RuleResult, Verdict

_HERE = "modelyard.cli.promotion"
_SIGNS = {"pass": "pass", "fail": "FAIL", "unknown": "????", "waived": "waived"}


# --- promoting -----------------------------------------------------------------------------------------


@command(
    "promote",
    example="modelyard promote fraud/scorer:12 production --dry-run\n"
    "modelyard promote fraud/scorer:12 production --wait 15m",
)
@click.argument("ref")
@click.argument("stage")
@click.option(
    "--dry-run", is_flag=True, help="Only judge: each rule, its value, what is needed, who can fix it."
)
@click.option("--request", is_flag=True, help="Only ask: who may, or the policy, completes it.")
@click.option("--wait", metavar="TIME", help="Try again for so long, as 15m, while waiting can help.")
@click.option("--beside", is_flag=True, help="Besides the primary version, where the stage has more places.")
@click.option(
    "--close", "final", is_flag=True, help="A refusal is final; else it stays open for what is missing."
)
@click.option("--seen", type=int, metavar="REVISION", help="Only if the stage is still at this revision.")
@click.option("--reason", help="Why; kept in the history.")
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
    """Move a version into a stage, if its gate lets it in."""
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
            )
    except Refused as refused:
        attempt = attempt_of(refused)
    _show_attempt(session, attempt)
    refused_now = attempt.outcome == "refused" or (attempt.outcome == "dry-run" and not attempt.verdict.allowed)
    return REFUSED if refused_now else OK


def _show_attempt(session: Session, attempt: Attempt) -> None:
    if session.as_json:
        session.out.json(attempt)
        return
    _show_verdict(session, attempt.verdict)
    number = attempt.promotion.id if attempt.promotion else None
    place = f"{attempt.reference} → {attempt.stage}"
    if attempt.outcome == "done":
        word = "promoted" if attempt.changed else "stands there already"
        session.out.text(f"{place}: {word}")
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


def _show_verdict(session: Session, verdict: Verdict) -> None:
    session.out.table(
        ("rule", "result", "measured", "needed"),
        [(r.rule, _SIGNS.get(r.outcome, r.outcome), r.measured, r.needed) for r in verdict.results],
        empty=f"The gate to {verdict.stage} has no rules.",
    )
    for words in verdict.notes:
        session.out.note(f"Note: {words}")


def _unmet(verdict: Verdict) -> list[RuleResult]:
    return [r for r in verdict.results if r.outcome in ("fail", "unknown")]


def _show_fixes(session: Session, verdict: Verdict) -> None:
    """What to do about each unmet rule, by whom."""
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


@command("approve", example="modelyard approve 7 --comment 'bias report read'")
@click.argument("promotion", type=int)
@click.option("--comment", help="Kept with the vote.")
def approve(session: Session, promotion: int, comment: str | None) -> None:
    """Vote for a promotion. The vote counts for this version under this policy alone."""
    _show_promotion(session, session.client.promotions.approve(promotion, comment))


@command("reject", example="modelyard reject 7 --comment 'trained on leaked data'")
@click.argument("promotion", type=int)
@click.option("--comment", help="Kept with the vote.")
def reject(session: Session, promotion: int, comment: str | None) -> None:
    """Refuse a promotion for good."""
    _show_promotion(session, session.client.promotions.reject(promotion, comment))


@command("waive", example="modelyard waive 7 check-bias-report --reason 'tooling is down, done by hand'")
@click.argument("promotion", type=int)
@click.argument("rule")
@click.option("--reason", required=True, help="Why; kept with the promotion.")
def waive(session: Session, promotion: int, rule: str, reason: str) -> None:
    """Set one rule aside for one promotion; not for one's own work."""
    _show_promotion(session, session.client.promotions.waive(promotion, rule, reason))


@command("withdraw", example="modelyard withdraw 7 --reason 'a better one comes'")
@click.argument("promotion", type=int)
@click.option("--reason", help="Why; kept in the history.")
def withdraw(session: Session, promotion: int, reason: str | None) -> None:
    """Take an open promotion back."""
    _show_promotion(session, session.client.promotions.withdraw(promotion, reason))


@click.group(
    "promotions",
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:list_promotions", "List the promotions of a model."),
        "show": (f"{_HERE}:show_promotion", "Show a promotion: verdict, votes, waivers."),
        "review": (f"{_HERE}:review", "List what waits for your vote."),
    },
)
def promotions() -> None:
    """List and show promotions."""


@command("ls", example="modelyard promotions ls fraud/scorer --state open")
@click.argument("model")
@click.option("--stage", help="Only into this stage.")
@click.option("--state", "states", multiple=True, help="Only open, done, refused, withdrawn or expired ones.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
def list_promotions(
    session: Session, model: str, stage: str | None, states: tuple[str, ...], limit: int
) -> None:
    """List the promotions, rollbacks and demotions of a model, newest first."""
    found = session.client.promotions.list(model, stage=stage, states=states, limit=limit)
    _show_list(session, found, "Nothing was promoted yet.")


@command("review", example="modelyard promotions review")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
def review(session: Session, limit: int) -> None:
    """List the open promotions that wait for your vote."""
    _show_list(session, session.client.promotions.to_review(limit), "Nothing waits for your vote.")


def _show_list(session: Session, found: Iterable[Promotion], empty: str) -> None:
    session.out.page(
        found,
        ("id", "state", "kind", "version", "stage", "opened", "by", "reason"),
        lambda p: (p.id, p.state, p.kind, p.reference, p.stage, p.opened_at, p.opened_by, p.reason or ""),
        empty=empty,
    )


@command("show", example="modelyard promotions show 7")
@click.argument("promotion", type=int)
def show_promotion(session: Session, promotion: int) -> None:
    """Show a promotion; an open one with the verdict of now."""
    _show_promotion(session, session.client.promotions.get(promotion))


def _show_promotion(session: Session, found: Promotion) -> None:
    if session.as_json:
        session.out.json(found)
        return
    session.out.pairs(_promotion_rows(found))
    if found.verdict is not None:
        _show_verdict(session, found.verdict)
        if found.state == "open":
            _show_fixes(session, found.verdict)
            if found.verdict.allowed:
                session.out.note(f"Nothing is missing. Complete it with:\n  {_completion(found)}")


def _completion(found: Promotion) -> str:
    return f"modelyard promote {found.reference} {found.stage}"


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
        ("votes", ", ".join(_vote_text(v.by, v.approves, v.counts) for v in found.votes)),
        ("waived", ", ".join(f"{w.rule} by {w.by}: {w.reason}" for w in found.waivers)),
        ("stands there", found.after_primary if found.state == "done" else None),
    ]
    return [(name, value) for name, value in rows if value not in (None, "")]


def _vote_text(by: str, approves: bool, counts: bool) -> str:
    return f"{by} {'approves' if approves else 'rejects'}{'' if counts else ' (under an older policy)'}"


# --- stages --------------------------------------------------------------------------------------------


@command("stages", example="modelyard stages fraud/scorer")
@click.argument("model")
def stages(session: Session, model: str) -> None:
    """Show the stages of a model in order, and who stands there."""
    found = session.client.promotions.stages(model)
    if session.as_json:
        session.out.json(found)
        return
    session.out.table(
        ("stage", "version", "also", "since", "by", "gate"),
        [
            (
                s.name,
                s.primary or "-",
                " ".join(map(str, s.versions[1:])),
                s.since or "",
                s.by or "",
                f"{len(s.rules)} rules ({s.mode})" if s.rules else "open",
            )
            for s in found.items
        ],
    )


@command("rollback", example="modelyard rollback fraud/scorer production --reason 'error rate doubled'")
@click.argument("model")
@click.argument("stage")
@click.option(
    "--to", type=int, metavar="VERSION", help="A version that stood there before; else the one before."
)
@click.option("--reason", default="rolled back from the command line", show_default=True, help="Why.")
@click.option("--seen", type=int, metavar="REVISION", help="Only if the stage is still at this revision.")
def rollback(session: Session, model: str, stage: str, to: int | None, reason: str, seen: int | None) -> None:
    """Go back to the version that stood in a stage before; no gate and no freeze holds it up."""
    found = session.client.promotions.rollback(model, stage, reason=reason, to=to, seen_revision=seen)
    if session.as_json:
        session.out.json(found)
    else:
        undid = f" (undid promotion {found.undid})" if found.undid else ""
        session.out.text(f"{found.model}@{found.stage}\t{found.from_version or '-'} → {found.version}{undid}")


@command("demote", example="modelyard demote fraud/scorer production --reason 'recalled'")
@click.argument("model")
@click.argument("stage")
@click.option("--version", type=int, help="Which one; else the primary one.")
@click.option(
    "--next-primary", type=int, metavar="VERSION", help="Which of the others the alias points at then."
)
@click.option("--reason", help="Why; kept in the history.")
def demote(
    session: Session,
    model: str,
    stage: str,
    version: int | None,
    next_primary: int | None,
    reason: str | None,
) -> None:
    """Take a version out of a stage."""
    found = session.client.promotions.demote(
        model, stage, version=version, next_primary=next_primary, reason=reason
    )
    if session.as_json:
        session.out.json(found)
    else:
        left = f"version {found.after_primary} stands there" if found.after_primary else "no one stands there"
        session.out.text(f"{found.reference} left {found.stage}; {left}")


def show_stage_history(session: Session, model: str, stage: str, at: str | None, limit: int) -> None:
    """For `modelyard history --stage`: who stood there, who let them in, who voted."""
    found = session.client.promotions.history(model, stage, at_time=at, limit=1 if at else min(limit, 500))
    if session.as_json:
        session.out.json([*found])
        return
    session.out.table(
        ("at", "version", "what", "by", "approved by", "reason"),
        [
            (
                p.closed_at,
                f"{p.model}:{p.after_primary}" if p.after_primary else "nobody",
                f"{p.kind} {p.id}",
                p.closed_by,
                ", ".join(v.by for v in p.votes if v.approves and v.counts) or "-",
                p.reason or "",
            )
            for p in found
        ],
        empty="No one stood there until then.",
    )


@command("deprecate", example="modelyard deprecate fraud/scorer:3 --replacement 5 --date 2027-01-01T00:00:00Z")
@click.argument("ref")
@click.option("--replacement", type=int, metavar="VERSION", help="Which version to use instead.")
@click.option("--date", "ends_at", metavar="TIME", help="When it will be taken away, as 2027-01-01T00:00:00Z.")
@click.option("--reason", help="The reason, shown to everyone who uses it.")
@click.option("--undo", is_flag=True, help="Stop warning.")
def deprecate(
    session: Session,
    ref: str,
    replacement: int | None,
    ends_at: str | None,
    reason: str | None,
    undo: bool,
) -> None:
    """Warn everyone who resolves or pulls a version; it stays usable."""
    client = session.client.promotions
    if undo:
        found = client.undeprecate(ref)
    else:
        found = client.deprecate(ref, replacement=replacement, ends_at=ends_at, reason=reason)
    if session.as_json:
        session.out.json(found)
    else:
        session.out.text(found.warning or f"{found.reference} is not deprecated")
