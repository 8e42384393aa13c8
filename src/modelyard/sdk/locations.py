"""Folders of the client: in MODELYARD_HOME, or the platform's own folders."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_NAME = "modelyard"


def config_folder() -> Path:
    """Return the folder of the credentials."""
    return _folder("", "XDG_CONFIG_HOME", "~/.config", "Application Support")


def cache_folder() -> Path:
    """Return the folder of files that can be fetched again."""
    return _folder("cache", "XDG_CACHE_HOME", "~/.cache", "Caches")


def spool_folder() -> Path:
    """Return the folder of records of runs that the server does not have yet."""
    return _folder("spool", "XDG_STATE_HOME", "~/.local/state", "Application Support", inside="spool")


def _folder(part: str, variable: str, folder: str, mac_folder: str, inside: str = "") -> Path:
    """part: the folder in MODELYARD_HOME. variable, folder: of the XDG base directories. mac_folder: in `~/Library`.
    inside: the folder in ours. On Windows all are in the local application data, as platform folders go there."""
    home = os.environ.get("MODELYARD_HOME")
    if home:
        return Path(home) / part
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local").expanduser()
        return local / _NAME / _NAME / ("Cache" if part == "cache" else inside)
    if sys.platform == "darwin":
        return Path("~/Library").expanduser() / mac_folder / _NAME / inside
    # A relative path in these variables is to be ignored.
    named = Path(os.environ.get(variable) or folder).expanduser()
    return (named if named.is_absolute() else Path(folder).expanduser()) / _NAME / inside
