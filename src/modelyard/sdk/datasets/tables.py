"""Any kind of table as blocks of Arrow columns in one canonical form.

Blocks hold BLOCK_ROWS rows, whatever the pieces that the table came in. Types are widened until libraries
agree: whole numbers to int64, floats to doubles, texts and categories to large_string, times to microseconds;
what has no common form (nested or mixed values) becomes JSON text. A NaN is a missing value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from modelyard.domain.errors import Invalid

BLOCK_ROWS = 131_072
MAX_ARRAY_COLUMNS = 2_000
_CSV_SUFFIXES = (".csv", ".csv.gz", ".csv.bz2", ".tsv", ".tsv.gz")
_PARQUET_SUFFIXES = (".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class Table:
    """A schema and its rows, which are read once."""

    schema: pa.Schema
    pieces: Iterator[pa.Table]


def open_table(data: Any, columns: Sequence[str] | None) -> Table:
    """Open a table. Raises Invalid for anything else, FileNotFoundError for a path that leads nowhere."""
    table = _open(data)
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
    return Table(schema, (piece.select(chosen) for piece in table.pieces))


def _open(data: Any) -> Table:
    if isinstance(data, str | Path):
        return _open_path(Path(data))
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
    if hasattr(data, "__arrow_c_stream__"):
        return pa.table(data)
    if isinstance(data, np.ndarray):
        return _from_array(data)
    if isinstance(data, Mapping):
        return _from_columns({str(name): values for name, values in data.items()})
    if isinstance(data, list) and data and all(isinstance(row, Mapping) for row in data):
        names = dict.fromkeys(str(name) for row in data for name in row)
        return _from_columns({name: [row.get(name) for row in data] for name in names})
    if hasattr(data, "__array__"):
        return _from_array(np.asarray(data))
    raise Invalid(
        reason=f"an object of type {type(data).__name__} is no table that can be described",
        fix="Give a pandas or polars frame, an Arrow table, an array, a path to CSV or Parquet, or a Query",
    )


def _from_pandas(data: Any) -> pa.Table:
    """Without the index, which is how rows are found and not what they say."""
    if hasattr(data, "to_frame"):
        data = data.to_frame(name=data.name if data.name is not None else "0")
    return _from_columns(
        {str(name): data.iloc[:, index] for index, name in enumerate(data.columns)}, data.columns
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
    """Return an Arrow array, and True when the values are mixed: then as the JSON text of each with its type."""
    try:
        found = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, UnicodeEncodeError):
        return _texts([_mixed_text(value, name) for value in values]), True
    return (found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found), False


MIXED = {b"modelyard": b"mixed"}


def _mixed_text(value: Any, name: str) -> str | None:
    if value is None or value != value:
        return None
    return json.dumps([type(value).__name__, _plain(value, name)], ensure_ascii=True, sort_keys=True)


def _plain(value: Any, name: str) -> Any:
    """Return a value as JSON has it, the same in every process. Raises Invalid where JSON has no form."""
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
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist(), name)
    kind: Any = type(value)
    if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:
        raise Invalid(
            reason=f"column {name!r} holds objects of type {type(value).__name__}, which have no value to tell",
            fix="Leave the column out with columns=[…], or turn it into numbers or text first",
        )
    return str(value)


def _from_array(array: Any) -> pa.Table:
    if array.dtype.names:
        return _from_columns({str(name): array[name] for name in array.dtype.names})
    if array.ndim == 0:
        raise Invalid(reason="a single number is no table", fix="Give an array with at least one dimension")
    if array.ndim == 1:
        return _from_columns({"0": array})
    if array.ndim == 2 and array.shape[1] <= MAX_ARRAY_COLUMNS:
        return _from_columns({str(index): array[:, index] for index in range(array.shape[1])})
    # Images and the like: each row is the bytes of its numbers, and the column says of which kind.
    rows = np.ascontiguousarray(array, array.dtype.newbyteorder("<")) if array.dtype.kind in "biufcmM" else None
    if rows is None:
        return _from_columns({"values": array.reshape(len(array), -1).tolist()})
    width = rows.dtype.itemsize * int(np.prod(rows.shape[1:]))
    name = f"{array.dtype.name}[{', '.join(map(str, rows.shape[1:]))}]"
    if width == 0:
        return pa.table({name: pa.array([b""] * len(rows), pa.large_binary())})
    return pa.table({name: pa.Array.from_buffers(pa.binary(width), len(rows), [None, pa.py_buffer(rows)])})


# --- files -------------------------------------------------------------------------------------------


def _open_path(path: Path) -> Table:
    if not path.exists():
        raise Invalid(
            reason=f"there is no file or folder {path}", fix="Give a path to CSV or Parquet files, or a Query"
        )
    files = _files_in(path) if path.is_dir() else [path]
    try:
        readers = [(_read_parquet(file) if _is_parquet(file) else _read_csv(file)) for file in files]
        schema = pa.unify_schemas([schema for schema, _ in readers], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as exc:
        raise Invalid(
            reason=f"{path} cannot be read as a table: {exc}", fix="Give CSV with a header, or Parquet"
        ) from exc

    def pieces() -> Iterator[pa.Table]:
        for _, read in readers:
            for piece in read():
                yield _fit(piece, schema)

    return Table(schema, pieces())


def _files_in(folder: Path) -> list[Path]:
    found = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file()
        and not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
        and file.name.lower().endswith((*_CSV_SUFFIXES, *_PARQUET_SUFFIXES))
    )
    if not found:
        raise Invalid(reason=f"{folder} holds no CSV or Parquet file", fix="Name the folder that holds them")
    return found


def _is_parquet(file: Path) -> bool:
    if file.name.lower().endswith(_PARQUET_SUFFIXES):
        return True
    with file.open("rb") as opened:
        return opened.read(4) == b"PAR1"


def _read_parquet(file: Path) -> tuple[pa.Schema, Callable[[], Iterable[pa.Table]]]:
    with pq.ParquetFile(file) as opened:
        schema = _without_index(opened.schema_arrow)

    def read() -> Iterator[pa.Table]:
        with pq.ParquetFile(file) as again:
            for batch in again.iter_batches(batch_size=BLOCK_ROWS, use_threads=False):
                yield pa.Table.from_batches([batch]).select(schema.names)

    return schema, read


def _without_index(schema: pa.Schema) -> pa.Schema:
    """pandas writes the index of a frame as a column, and says so next to the schema."""
    said = schema.pandas_metadata or {}
    index = {name for name in said.get("index_columns", ()) if isinstance(name, str)}
    return pa.schema([column for column in schema if column.name not in index])


def _read_csv(file: Path) -> tuple[pa.Schema, Callable[[], Iterable[pa.Table]]]:
    """Read the whole file at once, because only all of it tells the types of its columns."""
    delimiter = "\t" if ".tsv" in file.name.lower() else ","
    if file.stat().st_size == 0:
        raise pa.ArrowInvalid("the file is empty")
    table = csv.read_csv(
        file,
        read_options=csv.ReadOptions(use_threads=False),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
    )
    return table.schema, lambda: [table]


def _fit(piece: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the columns of the whole, in its order and types; null where a file lacks one."""
    arrays = [
        piece.column(field.name).cast(field.type)
        if field.name in piece.column_names
        else pa.nulls(len(piece), field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)


# --- canonical columns -------------------------------------------------------------------------------


def blocks(table: Table) -> Iterator[pa.Table]:
    """Return the rows, BLOCK_ROWS at a time; nothing for a table without rows."""
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


def canonical(chunks: Any, word: str, name: str) -> Any:
    """One array of int64, uint64, float64, large_string or large_binary; NaN is null."""
    array = chunks.combine_chunks() if isinstance(chunks, pa.ChunkedArray) else chunks
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
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
        return _texts([None if v is None else format(v.normalize(), "f") for v in array.to_pylist()])
    if word in ("text", "mixed"):
        return array.cast(pa.large_string())
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
    """Whole microseconds; what is finer is cut off, as most libraries and databases do."""
    kind = array.type
    unit = pa.duration("us") if pa.types.is_duration(kind) else pa.timestamp("us", kind.tz)
    try:
        return array.cast(unit, safe=False).cast(pa.int64())
    except pa.ArrowInvalid as exc:
        raise Invalid(
            reason=f"column {name!r} holds times that do not fit: {exc}", fix="Leave the column out"
        ) from exc
