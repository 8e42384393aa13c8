"""Records that could not be sent, and models that could not be registered, when their run ended. They are kept
until `modelyard sync`. A model is stored next to the spool of its run.

<spool>/<run id>/
    register.pending   the model's name, and facts about it that are not in the run
    register.lock      held while the model is being registered
    model/             its files, as they were when the run ended
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from modelyard.domain.errors import Invalid, ModelyardError, NoSaver
from modelyard.sdk.files import find_files
from modelyard.sdk.http import at
from modelyard.sdk.locations import spool_folder
from modelyard.sdk.locks import try_lock
from modelyard.sdk.runs import spool
from modelyard.sdk.runs.reading import Runs
from modelyard.sdk.runs.registration import facts_of, register
from modelyard.sdk.runs.sender import Delivery
from modelyard.sdk.runs.spool import write_durably
from modelyard.sdk.session import Session
from modelyard.sdk.values import now
from modelyard.wire import runs as wire
from modelyard.wire.base import encode

if TYPE_CHECKING:
    from modelyard.sdk.runs.handle import Run
    from modelyard.sdk.views import Version

FORMAT = 1
_TOLD, _LOCK, _FILES = "register.pending", "register.lock", "model"
_WRITER = "registered"
"""Name of the writer that records the run's version, because its own writers have ended."""


class Pending(msgspec.Struct, kw_only=True):
    """facts: of the model itself; the run holds the others. unsaved: its saver could not write it yet, so `keep_model`
    wrote the files."""

    format: int = FORMAT
    run: str
    server: str | None
    model: str
    facts: dict[str, Any]
    unsaved: bool = False


def keep(run: Run, model: str, files: Path, learned: dict[str, Any], *, unsaved: bool = False) -> None:
    """Copy a folder, or a file, to be registered once the server has the run. unsaved: see `Pending`.

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
    pending = Pending(run=run.id, server=run.server, model=model, facts=learned, unsaved=unsaved)
    # Written last, so that an incomplete set of files is never used.
    write_durably(run.folder / _TOLD, encode(pending))


def _sync(path: Path) -> None:
    """Sync a file before the note that all files exist; a power cut could otherwise leave the note with empty files."""
    # Some systems sync only files that are open for writing.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def list_pending(root: Path) -> Sequence[Path]:
    """Return the folders of runs with a waiting model, oldest first."""
    found = sorted(root.glob(f"*/{_TOLD}"), key=lambda path: path.stat().st_mtime_ns)
    return [path.parent for path in found]


def read_pending(folder: Path) -> Pending:
    """Read the note of a waiting model. Raises Invalid for a note that this release did not write."""
    path = folder / _TOLD
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Pending)
    except (OSError, msgspec.MsgspecError) as exc:
        raise Invalid(
            reason=f"{path} does not describe a model to register: {exc}", fix="Move its folder away"
        ) from exc
    if found.format != FORMAT:
        raise Invalid(
            reason=f"{path} has format {found.format}, but this release reads {FORMAT}",
            fix="Synchronise it with the release that wrote it",
        )
    return found


def files_of(folder: Path) -> Path:
    return folder / _FILES


def complete(session: Session, folder: Path, pending: Pending) -> Version | None:
    """Register a waiting model with all facts of its run; None while another process does so.

    A second registration returns the same version, so a crash in between does no harm.
    """
    lock = try_lock(folder / _LOCK)
    if lock is None:
        return None
    try:
        if pending.unsaved:
            pending = _save_now(folder, pending)
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


def _save_now(folder: Path, pending: Pending) -> Pending:
    """Let the saver write a model that was kept without it. Raises NoSaver, with nothing changed."""
    from modelyard.sdk.push import save_object
    from modelyard.sdk.savers.folder import restore_model

    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as place:
        try:
            model, example = restore_model(folder / _FILES)
        except (ImportError, AttributeError) as error:
            fix = "Run modelyard sync where the training ran, with the same packages"
            raise NoSaver(what=f"the model in {folder / _FILES}", reason=str(error), fix=fix) from error
        saved = Path(place) / _FILES
        learned = save_object(model, saved, example, allow_pickle=False)
        shutil.rmtree(folder / _FILES)
        saved.rename(folder / _FILES)
    done = msgspec.structs.replace(pending, facts=learned, unsaved=False)
    write_durably(folder / _TOLD, encode(done))
    return done


# --- modelyard sync --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Synced:
    """The outcome for one writer's spool."""

    run: str
    records: int = 0
    outcome: str = "sent"
    """sent, busy (its process still runs), kept (with the reason) or registered (its model, kept until now)."""
    reason: str = ""
    version: str = ""
    """Reference of the registered version."""
    notes: list[str] = field(default_factory=list)


def sync(connect: Callable[[str | None], Session], run: str | None = None) -> list[Synced]:
    """Send the records in the spool, then register waiting models; everything that the server does not accept stays.

    connect: returns a session for the server of a run (None: the run had none). run: only this run.
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
    waiting = [folder for folder in list_pending(spool_folder()) if run in (None, folder.name)]
    return [*done, *(_register_pending(connect, folder) for folder in waiting)]


def _register_pending(connect: Callable[[str | None], Session], folder: Path) -> Synced:
    found = Synced(folder.name)
    try:
        kept = read_pending(folder)
        if any(folder.glob("*.json")):
            found.outcome, found.reason = "kept", f"{kept.model} is registered when the run has been sent"
            return found
        version = complete(connect(kept.server), folder, kept)
    except ModelyardError as error:
        found.outcome = "kept"
        found.reason = f"{error}. The files to register are in {files_of(folder)}"
        return found
    if version is None:
        found.outcome = "busy"
    else:
        found.outcome, found.version = "registered", version.reference
    return found


def _sync_writer(session: Session, folder: Path, header: spool.Header, found: Synced) -> None:
    delivery = Delivery(session, folder, header)
    before = delivery.reader.acknowledged
    # A run that logged nothing is begun too.
    delivery.step(heartbeat=True)
    while delivery.step():
        pass
    found.records = delivery.reader.acknowledged - before
    found.notes = delivery.notes
    spool.remove_writer(folder, header.writer)
