"""Places of pulled files. Neither the server nor the existing content of the folder is trusted here."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from modelyard.domain.errors import InvalidPath, WouldOverwrite
from modelyard.domain.paths import check_path, check_placement

check_pulled = check_path if os.name == "nt" else check_placement
"""Windows interprets names in more ways than other systems, so there old versions must follow today's rules too."""


def place_file(folder: Path, path: str) -> Path:
    """Return the path of the file, and create the folders above it.

    Raises InvalidPath for a path that leaves the folder, even by a link; WouldOverwrite if a file is in the way.
    """
    target = folder / check_pulled(path)
    make_folders(folder, target.parent)
    return target


def make_folders(folder: Path, wanted: Path) -> None:
    """Create `wanted` and the missing folders between it and `folder`. Raises InvalidPath, WouldOverwrite."""
    refuse_links(folder, wanted)
    wanted.mkdir(parents=True, exist_ok=True)


def refuse_links(folder: Path, wanted: Path) -> None:
    """Refuse links on the way. Raises InvalidPath for a part that is a link, WouldOverwrite for a file."""
    current = folder
    for part in wanted.relative_to(folder).parts:
        current = current / part
        try:
            mode = current.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return
        if stat.S_ISLNK(mode):
            raise InvalidPath(
                path=str(current.relative_to(folder)),
                reason="it is a link",
                fix=f"Remove the link {current}, or pull into another folder",
            )
        if not stat.S_ISDIR(mode):
            raise WouldOverwrite(path=str(current), fix="A folder is needed there; move the file away")
