"""The records of a run, on disk until the server has them (decision record 0015).

    <spool>/<run id>/
        <writer>.json                  the run, the server, the start of the run
        <writer>.lock                  held by the process that writes
        <writer>.<first number>.frames one frame a line: its number, CRC-32 of its JSON, its JSON
        files/<64 hex>                 bytes of logged files

An incomplete line is ignored. A file of frames is deleted when the server has all of them and a later file exists,
or the writer has ended.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from modelyard.domain.errors import Invalid
from modelyard.wire.base import encode
from modelyard.wire.runs import Frame, StartRun

FORMAT = 1
SEGMENT_BYTES = 4 * 1024 * 1024
_SUFFIX = ".frames"


class Header(msgspec.Struct, kw_only=True):
    """The writer and its server. start None: another writer began the run."""

    format: int = FORMAT
    run: str
    writer: str
    server: str | None
    start: StartRun | None


def _segment(folder: Path, writer: str, first: int) -> Path:
    return folder / f"{writer}.{first:012d}{_SUFFIX}"


def _segments(folder: Path, writer: str) -> list[tuple[int, Path]]:
    """List segments as (number of the first frame, path), in order."""
    found = folder.glob(f"{writer}.*{_SUFFIX}")
    return sorted((int(path.name.split(".")[-2]), path) for path in found)


class SpoolWriter:
    """Appends frames. Not safe in threads."""

    def __init__(self, folder: Path, header: Header) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder, self.header = folder, header
        self.number = 0
        """Number of the last frame."""
        write_durably(folder / f"{header.writer}.json", encode(header))
        self._file = self._open()

    def _open(self) -> int:
        path = _segment(self.folder, self.header.writer, self.number + 1)
        self._size = 0
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)

    def append(self, frame: Frame) -> int:
        """Append a frame and return its number. Raises OSError with nothing appended."""
        if self._size >= SEGMENT_BYTES:
            before = self._file
            self._file = self._open()
            os.close(before)
        raw = encode(frame)
        line = b"%d %08x %s\n" % (self.number + 1, zlib.crc32(raw), raw)
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError:
            # A full disk leaves half a line, which must not precede the next one.
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(line)
        self.number += 1
        return self.number

    def close(self) -> None:
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    raw: bytes
    """The frame's JSON; for a damaged line a frame that says so."""
    segment: int
    end: int
    """Where the next line begins."""


class SpoolReader:
    """Reads the frames of one writer that the server does not have yet, even while they are being written."""

    def __init__(self, folder: Path, writer: str) -> None:
        self.folder, self.writer = folder, writer
        found = _segments(folder, writer)
        self._segment = found[0][0] if found else 1
        self._offset = 0
        self.acknowledged = self._segment - 1
        """Number of the last frame that the server has, as far as is known here."""

    def peek(self, most_bytes: int, most_frames: int) -> list[Line]:
        """Return the next frames, at least one if there is any."""
        found: list[Line] = []
        size = 0
        for line in self._lines():
            size += len(line.raw)
            if found and (size > most_bytes or len(found) == most_frames):
                break
            found.append(line)
        return found

    def _lines(self) -> Iterator[Line]:
        segment, offset, number = self._segment, self._offset, self.acknowledged
        while True:
            path = _segment(self.folder, self.writer, segment)
            try:
                with path.open("rb") as file:
                    file.seek(offset)
                    for line in file:
                        if not line.endswith(b"\n"):
                            break
                        offset += len(line)
                        number += 1
                        yield Line(number, _frame_of(line, number), segment, offset)
            except FileNotFoundError:
                return
            if number + 1 == segment or not _segment(self.folder, self.writer, number + 1).exists():
                return
            segment, offset = number + 1, 0

    def acknowledge(self, line: Line) -> None:
        """Note that the server has this frame and those before it."""
        for first, path in _segments(self.folder, self.writer):
            if first < line.segment:
                path.unlink(missing_ok=True)
        self._segment, self._offset, self.acknowledged = line.segment, line.end, line.number


def _frame_of(line: bytes, number: int) -> bytes:
    told, crc, raw = ([*line.rstrip(b"\n").split(b" ", 2), b"", b""])[:3]
    if told == b"%d" % number and crc == b"%08x" % zlib.crc32(raw):
        return _in_present_words(raw)
    return encode(Frame(notes=[f"Record {number} was damaged on the disk of the machine that trained."]))


def _in_present_words(raw: bytes) -> bytes:
    """Return a frame of an older client, which wrote `size` for the size of a file, as this release writes it."""
    if b'"artifacts"' not in raw or b'"size":' not in raw:
        return raw
    frame = msgspec.json.decode(raw)
    for artifact in frame.get("artifacts", ()):
        if "size" in artifact:
            artifact["size_bytes"] = artifact.pop("size")
    return encode(frame)


# --- the folder as a whole -------------------------------------------------------------------------------


def read_header(path: Path) -> Header:
    """Read the header of a writer. Raises Invalid for a header that this release did not write."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Header)
    except (OSError, msgspec.MsgspecError) as exc:
        raise Invalid(reason=f"{path} is not a spool header: {exc}", fix="Move its folder away") from exc
    if found.format != FORMAT:
        raise Invalid(
            reason=f"{path} has format {found.format}, but this release reads {FORMAT}",
            fix="Synchronise it with the release that wrote it",
        )
    return found


def list_headers(root: Path) -> list[Path]:
    """Return the headers of all writers; those that began a run come first."""
    found = sorted(root.glob("*/*.json"), key=lambda path: path.stat().st_mtime_ns)
    return sorted(found, key=lambda path: read_header(path).start is None)


def remove_writer(folder: Path, writer: str) -> None:
    """Remove the files of a writer, and the run's folder if it has no other writer."""
    for _, path in _segments(folder, writer):
        path.unlink(missing_ok=True)
    (folder / f"{writer}.json").unlink(missing_ok=True)
    (folder / f"{writer}.lock").unlink(missing_ok=True)
    if not any(folder.glob("*.json")):
        shutil.rmtree(folder / "files", ignore_errors=True)
        with suppress(OSError):
            folder.rmdir()


def write_durably(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
