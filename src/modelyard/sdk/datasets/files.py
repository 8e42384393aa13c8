"""Tables in files: Parquet, CSV in any form, JSON lines, and folders of them.

A text file that is not comma-separated UTF-8 is recognised by its content: byte order marks and UTF-16, the separator
that gives every line the same number of columns, bytes that are not UTF-8. `read_as` holds the detected form, and
callers report it; `FileForm` sets it instead.
"""

from __future__ import annotations

import bz2
import codecs
import csv as lines
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from modelyard.domain.errors import Invalid
from modelyard.sdk.datasets.forms import MISSING_WORDS
from modelyard.sdk.datasets.tables import BLOCK_ROWS, Table, from_rows

_PACKED = ("", ".gz", ".bz2")
_JSON_SUFFIXES = tuple(f"{suffix}{packed}" for suffix in (".jsonl", ".ndjson") for packed in _PACKED)
_TEXT_SUFFIXES = (*(f"{suffix}{packed}" for suffix in (".csv", ".tsv") for packed in _PACKED), *_JSON_SUFFIXES)
_PARQUET_SUFFIXES = (".parquet", ".pq")
_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 256 * 1024
_SAMPLE_LINES = 50
_PIECE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileForm:
    """Format of a text file; None: detected from its content."""

    separator: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.separator is not None and (len(self.separator) != 1 or ord(self.separator) > 127):
            raise Invalid(
                reason=f"the separator {self.separator!r} is not one ASCII character",
                fix="Give for example ';', or a tab",
            )
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise Invalid(
                    reason=f"there is no encoding {self.encoding!r}",
                    fix="Give for example utf-8, utf-16, windows-1252 or latin-1",
                ) from None


_Read = Callable[[], Iterable[pa.Table]]


def open_path(path: Path, form: FileForm) -> Table:
    """Open a file, or all tables of a folder as one. Raises Invalid."""
    if not path.exists():
        raise Invalid(
            reason=f"there is no file or folder {path}",
            fix="Give a path to CSV, JSON lines or Parquet files, or a Query",
        )
    files = _files_in(path) if path.is_dir() else [path]
    try:
        readers = [(_read_parquet(file) if _is_parquet(file) else _read_text(file, form)) for file in files]
        schema = pa.unify_schemas([schema for schema, _, _ in readers], promote_options="permissive")
    except (pa.ArrowException, UnicodeError, EOFError, OSError) as exc:
        raise Invalid(
            reason=f"{path} cannot be read as a table: {exc}",
            fix="Give CSV with a header, JSON lines or Parquet; you can name its separator and encoding",
        ) from exc

    def pieces() -> Iterator[pa.Table]:
        for _, read, _ in readers:
            for piece in read():
                yield _fit(piece, schema)

    read_as: dict[str, str] = {}
    for _, _, found in readers:
        read_as = {**found, **read_as}
    return Table(schema, pieces(), read_as)


def _files_in(folder: Path) -> list[Path]:
    found = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file()
        and not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
        and file.name.lower().endswith((*_TEXT_SUFFIXES, *_PARQUET_SUFFIXES))
    )
    if not found:
        raise Invalid(
            reason=f"{folder} holds no CSV, JSON lines or Parquet file", fix="Name the folder that holds them"
        )
    return found


