"""A notebook's code: the cells that were run, in order."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelyard.sdk.runs.handle import Run

MAX_CELLS = 5_000
MAX_BYTES = 4 * 1024 * 1024


def shell() -> Any:
    """Return IPython's shell, if this is one."""
    module = sys.modules.get("IPython")
    return None if module is None else module.get_ipython()


def cells() -> list[str]:
    """Return the sources of the cells run so far, including the current one; [] outside a notebook."""
    here = shell()
    if here is None:
        return []
    # The first entry is not a cell.
    return [str(source) for source in here.user_ns.get("In", [])[1:][-MAX_CELLS:]]


def keep_cells(run: Run) -> None:
    """Keep the cells as a file of the run, and its digest as a fact of the code."""
    found = cells()
    if not found:
        return
    text = "\n\n".join(f"# %% [{number}]\n{source}" for number, source in enumerate(found, 1)) + "\n"
    data = text.encode("utf-8", "replace")[:MAX_BYTES]
    digest = run.keep_source(data, "notebook.py")
    run.add_facts({"code": {"notebook": True, "cells": len(found), "entry_point_digest": digest}})
