"""Files of a run into a folder, and spools to their servers."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modelyard.domain.errors import (
    Busy,
    DownloadCorrupt,
    FileNotFound,
    FileWithheld,
    ModelyardError,
    WouldOverwrite,
)
from modelyard.sdk import pending, spool
from modelyard.sdk.http import BLOCK_BYTES, Patience, at
from modelyard.sdk.locations import spool_folder
from modelyard.sdk.locks import try_lock
from modelyard.sdk.placing import place_file
from modelyard.sdk.sender import Delivery
from modelyard.sdk.session import Session
from modelyard.wire import runs as wire


def pull_files(
    session: Session, run: wire.RunDetails, folder: Path, paths: Sequence[str]
) -> list[FileWithheld]:
    """Returns what says why a file was left out: one that is withheld and was not asked for by its path.

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
    """A file that was logged a moment ago may still be scanned: wait for it."""
    patience = Patience(session.transport.patience_seconds)
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


# --- modelyard sync --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Synced:
    """What became of one writer's spool."""

    run: str
    records: int = 0
    outcome: str = "sent"
    """sent, busy (its process still runs), kept (with the reason) or registered (its model, kept until now)."""
    reason: str = ""
    version: str = ""
    """Reference of what was registered."""
    notes: list[str] = field(default_factory=list)


def sync(connect: Callable[[str | None], Session], run: str | None = None) -> list[Synced]:
    """Send what runs left in the spool, then register the models that wait; what the server does not take stays.

    connect: makes the session for the server that a run was made for (None: it knew of none). run: only of this.
    """
    done: list[Synced] = []
    for path in spool.list_headers(spool_folder()):
        header = spool.read_header(path)
        if run not in (None, header.run):
            continue
        found = Synced(header.run)
        done.append(found)
        lock = try_lock(path.with_suffix(".lock"))
        if lock is None:
            found.outcome = "busy"
            continue
        try:
            _sync_writer(connect(header.server), path.parent, header, found)
        except ModelyardError as error:
            found.outcome, found.reason = "kept", str(error)
        finally:
            os.close(lock)
    waiting = [folder for folder in pending.list_pending(spool_folder()) if run in (None, folder.name)]
    return [*done, *(_register_pending(connect, folder) for folder in waiting)]


def _register_pending(connect: Callable[[str | None], Session], folder: Path) -> Synced:
    found = Synced(folder.name)
    try:
        told = pending.read(folder)
        if any(folder.glob("*.json")):
            found.outcome, found.reason = "kept", f"{told.model} is registered when the run has been sent"
            return found
        version = pending.complete(connect(told.server), folder, told)
    except ModelyardError as error:
        found.outcome = "kept"
        found.reason = f"{error}. The files to register are in {pending.files_of(folder)}"
        return found
    if version is None:
        found.outcome = "busy"
    else:
        found.outcome, found.version = "registered", version.reference
    return found


def _sync_writer(session: Session, folder: Path, header: spool.Header, found: Synced) -> None:
    delivery = Delivery(session, folder, header)
    before = delivery.reader.acknowledged
    # A run that said nothing is begun all the same.
    delivery.step(heartbeat=True)
    while delivery.step():
        pass
    found.records = delivery.reader.acknowledged - before
    found.notes = delivery.notes
    spool.remove_writer(folder, header.writer)
