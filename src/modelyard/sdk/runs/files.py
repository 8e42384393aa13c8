"""Download of a run's files into a folder."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from pathlib import Path

from modelyard.domain.errors import (
    Busy,
    DownloadCorrupt,
    FileNotFound,
    FileWithheld,
    WouldOverwrite,
)
from modelyard.sdk.http import BLOCK_BYTES, at
from modelyard.sdk.placing import place_file
from modelyard.sdk.session import Session
from modelyard.wire import runs as wire


def pull_files(
    session: Session, run: wire.RunDetails, folder: Path, paths: Sequence[str]
) -> list[FileWithheld]:
    """Put files of a run into a folder, and return a reason for each omitted file: withheld ones not in `paths`.

    Raises FileNotFound for a path that the run does not have, FileWithheld, DownloadCorrupt.
    """
    known = {artifact.path: artifact for artifact in run.artifacts}
    left_out: list[FileWithheld] = []
    for path in paths or list(known):
        if path not in known:
            raise FileNotFound(path=path, reference=f"run {run.id}")
        try:
            _pull(session, run.id, known[path], folder)
        except FileWithheld as error:
            if paths:
                raise
            left_out.append(error)
    return left_out


def _pull(session: Session, run: str, artifact: wire.RunArtifact, folder: Path) -> None:
    """Download a file; wait if it was logged a moment ago and is still being scanned."""
    patience = session.transport.patience()
    while True:
        try:
            _fetch(session, run, artifact, folder)
        except Busy as error:
            patience.wait(error)
        else:
            return


def _fetch(session: Session, run: str, artifact: wire.RunArtifact, folder: Path) -> None:
    target = place_file(folder, artifact.path)
    if target.is_dir():
        raise WouldOverwrite(path=str(target), fix="Remove the folder, or pull into another one (--to DIR)")
    partial = target.with_name(f".{uuid.uuid4().hex}.part")
    digest = hashlib.sha256()
    try:
        with (
            session.transport.open(at("runs", run, "artifacts", artifact.path), {}) as answer,
            partial.open("xb") as file,
        ):
            while block := answer.read(BLOCK_BYTES):
                digest.update(block)
                file.write(block)
        if artifact.digest != f"sha256:{digest.hexdigest()}":
            raise DownloadCorrupt(
                path=artifact.path, actual=f"sha256:{digest.hexdigest()}", expected=artifact.digest
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
