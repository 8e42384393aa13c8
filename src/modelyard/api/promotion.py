"""Routes of stages and promotions: judge, promote, vote, waive, withdraw, roll back, demote, deprecate."""

from __future__ import annotations

from typing import Any

import msgspec

from modelyard.api import promotion_shapes as shapes
from modelyard.api import shapes as common
from modelyard.api.conversion import fields_of, to_wire
from modelyard.db.transaction import Transaction
from modelyard.domain.errors import InvalidRequest, PromotionNotFound, Refused
from modelyard.domain.times import time_text
from modelyard.doors.call import Call, revision_tag
from modelyard.doors.errors import PROBLEM_TYPE, problem
from modelyard.doors.paging import Paging
from modelyard.doors.parsing import parse_target, parse_time
from modelyard.doors.table import RouteTable
from modelyard.registry.idempotency import Answer
from modelyard.registry.promotion import reading, stages, standing, usecases
from modelyard.registry.promotion.nouns import REFUSED, PromotionFilter
from modelyard.registry.promotion.usecases import Attempt, PromotionRequest
from modelyard.registry.versions import deprecation
from modelyard.wire import promotion as wire
from modelyard.wire import versions as versions_wire
from modelyard.wire.base import Reason, encode

table = RouteTable(__name__)
_MODEL = "/api/v1/models/{namespace}/{name}"


def _request(call: Call, body: wire.Promote) -> PromotionRequest:
    return PromotionRequest(
        ref=parse_target(call.model, body.version, body.target),
        stage=body.stage,
        reason=body.reason,
        open_only=body.request,
        primary=body.primary,
        keep_open=body.keep_open,
        seen=body.seen_revision,
    )


def _promotion_id(call: Call) -> int:
    text = call.path["promotion"]
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise PromotionNotFound(promotion=text[:40])
    return int(text)


# --- promotions ----------------------------------------------------------------------------------------


@table.route("POST", f"{_MODEL}/promotions", status=201)
async def promote(call: Call, body: wire.Promote) -> Answer[wire.Attempt]:
    """Move a version into a stage if its gate allows it. 409 with the verdict if it does not.

    200 for a dry run, and when the version is already in the stage; 202 for an open request.
    """
    request = _request(call, body)
    if body.dry_run:
        dry = await call.read(lambda tx: usecases.explain(tx, call.actor, request))
        return Answer(200, encode(shapes.attempt(dry)))

    def work(tx: Transaction) -> Answer[wire.Attempt]:
        attempt = usecases.promote(tx, call.actor, request)
        if attempt.outcome == REFUSED:
            return Answer(409, encode(_refusal(attempt, call.request_id)), {"content-type": PROBLEM_TYPE})
        status = 201 if attempt.done and attempt.changed else 200 if attempt.done else 202
        return Answer(status, encode(shapes.attempt(attempt)))

    return await call.commit_answer(work)


def _refusal(found: Attempt, request_id: str) -> Any:
    """Return the refusal in the form of this door; the verdict is one of the fields."""
    shown = msgspec.to_builtins(shapes.attempt(found), enc_hook=str)
    return problem(Refused(reason=found.refusal, fix=found.way_on, attempt=shown), request_id)


@table.route("GET", f"{_MODEL}/promotions")
async def list_promotions(call: Call, query: wire.PromotionQuery) -> wire.PromotionPage:
    """List the promotions, rollbacks and demotions of a model, newest first."""
    paging = Paging.of(query, int)
    chosen = PromotionFilter(
        stage=query.stage,
        states=tuple(query.state),
        number=query.version,
        since=parse_time(query.since) if query.since else None,
    )
    promotions = await call.read(
        lambda tx: reading.list_promotions(tx, call.actor, call.model, chosen, paging.start, paging.count)
    )
    return paging.answer(
        wire.PromotionPage,
        promotions,
        lambda row: shapes.promotion(row, with_verdict=True),
        key=lambda row: (row.id,),
    )


@table.route("GET", "/api/v1/promotions")
async def list_to_review(call: Call, query: wire.ReviewQuery) -> wire.PromotionPage:
    """List open promotions of all models that need the caller's vote, or that the caller can complete."""
    paging = Paging.of(query, int)
    if query.waiting:
        found = await call.read(lambda tx: reading.list_to_review(tx, call.actor, paging.count, paging.start))
    else:
        chosen = PromotionFilter(
            stage=query.stage,
            states=tuple(query.state),
            since=parse_time(query.since) if query.since else None,
            namespace=query.namespace,
        )
        found = await call.read(
            lambda tx: reading.list_visible(tx, call.actor, chosen, paging.start, paging.count)
        )
    return paging.answer(
        wire.PromotionPage,
        found,
        lambda row: shapes.promotion(row, with_verdict=True),
        key=lambda row: (row.id,),
    )


@table.route("GET", "/api/v1/promotions/{promotion}")
async def show_promotion(call: Call) -> wire.Promotion:
    """Return a promotion with its votes and waivers; an open one with its current verdict."""
    view = await call.read(lambda tx: reading.show_promotion(tx, call.actor, _promotion_id(call)))
    return shapes.promotion_view(view)


