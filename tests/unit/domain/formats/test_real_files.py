"""Facts of files that the libraries themselves wrote."""

from __future__ import annotations

import io
import json
import pickle

import pytest

from modelyard.domain.canonical import canonical_json
from modelyard.domain.formats import BytesSource, FormatFacts, read_facts
from tests.support import model_files
from tests.support.libraries import library


def facts_of(path: str, data: bytes) -> FormatFacts:
    facts = read_facts(path, BytesSource(data))
    assert facts is not None
    return facts


def test_safetensors() -> None:
    facts = facts_of("m.safetensors", model_files.safetensors_file())
    assert (facts.format, facts.framework, facts.problems) == ("safetensors", "pytorch", ())
    assert (facts.parameters, facts.tensor_count) == (77, 5)
    assert facts.dtypes == {"float32": 74, "bfloat16": 3}
    assert {(t.name, t.dtype, t.shape) for t in facts.tensors} >= {("0.weight", "float32", (8, 6))}
    assert facts.details["metadata"] == {"format": "pt"}


def test_gguf() -> None:
    facts = facts_of("m.gguf", model_files.gguf_file())
    assert (facts.framework, facts.architecture, facts.licence) == ("gguf", "llama", "Apache-2.0")
    assert facts.dtypes == {"float32": 256, "Q8_0": 256}
    assert facts.tensors[0].shape == (4, 64)
    assert facts.problems == ()
    wanted = {"quantization": "Q8_0", "context_length": 2048, "tokenizer": "gpt2", "vocabulary_size": 300}
    assert facts.details.items() >= wanted.items()


def test_onnx_signature_of_a_scikit_learn_pipeline() -> None:
    facts = facts_of("m.onnx", model_files.onnx_from_sklearn())
    assert facts.framework == "onnx"
    assert facts.details["producer"] == "skl2onnx"
    assert facts.signature is not None
    assert facts.signature["inputs"] == [{"name": "X", "dtype": "float32", "shape": [None, 6]}]
    assert facts.signature["outputs"] == [
        {"name": "output_label", "dtype": "int64", "shape": [None]},
        {"name": "output_probability", "dtype": "sequence(map(int64, float32))"},
    ]


def test_onnx_weights_and_external_data() -> None:
    facts = facts_of("m.onnx", model_files.onnx_with_weights())
    assert (facts.parameters, facts.tensor_count, facts.dtypes) == (21, 2, {"float32": 21})
    assert facts.architecture == "linear"
    assert facts.signature == {
        "inputs": [{"name": "x", "dtype": "float32", "shape": ["batch", 6]}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": ["batch", 3]}],
    }
    assert facts.details["external_files"] == ["../weights.bin"]
    assert facts.problems == ("external data lies outside the model's folder",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_scikit_learn(protocol: int) -> None:
    facts = facts_of("m.pkl", model_files.pickle_file(protocol))
    assert (facts.format, facts.framework, facts.problems) == ("pickle", "scikit-learn", ())
    assert facts.details["class"] == "sklearn.pipeline.Pipeline"
    assert facts.details["framework_version"] == library("sklearn").__version__
    assert facts.details["protocol"] == (protocol if protocol >= 2 else 0)
    assert "sklearn.ensemble._forest.RandomForestClassifier" in facts.details["globals"]


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_joblib_with_its_raw_arrays(compress: object) -> None:
    facts = facts_of("m.joblib", model_files.joblib_file(compress))
    assert (facts.format, facts.framework, facts.problems) == ("joblib", "scikit-learn", ())
    assert facts.details["class"] == "sklearn.pipeline.Pipeline"


def test_joblib_with_an_array_of_objects() -> None:
    numpy = library("numpy")
    encoder = library("sklearn.preprocessing").OneHotEncoder()
    encoder.fit(numpy.array([["a", "b"], ["c", "d"]], dtype=object))
    buffer = io.BytesIO()
    library("joblib").dump(encoder, buffer)
    facts = facts_of("m.joblib", buffer.getvalue())
    assert (facts.architecture, facts.details["features"], facts.problems) == ("OneHotEncoder", 2, ())


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(("kind", "parameters"), [("state_dict", 77), ("checkpoint", 77), ("module", 74)])
def test_torch(kind: str, zipped: bool, parameters: int) -> None:
    facts = facts_of("m.pt", model_files.torch_file(kind, zipped))
    assert (facts.framework, facts.parameters, facts.problems) == ("pytorch", parameters, ())
    assert facts.format == ("torch" if zipped else "torch-legacy")
    assert facts.dtypes["float32"] == 74
    if kind == "module":
        assert facts.architecture == "Sequential"
    else:
        assert facts.tensors[0].name == "0.weight"


@pytest.mark.parametrize("booster", ["gbtree", "dart"])
@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_xgboost(suffix: str, booster: str) -> None:
    facts = facts_of(f"m.{suffix}", model_files.xgboost_file(suffix, booster=booster))
    assert (facts.framework, facts.format, facts.problems) == ("xgboost", f"xgboost-{suffix}", ())
    wanted = {"objective": "binary:logistic", "features": 6, "trees": 5, "booster": booster}
    assert facts.details.items() >= wanted.items()
    assert facts.details["framework_version"] == library("xgboost").__version__


def test_large_xgboost_json_is_read_at_its_ends_only() -> None:
    data = model_files.xgboost_file("json", trees=1600)
    assert len(data) > 800_000
    facts = facts_of("m.json", data)
    assert facts.details.items() >= {"objective": "binary:logistic", "features": 6, "trees": 1600}.items()
    assert facts.details["booster"] == "gbtree"


def test_lightgbm() -> None:
    facts = facts_of("m.txt", model_files.lightgbm_file())
    assert (facts.framework, facts.format, facts.problems) == ("lightgbm", "lightgbm-text", ())
    wanted = {"objective": "binary", "classes": 1, "features": 6, "trees": 5}
    assert facts.details.items() >= wanted.items()
    assert facts.details["feature_names"] == [f"Column_{i}" for i in range(6)]


def test_skops() -> None:
    facts = facts_of("m.skops", model_files.skops_file())
    assert (facts.framework, facts.architecture, facts.problems) == ("scikit-learn", "Pipeline", ())
    assert "sklearn.tree._tree.Tree" in facts.details["types"]


def test_pickled_wrappers_name_their_framework() -> None:
    data = model_files.training_data()
    model = library("xgboost").XGBClassifier(n_estimators=2, n_jobs=1).fit(*data)
    assert facts_of("x.pkl", pickle.dumps(model)).framework == "xgboost"
    assert facts_of("x.pkl", pickle.dumps({"model": model})).framework == "xgboost"


def test_every_fact_survives_json_and_stays_small() -> None:
    for path, data in model_files.every_file().items():
        facts = facts_of(path, data)
        encoded = canonical_json(facts.to_json())
        assert FormatFacts.from_json(json.loads(encoded)) == facts
        assert len(encoded) < 16_000, path
