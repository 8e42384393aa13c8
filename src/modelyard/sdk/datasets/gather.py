"""One pass over a table's blocks: the fingerprint and the profile of each column.

    column digest = SHA-256 of, for each block of 131,072 rows
                    number of rows (8 bytes), number of missing ones (8), their positions as bits if there are any,
                    then, unless all are missing, the kind of the block's forms (1 byte) and the forms:
                    n  numbers: 8 bytes each, a double, 0 for a missing one
                    d  durations: 8 bytes each, microseconds, 0 for a missing one
                    t  texts, j nested values as JSON, b bytes: the lengths (8 each), then the bytes of all
    table digest  = SHA-256 of the canonical JSON {"v": 2, "rows": n, "columns": {name: column digest}}

All numbers are little-endian. `forms` defines the form of a value. So the digest depends on the order of rows, but
not on the library, the type that it gave a column, the pieces, the index or the order of columns. Decision
record 0013.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.domain.canonical import canonical_json
from modelyard.domain.digest import Digest
from modelyard.domain.errors import Invalid
from modelyard.domain.profile import NUMERIC, join_profile
from modelyard.domain.record import number_to_json
from modelyard.sdk.datasets.forms import number_form, text_form, time_form
from modelyard.sdk.datasets.sketches import Distinct, KeyHashes, Quantiles, hash_texts, mix
from modelyard.sdk.datasets.tables import Table, blocks, canonical, word_of

MAX_COUNTED = 1024
MAX_TOP = 200
MAX_VALUE_LENGTH = 80
BUCKETS = 64
DIGEST_VERSION = 2


class Gatherer:
    """The facts gathered about one column so far."""

    def __init__(self, name: str, word: str, keep_values: bool) -> None:
        self.name, self.word, self.keep_values = name, word, keep_values
        self._sha = hashlib.sha256()
        self._rows = self.missing = self.infinite = 0
        self._points = Quantiles()
        # Doubles hardly ever repeat, so a coarse sketch is enough for their number of different values.
        self._distinct = Distinct(10 if word == "float" else 12)
        self._minimum: Any = None
        self._maximum: Any = None
        self._count, self._mean, self._m2 = 0, 0.0, 0.0
        self._buckets = np.zeros(BUCKETS, np.int64)
        self._counts: dict[str, int] | None = {}

    def add(self, chunks: Any) -> Any:
        """Add one block; return the 64-bit hashes of its values, 0 for missing ones."""
        array = canonical(chunks, self.word, self.name)
        rows = len(array)
        valid = None
        if array.null_count:
            valid = pc.is_valid(array).to_numpy(zero_copy_only=False)
        missing = array.null_count
        self._rows += rows
        self.missing += missing
        self._sha.update(rows.to_bytes(8, "little") + missing.to_bytes(8, "little"))
        if valid is not None:
            self._sha.update(np.packbits(~valid, bitorder="little").tobytes())
        if pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type):
            return self._add_texts(array, valid)
        return self._add_numbers(array, valid)

    # --- numbers -------------------------------------------------------------------------------------

    def _add_numbers(self, array: Any, valid: Any) -> Any:
        filled = array if valid is None else array.fill_null(0)
        values = filled.to_numpy(zero_copy_only=False)
        if self.word == "float":
            values = values + 0.0  # there is no -0.0
            self._digest_form(b"n", None, values, len(array) - array.null_count)
        else:
            self._digest_form(*_form_of_numbers(array, self.word), None, len(array) - array.null_count)
        hashes = mix(values.view(np.uint64))
        present = values if valid is None else values[valid]
        self._distinct.add(hashes if valid is None else hashes[valid])
        numbers = present.astype(np.float64, copy=False)
        if self.word == "float":
            finite = np.isfinite(numbers)
            if not finite.all():
                self.infinite += int(len(numbers) - np.count_nonzero(finite))
                numbers = present = numbers[finite]
        if len(numbers):
            self._note_range(present.min().item(), present.max().item())
            self._note_moments(numbers)
            self._points.add(numbers)
        return hashes if valid is None else np.where(valid, hashes, np.uint64(0))

    def _digest_form(self, kind: bytes, form: Any, values: Any, present: int) -> None:
        """Add to the digest. form: an Arrow array; values: the doubles instead of it, 0 for a missing one."""
        if not present:
            return
        self._sha.update(kind)
        if kind in (b"n", b"d"):
            if values is None:
                values = form.fill_null(0).to_numpy(zero_copy_only=False)
            self._sha.update(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).data)
            return
        empty = "" if pa.types.is_large_string(form.type) else b""
        offsets, data = _parts(form.fill_null(empty) if form.null_count else form)
        self._sha.update(np.diff(offsets).astype("<i8").data)
        self._sha.update(data[offsets[0] : offsets[-1]].data)

    def _note_range(self, low: Any, high: Any) -> None:
        self._minimum = low if self._minimum is None else min(low, self._minimum)
        self._maximum = high if self._maximum is None else max(high, self._maximum)

    def _note_moments(self, numbers: Any, weights: Any = None) -> None:
        """Update mean and sum of squares from those of two parts. Source: Chan, Golub, LeVeque."""
        count = len(numbers) if weights is None else int(weights.sum())
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(np.average(numbers, weights=weights))
            squares = np.square(numbers - mean)
            m2 = float(squares.sum() if weights is None else np.dot(squares, weights))
            delta, total = mean - self._mean, self._count + count
            self._m2 += m2 + delta * delta * self._count * count / total
            self._mean += delta * count / total
            self._count = total

    # --- texts ---------------------------------------------------------------------------------------

    def _add_texts(self, array: Any, valid: Any) -> Any:
        # From here on, each different value is handled once.
        coded = array.dictionary_encode()
        form = text_form(coded) if self.word in _TEXT_WORDS else (_OWN_KINDS[self.word], array)
        self._digest_form(*form, None, len(array) - array.null_count)
        unique = coded.dictionary
        unique_offsets, unique_data = _parts(unique)
        hashes = hash_texts(unique_data, unique_offsets)
        codes = coded.indices
        places = (codes.drop_null() if valid is not None else codes).to_numpy(zero_copy_only=False)
        counts = np.bincount(places, minlength=len(unique))
        self._distinct.add(hashes)
        np.add.at(self._buckets, (hashes >> np.uint64(58)).astype(np.int64), counts)
        if self.word in ("text", "mixed", "nested", "decimal"):
            sizes = pc.utf8_length(unique).to_numpy(zero_copy_only=False)
        else:
            sizes = np.diff(unique_offsets)
        if len(unique):
            if self.word == "decimal":
                sizes = np.array([float(text) for text in unique.to_pylist()])
            numbers, place = np.unique(sizes.astype(np.float64), return_inverse=True)
            weights = np.bincount(place, counts, len(numbers)).astype(np.int64)
            self._note_range(numbers.min().item(), numbers.max().item())
            self._note_moments(numbers, weights)
            self._points.add_counted(numbers, weights)
        self._count_values(unique, counts)
        if valid is None:
            return hashes[places]
        found = np.zeros(len(array), np.uint64)
        found[valid] = hashes[places]
        return found

    def _count_values(self, unique: Any, counts: Any) -> None:
        """Count the values until there are too many different ones for a category."""
        if self._counts is None or not self.keep_values or self.word not in ("text", "mixed"):
            return
        if len(unique) > MAX_COUNTED:
            self._counts = None
            return
        for value, count in zip(unique.to_pylist(), counts.tolist(), strict=True):
            self._counts[value] = self._counts.get(value, 0) + count
        if len(self._counts) > MAX_COUNTED:
            self._counts = None

    # --- the end -------------------------------------------------------------------------------------

    @property
    def digest(self) -> str:
        return self._sha.hexdigest()

    def to_json(self, body: bytearray) -> dict[str, Any]:
        """Return the column's entry in the header; append binary parts to the body."""
        found: dict[str, Any] = {
            "name": self.name,
            "type": self.word,
            "digest": self.digest,
            "missing": self.missing,
        }
        if self._rows == self.missing:
            return found
        found["distinct"], is_exact = self._number_of_values()
        if not is_exact:
            found["estimated"] = True
        found["hll"] = _append(body, self._distinct.to_bytes())
        if self.infinite:
            found["infinite"] = self.infinite
        if self._count:
            found |= {"min": _number(self._minimum), "max": _number(self._maximum)}
            found |= {"mean": _rounded(self._mean), "m2": _rounded(self._m2)}
            found["points"] = _append(body, self._points.to_bytes())
        if self.word not in NUMERIC:
            found["buckets"] = self._buckets.tolist()
            found |= self._top()
        return found

    def _number_of_values(self) -> tuple[int, bool]:
        """Return the number of different values, and whether it was counted rather than estimated."""
        if self.word in NUMERIC and not self.infinite and self._points.exact_count is not None:
            return self._points.exact_count, True
        if self._counts:
            return len(self._counts), True
        return min(self._distinct.estimate(), self._rows - self.missing), False

    def _top(self) -> dict[str, Any]:
        if not self._counts or len(self._counts) * 2 > self._rows - self.missing > MAX_TOP:
            return {}
        commonest = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_TOP]
        if any(len(value) > MAX_VALUE_LENGTH for value, _ in commonest):
            return {}
        return {"top": [[value, count] for value, count in commonest], "complete": len(self._counts) <= MAX_TOP}


