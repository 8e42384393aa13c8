"""Any kind of table as blocks of Arrow columns in one canonical form.

Blocks have BLOCK_ROWS rows, however the table was divided before. Types are widened until libraries agree: whole
numbers to int64, floats to doubles, texts and categories to large_string, times to microseconds; nested values
become JSON text, and mixed ones the text of each. A NaN is a missing value, and so is a text that means a missing
cell in CSV. `files` reads files.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.domain.errors import Invalid
from modelyard.sdk.datasets.forms import MISSING_WORDS, moment_text, number_text

BLOCK_ROWS = 131_072
MAX_ARRAY_COLUMNS = 2_000
_CONTAINERS = (list, tuple, dict)
_MAX_DEPTH = 32
_MOST_DENSE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Table:
    """A schema and its rows, which are read once."""

    schema: pa.Schema
    pieces: Iterator[pa.Table]
    read_as: Mapping[str, str] = field(default_factory=dict)
    """Separator and encoding of a text file, if they are not a comma and UTF-8."""


def open_table(data: Any, columns: Sequence[str] | None) -> Table:
    """Open a table; return an open one unchanged. Raises Invalid for anything else."""
    table = _named(data if isinstance(data, Table) else _open(data))
    names = table.schema.names
    if len(set(names)) != len(names):
        raise Invalid(reason="two columns have the same name", fix="Give each column its own name")
    if columns is None:
        return table
    missing = [name for name in columns if name not in names]
    if missing:
        raise Invalid(
            reason=f"there is no column {missing[0]!r}", fix=f"The columns are: {', '.join(names[:30])}"
        )
    chosen = list(columns)
    schema = pa.schema([table.schema.field(name) for name in chosen])
    return Table(schema, (piece.select(chosen) for piece in table.pieces), table.read_as)


def with_target(data: Any, target: Any) -> pa.Table:
    """Return the rows with their labels as additional columns. Raises Invalid if their numbers differ.

    A column of labels keeps its name in its frame or series, otherwise it is `target`; ` (target)` is appended to a name
    that a feature has too.
    """
    rows, labels = _whole(data, "0"), _whole(target, "target")
    if len(rows) != len(labels):
        raise Invalid(
            reason=f"there are {len(rows)} rows and {len(labels)} labels", fix="Give one label for each row"
        )
    for label, column in zip(labels.schema, labels.columns, strict=True):
        name = label.name
        while name in rows.schema.names:
            name += " (target)"
        rows = rows.append_column(label.with_name(name), column)
    return rows


def _whole(values: Any, name: str) -> pa.Table:
    """Return a table, an array or a plain list as one table. name: for a column without a name."""
    if hasattr(values, "toarray"):
        values = _dense(values)
    if isinstance(values, list | tuple) and not any(isinstance(row, Mapping) for row in values):
        if any(isinstance(row, list | tuple | np.ndarray) for row in values):
            columns = zip(*values, strict=True)
            values = {str(place): list(column) for place, column in enumerate(columns)}
        else:
            values = {name: list(values)}
    elif len(getattr(values, "shape", ())) == 1 and getattr(values, "name", None) in (None, "", 0):
        values = {name: values}
    table = _named(_open(values))
    if table.schema.names == ["0"] != [name]:
        table = Table(table.schema, (piece.rename_columns([name]) for piece in table.pieces))
    pieces = list(table.pieces)
    whole: pa.Table = pa.concat_tables(pieces) if pieces else table.schema.empty_table()
    return whole


def _dense(values: Any) -> Any:
    """Return a sparse matrix as an array, unless that would be too large."""
    if int(np.prod(values.shape, dtype=np.int64)) > _MOST_DENSE:
        raise Invalid(
            reason=f"a sparse matrix of {values.shape[0]} × {values.shape[1]} is too large to be read as a table",
            fix="Describe the table that it was made of",
        )
    return values.toarray()


def _named(table: Table) -> Table:
    """Give a column without a name, such as an index in a CSV file, the name that pandas gives it."""
    names = [name or f"Unnamed: {place}" for place, name in enumerate(table.schema.names)]
    if names == table.schema.names:
        return table
    fields = [column.with_name(name) for column, name in zip(table.schema, names, strict=True)]
    return Table(pa.schema(fields), (piece.rename_columns(names) for piece in table.pieces), table.read_as)


def _open(data: Any) -> Table:
    if isinstance(data, pa.RecordBatchReader):
        return Table(data.schema, (pa.Table.from_batches([batch]) for batch in data))
    table = _to_arrow(data)
    return Table(table.schema, iter([table]))


def _to_arrow(data: Any) -> pa.Table:
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    family = type(data).__module__.partition(".")[0]
    if family == "pandas":
        return _from_pandas(data)
    if family == "polars" and hasattr(data, "collect"):
        data = data.collect()
    if family == "polars" and hasattr(data, "to_frame"):
        data = data.to_frame()
    if family == "polars":
        return _from_columns({series.name: series for series in data.get_columns()})
    if hasattr(data, "__arrow_c_stream__"):
        return pa.table(data)
    if isinstance(data, np.ndarray):
        return _from_array(data)
    if isinstance(data, Mapping):
        return _from_columns({_column_name(name): values for name, values in data.items()})
    if isinstance(data, list) and data and all(isinstance(row, Mapping) for row in data):
        return from_rows(data)
    if hasattr(data, "__array__"):
        return _from_array(np.asarray(data))
    raise Invalid(
        reason=f"an object of type {type(data).__name__} is not a table that can be described",
        fix="Give a pandas or polars frame, an Arrow table, an array, a path to CSV or Parquet, or a Query",
    )


def _column_name(name: Any) -> str:
    return str(name).encode("utf-8", "backslashreplace").decode()


def from_rows(rows: Sequence[Mapping[Any, Any]]) -> pa.Table:
    """Return rows as a table; a row's absent values are missing."""
    names = dict.fromkeys(name for row in rows for name in row)
    return _from_columns({_column_name(name): [row.get(name) for row in rows] for name in names}, names)


