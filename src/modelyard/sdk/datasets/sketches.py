"""Sketches of a column's values, built block by block: quantiles, number of different values, key hashes.

Results depend only on the values and their order, never on chance, so that equal data gives an equal profile. The
form on disk is described in `modelyard.domain.profile`; figures are in decision record 0013.
"""

from __future__ import annotations

import hashlib
import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.domain.profile import KEY_HASHES, LARGE_STEP

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

EXACT_VALUES = 512
STORED_POINTS = 900
_WORKING_K = 4096
_SHRINK = 2 / 3


def ordered(values: Floats) -> Ints:
    """Return doubles as integers in the same order; -0.0 is 0."""
    bits = np.ascontiguousarray(values).view(np.int64)
    sign = bits >> 63
    found = sign & np.int64(0x7FFFFFFFFFFFFFFF)
    found ^= bits
    found -= sign
    return found


class Quantiles:
    """A mergeable sketch of quantiles: a KLL sketch whose coin is a hash of its position.

    A value in level i represents 2**i rows. A level over its capacity is sorted, and every other value moves up. Up to
    EXACT_VALUES different values are counted exactly.
    Source: Karnin, Lang, Liberty, "Optimal Quantile Approximation in Streams" (2016), arXiv:1603.05346.
    """

    def __init__(self) -> None:
        self.count = 0
        self._exact: tuple[Ints, Ints] | None = (np.empty(0, np.int64), np.empty(0, np.int64))
        self._levels: list[Ints] = []
        self._tosses = 0

    @property
    def exact_count(self) -> int | None:
        """Return the number of different values; None if they are not counted."""
        return None if self._exact is None else len(self._exact[0])

    def add(self, values: Floats) -> None:
        """Add finite values, in any order."""
        if len(values) == 0:
            return
        found = np.sort(ordered(values))
        self.count += len(found)
        if self._exact is not None:
            starts = _starts(found)
            if len(starts) <= EXACT_VALUES:
                counts = np.diff(np.append(starts, len(found)))
                self._count(found[starts], counts.astype(np.int64))
                return
            self._give_up_counting()
        # A large number of values moves up several levels at once; the remainder of the last step stays below.
        level = max(0, (len(found) // _WORKING_K).bit_length() - 1)
        whole = len(found) >> level << level
        self._put(level, found[self._toss(level) % (1 << level) : whole : 1 << level])
        self._put(0, found[whole:])
        self._compact(_WORKING_K)

    def add_counted(self, values: Floats, counts: Ints) -> None:
        """Add different values with their counts."""
        if len(values) == 0:
            return
        found = ordered(values)
        order = np.argsort(found)
        self.count += int(counts.sum())
        if self._exact is not None:
            self._count(found[order], counts[order])
        else:
            self._put_weighted(found[order], counts[order])
        self._compact(_WORKING_K)

    def _toss(self, level: int) -> int:
        """Toss the coin, whose result depends only on the number of tosses so far."""
        self._tosses += 1
        return int(mix(np.array([self._tosses * 64 + level], np.uint64))[0])

    def merge(self, other: Quantiles) -> None:
        self.count += other.count
        if other._exact is not None:
            values, counts = other._exact
            if self._exact is not None:
                self._count(values, counts)
            else:
                self._put_weighted(values, counts)
        else:
            self._give_up_counting()
            for level, values in enumerate(other._levels):
                self._put(level, values)
        self._compact(_WORKING_K)

    def _count(self, values: Ints, counts: Ints) -> None:
        assert self._exact is not None
        every = np.concatenate((self._exact[0], values))
        unique, where = np.unique(every, return_inverse=True)
        totals = np.zeros(len(unique), np.int64)
        np.add.at(totals, where, np.concatenate((self._exact[1], counts)))
        self._exact = (unique, totals)
        if len(unique) > EXACT_VALUES:
            self._give_up_counting()

    def _give_up_counting(self) -> None:
        if self._exact is not None:
            values, counts = self._exact
            self._exact = None
            self._put_weighted(values, counts)

    def _put_weighted(self, values: Ints, counts: Ints) -> None:
        """Add values with their counts: one that occurs 13 times goes to levels 0, 2 and 3, so nothing is lost."""
        for level in range(int(counts.max()).bit_length() if len(counts) else 0):
            self._put(level, values[(counts >> level) & 1 == 1])

    def _put(self, level: int, values: Ints) -> None:
        while len(self._levels) <= level:
            self._levels.append(np.empty(0, np.int64))
        self._levels[level] = np.concatenate((self._levels[level], values))

    def _compact(self, k: int) -> None:
        """Compact until every level fits: the top one holds k values, each lower one two thirds of the one above."""
        level = 0
        while level < len(self._levels):
            capacity = max(8, int(k * _SHRINK ** (len(self._levels) - 1 - level)))
            if len(self._levels[level]) > capacity:
                self._halve(level)
            level += 1

    def _halve(self, level: int) -> None:
        values = np.sort(self._levels[level])
        # The odd one out stays in its level; a toss of the coin decides which half moves up.
        left = values[len(values) // 2 * 2 :]
        values = values[: len(values) // 2 * 2]
        self._levels[level] = left
        self._put(level + 1, values[self._toss(level) & 1 :: 2])

    def to_bytes(self) -> bytes:
        """Return the bytes that `modelyard.domain.profile.read_points` reads. The sketch itself does not change."""
        if self._exact is not None:
            values, counts = self._exact
            shift = _shift_for([values])
            shifted = values >> shift
            starts = _starts(shifted)
            sums = np.add.reduceat(counts, starts) if len(values) else counts
            return bytes((0, shift, 0, 1)) + _list(shifted[starts]) + _u64(sums)
        small = Quantiles()
        small._exact, small._levels, small._tosses = None, [np.sort(v) for v in self._levels], self._tosses
        k = _WORKING_K
        while sum(map(len, small._levels)) > STORED_POINTS:
            small._compact(k)
            k = k * 7 // 8
        levels = [np.sort(values) for values in small._levels]
        lowest = next(index for index, values in enumerate(levels) if len(values))
        levels = levels[lowest:]
        shift = _shift_for(levels)
        return bytes((1, shift, lowest, len(levels))) + b"".join(_list(values >> shift) for values in levels)

    @classmethod
    def from_bytes(cls, data: bytes) -> Quantiles:
        from modelyard.domain.profile import read_points

        found = cls()
        points = read_points(data)
        values = np.array(points.values, np.int64) << points.shift
        counts = np.array(points.weights, np.int64)
        found.count = int(counts.sum())
        if points.exact:
            found._exact = (values, counts)
        else:
            found._exact = None
            found._put_weighted(values, counts)
        return found


def _starts(values: Ints) -> NDArray[np.intp]:
    """Return the position at which each different value begins in sorted values."""
    if len(values) == 0:
        return np.empty(0, np.intp)
    return np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))


def _shift_for(levels: list[Ints]) -> int:
    """Return how many low bits can be dropped while values stay distinct: 16 bits of the mantissa, or more."""
    every = np.unique(np.concatenate(levels)) if levels else np.empty(0, np.int64)
    for shift in range(36, 0, -4):
        if len(np.unique(every >> shift)) >= 0.99 * len(every):
            return shift
    return 0


def _list(values: Ints) -> bytes:
    if len(values) == 0:
        return struct.pack("<IqI", 0, 0, 0)
    # As unsigned numbers, because the difference of neighbours may exceed the signed range.
    steps = np.diff(values.astype(np.uint64)) if len(values) > 1 else np.empty(0, np.uint64)
    large = steps[steps >= LARGE_STEP]
    small = np.minimum(steps, LARGE_STEP).astype("<u2")
    head = struct.pack("<IqI", len(values), int(values[0]), len(large))
    return head + small.tobytes() + _u64(large)


def _u64(values: Any) -> bytes:
    return bytes(np.asarray(values).astype("<u8").tobytes())


# --- hashes ------------------------------------------------------------------------------------------


def mix(values: Hashes) -> Hashes:
    """Mix the bits with the finaliser of SplitMix64, so that every output bit depends on every input bit."""
    with np.errstate(over="ignore"):
        found = values + np.uint64(0x9E3779B97F4A7C15)
        found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return found ^ (found >> np.uint64(31))


_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_LONG_TEXT = 64
_FIRST_HASHES = 16_384


def hash_texts(data: NDArray[np.uint8], offsets: Ints) -> Hashes:
    """Return a 64-bit hash of each text, whose bytes are data[offsets[i]:offsets[i + 1]].

    FNV-1a, computed for one byte position of all texts at a time; BLAKE2b for the few long ones.
    """
    lengths = np.diff(offsets)
    found = np.full(len(lengths), _FNV_START, np.uint64)
    short = lengths <= _LONG_TEXT
    with np.errstate(over="ignore"):
        alive = np.flatnonzero(short)
        for position in range(int(lengths[short].max()) if short.any() else 0):
            alive = alive[lengths[alive] > position]
            byte = data[offsets[alive] + position].astype(np.uint64)
            found[alive] = (found[alive] ^ byte) * _FNV_PRIME
    for index in np.flatnonzero(~short):
        text = data[offsets[index] : offsets[index + 1]].tobytes()
        found[index] = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
    return mix(found)


class Distinct:
    """The number of different values: a HyperLogLog of 2**lg registers.

    Source: Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), arXiv:1702.01284.
    """

    def __init__(self, lg: int) -> None:
        self.lg = lg
        self.registers = np.zeros(1 << lg, np.uint8)

    def add(self, hashes: Hashes) -> None:
        if len(hashes) == 0:
            return
        # Values that are not above the lowest register change nothing, and soon these are nearly all.
        for start, end in ((0, _FIRST_HASHES), (_FIRST_HASHES, len(hashes))):
            self._raise(hashes[start:end])

    def _raise(self, hashes: Hashes) -> None:
        # The top bits choose the register, and the leading zeros of the rest are counted (a one is set at the end).
        rest = (hashes << np.uint64(self.lg)) | np.uint64(1 << (self.lg - 1))
        low = int(self.registers.min())
        if low:
            # It has more than low - 1 leading zeros.
            chosen = np.flatnonzero(rest < np.uint64(1 << (64 - low)))
            hashes, rest = hashes[chosen], rest[chosen]
        bucket = (hashes >> np.uint64(64 - self.lg)).astype(np.int64)
        # The exponent of the upper 53 bits as a double, which represents them exactly.
        exponent = (rest >> np.uint64(11)).astype(np.float64).view(np.uint64) >> np.uint64(52)
        leading = np.where(exponent == 0, 53, np.int64(1075) - exponent.astype(np.int64))
        np.maximum.at(self.registers, bucket, (leading + 1).astype(np.uint8))

    def merge(self, other: Distinct) -> None:
        np.maximum(self.registers, other.registers, out=self.registers)

    def estimate(self) -> int:
        size, tail = 1 << self.lg, 64 - self.lg
        counts = np.bincount(self.registers, minlength=tail + 2).tolist()
        if counts[0] == size:
            return 0
        z = size * _tau((size - counts[tail + 1]) / size)
        for index in range(tail, 0, -1):
            z = 0.5 * (z + counts[index])
        z += size * _sigma(counts[0] / size)
        return round(size * size / (2 * math.log(2)) / z)

    def to_bytes(self) -> bytes:
        """Return lg and the registers: each as four bits above the lowest one, with higher ones listed separately; or,
        if few are set, only those."""
        set_ones = np.flatnonzero(self.registers)
        if len(set_ones) * 3 < len(self.registers) // 2:
            pairs = [int(i).to_bytes(2, "little") + bytes([self.registers[i]]) for i in set_ones]
            return bytes((self.lg, 255)) + b"".join(pairs)
        low = int(self.registers.min())
        above = self.registers - low
        nibbles = np.minimum(above, 15)
        packed = nibbles[0::2] | (nibbles[1::2] << 4)
        apart = [int(i).to_bytes(2, "little") + bytes([above[i]]) for i in np.flatnonzero(above >= 15)]
        return bytes((self.lg, low)) + bytes(packed.tobytes()) + b"".join(apart)

    @classmethod
    def from_bytes(cls, data: bytes) -> Distinct:
        found = cls(data[0])
        if data[1] == 255:
            rest, low = data[2:], 0
        else:
            packed = np.frombuffer(data, np.uint8, (1 << found.lg) // 2, 2)
            low = data[1]
            found.registers[0::2] = (packed & 15) + low
            found.registers[1::2] = (packed >> 4) + low
            rest = data[2 + len(packed) :]
        for at in range(0, len(rest), 3):
            found.registers[int.from_bytes(rest[at : at + 2], "little")] = rest[at + 2] + low
        return found


def _sigma(x: float) -> float:
    if x == 1.0:
        return float("inf")
    y, z = 1.0, x
    while True:
        x *= x
        before, z = z, z + x * y
        y += y
        if z == before:
            return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z = 1.0, 1 - x
    while True:
        x = x**0.5
        before, y = z, y * 0.5
        z -= (1 - x) ** 2 * y
        if z == before:
            return z / 3


class KeyHashes:
    """The smallest hashes of the rows' keys (a KMV sketch), enough to estimate how many keys two tables share."""

    def __init__(self) -> None:
        self.count = 0
        self.hashes = np.empty(0, np.uint64)
        self.complete = True

    def add(self, hashes: Hashes) -> None:
        self.count += len(hashes)
        self._put(hashes)

    def merge(self, other: KeyHashes) -> None:
        self.count += other.count
        self.complete &= other.complete
        self._put(other.hashes)

    def _put(self, hashes: Hashes) -> None:
        if not self.complete and len(self.hashes) == KEY_HASHES:
            hashes = hashes[hashes < self.hashes[-1]]
        found = np.unique(np.concatenate((self.hashes, hashes)))
        self.complete &= len(found) <= KEY_HASHES
        self.hashes = found[:KEY_HASHES]
