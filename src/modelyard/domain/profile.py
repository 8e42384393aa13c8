"""A dataset's profile: what each column's values look like, without the rows.

    profile  = b"MYPROFILE1\n" + length of the header (4 bytes, little-endian) + header + body
    header   = canonical JSON: rows, columns, perhaps keys; a part of the body is [offset, length]
    points   = what a column's quantiles are read from (below)
    distinct = a HyperLogLog of 2**lg registers; keys = the smallest hashes of the rows' keys, 8 bytes each

Equal data gives equal bytes, so a profile has a digest that is worth storing. Writing one takes NumPy and
lives in the client; reading one is here and takes the standard library alone. Decision record 0013.

Points are numbers as ordered integers: the bits of the double, its sign turned into the sign of the integer,
so that order is kept. `shift` low bits are left out. Differences of neighbours take 16 bits each; larger ones
stand apart.

    points = mode (1) + shift (1) + bits of the weights (1) + number of lists (1) + lists
    list   = number of points (4) + first value (8, signed) + number of large steps (4)
             + steps (2 each; 65535: the next of the large ones) + large steps (8 each)
    mode 0 = exact: one list of all values there are, then how often each occurs (8 each)
    mode 1 = a sketch: list i holds values that stand for 2**(i + bits of the weights) rows each
"""

from __future__ import annotations

import json
import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, repeat
from operator import truediv
from typing import Any

from modelyard.domain.errors import InvalidFact
from modelyard.domain.record import NON_FINITE

MAGIC = b"MYPROFILE1\n"
MEDIA_TYPE = "application/vnd.modelyard.profile.v1"
MAX_PROFILE_BYTES = 16 * 1024 * 1024
MAX_COLUMNS = 20_000
LARGE_STEP = 65_535
KEY_HASHES = 4096
"""So many of the smallest hashes are kept; fewer keys than that are kept whole."""

NUMERIC = frozenset(
    {"int", "uint", "float", "bool", "decimal", "timestamp", "instant", "date", "time", "duration"}
)
"""Types whose values have an order that a histogram can show."""


@dataclass(frozen=True, slots=True)
class Points:
    """Sorted ordered-integers, each with how many rows it stands for."""

    values: Sequence[int]
    weights: Sequence[int]
    shift: int
    exact: bool
    total: int = field(init=False)
    shares: Sequence[float] = field(init=False)
    """Before the first value, after it, after the second, …: the share of rows up to there, 0 to 1."""

    def __post_init__(self) -> None:
        count = len(self.weights)
        shares: Sequence[float]
        if 0 < count <= _MOST_EVEN and self.weights.count(self.weights[0]) == count:
            total, shares = self.weights[0] * count, _even_shares(count)
        else:
            sums = list(accumulate(self.weights, initial=0))
            total = sums[-1]
            shares = list(map(truediv, sums, repeat(total))) if total else sums
        object.__setattr__(self, "total", total)
        object.__setattr__(self, "shares", shares)


_MOST_EVEN = 4096


@lru_cache(16)
def _even_shares(count: int) -> list[float]:
    """Of points that all stand for as many rows: the same for each column of a sketch, so made once."""
    return [number / count for number in range(count + 1)]


@dataclass(frozen=True, slots=True)
class Column:
    """missing: nulls and NaN. mean, m2: of the finite numbers. top: the commonest values, where the column has
    few different ones and they may be kept; `complete` says that these are all. buckets: how many rows fall
    into each of 64 classes of a hash of the value, for columns without an order."""

    name: str
    type: str
    digest: str
    missing: int
    infinite: int = 0
    distinct: int = 0
    minimum: Any = None
    maximum: Any = None
    mean: float | None = None
    std: float | None = None
    points: Points | None = None
    """Of the values, or of the lengths of what has no order."""
    top: tuple[tuple[str, int], ...] = ()
    complete: bool = False
    buckets: tuple[int, ...] = ()

    @property
    def is_numeric(self) -> bool:
        return self.type in NUMERIC


@dataclass(frozen=True, slots=True)
class Keys:
    """columns: which make a row's key. hashes: the smallest, sorted. count: of all rows with a key."""

    columns: tuple[str, ...]
    hashes: Sequence[int]
    count: int
    complete: bool
    """All different keys are among the hashes."""

    @property
    def theta(self) -> float:
        """The share of all hashes that could have been kept."""
        return 1.0 if self.complete else self.hashes[-1] / 2**64

    @property
    def distinct(self) -> int:
        if self.complete:
            return len(self.hashes)
        return round((len(self.hashes) - 1) / self.theta)


@dataclass(frozen=True, slots=True)
class Profile:
    rows: int
    columns: dict[str, Column] = field(default_factory=dict)
    keys: Keys | None = None


def read_profile(data: bytes) -> Profile:
    """Raises InvalidFact for bytes that are no profile."""
    try:
        header, body = split_profile(data)
        rows = int(header["rows"])
        columns = {str(entry["name"]): _column(entry, body, rows) for entry in header["columns"]}
        keys = _keys(header["keys"], body) if header.get("keys") else None
        return Profile(rows, columns, keys)
    except (KeyError, ValueError, TypeError, IndexError, struct.error, OverflowError, AttributeError) as exc:
        raise InvalidFact(what="the profile", reason=f"it cannot be read: {exc}") from None