def _from_pandas(data: Any) -> pa.Table:
    """Return a frame as a table without its index, which identifies rows but is not data."""
    if hasattr(data, "to_frame"):
        data = data.to_frame(name=data.name if data.name is not None else "0")
    return _from_columns(
        {_column_name(name): data.iloc[:, index] for index, name in enumerate(data.columns)}, data.columns
    )


def _from_columns(columns: Mapping[str, Any], names: Any = None) -> pa.Table:
    if names is not None and len(columns) != len(names):
        raise Invalid(reason="two columns have the same name", fix="Give each column its own name")
    fields, arrays = [], []
    for name, values in columns.items():
        array, mixed = _array(values, name)
        fields.append(pa.field(name, array.type, metadata=MIXED if mixed else None))
        arrays.append(array)
    if len({len(array) for array in arrays}) > 1:
        raise Invalid(reason="the columns have different lengths", fix="Give columns of equal length")
    return pa.table(arrays, schema=pa.schema(fields))


def _array(values: Any, name: str) -> tuple[Any, bool]:
    """Return an Arrow array, and whether the values are mixed; mixed ones are JSON texts with their types."""
    if getattr(getattr(values, "dtype", None), "char", "") == "g":
        values = np.asarray(values).astype(np.float64)
    if isinstance(values, list | tuple) or str(getattr(values, "dtype", "")) == "object":
        _check_depth(values, name)
    try:
        found = _polars_array(values) if hasattr(values, "to_arrow") else pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        return _texts([_mixed_text(value, name) for value in values]), True
    return (found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found), False


def _check_depth(values: Any, name: str) -> None:
    """Check the depth before Arrow follows a value that contains itself without end. Raises Invalid."""
    level = [value for value in values if isinstance(value, _CONTAINERS)]
    for _ in range(_MAX_DEPTH):
        if not level:
            return
        inner = [value.values() if isinstance(value, Mapping) else value for value in level]
        level = [item for items in inner for item in items if isinstance(item, _CONTAINERS)]
    raise Invalid(
        reason=f"column {name!r} holds a value that contains itself, or is nested more than {_MAX_DEPTH} levels deep",
        fix="Leave the column out with columns=[…], or turn it into text first",
    )


