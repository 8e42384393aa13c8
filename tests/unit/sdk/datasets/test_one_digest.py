"""One dataset has one digest in every library and every file that can hold it."""

# ruff: noqa: DTZ001 - tables hold times without a zone

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from pyarrow import csv
from scipy import sparse

from modelyard.domain.errors import Invalid
from modelyard.sdk.datasets import describe


def digest(data: Any, **more: Any) -> str:
    return str(describe(data, name="it", **more).digest)


READERS: dict[str, Callable[[Path], Any]] = {
    "the path": lambda file: file,
    "pandas": pd.read_csv,
    "pandas with Arrow types": lambda file: pd.read_csv(file, dtype_backend="pyarrow"),
    "polars": lambda file: pl.read_csv(file, infer_schema_length=None),
    "polars lazily": lambda file: pl.scan_csv(file, infer_schema_length=None),
    "pyarrow": csv.read_csv,
}

WORDS = st.sampled_from(
    ["x", "Straße", "long " * 20, "a,b", 'say "yes"', "two\nlines", "1 2", "12-13", "NA", "no"]
)
DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))
MOMENTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))
KINDS = st.sampled_from(
    [
        st.integers(-(2**53), 2**53),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        WORDS,
        DAYS,
        MOMENTS.map(lambda moment: moment.replace(microsecond=0)),
        MOMENTS,
        st.integers(0, 10**15).map(str),
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    rows = draw(st.integers(1, 12))
    found = {}
    for name in "abcd"[: draw(st.integers(1, 4))]:
        values = st.one_of(st.none(), draw(KINDS)) if draw(st.booleans()) else draw(KINDS)
        found[name] = draw(st.lists(values, min_size=rows, max_size=rows))
    # A row of missing cells alone is an empty line, which readers leave out.
    found["row"] = list(range(rows))
    return found


@seed(20261130)
@settings(max_examples=80, deadline=None)
@given(columns=tables())
def test_every_reader_of_every_file_finds_the_digest_of_the_table(columns: dict[str, list[Any]]) -> None:
    wanted = digest(columns)
    frame = pl.DataFrame(columns, strict=False)
    assert digest(frame) == wanted
    assert digest(frame.to_arrow()) == wanted
    assert digest(frame.to_pandas()) == wanted
    assert digest(pd.DataFrame(columns)) == wanted
    assert digest(frame.rows(named=True)) == wanted
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    assert digest(frame.with_columns(pl.col(name).cast(pl.Categorical) for name in texts)) == wanted
    assert digest(pd.DataFrame(columns).astype(dict.fromkeys(texts, "category"))) == wanted
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    assert digest(pq.read_table(buffer)) == wanted
    assert digest(pd.read_parquet(buffer)) == wanted


@seed(20261130)
@settings(max_examples=60, deadline=None)
@given(columns=tables(), by_pandas=st.booleans())
def test_a_file_has_one_digest_in_every_reader(
    tmp_path_factory: pytest.TempPathFactory, columns: dict[str, list[Any]], by_pandas: bool
) -> None:
    file = tmp_path_factory.mktemp("one") / "it.csv"
    if by_pandas:
        pd.DataFrame(columns).to_csv(file, index=False)
    else:
        pl.DataFrame(columns, strict=False).write_csv(file)
    found = {name: digest(read(file)) for name, read in READERS.items()}
    assert set(found.values()) == {found["the path"]}, found


ODD_COLUMNS = {
    "missing cells of whole numbers": "x,y\n1,1\n,2\n3,3\n",
    "missing cells of texts": "x,y\na,1\n,2\nNA,3\nNone,4\n",
    "a date": "x\n2026-03-01\n",
    "moments": "x\n2026-03-01 10:00:00\n2026-03-01 00:00:00\n",
    "moments with and without seconds": "x\n2026-03-01T10:00\n2026-03-01 10:00:30.5\n",
    "moments of several zones": "x\n2026-03-01T10:00:00Z\n2026-03-01T12:00:00+02:00\n",
    "times": "x\n10:00:00\n11:30:59\n",
    "truth with missing cells": "x,y\nTrue,1\n,2\nFalse,3\n",
    "shouted truth": "x\nTRUE\nFALSE\n",
    "leading zeros": "x\n00742\n00001\n",
    "dates and words": "x\n2026-03-01\nnever\n2026-02-31\n",
    "numbers and words": "x\n1\n2.50\nmany\n",
    "large and small numbers": "x\n1e300\n-1e-300\n0.1\n",
    "a column of nothing": "x,y\n,1\n,2\n",
    "an index without a name": ",x\n0,a\n1,b\n",
}


@pytest.mark.parametrize("text", ODD_COLUMNS.values(), ids=ODD_COLUMNS)
def test_columns_that_readers_type_differently(tmp_path: Path, text: str) -> None:
    file = tmp_path / "it.csv"
    file.write_text(text)
    found = {name: digest(read(file)) for name, read in READERS.items()}
    pd.read_csv(file).to_parquet(tmp_path / "pandas.parquet", index=False)
    pl.read_csv(file, infer_schema_length=None).write_parquet(tmp_path / "polars.parquet")
    found |= {name: digest(tmp_path / name) for name in ("pandas.parquet", "polars.parquet")}
    assert set(found.values()) == {found["the path"]}, found


def test_whole_numbers_beyond_64_bits_keep_their_digits(tmp_path: Path) -> None:
    file = tmp_path / "it.csv"
    file.write_text("x\n12345678901234567890\n1\n")
    assert digest(file) == digest(pd.read_csv(file)) == digest({"x": [12345678901234567890, 1]})
    assert digest(file) == digest(pl.DataFrame({"x": [12345678901234567890, 1]}, schema={"x": pl.Int128}))
    assert digest(file) != digest({"x": [12345678901234567891, 1]})


def test_texts_that_only_resemble_numbers_stay_texts() -> None:
    for one, other in (("00742", 742), ("1.50", 1.5), ("1e5", 100000.0), ("80e5005", "Infinity"), ("+1", 1)):
        assert digest({"x": [one]}) != digest({"x": [other]})
    assert digest({"x": [True]}) != digest({"x": [1]})
    assert digest({"x": ["10:00:00"]}) != digest({"x": ["10:00:01"]})


# --- text files however they are written -----------------------------------------------------------------

ROWS = [("Straße", "größe"), ("Müller", "1"), ("Çelik", "2")]
PLAIN = {"Straße": ["Müller", "Çelik"], "größe": [1, 2]}


def written(separator: str, encoding: str) -> bytes:
    return "".join(separator.join(row) + "\n" for row in ROWS).encode(encoding)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "windows-1252"])
