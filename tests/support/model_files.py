"""Model files as the libraries themselves write them, each built at most once a run."""

from __future__ import annotations

import io
import pickle
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.libraries import library


@cache
def training_data() -> tuple[Any, Any]:
    return library("sklearn.datasets").make_classification(200, 6, random_state=0)


@cache
def pipeline() -> Any:
    """A fitted scikit-learn pipeline of a scaler and a small forest."""
    from_sklearn = library("sklearn.pipeline")
    scaler = library("sklearn.preprocessing").StandardScaler()
    forest = library("sklearn.ensemble").RandomForestClassifier(5, random_state=0)
    return from_sklearn.make_pipeline(scaler, forest).fit(*training_data())


@cache
def logistic() -> Any:
    """A fitted scikit-learn pipeline of types that skops knows without trust."""
    scaler = library("sklearn.preprocessing").StandardScaler()
    regression = library("sklearn.linear_model").LogisticRegression()
    return library("sklearn.pipeline").make_pipeline(scaler, regression).fit(*training_data())


@cache
def network() -> Any:
    torch = library("torch")
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))


def _written(write: Any, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


@cache
def joblib_file(compress: Any) -> bytes:
    return _written(lambda path: library("joblib").dump(pipeline(), path, compress=compress), "m.joblib")


@cache
def pickle_file(protocol: int) -> bytes:
    return pickle.dumps(pipeline(), protocol)


@cache
def skops_file() -> bytes:
    return library("skops.io").dumps(pipeline())


@cache
def torch_file(kind: str, zipped: bool) -> bytes:
    torch = library("torch")
    state = network().state_dict()
    state["half"] = torch.ones(3, dtype=torch.bfloat16)
    content = {
        "state_dict": state,
        "checkpoint": {"epoch": 3, "state_dict": state, "optimizer": {"m": torch.ones(100)}},
        "module": network(),
    }[kind]
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


@cache
def safetensors_file() -> bytes:
    torch = library("torch")
    tensors = dict(network().state_dict(), half=torch.ones(3, dtype=torch.bfloat16))
    return library("safetensors.torch").save(tensors, {"format": "pt"})


@cache
def xgboost_file(suffix: str, trees: int = 5, booster: str = "gbtree") -> bytes:
    model = library("xgboost").XGBClassifier(n_estimators=trees, booster=booster, max_depth=3, n_jobs=1)
    model.fit(*training_data())
    return _written(model.save_model, f"m.{suffix}")


@cache
def lightgbm_file() -> bytes:
    model = library("lightgbm").LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(*training_data())
    return _written(model.booster_.save_model, "m.txt")


@cache
def onnx_from_sklearn() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        to_onnx = library("skl2onnx").to_onnx
        return to_onnx(pipeline(), training_data()[0][:1].astype("float32")).SerializeToString()


@cache
def onnx_with_weights() -> bytes:
    """y = x @ w + b, with one weight declared external."""
    library("onnx")
    from onnx import TensorProto, helper, numpy_helper

    numpy = library("numpy")
    weight = numpy_helper.from_array(numpy.ones((6, 3), "float32"), "w")
    bias = TensorProto(name="b", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    bias.external_data.add(key="location", value="../weights.bin")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Add", ["h", "b"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [weight, bias],
    )
    return helper.make_model(graph, producer_name="by hand", ir_version=10).SerializeToString()


@cache
def gguf_file() -> bytes:
    gguf, numpy = library("gguf"), library("numpy")

    def write(path: Path) -> None:
        writer = gguf.GGUFWriter(str(path), "llama")
        writer.add_context_length(2048)
        writer.add_license("apache-2.0")
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list([f"t{i}" for i in range(300)])
        writer.add_token_scores([0.5] * 300)
        writer.add_file_type(7)
        kind = gguf.GGMLQuantizationType.Q8_0
        plain = numpy.ones((4, 64), "float32")
        writer.add_tensor("plain", plain)
        writer.add_tensor("quantised", gguf.quantize(plain, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    return _written(write, "m.gguf")


def every_file() -> dict[str, bytes]:
    """One of each kind, by a path that its reader takes."""
    return {
        "m.safetensors": safetensors_file(),
        "m.gguf": gguf_file(),
        "weights.onnx": onnx_with_weights(),
        "sklearn.onnx": onnx_from_sklearn(),
        "m.pkl": pickle_file(5),
        "old.pkl": pickle_file(0),
        "m.joblib": joblib_file(0),
        "small.joblib": joblib_file(3),
        "state.pt": torch_file("state_dict", True),
        "old.pt": torch_file("checkpoint", False),
        "m.json": xgboost_file("json"),
        "m.ubj": xgboost_file("ubj"),
        "m.txt": lightgbm_file(),
        "m.skops": skops_file(),
    }
