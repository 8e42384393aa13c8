"""Pulling a version into a folder.

A pull records its files in `.cache/modelyard/pulled.json` of the folder, so that a later pull can replace them and
detect files that a person has changed.
"""

from __future__ import annotations

import os
import shutil
import stat
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from modelyard.domain.digest import Digest
from modelyard.domain.errors import (
    Conflict,
    DownloadCorrupt,
    InvalidManifest,
    InvalidPath,
    ModelyardError,
    VersionRecalled,
    WouldOverwrite,
)
from modelyard.domain.manifest import File, Manifest
from modelyard.domain.names import ModelName
from modelyard.sdk.cache import hash_path
from modelyard.sdk.files import PULLED_FOLDER
from modelyard.sdk.http import at
from modelyard.sdk.parallel import Stop, each
from modelyard.sdk.placing import check_pulled, make_folders, place_file, refuse_links
from modelyard.sdk.progress import Progress, Silent
from modelyard.sdk.pulling import Fetcher
from modelyard.sdk.session import Session
from modelyard.sdk.views import withheld_text
from modelyard.wire import versions as wire
from modelyard.wire.base import encode


@dataclass(frozen=True, slots=True)
class Pulled:
    """fetched: number of files that this pull wrote; the others existed already. left_out: files that the registry no
    longer serves, because they contain leaked data; they are not in the folder."""

    folder: Path
    version: wire.Resolved
    manifest: Manifest
    fetched: int
    left_out: tuple[wire.WithheldFile, ...] = ()


class NotedFile(msgspec.Struct, array_like=True, frozen=True):
    digest: str
    size_bytes: int
    mtime_ns: int


class Notes(msgspec.Struct, kw_only=True):
    """Files in the folder that come from a pull."""

    reference: str = ""
    digest: str = ""
    files: dict[str, NotedFile] = {}