@table.route("POST", "/api/v1/promotions/{promotion}/votes")
async def vote(call: Call, body: wire.CastVote) -> Answer[wire.Promotion]:
    """Approve a promotion, or reject it for good."""
    return await call.commit(
        lambda tx: shapes.promotion_view(usecases.vote(tx, call.actor, _promotion_id(call), **fields_of(body)))
    )


@table.route("POST", "/api/v1/promotions/{promotion}/waivers")
async def waive_rule(call: Call, body: wire.WaiveRule) -> Answer[wire.Promotion]:
    """Waive one rule for this promotion, with a reason."""
    return await call.commit(
        lambda tx: shapes.promotion_view(usecases.waive(tx, call.actor, _promotion_id(call), **fields_of(body)))
    )


@table.route("POST", "/api/v1/promotions/{promotion}/withdraw")
async def withdraw_promotion(call: Call, body: Reason) -> Answer[wire.Promotion]:
    """Withdraw an open promotion."""
    return await call.commit(
        lambda tx: shapes.promotion_view(
            usecases.withdraw(tx, call.actor, _promotion_id(call), reason=body.reason)
        )
    )


# --- stages ----------------------------------------------------------------------------------------------


@table.route("GET", f"{_MODEL}/stages")
async def list_stages(call: Call) -> wire.StageList:
    """List the stages of a model in order, with the versions in each."""
    model, policy, found = await call.read(lambda tx: stages.list_stages(tx, call.actor, call.model))
    return wire.StageList(
        model=str(model.name), policy_digest=policy.digest, items=[shapes.stage(view) for view in found]
    )


@table.route("GET", "/api/v1/stages")
async def list_standing(call: Call, query: wire.StandingQuery) -> wire.StandingPage:
    """List the versions that were in a stage at a moment, over all models that the caller may see."""
    paging = Paging.of(query, str)
    at = parse_time(query.at) if query.at else call.services.db.clock()
    found = await call.read(
        lambda tx: standing.list_stood(
            tx,
            call.actor,
            query.stage,
            at,
            namespace=query.namespace,
            after=paging.start or "",
            limit=paging.count,
        )
    )
    return paging.answer(
        wire.StandingPage,
        found,
        lambda row: to_wire(row, wire.Stood),
        key=lambda row: (str(row.model),),
        stage=query.stage,
        at=time_text(at),
    )


@table.route("GET", f"{_MODEL}/stages/{{stage}}/history")
async def list_stage_history(call: Call, query: wire.StageMoveQuery) -> wire.StageMovePage:
    """List the versions that were in a stage, with times, approvals and verdicts; newest first."""
    if not 1 <= query.limit <= 500:
        raise InvalidRequest(reason=f"limit is {query.limit}; it must be 1 to 500", fix="Choose another limit")
    stage = call.path["stage"]
    at = parse_time(query.at) if query.at else None
    moves = await call.read(
        lambda tx: stages.list_history(tx, call.actor, call.model, stage, at=at, limit=query.limit)
    )
    return wire.StageMovePage(
        model=str(call.model), stage=stage, items=[shapes.stage_move(move) for move in moves]
    )


@table.route("GET", f"{_MODEL}/stages/{{stage}}/rollback")
async def preview_rollback(call: Call, query: wire.RollbackQuery) -> wire.RollbackPreview:
    """Return what a rollback would do now, without doing it."""
    preview = await call.read(
        lambda tx: stages.preview_rollback(tx, call.actor, call.model, call.path["stage"], to=query.to)
    )
    return to_wire(preview, wire.RollbackPreview)


@table.route("POST", f"{_MODEL}/stages/{{stage}}/rollback", status=201)
async def rollback(call: Call, body: wire.Rollback) -> Answer[wire.Promotion]:
    """Undo the last move of a stage, or go back to a version that was in it before."""
    return await call.commit(
        lambda tx: shapes.promotion(
            stages.rollback(
                tx,
                call.actor,
                call.model,
                call.path["stage"],
                seen=body.seen_revision,
                **fields_of(body, "seen_revision"),
            )
        )
    )


@table.route("POST", f"{_MODEL}/stages/{{stage}}/demote", status=201)
async def demote(call: Call, body: wire.Demote) -> Answer[wire.Promotion]:
    """Take a version out of a stage."""
    return await call.commit(
        lambda tx: shapes.promotion(
            stages.demote(
                tx,
                call.actor,
                call.model,
                call.path["stage"],
                seen=body.seen_revision,
                **fields_of(body, "seen_revision"),
            )
        )
    )


# --- deprecation -------------------------------------------------------------------------------------------


@table.route("PUT", f"{_MODEL}/versions/{{version}}/deprecation")
async def deprecate_version(call: Call, body: wire.Deprecate) -> Answer[versions_wire.Version]:
    """Warn everyone who resolves or pulls the version, and name what to use instead."""
    ends_at = parse_time(body.ends_at) if body.ends_at else None
    return await call.commit(
        lambda tx: common.version(
            deprecation.deprecate_version(
                tx, call.actor, call.ref, replacement=body.replacement, ends_at=ends_at, reason=body.reason
            )
        ),
        etag=revision_tag,
    )


@table.route("DELETE", f"{_MODEL}/versions/{{version}}/deprecation")
async def undeprecate_version(call: Call) -> Answer[versions_wire.Version]:
    """Stop warning."""
    return await call.commit(
        lambda tx: common.version(deprecation.undeprecate_version(tx, call.actor, call.ref)), etag=revision_tag
    )
