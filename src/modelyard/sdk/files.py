"""The files of a pushed folder, and their digests."""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modelyard.domain.digest import Digest
from modelyard.domain.errors import FileChanged, Invalid, InvalidManifest, UnlawfulFile
from modelyard.domain.globs import matches_glob
from modelyard.domain.manifest import File, Manifest
from modelyard.domain.paths import check_path
from modelyard.sdk.parallel import Stop, check

IGNORE_FILE = ".modelyardignore"
ALWAYS_IGNORED = frozenset(
    {".git", ".hg", ".svn", "__pycache__", ".venv", ".DS_Store", "Thumbs.db", ".ipynb_checkpoints", IGNORE_FILE}
)
PULLED_FOLDER = ".cache"
"""At the top of a pulled folder: the client's notes, which are never part of a version."""
BLOCK_BYTES = 1 << 20
_MAX_RULES = 10_000


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file as it was when the folder was walked."""

    path: str
    source: Path
    size_bytes: int
    mtime_ns: int
    is_executable: bool = False

    def check_unchanged(self) -> None:
        """Check that the file has not changed. Raises FileChanged."""
        try:
            found = self.source.stat(follow_symlinks=False)
        except FileNotFoundError:
            raise FileChanged(path=self.path) from None
        if (found.st_size, found.st_mtime_ns) != (self.size_bytes, self.mtime_ns):
            raise FileChanged(path=self.path)


def find_files(what: Path) -> list[LocalFile]:
    """Return the files of a folder, or the one file, in the order of their paths.

    A link keeps its own name and has its target's bytes. `what` itself may be a link; links inside a folder must lead to
    a file of the folder, or of the cache that the folder is a view of (`follow_link`).
    Raises InvalidManifest if there are no files, UnlawfulFile for other links and for devices, InvalidPath.
    """
    try:
        info = what.stat()
    except FileNotFoundError:
        raise Invalid(reason=f"{what} does not exist", fix="Name a folder or a file") from None
    if stat.S_ISREG(info.st_mode):
        found = [_local_file(what.resolve(), what.name or what.resolve().name, info)]
    elif stat.S_ISDIR(info.st_mode):
        top = what.resolve()
        found = [*_walk(top, top, read_rules(top / IGNORE_FILE))]
    else:
        raise UnlawfulFile(path=str(what), reason="it is neither a file nor a folder")
    if not found:
        raise InvalidManifest(reason=f"there are no files in {what}", fix="Name a folder that contains files")
    return sorted(found, key=lambda file: file.path)


def _local_file(source: Path, path: str, info: os.stat_result) -> LocalFile:
    # Some file systems return names in another Unicode form than they were given.
    path = check_path(unicodedata.normalize("NFC", path))
    is_executable = os.name == "posix" and bool(info.st_mode & stat.S_IXUSR)
    return LocalFile(path, source, info.st_size, info.st_mtime_ns, is_executable)


def _walk(top: Path, folder: Path, ignored: Callable[[str, bool], bool]) -> Iterator[LocalFile]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        source = Path(entry.path)
        path = source.relative_to(top).as_posix()
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.name in ALWAYS_IGNORED or path == PULLED_FOLDER or ignored(path, is_folder):
            continue
        if entry.is_symlink():
            target = follow_link(top, source, path)
            yield _local_file(target, path, target.stat())
        elif is_folder:
            yield from _walk(top, source, ignored)
        elif entry.is_file(follow_symlinks=False):
            yield _local_file(source, path, source.lstat())
        else:
            raise UnlawfulFile(path=path, reason="it is a device, a pipe or a socket")


def follow_link(top: Path, link: Path, path: str) -> Path:
    """Return the file that a link inside a folder leads to.

    The target must be where the folder, or the tool that created it, keeps files: otherwise a folder from elsewhere could
    contain links to private files of the person who pushes it. Raises UnlawfulFile.
    """
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        raise UnlawfulFile(path=path, reason="it is a link to a file that is not there") from None
    if not target.is_file():
        raise UnlawfulFile(path=path, reason="it is a link to something other than a file")
    stores = [top]
    if top.parent.name == "snapshots":
        # The cache of the Hugging Face Hub: models--*/snapshots/<commit>/… → models--*/blobs/<digest>.
        stores.append(top.parent.parent / "blobs")
    stores += [folder / ".dvc" / "cache" for folder in (top, *top.parents)]
    if not any(target.is_relative_to(store) for store in stores):
        raise UnlawfulFile(
            path=path,
            reason=f"it is a link to {target}, outside the folder",
            fix="Replace the link with the file, or exclude the link in .modelyardignore",
        )
    return target


# --- .modelyardignore --------------------------------------------------------------------------------


def read_rules(file: Path) -> Callable[[str, bool], bool]:
    """Return a function that tells whether (path, is folder) is ignored. Lines are patterns; the last match counts.

    As in .gitignore, `*` and `?` stop at `/`, but `**` does not; a pattern with a `/` inside is relative to the top; a
    closing `/` means only folders; `!` includes again.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()[:_MAX_RULES]
    except FileNotFoundError:
        return lambda path, is_folder: False
    except UnicodeDecodeError:
        raise Invalid(reason=f"{file} is not UTF-8", fix="Save it as UTF-8") from None
    rules = [rule for line in lines if (rule := _parse_rule(line)) is not None]

    def ignored(path: str, is_folder: bool) -> bool:
        found = False
        parts = path.split("/")
        for pattern, folders_only, takes_out in rules:
            if (is_folder or not folders_only) and _fits(pattern, parts):
                found = takes_out
        return found

    return ignored


