"""Whether steps can be isolated on this machine."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

from modelyard.engines.local import LocalExecutor


@cache
def working_bwrap() -> str | None:
    """Return the path of a bubblewrap that works here."""
    path = shutil.which("bwrap") or os.environ.get("MODELYARD_TEST_BWRAP")
    return path if path and LocalExecutor(Path("/nowhere"), bwrap=path).is_isolated else None


@cache
def network_can_be_cut() -> bool:
    """Return whether an isolated agent can start steps without a network; some containers allow only the rest."""
    path = working_bwrap()
    return path is not None and LocalExecutor(Path("/nowhere"), bwrap=path).cuts_network
