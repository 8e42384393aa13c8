"""The way back of a deployment, as tables."""

from __future__ import annotations

import pytest

from modelyard.domain.deployments import (
    DEPLOY,
    PROMOTE,
    RECALL,
    RELEASE,
    RETURN,
    ROLLBACK,
    SCALE,
    STAGE,
    STOP,
    Step,
    must_hold,
    undo_stack,
    ways_back,
)


@pytest.mark.parametrize(
    ("moves", "stack", "ways"),
    [
        ([], [], None),
        ([(DEPLOY, 1)], [1], []),
        ([(DEPLOY, 1), (PROMOTE, 2), (PROMOTE, 3)], [1, 2, 3], [2, 1]),
        # What was rolled back is not returned to.
        ([(DEPLOY, 1), (PROMOTE, 2), (PROMOTE, 3), (ROLLBACK, 2)], [1, 2], [1]),
        ([(DEPLOY, 1), (PROMOTE, 2), (PROMOTE, 3), (ROLLBACK, 1)], [1], []),
        ([(DEPLOY, 1), (PROMOTE, 2), (ROLLBACK, 1), (PROMOTE, 3)], [1, 3], [1]),
        ([(DEPLOY, 1), (PROMOTE, 2), (RETURN, 1)], [1], []),
        ([(DEPLOY, 1), (PROMOTE, 2), (RECALL, 1)], [1], []),
        ([(DEPLOY, 1), (PROMOTE, 2), (STAGE, 1)], [1], []),
        # The stage went back to a version that this deployment never served.
        ([(DEPLOY, 1), (STAGE, 2)], [1, 2], [1]),
        # A release goes forward again, to what was rolled back.
        ([(DEPLOY, 1), (PROMOTE, 2), (ROLLBACK, 1), (RELEASE, 2)], [1, 2], [1]),
        # A rollback to a revision that had been left before.
        ([(DEPLOY, 1), (PROMOTE, 2), (PROMOTE, 3), (ROLLBACK, 1), (ROLLBACK, 3)], [1, 3], [1]),
        ([(DEPLOY, 1), (SCALE, 1), (STOP, 1), (PROMOTE, 2), (SCALE, 2)], [1, 2], [1]),
        # Each revision is offered once.
        ([(DEPLOY, 1), (DEPLOY, 2), (DEPLOY, 1), (DEPLOY, 3)], [1, 2, 1, 3], [1, 2]),
    ],
)  # fmt: skip
def test_the_way_back(moves: list[tuple[str, int]], stack: list[int], ways: list[int] | None) -> None:
    steps = [Step(*move) for move in moves]
    assert undo_stack(steps) == stack
    if ways is not None:
        assert ways_back(steps) == ways


@pytest.mark.parametrize(
    ("follows", "standing", "served", "holds"),
    [(True, 2, 1, True), (True, 2, 2, False), (True, None, 1, False), (False, 2, 1, False)],
)
def test_a_follower_that_serves_another_version_is_held(
    follows: bool, standing: int | None, served: int, holds: bool
) -> None:
    assert must_hold(follows, standing, served) is holds