def test_separator_and_encoding_are_found_out_and_told(tmp_path: Path, separator: str, encoding: str) -> None:
    file = tmp_path / "it.csv"
    file.write_bytes(written(separator, encoding))
    found = describe(file, name="it")
    assert found.digest == describe(PLAIN, name="it").digest
    told = found.entry.get("read_as", {})
    assert told.get("separator", ",") == separator
    assert told.get("encoding", "utf-8-sig").removesuffix("-sig") == encoding.removesuffix("-sig")


def test_separator_and_encoding_can_be_named(tmp_path: Path) -> None:
    file = tmp_path / "it.csv"
    file.write_bytes(written("^", "latin-1"))
    with pytest.raises(Invalid, match="no encoding"):
        describe(file, name="it", encoding="no-such")
    with pytest.raises(Invalid, match="not one ASCII character"):
        describe(file, name="it", separator="::")
    assert digest(file, separator="^", encoding="latin-1") == digest(PLAIN)


@pytest.mark.parametrize("text", ["a;b\n1;2\n3\n", "a\tb\n1\n", "id|name\nx\ny|z|w\n"])
def test_one_column_whose_name_holds_separators_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "it.csv"
    file.write_text(text)
    with pytest.raises(Invalid, match=r"one column, whose name .* holds"):
        describe(file, name="it")


