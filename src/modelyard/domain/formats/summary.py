"""One summary of a version from the facts of its files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from modelyard.domain.formats.facts import FormatFacts
from modelyard.domain.formats.pointers import absent_parts

# The main format of a version with several formats: the first of these that occurs.
_WEIGHTS = (
    "safetensors", "gguf", "onnx", "xgboost-ubj", "xgboost-json", "lightgbm-text", "skops", "torch",
    "torchscript", "torch-legacy", "joblib", "pickle", "keras", "saved-model", "hdf5",
)  # fmt: skip
_MAX_PROBLEMS = 50
_SHARD = re.compile(r"-\d{5}-of-\d{5}(?=\.)")


def summarise(per_file: Mapping[str, FormatFacts], paths: Iterable[str] | None = None) -> dict[str, Any]:
    """Summarise framework, format, parameters, dtypes, tensor count, architecture, licence, signature and problems.

    A key is absent when no file says it. Shards are added up; two files of the same tensors in one
    folder (other precision) count once, and of several GGUF files (quantisations) the largest counts.
    paths: all files of the version; a file that is referred to and absent is a problem. None: those with facts.
    """
    weights = _weight_files(per_file)
    counted = _counted(weights)
    kinds = {facts.format: facts for _, facts in sorted(per_file.items(), reverse=True)}
    loader, config = kinds.get("modelyard-loader"), kinds.get("transformers-config")
    ordered = [f for f in (loader, config, *(facts for _, facts in weights)) if f is not None]
    summary: dict[str, Any] = {
        "framework": _first(f.framework for f in ordered),
        "format": weights[0][1].format if weights else None,
        "parameters": _total(f.parameters for f in counted),
        "tensor_count": _total(f.tensor_count for f in counted),
        "dtypes": _add_dtypes(counted),
        "architecture": _first(f.architecture for f in (config, *ordered) if f is not None),
        "licence": _licence(per_file, kinds.get("model-card")),
        "signature": _first(f.signature for f in ordered),
        "problems": [*absent_parts(per_file if paths is None else paths, per_file), *_problems(per_file)][
            :_MAX_PROBLEMS
        ],
        "truncated": sorted(path for path, facts in per_file.items() if facts.truncated)[:_MAX_PROBLEMS],
    }
    return {key: value for key, value in summary.items() if value not in (None, {}, [])}


def _weight_files(per_file: Mapping[str, FormatFacts]) -> list[tuple[str, FormatFacts]]:
    for word in _WEIGHTS:
        found = [(path, facts) for path, facts in sorted(per_file.items()) if facts.format == word]
        if found:
            return found
    return []


def _counted(weights: list[tuple[str, FormatFacts]]) -> list[FormatFacts]:
    """Return the files whose numbers are added."""
    if weights and weights[0][1].format == "gguf":
        groups: dict[str, list[FormatFacts]] = {}
        for path, facts in weights:
            groups.setdefault(_SHARD.sub("", path), []).append(facts)
        return max(groups.values(), key=lambda group: _total(f.parameters for f in group) or 0)
    seen: set[tuple[Any, ...]] = set()
    counted = []
    for path, facts in weights:
        folder = path.rpartition("/")[0]
        names = tuple(t.name for t in facts.tensors)
        key = (folder, facts.tensor_count, names)
        if names and key in seen:
            continue
        seen.add(key)
        counted.append(facts)
    return counted


def _licence(per_file: Mapping[str, FormatFacts], card: FormatFacts | None) -> str | None:
    """Return the licence from the card, otherwise from a licence file, otherwise from a model file."""
    texts = (f.licence for _, f in sorted(per_file.items()) if f.format == "licence")
    others = (f.licence for _, f in sorted(per_file.items()) if f.format != "licence")
    licences = [card.licence if card else None, *texts, *others]
    return next((word for word in licences if word is not None), None)


def _first(values: Iterable[Any]) -> Any:
    return next((v for v in values if v is not None), None)


def _total(values: Iterable[int | None]) -> int | None:
    known = [v for v in values if v is not None]
    return sum(known) if known else None


def _add_dtypes(files: Iterable[FormatFacts]) -> dict[str, int]:
    total: dict[str, int] = {}
    for facts in files:
        for dtype, count in facts.dtypes.items():
            total[dtype] = total.get(dtype, 0) + count
    return total


def _problems(per_file: Mapping[str, FormatFacts]) -> list[str]:
    return [f"{path}: {problem}" for path, facts in sorted(per_file.items()) for problem in facts.problems][
        :_MAX_PROBLEMS
    ]
