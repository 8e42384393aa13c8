"""config.json of a transformers model: which architecture the weights next to it belong to."""

from __future__ import annotations

from modelyard.domain.formats.facts import Draft
from modelyard.domain.formats.ranged import MIB, OverBudget, Source, load_json, read_exactly

MAX_CONFIG_BYTES = 4 * MIB
_DETAILS = (
    "model_type", "transformers_version", "hidden_size", "num_hidden_layers", "num_attention_heads",
    "vocab_size", "max_position_embeddings",
)  # fmt: skip


def read(source: Source, draft: Draft) -> None:
    draft.format = "transformers-config"
    if source.size_bytes > MAX_CONFIG_BYTES:
        raise OverBudget(f"a config of {source.size_bytes} bytes is not read")
    config = load_json(read_exactly(source, 0, source.size_bytes), "config.json")
    if not isinstance(config, dict) or not ("model_type" in config or "architectures" in config):
        draft.not_this_format = True
        return
    draft.framework = "transformers"
    architectures = config.get("architectures")
    if isinstance(architectures, list):
        names = [x for x in architectures if isinstance(x, str)]
        draft.details["architectures"] = names
        draft.architecture = names[0] if names else None
    for key in _DETAILS:
        if isinstance(config.get(key), (str, int)):
            draft.details[key] = config[key]
    # transformers 5 writes `dtype` where 4 wrote `torch_dtype`.
    dtype = config.get("dtype", config.get("torch_dtype"))
    if isinstance(dtype, str):
        draft.details["torch_dtype"] = dtype
    if config.get("auto_map"):
        draft.details["needs_own_code"] = True
    quantization = config.get("quantization_config")
    if isinstance(quantization, dict) and isinstance(quantization.get("quant_method"), str):
        draft.details["quantization"] = quantization["quant_method"]
