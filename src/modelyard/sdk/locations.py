"""Folders of the client: in MODELYARD_HOME, or the platform's own folders."""

from __future__ import annotations

import os
from pathlib import Path


def config_folder() -> Path:
    """Return the folder of the credentials."""
    home = os.environ.get("MODELYARD_HOME")
    if home:
        return Path(home)
    from platformdirs import user_config_path

    return user_config_path("modelyard")


def cache_folder() -> Path:
    """Return the folder of files that can be fetched again."""
    home = os.environ.get("MODELYARD_HOME")
    if home:
        return Path(home) / "cache"
    from platformdirs import user_cache_path

    return user_cache_path("modelyard")


def spool_folder() -> Path:
    """Return the folder of records of runs that the server does not have yet."""
    home = os.environ.get("MODELYARD_HOME")
    if home:
        return Path(home) / "spool"
    from platformdirs import user_state_path

    return user_state_path("modelyard") / "spool"