_TEXT_WORDS = ("text", "mixed", "decimal")
_OWN_KINDS = {"nested": b"j", "bytes": b"b"}


def _form_of_numbers(array: Any, word: str) -> tuple[bytes, Any]:
    if word == "bool":
        return b"t", pc.if_else(pc.equal(array, 1), "true", "false").cast(pa.large_string())
    if word == "duration":
        return b"d", array
    return number_form(array) if word in ("int", "uint", "null") else time_form(array, word)


def _parts(array: Any) -> tuple[Any, Any]:
    """Return offsets (one more than values) and bytes of a large_string or large_binary array without nulls."""
    if len(array) == 0:
        return np.zeros(1, np.int64), np.empty(0, np.uint8)
    _, offsets, data = array.buffers()
    every = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return every, np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)


def _append(body: bytearray, part: bytes) -> list[int]:
    place = [len(body), len(part)]
    body += part
    return place


def _rounded(value: float) -> float | str:
    """Round to twelve digits: processors add in different orders, and equal data must give equal bytes."""
    return number_to_json(float(f"{value:.12g}"))


def _number(value: Any) -> Any:
    return number_to_json(value) if isinstance(value, float) else value


def gather(table: Table, keys: Sequence[str], keep_values: bool) -> tuple[Digest, int, list[str], bytes]:
    """Return digest, number of rows, names of the columns, and bytes of the profile."""
    columns = [Gatherer(column.name, word_of(column), keep_values) for column in table.schema]
    chosen = [table.schema.names.index(name) for name in keys]
    seen = KeyHashes()
    rows = 0
    for block in blocks(table):
        rows += len(block)
        hashes = [_added(column, block.column(index)) for index, column in enumerate(columns)]
        if chosen:
            seen.add(_combine([hashes[index] for index in chosen]))
    told = {"v": DIGEST_VERSION, "rows": rows, "columns": {column.name: column.digest for column in columns}}
    body = bytearray()
    header: dict[str, Any] = {"v": 1, "rows": rows, "columns": [column.to_json(body) for column in columns]}
    if chosen:
        header["keys"] = {
            "columns": list(keys),
            "count": seen.count,
            "complete": seen.complete,
            "hashes": _append(body, seen.hashes.astype("<u8").tobytes()),
        }
    names = [column.name for column in columns]
    return Digest.of(canonical_json(told)), rows, names, join_profile(canonical_json(header), bytes(body))


def _added(column: Gatherer, chunks: Any) -> Any:
    """Add a block. Raises Invalid, naming the column, for values that no Arrow function accepts."""
    try:
        return column.add(chunks)
    except (pa.ArrowException, ValueError, OverflowError) as exc:
        raise Invalid(
            reason=f"column {column.name!r} of type {chunks.type} cannot be described: {str(exc)[:200]}",
            fix="Leave the column out with columns=[…], or turn it into numbers or text first",
        ) from exc


def _combine(hashes: list[Any]) -> Any:
    """Return one hash per row's key; 0 if all parts of the key are missing."""
    found = hashes[0]
    present = hashes[0] != 0
    for more in hashes[1:]:
        found = mix(found ^ (more + np.uint64(0x9E3779B97F4A7C15)))
        present |= more != 0
    return found[present]
