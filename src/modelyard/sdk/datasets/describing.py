"""Describing data: a fingerprint to identify it, and a profile of its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.domain.canonical import canonical_json
from modelyard.domain.digest import Digest
from modelyard.domain.errors import DatasetMismatch, ExtraMissing, Invalid, InvalidDigest
from modelyard.domain.secrets import mask, without_credentials

if TYPE_CHECKING:
    from modelyard.sdk.datasets.tables import Table

MAX_NAME_LENGTH = 200
_FETCHED_ROWS = 100_000
_ATTRIBUTE = "modelyard"


@dataclass(frozen=True, slots=True)
class Query:
    """SQL with its parameters, as data.

    connection: of any DB-API driver, through which the rows are read. Without one nothing is read: the digest covers
    only the SQL and its parameters, and there is no profile.
    """

    sql: str
    parameters: Sequence[Any] | Mapping[str, Any] = ()
    connection: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Described:
    """entry: the data's entry in a version's record and a run's inputs. profile: b"" if nothing was read."""

    entry: dict[str, Any]
    profile: bytes = field(repr=False)

    @property
    def name(self) -> str:
        return str(self.entry["name"])

    @property
    def digest(self) -> Digest:
        return Digest(self.entry["digest"])


def describe(
    data: Any,
    *,
    name: str,
    target: Any = None,
    source: str | None = None,
    columns: Sequence[str] | None = None,
    filter: Any = None,
    window: Any = None,
    split: str | None = None,
    expect: str | None = None,
    keys: Sequence[str] | None = None,
    keep_values: bool = True,
    separator: str | None = None,
    encoding: str | None = None,
) -> Described:
    """Describe data by a digest that identifies it, and a profile of its columns.

    No row leaves this machine. Data that was described before is returned unchanged.

    Args:
        data: A pandas or polars frame, an Arrow table, an array, a `Query`, or the path of a CSV, JSON lines or
            Parquet file or of a folder of them.
        name: Name of the dataset.
        target: Labels of the rows, if they are kept separately: a list, an array, a series or a frame with a
            label for each row; they enter the digest. None: there are no separate labels.
        source: Where the data comes from, for example an address; None: its path or its query.
        columns: Read only these columns; None: all.
        filter: The filter that was applied, in words; it is recorded, not applied.
        window: The time range, in words; it is recorded, not applied.
        split: The split, for example `train`; it is recorded, not applied.
        expect: The digest that the data must have; None: any.
        keys: Columns that identify a row, so that the overlap with another dataset can be computed.
        keep_values: False: the profile contains no value of a text column, only counts.
        separator: The character between the columns of a CSV file; None: detected from the file.
        encoding: The encoding of a text file, for example `latin-1`; None: detected from the file.

    Returns:
        The entry for a version's record, and the profile.

    Raises:
        DatasetMismatch: The data does not have the digest in `expect`.
        Invalid: The data cannot be read, or a column does not exist.
        ExtraMissing: Describing data needs the packages of `modelyard[data]`.

    Example:
        >>> my.describe(frame, name="transactions", split="train").digest
        'sha256:5f70…'
    """
    if isinstance(data, Described):
        _expect(data.name, data.digest, expect)
        return data
    checked = _checked_name(name)
    said = {"filter": filter, "window": window, "split": split}
    entry: dict[str, Any] = {"name": checked} | {k: _said(v) for k, v in said.items() if v is not None}
    if isinstance(data, str) and _is_sql(data):
        data = Query(data)
    if isinstance(data, Query):
        entry |= {"source": source or data.sql, "parameters": _parameters(data.parameters)}
        if data.connection is None:
            return _unread(data, entry, columns, expect)
    elif source is not None:
        entry["source"] = without_credentials(source)
    elif isinstance(data, str | Path):
        entry["source"] = str(data)
    table = _open(data, target, columns, keys or (), separator, encoding)
    if table.read_as:
        entry["read_as"] = dict(table.read_as)
    digest, rows, names, profile = _gather(table, keys or (), keep_values)
    _expect(checked, digest, expect)
    entry |= {"digest": str(digest), "rows": rows, "columns": names, "profile": str(Digest.of(profile))}
    _leave_name(data, checked, entry.get("source"))
    return Described(dict(sorted(entry.items())), profile)


