"""The variables of a step on which its result can depend."""

from __future__ import annotations

import os
from collections.abc import Mapping

_HASH_SEED, _PROCESSORS = "PYTHONHASHSEED", "MODELYARD_PROCESSORS"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
REPEATED_VARIABLES = (_HASH_SEED, _PROCESSORS, *_THREADS, "CUBLAS_WORKSPACE_CONFIG")
"""Variables on which a result can depend; they are recorded, and set again when the training is repeated."""


def repeatable(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a step with those that make its result the same each time, as far as variables can."""
    # The order of a set is the same in every build.
    found = {_HASH_SEED: "0", **variables}
    here = str(_count_processors())
    recorded = found.setdefault(_PROCESSORS, here)
    if recorded != here:
        # Libraries take as many threads as there are processors, and some results depend on it.
        found = dict.fromkeys(_THREADS, recorded) | found
    return found


def _count_processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
