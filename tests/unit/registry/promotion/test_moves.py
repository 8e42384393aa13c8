"""Where rollbacks go, as a table of moves."""

from __future__ import annotations

import pytest

from modelyard.registry.promotion.moves import undo_stack, ways_back
from modelyard.registry.promotion.nouns import MoveState

KINDS = {"p": "promote", "r": "rollback", "d": "demote"}


def move(number: int, word: str) -> MoveState:
    """`p1` leaves version 1 in the stage, `p1+2` version 2 next to it, `d` leaves none."""
    after = tuple(int(each) for each in word[1:].split("+") if each)
    return MoveState(number, KINDS[word[0]], after[0] if after else None, after, number)


@pytest.mark.parametrize(
    ("moves", "back"),
    [
        ("", []),
        ("p1", []),
        ("p1 p2", ["1"]),
        ("p1 p1 p2", ["1"]),
        ("p1 p2 p1", ["2", "1"]),
        # A rollback takes off what lies above the contents that it goes to.
        ("p1 p2 p3 r2", ["1"]),
        ("p1 p2 p3 r2 r1", []),
        ("p1 p2 p3 r1", []),
        ("p1 p2 r1 p3", ["1"]),
        # To a version that was taken off before: it comes on top, so that the next rollback goes on below it.
        ("p1 p2 p4 r2 r1 r4", ["1"]),
        ("p1 p2 p4 r2 r1 r4 r1", []),
        ("p1 p2 r1 r2", ["1"]),
        ("p1 p2 p3 r1 r3 p4", ["3", "1"]),
        # No rollback empties a stage.
        ("p1 d", ["1"]),
        ("p1 d p2", ["1"]),
        ("p1 p2 d r2", ["1"]),
        # More than one place: each move is undone by itself.
        ("p1 p1+2", ["1"]),
        ("p1 p1+2 d1", ["1+2", "1"]),
        ("p1 p1+2 d1 r1+2", ["1"]),
        ("p1 p1+2 p3+2", ["1+2", "1"]),
        ("p1 p1+2 p3+2 d3 r3+2", ["1+2", "1"]),
        # A version besides the primary one could not come back: the contents count as those of then.
        ("p1 p1+2 p3+2 d3 p4 r1", []),
        ("p1 p2+1 p2+1+3 p4 r2+1", ["1"]),
    ],
)
def test_ways_back(moves: str, back: list[str]) -> None:
    rows = [move(i, word) for i, word in enumerate(moves.split())]
    assert ["+".join(map(str, c.all)) for c in ways_back(undo_stack(rows[::-1]))] == back
