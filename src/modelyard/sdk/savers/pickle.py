"""pickle, for callers who ask for it by name. Loading a pickle runs whatever its maker wrote into it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.domain.errors import NoSaver, UntrustedModel
from modelyard.sdk.savers.base import (
    LoaderSpec,
    SavedModel,
    Trust,
    class_path_of,
    take_options,
    versions_of,
)
from modelyard.sdk.savers.signature import infer_signature

FILE = "model.pkl"
_PACKAGES = {"sklearn": "scikit-learn"}


class PickleSaver:
    name = "pickle"
    priority = 10

    def claims(self, obj: object) -> bool:
        """Never: it is used only when the caller passes allow_pickle=True."""
        return False

    def save(self, obj: Any, folder: Path, *, example: Any = None) -> SavedModel:
        try:
            data = pickle.dumps(obj, protocol=5)
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
            raise NoSaver(what=f"an object of type {class_path_of(obj)}", reason=str(error)) from error
        (folder / FILE).write_bytes(data)
        package = type(obj).__module__.partition(".")[0]
        return SavedModel(
            framework=_PACKAGES.get(package, package),
            class_path=class_path_of(obj),
            files=(FILE,),
            versions=versions_of(_PACKAGES.get(package, package)),
            signature=infer_signature(example),
        )

    def load(self, folder: Path, spec: LoaderSpec, *, trust: Trust, options: Mapping[str, Any]) -> Any:
        take_options(options)
        path = spec.only_file(folder, ".pkl")
        if trust is not True:
            # A list is not enough: names cannot bound what a pickle does.
            raise UntrustedModel(
                where=path.name,
                types="a pickle, which can run anything",
                fix="If you trust who made it, load it with trust=True",
            )
        return pickle.loads(path.read_bytes())  # noqa: S301 - the caller asked for it with trust=True
