"""The inputs of a version: what a request may hold, checked against the signature, and its form as tensors.

A table (all entries have one dimension) comes as rows by name or position, or as tensors by column, or as one matrix.
Anything else comes as tensors by name. Without a signature, rows of numbers are taken as they come. Every refusal names the
column and the row. A table whose columns all have one packed type becomes one matrix, since that is the cheapest to batch.
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelyard.domain.signature import family_of, fits
from modelyard.scorer.frames import JSON, PACKED, Tensor, row_bytes
from modelyard.scorer.refusals import Refusal, bad, too_large

MATRIX = ""
"""Name of the one tensor of a table with columns of one type."""
FREE = "input"
_MOST_DIMENSIONS = 16
_WORDS = {"boolean": "bool", "int": "int64", "float": "float64", "double": "float64", "half": "float16"}
_FALLBACK = {"true or false": "bool", "integer": "int64", "number": "float64"}
_JSON_WORDS = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    list: "list",
    dict: "object",
}
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One column or array. dtype: as in the signature. packed: its type in frames. tail: sizes after the rows; None: any."""

    name: str
    dtype: str
    packed: str
    family: str
    tail: tuple[int | None, ...]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Entry:
        dtype = str(told["dtype"])
        word = dtype.strip().lower().removeprefix("torch.")
        family = family_of(dtype)
        word = _WORDS.get(word, word)
        packed = word if word in PACKED else _FALLBACK.get(family, JSON)
        shape = [size if isinstance(size, int) else None for size in told.get("shape") or [None]]
        return cls(str(told["name"]), dtype, packed, family, tuple(shape[1:]))


@dataclass(frozen=True, slots=True)
class Given:
    """A tensor of a request. data: bytes as in frames, or a flat list of JSON values."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes | list[Any]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Checked data of a request. key: requests with equal keys can be put into one batch."""

    tensors: list[Tensor]
    rows: int
    key: tuple[Any, ...]


