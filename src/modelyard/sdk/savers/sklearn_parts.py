"""Parts of fitted scikit-learn estimators: which are plain data, and whether their indices are in bounds.

skops trusts no compiled part, because scikit-learn follows the indices in it unchecked, so a forged file could make
`predict` read outside its memory. The indices are checked here after loading and before any prediction, so that
forests and neighbours load without trust.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from modelyard.domain.errors import UnlawfulModel
from modelyard.sdk.savers.sklearn_checks import is_sound

# Parts of fitted estimators that skops does not trust by itself. They hold numbers, or are functions of numbers. The
# names were found by fitting every estimator of scikit-learn; a test repeats this with the installed release.
_PLAIN_PARTS = re.compile(
    r"""numpy\.(dtype|mean|median|min|max)
    | scipy\.interpolate\._bsplines\.BSpline
    | scipy\._lib\.array_api_compat\.numpy\._aliases\.asarray
    | scipy\.sparse\._cs[rc]\.cs[rc]_(matrix|array)
    | sklearn\._loss\._?loss\.[A-Z]\w*
    | sklearn\.calibration\._(CalibratedClassifier|SigmoidCalibration|TemperatureScaling)
    | sklearn\.cluster\._bisect_k_means\._BisectingTree
    | sklearn\.cluster\._kmeans\._kmeans_single_(lloyd|elkan)
    | sklearn\.ensemble\._hist_gradient_boosting\.(predictor\.TreePredictor|binning\._BinMapper)
    | sklearn\.feature_selection\._univariate_selection\.(f_classif|f_regression|chi2|r_regression)
    | sklearn\.feature_selection\._mutual_info\.mutual_info_(classif|regression)
    | sklearn\.gaussian_process\._gpc\._BinaryGaussianProcessClassifierLaplace
    | sklearn\.gaussian_process\.kernels\.[A-Z]\w*
    | sklearn\.metrics\._dist_metrics\.[A-Z]\w*Distance(32|64)?
    | sklearn\.metrics\._(classification|ranking|regression)\.[a-z]\w*_(score|error|loss)
    | sklearn\.metrics\._scorer\._(Curve|Passthrough|Predict|Proba|Threshold)?Scorer
    | sklearn\.model_selection\._search_successive_halving\.Halving(Grid|Random)SearchCV
    | sklearn\.model_selection\._split\.[A-Z]\w*
    | sklearn\.multiclass\._ConstantPredictor
    | sklearn\.neighbors\._(kd|ball)_tree\.(KD|Ball)Tree(32|64)?
    | sklearn\.neural_network\._stochastic_optimizers\.(Adam|SGD)Optimizer
    | sklearn\.tree\._tree\.Tree
    | sklearn\.utils\._bunch\.Bunch
    | sklearn\.utils\._metadata_requests\.(Method)?MetadataRequest""",
    re.VERBOSE,
)


def unknown_types(types: list[str]) -> list[str]:
    """Return those of skops' untrusted types that are not plain parts of an estimator either."""
    return [name for name in types if not _PLAIN_PARTS.fullmatch(name)]


def check_indices(loaded: Any, where: str) -> None:
    """Refuse a model with a part that points outside itself or its owner's columns. Raises UnlawfulModel."""
    for part in _parts(loaded):
        if not is_sound(part):
            raise UnlawfulModel(
                where=where,
                reason=f"a {type(part).__name__} in it points outside of its own numbers or of its owner's columns",
            )


_NO_PARTS = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, str, bytes, int, float)


def _parts(loaded: Any) -> Iterator[Any]:
    """Yield every object that `loaded` contains, including itself, each once."""
    # Kept alive, so that no `id()` is used again meanwhile.
    seen = {id(loaded): loaded}
    waiting = [loaded]
    while waiting:
        part = waiting.pop()
        yield part
        # An array of objects does not show its contents to the garbage collector.
        array = getattr(getattr(part, "dtype", None), "hasobject", False) and hasattr(part, "ravel")
        for held in part.ravel().tolist() if array else gc.get_referents(part):
            if id(held) not in seen and not isinstance(held, _NO_PARTS):
                seen[id(held)] = held
                waiting.append(held)
