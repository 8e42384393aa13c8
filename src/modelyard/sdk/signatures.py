"""Signatures of versions: inputs and outputs, and checks of data against them."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from modelyard.domain.errors import Invalid
from modelyard.domain.signature import Problem, check_inputs
from modelyard.sdk.savers.signature import describe_data
from modelyard.sdk.session import Feature, Session
from modelyard.wire import signature as wire

MAX_FILE_BYTES = 256 * 1024 * 1024
_TRUTHS = {"true", "false"}


class Signatures(Feature):
    """`client.signatures`."""

    def get(self, ref: str) -> wire.Signature:
        """Return the signature of a version: the schema of its inputs and outputs.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.

        Returns:
            The signature.

        Raises:
            NotFound: The version has no signature.
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> [column["name"] for column in client.signatures.get("fraud/scorer:12").inputs]
            ['amount', 'country']
        """
        return self._get(self._version(ref, "signature"), wire.Signature)

    def check(self, ref: str, data: Any) -> Sequence[Problem]:
        """Compare data with a version's signature. The same as `client.check_signature`.

        Args:
            ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the
                newest ready version.
            data: A DataFrame of pandas or polars, an array, a dict of arrays, or the path of a CSV or JSON
                file.

        Returns:
            The columns that do not fit; empty if all fit.

        Raises:
            Invalid: The data has no names, types or shapes.
            NotFound: The version has no signature.
            VersionNotFound: There is no such version, or you may not see it.

        Example:
            >>> client.signatures.check("fraud/scorer:12", frame)
            []
        """
        return check_signature(self._session, ref, data)


def check_signature(session: Session, /, ref: str, data: Any) -> Sequence[Problem]:  # noqa: D417
    """Compare data with a version's signature. No row of the data leaves this machine.

    Args:
        ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the newest
            ready version.
        data: A DataFrame of pandas or polars, an array, a dict of arrays, or the path of a CSV or JSON file.

    Returns:
        The columns that do not fit; empty if all fit.

    Raises:
        Invalid: The data has no names, types or shapes.
        NotFound: The version has no signature.
        VersionNotFound: There is no such version, or you may not see it.

    Example:
        >>> [str(problem) for problem in my.check_signature("fraud/scorer:12", "cards.csv")]
        ['amount: expected float64, found string']
    """
    path = session.version_path(ref, "signature")
    signature = session.transport.call("GET", path, returns=wire.Signature)
    return check_inputs({"inputs": signature.inputs, "outputs": signature.outputs}, described(data))


def described(data: Any) -> list[dict[str, Any]]:
    """Return names, types and shapes of a frame, an array, a dict of arrays, or a CSV or JSON file. Raises Invalid."""
    if isinstance(data, str | os.PathLike):
        return describe_file(Path(data))
    found = describe_data(data)
    if found is None:
        raise Invalid(
            reason=f"data of type {type(data).__name__} has no names, types and shapes",
            fix="Pass a DataFrame, an array, a dict of arrays, or the path of a CSV or JSON file",
        )
    return found


def describe_file(path: Path) -> list[dict[str, Any]]:
    """Describe a CSV file with a header, or JSON: a list of records or an object of lists. Raises Invalid, OSError."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise Invalid(reason=f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB", fix="Check a part of it")
    try:
        columns = _json_columns(path) if path.suffix.lower() == ".json" else _csv_columns(path)
    except (ValueError, csv.Error, RecursionError) as error:
        raise Invalid(
            reason=f"{path} cannot be read: {error}", fix="Pass a CSV with a heading, or JSON"
        ) from None
    if not columns:
        raise Invalid(reason=f"{path} has no columns", fix="Pass a CSV with a heading, or JSON records")
    return [{"name": name, "dtype": dtype, "shape": [None]} for name, dtype in columns.items()]


def _csv_columns(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        names = next(rows, [])
        kinds: list[set[str]] = [set() for _ in names]
        for number, row in enumerate(rows, 2):
            if row and len(row) != len(names):
                raise ValueError(f"line {number} has {len(row)} fields, the heading has {len(names)}")
            for kind, text in zip(kinds, row, strict=False):
                if text:
                    kind.add(_kind_of_text(text))
    return {name: _common(kind) for name, kind in zip(names, kinds, strict=True)}


def _json_columns(path: Path) -> dict[str, str]:
    value = json.loads(path.read_text(encoding="utf-8"))
    kinds: dict[str, set[str]] = {}
    pairs: Iterable[tuple[str, Any]]
    if isinstance(value, list) and all(isinstance(row, Mapping) for row in value):
        pairs = ((name, item) for row in value for name, item in row.items())
    elif isinstance(value, Mapping) and all(isinstance(items, list) for items in value.values()):
        pairs = ((name, item) for name, items in value.items() for item in items)
    else:
        raise ValueError("it is neither a list of records nor an object of lists")
    for name, item in pairs:
        found = kinds.setdefault(name, set())
        if item is not None:
            found.add(_kind_of_value(item))
    return {name: _common(kind) for name, kind in kinds.items()}


def _kind_of_text(text: str) -> str:
    if text.lower() in _TRUTHS:
        return "bool"
    for kind, read in (("int64", int), ("float64", float), ("datetime64", datetime.fromisoformat)):
        try:
            read(text)
        except ValueError:
            continue
        return kind
    return "string"


def _kind_of_value(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "int64" if isinstance(value, int) else "float64"
    return (
        _kind_of_text(value)
        if isinstance(value, str) and len(value) >= 10 and value[4:5] == "-"
        else ("string" if isinstance(value, str) else "object")
    )


def _common(kinds: set[str]) -> str:
    """Return the type of a column with these values; without values it may be any type."""
    if not kinds:
        return "object"
    if kinds <= {"int64", "float64"}:
        return "float64" if "float64" in kinds else "int64"
    return next(iter(kinds)) if len(kinds) == 1 else "string"
