"""Keep parts of a file during its upload: enough to tell whether it must be opened again."""

from __future__ import annotations

from collections.abc import Iterator

from modelyard.domain.formats.ranged import Source

HEAD_BYTES = 4096
TAIL_BYTES = 65_535 + 22
"""A zip's end record with the longest comment; its readers look for it from the end."""
_FIRST_PLACE = 512
_PLACE_BYTES = 8


class Skim:
    """The first and the last bytes, and eight bytes at each offset where HDF5 may begin: 512, 1024, 2048, …

    Source of the offsets: HDF5 file format specification, "Disk Format: Level 0A", the user block.
    """

    def __init__(self) -> None:
        self.size_bytes = 0
        self.head = b""
        self.places: dict[int, bytes] = {}
        self._tail = bytearray()
        self._next = _FIRST_PLACE

    @property
    def tail(self) -> bytes:
        return bytes(self._tail[-TAIL_BYTES:])

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes, in order."""
        start, self.size_bytes = self.size_bytes, self.size_bytes + len(chunk)
        if len(self.head) < HEAD_BYTES:
            self.head += bytes(chunk[: HEAD_BYTES - len(self.head)])
        self._keep_places(start, chunk)
        if len(chunk) >= TAIL_BYTES:
            self._tail = bytearray(chunk[-TAIL_BYTES:])
        else:
            self._tail += chunk
            if len(self._tail) > 4 * TAIL_BYTES:
                del self._tail[:-TAIL_BYTES]

    def _keep_places(self, start: int, chunk: bytes | bytearray | memoryview) -> None:
        for place, found in self.places.items():
            if len(found) < _PLACE_BYTES and place + len(found) == start:
                self.places[place] = found + bytes(chunk[: _PLACE_BYTES - len(found)])
        while self._next < start + len(chunk):
            at = self._next - start
            self.places[self._next] = bytes(chunk[at : at + _PLACE_BYTES])
            self._next *= 2

    @classmethod
    def of(cls, source: Source) -> Skim:
        """Build the skim from a source by ranges, which costs a few small reads."""
        found = cls()
        found.size_bytes = source.size_bytes
        found.head = source.read(0, min(HEAD_BYTES, source.size_bytes))
        start = max(source.size_bytes - TAIL_BYTES, 0)
        found._tail = bytearray(source.read(start, source.size_bytes - start))
        found.places = {
            place: source.read(place, min(_PLACE_BYTES, source.size_bytes - place))
            for place in _places(source.size_bytes)
        }
        return found


def _places(size_bytes: int) -> Iterator[int]:
    place = _FIRST_PLACE
    while place < size_bytes:
        yield place
        place *= 2