def split_profile(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and body. Raises ValueError."""
    start = len(MAGIC) + 4
    if len(data) > MAX_PROFILE_BYTES or not data.startswith(MAGIC) or len(data) < start:
        raise ValueError("it does not begin as one, or is too large")
    length = int.from_bytes(data[len(MAGIC) : start], "little")
    header = json.loads(data[start : start + length])
    if not isinstance(header, dict) or len(header["columns"]) > MAX_COLUMNS:
        raise ValueError("its header is not one")
    return header, data[start + length :]


def join_profile(header: bytes, body: bytes) -> bytes:
    return MAGIC + len(header).to_bytes(4, "little") + header + body


def part(body: bytes, place: Sequence[int]) -> bytes:
    """Raises ValueError for a place outside of the body."""
    offset, length = place
    if offset < 0 or length < 0 or offset + length > len(body):
        raise ValueError("a part lies outside of it")
    return body[offset : offset + length]


def _column(entry: dict[str, Any], body: bytes, rows: int) -> Column:
    points = read_points(part(body, entry["points"])) if "points" in entry else None
    if points is not None and not points.total:
        raise ValueError("the points of a column are none")
    finite = points.total if points is not None and entry["type"] in NUMERIC else 0
    m2 = _finite(entry.get("m2"))
    if not 0 <= int(entry["missing"]) <= rows:
        raise ValueError("a column lacks more values than there are rows")
    return Column(
        name=str(entry["name"]),
        type=str(entry["type"]),
        digest=str(entry["digest"]),
        missing=int(entry["missing"]),
        infinite=int(entry.get("infinite", 0)),
        distinct=int(entry.get("distinct", 0)),
        minimum=entry.get("min"),
        maximum=entry.get("max"),
        mean=_finite(entry.get("mean")),
        std=(max(0.0, m2) / (finite - 1)) ** 0.5 if m2 is not None and finite > 1 else None,
        points=points,
        top=tuple((str(value), int(count)) for value, count in entry.get("top", ())),
        complete=bool(entry.get("complete", False)),
        buckets=tuple(map(int, entry.get("buckets", ()))),
    )


def _finite(value: Any) -> float | None:
    """None where a sum of very large numbers left the range of doubles."""
    if value is None or value in NON_FINITE:
        return None
    return float(value)


def _keys(entry: dict[str, Any], body: bytes) -> Keys:
    if not entry["complete"] and not entry["hashes"][1]:
        raise ValueError("keys without a hash are said to be more")
    return Keys(
        columns=tuple(str(name) for name in entry["columns"]),
        hashes=_array("Q", part(body, entry["hashes"])),
        count=int(entry["count"]),
        complete=bool(entry["complete"]),
    )


# --- points ------------------------------------------------------------------------------------------


def read_points(data: bytes) -> Points:
    mode, shift, weight_bits, lists = data[:4]
    if mode not in (0, 1) or shift > 63 or weight_bits > 63:
        raise ValueError("its points are of an unknown kind")
    at = 4
    if mode == 0:
        values, at = _list(data, at)
        counts = _array("Q", data[at : at + 8 * len(values)])
        if len(counts) != len(values):
            raise ValueError("its points end early")
        return Points(values, counts, shift, True)
    found: list[tuple[int, list[int]]] = []
    for level in range(lists):
        values, at = _list(data, at)
        if values:
            found.append((1 << (level + weight_bits), values))
    if len(found) == 1:
        # The rule for most sketches; and one list is sorted as it is.
        weight, values = found[0]
        return Points(values, [weight] * len(values), shift, False)
    pairs = sorted((value, weight) for weight, values in found for value in values)
    return Points([value for value, _ in pairs], [weight for _, weight in pairs], shift, False)


def _list(data: bytes, at: int) -> tuple[list[int], int]:
    count, first, large = struct.unpack_from("<IqI", data, at)
    at += 16
    if count == 0:
        return [], at
    steps: list[int] = _array("H", data[at : at + 2 * (count - 1)]).tolist()
    at += 2 * (count - 1)
    if large:
        place = -1
        for step in _array("Q", data[at : at + 8 * large]):
            place = steps.index(LARGE_STEP, place + 1)
            steps[place] = step
        at += 8 * large
    values = list(accumulate(steps, initial=first))
    if len(values) != count:
        raise ValueError("its points end early")
    return values, at


def _array(kind: str, data: bytes) -> array[int]:
    found: array[int] = array(kind)
    found.frombytes(data)
    if sys.byteorder == "big":
        found.byteswap()
    return found


_BITS, _DOUBLE = struct.Struct("<Q"), struct.Struct("<d")


def to_number(ordered: int, shift: int = 0) -> float:
    """The double that an ordered integer stands for."""
    full = ordered << shift
    bits = full if full >= 0 else -full | 1 << 63
    number: float = _DOUBLE.unpack(_BITS.pack(bits & (1 << 64) - 1))[0]
    return number