def _leave_name(data: Any, name: str, source: Any) -> None:
    """Store the name in a frame's attributes, which pandas copies to its parts, so that these have the name too."""
    attributes = getattr(data, "attrs", None)
    if isinstance(attributes, dict):
        attributes.setdefault(_ATTRIBUTE, {"name": name, **({"source": source} if source else {})})


def name_of(data: Any) -> tuple[str | None, str | None]:
    """Return the name and the source of a described frame, or of a part of one."""
    attributes = getattr(data, "attrs", None)
    if not isinstance(attributes, dict):
        return None, None
    left = attributes.get(_ATTRIBUTE) or {"name": attributes.get("name")}
    name, source = left.get("name"), left.get("source")
    return (name if isinstance(name, str) else None), (source if isinstance(source, str) else None)


def _is_sql(text: str) -> bool:
    return text.split(None, 1)[0].lower() in ("select", "with") if " " in text.strip() else False


def _open(
    data: Any,
    target: Any,
    columns: Sequence[str] | None,
    keys: Sequence[str],
    separator: str | None,
    encoding: str | None,
) -> Table:
    try:
        from modelyard.sdk.datasets import files, tables
    except ImportError as exc:
        package = (exc.name or "pyarrow").partition(".")[0]
        raise ExtraMissing(what="describing data", package=package, extra="data") from exc
    if isinstance(data, Query):
        data = _rows_of(data)
    elif isinstance(data, str | Path):
        data = files.open_path(Path(data), files.FileForm(separator, encoding))
    if target is not None:
        data = tables.with_target(data, target)
    table = tables.open_table(data, columns)
    if unknown := [key for key in keys if key not in table.schema.names]:
        raise Invalid(
            reason=f"there is no column {unknown[0]!r} to use as a key", fix="Name columns of the data"
        )
    return table


def _gather(table: Table, keys: Sequence[str], keep_values: bool) -> tuple[Digest, int, list[str], bytes]:
    from modelyard.sdk.datasets.gather import gather

    return gather(table, keys, keep_values)


def _unread(
    query: Query, entry: dict[str, Any], columns: Sequence[str] | None, expect: str | None
) -> Described:
    told = {"sql": query.sql, "parameters": entry["parameters"], "columns": list(columns) if columns else None}
    digest = Digest.of(canonical_json(told))
    _expect(entry["name"], digest, expect)
    entry["digest"] = str(digest)
    if columns:
        entry["columns"] = list(columns)
    return Described(dict(sorted(entry.items())), b"")


def _rows_of(query: Query) -> dict[str, list[Any]]:
    """Return the query's rows by column, in the driver's own types: texts, numbers, times."""
    cursor = query.connection.cursor()
    try:
        cursor.execute(query.sql, query.parameters)
        names = [str(column[0]) for column in cursor.description or ()]
        if not names:
            raise Invalid(reason="the query returns no rows", fix="Give a query that selects")
        if len(set(names)) != len(names):
            raise Invalid(reason="two columns have the same name", fix="Give each column a name: … AS name")
        found: dict[str, list[Any]] = {name: [] for name in names}
        while rows := cursor.fetchmany(_FETCHED_ROWS):
            for name, values in zip(names, zip(*rows, strict=True), strict=True):
                found[name].extend(values)
        return found
    finally:
        cursor.close()


def _expect(name: str, digest: Digest, expected: str | None) -> None:
    if expected is None:
        return
    try:
        wanted = Digest.parse(expected.rpartition("@")[2])
    except InvalidDigest:
        raise InvalidDigest(value=expected[:100]) from None
    if wanted != digest:
        raise DatasetMismatch(name=name, expected=wanted, actual=digest)


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME_LENGTH:
        raise Invalid(
            reason="a dataset needs a name of 1 to 200 characters", fix='Name it, for example "transactions"'
        )
    if any(ord(c) < 32 for c in name) or "@" in name or ":" in name:
        raise Invalid(
            reason=f"the dataset name {name!r} contains a character that is reserved in references",
            fix="Remove @, : and control characters",
        )
    return name.strip()


def _said(value: Any) -> Any:
    """Return a JSON value."""
    if value is None or isinstance(value, bool | int | str):
        return mask(value) if isinstance(value, str) else value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if isinstance(value, Mapping):
        return {str(key): _said(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_said(item) for item in value]
    return str(value)


def _parameters(values: Sequence[Any] | Mapping[str, Any]) -> Any:
    return _said(dict(values) if isinstance(values, Mapping) else list(values))
