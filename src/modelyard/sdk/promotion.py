"""Stages and promotions: judge, promote, vote, waive, roll back, and the history of stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from modelyard.domain.errors import Refused
from modelyard.sdk.http import at
from modelyard.sdk.paging import Items
from modelyard.sdk.session import Feature
from modelyard.sdk.values import moment
from modelyard.sdk.views import Attempt
from modelyard.wire import promotion as wire
from modelyard.wire import versions as versions_wire
from modelyard.wire.base import Reason

POLL_SECONDS = 2.0


def attempt_of(refused: Refused) -> Attempt:
    """Return the attempt behind a refusal: the verdict with a reason for every rule."""
    return msgspec.convert(refused.fields["attempt"], Attempt)


class Promotions(Feature):
    """`client.promotions`."""

    def _wish(self, ref: str, stage: str) -> tuple[str, wire.Promote]:
        model, number = self._session.version_of(ref)
        return str(model), wire.Promote(stage=stage.removeprefix("@"), version=number)

    # --- promoting -------------------------------------------------------------------------------

    def explain(self, ref: str, stage: str) -> Attempt:
        """Judge a promotion without writing anything: return the answer that `promote` would give now.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            stage: Name of the stage, with or without `@`.

        Returns:
            The attempt with its verdict: each rule, its value, the requirement, and who can meet it.

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
        on_wait: Callable[[Attempt], None] | None = None,
    ) -> Attempt:
        """Move a version into a stage, if the gate of the stage allows it.

        If it does not, the promotion stays open until the unmet rules are met, unless `keep_open` is False.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            stage: Name of the stage, with or without `@`.
            reason: Reason, kept in the event log.
            primary: Make the version the primary one of the stage.
            keep_open: Keep a refused promotion open.
            seen_revision: Promote only while the stage has this revision; None: in any case.
            wait_seconds: Try again for up to this many seconds, as long as waiting can help.
            on_wait: Called with the attempt each time the promotion begins to wait: it has the number of the
                promotion, and its verdict names the people who must act.

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
                if on_wait is not None:
                    on_wait(attempt)
                self._wait(attempt, end)

    def _wait(self, attempt: Attempt, end: float) -> None:
        """Wait until the promotion has no unmet rules, is closed, or the time is up. Only reads."""
        assert attempt.promotion is not None
        while time.monotonic() < end:
            time.sleep(min(POLL_SECONDS, max(0.0, end - time.monotonic())))
            found = self.get(attempt.promotion.id)
            if found.state != "open" or found.verdict is None or found.verdict.allowed:
                return
            unmet = [r for r in found.verdict.results if r.outcome in ("fail", "unknown")]
            if not all(r.may_change for r in unmet):
                return

    def request(self, ref: str, stage: str, *, reason: str | None = None, primary: bool = True) -> Attempt:
        """Request a promotion, which stays open until a maintainer, or the policy, completes it.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            stage: Name of the stage, with or without `@`.
            reason: Reason, kept in the event log.
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

    def _promote(self, model: str, wish: wire.Promote) -> Attempt:
        return self._post(self._model(model, "promotions"), Attempt, wish)

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
    ) -> Items[wire.Promotion]:
        """Return the promotions, rollbacks and demotions of a model, newest first.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            stage: Only promotions into this stage; None: all stages.
            states: Only promotions in these states: `open`, `done`, `refused`, `withdrawn` or `expired`; empty:
                all states.
            version: Only promotions of this version; None: all versions.
            since: Only promotions since this time; None: all.
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
        return self._items(self._model(model, "promotions"), query, wire.PromotionPage, limit)

    def to_review(self, limit: int | None = None) -> Items[wire.Promotion]:
        """Return the open promotions of all models that need your vote, or that you can complete.

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
        return self._items(at("promotions"), wire.ReviewQuery(), wire.PromotionPage, limit)

    def list_all(
        self,
        *,
        namespace: str | None = None,
        stage: str | None = None,
        states: Sequence[str] = (),
        since: datetime | str | None = None,
        limit: int | None = None,
    ) -> Items[wire.Promotion]:
        """Return the promotions, rollbacks and demotions of all models that you may read, newest first.

        Args:
            namespace: Only models in this namespace; None: all namespaces.
            stage: Only promotions into this stage; None: all stages.
            states: Only promotions in these states: `open`, `done`, `refused`, `withdrawn` or `expired`; empty:
                all states.
            since: Only promotions since this time; None: all.
            limit: Return at most this many; None: all.

        Returns:
            One promotion at a time.

        Raises:
            NotSignedIn: There is no token.

        Example:
            >>> [promotion.reference for promotion in client.promotions.list_all(states=["open"])]
            ['fraud/scorer:12']
        """
        query = wire.ReviewQuery(
            waiting=False, namespace=namespace, stage=stage, state=[*states], since=moment(since)
        )
        return self._items(at("promotions"), query, wire.PromotionPage, limit)

    def get(self, promotion: int) -> wire.Promotion:
        """Return one promotion, with its votes and waivers.

        Args:
            promotion: Number of the promotion.

        Returns:
            The promotion; an open one has its current verdict.

        Raises:
            PromotionNotFound: There is no such promotion, or you may not see it.

        Example:
            >>> client.promotions.get(41).state
            'open'
        """
        return self._get(at("promotions", promotion), wire.Promotion)

    def approve(self, promotion: int, comment: str | None = None) -> wire.Promotion:
        """Vote for a promotion.

        Args:
            promotion: Number of the promotion.
            comment: Comment for the other reviewers, kept with the vote.

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
        """Vote against a promotion, and refuse it for good.

        Args:
            promotion: Number of the promotion.
            comment: Reason, kept with the vote.

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
        """Waive one rule for this promotion.

        Args:
            promotion: Number of the promotion.
            rule: Name of the rule, as the verdict shows it.
            reason: Reason, kept in the event log.

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
            reason: Reason, kept in the event log.

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
        return self._post(at("promotions", promotion, verb), wire.Promotion, body)

    # --- stages ----------------------------------------------------------------------------------

    def stages(self, model: str) -> wire.StageList:
        """Return the stages of a model in order, with the versions in each.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.

        Returns:
            The stages.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> {stage.name: stage.primary for stage in client.promotions.stages("fraud/scorer").items}
            {'development': 13, 'staging': 12, 'production': 11}
        """
        return self._get(self._model(model, "stages"), wire.StageList)

    def standing(
        self,
        stage: str = "production",
        *,
        at_time: datetime | str | None = None,
        namespace: str | None = None,
        limit: int | None = None,
    ) -> Iterator[wire.Stood]:
        """Return the versions that were in a stage at a moment, over all models that you may see.

        Args:
            stage: Name of the stage, with or without `@`.
            at_time: The moment; None: now.
            namespace: Only models of this namespace; None: of all.
            limit: Return at most this many; None: all.

        Returns:
            One version at a time, by the names of the models.

        Raises:
            Unauthenticated: You are not signed in.

        Example:
            >>> {stood.model: stood.version for stood in client.promotions.standing(at_time="2026-05-01T00:00:00Z")}
            {'fraud/scorer': 11}
        """
        query = wire.StandingQuery(stage=stage, at=moment(at_time), namespace=namespace)
        return self._items(at("stages"), query, wire.StandingPage, limit)

    def history(
        self, model: str, stage: str, *, at_time: datetime | str | None = None, limit: int = 50
    ) -> Sequence[wire.Promotion]:
        """Return the moves of a stage, newest first.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            stage: Name of the stage, with or without `@`.
            at_time: Return the moves until this time, so that the first one shows the stage at that time.
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
        return self._get(
            self._model(model, "stages", stage.removeprefix("@"), "history"),
            wire.StageMovePage,
            wire.StageMoveQuery(at=moment(at_time), limit=limit),
        ).items

    def preview_rollback(self, model: str, stage: str, *, to: int | None = None) -> wire.RollbackPreview:
        """Return what a rollback would do now, without doing it.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            stage: Name of the stage, with or without `@`.
            to: Number of the version to return to; None: undo the last move.

        Returns:
            The versions in the stage now and after the rollback, the primary version first.

        Raises:
            NothingToRollBack: No other version was in the stage before.
            StageNotFound: The model has no such stage.
            Denied: Your role does not allow this.

        Example:
            >>> client.promotions.preview_rollback("fraud/scorer", "production").after
            [10]
        """
        path = self._model(model, "stages", stage.removeprefix("@"), "rollback")
        return self._get(path, wire.RollbackPreview, wire.RollbackQuery(to=to))

    def rollback(
        self,
        model: str,
        stage: str,
        *,
        reason: str,
        to: int | None = None,
        from_version: int | None = None,
        seen_revision: int | None = None,
    ) -> wire.Promotion:
        """Undo the last move of a stage, or return to a version that was in it before.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            stage: Name of the stage, with or without `@`.
            reason: Reason, kept in the event log.
            to: Number of the version to return to; None: undo the last move.
            from_version: Roll back only if this is the primary version; None: in any case.
            seen_revision: Roll back only if the stage has this revision. None: the stage is read first, so that
                a repeated request does not roll back twice.

        Returns:
            The rollback.

        Raises:
            AliasMoved: The primary version is not `from_version`, or the stage has another revision.
            NothingToRollBack: No other version was in the stage before.
            StageNotFound: The model has no such stage.
            Denied: Your role does not allow this.

        Example:
            >>> client.promotions.rollback("fraud/scorer", "production", reason="alerts").version
            10
        """
        stage = stage.removeprefix("@")
        seen = self._revision(model, stage) if seen_revision is None else seen_revision
        return self._post(
            self._model(model, "stages", stage, "rollback"),
            wire.Promotion,
            wire.Rollback(reason=reason, to=to, from_version=from_version, seen_revision=seen),
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
            model: Name of the model; the namespace may be omitted if your account has a default one.
            stage: Name of the stage, with or without `@`.
            version: Number of the version; None: the primary one.
            next_primary: Number of the version that becomes the primary one; None: the policy decides.
            reason: Reason, kept in the event log.

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
        return self._post(
            self._model(model, "stages", stage.removeprefix("@"), "demote"),
            wire.Promotion,
            wire.Demote(version=version, next_primary=next_primary, reason=reason),
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
        """Mark a version as deprecated: everyone who resolves or pulls it gets a warning.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            replacement: Number of the version to use instead; None: none.
            ends_at: Time from which the version should no longer be used; None: none.
            reason: Reason, shown in the warning.

        Returns:
            The version as it is now.

        Raises:
            VersionNotFound: There is no such version, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.promotions.deprecate("fraud/scorer:10", replacement=12).reference
            'fraud/scorer:10'
        """
        return self._put(
            self._version(ref, "deprecation"),
            versions_wire.Version,
            wire.Deprecate(replacement=replacement, ends_at=moment(ends_at), reason=reason),
        )

    def undeprecate(self, ref: str) -> versions_wire.Version:
        """Undo the deprecation of a version.

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
        return self._call("DELETE", self._version(ref, "deprecation"), returns=versions_wire.Version)
