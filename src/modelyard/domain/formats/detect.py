"""Which reader a file gets: by name first (cheap), then by its first bytes."""

from __future__ import annotations

from collections.abc import Callable

from modelyard.domain.formats import (
    card,
    gguf,
    keras,
    licence,
    lightgbm,
    loader,
    onnx,
    pickle,
    safetensors,
    skops,
    transformers_config,
    xgboost,
)
from modelyard.domain.formats.facts import Draft, FormatFacts
from modelyard.domain.formats.ranged import (
    Malformed,
    OverBudget,
    Source,
    compression_of,
    read_exactly,
)

Reader = Callable[[Source, Draft], None]

_HEAD_BYTES = 512
_BY_SUFFIX: dict[str, Reader] = {
    "safetensors": safetensors.read,
    "gguf": gguf.read,
    "onnx": onnx.read,
    "skops": skops.read,
    "keras": keras.read,
    "h5": keras.read_hdf5,
    "hdf5": keras.read_hdf5,
}
_PICKLES = frozenset({"pkl", "pickle", "joblib", "pt", "pth", "ckpt"})
_BY_CONTENT = frozenset({"json", "ubj", "txt", "lgb", "model", "bin", "bst", "xgb"})
_NAMES: dict[str, Reader] = {
    "config.json": transformers_config.read,
    "readme.md": card.read,
    "modelyard.json": loader.read,
}
_LICENCES = frozenset({"license", "licence", "copying", "unlicense"})
_NOT_MODELS = frozenset(
    {
        "requirements.txt", "vocab.txt", "merges.txt", "tokenizer.json", "tokenizer_config.json", "vocab.json",
        "special_tokens_map.json", "generation_config.json", "added_tokens.json", "tokenizer.model",
        "training_args.bin", "optimizer.pt", "scheduler.pt",
    }
)  # fmt: skip


def reader_of(path: str) -> str | None:
    """The word for how a file of this name is read; None when its name promises no facts.

    Facts are a function of this word and of the bytes: two names with one word give the same bytes the same facts.
    """
    name = _name(path)
    if name in _NOT_MODELS or name.endswith(".index.json"):
        return None
    if name in _NAMES or name == "saved_model.pb":
        return name
    if _is_licence(name):
        return "licence"
    suffix = _suffix(name)
    return suffix if suffix in _BY_SUFFIX or suffix in _PICKLES or suffix in _BY_CONTENT else None


def needs_reading(path: str) -> bool:
    """Whether the name promises facts; False costs nothing, True costs one small read at least."""
    return reader_of(path) is not None


def read_facts(path: str, source: Source) -> FormatFacts | None:
    """The facts of one file; None when it is of no format that is read.

    Nothing in the file raises: its faults are in `problems`. What the source itself raises is not caught.
    """
    if not needs_reading(path):
        return None
    draft = Draft(format="unknown", size_bytes=source.size_bytes)
    try:
        reader = _choose(_name(path), source)
        if reader is None:
            return None
        draft.details["suffix"] = _suffix(_name(path))
        reader(source, draft)
    except OverBudget as error:
        draft.note_truncated("stream")
        draft.details["stopped"] = str(error)
    except Malformed as error:
        draft.problems.append(str(error))
    draft.details.pop("suffix", None)
    return None if draft.not_this_format else draft.finish()


def _choose(name: str, source: Source) -> Reader | None:
    suffix = _suffix(name)
    if name in _NAMES:
        return _NAMES[name]
    if _is_licence(name):
        return licence.read
    if name == "saved_model.pb":
        return _saved_model
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    if suffix in _PICKLES:
        return pickle.read
    return _by_content(read_exactly(source, 0, min(_HEAD_BYTES, source.size_bytes)), suffix)


def _by_content(head: bytes, suffix: str) -> Reader | None:
    if xgboost.looks_like_json(head):
        return xgboost.read_json
    if xgboost.looks_like_ubj(head):
        return xgboost.read_ubj
    if lightgbm.looks_like_lightgbm(head):
        return lightgbm.read
    if head[:4] == b"GGUF":
        return gguf.read
    if suffix in ("bin", "model"):
        is_pickle = head[:1] == b"\x80" and head[1:2] <= b"\x08"
        if is_pickle or head[:4] == b"PK\x03\x04" or compression_of(head) is not None:
            return pickle.read
    return None


def _saved_model(source: Source, draft: Draft) -> None:
    """TensorFlow's SavedModel is known by its file name alone; its graph is not walked."""
    draft.format, draft.framework = "saved-model", "tensorflow"


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1].lower()


def _suffix(name: str) -> str:
    """The last suffix, before one of a compression (`model.pkl.gz` → `pkl`)."""
    parts = name.split(".")
    if len(parts) > 2 and parts[-1] in ("gz", "z", "bz2", "xz", "lzma"):
        return parts[-2]
    return parts[-1] if len(parts) > 1 else ""


def _is_licence(name: str) -> bool:
    stem, _, suffix = name.partition(".")
    return stem.partition("-")[0] in _LICENCES and suffix in ("", "txt", "md", "rst")
