"""A part of the products of many values: the suite tries some of their cases, `make edges` all.

Which ones follows from their names, so that every run tries the same.
"""

from __future__ import annotations

import os
import zlib

EVERYTHING = os.environ.get("MODELYARD_EDGES") == "all"


def is_tried(case: str, share: int) -> bool:
    """Return whether a case is among the one in `share` that the suite tries."""
    return EVERYTHING or zlib.crc32(case.encode()) % share == 0
