"""Source bundles: the code of a folder as one file, exactly as it is on disk, for a build elsewhere.

A bundle is an uncompressed tar of regular files: in the order of their paths, with time 0, mode 644 or 755 and no owner.
Equal content therefore has an equal digest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from modelyard.domain.digest import Digest
from modelyard.domain.errors import FileChanged, Invalid, InvalidPath, ModelyardError, SecretFiles, UnlawfulFile
from modelyard.domain.paths import check_placement
from modelyard.domain.sizes import size_words
from modelyard.sdk.files import (
    ALWAYS_IGNORED,
    BLOCK_BYTES,
    IGNORE_FILE,
    PULLED_FOLDER,
    LocalFile,
    follow_link,
    read_rules,
)
from modelyard.sdk.progress import Progress, Silent
from modelyard.sdk.secret_files import refuse_secret_files
from modelyard.sdk.session import Session
from modelyard.sdk.transfer import send_missing

MAX_BUNDLE_BYTES = 512 * 1024 * 1024
MAX_BUNDLE_FILES = 50_000
_LEFT_OUT = ALWAYS_IGNORED | {"venv", "node_modules", ".tox", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
"""Folders and files that are not source, where git does not say so."""
_OWN_PREFIX = ".modelyard"
_GIT_SECONDS = 60.0
_NEXT = f"List folders that the build does not need in {IGNORE_FILE}, one pattern a line as in .gitignore"


class SourceBundle(msgspec.Struct, frozen=True):
    """A bundle in a file. files: their number."""

    path: Path
    digest: Digest
    size_bytes: int
    files: int


# --- making ------------------------------------------------------------------------------------------


def make_bundle(folder: Path, target: Path) -> SourceBundle:
    """Write the bundle of a folder to `target`.

    In a git repository it holds the tracked files and those that git does not ignore, all as they are on disk; elsewhere all
    files without `_LEFT_OUT`. `.modelyardignore` leaves out more.
    Raises Invalid for too many files or bytes, SecretFiles, UnlawfulFile for links that leave the folder, FileChanged.
    """
    files = find_sources(folder)
    try:
        refuse_secret_files(files)
    except SecretFiles as error:
        raise SecretFiles(
            fix=f"Move them out of {folder}, or list them in {IGNORE_FILE}", **error.fields
        ) from None
    with target.open("wb") as raw, tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            entry = tarfile.TarInfo(file.path)
            entry.size, entry.mode = file.size_bytes, 0o755 if file.is_executable else 0o644
            file.check_unchanged()
            with file.source.open("rb") as source:
                try:
                    tar.addfile(entry, source)
                except OSError:
                    # The tar's size was announced, so a shorter file cannot be written.
                    raise FileChanged(path=file.path) from None
            file.check_unchanged()
    hasher = hashlib.sha256()
    with target.open("rb") as made:
        while block := made.read(BLOCK_BYTES):
            hasher.update(block)
    return SourceBundle(target, Digest.from_hex(hasher.hexdigest()), target.stat().st_size, len(files))


def find_sources(folder: Path) -> list[LocalFile]:
    """Return the files of a folder that belong to its bundle, in the order of their paths. Raises as `make_bundle`."""
    if not folder.is_dir():
        raise Invalid(reason=f"{folder} is not a folder", fix="Name the folder of the source")
    top = folder.resolve()
    ignored = read_rules(top / IGNORE_FILE)
    found: dict[str, LocalFile] = {}
    size = 0
    for path in _paths(top, top, ignored):
        if path in found or (file := _file(top, path)) is None:
            continue
        found[path] = file
        size += file.size_bytes
        if len(found) > MAX_BUNDLE_FILES or size > MAX_BUNDLE_BYTES:
            raise _too_large(top, found)
    if not found:
        raise Invalid(reason=f"there are no files in {folder}", fix="Name the folder of the source")
    return [found[path] for path in sorted(found)]


def _too_large(top: Path, found: dict[str, LocalFile]) -> Invalid:
    shares: dict[str, int] = {}
    for path, file in found.items():
        first = path.split("/")[0]
        shares[first] = shares.get(first, 0) + file.size_bytes
    largest = sorted(shares, key=lambda name: -shares[name])[:3]
    named = ", ".join(f"{name} ({size_words(shares[name])})" for name in largest)
    return Invalid(
        reason=f"{top} has more than {size_words(MAX_BUNDLE_BYTES)} or {MAX_BUNDLE_FILES} files; so far the largest "
        f"are: {named}",
        fix=_NEXT,
    )


def _file(top: Path, path: str) -> LocalFile | None:
    """Return one file; None if it was deleted but is still tracked."""
    try:
        check_placement(path)
    except InvalidPath as error:
        raise UnlawfulFile(path=path, reason=str(error.fields["reason"])) from None
    source = top / path
    with suppress(FileNotFoundError, NotADirectoryError):
        info = source.lstat()
        if stat.S_ISLNK(info.st_mode):
            source = follow_link(top, source, path)
            info = source.stat()
        if not stat.S_ISREG(info.st_mode):
            raise UnlawfulFile(path=path, reason="it is a device, a pipe or a socket")
        is_executable = os.name == "posix" and bool(info.st_mode & stat.S_IXUSR)
        return LocalFile(path, source, info.st_size, info.st_mtime_ns, is_executable)
    return None


def _paths(top: Path, folder: Path, ignored: Callable[[str, bool], bool]) -> Iterator[str]:
    """Yield the paths of a folder's files, relative to the top. A repository inside of it is asked by itself."""
    listed = _listed_by_git(folder)
    if listed is None:
        yield from _walk(top, folder, ignored)
        return
    for name in listed:
        place = folder / name
        path = place.relative_to(top).as_posix()
        if path == PULLED_FOLDER or path.startswith(f"{PULLED_FOLDER}/") or _is_ignored(path, ignored):
            continue
        if place.is_dir() and not place.is_symlink():
            yield from _paths(top, place, ignored)
        else:
            yield path


