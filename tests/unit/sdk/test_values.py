"""Errors rebuilt, metrics and params as JSON, notebook tables, and what importing costs."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pytest

from modelyard.domain import errors
from modelyard.domain.errors import Invalid, Kind, ModelyardError, all_errors
from modelyard.domain.secrets import mask
from modelyard.sdk.errors import PROBLEM_TYPE, error_from_answer, error_from_problem
from modelyard.sdk.http import query_text
from modelyard.sdk.pull import checked_manifest
from modelyard.sdk.values import metric_facts, metrics_to_json, number, plain
from modelyard.sdk.views import Version
from modelyard.wire.base import Problem
from modelyard.wire.catalog import ModelQuery
from tests.support.libraries import library


def problem(code: str, kind: str) -> Problem:
    return Problem(
        type="t", title="t", status=400, detail="words", code=code, kind=kind, fix="do", fields={"a": 1}
    )


@pytest.mark.parametrize("code", sorted(all_errors()))
def test_every_class_comes_back_from_its_code(code: str) -> None:
    wanted = all_errors()[code]
    found = error_from_problem(problem(code, wanted.kind.value))
    assert type(found) is wanted
    assert (found.message, found.fix, found.fields) == ("words", "do", {"a": 1})


@pytest.mark.parametrize("kind", [kind.value for kind in Kind])
def test_an_unknown_code_becomes_the_class_of_its_kind(kind: str) -> None:
    found = error_from_problem(problem("of_a_newer_server", kind))
    assert found.kind.value == kind
    assert type(found).__mro__[1] is ModelyardError


def test_what_no_registry_wrote_is_said_to_be_so() -> None:
    for content_type, body in (("text/html", b"<h1>login</h1>"), (PROBLEM_TYPE, b"{}"), (PROBLEM_TYPE, b"x")):
        found = error_from_answer("http://proxy", 502, content_type, body)
        assert isinstance(found, errors.UnexpectedAnswer)


def test_numbers_that_are_not_finite_have_words() -> None:
    found = metrics_to_json({"a": math.nan, "b": math.inf, "c": -math.inf, "d": np.float32(0.5), "e": 1})
    assert [metric["value"] for metric in found] == ["NaN", "Infinity", "-Infinity", 0.5, 1.0]


def test_a_metric_that_is_no_number_is_refused() -> None:
    with pytest.raises(errors.Invalid):
        metrics_to_json({"a": "good"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(3), 3),
        (np.array([1, 2]), [1, 2]),
        (np.bool_(True), True),
        (math.inf, "Infinity"),
        ({"a": (1, None)}, {"a": [1, None]}),
        (2**70, str(2**70)),
        (int, "<class 'int'>"),
        ("text", "text"),
    ],
)
def test_params_become_json(value: object, expected: object) -> None:
    assert plain(value) == expected


def version(**changes: object) -> Version:
    base = {
        "model": "a/b",
        "version": 1,
        "reference": "a/b:1",
        "digest": "sha256:00",
        "commit": "00",
        "record_digest": "sha256:00",
        "state": "ready",
        "description": "",
        "tags": {},
        "aliases": [],
        "size_bytes": 2048,
        "file_count": 1,
        "created_at": "now",
        "created_by": "ann",
        "updated_at": "now",
        "revision": 1,
        "metrics": [],
        "params": {},
        "format": {},
        "completeness": 0.5,
        "missing": [],
    }
    return msgspec.convert({**base, **changes}, Version)


def test_a_notebook_shows_a_table_and_runs_nothing_in_it() -> None:
    shown = version(description="<script>alert(1)</script>", tags={"<b>": "<i>"})._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert "<b>=" not in shown
    assert "2.048 kB" in shown


def test_a_query_repeats_lists_and_leaves_defaults_out() -> None:
    query = ModelQuery(q="a b", tag=["x=1", "y"], archived=True)
    assert query_text(query) == "?q=a+b&tag=x%3D1&tag=y&archived=true"
    assert query_text(ModelQuery()) == ""


def test_no_text_keeps_a_token() -> None:
    told = mask(f"sent mdy_user_abcdefghijk and hf_{'a1B2' * 10}")
    assert told == "sent mdy_user_*** and hf_***"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"layers": 5}', b'{"layers": [{}]}', b'{"layers": [{"digest": "x"}]}', b"\xff"],
)
def test_a_manifest_of_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(errors.InvalidManifest):
        checked_manifest(body)


def test_importing_takes_no_server_library_and_no_framework() -> None:
    code = (
        "import sys, modelyard as my; before = set(sys.modules); my.push, my.Client; "
        "import modelyard.cli.main; print(' '.join({m.partition('.')[0] for m in sys.modules})); "
        "print('urllib3' in before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, early = done.stdout.splitlines()
    unwanted = {
        "sqlalchemy",
        "starlette",
        "uvicorn",
        "numpy",
        "pandas",
        "sklearn",
        "torch",
        "alembic",
        "obstore",
    }
    assert not unwanted & set(loaded.split())
    # The package alone loads nothing but itself.
    assert early == "False"


@pytest.mark.parametrize(
    "value",
    [
        np.array([0.25]),
        np.array([[0.25]]),
        np.array(0.25),
        np.float32(0.25),
        pd.Series([0.25]),
        pl.Series([0.25]),
    ],
    ids="one one-by-one zero-dimensional scalar pandas polars".split(),
)
def test_an_array_of_one_element_is_a_metric(value: object) -> None:
    assert number(value) == 0.25
    assert metrics_to_json({"test:acc": value}) == [{"name": "acc", "split": "test", "value": 0.25}]


@pytest.mark.parametrize(
    "value", [np.array([0.1, 0.2]), pd.Series([0.1, 0.2]), np.array([]), "high", None, [0.1]]
)
def test_what_is_not_one_number_is_refused(value: object) -> None:
    with pytest.raises(Invalid, match="not a number"):
        metrics_to_json({"acc": value})


def test_a_param_that_contains_itself_is_refused_in_words() -> None:
    endless: dict[str, object] = {}
    endless["again"] = [endless]
    with pytest.raises(Invalid, match="contains itself"):
        plain(endless)
    assert plain({"a": [{"b": (1, 2)}]}) == {"a": [{"b": [1, 2]}]}


def test_impossible_values_stay_with_their_run() -> None:
    assert metric_facts({"test:f1": 7.0, "train:loss": -3.0, "auc": 0.9}) == [
        {"name": "auc", "value": 0.9},
        {"name": "loss", "split": "train", "value": -3.0},
    ]


def test_a_loss_that_still_learns_is_a_number_without_a_warning() -> None:
    torch = library("torch")
    loss = (torch.ones(1, requires_grad=True) * 2).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert number(loss) == 2.0
