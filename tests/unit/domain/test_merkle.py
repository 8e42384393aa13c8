"""The tree against a plain reading of RFC 6962, for every size up to 130, and against forgeries."""

from __future__ import annotations

import hashlib
import random
from functools import cache

import pytest

from modelyard.domain.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_ranges,
    includes,
    inclusion_ranges,
    is_consistent,
    leaf_hash,
    make_proof,
    node_count,
    node_hash,
    node_place,
    perfect_nodes,
)

MOST = 130
LEAVES = [leaf_hash(f"event {n}".encode()) for n in range(MOST)]
NODES: dict[tuple[int, int], bytes] = {}
_growing = Frontier()
for _leaf in LEAVES:
    for _node in _growing.append(_leaf):
        NODES[_node.level, _node.position] = _node.hash


@cache
def root(low: int, high: int) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if high == low:
        return hashlib.sha256(b"").digest()
    if high - low == 1:
        return LEAVES[low]
    k = 1
    while k * 2 < high - low:
        k *= 2
    return hashlib.sha256(b"\x01" + root(low, low + k) + root(low + k, high)).digest()


def path(index: int, low: int, high: int) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1, word for word."""
    if high - low == 1:
        return []
    k = 1
    while k * 2 < high - low:
        k *= 2
    if index < k:
        return [*path(index, low, low + k), root(low + k, high)]
    return [*path(index - k, low + k, high), root(low, low + k)]


def subproof(m: int, low: int, high: int, whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2, word for word."""
    if m == high - low:
        return [] if whole else [root(low, high)]
    k = 1
    while k * 2 < high - low:
        k *= 2
    if m <= k:
        return [*subproof(m, low, low + k, whole), root(low + k, high)]
    return [*subproof(m - k, low + k, high, False), root(low, low + k)]


def inclusion(index: int, size: int) -> list[bytes]:
    return make_proof(inclusion_ranges(index, size), NODES.__getitem__)


def consistency(old: int, new: int) -> list[bytes]:
    return make_proof(consistency_ranges(old, new), NODES.__getitem__)


def test_known_values() -> None:
    """From RFC 6962's reference vectors: the empty tree, and the leaf of nothing."""
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


def test_roots_of_every_size() -> None:
    growing, pushed = Frontier(), Frontier()
    assert growing.root() == root(0, 0)
    for n, leaf in enumerate(LEAVES, start=1):
        growing.append(leaf)
        pushed.push(leaf)
        assert growing.root() == pushed.root() == root(0, n)
        again = Frontier.from_text(n, growing.to_text())
        assert again.root() == growing.root()


def test_every_stored_node_is_a_perfect_subtree() -> None:
    assert all(found == root(i << level, i + 1 << level) for (level, i), found in NODES.items())
    assert len(NODES) == sum(MOST >> level for level in range(MOST.bit_length()))


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_inclusion_of_every_leaf(size: int) -> None:
    for index in range(size):
        proof = inclusion(index, size)
        assert proof == path(index, 0, size)
        assert includes(root(0, size), size, index, LEAVES[index], proof)
        other = (index + 1) % MOST
        assert not includes(root(0, size), size, index, LEAVES[other], proof)
        if size > 1:
            assert not includes(root(0, size), size, (index + 1) % size, LEAVES[index], proof)
        assert not includes(root(0, size), size, index, LEAVES[index], [*proof, LEAVES[0]])
        if proof:
            assert not includes(root(0, size), size, index, LEAVES[index], proof[:-1])


@pytest.mark.parametrize("new", range(1, MOST + 1))
def test_consistency_of_every_beginning(new: int) -> None:
    for old in range(new + 1):
        proof = consistency(old, new)
        assert proof == ([] if old in (0, new) else subproof(old, 0, new, True))
        assert is_consistent(root(0, old), old, root(0, new), new, proof)
        assert not is_consistent(LEAVES[5], old, root(0, new), new, proof)
        if old:
            # Of no events at all, every log is the continuation.
            assert not is_consistent(root(0, old), old, LEAVES[5], new, proof)
        assert not is_consistent(root(0, old), old, root(0, new), new, [*proof, LEAVES[0]])


def test_forgeries_are_refused() -> None:
    chance = random.Random(6962)
    for _ in range(5000):
        size = chance.randrange(2, MOST + 1)
        index = chance.randrange(size)
        proof = inclusion(index, size)
        at = chance.randrange(len(proof))
        flipped = bytearray(proof[at])
        flipped[chance.randrange(32)] ^= 1 << chance.randrange(8)
        forged = [*proof[:at], bytes(flipped), *proof[at + 1 :]]
        assert not includes(root(0, size), size, index, LEAVES[index], forged)
        old = chance.randrange(1, size)
        proof = consistency(old, size)
        at = chance.randrange(len(proof))
        flipped = bytearray(proof[at])
        flipped[chance.randrange(32)] ^= 1 << chance.randrange(8)
        forged = [*proof[:at], bytes(flipped), *proof[at + 1 :]]
        assert not is_consistent(root(0, old), old, root(0, size), size, forged)


def test_a_node_cannot_pass_for_a_leaf() -> None:
    """The two kinds are hashed apart, so the bytes of a node are no event."""
    bytes_of_node = LEAVES[0] + LEAVES[1]
    assert leaf_hash(bytes_of_node) != node_hash(LEAVES[0], LEAVES[1])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_of_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="is not in a tree"):
        inclusion_ranges(index, size)
    assert not includes(root(0, size), size, index, LEAVES[0], [])


def test_a_longer_tree_is_not_the_beginning_of_a_shorter_one() -> None:
    with pytest.raises(ValueError, match="not the beginning"):
        consistency_ranges(4, 3)
    assert not is_consistent(root(0, 4), 4, root(0, 3), 3, [])


def test_peaks_that_cannot_belong_to_the_size_are_refused() -> None:
    with pytest.raises(ValueError, match="peaks"):
        Frontier.from_text(3, LEAVES[0].hex())


def test_perfect_nodes_cover_their_range() -> None:
    for size in range(1, MOST + 1):
        covered = [leaf for level, i in perfect_nodes((0, size)) for leaf in range(i << level, i + 1 << level)]
        assert covered == list(range(size))


def test_places_number_the_nodes_as_they_become_complete() -> None:
    growing = Frontier()
    made = [node for leaf in LEAVES for node in growing.append(leaf)]
    assert [node_place(level, position) for level, position, _ in made] == list(range(len(made)))
    assert [node_count(size) for size in (0, 1, 2, 3, 4, MOST)] == [0, 1, 3, 4, 7, len(made)]
