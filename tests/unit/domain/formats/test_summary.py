"""One summary from many files, as a table of cases."""

from __future__ import annotations

from typing import Any

from modelyard.domain.canonical import canonical_json
from modelyard.domain.formats import FormatFacts, TensorFact, summarise


def weights(kind: str, parameters: int, *names: str, **more: Any) -> FormatFacts:
    tensors = tuple(TensorFact(n, "float32", (1,)) for n in names)
    count = len(names) or None
    return FormatFacts(
        kind,
        10,
        parameters=parameters,
        tensor_count=count,
        tensors=tensors,
        dtypes={"float32": parameters},
        **more,
    )


CONFIG = FormatFacts("transformers-config", 10, framework="transformers", architecture="BertModel")


def test_nothing() -> None:
    assert summarise({}) == {}


def test_shards_are_added_and_the_config_names_the_framework() -> None:
    summary = summarise(
        {
            "config.json": CONFIG,
            "model-00001-of-00002.safetensors": weights("safetensors", 100, "a", "b", framework="pytorch"),
            "model-00002-of-00002.safetensors": weights("safetensors", 50, "c", framework="pytorch"),
            "pytorch_model.bin": weights("torch", 150, "a", "b", "c"),
        }
    )
    assert summary == {
        "framework": "transformers",
        "format": "safetensors",
        "parameters": 150,
        "tensor_count": 3,
        "dtypes": {"float32": 150},
        "architecture": "BertModel",
    }


def test_another_precision_of_the_same_tensors_counts_once() -> None:
    same = {
        "m.safetensors": weights("safetensors", 9, "a"),
        "m.fp16.safetensors": weights("safetensors", 9, "a"),
    }
    assert summarise(same)["parameters"] == 9
    apart = {f"{folder}/m.safetensors": weights("safetensors", 9, "a") for folder in ("unet", "vae")}
    assert summarise(apart)["parameters"] == 18


def test_of_several_gguf_files_the_largest_group_counts() -> None:
    files = {
        "q4.gguf": weights("gguf", 7, "a"),
        "q8-00001-of-00002.gguf": weights("gguf", 5, "a"),
        "q8-00002-of-00002.gguf": weights("gguf", 5, "b"),
    }
    assert summarise(files)["parameters"] == 10


def test_licence_of_the_card_comes_first() -> None:
    card = FormatFacts("model-card", 1, licence="MIT")
    text = FormatFacts("licence", 1, licence="Apache-2.0")
    inside = weights("gguf", 1, licence="CC0-1.0")
    assert summarise({"README.md": card, "LICENSE": text, "m.gguf": inside})["licence"] == "MIT"
    assert summarise({"LICENSE": text, "m.gguf": inside})["licence"] == "Apache-2.0"
    assert summarise({"m.gguf": inside})["licence"] == "CC0-1.0"


def test_loader_file_speaks_for_the_signature() -> None:
    signature = {"inputs": [{"name": "a", "dtype": "float64"}], "outputs": []}
    loader = FormatFacts("modelyard-loader", 1, framework="pytorch", architecture="Net", signature=signature)
    summary = summarise({"modelyard.json": loader, "m.safetensors": weights("safetensors", 3, "w")})
    assert (summary["framework"], summary["architecture"], summary["signature"]) == (
        "pytorch",
        "Net",
        signature,
    )


def test_problems_name_their_file() -> None:
    files = {f"{i}.pkl": FormatFacts("pickle", 1, problems=("broken",) * 3) for i in range(40)}
    summary = summarise(files)
    assert summary["problems"][0] == "0.pkl: broken"
    assert len(summary["problems"]) == 50
    canonical_json(summary)
