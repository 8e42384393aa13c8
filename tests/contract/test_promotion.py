"""Stages, gates, promotions, rollback: on both databases."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from modelyard.domain.actor import Actor
from modelyard.domain.errors import (
    AliasMoved,
    Conflict,
    Denied,
    HasDependents,
    Invalid,
    InvalidPolicy,
    ModelNotFound,
    ModelyardError,
    NothingToRollBack,
    PromotionClosed,
    PromotionNotFound,
    PromotionStale,
    ProtectedAlias,
    StageFull,
    StageNotFound,
    VersionArchived,
)
from modelyard.domain.names import Alias, ModelName
from modelyard.registry.audit import proofs
from modelyard.registry.cards import usecases as cards
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.evaluations import usecases as evaluations
from modelyard.registry.lineage import recalls
from modelyard.registry.overview.usecases import show_overview
from modelyard.registry.promotion import policies, reading, stages, usecases
from modelyard.registry.promotion.nouns import PromotionFilter, StoredVote
from modelyard.registry.promotion.replay import replay
from modelyard.registry.versions import aliases as version_aliases
from modelyard.registry.versions import deprecation
from modelyard.registry.versions import usecases as versions
from modelyard.registry.versions.warnings import warnings_of
from tests.support.promotion import Team, outcomes, policy, team
from tests.support.registry import Registry, unique


@pytest.fixture
def crew(registry: Registry) -> Team:
    return team(registry)


def error(fn: Callable[[], object]) -> type[ModelyardError] | None:
    try:
        fn()
    except ModelyardError as raised:
        return type(raised)
    return None


# --- stages are protected aliases ----------------------------------------------------------------------


def test_a_version_is_promoted_and_resolves_by_its_stage(crew: Team) -> None:
    one = crew.push()
    attempt = crew.promote(one)
    assert attempt.done
    assert attempt.changed
    assert crew.standing() == one
    assert crew.kinds()[-2:] == ["alias.moved", "version.promoted"]
    again = crew.promote(one)
    assert (again.done, again.changed) == (True, False)


def test_no_role_moves_a_stage_by_hand(crew: Team, registry: Registry) -> None:
    number = crew.push()
    crew.promote(number, "staging")
    for actor in (crew.contributor, crew.maintainer, crew.owner, registry.root):
        for stage in ("development", "staging", "production"):
            alias = Alias.parse(stage)
            assert (
                error(
                    lambda a=actor, s=alias: registry.db.write(
                        lambda tx: version_aliases.set_alias(tx, a, crew.ref(number), s)
                    )
                )
                is ProtectedAlias
            )
            assert (
                error(
                    lambda a=actor, s=alias: registry.db.write(
                        lambda tx: version_aliases.remove_alias(tx, a, crew.ref(number).model, s)
                    )
                )
                is ProtectedAlias
            )
            assert (
                error(lambda a=actor, s=stage: registry.register(a, crew.model, data=b"other", aliases=(s,)))
                is ProtectedAlias
            )
    assert crew.standing("staging") == number
    assert crew.standing("production") is None


def test_other_stages_come_from_the_policy_of_the_namespace_even_for_new_models(
    crew: Team, registry: Registry
) -> None:
    crew.push()
    crew.set_policy("version: 1\nstages: [lab, live]\npromote: [{to: lab, rules: []}, {to: live, rules: []}]\n")
    for model in (crew.model, f"{crew.namespace}/{unique('new')}"):
        view = registry.register(crew.contributor, model)
        for alias, expected in (("live", ProtectedAlias), ("production", None)):
            moved = lambda v=view, a=alias: registry.db.write(  # noqa: E731
                lambda tx: version_aliases.set_alias(tx, crew.owner, v.ref, Alias.parse(a))
            )
            assert error(moved) is expected
    assert error(lambda: crew.promote(1)) is StageNotFound
    assert crew.promote(1, "live").done


def test_a_stage_that_is_not_empty_cannot_be_edited_away(crew: Team) -> None:
    crew.promote(crew.push())
    text = "version: 1\nstages: [lab]\npromote: [{to: lab, rules: []}]\n"
    assert error(lambda: crew.set_policy(text)) is Conflict
    crew.demote()
    crew.set_policy(text)
    assert crew.history()[0] == ("demote", None)


def test_who_stood_where_and_when(crew: Team, registry: Registry) -> None:
    one, two = crew.push(), crew.push()
    crew.promote(one)
    between = registry.db.clock()
    crew.promote(two)
    assert crew.history() == [("promote", two), ("promote", one)]
    assert crew.history(at=between) == [("promote", one)]
    name = ModelName.parse(crew.model)
    found = registry.db.read(lambda tx: stages.list_history(tx, crew.reader, name, "production", at=between))
    assert (found[0].promotion.closed_by, found[0].all) == (crew.maintainer.name, [one])


def test_several_versions_stand_in_a_stage_with_one_primary(crew: Team) -> None:
    crew.set_policy(policy(head="stages: [development, staging, {name: production, slots: 2}]"))
    one, two, three = crew.push(), crew.push(), crew.push()
    crew.promote(one)
    crew.promote(two, primary=False)
    assert crew.standing() == one
    assert error(lambda: crew.promote(three, primary=False)) is StageFull
    with pytest.raises(HasDependents, match="stage production"):
        crew.registry.db.write(
            lambda tx: versions.archive_version(tx, crew.owner, crew.ref(two), archived=True)
        )
    assert error(crew.demote) is Conflict
    crew.demote(next_primary=two)
    assert crew.standing() == two
    crew.promote(one, primary=False)
    crew.demote(version=one)
    assert crew.history()[:2] == [("demote", two), ("promote", two)]


# --- gates -----------------------------------------------------------------------------------------------


def test_a_refusal_is_recorded_with_its_reasons_and_stays_open(crew: Team) -> None:
    crew.set_policy(policy("metric: {name: f1, min: 0.7}", "check: {name: unit-tests}"))
    number = crew.push({"f1": 0.6})
    attempt = crew.promote(number)
    assert not attempt.done
    assert outcomes(attempt) == {"metric-f1": "fail", "check-unit-tests": "unknown"}
    assert attempt.promotion is not None
    assert attempt.promotion.state == "open"
    assert crew.standing() is None
    assert crew.kinds()[-2:] == ["promotion.opened", "promotion.refused"]
    final = crew.promote(crew.push({"f1": 0.5}), keep_open=False)
    assert final.promotion is not None
    assert final.promotion.state == "refused"


def test_a_dry_run_says_the_same_and_writes_nothing(crew: Team) -> None:
    crew.set_policy(policy("metric: {name: f1, min: 0.7}"))
    number = crew.push({"f1": 0.6})
    before = crew.kinds()
    dry = crew.explain(number)
    assert crew.kinds() == before
    assert dry.verdict == crew.promote(number).verdict


def test_a_dry_run_refuses_what_can_never_enter(crew: Team) -> None:
    """As the promotion itself would: archived, deleted, in an archived model."""
    crew.set_policy(policy())
    db, name = crew.registry.db, ModelName.parse(crew.model)
    archived, deleted, good = (crew.push() for _ in range(3))
    db.write(lambda tx: versions.archive_version(tx, crew.owner, crew.ref(archived), archived=True))
    db.write(lambda tx: versions.delete_version(tx, crew.owner, crew.ref(deleted)))

    def refusals(number: int) -> set[str]:
        found = set()
        for attempt in (crew.explain, crew.promote):
            with pytest.raises(ModelyardError) as caught:
                attempt(number)
            found.add(caught.value.code)
        return found

    assert refusals(archived) == {"version_archived"}
    assert refusals(deleted) == {"version_deleted"}
    assert crew.explain(good).verdict.allows
    db.write(lambda tx: catalog.edit_model(tx, crew.owner, name, catalog.ModelEdit(archived=True)))
    assert refusals(good) == {"model_archived"}


def test_the_champion_is_compared_inside_the_decision(crew: Team) -> None:
    crew.set_policy(policy("champion: {metric: f1, tolerance: 0.005}"))
    one, two, three = crew.push({"f1": 0.9}), crew.push({"f1": 0.89}), crew.push({"f1": 0.895})
    assert crew.promote(one).done
    refused = crew.promote(two)
    assert not refused.done
    assert "version 1 has 0.9" in refused.verdict.results[0].measured
    assert crew.promote(three).done
    assert crew.standing() == three


def test_a_gate_that_only_warns_lets_in_and_says_so(crew: Team) -> None:
    crew.set_policy(policy("metric: {name: f1, min: 0.7}", head="mode: warn"))
    attempt = crew.promote(crew.push({"f1": 0.1}))
    assert attempt.done
    assert not attempt.verdict.passed
    assert attempt.verdict.allows


def test_a_stage_without_a_gate_is_refused_never_a_silent_yes(crew: Team) -> None:
    crew.set_policy(policy(head="models_may: override"))
    crew.push()
    text = "version: 1\nstages: [development, staging, production, archive-live]\npromote: [{to: production, rules: []}]\n"
    with pytest.raises(InvalidPolicy, match="no gate to 'archive-live'"):
        crew.set_policy(text, of_model=True)


def test_a_model_adds_to_the_rules_of_its_namespace(crew: Team) -> None:
    crew.push()
    crew.set_policy(policy("metric: {name: f1, min: 0.7}"))
    own = "version: 1\npromote:\n  - to: production\n    rules: [{metric: {name: f1, min: 0.1}}, {check: {name: bias}}]\n"
    crew.set_policy(own, of_model=True)
    attempt = crew.promote(crew.push({"f1": 0.5}))
    assert outcomes(attempt) == {"metric-f1": "fail", "metric-f1-2": "pass", "check-bias": "unknown"}
    crew.set_policy(policy("metric: {name: f1, min: 0.7}", head="models_may: override"))
    assert outcomes(crew.explain(2)) == {"metric-f1": "pass", "check-bias": "unknown"}


def test_evaluations_and_cards_reported_later_count(crew: Team, registry: Registry) -> None:
    crew.set_policy(
        policy("evaluation: {split: test, dataset: holdout}", "card: {sections: [purpose], min_words: 3}")
    )
    number = crew.push()
    assert outcomes(crew.explain(number)) == {"evaluation-holdout-test": "unknown", "card": "unknown"}
    registry.db.write(
        lambda tx: evaluations.report_evaluation(
            tx, crew.contributor, crew.ref(number), {"f1": 0.8}, split="test", dataset="holdout"
        )
    )
    registry.db.write(
        lambda tx: cards.set_card(tx, crew.contributor, crew.ref(number), "# Purpose\nScores card payments.")
    )
    assert crew.promote(number).done


def test_expressions_decide_and_a_wrong_name_is_refused_at_save(crew: Team) -> None:
    with pytest.raises(InvalidPolicy, match="did you mean 'candidate'"):
        crew.set_policy(policy("assert: {expr: 'candidat.metrics.f1.value > 0.5'}"))
    crew.set_policy(
        policy("assert: {expr: 'candidate.metrics.f1.value - candidate.metrics.f1.worst <= 0.05', say: gap}")
    )
    number = crew.push()
    attempt = crew.promote(number)
    assert attempt.verdict.results[0].outcome.value == "unknown"
    good = crew.registry.register(
        crew.contributor,
        crew.model,
        facts={"metrics": [{"name": "f1", "value": 0.8, "split": "worst"}, {"name": "f1", "value": 0.82}]},
    )
    assert crew.promote(good.version.number).done


# --- votes and waivers -----------------------------------------------------------------------------------


def test_two_approvals_of_which_one_from_a_group(crew: Team) -> None:
    crew.set_policy(policy("approvals: {count: 2}", f"approvals: {{group: {crew.risk}, count: 1}}"))
    number = crew.push()
    attempt = crew.promote(number, open_only=True, by=crew.contributor)
    assert attempt.promotion is not None
    promotion = attempt.promotion.id
    # The author's vote would not count; a reader and a stranger have none.
    assert error(lambda: crew.vote(crew.reader, promotion)) is Denied
    assert error(lambda: crew.vote(crew.stranger, promotion)) is PromotionNotFound
    crew.vote(crew.owner, promotion)
    crew.vote(crew.owner, promotion)
    assert outcomes(crew.promote(number)) == {"approvals": "fail", f"approvals-{crew.risk}": "fail"}
    view = crew.vote(crew.rita, promotion)
    assert view.verdict is not None
    assert view.verdict.passed
    assert crew.promote(number).done
    assert crew.view(promotion).promotion.state == "done"


def test_author_and_requester_do_not_count(crew: Team) -> None:
    crew.set_policy(policy("approvals: {count: 1}"))
    number = crew.push(by=crew.owner)
    attempt = crew.promote(number, by=crew.maintainer)
    assert attempt.promotion is not None
    for actor in (crew.owner, crew.maintainer):
        crew.vote(actor, attempt.promotion.id)
    result = crew.promote(number).verdict.results[0]
    assert result.outcome.value == "fail"
    assert crew.owner.name in result.measured
    assert "not counted" in result.measured


def test_a_voter_without_a_role_sees_the_promotion_but_not_the_model(crew: Team, registry: Registry) -> None:
    crew.set_policy(policy(f"approvals: {{group: {crew.risk}}}"))
    attempt = crew.promote(crew.push())
    assert attempt.promotion is not None
    found = registry.db.read(
        lambda tx: reading.show_promotion(tx, crew.rita, attempt.promotion.id)  # type: ignore[union-attr]
    )
    assert found.promotion.number == 1
    waiting = registry.db.read(lambda tx: reading.list_to_review(tx, crew.rita, 10, None))
    assert attempt.promotion.id in [row.id for row in waiting]
    assert (
        error(lambda: registry.db.read(lambda tx: versions.show_version(tx, crew.rita, crew.ref(1))))
        is not None
    )


def test_a_changed_policy_drops_votes_and_makes_the_request_stale(crew: Team) -> None:
    crew.set_policy(policy("approvals: {count: 1}"))
    number = crew.push()
    attempt = crew.promote(number, by=crew.maintainer)
    assert attempt.promotion is not None
    crew.vote(crew.owner, attempt.promotion.id)
    crew.set_policy(policy("approvals: {count: 1}", "check: {name: bias}"))
    assert crew.view(attempt.promotion.id).stale is not None
    assert error(lambda: crew.vote(crew.owner, attempt.promotion.id)) is PromotionStale  # type: ignore[union-attr]
    assert outcomes(crew.promote(number)) == {"approvals": "fail", "check-bias": "unknown"}


def test_a_rejection_is_final(crew: Team) -> None:
    crew.set_policy(policy("approvals: {count: 1}"))
    attempt = crew.promote(crew.push())
    assert attempt.promotion is not None
    view = crew.vote(crew.owner, attempt.promotion.id, approves=False)
    assert view.promotion.state == "refused"
    assert error(lambda: crew.vote(crew.owner, attempt.promotion.id)) is PromotionClosed  # type: ignore[union-attr]


def test_the_last_need_completes_what_the_policy_completes(crew: Team, registry: Registry) -> None:
    crew.set_policy(policy("approvals: {count: 1}", "check: {name: bias}", more="complete: automatically"))
    number = crew.push()
    attempt = crew.promote(number, open_only=True, by=crew.contributor)
    assert attempt.promotion is not None
    crew.vote(crew.owner, attempt.promotion.id)
    assert crew.standing() is None
    crew.check(number, "bias")
    ready = registry.db.read(lambda tx: usecases.list_ready(tx))
    assert attempt.promotion.id in ready
    registry.db.write(lambda tx: usecases.settle(tx, attempt.promotion.id))  # type: ignore[union-attr]
    assert crew.standing() == number


def test_a_request_does_not_complete_by_itself_after_the_stage_moved(crew: Team, registry: Registry) -> None:
    crew.set_policy(policy("approvals: {count: 1}", more="complete: automatically"))
    one, two = crew.push(), crew.push()
    first = crew.promote(one, open_only=True, by=crew.contributor)
    second = crew.promote(two, open_only=True, by=crew.contributor)
    assert first.promotion is not None
    assert second.promotion is not None
    crew.vote(crew.owner, second.promotion.id)
    assert crew.standing() == two
    view = crew.vote(crew.owner, first.promotion.id)
    assert view.promotion.state == "open"
    assert view.stale is not None
    assert "the stage moved" in view.stale
    assert crew.standing() == two


def test_a_gate_without_rules_completes_no_request_of_who_may_not_promote(crew: Team) -> None:
    crew.set_policy(policy(more="complete: automatically"))
    number = crew.push()
    attempt = crew.promote(number, open_only=True, by=crew.contributor)
    assert not attempt.done
    assert attempt.promotion is not None
    step = crew.view(attempt.promotion.id).next_step
    assert step is not None
    assert step.startswith("Nothing is missing. Complete it with: modelyard promote")
    assert crew.promote(number, open_only=True, by=crew.maintainer).done


def test_a_gate_whose_rules_are_met_completes_the_request_of_a_contributor(crew: Team) -> None:
    crew.set_policy(policy("check: {name: bias}", more="complete: automatically"))
    number = crew.push()
    crew.check(number, "bias")
    assert crew.promote(number, open_only=True, by=crew.contributor).done
    named = f"complete: automatically\nwho: {{promote: [{crew.owner.name}]}}"
    crew.set_policy(policy("check: {name: bias}", more=named))
    other = crew.push()
    crew.check(other, "bias")
    assert not crew.promote(other, open_only=True, by=crew.contributor).done


def test_requests_expire(crew: Team, registry: Registry) -> None:
    crew.set_policy(policy("check: {name: bias}", head="open_for: 1s"))
    attempt = crew.promote(crew.push())
    assert attempt.promotion is not None
    clock = registry.db.clock
    registry.db.clock = lambda: clock() + 2_000_000
    try:
        assert error(lambda: crew.waive(registry.root, attempt.promotion.id, "check-bias")) is PromotionClosed  # type: ignore[union-attr]
        registry.db.write(lambda tx: usecases.settle(tx, attempt.promotion.id))  # type: ignore[union-attr]
    finally:
        registry.db.clock = clock
    assert crew.view(attempt.promotion.id).promotion.state == "expired"


def test_a_waiver_needs_the_right_a_reason_and_somebody_else(crew: Team) -> None:
    crew.set_policy(policy("check: {name: bias}", "check: {name: law}\n        waivable: false"))
    number = crew.push(by=crew.owner)
    attempt = crew.promote(number)
    assert attempt.promotion is not None
    promotion = attempt.promotion.id
    assert error(lambda: crew.waive(crew.maintainer, promotion, "check-bias")) is Denied
    assert error(lambda: crew.waive(crew.owner, promotion, "check-bias")) is Denied
    root = crew.registry.root
    assert error(lambda: crew.waive(root, promotion, "check-bias", " ")) is Invalid
    assert error(lambda: crew.waive(root, promotion, "nonsense")) is Invalid
    assert error(lambda: crew.waive(root, promotion, "check-law")) is Denied
    view = crew.waive(root, promotion, "check-bias", "tooling is down")
    assert view.verdict is not None
    assert [r.outcome.value for r in view.verdict.results] == ["waived", "unknown"]
    crew.check(number, "law")
    assert crew.promote(number).done


def test_withdrawing(crew: Team, registry: Registry) -> None:
    crew.set_policy(policy("check: {name: bias}"))
    attempt = crew.promote(crew.push(), open_only=True, by=crew.contributor)
    assert attempt.promotion is not None
    promotion = attempt.promotion.id

    def take_back(actor: object) -> object:
        return registry.db.write(
            lambda tx: usecases.withdraw(tx, actor, promotion, reason="later")  # type: ignore[arg-type]
        )

    assert error(lambda: take_back(crew.reader)) is Denied
    take_back(crew.contributor)
    assert error(lambda: take_back(crew.contributor)) is PromotionClosed


def test_a_policy_narrows_a_verb_to_named_actors(crew: Team) -> None:
    bot = crew.registry.user(unique("release-bot"))
    from modelyard.domain.actor import Role

    crew.grant(bot, Role.MAINTAINER)
    crew.set_policy(policy(more=f"who: {{promote: [{bot.name}], rollback: ['group:{crew.risk}']}}"))
    number = crew.push()
    for actor in (crew.maintainer, crew.owner, crew.registry.root):
        assert error(lambda a=actor: crew.promote(number, by=a)) is Denied
    assert crew.promote(number, by=bot).done
    crew.promote(crew.push(), by=bot)
    assert error(lambda: crew.rollback(by=crew.owner)) is Denied


def test_editing_a_policy_is_narrowed_too(crew: Team) -> None:
    crew.set_policy(policy(head=f"editors: [{crew.owner.name}]"))
    assert error(lambda: crew.set_policy(policy(), by=crew.maintainer)) is Denied
    crew.push()
    assert error(lambda: crew.set_policy(policy(), by=crew.maintainer, of_model=True)) is Denied
    crew.set_policy(policy(), by=crew.owner)
    crew.set_policy(policy("check: {name: x}"), by=crew.maintainer)


# --- rollback, demotion, archive, delete, deprecation ----------------------------------------------------


def test_rollback_goes_back_step_by_step_even_in_a_freeze(crew: Team) -> None:
    one, two, three = crew.push(), crew.push(), crew.push()
    for number in (one, two, three):
        crew.promote(number)
    crew.set_policy(policy("freeze: {windows: [{start: 2000-01-01T00:00Z, end: 2100-01-01T00:00Z}]}"))
    assert not crew.promote(one).done
    row = crew.rollback()
    assert (row.kind, crew.standing(), row.reason) == ("rollback", two, "it broke")
    assert row.undid is not None
    assert crew.view(row.undid).promotion.number == three
    crew.rollback()
    assert crew.standing() == one
    assert error(crew.rollback) is NothingToRollBack
    crew.rollback(to=three)
    assert crew.standing() == three


def test_a_rollback_sent_twice_goes_back_once(crew: Team) -> None:
    for _ in range(3):
        crew.promote(crew.push())
    name = ModelName.parse(crew.model)
    seen = crew.registry.db.read(lambda tx: stages.list_stages(tx, crew.reader, name))[2][2].revision
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: error(lambda: crew.rollback(seen=seen)), range(2)))
    assert sorted(str(f) for f in found) == sorted([str(None), str(AliasMoved)])
    assert crew.standing() == 2


def test_rollback_only_goes_where_a_version_stood_and_needs_a_reason(crew: Team) -> None:
    one, two = crew.push(), crew.push()
    crew.promote(one)
    assert error(lambda: crew.rollback(to=two)) is NothingToRollBack
    assert error(lambda: crew.rollback(reason=" ")) is Invalid
    crew.promote(two)
    assert error(lambda: crew.rollback(by=crew.contributor)) is Denied


def test_the_way_back_cannot_be_deleted_and_is_brought_back_from_the_archive(crew: Team) -> None:
    one, two = crew.push(), crew.push()
    crew.promote(one)
    crew.promote(two)
    db = crew.registry.db
    with pytest.raises(HasDependents, match="rollback of production"):
        db.write(lambda tx: versions.delete_version(tx, crew.owner, crew.ref(one)))
    with pytest.raises(HasDependents, match="demote"):
        db.write(lambda tx: versions.archive_version(tx, crew.owner, crew.ref(two), archived=True))
    db.write(lambda tx: versions.archive_version(tx, crew.owner, crew.ref(one), archived=True))
    assert error(lambda: crew.promote(one)) is VersionArchived
    crew.rollback()
    assert crew.standing() == one


def test_a_demoted_version_comes_back_by_rollback(crew: Team) -> None:
    one = crew.push()
    crew.promote(one)
    crew.demote(reason="recall")
    assert crew.standing() is None
    assert crew.kinds()[-2:] == ["alias.removed", "version.demoted"]
    crew.rollback()
    assert crew.standing() == one


def test_archived_is_an_end_state_and_no_stage(crew: Team) -> None:
    number = crew.push()
    with pytest.raises(StageNotFound, match="modelyard archive"):
        crew.promote(number, "archived")


def test_a_deprecated_version_warns_whoever_resolves_it(crew: Team) -> None:
    one, two = crew.push(), crew.push()
    db = crew.registry.db
    ends = db.clock() + 86_400_000_000
    view = db.write(
        lambda tx: deprecation.deprecate_version(
            tx, crew.maintainer, crew.ref(one), replacement=two, ends_at=ends, reason="bias"
        )
    )
    warning = warnings_of(view)
    assert warning is not None
    assert f"{crew.model}:2" in warning
    found = db.read(lambda tx: versions.resolve(tx, crew.reader, crew.ref(one)))
    assert found.deprecation is not None
    assert (
        error(
            lambda: db.write(
                lambda tx: deprecation.deprecate_version(tx, crew.maintainer, crew.ref(one), replacement=one)
            )
        )
        is Invalid
    )
    db.write(lambda tx: deprecation.undeprecate_version(tx, crew.maintainer, crew.ref(one)))
    assert db.read(lambda tx: versions.resolve(tx, crew.reader, crew.ref(one))).deprecation is None


# --- replay ------------------------------------------------------------------------------------------------


def test_past_promotions_under_another_policy(crew: Team, registry: Registry) -> None:
    crew.set_policy(policy("metric: {name: f1, min: 0.7}"))
    good, better = crew.push({"f1": 0.75}), crew.push({"f1": 0.9})
    start = registry.db.clock() - 1
    crew.promote(good)
    crew.check(better, "bias")
    crew.promote(better)
    # Reported too late to have counted.
    crew.check(good, "bias")
    text = policy("metric: {name: f1, min: 0.8}", "check: {name: bias}")
    before = crew.kinds()
    found = registry.db.read(lambda tx: replay(tx, crew.reader, crew.namespace, None, text, since=start))
    assert crew.kinds() == before
    assert [(r.promotion.number, r.allowed_then, r.differs) for r in found] == [
        (good, True, True),
        (better, True, False),
    ]
    assert {c.rule: (c.before and c.before.value, c.after and c.after.value) for c in found[0].changes} == {
        "metric-f1": ("pass", "fail"),
        "check-bias": (None, "unknown"),
    }


def test_every_policy_stays_readable(crew: Team, registry: Registry) -> None:
    first, second = policy("check: {name: a}"), policy("check: {name: b}")
    crew.set_policy(first)
    crew.set_policy(second)
    crew.set_policy(second)
    registry.db.write(
        lambda tx: policies.remove_policy(tx, crew.owner, crew.namespace, None, reason="done", seen=2)
    )
    _, found = registry.db.read(
        lambda tx: policies.list_policy_versions(tx, crew.reader, crew.namespace, None, None, 10)
    )
    assert [(v.number, v.text) for v in found] == [(3, ""), (2, second), (1, first)]
    assert registry.db.read(lambda tx: policies.show_policy(tx, crew.reader, crew.namespace, None)).own is None


def test_the_tables_say_what_the_log_says_after_all_this(registry: Registry) -> None:
    *_, last = proofs.check_log(registry.db, registry.root)
    assert (last.finished, last.damage) == (True, [])


# --- the way back, with everything that may lie on it ----------------------------------------------------


def two_places(crew: Team) -> None:
    crew.set_policy(policy(head="stages: [development, staging, {name: production, slots: 2}]"))


def standing_all(crew: Team) -> list[int]:
    name = ModelName.parse(crew.model)
    views = crew.registry.db.read(lambda tx: stages.list_stages(tx, crew.reader, name))[2]
    return next([*view.all] for view in views if view.name == "production")


def recall(crew: Team, number: int) -> None:
    crew.registry.db.write(
        lambda tx: recalls.recall_version(tx, crew.maintainer, crew.ref(number), mode="refuse", reason="leak")
    )


def test_rollback_goes_on_after_a_rollback_to_a_chosen_version(crew: Team) -> None:
    crew.set_policy(policy())
    for _ in range(3):
        crew.promote(crew.push())
    crew.rollback()
    crew.rollback()
    crew.rollback(to=3)
    assert crew.rollback().after_primary == 1
    with pytest.raises(NothingToRollBack, match="no earlier version") as refused:
        crew.rollback()
    assert "Earlier versions in the stage: 3, 2" in refused.value.fix


def test_what_the_next_rollback_goes_to_is_not_deleted(crew: Team) -> None:
    crew.set_policy(policy())
    for _ in range(3):
        crew.promote(crew.push())
    crew.rollback()
    crew.rollback(to=3)
    with pytest.raises(HasDependents, match="rollback of production"):
        crew.registry.db.write(lambda tx: versions.delete_version(tx, crew.owner, crew.ref(2)))


def test_rollback_passes_over_recalled_versions(crew: Team) -> None:
    crew.set_policy(policy())
    for _ in range(3):
        crew.promote(crew.push())
    recall(crew, 2)
    recall(crew, 3)
    name = ModelName.parse(crew.model)
    seen = crew.registry.db.read(lambda tx: stages.preview_rollback(tx, crew.maintainer, name, "production"))
    assert (seen.before, seen.after) == ([3], [1])
    assert [words for words in seen.passed_over if f"{crew.model}:2 was recalled" in words]
    assert crew.rollback().after_primary == 1


def test_rollback_undoes_one_move_of_a_stage_with_two_places(crew: Team) -> None:
    two_places(crew)
    one, two = crew.push(), crew.push()
    crew.promote(one)
    crew.promote(two, primary=False)
    crew.demote(version=two)
    assert standing_all(crew) == [one]
    crew.rollback()
    assert standing_all(crew) == [one, two]
    crew.rollback()
    assert standing_all(crew) == [one]
    crew.promote(two)
    crew.rollback()
    assert standing_all(crew) == [one]


def test_a_rollback_of_a_second_place_sent_twice_goes_back_once(crew: Team) -> None:
    two_places(crew)
    for _ in range(3):
        crew.push()
    crew.promote(1)
    crew.promote(2)
    crew.promote(3, primary=False)
    name = ModelName.parse(crew.model)
    seen = crew.registry.db.read(lambda tx: stages.preview_rollback(tx, crew.maintainer, name, "production"))
    crew.rollback(seen=seen.revision)
    assert error(lambda: crew.rollback(seen=seen.revision)) is AliasMoved
    assert standing_all(crew) == [2]


def test_a_rollback_from_a_named_version_happens_once(crew: Team) -> None:
    crew.set_policy(policy())
    for _ in range(3):
        crew.promote(crew.push())
    crew.rollback(from_version=3)
    assert error(lambda: crew.rollback(from_version=3)) is AliasMoved
    assert crew.standing() == 2


# --- people who vote, and people who complete ------------------------------------------------------------


def test_a_person_who_votes_reads_the_version_and_nothing_else(crew: Team) -> None:
    registry = crew.registry
    crew.set_policy(policy(f"approvals: {{group: {crew.risk}}}"))
    champion, asked, other = crew.push({"f1": 0.8}), crew.push({"f1": 0.9}), crew.push()
    registry.db.write(lambda tx: cards.set_card(tx, crew.contributor, crew.ref(asked), "# Purpose\nFraud."))
    attempt = crew.promote(asked, open_only=True, by=crew.contributor)
    assert attempt.promotion is not None

    def reads(by: Actor, number: int) -> list[type[ModelyardError] | None]:
        ref = crew.ref(number)
        return [
            error(lambda: registry.db.read(lambda tx: show_overview(tx, by, ref))),
            error(lambda: registry.db.read(lambda tx: reading.read_scan(tx, by, ref))),
            error(lambda: reading.read_card(registry.db, registry.blobs, by, ref)),
        ]

    assert reads(crew.rita, asked) == [None] * 3
    assert set(reads(crew.rita, champion)) == set(reads(crew.rita, other)) == {ModelNotFound}
    assert set(reads(crew.stranger, asked)) == {ModelNotFound}
    assert error(lambda: registry.db.read(lambda tx: versions.show_record(tx, crew.rita, crew.ref(asked))))
    assert error(lambda: registry.db.read(lambda tx: versions.pull_manifest(tx, crew.rita, crew.ref(asked))))
    view = crew.vote(crew.rita, attempt.promotion.id)
    assert view.next_step is not None
    assert view.next_step.startswith("Nothing is missing. It waits for a maintainer")
    crew.promote(asked)
    assert set(reads(crew.rita, asked)) == {ModelNotFound}


def to_review(crew: Team, by: Actor) -> list[int]:
    found = crew.registry.db.read(lambda tx: reading.list_to_review(tx, by, 100, None))
    return [row.id for row in found if row.model == ModelName.parse(crew.model)]


def test_a_request_to_a_stage_without_approvals_waits_for_who_may_promote(crew: Team) -> None:
    crew.set_policy(policy("check: {name: bias}"))
    number = crew.push()
    attempt = crew.promote(number, open_only=True, by=crew.contributor)
    assert attempt.promotion is not None
    assert to_review(crew, crew.maintainer) == []
    crew.check(number, "bias")
    assert to_review(crew, crew.maintainer) == to_review(crew, crew.owner) == [attempt.promotion.id]
    assert to_review(crew, crew.contributor) == to_review(crew, crew.reader) == []
    crew.promote(number)
    assert to_review(crew, crew.maintainer) == []


def test_promotions_of_all_models_are_listed_to_their_readers_alone(crew: Team) -> None:
    crew.set_policy(policy())
    crew.promote(crew.push())
    chosen = PromotionFilter(namespace=crew.namespace)

    def listed(by: Actor) -> list[int]:
        found = crew.registry.db.read(lambda tx: reading.list_visible(tx, by, chosen, None, 10))
        return [row.number for row in found]

    assert (listed(crew.reader), listed(crew.stranger)) == ([1], [])
    bad = PromotionFilter(states=("closed",))
    assert error(lambda: crew.registry.db.read(lambda tx: reading.list_visible(tx, crew.reader, bad, None, 1)))


def test_the_history_tells_votes_that_counted_from_those_that_did_not(crew: Team) -> None:
    crew.set_policy(policy("approvals: {count: 1}"))
    attempt = crew.promote(crew.push(), by=crew.maintainer)
    assert attempt.promotion is not None
    own = crew.vote(crew.maintainer, attempt.promotion.id)
    shown = {v.by: uncounted_in(own, v) for v in own.votes}
    assert shown == {crew.maintainer.name: "the account that asked for the promotion"}
    crew.vote(crew.owner, attempt.promotion.id)
    done = crew.promote(1).promotion
    assert done is not None
    name = ModelName.parse(crew.model)
    move = crew.registry.db.read(lambda tx: stages.list_history(tx, crew.reader, name, "production"))[0]
    counted = [v.by for v in move.votes if reading.uncounted(v, move.promotion, move.promotion.verdict) is None]
    assert counted == [crew.owner.name]


def uncounted_in(view: reading.PromotionView, vote: StoredVote) -> str | None:
    return reading.uncounted(vote, view.promotion, view.verdict)


@pytest.mark.parametrize("end", ["withdraw", "reject"])
def test_the_verdict_of_a_closed_promotion_knows_its_waivers(crew: Team, end: str) -> None:
    crew.set_policy(policy("check: {name: bias}", "approvals: {count: 1}"))
    attempt = crew.promote(crew.push(), open_only=True, by=crew.contributor)
    assert attempt.promotion is not None
    number = attempt.promotion.id
    crew.waive(crew.owner, number, "check-bias")
    if end == "reject":
        crew.vote(crew.maintainer, number, approves=False)
    else:
        crew.registry.db.write(lambda tx: usecases.withdraw(tx, crew.maintainer, number, reason="no"))
    verdict = crew.view(number).verdict
    assert verdict is not None
    assert {r.rule: r.outcome.value for r in verdict.results}["check-bias"] == "waived"


def test_an_unchanged_policy_judges_no_promotion_otherwise(crew: Team) -> None:
    text = policy("check: {name: bias}", more="from: [staging]")
    crew.set_policy(text)
    one, two = crew.push(), crew.push()
    crew.promote(one, "staging")
    crew.promote(one, open_only=True, by=crew.contributor)
    # Another version takes its place in staging, and the open promotion was judged before.
    crew.promote(two, "staging")
    found = crew.registry.db.read(lambda tx: replay(tx, crew.owner, crew.namespace, None, text, since=0))
    assert found
    assert [each for each in found if each.changes or each.differs] == []