def pull(  # noqa: D417
    session: Session,
    /,
    ref: str,
    to: str | os.PathLike[str] | None = None,
    *,
    link: bool = False,
    force: bool = False,
    record: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Put a version's files into a folder, with every byte verified.

    Files that are withheld are left out, with a warning for each.

    Args:
        ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the newest
            ready version.
        to: The folder; None: a folder with the name of the model, in the current one.
        link: Make hard links to the cache instead of copies; such files must not be edited.
        force: Also overwrite files that were not written by an earlier pull, and replace another pulled model.
        record: Also write the version's record (code, data, environment, params, metrics …), verified, to
            `.cache/modelyard/record.json` in the folder.
        progress: Receives each phase and the bytes moved; None: no progress is reported.

    Returns:
        The folder.

    Raises:
        ScanPending: The version is still being scanned.
        WouldOverwrite: A file is in the way; nothing was changed.
        Conflict: The folder holds a version of another model; nothing was changed.
        VersionQuarantined: The version is in quarantine; the error says who can release it.
        VersionRecalled: The version was recalled.
        TermsNotAccepted: The model has terms of use that your account has not accepted.
        DownloadCorrupt: The bytes that arrived are not those that the version names.
        VersionNotFound: There is no such version, or you may not see it.

    Example:
        >>> my.pull("fraud/scorer@production", "./scorer")
        PosixPath('/home/ada/scorer')
    """
    pulled = pull_version(session, ref, to, link=link, force=force, progress=progress)
    if record:
        keep_record(session, pulled)
    for file in pulled.left_out:
        warnings.warn(left_out_text(file), stacklevel=2)
    return pulled.folder


def pull_version(
    session: Session,
    ref: str,
    to: str | os.PathLike[str] | None = None,
    *,
    link: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Pulled:
    """Do the same as `pull`, and return the details. Raises WouldOverwrite before anything is changed."""
    progress = progress or Silent()
    version, manifest = find_manifest(session, ref)
    folder = Path(session.model_name(version.model).name if to is None else to).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    notes = _read_notes(folder)
    if not force:
        _refuse_another_model(session, folder, notes, version)
    left_out = tuple(version.withheld)
    wanted = _without_withheld(session, manifest, left_out)
    todo = [file for file in wanted if not _is_there(folder, file, notes, force)]
    scratch = _notes_folder(folder) / "partial"
    make_folders(folder, scratch)
    progress.begin("download", sum(file.size_bytes for file in todo))
    name = ModelName.parse(version.model)
    fetcher = Fetcher(
        session.transport,
        session.cache,
        at("models", name.namespace, name.name, "versions", version.version, "files"),
        scratch,
        link,
        progress.advance,
    )
    try:
        _bring_all(fetcher, folder, todo, notes, session.parallel)
        _remove_stale(folder, wanted, notes)
        notes.reference, notes.digest = version.reference, version.digest
    finally:
        progress.end()
        _note(folder, notes)
    shutil.rmtree(scratch, ignore_errors=True)
    return Pulled(folder, version, manifest, len(todo), left_out)


def left_out_text(file: wire.WithheldFile) -> str:
    """Return a line for people about an omitted file."""
    return f"Left out, because it is withheld: {withheld_text(file)}"


def _without_withheld(
    session: Session, manifest: Manifest, left_out: Sequence[wire.WithheldFile]
) -> list[File]:
    """Return the files to fetch, and remove the others from the cache."""
    gone = {file.path for file in left_out}
    for file in manifest.files:
        if file.path in gone:
            session.cache.discard(file.digest)
    return [file for file in manifest.files if file.path not in gone]


def find_manifest(session: Session, ref: str) -> tuple[wire.Resolved, Manifest]:
    """Return the version of the reference and its files, checked against the digest and for safe paths."""
    asked = session.ref(ref)
    version = session.resolve(ref)
    if version.recalled is not None and version.recalled.mode == "refuse":
        # The server refuses the bytes, and so the copies in the local cache must be refused too.
        said = version.recalled
        raise VersionRecalled(reference=version.reference, by=said.by, reason=said.reason)
    if isinstance(asked.selector, Digest) and version.digest != asked.selector:
        raise DownloadCorrupt(path="the version", actual=version.digest, expected=asked.selector)
    # Requested every time, even if all files are cached: the server refuses a version in quarantine, and names the people
    # who can release it.
    name = ModelName.parse(version.model)
    path = at("models", name.namespace, name.name, "versions", version.version, "manifest")
    data = session.transport.send("GET", path).data
    actual = Digest.of(data)
    if actual != version.digest:
        raise DownloadCorrupt(path="the manifest", actual=actual, expected=version.digest)
    return version, checked_manifest(data)


def find_record(session: Session, version: wire.Resolved) -> bytes:
    """Return the canonical bytes of a version's record, checked against its digest. Raises DownloadCorrupt."""
    name = ModelName.parse(version.model)
    path = at("models", name.namespace, name.name, "versions", version.version, "record")
    data = session.transport.send("GET", path).data
    actual = Digest.of(data)
    if actual != version.record_digest:
        raise DownloadCorrupt(path="the record", actual=actual, expected=version.record_digest)
    return bytes(data)


def keep_record(session: Session, pulled: Pulled) -> Path:
    """Write the record of a pulled version next to its files; returns the file, which no push takes along."""
    place = _notes_folder(pulled.folder) / "record.json"
    place.write_bytes(find_record(session, pulled.version))
    return place


def checked_manifest(data: bytes) -> Manifest:
    """Read a manifest. Raises InvalidManifest, InvalidPath: the server's paths are not trusted."""
    try:
        found = Manifest.from_bytes(data)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as exc:
        raise InvalidManifest(
            reason="it does not have the form of a manifest", fix="Ask the server's admin"
        ) from exc
    if not all(type(f.path) is str and type(f.size_bytes) is int for f in found.files):
        raise InvalidManifest(reason="it does not have the form of a manifest", fix="Ask the server's admin")
    return Manifest.of(found.files, check=check_pulled)


def _bring_all(fetcher: Fetcher, folder: Path, todo: list[File], notes: Notes, parallel: int) -> None:
    by_digest: dict[Digest, list[File]] = {}
    for file in sorted(todo, key=lambda file: -file.size_bytes):
        by_digest.setdefault(file.digest, []).append(file)

    def bring(files: list[File], stop: Stop) -> None:
        targets = [place_file(folder, file.path) for file in files]
        fetcher.bring(files[0], targets, stop)
        for file in files:
            # Each file is noted at once, so that a pull after an interruption knows which files are its own.
            notes.files[file.path] = _noted(folder / file.path, file.digest)

    each(by_digest.values(), bring, parallel)


# --- existing files ----------------------------------------------------------------------------------


def _is_there(folder: Path, file: File, notes: Notes, force: bool) -> bool:
    """Return whether the file exists already. Raises WouldOverwrite, and InvalidPath for links on the way."""
    target = folder / file.path
    refuse_links(folder, target.parent)
    try:
        info = target.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISDIR(info.st_mode):
        raise WouldOverwrite(path=str(target), fix="Remove the folder, or pull into another one (--to DIR)")
    if stat.S_ISREG(info.st_mode):
        noted = notes.files.get(file.path)
        is_own = noted is not None and (noted.size_bytes, noted.mtime_ns) == (info.st_size, info.st_mtime_ns)
        if noted is not None and is_own and noted.digest == file.digest:
            return True
        if info.st_size == file.size_bytes and hash_path(target) == file.digest:
            notes.files[file.path] = _noted(target, file.digest)
            return True
        if is_own:
            return False
    if not force:
        raise WouldOverwrite(path=str(target))
    return False


def _refuse_another_model(session: Session, folder: Path, notes: Notes, version: wire.Resolved) -> None:
    """Raise Conflict if the folder holds a version of another model; another version of this one is replaced."""
    earlier = notes.reference.partition(":")[0]
    if not earlier or not notes.files or earlier == version.model:
        return
    with suppress(ModelyardError):
        # Its name of then may be an earlier name of the same model.
        if session.resolve(notes.reference).model == version.model:
            return
    raise Conflict(
        reason=f"{folder} holds {notes.reference}, a version of another model than {version.model}",
        fix="Pull into another folder (--to DIR), or replace that version with --force",
    )


def _remove_stale(folder: Path, wanted: Sequence[File], notes: Notes) -> None:
    """Remove files of an earlier pull that are not in this one, unless a person changed them."""
    paths = {file.path for file in wanted}
    for path in [path for path in notes.files if path not in paths]:
        noted = notes.files.pop(path)
        target = folder / path
        with suppress(OSError, InvalidPath, WouldOverwrite):
            refuse_links(folder, target.parent)
            if _noted(target, Digest.parse(noted.digest)) == noted:
                target.unlink()
                for parent in target.parents:
                    if parent == folder:
                        break
                    parent.rmdir()


# --- notes -------------------------------------------------------------------------------------------


def _notes_folder(folder: Path) -> Path:
    return folder / PULLED_FOLDER / "modelyard"


def _noted(target: Path, digest: Digest) -> NotedFile:
    info = target.stat(follow_symlinks=False)
    return NotedFile(digest, info.st_size, info.st_mtime_ns)


def _read_notes(folder: Path) -> Notes:
    """Read the notes; missing or damaged ones mean that nothing is known, so that nothing is overwritten."""
    try:
        return msgspec.json.decode((_notes_folder(folder) / "pulled.json").read_bytes(), type=Notes)
    except (OSError, msgspec.MsgspecError):
        return Notes()


def _note(folder: Path, notes: Notes) -> None:
    place = _notes_folder(folder)
    new = place / f"pulled.json.{os.getpid()}"
    new.write_bytes(encode(notes))
    new.replace(place / "pulled.json")
