"""A model that could not be registered when its run ended: kept with the run's spool until `modelyard sync`.

<spool>/<run id>/
    register.pending   which model, and what is known of it beside the run
    register.lock      held while it is being registered
    model/             its files, as they were when the run ended
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from modelyard.domain.errors import Invalid
from modelyard.sdk.files import find_files
from modelyard.sdk.http import at
from modelyard.sdk.locks import try_lock
from modelyard.sdk.recording import now
from modelyard.sdk.registering import facts_of, register
from modelyard.sdk.run_reading import Runs
from modelyard.sdk.session import Session
from modelyard.sdk.spool import write_durably
from modelyard.wire import runs as wire
from modelyard.wire.base import encode

if TYPE_CHECKING:
    from modelyard.sdk.run_handle import Run
    from modelyard.sdk.views import Version

FORMAT = 1
_TOLD, _LOCK, _FILES = "register.pending", "register.lock", "model"
_WRITER = "registered"
"""Under which name the run is told of its version: its own writers have ended."""


class Pending(msgspec.Struct, kw_only=True):
    """facts: what was learned of the model; what the run said is with the run."""

    format: int = FORMAT
    run: str
    server: str | None
    model: str
    facts: dict[str, Any]


def keep(run: Run, model: str, files: Path, learned: dict[str, Any]) -> None:
    """Copy a folder, or a file, to be registered once the server has the run.

    Raises OSError with nothing kept, UnlawfulFile, InvalidManifest.
    """
    target = run.folder / _FILES
    shutil.rmtree(target, ignore_errors=True)
    try:
        for file in find_files(files):
            place = target / file.path
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(file.source, place)
            _sync(place)
    except OSError:
        shutil.rmtree(target, ignore_errors=True)
        raise
    pending = Pending(run=run.id, server=run.server, model=model, facts=learned)
    # Last, so that half of the files are never taken for all.
    write_durably(run.folder / _TOLD, encode(pending))


def _sync(path: Path) -> None:
    """Before the note that all files are there: a power cut would otherwise leave it beside empty ones."""
    # Some systems sync only what is open for writing.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def list_pending(root: Path) -> Sequence[Path]:
    """The folders of the runs whose model waits, the oldest first."""
    found = sorted(root.glob(f"*/{_TOLD}"), key=lambda path: path.stat().st_mtime_ns)
    return [path.parent for path in found]


def read(folder: Path) -> Pending:
    """Raises Invalid for what this release did not write."""
    path = folder / _TOLD
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Pending)
    except (OSError, msgspec.MsgspecError) as exc:
        raise Invalid(
            reason=f"{path} tells of no model to register: {exc}", fix="Move its folder away"
        ) from exc
    if found.format != FORMAT:
        raise Invalid(
            reason=f"{path} has format {found.format}, this release reads {FORMAT}",
            fix="Synchronise it with the release that wrote it",
        )
    return found


def files_of(folder: Path) -> Path:
    return folder / _FILES


def complete(session: Session, folder: Path, pending: Pending) -> Version | None:
    """Register it, with all that the server knows of its run; None while another process does.

    Done twice it is the same version, so that a crash in between does no harm.
    """
    lock = try_lock(folder / _LOCK)
    if lock is None:
        return None
    try:
        facts = facts_of(Runs(session).get(pending.run), pending.facts)
        version = register(session, folder / _FILES, pending.model, facts=facts, capture=False)
        said = wire.SendRecords(
            writer=_WRITER, first=1, frames=[wire.Frame(versions=[version.reference])], clock=now()
        )
        session.transport.call("POST", at("runs", pending.run, "records"), body=said, returns=wire.Stored)
        (folder / _TOLD).unlink()
        shutil.rmtree(folder / _FILES, ignore_errors=True)
    finally:
        os.close(lock)
    (folder / _LOCK).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
    return version
