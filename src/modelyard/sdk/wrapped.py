"""Inside a program that `modelyard run` started."""

from __future__ import annotations

import atexit
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.domain.errors import ModelyardError

if TYPE_CHECKING:
    from modelyard.sdk.notice import Noticed

logger = logging.getLogger("modelyard")

FOLDER = "MODELYARD_RUN_FOLDER"
"""Variable that names the folder in which the program leaves its fitted model, for the command to register."""


def start() -> None:
    """Record the program's training, and leave its last model when it ends."""
    from modelyard.sdk import sources
    from modelyard.sdk.autolog import autolog

    sources.watch()
    autolog()
    # It is called last, so that it knows the files that the others have read.
    atexit.register(sources.leave_list, Path(os.environ[FOLDER]))
    atexit.register(leave_model, Path(os.environ[FOLDER]))


def leave_model(folder: Path) -> None:
    """Save the last fitted model, if there is one.

    `<folder>/<process>/` holds its files in `model` and its facts in `learned.json`; a model that its saver cannot
    write is in `kept`, in a form that only its author can read again.
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
        told["error"] = str(error) if isinstance(error, ModelyardError) else f"{type(error).__name__}: {error}"
        logger.warning("the model that was fitted last cannot be saved: %s", error)
        told["kept"] = _keep(noticed, place / "kept")
    (place / "learned.json").write_text(json.dumps(told))


def _keep(noticed: Noticed, place: Path) -> bool:
    from modelyard.sdk.notice import paused
    from modelyard.sdk.savers.folder import keep_model

    try:
        with paused():
            keep_model(noticed.model, place, noticed.example)
    except Exception as error:  # noqa: BLE001 - a model's own code runs while it is pickled
        logger.warning("the model that was fitted last is lost: %s", error)
        return False
    return True
