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
    """Return the attempt behind a refusal: the verdict with a reason for every rule."""
    return msgspec.convert(refused.fields["attempt"], wire.Attempt)


class Promotions(Feature):
    """`client.promotions`."""

    def _wish(self, ref: str, stage: str) -> tuple[str, wire.Promote]:
        model, number = self._session.version_of(ref)
        return str(model), wire.Promote(stage=stage.removeprefix("@"), version=number)

    # --- promoting -------------------------------------------------------------------------------

    def explain(self, ref: str, stage: str) -> wire.Attempt:
        """Judge a promotion without writing anything: return the answer that `promote` would give now.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            stage: Name of the stage, with or without `@`.

        Returns:
            The attempt with its verdict: each rule, its value, what is needed, and who can fix it.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            StageNotFound: The model has no such stage.

        Example:
            >>> client.promotions.explain("fraud/scorer:12", "production").verdict.allowed
            False
        """
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
        """Move a version into a stage, when the gate of the stage allows it.

        When it does not, the promotion stays open until its missing rules are met, unless `keep_open` is
        False.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            stage: Name of the stage, with or without `@`.
            reason: Why; kept in the event log.
            primary: Make the version the primary one of the stage.
            keep_open: Leave a refused promotion open.
            seen_revision: Promote only while the stage has this revision; None: in any case.
            wait_seconds: Try again for up to this many seconds, as long as waiting can help.

        Returns:
            The attempt with its verdict.

        Raises:
            AliasMoved: The stage has another revision than `seen_revision`.
            StageFull: All slots of the stage are taken.
            VersionArchived: The version is archived.
            Refused: The gate does not allow it; `attempt_of(error)` returns the verdict.
            VersionNotFound: There is no such version, or you may not see it.
            StageNotFound: The model has no such stage.
            Denied: Your role does not allow this.

        Example:
            >>> client.promotions.promote("fraud/scorer:12", "production", wait_seconds=600).outcome
            'done'
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
        """Ask for a promotion, which stays open until somebody with the right, or the policy, completes it.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            stage: Name of the stage, with or without `@`.
            reason: Why; kept in the event log.
            primary: Make the version the primary one of the stage.

        Returns:
            The attempt with its verdict and the open promotion.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            StageNotFound: The model has no such stage.
            Denied: Your role does not allow this.

        Example:
            >>> client.promotions.request("fraud/scorer:12", "production").promotion.id
            41
        """
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
        """Return the promotions, rollbacks and demotions of a model, the newest first.

        Args:
            model: Name of the model; the namespace may be left out when your account has a default one.
            stage: Only those of this stage; None: of all.
            states: Only those in these states: `open`, `done`, `refused`, `withdrawn` or `expired`; empty: in
                all.
            version: Only those of this version; None: of all.
            since: Only those since this moment; None: all.
            limit: Return at most this many; None: all.

        Returns:
            One promotion at a time.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> [promotion.id for promotion in client.promotions.list("fraud/scorer", states=["open"])]
            [41]
        """
        query = wire.PromotionQuery(stage=stage, state=[*states], version=version, since=moment(since))
        return items(
            self._transport, self._session.model_path(model, "promotions"), query, wire.PromotionPage, limit
        )

    def to_review(self, limit: int | None = None) -> Iterator[wire.Promotion]:
        """Return the open promotions, of all models, that wait for your vote.

        Args:
            limit: Return at most this many; None: all.

        Returns:
            One promotion at a time.

        Raises:
            NotSignedIn: There is no token.

        Example:
            >>> [promotion.reference for promotion in client.promotions.to_review()]
            ['fraud/scorer:12']
        """
        return items(self._transport, at("promotions"), wire.ReviewQuery(), wire.PromotionPage, limit)

    def get(self, promotion: int) -> wire.Promotion:
        """Return one promotion, with its votes and waivers.

        Args:
            promotion: Number of the promotion.

        Returns:
            The promotion; an open one carries the verdict of this moment.

        Raises:
            PromotionNotFound: There is no such promotion, or you may not see it.

        Example:
            >>> client.promotions.get(41).state
            'open'
        """
        return self._transport.call("GET", at("promotions", promotion), returns=wire.Promotion)

    def approve(self, promotion: int, comment: str | None = None) -> wire.Promotion:
        """Vote for a promotion.

        Args:
            promotion: Number of the promotion.
            comment: Words for the other reviewers, kept with the vote.

        Returns:
            The promotion as it is now.

        Raises:
            PromotionStale: The policy has changed since the promotion was opened.
            PromotionClosed: The promotion is no longer open.
            PromotionNotFound: There is no such promotion, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.promotions.approve(41, "metrics look right").state
            'done'
        """
        return self._change(promotion, "votes", wire.CastVote(approves=True, comment=comment))

    def reject(self, promotion: int, comment: str | None = None) -> wire.Promotion:
        """Vote against a promotion, which refuses it for good.

        Args:
            promotion: Number of the promotion.
            comment: Why; kept with the vote.

        Returns:
            The promotion as it is now.

        Raises:
            PromotionStale: The policy has changed since the promotion was opened.
            PromotionClosed: The promotion is no longer open.
            PromotionNotFound: There is no such promotion, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.promotions.reject(41, "no test on new cards").state
            'refused'
        """
        return self._change(promotion, "votes", wire.CastVote(approves=False, comment=comment))

    def waive(self, promotion: int, rule: str, reason: str) -> wire.Promotion:
        """Set aside one rule for this promotion.

        Args:
            promotion: Number of the promotion.
            rule: Name of the rule, as the verdict shows it.
            reason: Why; kept in the event log.

        Returns:
            The promotion as it is now.

        Raises:
            PromotionStale: The policy has changed since the promotion was opened.
            PromotionClosed: The promotion is no longer open.
            PromotionNotFound: There is no such promotion, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.promotions.waive(41, "scan", "checked by hand").waivers[0].rule
            'scan'
        """
        return self._change(promotion, "waivers", wire.WaiveRule(rule=rule, reason=reason))

    def withdraw(self, promotion: int, reason: str | None = None) -> wire.Promotion:
        """Withdraw an open promotion.

        Args:
            promotion: Number of the promotion.
            reason: Why; kept in the event log.

        Returns:
            The promotion as it is now.

        Raises:
            PromotionClosed: The promotion is no longer open.
            PromotionNotFound: There is no such promotion, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.promotions.withdraw(41).state
            'withdrawn'
        """
        return self._change(promotion, "withdraw", Reason(reason=reason))

    def _change(self, promotion: int, verb: str, body: Any) -> wire.Promotion:
        return self._transport.call(
            "POST", at("promotions", promotion, verb), body=body, returns=wire.Promotion
        )

    # --- stages ----------------------------------------------------------------------------------

    def stages(self, model: str) -> wire.StageList:
        """Return the stages of a model in their order, with the versions that stand there.

        Args:
            model: Name of the model; the namespace may be left out when your account has a default one.

        Returns:
            The stages.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> {stage.name: stage.primary for stage in client.promotions.stages("fraud/scorer").items}
            {'development': 13, 'staging': 12, 'production': 11}
        """
        return self._transport.call("GET", self._session.model_path(model, "stages"), returns=wire.StageList)

    def history(
        self, model: str, stage: str, *, at_time: datetime | str | None = None, limit: int = 50
    ) -> Sequence[wire.Promotion]:
        """Return the moves of a stage, the newest first.

        Args:
            model: Name of the model; the namespace may be left out when your account has a default one.
            stage: Name of the stage, with or without `@`.
            at_time: Return the moves until this moment, so that the first one says which version stood there
                then.
            limit: Return at most this many.

        Returns:
            The moves.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.
            StageNotFound: The model has no such stage.

        Example:
            >>> client.promotions.history("fraud/scorer", "production", at_time="2026-05-01T00:00:00Z")[0].version
            11
        """
        return self._transport.call(
            "GET",
            self._session.model_path(model, "stages", stage.removeprefix("@"), "history"),
            query=wire.StageMoveQuery(at=moment(at_time), limit=limit),
            returns=wire.StageMovePage,
        ).items

    def rollback(
        self, model: str, stage: str, *, reason: str, to: int | None = None, seen_revision: int | None = None
    ) -> wire.Promotion:
        """Take back the last move of a stage, or return to a version that stood there before.

        Args:
            model: Name of the model; the namespace may be left out when your account has a default one.
            stage: Name of the stage, with or without `@`.
            reason: Why; kept in the event log.
            to: Number of the version to return to; None: the one before the last move.
            seen_revision: Roll back only while the stage has this revision. None: the stage is read first, so
                that a request that is sent twice does not go back twice.

        Returns:
            The rollback.

        Raises:
            NothingToRollBack: No other version stood there before.
            StageNotFound: The model has no such stage.
            Denied: Your role does not allow this.

        Example:
            >>> client.promotions.rollback("fraud/scorer", "production", reason="alerts").version
            10
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
        """Take a version out of a stage.

        Args:
            model: Name of the model; the namespace may be left out when your account has a default one.
            stage: Name of the stage, with or without `@`.
            version: Number of the version; None: the primary one.
            next_primary: Number of the version that becomes the primary one; None: as the policy says.
            reason: Why; kept in the event log.

        Returns:
            The demotion.

        Raises:
            StageNotFound: The model has no such stage.
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.promotions.demote("fraud/scorer", "staging").state
            'done'
        """
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
        """Mark a version as deprecated: everybody who resolves or pulls it is warned.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            replacement: Number of the version to use instead; None: none is named.
            ends_at: The moment from which the version should not be used any more; None: none is named.
            reason: Why; shown in the warning.

        Returns:
            The version as it is now.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.promotions.deprecate("fraud/scorer:10", replacement=12).reference
            'fraud/scorer:10'
        """
        return self._transport.call(
            "PUT",
            self._session.version_path(ref, "deprecation"),
            body=wire.Deprecate(replacement=replacement, ends_at=moment(ends_at), reason=reason),
            returns=versions_wire.Version,
        )

    def undeprecate(self, ref: str) -> versions_wire.Version:
        """Take back the deprecation of a version.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The version as it is now.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.promotions.undeprecate("fraud/scorer:10").reference
            'fraud/scorer:10'
        """
        return self._transport.call(
            "DELETE", self._session.version_path(ref, "deprecation"), returns=versions_wire.Version
        )
