"""A dataset's profile: the distribution of each column's values, without the rows.

    profile  = b"MYPROFILE1\n" + length of the header (4 bytes, little-endian) + header + body
    header   = canonical JSON: rows, columns, perhaps keys; a part of the body is [offset, length]
    points   = the basis of a column's quantiles (below)
    distinct = a HyperLogLog of 2**lg registers; keys = the smallest hashes of the rows' keys, 8 bytes each

Equal data gives equal bytes, so a profile has a digest that is worth storing. Writing one takes NumPy and
lives in the client; reading one is here and takes the standard library alone. Decision record 0013.

Points are numbers as ordered integers: the bits of the double, its sign turned into the sign of the integer,
so that order is kept. `shift` low bits are dropped. Differences of neighbours take 16 bits each; larger ones
are listed separately.

    points = mode (1) + shift (1) + bits of the weights (1) + number of lists (1) + lists
    list   = number of points (4) + first value (8, signed) + number of large steps (4)
             + steps (2 each; 65535: the next of the large ones) + large steps (8 each)
    mode 0 = exact: one list of all distinct values, then the count of each (8 each)
    mode 1 = a sketch: each value in list i represents 2**(i + bits of the weights) rows
"""

from __future__ import annotations

import datetime as dt
import json
import math
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
"""Number of the smallest hashes that are kept; fewer keys are kept completely."""

NUMERIC = frozenset(
    {"int", "uint", "float", "bool", "decimal", "timestamp", "instant", "date", "time", "duration"}
)
"""Types whose values have an order that a histogram can show."""


@dataclass(frozen=True, slots=True)
class Points:
    """Sorted ordered-integers, each with the number of rows that it represents."""

    values: Sequence[int]
    weights: Sequence[int]
    shift: int
    exact: bool
    total: int = field(init=False)
    shares: Sequence[float] = field(init=False)
    """The share of rows before the first value, after it, after the second, …: 0 to 1."""

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
    """Return the shares of points of equal weight. They are the same for each column of a sketch, so cached."""
    return [number / count for number in range(count + 1)]


@dataclass(frozen=True, slots=True)
class Column:
    """missing: nulls and NaN. mean, m2: of the finite numbers. top: the most frequent values, if the column has
    few different ones and they may be kept; `complete` if there are no others. buckets: the number of rows in
    each of 64 classes of a hash of the value, for columns without an order."""

    name: str
    type: str
    digest: str
    missing: int
    infinite: int = 0
    distinct: int = 0
    estimated: bool = False
    """`distinct` is an estimate, with about 2 % of error; otherwise it was counted."""
    minimum: Any = None
    maximum: Any = None
    mean: float | None = None
    std: float | None = None
    points: Points | None = None
    """Of the values, or of the lengths of values without an order."""
    top: tuple[tuple[str, int], ...] = ()
    complete: bool = False
    buckets: tuple[int, ...] = ()

    @property
    def is_numeric(self) -> bool:
        return self.type in NUMERIC


@dataclass(frozen=True, slots=True)
class Keys:
    """columns: the ones that form a row's key. hashes: the smallest, sorted. count: the number of rows with a key."""

    columns: tuple[str, ...]
    hashes: Sequence[int]
    count: int
    complete: bool
    """All different keys are among the hashes."""

    @property
    def theta(self) -> float:
        """Return the share of all hashes that could have been kept."""
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
    """Read a profile. Raises InvalidFact for bytes that are not a profile."""
    try:
        header, body = split_profile(data)
        rows = int(header["rows"])
        columns = {str(entry["name"]): _column(entry, body, rows) for entry in header["columns"]}
        keys = _keys(header["keys"], body) if header.get("keys") else None
        return Profile(rows, columns, keys)
    except (KeyError, ValueError, TypeError, IndexError, struct.error, OverflowError, AttributeError) as exc:
        raise InvalidFact(what="the profile", reason=f"it cannot be read: {exc}") from None


def split_profile(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return header and body. Raises ValueError."""
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
    """Return a part of the body. Raises ValueError for a place outside it."""
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
        estimated=bool(entry.get("estimated", False)),
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
    """Return the number; None if a sum of very large numbers left the range of doubles."""
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


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def value_text(kind: str, value: Any) -> str:
    """Return a number of a column for people: times as times, doubles with six digits."""
    if value is None:
        return ""
    if kind in _TIMES and isinstance(value, int | float) and math.isfinite(value):
        try:
            return _time_text(kind, round(value))
        except OverflowError:
            return str(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


_TIMES = frozenset({"date", "time", "timestamp", "instant", "duration"})


def _time_text(kind: str, value: int) -> str:
    """value: days of a date, microseconds of the others."""
    if kind == "duration":
        return str(dt.timedelta(microseconds=value))
    if kind == "date":
        return (_EPOCH + dt.timedelta(days=value)).date().isoformat()
    moment = _EPOCH + dt.timedelta(microseconds=value)
    if kind == "time":
        return moment.time().isoformat()
    text = moment.replace(tzinfo=None).isoformat(" ")
    return f"{text}Z" if kind == "instant" else text


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
        # Most sketches have one list, which is sorted already.
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
    """Return the double that an ordered integer stands for."""
    full = ordered << shift
    bits = full if full >= 0 else -full | 1 << 63
    number: float = _DOUBLE.unpack(_BITS.pack(bits & (1 << 64) - 1))[0]
    return number
