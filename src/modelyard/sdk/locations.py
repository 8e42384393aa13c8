"""Where the client keeps what it keeps: MODELYARD_HOME, or the platform's own folders."""

from __future__ import annotations

import os
from pathlib import Path


def config_folder() -> Path:
    """Of the credentials."""
    home = os.environ.get("MODELYARD_HOME")
    if home:
        return Path(home)
    from platformdirs import user_config_path

    return user_config_path("modelyard")


def cache_folder() -> Path:
    """Of files that can be fetched again."""
    home = os.environ.get("MODELYARD_HOME")
    if home:
        return Path(home) / "cache"
    from platformdirs import user_cache_path

    return user_cache_path("modelyard")


def spool_folder() -> Path:
    """Of what runs have said and the server does not have yet."""
    home = os.environ.get("MODELYARD_HOME")
    if home:
        return Path(home) / "spool"
    from platformdirs import user_state_path

    return user_state_path("modelyard") / "spool"
