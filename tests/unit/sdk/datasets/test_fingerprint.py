"""The same data has the same digest, whatever library holds it and in whatever pieces."""

# ruff: noqa: DTZ001 - tables hold times without a zone

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import json
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.domain.errors import DatasetMismatch, Invalid, InvalidDigest
from modelyard.domain.profile import read_profile
from modelyard.sdk.datasets import Described, Query, describe
from modelyard.sdk.datasets.tables import BLOCK_ROWS

GOLDEN = {
    "amount": [1.5, None, -0.0, 2e300],
    "count": [1, -2, 3, 2**53],
    "town": ["Köln", None, "", "東京"],
    "paid": [True, False, None, True],
    "at": [dt.datetime(2026, 1, 2, 3, 4, 5, 6), None, dt.datetime(1969, 12, 31), dt.datetime(2000, 1, 1)],
}
GOLDEN_DIGEST = "sha256:9cc0a80ca395da93e047da188ed2ff3f84e203f44414dc499ac935d31a462661"


def digest(data: Any, **more: Any) -> str:
    return str(describe(data, name="it", **more).digest)


def test_the_digest_of_known_data_never_changes() -> None:
    assert digest(GOLDEN) == GOLDEN_DIGEST


def test_the_digest_is_what_the_decision_record_draws() -> None:
    """The same again with the standard library alone, for a table of one block."""
    forms: dict[str, Callable[[Any], bytes | str]] = {
        "amount": lambda v: struct.pack("<d", v + 0.0),
        "count": lambda v: struct.pack("<d", v),
        "paid": lambda v: "true" if v else "false",
        "at": lambda v: v.isoformat(" ", "microseconds"),
    }
    digests = {}
    for name, values in GOLDEN.items():
        gone = [value is None or value == "" for value in values]
        told = struct.pack("<QQ", len(values), sum(gone))
        if any(gone):
            told += bytes([sum(1 << place for place, missing in enumerate(gone) if missing)])
        found = [None if g else forms.get(name, str)(v) for v, g in zip(values, gone, strict=True)]
        if any(isinstance(form, bytes) for form in found):
            told += b"n" + b"".join(bytes(8) if form is None else form for form in found)
        else:
            texts = [b"" if form is None else form.encode() for form in found]
            told += b"t" + b"".join(struct.pack("<q", len(text)) for text in texts) + b"".join(texts)
        digests[name] = hashlib.sha256(told).hexdigest()
    said = json.dumps({"columns": digests, "rows": 4, "v": 2}, sort_keys=True, separators=(",", ":"))
    assert f"sha256:{hashlib.sha256(said.encode()).hexdigest()}" == GOLDEN_DIGEST


def frame(rows: int = 1000) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    found = pd.DataFrame(
        {
            "f": rng.normal(size=rows),
            "i": rng.integers(-5, 100_000, rows),
            "s": rng.choice(["a", "ü", "long " * 30, ""], rows),
            "b": rng.random(rows) < 0.3,
            "t": pd.date_range("2026-01-01", periods=rows, freq="s"),
        }
    )
    found.loc[::7, "f"] = np.nan
    found.loc[::9, "s"] = None
    return found


