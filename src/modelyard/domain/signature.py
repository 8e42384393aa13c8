"""The inputs and outputs of a model: names, types and shapes; and a check that data fits.

A signature is {"inputs": [...], "outputs": [...]}, each entry {name, dtype, shape}. In a shape, None is any size,
and a string is any size with a name; the first dimension is rows. Types are compared by family, since the same
column is `object`, `str` or `string` depending on the library; whole numbers are accepted where fractions are
expected, but not the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_ENTRIES = 20_000
_SHOWN = 5

_FAMILIES: tuple[tuple[str, str], ...] = (
    (r"bool(ean)?_?", "true or false"),
    (r"u?int(p|c|eger)?\d*_?(\[pyarrow\])?", "integer"),
    (r"(bfloat|float|double|decimal|half|longdouble).*", "number"),
    (r"complex.*", "complex number"),
    (r"(str|string|large_string|utf8|unicode|text|[<>|=]?[us]\d+)(\[.*\])?_?", "text"),
    (r"(category|categorical|enum|dictionary).*", "text"),
    (r"(datetime|timestamp|date|m8).*", "time"),
    (r"(timedelta|duration).*", "duration"),
    (r"(object|any|null|unknown)_?", "anything"),
)
_COMPILED = [(re.compile(pattern + r"\Z"), family) for pattern, family in _FAMILIES]
_NUMERIC = frozenset({"true or false", "integer", "number"})
_ACCEPTS = {"number": {"integer"}, "complex number": {"number", "integer"}}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mismatch. column: the name of the column or array."""

    column: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.column}: expected {self.expected}, found {self.found}"


def family_of(dtype: str) -> str:
    """Return the family of a type; an unknown type is its own family."""
    word = dtype.strip().lower().removeprefix("torch.")
    return next((family for pattern, family in _COMPILED if pattern.match(word)), word)


def fits(expected: str, found: str) -> bool:
    """Return whether values of type `found` are accepted as `expected`."""
    wanted, given = family_of(expected), family_of(found)
    return wanted == given or "anything" in (wanted, given) or given in _ACCEPTS.get(wanted, ())


def check_inputs(signature: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Return the mismatches between a signature and data; empty if the data fits.

    found: the data's entries, in the form of a signature. Columns are matched by name, and additional columns are
    ignored. A table may come as one array of as many columns, and the other way round; the name of a single array is
    ignored.
    """
    expected: Sequence[Mapping[str, Any]] = signature.get("inputs") or []
    if not expected or not found:
        return []
    if _is_table(expected) and len(found) == 1 and _rank(found[0]) == 2:
        return _check_matrix(expected, found[0])
    if _is_table(found) and len(expected) == 1 and _rank(expected[0]) == 2:
        return _check_columns(expected[0], found)
    if len(expected) == len(found) == 1 and not (_is_table(expected) and _is_table(found)):
        return _check_entry(expected[0], found[0])
    by_name = {str(entry["name"]): entry for entry in found}
    problems = []
    for entry in expected:
        present = by_name.get(str(entry["name"]))
        if present is None:
            problems.append(Problem(str(entry["name"]), _words(entry), "no such column"))
        else:
            problems += _check_entry(entry, present)
    return problems


def say_problems(problems: Iterable[Problem]) -> str:
    """Return the first few problems in one line."""
    all_of_them = list(problems)
    words = "; ".join(map(str, all_of_them[:_SHOWN]))
    more = len(all_of_them) - _SHOWN
    return f"{words}; and {more} more" if more > 0 else words


def _check_matrix(expected: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> list[Problem]:
    width = found["shape"][1]
    if isinstance(width, int) and width != len(expected):
        return [Problem(str(found["name"]), f"{len(expected)} columns", f"{width} columns")]
    # All columns of an array have one type, the widest.
    is_numeric = family_of(str(found["dtype"])) in _NUMERIC
    wrong = [
        e
        for e in expected
        if not (is_numeric and family_of(str(e["dtype"])) in _NUMERIC)
        and not fits(str(e["dtype"]), str(found["dtype"]))
    ]
    return [Problem(str(e["name"]), str(e["dtype"]), str(found["dtype"])) for e in wrong]


def _check_columns(expected: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> list[Problem]:
    width = expected["shape"][1]
    if isinstance(width, int) and width != len(found):
        return [Problem(str(expected["name"]), f"{width} columns", f"{len(found)} columns")]
    wrong = [f for f in found if not fits(str(expected["dtype"]), str(f["dtype"]))]
    return [Problem(str(f["name"]), str(expected["dtype"]), str(f["dtype"])) for f in wrong]


def _check_entry(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[Problem]:
    name = str(expected["name"])
    wanted, given = list(expected.get("shape") or []), list(found.get("shape") or [])
    is_other_rank = len(wanted) != len(given)
    if is_other_rank or any(
        isinstance(w, int) and isinstance(g, int) and w != g for w, g in zip(wanted, given, strict=True)
    ):
        return [Problem(name, f"shape {_shape(wanted)}", f"shape {_shape(given)}")]
    if not fits(str(expected["dtype"]), str(found["dtype"])):
        return [Problem(name, str(expected["dtype"]), str(found["dtype"]))]
    return []


def _is_table(entries: Sequence[Mapping[str, Any]]) -> bool:
    return all(_rank(entry) == 1 for entry in entries)


def _rank(entry: Mapping[str, Any]) -> int:
    return len(entry.get("shape") or [])


def _words(entry: Mapping[str, Any]) -> str:
    shape = entry.get("shape") or []
    return str(entry["dtype"]) if len(shape) < 2 else f"{entry['dtype']} of shape {_shape(shape)}"


def _shape(shape: Sequence[Any]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"


def lawful_entries(entries: Any) -> bool:
    """Return whether this is a list of valid signature entries."""
    return (
        isinstance(entries, Sequence)
        and not isinstance(entries, str)
        and len(entries) <= MAX_ENTRIES
        and all(
            isinstance(e, Mapping)
            and isinstance(e.get("name"), str)
            and isinstance(e.get("dtype"), str)
            and isinstance(e.get("shape", []), Sequence)
            and not isinstance(e.get("shape", []), str)
            and all(size is None or isinstance(size, int | str) for size in e.get("shape", []))
            for e in entries
        )
    )
