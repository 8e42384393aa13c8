"""Requests in the words of each protocol: what adds up is read, and what does not is refused with a sentence."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.scorer.columns import Columns
from modelyard.scorer.frames import JSON, Tensor
from modelyard.scorer.protocols import rows, v2
from modelyard.scorer.protocols.base import Call, Names, Told
from modelyard.scorer.refusals import Refusal

NAMES = Names("fraud/cards", "fraud--cards", "fraud/scorer:12", "12", 3)
NUMBERS = {"inputs": [{"name": name, "dtype": "float64", "shape": [None]} for name in ("age", "income")]}
TEXTS = {"inputs": [{"name": "text", "dtype": "string", "shape": [None]}]}


class Target:
    def __init__(self, signature: Any = None) -> None:
        self.columns = Columns(signature or NUMBERS)
        self.methods = ["predict", "predict_proba"]


def told(body: Any, query: str = "", **headers: str) -> Told:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Told(raw, lambda name: headers.get(name.decode().replace("-", "_"), ""), query, "id-1", NAMES)


def infer(body: Any, raw: bytes = b"", signature: Any = None, length: int | str | None = None) -> Call:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = (
        {}
        if length is None and not raw
        else {"inference_header_content_length": str(len(text) if length is None else length)}
    )
    return v2.read(told(text + raw, **headers), Target(signature))


def tensor(**changes: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4], **changes}]}


OUTPUT = [Tensor("output", "int64", (), struct.pack("<2q", 7, 8))]


def test_v2_in_json() -> None:
    for data in ([1, 2, 3, 4], [[1, 2], [3, 4]]):
        call = infer({"id": "q", **tensor(data=data)})
        assert call.inputs.tensors[0].nested() == [[1, 2], [3, 4]]
    body, kind, headers = call.write(OUTPUT)
    assert json.loads(body) == {
        "model_name": "fraud--cards",
        "model_version": "12",
        "id": "q",
        "outputs": [{"name": "output", "datatype": "INT64", "shape": [2], "data": [7, 8]}],
    }
    assert (kind, headers) == ("application/json", b"")
    assert json.loads(infer(tensor()).write(OUTPUT)[0])["id"] == "id-1", "one is made where there is none"


def test_v2_in_binary_both_ways() -> None:
    raw = struct.pack("<4f", 1, 2, 3, 4)
    asked = tensor(datatype="FP32", parameters={"binary_data_size": 16})
    del asked["inputs"][0]["data"]
    call = infer({**asked, "parameters": {"binary_data_output": True}}, raw)
    assert call.inputs.tensors[0].nested() == [[1, 2], [3, 4]]
    body, kind, headers = call.write(OUTPUT)
    length = int(headers.partition(b":")[2])
    assert (kind, body[length:]) == ("application/octet-stream", OUTPUT[0].data)
    one = infer({**asked, "outputs": [{"name": "output", "parameters": {"binary_data": True}}]}, raw)
    assert one.write(OUTPUT)[0].endswith(OUTPUT[0].data)


def test_v2_texts_have_their_length_before_them() -> None:
    texts = b"".join(struct.pack("<I", len(text)) + text for text in (b"a", "ä".encode()))
    asked = {
        "inputs": [
            {"name": "text", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(texts)}}
        ]
    }
    assert infer(asked, texts, TEXTS).inputs.tensors[0].data == ["a", "ä"]
    labels = [Tensor("label", JSON, (), ["x", {"a": 1}])]
    body, _, _ = infer({**asked, "parameters": {"binary_data_output": True}}, texts, TEXTS).write(labels)
    assert body.endswith(struct.pack("<I", 1) + b"x" + struct.pack("<I", 7) + b'{"a":1}')


def test_v2_outputs_are_chosen_by_name() -> None:
    assert infer({**tensor(), "outputs": [{"name": "predict_proba"}]}).method == "predict_proba"
    call = infer({**tensor(), "outputs": [{"name": "other"}]})
    with pytest.raises(Refusal, match="there is output"):
        call.write(OUTPUT)


RAW = struct.pack("<4d", 1, 2, 3, 4)
BINARY = {"datatype": "FP64", "data": None, "parameters": {"binary_data_size": 32}}


@pytest.mark.parametrize(
    ("body", "raw", "length"),
    [
        (tensor(shape=[2, 3]), b"", None),
        (tensor(shape=[-2, -2]), b"", None),
        (tensor(shape=[2**40, 2**40]), b"", None),
        (tensor(shape=[1] * 40), b"", None),
        (tensor(shape=[4]), b"", None),
        (tensor(shape=[]), b"", None),
        (tensor(shape=[0, 2], data=[]), b"", None),
        (tensor(datatype="BF16"), b"", None),
        (tensor(datatype="BOOL"), b"", None),
        (tensor(data="1234"), b"", None),
        (tensor(data=[[1, 2], [3, [[4]]]], shape=[2, 3]), b"", None),
        (tensor(data=None), b"", None),
        ({"inputs": []}, b"", None),
        ({"inputs": [*tensor()["inputs"], *tensor()["inputs"]]}, b"", None),
        (b"[" * 50_000, b"", None),
        (b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[NaN,1]}]}', b"", None),
        (tensor(**BINARY), RAW[:-1], None),
        (tensor(**BINARY), RAW + b"x", None),
        (tensor(**{**BINARY, "parameters": {"binary_data_size": 2**62}}), RAW, None),
        (tensor(**{**BINARY, "parameters": {"binary_data_size": -32}}), RAW, None),
        (tensor(**{**BINARY, "parameters": {"binary_data_size": True}}), b"x", None),
        (tensor(**{**BINARY, "data": [1]}), RAW, None),
        (tensor(**{**BINARY, "shape": [1, 2]}), RAW, None),
        (tensor(**BINARY), RAW, "1e3"),
        (tensor(**BINARY), RAW, 10**9),
        (tensor(**BINARY), RAW, 3),
        (
            {
                "inputs": [
                    {"name": name, "shape": [2], **BINARY, "parameters": {"binary_data_size": 24}}
                    for name in ("age", "income")
                ]
            },
            RAW,
            None,
        ),
    ],
)
def test_v2_hostile_tensors_are_refused(body: Any, raw: bytes, length: Any) -> None:
    with pytest.raises(Refusal) as caught:
        infer(body, raw, length=length)
    assert caught.value.status in (400, 413)
    assert len(caught.value.text) > 10


@pytest.mark.parametrize(
    "piece", [b"\x05\0\0\0abc", b"\x05\0", struct.pack("<I", 1) + b"\xff", struct.pack("<I", 2**31) + b"a"]
)
def test_v2_texts_that_lie_are_refused(piece: bytes) -> None:
    asked = {
        "inputs": [
            {"name": "text", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(piece)}}
        ]
    }
    with pytest.raises(Refusal):
        infer(asked, piece, TEXTS)


@given(
    st.binary(max_size=60),
    st.one_of(st.none(), st.integers(-5, 80)),
    st.integers(0, 40),
    st.lists(st.integers(-2, 5), max_size=3),
)
def test_v2_any_bytes_are_read_or_refused(raw: bytes, length: int | None, size: int, shape: list[int]) -> None:
    body = tensor(shape=shape, data=None, parameters={"binary_data_size": size})
    status, rows_ = 200, 0
    try:
        rows_ = infer(body, raw, length=length).inputs.rows
    except Refusal as refusal:
        status = refusal.status
    assert status in (400, 413) or len(raw) == size == 8 * rows_ * 2


def test_rows_as_people_type_them() -> None:
    one = rows.read_typed(told({"age": 41, "income": 2}), Target())
    body, _, _ = one.write([OUTPUT[0].part(0, 1)])
    assert json.loads(body) == {
        "prediction": 7,
        "prediction_id": "id-1",
        "deployment": "fraud/cards",
        "model": "fraud/scorer:12",
        "revision": 3,
    }
    many = rows.read_typed(told([{"age": 41, "income": 2}, [1, 2]], "output=predict_proba"), Target())
    assert many.method == "predict_proba"
    assert json.loads(many.write(OUTPUT)[0])["predictions"] == [7, 8]
    for body_, query in (
        (b"", ""),
        (b"3", ""),
        (b"{", ""),
        ([{}], ""),
        ({"age": 1, "income": 2}, "x=1"),
        ([[1, 2]], "output=transform"),
    ):
        with pytest.raises(Refusal) as caught:
            rows.read_typed(told(body_, query), Target())
        assert caught.value.status == 400


def test_several_outputs_have_names() -> None:
    outputs = [
        Tensor("label", JSON, (), ["a", "b"]),
        Tensor("p", "float64", (2,), struct.pack("<4d", 1, 2, 3, 4)),
    ]
    call = rows.read_v1(told({"instances": [[1, 2], [3, 4]]}), Target())
    assert json.loads(call.write(outputs)[0]) == {
        "predictions": [{"label": "a", "p": [1, 2]}, {"label": "b", "p": [3, 4]}]
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"instances": 3},
        {"dataframe_split": [], "instances": []},
        {"dataframe_split": {"data": 3}},
        {"dataframe_split": {"columns": "age", "data": [[1, 2]]}},
        {"dataframe_split": {"columns": ["age", "age"], "data": [[1, 2]]}},
        {"dataframe_split": {"columns": ["age", "income"], "data": [[1]]}},
        {"inputs": {"age": [1, 2], "income": [1]}},
        {"inputs": {"age": 1, "income": 2}},
        {"instances": [[1, 2]], "params": {"temperature": 1}},
    ],
)
def test_invocations_that_do_not_add_up_are_refused_in_mlflows_words(body: Any) -> None:
    with pytest.raises(Refusal) as caught:
        rows.read_invocations(told(body), Target())
    assert rows.mlflow_refusal(caught.value) == {"error_code": "BAD_REQUEST", "message": caught.value.text}


def test_invocations_read_json_alone() -> None:
    with pytest.raises(Refusal) as caught:
        rows.read_invocations(told(b"a,b", content_type="text/csv"), Target())
    assert caught.value.status == 415