@pytest.mark.parametrize(
    "change",
    [
        pl.from_pandas,
        lambda f: pl.from_pandas(f).lazy(),
        lambda f: pa.Table.from_pandas(f, preserve_index=False),
        lambda f: pa.Table.from_batches(
            pa.Table.from_pandas(f, preserve_index=False).to_batches(max_chunksize=17)
        ),
        lambda f: pa.Table.from_pandas(f, preserve_index=False).to_reader(max_chunksize=33),
        lambda f: f.set_index(pd.Index(range(5000, 5000 + len(f)))),
        lambda f: f.convert_dtypes(dtype_backend="pyarrow"),
        lambda f: f.convert_dtypes(dtype_backend="numpy_nullable"),
        lambda f: f.astype({"s": "category"}),
        lambda f: f.astype({"i": "int32"}),
        lambda f: f[["t", "s", "b", "i", "f"]],
        lambda f: f.to_dict(orient="list"),
        lambda f: f.to_dict(orient="records"),
    ],
    ids=(
        "polars lazy arrow chunked reader index pyarrow-types nullable category narrow reordered dict rows".split()
    ),
)
def test_what_holds_the_data_does_not_count(change: Callable[[pd.DataFrame], Any]) -> None:
    wanted = describe(frame(), name="it")
    found = describe(change(frame()), name="it")
    assert found.digest == wanted.digest
    columns = read_profile(found.profile).columns
    assert columns == {name: columns[name] for name in read_profile(wanted.profile).columns}
    assert columns == read_profile(wanted.profile).columns