def _polars_array(series: Any) -> Any:
    """Return a series as an Arrow array, with categories as texts. Raises Arrow's errors for types that it lacks."""
    if str(series.dtype).startswith(("Categorical", "Enum")):
        series = series.cast(str)
    if str(series.dtype) in ("Int128", "UInt128", "Object"):
        return pa.array(series.to_list(), from_pandas=True)
    return series.to_arrow()


MIXED = {b"modelyard": b"mixed"}


def _mixed_text(value: Any, name: str) -> str | None:
    """Return a value of a mixed column in the form that the digest covers."""
    if value is None or not _equals_itself(value):
        return None
    if isinstance(value, np.generic):
        value = _item(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number_text(value + 0.0)
    if isinstance(value, dt.datetime):
        return moment_text(value)
    if isinstance(value, dt.date):
        return f"{value.isoformat()} 00:00:00.000000"
    if isinstance(value, dt.time):
        return value.isoformat("microseconds")
    if isinstance(value, decimal.Decimal):
        return _decimal_text(value)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return json.dumps([type(value).__name__, _plain(value, name)], ensure_ascii=True, sort_keys=True)


def _equals_itself(value: Any) -> bool:
    """Return whether a value equals itself, unlike NaN and NaT. Values without a yes or no (NA, arrays) go by kind."""
    try:
        return bool(value == value)
    except (TypeError, ValueError):
        return isinstance(value, np.ndarray)


def _item(value: Any) -> Any:
    """Return NumPy's value as Python's; extended precision becomes a double."""
    item = value.item()
    if not isinstance(item, np.generic):
        return item
    return complex(item) if isinstance(item, np.complexfloating) else float(item)


def _decimal_text(value: decimal.Decimal) -> str:
    return format(value.normalize(), "f") if value.is_finite() else str(value)


def _plain(value: Any, name: str) -> Any:
    """Return a JSON value, the same in every process. Raises Invalid for values without a JSON form."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return None if value != value else value + 0.0 if abs(value) != float("inf") else str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): _plain(item, name) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, name) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item, name) for item in value), key=repr)
    if isinstance(value, np.generic):
        return _plain(_item(value), name)
    if isinstance(value, np.ndarray):
        return [_plain(item, name) for item in value] if value.ndim else _plain(value[()], name)
    kind: Any = type(value)
    if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:
        raise Invalid(
            reason=f"column {name!r} holds objects of type {type(value).__name__}, which have no value to describe",
            fix="Leave the column out with columns=[…], or turn it into numbers or text first",
        )
    return str(value)


def _from_array(array: Any) -> pa.Table:
    if array.dtype.names:
        return _from_columns({str(name): array[name] for name in array.dtype.names})
    if array.ndim == 0:
        raise Invalid(reason="a single number is not a table", fix="Give an array with at least one dimension")
    if array.ndim == 1:
        return _from_columns({"0": array})
    if array.ndim == 2 and array.shape[1] <= MAX_ARRAY_COLUMNS:
        return _from_columns({str(index): array[:, index] for index in range(array.shape[1])})
    # For images and the like, each row is the bytes of its numbers, and the column names their type.
    rows = np.ascontiguousarray(array, array.dtype.newbyteorder("<")) if array.dtype.kind in "biufcmM" else None
    if rows is None:
        return _from_columns({"values": array.reshape(len(array), -1).tolist()})
    width = rows.dtype.itemsize * int(np.prod(rows.shape[1:]))
    name = f"{array.dtype.name}[{', '.join(map(str, rows.shape[1:]))}]"
    if width == 0:
        return pa.table({name: pa.array([b""] * len(rows), pa.large_binary())})
    return pa.table({name: pa.Array.from_buffers(pa.binary(width), len(rows), [None, pa.py_buffer(rows)])})


# --- canonical columns -------------------------------------------------------------------------------


def blocks(table: Table) -> Iterator[pa.Table]:
    """Yield the rows, BLOCK_ROWS at a time; nothing for a table without rows."""
    waiting: list[pa.Table] = []
    count = 0
    for piece in table.pieces:
        start = 0
        while start < len(piece):
            taken = piece.slice(start, BLOCK_ROWS - count)
            start += len(taken)
            count += len(taken)
            waiting.append(taken)
            if count == BLOCK_ROWS:
                yield pa.concat_tables(waiting)
                waiting, count = [], 0
    if count:
        yield pa.concat_tables(waiting)


def word_of(column: Any) -> str:
    """Return the word for a column's type in fingerprints and profiles."""
    if column.metadata and column.metadata.get(b"modelyard") == b"mixed":
        return "mixed"
    types, kind = pa.types, column.type
    if types.is_dictionary(kind):
        kind = kind.value_type
    words: list[tuple[Callable[[Any], bool], str]] = [
        (types.is_boolean, "bool"),
        (types.is_uint64, "uint"),
        (types.is_integer, "int"),
        (types.is_floating, "float"),
        (types.is_decimal, "decimal"),
        (types.is_date, "date"),
        (types.is_time, "time"),
        (types.is_duration, "duration"),
        (types.is_null, "null"),
    ]
    for test, word in words:
        if test(kind):
            return word
    if types.is_timestamp(kind):
        return "timestamp" if kind.tz is None else "instant"
    if is_text(kind):
        return "text"
    if is_bytes(kind):
        return "bytes"
    return "nested"


def is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_bytes(kind: Any) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


_MISSING = pa.array(MISSING_WORDS, pa.large_string())


def canonical(chunks: Any, word: str, name: str) -> Any:
    """Return one array of int64, uint64, float64, large_string or large_binary; NaN and missing-cell words are null."""
    array = chunks.combine_chunks() if isinstance(chunks, pa.ChunkedArray) else chunks
    if pa.types.is_dictionary(array.type):
        values = array.dictionary
        array = (values.cast(pa.large_string()) if is_text(values.type) else values).take(array.indices)
    if word == "null":
        return pa.nulls(len(array), pa.int64())
    if word == "bool":
        return array.cast(pa.int8()).cast(pa.int64())
    if word == "int":
        return array.cast(pa.int64())
    if word == "uint":
        return array.cast(pa.uint64())
    if word == "float":
        array = array.cast(pa.float64())
        return pc.if_else(pc.is_nan(array), pa.scalar(None, pa.float64()), array)
    if word in ("timestamp", "instant", "duration"):
        return _microseconds(array, name)
    if word == "date":
        return array.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
    if word == "time":
        return array.cast(pa.time64("us"), safe=False).cast(pa.int64())
    if word == "decimal":
        return _texts([None if v is None else _decimal_text(v) for v in array.to_pylist()])
    if word in ("text", "mixed"):
        texts = array.cast(pa.large_string())
        return pc.if_else(pc.is_in(texts, value_set=_MISSING), pa.scalar(None, pa.large_string()), texts)
    if word == "bytes":
        return array.cast(pa.large_binary())
    return _texts(
        [
            None if v is None else json.dumps(_plain(v, name), ensure_ascii=True, sort_keys=True)
            for v in array.to_pylist()
        ]
    )


def _texts(values: list[str | None]) -> Any:
    return pa.array(values, pa.large_string())


def _microseconds(array: Any, name: str) -> Any:
    """Return whole microseconds; finer parts are cut off, as in most libraries and databases."""
    kind = array.type
    unit = pa.duration("us") if pa.types.is_duration(kind) else pa.timestamp("us", kind.tz)
    try:
        return array.cast(unit, safe=False).cast(pa.int64())
    except pa.ArrowInvalid as exc:
        raise Invalid(
            reason=f"column {name!r} holds times that do not fit: {exc}", fix="Leave the column out"
        ) from exc