class Columns:
    """missing: whether NaN and null are accepted in numbers with fractions. features: of a model without a signature."""

    def __init__(
        self,
        signature: Mapping[str, Any] | None,
        *,
        missing: bool = False,
        features: int | None = None,
        max_rows: int = 1024,
    ) -> None:
        told = list((signature or {}).get("inputs") or [])
        self.entries = [Entry.of(each) for each in told]
        self.missing, self.features, self.max_rows = missing, features, max_rows
        self.is_free = not self.entries
        self.is_table = bool(told) and all(len(each.get("shape") or []) == 1 for each in told)
        first = {(each.get("shape") or [None])[0] for each in told}
        self.fixed_rows = next((size for size in first if isinstance(size, int)), None)
        self.names = [entry.name for entry in self.entries]
        self._at = {name: index for index, name in enumerate(self.names)}
        types = {entry.packed for entry in self.entries}
        self._matrix = types.pop() if self.is_table and len(types) == 1 and JSON not in types else None
        width = len(self.entries)
        self._get = operator.itemgetter(*self.names) if width > 1 else None
        if self._matrix is not None:
            self._row = struct.Struct(f"<{width}{PACKED[self._matrix]}")
            self._exact = {"bool": bool}.get(self._matrix, float if self._matrix.startswith("float") else int)
            self._key: tuple[Any, ...] = ((MATRIX, self._matrix, (width,)),)
            self._whole = Entry(MATRIX, self._matrix, self._matrix, family_of(self._matrix), (width,))

    # --- rows ----------------------------------------------------------------------------------------

    def from_rows(self, rows: Sequence[Any]) -> Inputs:
        """Take rows: objects by column, or lists by position. Raises Refusal."""
        self._check_rows(len(rows))
        if self.is_free:
            return self._free_rows(rows)
        if not self.is_table:
            return self._tensor_rows(rows)
        values = [self._values(row, index) for index, row in enumerate(rows)]
        if self._matrix is not None:
            return Inputs([self._packed_matrix(values)], len(rows), self._key)
        tensors = [
            Tensor(entry.name, entry.packed, (), self._packed(entry, [row[at] for row in values]))
            for at, entry in enumerate(self.entries)
        ]
        return _inputs(tensors, len(rows))

    def from_split(self, columns: Sequence[Any], data: Sequence[Any]) -> Inputs:
        """Take rows by position, whose columns are named once. Raises Refusal."""
        if not self.is_table:
            return self.from_rows(data)
        names = [str(name) for name in columns]
        if len(set(names)) != len(names):
            raise bad("a column is named twice", "invalid_column")
        for index, row in enumerate(data):
            if not isinstance(row, list) or len(row) != len(names):
                raise bad(f"row {index} does not have the {len(names)} values that `columns` names", row=index)
        return self.from_rows([dict(zip(names, row, strict=True)) for row in data])

    def from_mapping(self, columns: Mapping[str, Any]) -> Inputs:
        """Take a list of values for each column or array. Raises Refusal."""
        self._refuse_names(columns, None)
        lists = {name: columns[name] for name in self.names}
        for name, values in lists.items():
            if not isinstance(values, list):
                raise bad(f"column {name!r}: expected a list of values", "wrong_type", column=name)
        counts = {len(values) for values in lists.values()}
        if len(counts) > 1:
            raise bad("the columns do not have the same number of rows", "wrong_shape")
        count = counts.pop() if counts else 0
        return self.from_rows([{name: lists[name][at] for name in self.names} for at in range(count)])

    def _check_rows(self, count: int) -> None:
        if count == 0:
            raise bad("there are no rows to predict", "no_rows")
        if count > self.max_rows:
            raise too_large(
                f"{count} rows in one request; at most {self.max_rows} are allowed. Send them in parts"
            )
        if self.fixed_rows is not None and count != self.fixed_rows:
            raise bad(f"this model takes {self.fixed_rows} rows at a time, not {count}", "wrong_shape")

    def _values(self, row: Any, index: int) -> Sequence[Any]:
        if type(row) is dict:
            if len(row) == len(self.names):
                try:
                    return self._get(row) if self._get is not None else (row[self.names[0]],)
                except KeyError:
                    pass
            self._refuse_names(row, index)
        if isinstance(row, list):
            if len(row) == len(self.names):
                return row
            raise bad(
                f"row {index} has {len(row)} values; the model takes {len(self.names)}: {self._listed()}",
                "wrong_shape",
                row=index,
            )
        raise bad(f"row {index} is neither an object of columns nor a list of values", "wrong_type", row=index)

    def _refuse_names(self, row: Mapping[str, Any], index: int | None) -> None:
        where = "" if index is None else f"row {index}: "
        for name in self.names:
            if name not in row:
                known = [each for each in row if each not in self._at]
                hint = f"; found {known[0]!r} instead" if len(known) == 1 else ""
                raise bad(f"{where}column {name!r} is missing{hint}", "missing_column", column=name, row=index)
        for name in row:
            if name not in self._at:
                raise bad(
                    f"{where}column {name!r} is unknown; the model takes {self._listed()}",
                    "unknown_column",
                    column=str(name),
                    row=index,
                )

    def _listed(self) -> str:
        more = len(self.names) - _SHOWN
        return ", ".join(self.names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")

    # --- packing -------------------------------------------------------------------------------------

    def _packed_matrix(self, rows: Sequence[Sequence[Any]]) -> Tensor:
        exact, assert_row, pieces = self._exact, self._checked_row, []
        pack = self._row.pack
        for index, row in enumerate(rows):
            for value in row:
                if type(value) is not exact:
                    row = assert_row(row, index)
                    break
            try:
                pieces.append(pack(*row))
            except (struct.error, OverflowError):
                self._checked_row(row, index, ranges=True)
                raise
        assert self._matrix is not None
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return Tensor(MATRIX, self._matrix, (len(self.entries),), data)

    def _checked_row(self, row: Sequence[Any], index: int, *, ranges: bool = False) -> list[Any]:
        """Return the values of a row as its columns want them. ranges: also try to pack each alone."""
        found = []
        for entry, value in zip(self.entries, row, strict=True):
            found.append(self._checked(entry, value, index))
            if ranges:
                self._pack_values(entry, [found[-1]], first_row=index)
        return found

    def _packed(self, entry: Entry, values: Sequence[Any], first_row: int = 0) -> Any:
        checked = [self._checked(entry, value, first_row + index) for index, value in enumerate(values)]
        return checked if entry.packed == JSON else self._pack_values(entry, checked, first_row=first_row)

    def _pack_values(self, entry: Entry, values: list[Any], width: int = 1, first_row: int = 0) -> bytes:
        """width: values of each row."""
        code = PACKED[entry.packed]
        try:
            return struct.pack(f"<{len(values)}{code}", *values)
        except (struct.error, OverflowError):
            for index, value in enumerate(values):
                try:
                    struct.pack(f"<{code}", value)
                except (struct.error, OverflowError):
                    row = first_row + index // width
                    raise bad(
                        f"{_where(entry, row)}: {_shown(value)} does not fit into {entry.dtype}",
                        "out_of_range",
                        column=entry.name,
                        row=row,
                    ) from None
            raise

    def _checked(self, entry: Entry, value: Any, row: int) -> Any:
        """Return the value as the column wants it. Raises Refusal naming column, row and type."""
        kind, packed = type(value), entry.packed
        if packed == JSON:
            return self._checked_json(entry, value, row)
        if packed.startswith("float"):
            if kind is float or kind is int:
                if kind is int or self.missing or math.isfinite(value):
                    return value
                raise self._wrong(entry, "a number", "NaN or infinity", row)
            if value is None and self.missing:
                return math.nan
            wanted = "number"
        elif packed == "bool":
            if kind is bool:
                return value
            wanted = "true or false"
        else:
            if kind is int:
                return value
            wanted = "integer"
        raise self._wrong(entry, wanted, _words_of(value), row)

    def _checked_json(self, entry: Entry, value: Any, row: int) -> Any:
        if value is None:
            if entry.family in ("text", "anything", "time") and self.missing:
                return None
            raise self._wrong(entry, entry.family, "null", row)
        if isinstance(value, list | dict):
            raise self._wrong(entry, entry.family, _words_of(value), row)
        if entry.family == "text" and not isinstance(value, str) and not entry.dtype.startswith("categor"):
            raise self._wrong(entry, "text", _words_of(value), row)
        if entry.family == "time":
            try:
                datetime.fromisoformat(value)
            except (ValueError, TypeError):
                raise self._wrong(entry, "a time as 2026-01-31T12:00:00", _words_of(value), row) from None
        return value

    def _wrong(self, entry: Entry, wanted: str, found: str, row: int) -> Refusal:
        return bad(
            f"{_where(entry, row)}: expected {wanted} ({entry.dtype}), found {found}",
            "wrong_type",
            column=entry.name,
            row=row,
        )

    # --- arrays --------------------------------------------------------------------------------------

    def _tensor_rows(self, rows: Sequence[Any]) -> Inputs:
        tensors = []
        for entry in self.entries:
            values = [self._part_of(row, entry, index) for index, row in enumerate(rows)]
            flat: list[Any] = []
            shape = _shape_of(values[0], len(entry.tail)) if entry.tail else ()
            self._check_tail(entry, shape)
            for index, value in enumerate(values):
                if not _flatten_into(flat, value, shape):
                    raise bad(
                        f"{_where(entry, index)}: expected a list of shape {list(shape)}",
                        "wrong_shape",
                        column=entry.name,
                        row=index,
                    )
            tensors.append(self._as_tensor(entry, (len(rows), *shape), flat))
        return _inputs(tensors, len(rows))

    def _part_of(self, row: Any, entry: Entry, index: int) -> Any:
        if type(row) is dict:
            if len(row) != len(self.names) or entry.name not in row:
                self._refuse_names(row, index)
            return row[entry.name]
        if len(self.entries) == 1:
            return row
        raise bad(f"row {index} is not an object with {self._listed()}", "wrong_type", row=index)

    def _check_tail(self, entry: Entry, tail: Sequence[int]) -> None:
        if (
            0 in tail
            or len(tail) != len(entry.tail)
            or any(wanted is not None and wanted != size for wanted, size in zip(entry.tail, tail, strict=True))
        ):
            wanted = ["any" if size is None else size for size in entry.tail]
            raise bad(
                f"{entry.name!r}: expected rows of shape {wanted}, found {list(tail)}",
                "wrong_shape",
                column=entry.name,
            )

    def _as_tensor(self, entry: Entry, shape: tuple[int, ...], flat: list[Any]) -> Tensor:
        width = math.prod(shape[1:]) or 1
        if entry.packed == JSON:
            checked = [self._checked_json(entry, value, at // width) for at, value in enumerate(flat)]
            return Tensor(entry.name, JSON, shape[1:], _nested(checked, shape))
        if set(map(type, flat)) == {int} and entry.packed != "bool":
            # Whole numbers fit into every number, if they are not too large.
            return Tensor(entry.name, entry.packed, shape[1:], self._pack_values(entry, flat, width))
        checked = [self._checked(entry, value, at // width) for at, value in enumerate(flat)]
        return Tensor(entry.name, entry.packed, shape[1:], self._pack_values(entry, checked, width))

    def _free_rows(self, rows: Sequence[Any]) -> Inputs:
        if isinstance(rows[0], dict):
            raise bad(
                "this version has no signature, so columns have no names. Send each row as a list of numbers"
            )
        depth = 0
        value = rows[0]
        while isinstance(value, list) and value and depth < _MOST_DIMENSIONS:
            value, depth = value[0], depth + 1
        entry = Entry(FREE, "float64", "float64", "number", (None,) * depth)
        self._check_width(_shape_of(rows[0], depth))
        flat: list[Any] = []
        shape = _shape_of(rows[0], depth)
        for index, row in enumerate(rows):
            if not _flatten_into(flat, row, shape):
                raise bad(
                    f"row {index} does not have the shape of row 0, {list(shape)}", "wrong_shape", row=index
                )
        return _inputs([self._as_tensor(entry, (len(rows), *shape), flat)], len(rows))

    def _check_width(self, tail: Sequence[int]) -> None:
        if 0 in tail or (self.features is not None and list(tail) != [self.features]):
            wanted = "some" if self.features is None else self.features
            raise bad(f"expected rows of {wanted} numbers, found shape {list(tail)}", "wrong_shape")

    # --- tensors by name -----------------------------------------------------------------------------

    def from_tensors(self, given: Sequence[Given]) -> Inputs:
        """Take tensors whose data was counted against their shapes already. Raises Refusal."""
        if not given:
            raise bad("there are no inputs", "no_rows")
        names = [each.name for each in given]
        if len(set(names)) != len(names):
            raise bad("an input is named twice", "invalid_input")
        counts = {each.shape[0] if each.shape else None for each in given}
        if len(counts) != 1 or None in counts:
            raise bad("the inputs do not have the same first dimension, which is the rows", "wrong_shape")
        rows = given[0].shape[0]
        self._check_rows(rows)
        if self.is_free:
            return self._free_tensor(given, rows)
        if self.is_table and len(given) == 1 and len(given[0].shape) == 2 and given[0].name not in self._at:
            return self._from_matrix(given[0], rows)
        if len(given) == len(self.entries) == 1 and not self.is_table:
            pairs = [(self.entries[0], given[0])]
        else:
            by_name = {each.name: each for each in given}
            self._refuse_names(by_name, None)
            pairs = [(entry, by_name[entry.name]) for entry in self.entries]
        tensors = []
        for entry, each in pairs:
            tail = each.shape[1:]
            if not entry.tail and tail == (1,):
                tail = ()
            self._check_tail(entry, tail)
            tensors.append(self._converted(entry, each, tail))
        if self._matrix is not None:
            # The same form as rows have, so that both can share a batch.
            rows_of = zip(*(tensor.values() for tensor in tensors), strict=True)
            data = b"".join(self._row.pack(*row) for row in rows_of)
            return Inputs([Tensor(MATRIX, self._matrix, (len(tensors),), data)], rows, self._key)
        return _inputs(tensors, rows)

    def _from_matrix(self, given: Given, rows: int) -> Inputs:
        width = len(self.entries)
        if given.shape[1] != width:
            raise bad(
                f"input {given.name!r} has {given.shape[1]} columns; the model takes {width}: {self._listed()}",
                "wrong_shape",
            )
        if self._matrix is not None:
            try:
                return Inputs([self._converted(self._whole, given, (width,))], rows, self._key)
            except Refusal as refusal:
                if refusal.row is not None:
                    values = _values_of(given)
                    # Once more value by value, which names the column.
                    for row in range(rows):
                        self._checked_row(values[row * width : (row + 1) * width], row, ranges=True)
                raise
        flat = _values_of(given)
        return self.from_rows([flat[at : at + width] for at in range(0, len(flat), width)])

    def _free_tensor(self, given: Sequence[Given], rows: int) -> Inputs:
        if len(given) != 1:
            raise bad("this version has no signature, so it takes one input")
        each = given[0]
        self._check_width(each.shape[1:])
        entry = Entry(FREE, each.dtype, each.dtype, family_of(each.dtype), (None,) * (len(each.shape) - 1))
        return _inputs([self._converted(entry, each, each.shape[1:])], rows)

    def _converted(self, entry: Entry, given: Given, tail: tuple[int, ...]) -> Tensor:
        data = given.data
        if isinstance(data, bytes) and given.dtype == entry.packed:
            if entry.packed.startswith("float") and not self.missing:
                self._refuse_not_finite(entry, given)
            return Tensor(entry.name, entry.packed, tail, data)
        if entry.packed != JSON and not fits(entry.packed, given.dtype):
            raise bad(
                f"input {given.name!r}: expected {entry.family} ({entry.dtype}), found {given.dtype}",
                "wrong_type",
                column=entry.name,
            )
        return self._as_tensor(entry, (given.shape[0], *tail), _values_of(given))

    def _refuse_not_finite(self, entry: Entry, given: Given) -> None:
        values = _values_of(given)
        if not all(map(math.isfinite, values)):
            width = math.prod(given.shape[1:]) or 1
            at = next(index for index, value in enumerate(values) if not math.isfinite(value))
            raise self._wrong(entry, "a number", "NaN or infinity", at // width)

    # --- what people see -----------------------------------------------------------------------------

    def blank(self) -> tuple[Inputs, bool] | None:
        """Return one made-up row for the first prediction, and whether every model must accept it: zeros are numbers, but an
        empty text may be an unknown category. None: nothing is known of the inputs."""
        if self.is_free and self.features is None:
            return None
        rows = self.fixed_rows or 1
        entries = self.entries or [Entry(FREE, "float64", "float64", "number", (self.features,))]
        tensors = []
        for entry in entries:
            tail = tuple(1 if size is None else size for size in entry.tail)
            data: Any = bytes(rows * row_bytes(entry.packed, tail)) if entry.packed != JSON else []
            if entry.packed == JSON:
                value = "2000-01-01T00:00:00" if entry.family == "time" else ""
                data = _nested([value] * (rows * (math.prod(tail) or 1)), (rows, *tail))
            tensors.append(Tensor(entry.name, entry.packed, tail, data))
        decisive = all(entry.packed != JSON for entry in entries)
        if self._matrix is not None:
            width = len(entries)
            tensors = [Tensor(MATRIX, self._matrix, (width,), bytes(rows * row_bytes(self._matrix, (width,))))]
        return _inputs(tensors, rows), decisive


def _inputs(tensors: list[Tensor], rows: int) -> Inputs:
    return Inputs(tensors, rows, tuple([(each.name, each.dtype, each.tail) for each in tensors]))


def _where(entry: Entry, row: int) -> str:
    return f"row {row}, column {entry.name!r}"


def _words_of(value: Any) -> str:
    if value is None:
        return "null"
    words = _JSON_WORDS.get(type(value), type(value).__name__)
    return words if isinstance(value, list | dict) else f"{words} {_shown(value)!r}"


def _shown(value: Any) -> str:
    # Python refuses to write whole numbers of thousands of digits.
    return "a very large number" if type(value) is int and value.bit_length() > 1000 else str(value)[:40]


def _shape_of(value: Any, depth: int) -> tuple[int, ...]:
    shape = []
    for _ in range(depth):
        if not isinstance(value, list):
            break
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def _flatten_into(flat: list[Any], value: Any, shape: tuple[int, ...]) -> bool:
    """Append the values in order; return whether they have this shape."""
    if not shape:
        flat.append(value)
        return not isinstance(value, list)
    if not isinstance(value, list) or len(value) != shape[0]:
        return False
    return all(_flatten_into(flat, each, shape[1:]) for each in value)


def _nested(flat: list[Any], shape: tuple[int, ...]) -> list[Any]:
    for size in reversed(shape[1:]):
        flat = [flat[at : at + size] for at in range(0, len(flat), size)] if size else []
    return flat


def _values_of(given: Given) -> list[Any]:
    if isinstance(given.data, list):
        return given.data
    return Tensor(given.name, given.dtype, given.shape[1:], given.data).values()