def test_pieces_around_the_size_of_a_block_do_not_count() -> None:
    for rows in (BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1):
        table = pa.table({"x": np.arange(rows), "s": pa.array(["y"] * rows)})
        pieces = pa.concat_tables([table.slice(0, 3), table.slice(3, rows // 2), table.slice(3 + rows // 2)])
        assert describe(table, name="it") == describe(pieces, name="it")


def test_files_have_the_digest_of_their_content(tmp_path: Path) -> None:
    data = frame()
    wanted = digest(data)
    data.to_parquet(tmp_path / "one.parquet", row_group_size=100)
    pl.from_pandas(data).write_parquet(tmp_path / "two.parquet")
    data.set_index(pd.Index(range(7, 7 + len(data)), name="row")).to_parquet(tmp_path / "indexed.parquet")
    data.to_csv(tmp_path / "three.csv", index=False)
    for file in tmp_path.iterdir():
        assert digest(file) == wanted, file.name
        assert digest(str(file)) == wanted, file.name
    assert describe(tmp_path / "one.parquet", name="it").entry["source"] == str(tmp_path / "one.parquet")


def test_a_folder_is_all_its_files_in_order(tmp_path: Path) -> None:
    data = frame()
    folder = tmp_path / "parts"
    (folder / "day=2").mkdir(parents=True)
    data[:400].to_parquet(folder / "a.parquet")
    data[400:].to_parquet(folder / "day=2" / "b.parquet")
    (folder / "_SUCCESS").write_text("")
    (folder / "notes.txt").write_text("not a table")
    assert digest(folder) == digest(data)


def test_files_of_different_types_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,a\n2,b\n")
    (tmp_path / "b.csv").write_text("x,z\n1.5,c\n")
    assert digest(tmp_path) == digest({"x": [1.0, 2.0, 1.5], "y": ["a", "b", None], "z": [None, None, "c"]})


def test_a_query_is_its_rows() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (x integer, y text)")
    connection.executemany("insert into t values (?, ?)", [(i, f"row {i}") for i in range(10)])
    found = describe(Query("select x, y from t where x < ?", [5], connection), name="few")
    assert found.digest == digest({"x": [0, 1, 2, 3, 4], "y": [f"row {i}" for i in range(5)]})
    assert found.entry["source"] == "select x, y from t where x < ?"
    assert found.entry["parameters"] == [5]


def test_a_query_that_is_not_run_is_known_by_its_words() -> None:
    found = describe(Query("select * from t where day = :day", {"day": dt.date(2026, 1, 2)}), name="t")
    assert found.profile == b""
    assert found.entry["parameters"] == {"day": "2026-01-02"}
    assert "profile" not in found.entry
    assert digest(Query("select 1", [1])) != digest(Query("select 1", [2]))
    assert digest("SELECT 1") == digest(Query("SELECT 1"))


def test_what_differs_has_another_digest() -> None:
    data = frame(50)
    swapped = data.iloc[[1, 0, *range(2, 50)]]
    nudged = data.assign(f=np.nextafter(data["f"], 10))
    renamed = data.rename(columns={"f": "g"})
    zeros = data.assign(i=data["i"].map("{:07}".format))
    found = [digest(d) for d in (data, swapped, nudged, renamed, zeros, data[:-1])]
    assert len(set(found)) == len(found)


def test_zero_has_no_sign_and_nan_is_missing() -> None:
    assert digest({"x": [0.0, 1.0]}) == digest({"x": [-0.0, 1.0]})
    assert digest(pl.DataFrame({"x": [float("nan"), 1.0]})) == digest(pl.DataFrame({"x": [None, 1.0]}))
    assert digest({"x": [None, 1.0]}) != digest({"x": [0.0, 1.0]})


def test_arrays() -> None:
    values = np.arange(12.0).reshape(4, 3)
    assert digest(values) == digest(pd.DataFrame(values))
    assert digest(values) == digest(np.asfortranarray(values))
    assert digest(values[:, 0]) == digest({"0": values[:, 0]})
    images = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    assert digest(images) == digest(images.copy())
    assert digest(images) == digest(np.asfortranarray(images))
    assert digest(images) != digest(images[::-1])
    assert digest(images) != digest(images.reshape(4, 6, 5))
    assert digest(images) != digest(images.astype(np.int16))
    assert describe(images, name="it").entry["columns"] == ["uint8[5, 6]"]
    assert digest(images.astype(object)) == digest(images.astype(object).copy())
    assert describe(np.zeros((3, 0, 2)), name="it").entry["rows"] == 3
    records = np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f4")])
    assert digest(records) == digest({"a": [1], "b": [2.5]})


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame(),
        pd.DataFrame({"a": []}),
        pd.DataFrame({"a": pd.Series([], dtype="float64"), "b": pd.Series([], dtype="str")}),
        pd.DataFrame({"a": [None, None], "b": [np.nan, np.nan]}),
        pd.DataFrame({"a": [1, "two", 3.5, None, b"x", [1], {"k": 2}, {3, 1}]}),
        pd.DataFrame({"a": [[1, 2], [], None], "b": [{"x": 1}, {"x": None}, None]}),
        pd.DataFrame({"ünï": pd.Series(["\U0001f600", "\ud800 lone", "a\0b"], dtype=object)}),
        pd.DataFrame({"a": [np.inf, -np.inf, np.nan, 0.0]}),
        pd.DataFrame({"a": [decimal.Decimal("1.50"), decimal.Decimal("2")], "d": [dt.date(2026, 1, 1)] * 2}),
        pd.DataFrame({"a": [dt.time(1, 2), None], "b": [dt.timedelta(seconds=1), None]}),
        pd.DataFrame({"a": [2**70, 1]}),
        pd.DataFrame({"a": [1e308, 1e308, -1e308, 3.0]}),
        pd.DataFrame({"a": np.array([2**63, 2**64 - 1], dtype="uint64")}),
        pd.DataFrame({"a": pd.to_datetime(["2026-01-01"]).tz_localize("Europe/Berlin")}),
        pd.DataFrame({0: [1], 1: [2]}),
        pd.Series([1, 2], name="only"),
        pl.DataFrame({"a": [1.0, None]}).to_series(),
        pa.table({"a": pa.array([b"x", None]), "n": pa.nulls(2)}),
    ],
)
def test_odd_tables_are_described(data: Any) -> None:
    found = describe(data, name="odd")
    again = describe(data, name="odd")
    assert found == again
    profile = read_profile(found.profile)
    assert profile.rows == found.entry["rows"] == len(data)
    assert list(profile.columns) == found.entry["columns"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (object(), "not a table"),
        (np.float64(3), "single number"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "same name"),
        ({"a": [1], "b": [1, 2]}, "different lengths"),
        (Path("nowhere.csv"), "no file"),
        (pd.DataFrame({"a": [object(), 1]}), "no value to describe"),
    ],
)
def test_what_cannot_be_described_is_refused(data: Any, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        describe(data, name="it")


def test_files_that_hold_no_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2,3\n")
    for file in tmp_path.iterdir():
        with pytest.raises(Invalid, match="cannot be read"):
            describe(file, name="it")
    (tmp_path / "none").mkdir()
    with pytest.raises(Invalid, match="holds no CSV"):
        describe(tmp_path / "none", name="it")


def test_expected_data_passes_and_other_data_is_refused() -> None:
    wanted = digest({"x": [1, 2]})
    assert digest({"x": [1, 2]}, expect=wanted) == wanted
    assert digest({"x": [1, 2]}, expect=f"transactions@{wanted}") == wanted
    with pytest.raises(DatasetMismatch, match="not sha256:") as caught:
        describe({"x": [1, 3]}, name="it", expect=wanted)
    assert caught.value.fields["expected"] == wanted
    with pytest.raises(InvalidDigest):
        describe({"x": [1]}, name="it", expect="not a digest")


def test_columns_are_chosen_and_the_rest_is_said() -> None:
    found = describe(
        frame(),
        name="transactions",
        columns=["i", "f"],
        source="https://user:secret@data.example.org/t?token=1",
        filter="country = 'DE'",
        window=["2026-01-01", dt.date(2026, 2, 1)],
        split="train",
    )
    assert found.digest == digest(frame()[["f", "i"]])
    assert found.entry["columns"] == ["i", "f"]
    assert found.entry["source"] == "https://data.example.org/t"
    assert found.entry["window"] == ["2026-01-01", "2026-02-01"]
    assert found.entry["split"] == "train"
    with pytest.raises(Invalid, match="no column 'nothing'"):
        describe(frame(), name="it", columns=["nothing"])


@pytest.mark.parametrize("name", ["", " ", "a@b", "a:b", "a\nb", "x" * 201])
def test_names_that_no_reference_could_hold_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        describe({"x": [1]}, name=name)


def test_what_was_described_stays_as_it_was() -> None:
    found = describe({"x": [1]}, name="it")
    assert describe(found, name="other") is found
    with pytest.raises(DatasetMismatch):
        describe(found, name="other", expect=digest({"x": [2]}))
    assert isinstance(found, Described)


VALUES = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=30),
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=1, max_size=30),
    st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=1, max_size=30),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=1, max_size=30),
)


