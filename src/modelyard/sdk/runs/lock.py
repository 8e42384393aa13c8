"""The lock of a version's environment, as its run kept it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.domain.errors import FileNotFound, RunNotFound
from modelyard.sdk.runs.reading import Runs
from modelyard.sdk.session import Session

RUN_LOCK = "environment/lock.txt"
"""The file of a run with the lock of its environment."""


def files_of_run(session: Session, record: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the run of a version and the paths of its files; ("", []) if it has none, or the run is gone."""
    run = str((record.get("run") or {}).get("id") or "")
    if not run:
        return "", []
    try:
        return run, [file.path for file in Runs(session).get(run).artifacts]
    except RunNotFound:
        return "", []


def lock_of_run(session: Session, record: Mapping[str, Any]) -> str:
    """Return the text of the lock; "" if the version has no run, or its run kept none."""
    run, paths = files_of_run(session, record)
    if RUN_LOCK not in paths:
        return ""
    with tempfile.TemporaryDirectory(prefix="modelyard-lock-") as scratch:
        try:
            Runs(session).pull(run, scratch, [RUN_LOCK])
        except FileNotFound:
            return ""
        return (Path(scratch) / RUN_LOCK).read_text(encoding="utf-8")
