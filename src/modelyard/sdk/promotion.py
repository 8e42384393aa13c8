"""Stages and promotions: judge, promote, vote, waive, roll back, and who stood where."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from modelyard.domain.errors import Refused
from modelyard.sdk.http import at
from modelyard.sdk.paging import items
from modelyard.sdk.session import Feature
from modelyard.sdk.values import moment
from modelyard.wire import promotion as wire
from modelyard.wire import versions as versions_wire
from modelyard.wire.base import Reason

POLL_SECONDS = 2.0


def attempt_of(refused: Refused) -> wire.Attempt:
    """What a refused promotion was judged on: the verdict with a reason for every rule."""
    return msgspec.convert(refused.fields["attempt"], wire.Attempt)


class Promotions(Feature):
    """`client.promotions`."""

    def _wish(self, ref: str, stage: str) -> tuple[str, wire.Promote]:
        model, number = self._session.version_of(ref)
        return str(model), wire.Promote(stage=stage.removeprefix("@"), version=number)

    # --- promoting -------------------------------------------------------------------------------

    def explain(self, ref: str, stage: str) -> wire.Attempt:
        """What `promote` would say now; nothing is written."""
        model, wish = self._wish(ref, stage)
        wish.dry_run = True
        return self._promote(model, wish)

    def promote(
        self,
        ref: str,
        stage: str,
        *,
        reason: str | None = None,
        primary: bool = True,
        keep_open: bool = True,
        seen_revision: int | None = None,
        wait_seconds: float = 0.0,
    ) -> wire.Attempt:
        """Move a version into a stage if its gate lets it in.

        Raises Refused when it does not (`attempt_of` gives the verdict); the promotion stays open for what is
        missing, unless keep_open is False. wait_seconds: try again for so long, as long as waiting can help.
        """
        model, wish = self._wish(ref, stage)
        wish.reason, wish.primary, wish.keep_open = reason, primary, keep_open or wait_seconds > 0
        wish.seen_revision = seen_revision
        end = time.monotonic() + wait_seconds
        while True:
            try:
                return self._promote(model, wish)
            except Refused as refused:
                attempt = attempt_of(refused)
                unmet = [r for r in attempt.verdict.results if r.outcome in ("fail", "unknown")]
                if time.monotonic() >= end or not all(r.may_change for r in unmet):
                    raise
                self._wait(attempt, end)

    def _wait(self, attempt: wire.Attempt, end: float) -> None:
        """Until the promotion at hand has no unmet rule, is closed, or the time is up. Only reads."""
        assert attempt.promotion is not None
        while time.monotonic() < end:
            time.sleep(min(POLL_SECONDS, max(0.0, end - time.monotonic())))
            found = self.get(attempt.promotion.id)
            if found.state != "open" or found.verdict is None or found.verdict.allowed:
                return
            unmet = [r for r in found.verdict.results if r.outcome in ("fail", "unknown")]
            if not all(r.may_change for r in unmet):
                return

    def request(self, ref: str, stage: str, *, reason: str | None = None, primary: bool = True) -> wire.Attempt:
        """Ask for a promotion: it stays open until somebody who may, or the policy, completes it."""
        model, wish = self._wish(ref, stage)
        wish.reason, wish.primary, wish.request = reason, primary, True
        return self._promote(model, wish)

    def _promote(self, model: str, wish: wire.Promote) -> wire.Attempt:
        return self._transport.call(
            "POST", self._session.model_path(model, "promotions"), body=wish, returns=wire.Attempt
        )

    # --- an open promotion -----------------------------------------------------------------------

    def list(
        self,
        model: str,
        *,
        stage: str | None = None,
        states: Sequence[str] = (),
        version: int | None = None,
        since: datetime | str | None = None,
        limit: int | None = None,
    ) -> Iterator[wire.Promotion]:
        """Promotions, rollbacks and demotions of a model, newest first. states: open, done, refused, …"""
        query = wire.PromotionQuery(stage=stage, state=[*states], version=version, since=moment(since))
        return items(
            self._transport, self._session.model_path(model, "promotions"), query, wire.PromotionPage, limit
        )

    def to_review(self, limit: int | None = None) -> Iterator[wire.Promotion]:
        """Open promotions, of all models, that wait for the caller's vote."""
        return items(self._transport, at("promotions"), wire.ReviewQuery(), wire.PromotionPage, limit)

    def get(self, promotion: int) -> wire.Promotion:
        """With votes and waivers; an open one with the verdict of now."""
        return self._transport.call("GET", at("promotions", promotion), returns=wire.Promotion)

    def approve(self, promotion: int, comment: str | None = None) -> wire.Promotion:
        return self._change(promotion, "votes", wire.CastVote(approves=True, comment=comment))

    def reject(self, promotion: int, comment: str | None = None) -> wire.Promotion:
        """For good: the promotion is refused."""
        return self._change(promotion, "votes", wire.CastVote(approves=False, comment=comment))

    def waive(self, promotion: int, rule: str, reason: str) -> wire.Promotion:
        """Set one rule aside for this promotion."""
        return self._change(promotion, "waivers", wire.WaiveRule(rule=rule, reason=reason))

    def withdraw(self, promotion: int, reason: str | None = None) -> wire.Promotion:
        return self._change(promotion, "withdraw", Reason(reason=reason))

    def _change(self, promotion: int, verb: str, body: Any) -> wire.Promotion:
        return self._transport.call(
            "POST", at("promotions", promotion, verb), body=body, returns=wire.Promotion
        )

    # --- stages ----------------------------------------------------------------------------------

    def stages(self, model: str) -> wire.StageList:
        """The stages of a model in order, and who stands there."""
        return self._transport.call("GET", self._session.model_path(model, "stages"), returns=wire.StageList)

    def history(
        self, model: str, stage: str, *, at_time: datetime | str | None = None, limit: int = 50
    ) -> Sequence[wire.Promotion]:
        """Who stood in a stage, newest first. at_time: moves until then, so the first one says who stood there."""
        return self._transport.call(
            "GET",
            self._session.model_path(model, "stages", stage.removeprefix("@"), "history"),
            query=wire.StageMoveQuery(at=moment(at_time), limit=limit),
            returns=wire.StageMovePage,
        ).items

    def rollback(
        self, model: str, stage: str, *, reason: str, to: int | None = None, seen_revision: int | None = None
    ) -> wire.Promotion:
        """Take back the last move of a stage, or go back to a version that stood there before.

        seen_revision: None reads the stage first, so that a request that is lost and repeated by hand, or two
        people at once, do not go back twice.
        """
        stage = stage.removeprefix("@")
        seen = self._revision(model, stage) if seen_revision is None else seen_revision
        return self._transport.call(
            "POST",
            self._session.model_path(model, "stages", stage, "rollback"),
            body=wire.Rollback(reason=reason, to=to, seen_revision=seen),
            returns=wire.Promotion,
        )

    def _revision(self, model: str, stage: str) -> int | None:
        return next((s.revision for s in self.stages(model).items if s.name == stage.lower()), None)

    def demote(
        self,
        model: str,
        stage: str,
        *,
        version: int | None = None,
        next_primary: int | None = None,
        reason: str | None = None,
    ) -> wire.Promotion:
        """Take a version out of a stage: the primary one, or `version`."""
        return self._transport.call(
            "POST",
            self._session.model_path(model, "stages", stage.removeprefix("@"), "demote"),
            body=wire.Demote(version=version, next_primary=next_primary, reason=reason),
            returns=wire.Promotion,
        )

    # --- deprecation -----------------------------------------------------------------------------

    def deprecate(
        self,
        ref: str,
        *,
        replacement: int | None = None,
        ends_at: datetime | str | None = None,
        reason: str | None = None,
    ) -> versions_wire.Version:
        """Warn whoever resolves or pulls the version."""
        return self._transport.call(
            "PUT",
            self._session.version_path(ref, "deprecation"),
            body=wire.Deprecate(replacement=replacement, ends_at=moment(ends_at), reason=reason),
            returns=versions_wire.Version,
        )

    def undeprecate(self, ref: str) -> versions_wire.Version:
        return self._transport.call(
            "DELETE", self._session.version_path(ref, "deprecation"), returns=versions_wire.Version
        )
