"""Whatever order people act in, every stage ends in one consistent state: a stateful property test."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from modelyard.domain.errors import Kind, ModelyardError
from modelyard.domain.names import ModelName
from modelyard.registry.promotion import moves, queries, stages
from modelyard.registry.promotion.nouns import PromotionFilter
from modelyard.registry.versions import usecases as versions
from tests.support.parts import EVERYTHING
from tests.support.promotion import Team, policy, team
from tests.support.registry import Registry

_LAWFUL = {Kind.CONFLICT, Kind.REFUSED, Kind.DENIED, Kind.INVALID, Kind.NOT_FOUND}


class Promotions(RuleBasedStateMachine):
    """Two maintainers, two voters, several versions, one stage with an approval; steps may come in pairs at once."""

    crew: Team

    def __init__(self) -> None:
        super().__init__()
        registry = self.registry
        self.crew = team(registry)
        self.crew.set_policy(self._policy("check: {name: a}"))
        self.pool = ThreadPoolExecutor(2)
        for _ in range(3):
            number = self.crew.push()
            self.crew.check(number, "a")
        self.open: list[int] = []
        # A history to roll back through.
        for number in (1, 2, 3):
            self.ask(number)
            self.crew.vote(self.crew.rita, self.open.pop())
        # Votes gather under the stricter policy, and must not count under the one that follows.
        self.ask(1)

    registry: Registry

    def teardown(self) -> None:
        self.pool.shutdown()

    def _policy(self, *rules: str) -> str:
        return policy(f"approvals: {{group: {self.crew.risk}}}", *rules, more="complete: automatically")

    def together(self, *steps: Any) -> None:
        """Run the steps at once. Each either happens or is refused in our words."""
        futures = [self.pool.submit(step) for step in steps]
        for future in futures:
            error = future.exception()
            if error is not None and not (isinstance(error, ModelyardError) and error.kind in _LAWFUL):
                raise error

    def ask(self, number: int) -> None:
        attempt = self.crew.promote(number, open_only=True, by=self.crew.contributor)
        if attempt.promotion is not None:
            self.open.append(attempt.promotion.id)

    @rule(number=st.integers(1, 3))
    def request(self, number: int) -> None:
        self.together(lambda: self.ask(number))

    @rule(number=st.integers(1, 3), other=st.integers(1, 3))
    def promote_at_once(self, number: int, other: int) -> None:
        self.together(lambda: self.crew.promote(number), lambda: self.crew.promote(other, by=self.crew.owner))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def two_approvals_at_once(self, data: st.DataObject) -> None:
        first, second = (data.draw(st.sampled_from(self.open)) for _ in range(2))
        self.together(
            lambda: self.crew.vote(self.crew.rita, first), lambda: self.crew.vote(self.crew.rob, second)
        )

    @precondition(lambda self: self.open)
    @rule(data=st.data(), number=st.integers(1, 3))
    def approve_while_the_stage_moves(self, data: st.DataObject, number: int) -> None:
        promotion = data.draw(st.sampled_from(self.open))
        self.together(lambda: self.crew.vote(self.crew.rita, promotion), lambda: self.crew.promote(number))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def approve_while_it_is_rejected(self, data: st.DataObject) -> None:
        promotion = data.draw(st.sampled_from(self.open))
        self.together(
            lambda: self.crew.vote(self.crew.rita, promotion),
            lambda: self.crew.vote(self.crew.rob, promotion, approves=False),
        )

    @rule()
    def roll_back_twice_at_once(self) -> None:
        name = ModelName.parse(self.crew.model)
        _, _, found = self.registry.db.read(lambda tx: stages.list_stages(tx, self.crew.reader, name))
        before = len(self.crew.history())
        seen = found[2].revision
        self.together(lambda: self.crew.rollback(seen=seen), lambda: self.crew.rollback(seen=seen))
        assert len(self.crew.history()) <= before + 1

    @rule(number=st.integers(1, 3))
    def promote_during_archive(self, number: int) -> None:
        def archive() -> None:
            self.registry.db.write(
                lambda tx: versions.archive_version(tx, self.crew.owner, self.crew.ref(number), archived=True)
            )

        self.together(archive, lambda: self.crew.promote(number))

    @rule(number=st.integers(1, 3))
    def bring_back(self, number: int) -> None:
        self.registry.db.write(
            lambda tx: versions.archive_version(tx, self.crew.owner, self.crew.ref(number), archived=False)
        )

    @rule()
    def demote(self) -> None:
        self.together(lambda: self.crew.demote())

    @rule(rules=st.sampled_from([("check: {name: a}",), ("check: {name: a}", "check: {name: b}")]))
    def change_the_policy(self, rules: tuple[str, ...]) -> None:
        self.together(lambda: self.crew.set_policy(self._policy(*rules)))

    @rule(number=st.integers(1, 3))
    def loosen_the_policy_after_a_vote(self, number: int) -> None:
        self.change_the_policy(("check: {name: a}", "check: {name: b}"))
        self.request(number)
        if self.open:
            self.together(lambda: self.crew.vote(self.crew.rita, self.open[-1]))
        self.change_the_policy(("check: {name: a}",))
        self.together(lambda: self.crew.promote(number))

    @invariant()
    def the_state_is_one(self) -> None:
        db, crew = self.registry.db, self.crew
        name = ModelName.parse(crew.model)

        def look(tx: Any) -> None:
            model, _, found = stages.list_stages(tx, crew.owner, name)
            production = found[2]
            history = queries.list_moves(tx, model.id, "production", moves.LATEST, 10_000)
            # The alias stands where the last move put it, and every move is there once, in order.
            assert production.primary == (history[0].after_primary if history else None)
            assert [row.move for row in history] == list(range(len(history), 0, -1))
            for row in history:
                assert row.after_all == ((row.after_primary,) if row.after_primary else ())
                assert row.state == "done"
            # What stands there is ready, and was let in by a verdict that allowed it.
            if production.primary is not None:
                assert versions.find_version(tx, crew.owner, crew.ref(production.primary))[1].state == "ready"
            for row in history:
                if row.kind == "promote":
                    assert row.verdict is not None
                    assert row.verdict.passed
                    counted = [
                        v
                        for v in queries.list_votes(tx, row.id, moves.LATEST)
                        if v.approves and v.policy_digest == row.policy_digest
                    ]
                    assert counted, "a version is there without an approval under the policy of its promotion"
            # At most one open promotion of a version into the stage.
            open_now = queries.list_promotions(
                tx, PromotionFilter(model_id=model.id, states=("open",)), None, 1000
            )
            assert len({(row.number, row.stage) for row in open_now}) == len(open_now)

        db.read(look)
        # One event for each move, in the same order.
        kinds = [k for k in crew.kinds() if k in ("version.promoted", "stage.rolled_back", "version.demoted")]
        words = {"promote": "version.promoted", "rollback": "stage.rolled_back", "demote": "version.demoted"}
        assert kinds == [words[kind] for kind, _ in reversed(crew.history())]


def test_stages_stay_consistent_whatever_happens_at_once(registry: Registry) -> None:
    machine = type("Machine", (Promotions,), {"registry": registry})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40 if EVERYTHING else 6,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.mark.parametrize("step", range(6))
def test_a_crash_between_two_statements_leaves_the_old_state(registry: Registry, step: int) -> None:
    """The change is cut off at its nth statement: nothing of it is there afterwards, no event either."""
    crew = team(registry)
    one, two = crew.push(), crew.push()
    crew.promote(one)
    before = (crew.kinds(), crew.history(), crew.standing())

    class Cut(RuntimeError):
        pass

    def cut_off(tx: Any) -> None:
        from modelyard.registry.promotion import usecases

        calls = 0
        run, execute = tx.run, tx.execute

        def counted(original: Any) -> Any:
            def call(statement: Any, *args: Any, **kwargs: Any) -> Any:
                nonlocal calls
                if getattr(statement, "_clause", statement).is_dml:
                    calls += 1
                    if calls > step:
                        raise Cut
                return original(statement, *args, **kwargs)

            return call

        tx.run, tx.execute = counted(run), counted(execute)
        usecases.promote(tx, crew.maintainer, usecases.PromotionRequest(crew.ref(two), "production"))

    with pytest.raises(Cut):
        registry.db.write(cut_off)
    assert (crew.kinds(), crew.history(), crew.standing()) == before
