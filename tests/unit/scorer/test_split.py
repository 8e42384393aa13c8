"""Which side of a split answers."""

from __future__ import annotations

from itertools import pairwise

import pytest

from modelyard.scorer.split import Split


def side(split: Split, key: str) -> bool:
    return split.takes({b"x-user-id": key.encode()}, b"")


@pytest.mark.parametrize("weight", [1, 10, 25, 50, 90])
def test_a_share_of_the_keys_is_as_large_as_the_weight(weight: int) -> None:
    split = Split(weight, "X-User-Id", "fraud/cards:2")
    count = sum(side(split, f"user-{number}") for number in range(5000))
    assert abs(count / 50 - weight) < 2.5


def test_raising_the_weight_moves_keys_to_the_canary_only() -> None:
    sides = [
        {number for number in range(3000) if side(Split(weight, "x-user-id", "a:2"), str(number))}
        for weight in (0, 1, 5, 25, 60, 100)
    ]
    for smaller, larger in pairwise(sides):
        assert smaller < larger
    assert (len(sides[0]), len(sides[-1])) == (0, 3000)
    another = {number for number in range(3000) if side(Split(25, "x-user-id", "a:3"), str(number))}
    assert another != sides[3], "another canary is tried with other users"


def test_a_field_of_the_body_decides_like_a_header() -> None:
    split = Split(50, "body.user_id", "a:2")
    bodies = [b'{"age": 4, "user_id": %d}' % number for number in range(1000)]
    sides = [split.takes({}, body) for body in bodies]
    assert sides == [split.takes({}, body) for body in bodies]
    assert 400 < sum(sides) < 600


@pytest.mark.parametrize("body", [b"", b"[1]", b"\xff{", b'{"user_id": null}', b'{"age": 1}', b"[" * 5000])
def test_a_request_without_a_key_goes_either_way(body: bytes) -> None:
    assert not Split(0, "body.user_id", "a:2").takes({}, body)
    assert Split(100, "body.user_id", "a:2").takes({}, body)
    found = [Split(50, "x-user-id", "a:2").takes({}, body) for _ in range(400)]
    assert 120 < sum(found) < 280


@pytest.mark.parametrize(("rule", "takes"), [(b"always", True), (b" Never ", False)])
def test_a_header_rules_over_the_hash(rule: bytes, takes: bool) -> None:
    split = Split(50, "x-user-id", "a:2")
    found = {split.takes({b"x-user-id": b"%d" % n, b"x-canary": rule}, b"") for n in range(100)}
    assert found == {takes}
    assert not Split(0, None, "a:2").takes({b"x-canary": b"perhaps"}, b"")
