"""Fitted estimators with changed numbers, as a forged file could hold them. Run as a program: it may die.

    python -m tests.support.forged SEED ROUNDS SECONDS NOTE

tries for so many SECONDS of processor time. It writes the case at hand into the file NOTE before each attempt and, at
the end, how many there were and were refused.
"""

from __future__ import annotations

import copy
import random
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy

from modelyard.domain.errors import UnlawfulModel
from modelyard.sdk.savers.sklearn_parts import _parts, check_indices
from tests.support.estimators import composed_estimators, fitted_estimators

METHODS = (
    "predict predict_proba decision_function transform score_samples apply decision_path kneighbors inverse_transform"
).split()
_NUMBERS = (-1, 0, 1, 2, 7, 199_999, 2_000_000_000, -2_000_000_000, 2**62)
_OWN_STATE = ("sklearn.tree._tree", "sklearn.neighbors._kd_tree", "sklearn.neighbors._ball_tree")


def changed_array(array: Any, some: random.Random) -> Any:
    """The same array with other numbers, another shape or another dtype."""
    kind = some.randrange(5)
    made = array.copy()
    if kind == 0 and made.size:
        return made.ravel()[: some.randrange(made.size)]
    if kind == 1 and made.ndim and len(made) > 1:
        return made[: some.randrange(1, len(made))]
    if kind == 2 and made.ndim > 1 and made.shape[1] > 1:
        return numpy.ascontiguousarray(made[:, : some.randrange(1, made.shape[1])])
    if kind == 3 and made.dtype.kind in "iuf":
        return made.astype(some.choice(["int8", "int32", "int64", "float32", "float64"]))
    target = made
    if made.dtype.names:
        target = made[some.choice(made.dtype.names)]
    if target.dtype.kind in "iufb" and target.size:
        with numpy.errstate(all="ignore"):
            where = some.randrange(target.size)
            target.reshape(-1)[where] = numpy.array(some.choice(_NUMBERS)).astype(target.dtype)
    return made


def forge(model: Any, some: random.Random) -> str | None:
    """Change one number or array of one part, in place; says which, None when there was nothing to change."""
    parts = [p for p in _parts(model) if _slots(p)]
    if not parts:
        return None
    part = some.choice(parts)
    slots = _slots(part)
    name, value, put = slots[some.randrange(len(slots))]
    if isinstance(value, numpy.ndarray):
        new: Any = changed_array(value, some)
    else:
        new = some.choice(_NUMBERS)
    try:
        put(new)
    except Exception:  # noqa: BLE001 - the part itself refuses it, as it would on loading
        return None
    return f"{type(part).__name__}.{name}"


def _slots(part: Any) -> list[tuple[str, Any, Callable[[Any], None]]]:
    """(name, value, how to set it) of each number and array that a part holds."""
    if type(part).__module__ in _OWN_STATE and hasattr(part, "__setstate__"):
        return _slots_of_state(part)
    if isinstance(part, dict):
        held = list(part.items())
        return [(str(k), v, _setter(part, k)) for k, v in held if _is_number(v)]
    if isinstance(part, list):
        return [(str(i), v, _setter(part, i)) for i, v in enumerate(part) if _is_number(v)]
    return []


def _slots_of_state(part: Any) -> list[tuple[str, Any, Callable[[Any], None]]]:
    state = part.__getstate__()
    keys = list(state) if isinstance(state, dict) else list(range(len(state)))

    def putter(key: Any) -> Callable[[Any], None]:
        def put(value: Any) -> None:
            changed = dict(state) if isinstance(state, dict) else list(state)
            changed[key] = value
            part.__setstate__(changed if isinstance(state, dict) else tuple(changed))

        return put

    return [(str(k), state[k], putter(k)) for k in keys if _is_number(state[k])]


def _setter(part: Any, key: Any) -> Callable[[Any], None]:
    def put(value: Any) -> None:
        part[key] = value

    return put


def _is_number(value: Any) -> bool:
    return isinstance(value, numpy.ndarray) or (
        isinstance(value, (int, numpy.integer)) and not isinstance(value, bool)
    )


def use(model: Any, rows: list[Any]) -> None:
    for name in METHODS:
        for data in rows:
            try:
                getattr(model, name)(data)
            except Exception:  # noqa: BLE001 - it may raise anything, and must not die
                continue


def main(seed: int, rounds: int, seconds: float, note: Path) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    some = random.Random(seed)
    data = numpy.random.RandomState(0).rand(20, 5)
    models = [*fitted_estimators(), *composed_estimators()]
    some.shuffle(models)
    started = time.process_time()
    attempts = refused = 0
    for round_ in range(rounds):
        for name, model in models:
            if time.process_time() - started > seconds:
                break
            forged = copy.deepcopy(model)
            place = forge(forged, some)
            if place is None:
                continue
            attempts += 1
            note.write_text(f"{name}: {place} (seed {seed}, round {round_})")
            try:
                check_indices(forged, name)
            except UnlawfulModel:
                refused += 1
                continue
            columns = getattr(forged, "n_features_in_", 5)
            rows = (
                [data, numpy.random.RandomState(1).rand(20, int(columns))] if 0 < columns < 10_000 else [data]
            )
            use(forged, rows)
    note.write_text(f"done {attempts} {refused}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