@pytest.mark.parametrize("name", ["it.jsonl", "it.ndjson", "it.txt"])
def test_json_lines_are_rows(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text('{"a": 1, "b": "x"}\n\n{"a": 2.5}\n')
    assert digest(file) == digest({"a": [1, 2.5], "b": ["x", None]})
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\n[1]\n')
    with pytest.raises(Invalid, match="line 2 is not a JSON object"):
        describe(tmp_path / "bad.jsonl", name="it")


# --- frames that Arrow does not take as they are ---------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "same"),
    [
        (pd.DataFrame({"x": np.array([1.5, 2], np.longdouble)}), {"x": [1.5, 2.0]}),
        (np.array([[1.5], [2]], np.longdouble), {"0": [1.5, 2.0]}),
        (pd.DataFrame({"x": [np.longdouble(1.5), "a"]}, dtype=object), {"x": ["1.5", "a"]}),
        (pl.DataFrame({"x": ["a", None]}, schema={"x": pl.Enum(["a"])}), {"x": ["a", None]}),
        (
            pa.table({"x": pa.DictionaryArray.from_arrays([1, 0], pa.array(["a", "b"], pa.string_view()))}),
            {"x": ["b", "a"]},
        ),
        (pl.DataFrame({"x": [2**70, 1]}, schema={"x": pl.Int128}), {"x": [2**70, 1]}),
        (pd.DataFrame({"x": [pd.NA, "a", 1, pd.NaT]}, dtype=object), {"x": [None, "a", "1", None]}),
        (pa.table({"x": pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), ["a"])}), None),
        (pd.DataFrame({"x": pd.Series(["\ud800 lone"], dtype=object)}), None),
        ({"\ud800": [1]}, None),
        (pd.DataFrame({"x": [1 + 2j]}), None),
        (np.array([1 + 2j], np.clongdouble), None),
    ],
    ids=(
        "longdouble longdouble-array longdouble-mixed enum dictionary-of-views int128 na "
        "run-ends surrogate surrogate-name complex complex-long"
    ).split(),
)
def test_odd_columns_are_converted(data: Any, same: Any) -> None:
    assert digest(data) == digest(data if same is None else same)


def test_a_column_that_cannot_be_read_is_named() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(Invalid, match="'y' holds a value that contains itself"):
        describe({"x": [1], "y": [endless]}, name="it")
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff")]
    )
    with pytest.raises(Invalid, match="column 'y' of type string cannot be described"):
        describe(pa.table({"x": [1], "y": broken}), name="it")


# --- labels next to the rows -----------------------------------------------------------------------------

FEATURES = np.arange(8.0).reshape(4, 2)
TARGETS: dict[str, Callable[[Any], Any]] = {
    "array": lambda y: y,
    "list": lambda y: y.tolist(),
    "tuple": lambda y: tuple(y),
    "column vector": lambda y: y.reshape(-1, 1),
    "list of lists": lambda y: [[value] for value in y],
    "several columns": lambda y: np.column_stack([y, 1 - y]),
    "series": pd.Series,
    "series named like a feature": lambda y: pd.Series(y, name="a"),
    "frame": lambda y: pd.DataFrame({"y": y}),
    "polars series": pl.Series,
    "polars frame named like a feature": lambda y: pl.DataFrame({"a": y}),
    "category": lambda y: pd.Series(y).astype("category"),
    "texts": lambda y: np.array(["no", "yes"])[y],
    "texts as objects": lambda y: np.array(["no", "yes"], dtype=object)[y],
    "truth": lambda y: y > 0,
    "sparse": lambda y: sparse.csr_matrix(np.column_stack([y, 1 - y])),
}


@pytest.mark.parametrize("form", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize(
    "features",
    [
        FEATURES,
        FEATURES.tolist(),
        pd.DataFrame(FEATURES, columns=["a", "b"]),
        pl.DataFrame(FEATURES, schema=["a", "b"]),
        sparse.csr_matrix(FEATURES),
        ["first", "second", "third", "fourth"],
        np.zeros((4, 3, 3)),
    ],
    ids="array list pandas polars sparse texts images".split(),
)
def test_labels_enter_the_digest_in_every_form(features: Any, form: Callable[[Any], Any]) -> None:
    labels = np.array([0, 1, 1, 0])
    found = {digest(features, target=form(labels)), digest(features, target=form(np.array([0, 1, 0, 0])))}
    assert len(found) == 2
    assert digest(features, target=form(labels)) in found


def test_the_form_of_the_labels_does_not_count() -> None:
    labels = np.array([0, 1, 1, 0])
    forms = ("array", "list", "tuple", "column vector", "list of lists", "series", "polars series", "category")
    assert len({digest(FEATURES, target=TARGETS[name](labels)) for name in forms}) == 1
    with pytest.raises(Invalid, match="4 rows and 3 labels"):
        describe(FEATURES, name="it", target=labels[:3])
