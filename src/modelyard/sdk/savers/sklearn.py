"""scikit-learn estimators as skops: typed data, no pickle; types of unknown packages need trust on loading."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.domain.errors import NoSaver, UntrustedModel
from modelyard.domain.scanning.globals import judge_global
from modelyard.domain.scanning.verdicts import Verdict
from modelyard.sdk.savers.base import (
    UNSAFE,
    LoaderSpec,
    SavedModel,
    Trust,
    class_names,
    class_path_of,
    require,
    take_options,
    trusted_names,
    versions_of,
)
from modelyard.sdk.savers.own_code import bring
from modelyard.sdk.savers.signature import predicted_signature
from modelyard.sdk.savers.sklearn_parts import check_indices, unknown_types
from modelyard.sdk.savers.skops_files import make_repeatable, require_skops

FILE = "model.skops"


class SklearnSaver:
    name = "scikit-learn"
    # Below XGBoost and LightGBM, whose wrappers are scikit-learn estimators too.
    priority = 20

    def claims(self, obj: object) -> bool:
        return "sklearn.BaseEstimator" in class_names(obj)

    def save(self, obj: Any, folder: Path, *, example: Any = None) -> SavedModel:
        what = f"the estimator {class_path_of(obj)}"
        skops = require_skops(what)
        exceptions = require("skops.io.exceptions", what)
        signature = predicted_signature(obj, example)
        try:
            skops.dump(obj, folder / FILE)
        except (exceptions.UnsupportedTypeException, TypeError, AttributeError, NotImplementedError) as error:
            raise NoSaver(what=what, reason=f"skops cannot write it ({error})", fix=_advice()) from error
        make_repeatable(folder / FILE)
        untrusted = unknown_types(skops.get_untrusted_types(file=folder / FILE))
        nameless = [t for t in untrusted if "<lambda>" in t or "<locals>" in t]
        if nameless:
            reason = f"it holds {', '.join(nameless)}, which no other process can find again"
            raise NoSaver(what=what, reason=reason, fix="Move such functions and classes into a module")
        return SavedModel(
            framework="scikit-learn",
            class_path=class_path_of(obj),
            files=(FILE,),
            versions=versions_of("scikit-learn", "skops", "numpy", "scipy", *_packages_of(untrusted)),
            signature=signature,
            extra={"untrusted_types": untrusted},
            uses=tuple(untrusted),
        )

    def load(self, folder: Path, spec: LoaderSpec, *, trust: Trust, options: Mapping[str, Any]) -> Any:
        take_options(options)
        path = spec.only_file(folder, ".skops")
        skops = require_skops("this model")
        # Read from the file itself; the claims of modelyard.json do not count here.
        found = skops.get_untrusted_types(file=path)
        untrusted = set(unknown_types(found))
        refused = _refused(untrusted, trust)
        if refused:
            raise UntrustedModel(where=path.name, types=", ".join(sorted(refused)))
        bring(folder, spec.code, trust)
        loaded = skops.load(path, trusted=found)
        check_indices(loaded, path.name)
        return loaded


def _refused(untrusted: set[str], trust: Trust) -> set[str]:
    """Return the refused types; a type that runs its input needs trust="unsafe"."""
    if trust == UNSAFE:
        return set()
    dangerous = {name for name in untrusted if judge_global(*_module_and_name(name))[0] is Verdict.DANGEROUS}
    return dangerous if trust is True else untrusted - (trusted_names(trust) - dangerous)


def _module_and_name(path: str) -> tuple[str, str]:
    module, _, name = path.rpartition(".")
    return module, name


def _packages_of(types: list[str]) -> list[str]:
    return sorted({t.partition(".")[0] for t in types} & {"xgboost", "lightgbm", "catboost"})


def _advice() -> str:
    return "Pass allow_pickle=True to store it as a pickle, which others load with trust=True only"
