"""Choose the reader of a file: by its name first (cheap), then by its first bytes."""

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
    pointers,
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
_ONLY_AS_POINTERS = frozenset(
    {
        "dvc", "npy", "npz", "msgpack", "tflite", "pb", "mlmodel", "engine", "plan", "cbm", "pdparams", "params",
        "tar", "zip", "7z", "data", "onnx_data", "weights", "mar", "nemo", "rknn", "mnn",
    }
)  # fmt: skip
"""Names without facts; a small file of such a name is read, since it may be a pointer."""
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
    """Return the reader for a file of this name; None if files of such a name have no facts.

    Facts depend only on the reader and the bytes: the same bytes under two names with one reader have the same facts.
    """
    name = _name(path)
    if name.endswith(".index.json"):
        return "index"
    if name in _NOT_MODELS:
        return None
    if name in _NAMES or name == "saved_model.pb":
        return name
    if _is_licence(name):
        return "licence"
    suffix = _suffix(name)
    if suffix in _BY_SUFFIX or suffix in _PICKLES or suffix in _BY_CONTENT:
        return suffix
    return "pointer" if suffix in _ONLY_AS_POINTERS else None


def needs_reading(path: str) -> bool:
    """Return whether a file of this name may have facts; True costs at least one small read."""
    return reader_of(path) is not None


def read_facts(path: str, source: Source) -> FormatFacts | None:
    """Return the facts of one file; None if its format is not read.

    The content of the file never raises; its faults are in `problems`. Errors of the source itself are not caught.
    """
    if not needs_reading(path):
        return None
    draft = Draft(format="unknown", size_bytes=source.size_bytes)
    try:
        reader = None if pointers.read_pointer(source, draft) else _choose(_name(path), source)
        if reader is None:
            return None if draft.format == "unknown" else draft.finish()
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
    if name.endswith(".index.json"):
        return pointers.read_index
    if suffix in _ONLY_AS_POINTERS:
        return pointers.read_nothing
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
    """Recognise TensorFlow's SavedModel by its file name alone; its graph is not walked."""
    draft.format, draft.framework = "saved-model", "tensorflow"


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1].lower()


def _suffix(name: str) -> str:
    """Return the last suffix before that of a compression (`model.pkl.gz` → `pkl`)."""
    parts = name.split(".")
    if len(parts) > 2 and parts[-1] in ("gz", "z", "bz2", "xz", "lzma"):
        return parts[-2]
    return parts[-1] if len(parts) > 1 else ""


def _is_licence(name: str) -> bool:
    stem, _, suffix = name.partition(".")
    return stem.partition("-")[0] in _LICENCES and suffix in ("", "txt", "md", "rst")