@settings(max_examples=60, deadline=None)
@given(values=VALUES, cut=st.integers(0, 30))
def test_polars_and_arrow_agree_on_any_column(values: list[Any], cut: int) -> None:
    column = pa.array(values)
    whole = pa.table({"x": column})
    parts = pa.table({"x": pa.chunked_array([column[:cut], column[cut:]], column.type)})
    wanted = describe(whole, name="it")
    assert describe(parts, name="it") == wanted
    if not pa.types.is_null(column.type):
        assert describe(pl.DataFrame({"x": values}), name="it") == wanted


def test_another_process_finds_the_same() -> None:
    code = (
        "import numpy as np; from modelyard.sdk.datasets import describe; "
        "x = np.random.default_rng(1).normal(size=5000); "
        "d = describe({'x': x, 's': [str(v)[:3] for v in x]}, name='it', keys=['s']); "
        "print(d.digest, d.entry['profile'])"
    )
    found = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(found) == 1


def test_the_writer_of_a_file_does_not_count(tmp_path: Path) -> None:
    times = pa.array([1_000, 2_000_000, None], pa.timestamp("ns"))
    table = pa.table({"x": pa.array(["a", "b", "a"]).dictionary_encode(), "t": times})
    pq.write_table(table, tmp_path / "a.parquet", compression="none", version="1.0", row_group_size=2)
    pq.write_table(table, tmp_path / "b.parquet", compression="zstd")
    assert digest(tmp_path / "a.parquet") == digest(tmp_path / "b.parquet")
