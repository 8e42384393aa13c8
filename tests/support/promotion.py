"""A model with people around it, to try promotions with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.db.transaction import Transaction
from modelyard.domain.actor import Actor, Role
from modelyard.domain.names import ModelName, Ref
from modelyard.registry.access import usecases as access
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.checks import usecases as checks
from modelyard.registry.promotion import policies, reading, stages, usecases
from modelyard.registry.promotion.nouns import Promotion
from modelyard.registry.promotion.policies import PolicyView
from modelyard.registry.promotion.reading import PromotionView
from modelyard.registry.promotion.usecases import Attempt, PromotionRequest
from modelyard.registry.versions import aliases
from tests.support.registry import Registry, unique


def policy(*rules: str, to: str = "production", more: str = "", head: str = "") -> str:
    """A policy with open gates to the other standard stages."""
    lines = ["version: 1", head] if head else ["version: 1"]
    lines.append("promote:")
    lines += [f"  - {{to: {s}, rules: []}}" for s in ("development", "staging", "production") if s != to]
    lines.append(f"  - to: {to}")
    lines += [f"    {line}" for line in more.splitlines()]
    lines.append("    rules:" if rules else "    rules: []")
    lines += [f"      - {rule}" for rule in rules]
    return "\n".join(lines) + "\n"


@dataclass
class Team:
    """One namespace: an owner, a maintainer, a contributor, a reader, a group `risk` of two without any role."""

    registry: Registry

    def __post_init__(self) -> None:
        r = self.registry
        self.namespace = unique("team")
        self.model = f"{self.namespace}/scorer"
        self.owner, self.maintainer, self.contributor, self.reader = (
            r.user(unique(word)) for word in ("owner", "maintainer", "contributor", "reader")
        )
        self.rita, self.rob, self.stranger = (r.user(unique(word)) for word in ("rita", "rob", "stranger"))
        self.risk = r.group(self.rita, self.rob)
        r.db.write(lambda tx: catalog.create_namespace(tx, self.owner, r.settings, name=self.namespace))
        for actor, role in (
            (self.maintainer, Role.MAINTAINER),
            (self.contributor, Role.CONTRIBUTOR),
            (self.reader, Role.READER),
        ):
            self.grant(actor, role)
        self.count = 0

    def grant(self, actor: Actor, role: Role) -> None:
        def work(tx: Transaction) -> None:
            at = catalog.namespace_holding(tx, self.owner, self.namespace)
            access.grant_role(tx, self.owner, at, actor.name, role)

        self.registry.db.write(work)

    def push(self, metrics: Mapping[str, float] | None = None, by: Actor | None = None, **facts: Any) -> int:
        """The number of a new version."""
        self.count += 1
        view = self.registry.register(
            by or self.contributor,
            self.model,
            # The person who registered the same bytes anywhere is an author too.
            data=f"weights of {self.namespace}".encode(),
            facts={"metrics": dict(metrics or {}), "params": {"n": self.count}, **facts},
        )
        return view.version.number

    def ref(self, number: int) -> Ref:
        return Ref(ModelName.parse(self.model), number)

    def set_policy(self, text: str, *, of_model: bool = False, by: Actor | None = None) -> PolicyView:
        name = "scorer" if of_model else None
        return self.registry.db.write(
            lambda tx: policies.set_policy(tx, by or self.owner, self.namespace, name, text)
        )

    def promote(
        self, number: int, stage: str = "production", by: Actor | None = None, **options: Any
    ) -> Attempt:
        request = PromotionRequest(self.ref(number), stage, **options)
        return self.registry.db.write(lambda tx: usecases.promote(tx, by or self.maintainer, request))

    def explain(self, number: int, stage: str = "production", by: Actor | None = None) -> Attempt:
        request = PromotionRequest(self.ref(number), stage)
        return self.registry.db.read(lambda tx: usecases.explain(tx, by or self.reader, request))

    def vote(self, by: Actor, promotion: int, approves: bool = True) -> PromotionView:
        return self.registry.db.write(
            lambda tx: usecases.vote(tx, by, promotion, approves=approves, comment=None)
        )

    def waive(self, by: Actor, promotion: int, rule: str, reason: str = "agreed") -> PromotionView:
        return self.registry.db.write(lambda tx: usecases.waive(tx, by, promotion, rule=rule, reason=reason))

    def check(self, number: int, name: str, state: str = "pass", by: Actor | None = None) -> None:
        self.registry.db.write(
            lambda tx: checks.report_check(
                tx, by or self.contributor, self.ref(number), checks.CheckReport(name, state)
            )
        )

    def rollback(self, stage: str = "production", by: Actor | None = None, **options: Any) -> Promotion:
        options = {"reason": "it broke", **options}
        name = ModelName.parse(self.model)
        return self.registry.db.write(
            lambda tx: stages.rollback(tx, by or self.maintainer, name, stage, **options)
        )

    def demote(self, stage: str = "production", by: Actor | None = None, **options: Any) -> Promotion:
        name = ModelName.parse(self.model)
        return self.registry.db.write(
            lambda tx: stages.demote(tx, by or self.maintainer, name, stage, **options)
        )

    def standing(self, stage: str = "production") -> int | None:
        """Where the stage's alias points."""
        name = ModelName.parse(self.model)
        found = self.registry.db.read(lambda tx: aliases.list_aliases(tx, self.owner, name))[1]
        return next((row.number for row in found if row.alias == stage), None)

    def view(self, promotion: int) -> PromotionView:
        return self.registry.db.read(lambda tx: reading.show_promotion(tx, self.owner, promotion))

    def history(self, stage: str = "production", at: int | None = None) -> list[tuple[str, int | None]]:
        """(kind, primary version afterwards), newest first."""
        name = ModelName.parse(self.model)
        found = self.registry.db.read(lambda tx: stages.list_history(tx, self.reader, name, stage, at=at))
        return [(move.promotion.kind, move.primary) for move in found]

    def kinds(self) -> list[str]:
        """Kinds of the model's events, oldest first."""
        from modelyard.registry.audit import usecases as audit
        from modelyard.registry.audit.nouns import EventFilter

        name = ModelName.parse(self.model)
        found = self.registry.db.read(
            lambda tx: audit.list_history(tx, self.owner, name, EventFilter(), None, 500)
        )
        return [event.body["kind"] for event in reversed(found)]


def team(registry: Registry) -> Team:
    return Team(registry)


def outcomes(attempt: Attempt) -> dict[str, str]:
    """Rule → outcome."""
    return {r.rule: r.outcome.value for r in attempt.verdict.results}
