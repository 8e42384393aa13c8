"""transformers models, by their own save_pretrained: weights as safetensors, never with remote code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.domain.errors import Invalid
from modelyard.sdk.savers.base import (
    LoaderSpec,
    SavedModel,
    Trust,
    checked_file,
    class_names,
    class_path_of,
    require,
    take_options,
    versions_of,
)
from modelyard.sdk.savers.signature import infer_signature

_CONFIG = "config.json"
_SUFFIXES = (".json", ".safetensors", ".jinja", ".txt", ".model", ".md")


class TransformersSaver:
    name = "transformers"
    # Above PyTorch: its models are torch modules too.
    priority = 60

    def claims(self, obj: object) -> bool:
        return "transformers.PreTrainedModel" in class_names(obj)

    def save(self, obj: Any, folder: Path, *, example: Any = None) -> SavedModel:
        obj.save_pretrained(folder)
        files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        return SavedModel(
            framework="transformers",
            class_path=class_path_of(obj),
            files=tuple(files),
            versions=versions_of("transformers", "torch", "safetensors"),
            signature=infer_signature(example),
        )

    def load(self, folder: Path, spec: LoaderSpec, *, trust: Trust, options: Mapping[str, Any]) -> Any:
        take_options(options)
        if _CONFIG not in spec.files or not all(f.endswith(_SUFFIXES) for f in spec.files):
            raise Invalid(
                reason=f"a transformers model has {_CONFIG} and files of the kinds {', '.join(_SUFFIXES)}"
            )
        # The library also opens other files by fixed names, so every file in the folder is checked.
        for path in folder.rglob("*"):
            if path.is_symlink() or path.is_file():
                checked_file(folder, path.relative_to(folder).as_posix())
        transformers = require("transformers", "this model")
        architecture = _architecture(transformers, folder)
        return architecture.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype="auto"
        )


def _architecture(transformers: Any, folder: Path) -> Any:
    """Return the class that config.json names, if it is a model class of the library itself."""
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise Invalid(reason=f"{_CONFIG} is not valid JSON") from None
    names = config.get("architectures") if isinstance(config, dict) else None
    name = names[0] if isinstance(names, list) and names else None
    found = getattr(transformers, name, None) if isinstance(name, str) and name.isidentifier() else None
    if not isinstance(found, type) or not issubclass(found, transformers.PreTrainedModel):
        raise Invalid(reason=f"{_CONFIG} names the architecture {name!r}, which transformers does not have")
    return found
