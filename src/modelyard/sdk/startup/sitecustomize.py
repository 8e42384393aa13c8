"""Run by every Python that `modelyard run` starts, before its program, so that its training is recorded.

The interpreter may be another one, without Modelyard: then nothing happens. An existing sitecustomize is still
run.
"""

import importlib
import os
import sys


def _chain() -> None:
    """Run the sitecustomize that this one hides."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - nothing is imported for this
    sys.path[:] = [place for place in sys.path if os.path.abspath(place or ".") != here]  # noqa: PTH100
    own = sys.modules.pop("sitecustomize", None)
    try:
        importlib.import_module("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        if own is not None:
            sys.modules["sitecustomize"] = own


def _start() -> None:
    if not os.environ.get("MODELYARD_RUN_FOLDER"):
        return
    try:
        from modelyard.sdk.wrapped import start
    except ImportError:
        return
    start()


_start()
_chain()
