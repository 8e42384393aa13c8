"""Inside of a program that `modelyard run` started."""

from __future__ import annotations

import atexit
import json
import logging
import os
from pathlib import Path

logger = logging.getLogger("modelyard")

FOLDER = "MODELYARD_RUN_FOLDER"
"""Where the program leaves what it fitted, for the command to register."""


def start() -> None:
    """Note what the program trains, and leave its last model when it ends."""
    from modelyard.sdk.autolog import autolog

    autolog()
    atexit.register(leave_model, Path(os.environ[FOLDER]))


def leave_model(folder: Path) -> None:
    """Save the model that was fitted last, if there is one.

    `<folder>/<process>/` holds its files in `model` and what was learned of it in `learned.json`.
    """
    from modelyard.sdk.notice import last_model, paused
    from modelyard.sdk.push import save_object

    noticed = last_model()
    if noticed is None:
        return
    place = folder / str(os.getpid())
    told: dict[str, object] = {"at": noticed.at}
    try:
        place.mkdir(parents=True, exist_ok=True)
        with paused():
            told["facts"] = save_object(noticed.model, place / "model", noticed.example, allow_pickle=False)
    except Exception as error:  # noqa: BLE001 - a framework can raise anything while it saves
        told["error"] = f"{type(error).__name__}: {error}"
        logger.warning("the model that was fitted last cannot be saved: %s", error)
    (place / "learned.json").write_text(json.dumps(told))
