"""The steps after the training: the version with its check and evaluation, and the promotion; or the comparison."""

from __future__ import annotations

from typing import Any

from modelyard.agent.comparing import result_of
from modelyard.agent.training import Training
from modelyard.agent.workplace import StepFailed, Workplace
from modelyard.domain.errors import IdempotencyConflict
from modelyard.domain.names import Ref
from modelyard.sdk.checks import Checks
from modelyard.sdk.evaluations import Evaluations
from modelyard.sdk.promotion import Promotions
from modelyard.sdk.runs import offline, registration
from modelyard.sdk.runs.reading import Runs
from modelyard.sdk.runs.results import Made
from modelyard.sdk.versions import Versions
from modelyard.wire import builds as wire
from modelyard.wire import promotion as promotion_wire

_WARM, _RETRAINED = "finetune", "retrained"
"""Relations to the version whose record a build was made from: its files were given to the training, or not."""
_BUILD_TAG = "build"
"""Tag of a version: the build that registered it."""


class Registration:
    """version: its reference; None: none was registered. result: of a build that repeats a version."""

    def __init__(self, place: Workplace, training: Training) -> None:
        self._place, self._training = place, training
        self.version: str | None = None
        self.promotion: int | None = None
        self.result: wire.AttemptResult | None = None

    def _facts(self) -> tuple[dict[str, Any], Made]:
        """Return the facts of the version that the training made, with its files."""
        noted = self._training.started_run()
        if self._training.made is None:
            raise StepFailed("there is no result: no step made a package")
        if not noted.flush():
            self._place.say("The run's records are still on their way.\n")
        # Send the records that the programs could not send themselves.
        offline.sync(lambda _: self._place.session, run=noted.id)
        facts = registration.facts_of(Runs(self._place.session).get(noted.id), self._training.made.learned)
        if self._place.plan.parent:
            relation = _WARM if self._place.plan.warm else _RETRAINED
            facts["parents"] = [
                *facts.get("parents", ()),
                {"ref": self._place.plan.parent, "relation": relation},
            ]
        return facts, self._training.made

    def compare(self, _: wire.PlannedStep) -> tuple[str, str]:
        """Report what the training made; the server compares it with the version."""
        facts, made = self._facts()
        split, dataset = self._place.plan.evaluate_split, self._place.plan.evaluate_dataset
        evaluation = [
            {"name": name, "value": value, "split": split, "dataset": dataset}
            for name, value in self._training.metrics.items()
        ]
        self.result = result_of(
            self._place.session,
            self._place.plan.reproduces,
            made.path,
            facts,
            evaluation,
            self._place.folder / "recorded",
        )
        words = f"the result is compared with {self._place.plan.reproduces}"
        self._place.say(f"{words}\n")
        return "ok", words

    def push(self, step: wire.PlannedStep) -> tuple[str, str]:
        facts, made = self._facts()
        # An earlier attempt may have pushed, and been lost before it could say so.
        reference = self._find_version() if self._place.number > 1 else ""
        if not reference:
            try:
                version = registration.register(
                    self._place.session,
                    made.path,
                    self._place.plan.model,
                    facts=facts,
                    tags={_BUILD_TAG: self._place.build},
                    capture=False,
                    idempotency_key=f"build-{self._place.build}-{step.name}",
                )
                reference = version.reference
                self._place.say(registration.words_for(version) + "\n")
            except IdempotencyConflict:
                reference = self._find_version()
                if not reference:
                    raise
        self.version = reference
        self._place.say(f"{reference}\n")
        if self._training.check is not None:
            state, summary, details_of_check = self._training.check
            Checks(self._place.session).report(
                reference,
                self._place.plan.check,
                state,
                summary=self._place.hidden.mask(summary)[:500],
                details=self._place.hidden.mask_json(details_of_check),
            )
            self._place.say(f"check {self._place.plan.check}: {state}: {summary}\n")
        if self._training.metrics:
            split, dataset = self._place.plan.evaluate_split, self._place.plan.evaluate_dataset
            Evaluations(self._place.session).report(
                reference, self._training.metrics, split=split, dataset=dataset
            )
            self._place.say(f"evaluation of {len(self._training.metrics)} metrics on {split or 'no split'}\n")
        return "ok", reference

    def _find_version(self) -> str:
        """Return the version that an attempt of this build has registered; "": none has."""
        found = Versions(self._place.session).list(
            self._place.plan.model, tags=[f"{_BUILD_TAG}={self._place.build}"], limit=1
        )
        return next((version.reference for version in found), "")

    def gate(self, _: wire.PlannedStep) -> tuple[str, str]:
        """Propose the version to the stage. A refusal is an outcome, and does not make the build fail."""
        if not self._place.plan.stage or self.version is None:
            return "skipped", ""
        promotions = Promotions(self._place.session)
        attempt = promotions.request(self.version, self._place.plan.stage, reason=f"build {self._place.build}")
        self.promotion = attempt.promotion.id if attempt.promotion is not None else None
        place = f"version {Ref.parse(self.version).selector} to {attempt.stage}"
        rules = _unmet(attempt)
        told = "; ".join(
            f"{rule.rule}: {rule.say or f'{rule.measured}, needed {rule.needed}'}" for rule in rules
        )
        if attempt.outcome == "done":
            words = f"promoted {place}"
        elif not rules:
            words = (
                f"the promotion of {place} meets all rules, and a maintainer completes it: "
                f"modelyard promote {self.version} {attempt.stage}"
            )
        elif all(rule.may_change for rule in rules) or self.promotion is None:
            words = f"the promotion of {place} waits: {told}"
        else:
            # No answer can help, so it does not stay open.
            words = f"the promotion of {place} was refused: {told}"
            promotions.withdraw(self.promotion, reason=f"build {self._place.build}: {told}"[:1000])
        self._place.say(f"{words}\n")
        return "ok", words


def _unmet(attempt: promotion_wire.Attempt) -> list[promotion_wire.RuleResult]:
    return [rule for rule in attempt.verdict.results if rule.outcome in ("fail", "unknown")]
