"""What a program prints, as it is kept: in lines, without credentials, and of a bounded length."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from modelyard.domain.secrets import LineMasker

MAX_LOG_BYTES = 8 * 1024 * 1024
TAIL_BYTES = 64 * 1024
MAX_LINE = 20_000


@dataclass(frozen=True, slots=True)
class _Lines:
    text: str
    """Without credentials."""
    cut: bool
    """Whether it is one line that was cut."""


class _Stream:
    """The lines of one stream, put together from its pieces."""

    def __init__(self) -> None:
        self._line, self._masker = "", LineMasker()
        self._cut = 0

    def lines(self, text: str) -> Iterator[_Lines]:
        """Yield the lines that end in this text, many at once where none is long."""
        start = text.find("\n") + 1 if self._line or self._cut else 0
        end = text.rfind("\n") + 1
        if start < end and max(map(len, text[start:end].split("\n"))) <= MAX_LINE:
            yield from self._single(text[:start])
            yield _Lines(self._masker.mask_lines(text[start:end]), cut=False)
            text = text[end:]
        yield from self._single(text)

    def _single(self, text: str) -> Iterator[_Lines]:
        for piece in text.splitlines(keepends=True):
            ends = piece.endswith(("\n", "\r"))
            body, end = (piece[:-1], piece[-1]) if ends else (piece, "")
            room = MAX_LINE - len(self._line)
            self._line += body[:room]
            self._cut += len(body[room:])
            if ends:
                yield self.rest(end)

    def rest(self, end: str = "") -> _Lines:
        """Return the line that has begun, and begin another."""
        text, cut = self._masker.mask(self._line), self._cut
        self._line, self._cut = "", 0
        return _Lines(text + (f"… ({cut} characters cut)\n" if cut else end), bool(cut))


class BoundedLog:
    """Passes text on without credentials, with long lines cut; of a long log only the beginning and the end.
    A line is passed on when it ends, since a credential may come in pieces."""

    def __init__(
        self,
        say: Callable[[str], object],
        note: Callable[[str], object],
        most_bytes: int = MAX_LOG_BYTES,
    ) -> None:
        """most_bytes: of the beginning."""
        self._say, self._note, self._most_bytes = say, note, most_bytes
        self._lock = threading.Lock()
        self._streams: list[_Stream] = []
        self._passed = self._left_out = 0
        self._tail: deque[str] = deque()
        self._tail_size = 0

    def stream(self) -> Callable[[str], None]:
        """Return what takes the text of one more stream. Each puts its own lines together, since what comes from
        another in between would tear a credential apart."""
        stream = _Stream()
        self._streams.append(stream)

        def feed(text: str) -> None:
            with self._lock:
                for lines in stream.lines(text):
                    self._pass_lines(lines)

        return feed

    @property
    def is_full(self) -> bool:
        """Whether the beginning is complete, so that only the end of more text is kept."""
        return self._passed >= self._most_bytes

    def leave_out(self, size: int) -> None:
        """Count text that its reader left out, since the log is full."""
        with self._lock:
            self._left_out += size

    def _pass_lines(self, lines: _Lines) -> None:
        if lines.cut:
            self._note(f"Lines of the log longer than {MAX_LINE} characters were cut.")
        self._pass(lines.text)

    def _pass(self, text: str) -> None:
        if not text:
            return
        if self._passed < self._most_bytes:
            self._passed += len(text.encode("utf-8", "replace"))
            self._say(text)
            return
        self._tail.append(text)
        self._tail_size += len(text)
        while self._tail_size - len(self._tail[0]) >= TAIL_BYTES:
            gone = len(self._tail.popleft())
            self._tail_size -= gone
            self._left_out += gone

    def finish(self) -> None:
        with self._lock:
            for stream in self._streams:
                self._pass_lines(stream.rest())
            if self._left_out:
                self._say(f"\n… ({self._left_out} characters of the log are left out here)\n")
                self._note(
                    f"The log is longer than {self._most_bytes} bytes; only its beginning and its end were kept."
                )
            for text in self._tail:
                self._say(text)
            self._tail.clear()


# --- registering -----------------------------------------------------------------------------------------