def _parse_rule(line: str) -> tuple[list[str], bool, bool] | None:
    """Return a rule as (a pattern for each part of the path, folders only, excludes); `**` is any number of parts."""
    text = line.rstrip()
    if not text or text.startswith("#"):
        return None
    takes_out = not text.startswith("!")
    text = text.removeprefix("!")
    folders_only = text.endswith("/")
    text = text.rstrip("/")
    anchored = "/" in text
    parts = text.removeprefix("/").replace("[^", "[!").split("/")
    return parts if anchored else ["**", *parts], folders_only, takes_out


def _fits(pattern: list[str], parts: list[str]) -> bool:
    """Return whether the whole path matches. Each pattern meets each part at most once, so no pattern is slow."""
    reached = [True] + [False] * len(parts)
    for index, each in enumerate(pattern):
        if each == "**":
            # At the end it means the contents of a folder, so at least one part.
            skipped = 1 if index == len(pattern) - 1 else 0
            first = next((at for at, is_reached in enumerate(reached) if is_reached), len(parts) + 1) + skipped
            reached = [at >= first for at in range(len(parts) + 1)]
        else:
            reached = [False] + [
                before and matches_glob(each, part) for before, part in zip(reached, parts, strict=False)
            ]
    return reached[-1]


# --- digests -----------------------------------------------------------------------------------------


def hash_file(file: LocalFile, stop: Stop, advance: Callable[[int], None]) -> Digest:
    """Read the file once, in blocks, and return its digest. Raises FileChanged if the file changed."""
    file.check_unchanged()
    hasher = hashlib.sha256()
    block = bytearray(BLOCK_BYTES)
    view = memoryview(block)
    size = 0
    with file.source.open("rb", buffering=0) as source:
        while count := source.readinto(block):
            check(stop)
            hasher.update(view[:count])
            size += count
            advance(count)
    file.check_unchanged()
    if size != file.size_bytes:
        raise FileChanged(path=file.path)
    return Digest.from_hex(hasher.hexdigest())


def manifest_of(files: list[tuple[LocalFile, Digest]]) -> Manifest:
    """Build the manifest of files and their digests. Raises InvalidManifest, InvalidPath."""
    return Manifest.of(File(file.path, digest, file.size_bytes) for file, digest in files)
