"""The Merkle tree of the event log: hashing, growing, proofs and their verification. Pure.

A tree of n leaves is the one of RFC 6962, section 2.1. Every *perfect* subtree is a node (level, position): it
covers the leaves position * 2^level … (position + 1) * 2^level - 1 and never changes once it is complete, so nodes
are stored once. A tree that is not perfect is a row of perfect ones, its *peaks*, largest first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


class Node(NamedTuple):
    """A perfect subtree and its hash. Level 0 is a leaf."""

    level: int
    position: int
    hash: bytes


def node_count(size: int) -> int:
    """Return the number of nodes in a tree of `size` leaves."""
    return 2 * size - size.bit_count()


def node_place(level: int, position: int) -> int:
    """Return the number of a node, from 0, in the order in which nodes become complete: a leaf, then those above it.

    Appending the leaves from `start` up to `end` (exclusive) completes the nodes from node_count(start) up to
    node_count(end) (exclusive).
    """
    last_leaf = (position + 1 << level) - 1
    return node_count(last_leaf) + level


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(peaks: Sequence[bytes]) -> bytes:
    """Return the root over a row of perfect subtrees, largest first."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


class Frontier:
    """The size and the peaks of a tree, which are enough to append to it."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)
        if len(self.peaks) != size.bit_count() or any(len(peak) != HASH_BYTES for peak in self.peaks):
            raise ValueError(f"{len(self.peaks)} peaks cannot be those of a tree of {size} leaves")

    @classmethod
    def from_text(cls, size: int, text: str) -> Frontier:
        """Read the text that `to_text` wrote. Raises ValueError if it does not belong to a tree of this size."""
        raw = bytes.fromhex(text)
        return cls(size, (raw[i : i + HASH_BYTES] for i in range(0, len(raw), HASH_BYTES)))

    def to_text(self) -> str:
        """Return the peaks in hexadecimal, largest first."""
        return b"".join(self.peaks).hex()

    def push(self, leaf: bytes) -> None:
        """Append one leaf's hash."""
        index, peaks = self.size, self.peaks
        while index & 1:
            leaf = hashlib.sha256(b"\x01" + peaks.pop() + leaf).digest()
            index >>= 1
        peaks.append(leaf)
        self.size += 1

    def append(self, leaf: bytes) -> list[Node]:
        """Append one leaf's hash and return the nodes that it completes, the leaf first."""
        index, level, peaks = self.size, 0, self.peaks
        done = [Node(0, index, leaf)]
        while index & 1:
            leaf = node_hash(peaks.pop(), leaf)
            index, level = index >> 1, level + 1
            done.append(Node(level, index, leaf))
        peaks.append(leaf)
        self.size += 1
        return done

    def root(self) -> bytes:
        return fold(self.peaks)


# --- proofs --------------------------------------------------------------------------------------

Range = tuple[int, int]
"""Leaves from the first to before the second."""


def _split(size: int) -> int:
    """Return the largest power of two below `size`, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Return the subtrees whose hashes prove that leaf `index` is in the tree of `size`, in the order of the proof.

    Raises ValueError for a leaf that is not in the tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    found: list[Range] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            found.append((middle, high))
            high = middle
        else:
            found.append((low, middle))
            low = middle
    return found[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """Return the subtrees whose hashes prove that the tree of `new` leaves begins with the tree of `old` leaves.

    Empty for equal sizes and for old = 0, which need no proof. Raises ValueError when old > new.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} is not the beginning of one of {new}")
    if old in (0, new):
        return []
    found: list[Range] = []
    low, high, whole = 0, new, True
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            found.append((middle, high))
            high = middle
        else:
            found.append((low, middle))
            low, whole = middle, False
    if not whole:
        found.append((low, high))
    return found[::-1]


def perfect_nodes(wanted: Range) -> list[tuple[int, int]]:
    """Return (level, position) of the nodes in a range of a proof, largest first."""
    low, high = wanted
    found = []
    while low < high:
        level = (high - low).bit_length() - 1
        found.append((level, low >> level))
        low += 1 << level
    return found


def make_proof(ranges: Iterable[Range], hash_of: Callable[[tuple[int, int]], bytes]) -> list[bytes]:
    """Return the hashes of the ranges. hash_of: returns the stored hash of a node (level, position)."""
    return [fold([hash_of(node) for node in perfect_nodes(each)]) for each in ranges]


def includes(root: bytes, size: int, index: int, leaf: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether the proof shows that `leaf` is leaf `index` of the tree. Source: RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0 or len(step) != HASH_BYTES:
            return False
        if at & 1 or at == last:
            found = node_hash(step, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, step)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(old_root: bytes, old: int, new_root: bytes, new: int, proof: Sequence[bytes]) -> bool:
    """Return whether the proof shows that the new tree begins with the old one. Source: RFC 9162, section 2.1.4.2."""
    if not 0 <= old <= new or any(len(step) != HASH_BYTES for step in proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    steps = [old_root, *proof] if old.bit_count() == 1 else list(proof)
    if not steps:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    found_old = found_new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            found_old, found_new = node_hash(step, found_old), node_hash(step, found_new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found_new = node_hash(found_new, step)
        at, last = at >> 1, last >> 1
    return last == 0 and found_old == old_root and found_new == new_root
