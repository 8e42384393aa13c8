"""Approvals, one promotion with its open rules, and rollback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from modelyard.db.transaction import Transaction
from modelyard.domain.errors import ModelyardError, NotFound
from modelyard.doors.errors import status_of
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.comments import actions as comment_actions
from modelyard.registry.comments import usecases as comments
from modelyard.registry.promotion import stages, usecases
from modelyard.registry.promotion.actions import find_actions, find_stage_actions
from modelyard.registry.promotion.reading import PromotionView, list_to_review, show_promotion
from modelyard.web.frame import PageTable, Visit
from modelyard.web.versions import changes_between

table = PageTable()
_MANY = 100


@table.get("/approvals")
async def approvals(visit: Visit) -> Response:
    rows = await visit.look(lambda tx: list_to_review(tx, visit.actor, _MANY, None))
    return await visit.render("approvals.html", rows=rows, twin="/api/v1/promotions")


@table.get("/promotions/{id:number}")
async def promotion(visit: Visit) -> Response:
    return await _show(visit)


async def _show(visit: Visit, problem: ModelyardError | None = None) -> Response:
    """problem: why the form changed nothing; its input is kept."""
    number = int(visit.path["id"])

    def read(tx: Transaction) -> dict[str, Any]:
        view = show_promotion(tx, visit.actor, number)
        return {
            "view": view,
            "actions": find_actions(tx, visit.actor, number),
            **_comments(tx, visit, view),
        }

    found = await visit.look(read)
    row = found["view"].promotion
    before = row.seen_number
    return await visit.render(
        "promotion.html",
        status=200 if problem is None else status_of(problem),
        problem=problem,
        typed=visit.given("comment"),
        baseline=before if before != row.number else None,
        changes=await changes_between(visit, row.model, before, row.number),
        twin=f"/api/v1/promotions/{number}",
        **found,
    )


def _comments(tx: Transaction, visit: Visit, view: PromotionView) -> dict[str, Any]:
    """Return the comments; none for people who vote on the promotion but may not read the model."""
    row = view.promotion
    try:
        found = comments.list_comments(tx, visit.actor, row.model, promotion=row.id, limit=_MANY)
        model = catalog.find_model(tx, visit.actor, row.model)
    except NotFound:
        return {"comments": [], "may_change": set()}
    may_change = {each.id for each in found if comment_actions.find_actions(visit.actor, model, each).any}
    return {"comments": found, "may_change": may_change}


async def _act(visit: Visit, done: str, action: Callable[[Transaction], PromotionView]) -> Response:
    try:
        view = await visit.write(action)
    except ModelyardError as error:
        return await _show(visit, error)
    row = view.promotion
    moved = f" v{row.number} is now in {row.stage}." if row.state == "done" else ""
    return visit.go(f"/promotions/{row.id}", done + moved)


@table.post("/promotions/{id:number}/vote", operation="vote", command="approve")
async def vote(visit: Visit) -> Response:
    approves = visit.given("vote") == "approve"
    comment = visit.given("comment") or None
    number = int(visit.path["id"])
    return await _act(
        visit,
        "You approved." if approves else "You rejected: the promotion is closed.",
        lambda tx: usecases.vote(tx, visit.actor, number, approves=approves, comment=comment),
    )


@table.post("/promotions/{id:number}/waive", operation="waive_rule", command="waive")
async def waive(visit: Visit) -> Response:
    number = int(visit.path["id"])
    rule, reason = visit.given("rule"), visit.given("reason")
    return await _act(
        visit,
        f"Rule {rule} was waived.",
        lambda tx: usecases.waive(tx, visit.actor, number, rule=rule, reason=reason),
    )


@table.post("/promotions/{id:number}/withdraw", operation="withdraw_promotion", command="withdraw")
async def withdraw(visit: Visit) -> Response:
    number = int(visit.path["id"])
    reason = visit.given("reason") or None
    return await _act(
        visit,
        "The promotion was withdrawn.",
        lambda tx: usecases.withdraw(tx, visit.actor, number, reason=reason),
    )


@table.post("/promotions/{id:number}/comment", operation="write_comment", command="comment add")
async def comment(visit: Visit) -> Response:
    number = int(visit.path["id"])
    body = visit.given("comment")

    def write(tx: Transaction) -> PromotionView:
        view = show_promotion(tx, visit.actor, number)
        comments.write_comment(tx, visit.actor, view.promotion.model, body, promotion=number)
        return view

    return await _act(visit, "Your comment was added.", write)


@table.get("/models/{namespace}/{name}/stages/{stage}/rollback")
async def ask_rollback(visit: Visit) -> Response:
    """Show the result of a rollback before it is done."""

    def read(tx: Transaction) -> dict[str, Any]:
        model, _, standing = stages.list_stages(tx, visit.actor, visit.model)
        stage = next((each for each in standing if each.name == visit.path["stage"]), None)
        moves = stages.list_history(tx, visit.actor, visit.model, visit.path["stage"], limit=20)
        acts = find_stage_actions(tx, visit.actor, model).get(visit.path["stage"])
        return {"stage": stage, "moves": moves, "may_rollback": acts is not None and acts.rollback}

    found = await visit.look(read)
    return await visit.render("rollback.html", model=visit.model, name=visit.path["stage"], **found)


@table.post("/models/{namespace}/{name}/stages/{stage}/rollback", operation="rollback", command="rollback")
async def rollback(visit: Visit) -> Response:
    stage, model = visit.path["stage"], visit.model
    to, seen = visit.given("to"), visit.given("seen")
    row = await visit.write(
        lambda tx: stages.rollback(
            tx,
            visit.actor,
            model,
            stage,
            to=int(to) if to.isdigit() else None,
            reason=visit.given("reason"),
            seen=int(seen) if seen.isdigit() else None,
        )
    )
    return visit.go(f"/models/{model}", f"{stage}: rolled back to v{row.after_primary}.")
