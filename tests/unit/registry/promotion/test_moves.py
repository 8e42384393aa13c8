"""Where rollbacks go, as a table of moves."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from modelyard.registry.promotion.moves import undo_stack, way_back


@pytest.mark.parametrize(
    ("moves", "back"),
    [
        ("", None),
        ("p1", None),
        ("p1 p2", 1),
        ("p1 p2 p3 r2", 1),
        ("p1 p2 p3 r2 r1", None),
        ("p1 p2 r1 p3", 1),
        ("p1 p2 r1 r2", None),
        ("p1 p2 p1", 2),
        ("p1 d", 1),
        ("p1 d p2", 1),
        ("p1 p2 p3 r1", None),
        ("p1 p2 p3 r1 r3 p4", 3),
        ("p1 p1 p2", 1),
    ],
)
def test_way_back(moves: str, back: int | None) -> None:
    kinds = {"p": "promote", "r": "rollback", "d": "demote"}
    rows = [
        SimpleNamespace(id=i, kind=kinds[word[0]], after_primary=int(word[1:]) if word[1:] else None)
        for i, word in enumerate(moves.split())
    ]
    assert way_back(undo_stack(rows[::-1])) == back  # type: ignore[arg-type]