def _is_ignored(path: str, ignored: Callable[[str, bool], bool]) -> bool:
    parts = path.split("/")
    return any(ignored("/".join(parts[:end]), end < len(parts)) for end in range(1, len(parts) + 1))


def _walk(top: Path, folder: Path, ignored: Callable[[str, bool], bool]) -> Iterator[str]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = Path(entry.path).relative_to(top).as_posix()
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.name in _LEFT_OUT or entry.name.startswith(_OWN_PREFIX) or path == PULLED_FOLDER:
            continue
        if ignored(path, is_folder):
            continue
        if is_folder:
            yield from _walk(top, Path(entry.path), ignored)
        else:
            yield path


def _listed_by_git(folder: Path) -> list[str] | None:
    """Return the files that git tracks or would track, relative to the folder; None if it is not in a repository."""
    git = shutil.which("git")
    if git is None or not any((place / ".git").exists() for place in (folder, *folder.parents)):
        return None
    command = [git, "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    return sorted({os.fsdecode(name).rstrip("/") for name in done.stdout.split(b"\0") if name})


def send_bundle(session: Session, bundle: SourceBundle, progress: Progress | None = None) -> None:
    """Send the bytes of a bundle, unless the server has them. Raises QuotaExceeded and the errors of a transfer."""
    info = bundle.path.stat()
    file = LocalFile(f"source-{bundle.digest.hex[:12]}.tar", bundle.path, info.st_size, info.st_mtime_ns)
    send_missing(session.transport, [(file, bundle.digest)], session.parallel, progress or Silent())


# --- unpacking ---------------------------------------------------------------------------------------


def unpack_bundle(source: Path, digest: Digest, folder: Path) -> int:
    """Unpack a bundle into an empty folder and return its number of files.

    Only regular files inside the folder are written, and nothing before the digest was compared.
    Raises Invalid for other bytes than the digest names, and for a bundle that no client makes.
    """
    hasher = hashlib.sha256()
    with source.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            hasher.update(block)
    if hasher.hexdigest() != digest.hex:
        raise Invalid(
            reason=f"the source bundle has the digest sha256:{hasher.hexdigest()}, not {digest}",
            fix="Submit the build again from its folder: modelyard build",
        )
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    size = 0
    try:
        with tarfile.open(source, "r:") as tar:
            for entry in tar:
                count, size = count + 1, size + entry.size
                if not entry.isreg():
                    raise _refused(entry.name, "it is not a regular file")
                if count > MAX_BUNDLE_FILES or size > MAX_BUNDLE_BYTES:
                    raise _refused(entry.name, "the bundle is larger than a source bundle may be")
                check_placement(entry.name)
                content = tar.extractfile(entry)
                if content is None:
                    raise _refused(entry.name, "it has no content")
                _write(folder / entry.name, content, 0o755 if entry.mode & 0o100 else 0o644)
    except InvalidPath as error:
        raise _refused(str(error.fields["path"]), str(error.fields["reason"])) from None
    except (tarfile.TarError, EOFError, UnicodeError) as error:
        raise _refused(source.name, f"it is not a tar: {error}") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise _refused(str(error.filename), "the bundle names it twice") from None
    return count


def _refused(path: str, reason: str) -> ModelyardError:
    return Invalid(
        reason=f"the source bundle cannot be unpacked: {path!r}: {reason}",
        fix="Submit the build again from its folder: modelyard build",
    )


def _write(place: Path, content: IO[bytes], mode: int) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    # Nothing but this loop writes into the folder and it makes no links, so no parent leads elsewhere.
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), mode)
    with os.fdopen(descriptor, "wb") as target:
        shutil.copyfileobj(content, target, BLOCK_BYTES)