def _fit(piece: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the columns of the whole schema, in its order and types; null for columns that a file lacks."""
    arrays = [
        piece.column(field.name).cast(field.type)
        if field.name in piece.column_names
        else pa.nulls(len(piece), field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)


# --- Parquet -------------------------------------------------------------------------------------------


def _is_parquet(file: Path) -> bool:
    if file.name.lower().endswith(_PARQUET_SUFFIXES):
        return True
    with file.open("rb") as opened:
        return opened.read(4) == b"PAR1"


def _read_parquet(file: Path) -> tuple[pa.Schema, _Read, Mapping[str, str]]:
    with pq.ParquetFile(file) as opened:
        schema = _without_index(opened.schema_arrow)

    def read() -> Iterator[pa.Table]:
        with pq.ParquetFile(file) as again:
            for batch in again.iter_batches(batch_size=BLOCK_ROWS, use_threads=False):
                yield pa.Table.from_batches([batch]).select(schema.names)

    return schema, read, {}


def _without_index(schema: pa.Schema) -> pa.Schema:
    """Remove the index, which pandas writes as a column and names in the schema's metadata."""
    said = schema.pandas_metadata or {}
    index = {name for name in said.get("index_columns", ()) if isinstance(name, str)}
    return pa.schema([column for column in schema if column.name not in index])


# --- text ----------------------------------------------------------------------------------------------


def _read_text(file: Path, form: FileForm) -> tuple[pa.Schema, _Read, Mapping[str, str]]:
    """Read the whole file at once, because the types of its columns depend on all of it."""
    encoding = form.encoding or _encoding_of(file)
    sample = _sample(file, encoding)
    if not sample.strip():
        raise pa.ArrowInvalid("the file is empty")
    read_as = {} if _is_utf8(encoding) else {"encoding": encoding}
    if form.separator is None and _is_json_lines(file, sample):
        table = _read_json_lines(file, encoding)
        return table.schema, lambda: [table], read_as
    usual = "\t" if ".tsv" in file.name.lower() else ","
    separator = form.separator or _separator_of(file, sample, usual)
    if separator != usual:
        read_as["separator"] = separator
    table = _read_csv(file, separator, encoding)
    return table.schema, lambda: [table], read_as


def _open(file: Path) -> Any:
    opener: Any = {".gz": gzip.open, ".bz2": bz2.open}.get(file.suffix.lower(), open)
    return opener(file, "rb")


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


def _encoding_of(file: Path) -> str:
    """Detect by the byte order mark or by zeros between letters; otherwise UTF-8, or windows-1252 if it is invalid."""
    with _open(file) as opened:
        piece = opened.read(_SAMPLE_BYTES)
        for mark, encoding in _MARKS:
            if piece.startswith(mark):
                return encoding
        if piece[1::2].count(0) * 4 > len(piece):
            return "utf-16-le"
        if piece[::2].count(0) * 4 > len(piece):
            return "utf-16-be"
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while piece:
                decoder.decode(piece)
                piece = opened.read(_PIECE)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return _other_encoding(file)
    return "utf-8"


def _other_encoding(file: Path) -> str:
    decoder = codecs.getincrementaldecoder("windows-1252")()
    try:
        with _open(file) as opened:
            while piece := opened.read(_PIECE):
                decoder.decode(piece)
    except UnicodeDecodeError:
        raise Invalid(
            reason=f"{file} is not UTF-8, and its encoding is not known",
            fix="Name it: --encoding, or encoding= in Python (for example shift_jis)",
        ) from None
    return "windows-1252"


def _sample(file: Path, encoding: str) -> str:
    with _open(file) as opened:
        return codecs.getincrementaldecoder(encoding)().decode(opened.read(_SAMPLE_BYTES)).lstrip("\ufeff")


def _is_json_lines(file: Path, sample: str) -> bool:
    if file.name.lower().endswith(_JSON_SUFFIXES):
        return True
    first = sample.lstrip().partition("\n")[0]
    if not first.startswith("{"):
        return False
    try:
        return isinstance(json.loads(first), dict)
    except ValueError:
        return False


def _read_json_lines(file: Path, encoding: str) -> pa.Table:
    rows = []
    with io.TextIOWrapper(_open(file), "utf-8-sig" if _is_utf8(encoding) else encoding) as opened:
        for number, line in enumerate(opened, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as exc:
                raise pa.ArrowInvalid(f"line {number} is not JSON: {exc}") from None
            if not isinstance(row, dict):
                raise pa.ArrowInvalid(f"line {number} is not a JSON object")
            rows.append(row)
    return from_rows(rows)


def _separator_of(file: Path, sample: str, usual: str) -> str:
    """Return the separator that gives all lines equally many columns. Raises Invalid if a likely one does not."""
    columns = {separator: _columns(sample, separator) for separator in _SEPARATORS}
    if columns[usual] > 1:
        return usual
    if found := [separator for separator in _SEPARATORS if columns[separator] > 1]:
        return max(found, key=lambda separator: columns[separator])
    header = next(lines.reader(io.StringIO(sample, newline=""), delimiter=usual), [])
    held = [words for separator, words in _SEPARATORS.items() if separator in "".join(header)]
    if len(header) == 1 and held:
        raise Invalid(
            reason=f"{file} has one column, whose name {header[0][:80]!r} holds {held[0]}",
            fix="Name the character between the columns: --separator, or separator= in Python",
        )
    return usual


def _columns(sample: str, separator: str) -> int:
    """Return the number of columns in each line of the sample; 0 if lines differ."""
    whole = sample if len(sample) < _SAMPLE_BYTES else sample[: sample.rfind("\n") + 1] or sample
    counts = set()
    try:
        for number, row in enumerate(lines.reader(io.StringIO(whole, newline=""), delimiter=separator)):
            if number == _SAMPLE_LINES:
                break
            if row:
                counts.add(len(row))
    except lines.Error:
        return 0
    return counts.pop() if len(counts) == 1 else 0


def _read_csv(file: Path, separator: str, encoding: str) -> pa.Table:
    table = _parsed(file, separator, encoding, {})
    # Whole numbers beyond 64 bits are read as doubles, which lose digits.
    large = [
        field.name
        for field in table.schema
        if pa.types.is_floating(field.type) and _has_large_whole(table.column(field.name))
    ]
    if large and len(set(table.schema.names)) == len(table.schema.names):
        texts = _parsed(file, separator, encoding, dict.fromkeys(large, pa.large_string()))
        for name in large:
            column = texts.column(name)
            if pc.all(pc.match_substring_regex(column, r"^-?\d+$")).as_py():
                table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def _has_large_whole(column: Any) -> bool:
    limits = pc.min_max(pc.abs(column))
    largest = limits["max"].as_py()
    return largest is not None and largest >= 2**63


def _parsed(file: Path, separator: str, encoding: str, types: Mapping[str, Any]) -> pa.Table:
    return csv.read_csv(
        file,
        read_options=csv.ReadOptions(use_threads=False, encoding="utf8" if _is_utf8(encoding) else encoding),
        parse_options=csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            null_values=list(MISSING_WORDS),
            strings_can_be_null=True,
            true_values=["true", "True", "TRUE"],
            false_values=["false", "False", "FALSE"],
            column_types=dict(types),
        ),
    )
