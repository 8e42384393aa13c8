"""Convert each value to the form that a dataset's digest covers, whatever type a library gave its column.

    number      equal whole numbers and doubles have one form: the double, if it is exact
    true, false a truth value
    moment      "2026-03-01 10:00:00.000000", also for a date; in UTC with "Z" if the zone is known
    time        "10:00:00.000000"
    text        itself, unless it spells one of the above: then it has that form

A text is a number only if the number is printed as the same text: "00742" stays text, and so does "1.50". Texts that
CSV readers treat as a missing cell are missing. Decision record 0013.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MISSING_WORDS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""Texts that pandas reads as a missing cell, in columns of any type."""

_TRUTHS = {"true": "true", "True": "true", "TRUE": "true", "false": "false", "False": "false", "FALSE": "false"}
_CLOCK = r"\d\d(:\d\d(:\d\d(\.\d{1,9})?)?)?"
_OTHER_THAN_TEXT = (
    r"^(-?(\d+(\.\d+)?(e[-+]?\d+)?|inf)|true|True|TRUE|false|False|FALSE"
    rf"|\d\d\d\d-\d\d-\d\d([ T]{_CLOCK}(Z|[-+]\d\d(:?\d\d)?)?)?|\d\d:\d\d(:\d\d(\.\d{{1,9}})?)?)$"
)
_EXACT = 2**53
_PRINTED_WHOLE = 2**64


def number_form(array: Any) -> tuple[bytes, Any]:
    """Return whole numbers (int64 or uint64) as doubles; as text if one of them has no exact double."""
    values = array.fill_null(0).to_numpy(zero_copy_only=False)
    if len(values) == 0 or (values.min() >= -_EXACT and values.max() <= _EXACT):
        return b"n", pa.array(values.astype(np.float64), mask=_missing(array))
    if all(int(float(value)) == value for value in values.tolist()):
        return b"n", pa.array(values.astype(np.float64), mask=_missing(array))
    return b"t", array.cast(pa.large_string())


def _missing(array: Any) -> Any:
    return pc.is_null(array).to_numpy(zero_copy_only=False) if array.null_count else None


def text_form(coded: Any) -> tuple[bytes, Any]:
    """Return doubles if all texts are numbers, otherwise texts. coded: the distinct texts."""
    unique, codes = coded.dictionary, coded.indices
    other = pc.match_substring_regex(unique, _OTHER_THAN_TEXT).to_numpy(zero_copy_only=False)
    if not other.any():
        return b"t", unique.take(codes)
    forms: list[Any] = unique.to_pylist()
    for place in np.flatnonzero(other).tolist():
        forms[place] = _form(forms[place])
    if all(isinstance(form, float) for form in forms):
        return b"n", pa.array(forms, pa.float64()).take(codes)
    texts = [number_text(form) if isinstance(form, float) else form for form in forms]
    return b"t", pa.array(texts, pa.large_string()).take(codes)


def number_text(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < _PRINTED_WHOLE else repr(value)


def _form(text: str) -> str | float:
    """Return the number, the truth value or the moment that the text spells, or the text itself."""
    if text in _TRUTHS:
        return _TRUTHS[text]
    try:
        if text[4:5] == "-" and text[:4].isdecimal():
            return moment_text(dt.datetime.fromisoformat(text))
        if text[2:3] == ":":
            return dt.time.fromisoformat(text).isoformat("microseconds")
    except (ValueError, OverflowError):
        return text
    number = float(text)
    if text.lstrip("-").isdecimal():
        exact = text == str(int(text)) and abs(number) != float("inf") and int(number) == int(text)
        return number + 0.0 if exact else text
    return number + 0.0 if repr(number) == text else text


def moment_text(moment: dt.datetime) -> str:
    if moment.tzinfo is None:
        return moment.isoformat(" ", "microseconds")
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ", "microseconds") + "Z"


def time_form(array: Any, word: str) -> tuple[bytes, Any]:
    """Return the form of times. array: int64; days for dates, microseconds for the others."""
    if word == "date":
        array = array.cast(pa.int32()).cast(pa.date32())
    if word == "time":
        return b"t", array.cast(pa.time64("us")).cast(pa.large_string())
    texts = array.cast(pa.timestamp("us")).cast(pa.large_string())
    zone, nothing = pa.scalar("Z", pa.large_string()), pa.scalar("", pa.large_string())
    return b"t", pc.binary_join_element_wise(texts, zone, nothing) if word == "instant" else texts
